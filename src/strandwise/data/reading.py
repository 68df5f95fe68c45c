"""Reading the DNA of many windows at once, from a genome or from a set of sequences."""

from collections.abc import Iterable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from strandwise.genome import Genome
from strandwise.sequence import N


class PackedGenome:
    """Chromosomes end to end in one array of codes, with N between and around them.

    Args:
        genome: the FASTA.
        chromosomes: which to hold.
        margin: N on each side of a chromosome, so that windows may reach past its ends.
    """

    def __init__(self, genome: Genome, chromosomes: Iterable[str], margin: int) -> None:
        self.offsets: dict[str, int] = {}
        self.margin = margin
        pieces, position = [], 0
        for name in chromosomes:
            gap = np.full(margin, N, dtype=np.uint8)
            codes = genome.load(name)
            pieces += [gap, codes]
            self.offsets[name] = position + margin
            position += margin + len(codes)
        pieces.append(np.full(margin, N, dtype=np.uint8))
        self.codes = np.concatenate(pieces)

    def origin(self, chrom: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Return where each ``chrom:start`` lies in `codes`."""
        names, inverse = np.unique(chrom.astype(str), return_inverse=True)
        return np.array([self.offsets[name] for name in names], dtype=np.int64)[inverse] + start


class GenomeReader:
    """Reads windows of one length from a packed genome."""

    def __init__(self, packed: PackedGenome, origin: np.ndarray, input_bp: int) -> None:
        self.packed, self.origin, self.input_bp = packed, origin, input_bp

    @property
    def nbytes(self) -> int:
        """Bytes of the packed genome, which readers share."""
        return self.packed.codes.nbytes

    def gather(self, rows: np.ndarray, shifts: np.ndarray | None = None) -> np.ndarray:
        """Return the codes ``(len(rows), input_bp)``, each window moved right by its shift."""
        start = self.origin[rows] if shifts is None else self.origin[rows] + shifts
        # Made anew for each batch, since a reader that held it would be pickled with every window there is.
        return sliding_window_view(self.packed.codes, self.input_bp)[start]

    def take(self, rows: np.ndarray) -> "GenomeReader":
        """Return a reader of these windows only."""
        return GenomeReader(self.packed, self.origin[rows], self.input_bp)


class SequenceReader:
    """Reads windows from the middle of equally long sequences.

    Args:
        codes: ``(sequences, bases)``.
        input_bp: length of a window, at most the length of a sequence.
    """

    def __init__(self, codes: np.ndarray, input_bp: int) -> None:
        self.codes, self.input_bp = codes, input_bp
        self.start = (codes.shape[1] - input_bp) // 2
        self._along = np.arange(input_bp)

    @property
    def nbytes(self) -> int:
        """Bytes of the sequences."""
        return self.codes.nbytes

    def gather(self, rows: np.ndarray, shifts: np.ndarray | None = None) -> np.ndarray:
        """Return the codes ``(len(rows), input_bp)``; a shift past a sequence's end reads N."""
        if shifts is None:
            return self.codes[rows, self.start : self.start + self.input_bp]
        columns = self.start + shifts[:, None] + self._along
        inside = (columns >= 0) & (columns < self.codes.shape[1])
        found = self.codes[rows[:, None], columns.clip(0, self.codes.shape[1] - 1)]
        return np.where(inside, found, np.uint8(N))

    def take(self, rows: np.ndarray) -> "SequenceReader":
        """Return a reader of these sequences only."""
        return SequenceReader(self.codes[rows], self.input_bp)
