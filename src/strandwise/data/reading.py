"""Reading the DNA of many windows at once, from a genome or from a set of sequences."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from strandwise.data.readers import Reader, rows_of
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
        self.codes = np.full(margin, N, dtype=np.uint8)
        self.include(genome, chromosomes)

    def include(self, genome: Genome, chromosomes: Iterable[str]) -> None:
        """Hold these chromosomes too; those that are held stay where they are.

        Args:
            genome: the same genome.
            chromosomes: to hold; those that are held already are not read again.
        """
        pieces, position = [self.codes], len(self.codes)
        for name in chromosomes:
            if name not in self.offsets:
                codes = genome.load(name)
                pieces += [codes, np.full(self.margin, N, dtype=np.uint8)]
                self.offsets[name] = position
                position += len(codes) + self.margin
        if len(pieces) > 1:
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
        return SequenceReader(rows_of(self.codes, rows), self.input_bp)


class StackedReader:
    """Reads windows of several readers as those of one; each batch asks each reader in it once.

    Args:
        readers: of windows of one length.
        which: the reader of each window, by number; ``(windows,)``.
        place: where a window stands in its reader; ``(windows,)``.
    """

    def __init__(self, readers: Sequence[Reader], which: np.ndarray, place: np.ndarray) -> None:
        self.readers, self.which, self.place = tuple(readers), which, place

    @property
    def nbytes(self) -> int:
        """Bytes of what the readers hold; a genome that several of them read counts once."""
        held = {id(each.packed if isinstance(each, GenomeReader) else each): each.nbytes for each in self.readers}
        return sum(held.values())

    def gather(self, rows: np.ndarray, shifts: np.ndarray | None = None) -> np.ndarray:
        """Return the codes ``(len(rows), input_bp)``, each window moved right by its shift."""
        which, place = self.which[rows], self.place[rows]
        codes: np.ndarray | None = None
        for number in np.unique(which) if len(rows) else (0,):
            here = np.flatnonzero(which == number)
            found = self.readers[number].gather(place[here], None if shifts is None else shifts[here])
            codes = np.empty((len(rows), found.shape[1]), dtype=np.uint8) if codes is None else codes
            codes[here] = found
        return codes if codes is not None else np.empty((0, 0), dtype=np.uint8)

    def take(self, rows: np.ndarray) -> "StackedReader":
        """Return a reader of these windows only."""
        which, place = self.which[rows], self.place[rows]
        parts, within = [], np.empty_like(place)
        for number, reader in enumerate(self.readers):
            here = which == number
            parts.append(reader.take(place[here]))
            within[here] = np.arange(np.count_nonzero(here))
        return StackedReader(parts, which, within)


def stack_readers(readers: Sequence[Reader], sizes: Sequence[int]) -> Reader:
    """Return one reader of the windows of several, one after the other.

    Args:
        readers: of windows of one length; those of one packed genome become one reader of it.
        sizes: how many windows each has.
    """
    one = readers[0]
    if isinstance(one, GenomeReader):
        same = [each for each in readers if isinstance(each, GenomeReader) and each.packed is one.packed]
        if len(same) == len(readers):
            return GenomeReader(one.packed, np.concatenate([each.origin for each in same]), one.input_bp)
    if len(readers) == 1:
        return one
    which = np.repeat(np.arange(len(readers)), sizes)
    place = np.concatenate([np.arange(size) for size in sizes])
    return StackedReader(readers, which, place)
