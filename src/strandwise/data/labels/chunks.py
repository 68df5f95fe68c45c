"""Chunks of the genome in which something happens: GOPHER's coverage threshold (Toneyan et al. 2022, Methods)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strandwise.data.labels.cover import interval_columns
from strandwise.errors import InputError

BLOCK_BP = 1 << 22
"""Bases of one track that are read at once."""


class Signal(Protocol):
    """What is read along the genome; `strandwise.genome.BigWig` is one."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """The chromosomes it knows."""
        ...

    def values(self, chrom: str, start: int, end: int) -> NDArray[np.float32]:
        """Return one value for each base."""
        ...


def highest_coverage(
    chunks: pd.DataFrame, signals: Sequence[Signal], bin_bp: int = 1, *, block_bp: int = BLOCK_BP
) -> NDArray[np.float32]:
    """Return the highest binned coverage of each track in each chunk: ``(chunks, tracks)``.

    A chunk is binned from its own start, by the mean. Chromosomes that a track does not know have no coverage,
    and neither have positions without a value.

    Args:
        chunks: chrom, start, end; all of one length, in any order. `BinGrid` makes them: 3,072 bp side by side in
            the paper.
        signals: the tracks.
        bin_bp: length of a bin, which must divide that of a chunk.
        block_bp: bases of one track to hold at once.

    Raises:
        InputError: chunks of several lengths, or bins that do not fit.
    """
    chrom, start, end = interval_columns(chunks, "chunks")
    highest = np.zeros((len(start), len(signals)), dtype=np.float32)
    if not len(start):
        return highest
    length = int(end[0] - start[0])
    if (end - start != length).any():
        raise InputError("chunks of several lengths: coverage is compared in chunks of one length.")
    if bin_bp < 1 or length % bin_bp:
        raise InputError(f"bin_bp = {bin_bp} does not divide the {length} bp of a chunk: give a divisor.")
    for rows in _stretches(chrom, start, max(block_bp, length) - length):
        name, low, high = str(chrom[rows[0]]), int(start[rows[0]]), int(end[rows[-1]])
        for track, signal in enumerate(signals):
            if name not in signal.sizes:
                continue
            values = np.nan_to_num(signal.values(name, low, high), nan=0.0)
            inside = np.lib.stride_tricks.sliding_window_view(values, length)[start[rows] - low]
            binned = inside.reshape(len(rows), length // bin_bp, bin_bp).mean(axis=2, dtype=np.float64)
            highest[rows, track] = binned.max(axis=1)
    return highest


def over_threshold(highest: NDArray[np.floating], threshold: float = 2.0) -> NDArray[np.bool_]:
    """Return whether any track of a chunk passes a threshold strictly: ``(chunks,)``.

    Args:
        highest: ``(chunks, tracks)``, of `highest_coverage`.
        threshold: in the units of the coverage (paper: fold change over control of more than 2).
    """
    return np.any(highest > threshold, axis=1)


def _stretches(chrom: NDArray[np.object_], start: NDArray[np.int64], reach: int) -> Iterator[NDArray[np.int64]]:
    """Yield groups of rows of one chromosome, by rising start, whose starts lie within `reach` of each other."""
    codes, _ = pd.factorize(chrom)
    order = np.lexsort([start, codes])
    codes, start = codes[order], start[order]
    first = 0
    while first < len(order):
        ends = int(np.searchsorted(codes, codes[first], side="right"))
        stop = first + int(np.searchsorted(start[first:ends], start[first] + reach, side="right"))
        yield order[first:stop]
        first = stop
