"""Stretches of a genome read from an indexed FASTA file."""

from functools import partial
from pathlib import Path

import numpy as np

from strandwise.errors import InputError
from strandwise.genome.byte_ranges import open_bytes
from strandwise.genome.faidx import indexed
from strandwise.genome.handles import OwnHandle
from strandwise.sequence import Codes, encode


class IndexedFasta:
    """Read stretches of a genome from one FASTA file, plain or bgzip.

    htslib passes over line ends wherever they are, so that a file which is not as its index says would be
    read shifted; here they must be where the index has them.

    Attributes:
        path: the file.
        sizes: chromosomes and their sizes in bp, in file order.

    Raises:
        InputError: the file is no FASTA, compressed with gzip, or has no index that fits (`faidx.indexed`).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries = indexed(path)
        self.sizes: dict[str, int] = {name: entry.length for name, entry in self._entries.items()}
        self._file = OwnHandle(partial(open_bytes, path, "genome FASTA"))

    def read(self, chrom: str, start: int, end: int) -> Codes:
        """Return the codes ``(end - start,)`` of an interval that lies within its chromosome; it is not empty.

        Raises:
            InputError: the file is damaged or has changed, or a letter is not DNA.
        """
        entry = self._entries[chrom]
        where = f"{self.path}, {chrom}:{start}-{end}"
        first, last = start // entry.line_letters, (end - 1) // entry.line_letters
        size = (last - first) * entry.line_bytes + (end - 1) % entry.line_letters + 1
        raw = self._file.get().read(entry.offset + first * entry.line_bytes, size)
        if len(raw) < size:
            raise InputError(f"{where}: the file ends too early; it has changed or is damaged.")
        lines = np.empty((last - first + 1, entry.line_bytes), dtype=np.uint8)
        lines.reshape(-1)[:size] = np.frombuffer(raw, dtype=np.uint8)
        line_end = np.frombuffer(b"\n".rjust(entry.line_bytes - entry.line_letters, b"\r"), dtype=np.uint8)
        if (lines[:-1, entry.line_letters :] != line_end).any():
            raise InputError(f"{where}: a line does not end where the index says; the file has changed or is damaged.")
        skipped = first * entry.line_letters
        letters = lines[:, : entry.line_letters].reshape(-1)[start - skipped : end - skipped]
        return encode(letters.tobytes(), ambiguous="n", what=where)
