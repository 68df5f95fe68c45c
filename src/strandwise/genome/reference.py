"""A reference genome on disk, from which any stretch of DNA can be read."""

from pathlib import Path
from typing import Protocol

import numpy as np

from strandwise.errors import InputError
from strandwise.files import existing_file
from strandwise.genome.indexed_fasta import IndexedFasta
from strandwise.genome.names import unknown_chromosome
from strandwise.genome.twobit import TwoBitFile, is_twobit
from strandwise.sequence import Codes, N


class _Source(Protocol):
    """A genome file of one format."""

    @property
    def sizes(self) -> dict[str, int]:
        """The chromosomes and their sizes in bp, in file order."""
        ...

    def read(self, chrom: str, start: int, end: int) -> Codes:
        """Return an interval that lies within its chromosome."""
        ...


class Genome:
    """Read stretches of a genome from one FASTA file, plain or bgzip, or from one 2bit file.

    What the file holds decides, not its name. The file, and the index of a FASTA, are checked at once (see
    `faidx.indexed` and `twobit.TwoBitFile`); each process and thread opens it for itself, so a Genome
    can be pickled, forked and shared.

    Attributes:
        path: the file.
        sizes: chromosomes and their sizes in bp, in file order.

    Raises:
        InputError: the file is missing, neither FASTA nor 2bit, damaged, compressed with gzip, or has no
            index that fits.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = existing_file(path, "genome")
        self._source: _Source = TwoBitFile(self.path) if is_twobit(self.path) else IndexedFasta(self.path)
        self.sizes: dict[str, int] = self._source.sizes

    def fetch(self, chrom: str, start: int, end: int, pad: bool = False) -> Codes:
        """Return the DNA of an interval as codes (see `strandwise.sequence`).

        Args:
            chrom: a chromosome.
            start: its first position, 0-based.
            end: one past its last position.
            pad: whether positions outside the chromosome are N, rather than an error.

        Returns:
            ``(end - start,)`` codes; letters other than A, C, G and T are N.

        Raises:
            InputError: there is no such chromosome, or the interval leaves it.
        """
        size = self._size(chrom)
        if end < start:
            raise InputError(f"{chrom}:{start}-{end} ends before it starts: give the smaller position first.")
        if not pad and (start < 0 or end > size):
            raise InputError(
                f"{chrom}:{start}-{end} reaches outside {chrom}, which is {size} bp in {self.path}. "
                "Is it from another assembly?"
            )
        inner_start, inner_end = min(max(start, 0), size), max(min(end, size), 0)
        if inner_start >= inner_end:
            return np.full(end - start, N, dtype=np.uint8)
        codes = self._source.read(chrom, inner_start, inner_end)
        if len(codes) == end - start:
            return codes
        padded = np.full(end - start, N, dtype=np.uint8)
        padded[inner_start - start : inner_end - start] = codes
        return padded

    def load(self, chrom: str) -> Codes:
        """Return a whole chromosome as codes."""
        return self._source.read(chrom, 0, self._size(chrom))

    def _size(self, chrom: str) -> int:
        if chrom not in self.sizes:
            raise unknown_chromosome(chrom, self.path, self.sizes)
        return self.sizes[chrom]

    def __repr__(self) -> str:
        return f"Genome('{self.path}', {len(self.sizes)} chromosomes)"
