"""Windows of one length every few bases along a genome, known by their number alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strandwise.data.labels.cover import Cover, Positions, merge_sorted, paint
from strandwise.errors import InputError
from strandwise.genome.names import name_hint


@dataclass(frozen=True)
class BinGrid:
    """Bins of `bin_bp` every `step_bp`, chromosome after chromosome; only bins that fit whole.

    Sixty million bins are a few numbers here: a label is one array in their order, a row is a bin's number.

    Attributes:
        sizes: chromosomes and their sizes in bp; their order is the bins' order.
        bin_bp: length of a bin.
        step_bp: from the start of a bin to the start of the next.

    Raises:
        InputError: a length that is not positive, or no chromosome that holds a bin.
    """

    sizes: Mapping[str, int]
    bin_bp: int = 200
    step_bp: int = 50

    def __post_init__(self) -> None:
        for name in ("bin_bp", "step_bp"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} = {getattr(self, name)}: give at least 1.")
        if not len(self):
            raise InputError(f"bin_bp = {self.bin_bp} is longer than every chromosome: give a shorter one.")

    @cached_property
    def chromosomes(self) -> NDArray[np.object_]:
        """Names of the chromosomes."""
        return np.array(list(self.sizes), dtype=object)

    @cached_property
    def offsets(self) -> Positions:
        """``(chromosomes + 1,)``: the number of each chromosome's first bin, and of bins in all."""
        sizes = np.array(list(self.sizes.values()), dtype=np.int64)
        return np.concatenate([[0], np.cumsum(np.maximum((sizes - self.bin_bp) // self.step_bp + 1, 0))])

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def rows_of(self, chrom: str) -> slice:
        """Return the rows of a chromosome's bins.

        Raises:
            InputError: there is no such chromosome.
        """
        if chrom not in self.sizes:
            raise InputError(f"chromosome '{chrom}' is not among the bins{name_hint(chrom, self.sizes)}.")
        number = list(self.sizes).index(chrom)
        return slice(int(self.offsets[number]), int(self.offsets[number + 1]))

    def locate(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.object_], Positions]:
        """Return the chromosome and the start of each of these bins."""
        rows = np.asarray(rows, dtype=np.int64)
        number = np.searchsorted(self.offsets, rows, side="right") - 1
        return self.chromosomes[number], (rows - self.offsets[number]) * self.step_bp

    def frame(self, rows: NDArray[np.integer] | None = None) -> pd.DataFrame:
        """Return bins, by default all, as intervals: chrom, start, end."""
        chrom, start = self.locate(np.arange(len(self)) if rows is None else rows)
        return pd.DataFrame({"chrom": chrom, "start": start, "end": start + self.bin_bp})

    def touched(self, cover: Cover) -> NDArray[np.bool_]:
        """Return whether each bin shares at least one base with a cover: ``(bins,)``.

        The bins that a run of bases touches are a run of bins, so only the runs are looked at.
        """
        runs = cover.runs()
        numbers = {name: number for number, name in enumerate(self.sizes)}
        number = np.array([numbers.get(name, -1) for name in runs["chrom"]], dtype=np.int64)
        runs, number = runs[number >= 0], number[number >= 0]
        count = np.diff(self.offsets)[number]
        first = np.maximum((runs["start"].to_numpy() - self.bin_bp) // self.step_bp + 1, 0)
        stop = np.minimum((runs["end"].to_numpy() - 1) // self.step_bp + 1, count)
        some = stop > first
        first, stop = (first + self.offsets[number])[some], (stop + self.offsets[number])[some]
        order = np.argsort(first, kind="stable")
        return paint(*merge_sorted(first[order], stop[order]), len(self))

    def bases(self, cover: Cover, rows: NDArray[np.integer]) -> Positions:
        """Return how many bases of each of these bins are covered."""
        chrom, start = self.locate(rows)
        return cover.bases(chrom, start, start + self.bin_bp)
