"""A reference genome on disk, from which any stretch of DNA can be read."""

from functools import partial
from pathlib import Path

import numpy as np
import pysam

from strandwise.errors import InputError
from strandwise.files import existing_file
from strandwise.genome.faidx import fai_path, gzi_path, indexed_sizes
from strandwise.genome.fasta import is_bgzip
from strandwise.genome.handles import OwnHandle
from strandwise.genome.names import name_hint
from strandwise.sequence import Codes, N, encode


def _open_fasta(path: Path) -> pysam.FastaFile:
    existing_file(path, "genome FASTA")
    gzi = str(gzi_path(path)) if is_bgzip(path) else None
    try:
        return pysam.FastaFile(str(path), filepath_index=str(fai_path(path)), filepath_index_compressed=gzi)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: the genome can no longer be opened ({error}).") from error


class Genome:
    """Read stretches of a genome from one FASTA file, plain or bgzip.

    The file and its index are checked at once (see `faidx.indexed_sizes`); each process and thread
    opens it for itself, so a Genome can be pickled, forked and shared.

    Attributes:
        path: the FASTA file.
        sizes: chromosomes and their sizes in bp, in file order.

    Raises:
        InputError: the file is missing, no FASTA, compressed with gzip, or has no index that fits.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.sizes: dict[str, int] = indexed_sizes(self.path)
        self._file = OwnHandle(partial(_open_fasta, self.path))

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
        codes = self._read(chrom, inner_start, inner_end)
        if len(codes) == end - start:
            return codes
        padded = np.full(end - start, N, dtype=np.uint8)
        padded[inner_start - start : inner_end - start] = codes
        return padded

    def load(self, chrom: str) -> Codes:
        """Return a whole chromosome as codes."""
        return self._read(chrom, 0, self._size(chrom))

    def _size(self, chrom: str) -> int:
        if chrom not in self.sizes:
            raise InputError(f"chromosome '{chrom}' is not in {self.path}{name_hint(chrom, self.sizes)}.")
        return self.sizes[chrom]

    def _read(self, chrom: str, start: int, end: int) -> Codes:
        where = f"{self.path}, {chrom}:{start}-{end}"
        file = self._file.get()
        try:
            letters = file.fetch(chrom, start, end)
        except (OSError, ValueError) as error:
            raise InputError(f"{where}: cannot be read ({error}); the file may be damaged.") from error
        if len(letters) != end - start:
            raise InputError(f"{where}: only {len(letters)} letters are there; the file has changed or is damaged.")
        return encode(letters, ambiguous="n", what=where)

    def __repr__(self) -> str:
        return f"Genome('{self.path}', {len(self.sizes)} chromosomes)"
