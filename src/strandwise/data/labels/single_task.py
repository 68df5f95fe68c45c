"""The training bins of one factor: one for each peak, and fresh unbound ones every epoch (Quang & Xie 2019, 2.4.1)."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strandwise.data.labels.binding import BinState, States
from strandwise.data.labels.cover import Cover, Positions
from strandwise.data.labels.grid import BinGrid
from strandwise.errors import InputError
from strandwise.genome import check_within

# Of the random numbers: `strandwise.data.batches` draws from the streams 0 and 1.
_JITTER, _NEGATIVES = 2, 3


@dataclass(frozen=True)
class PositiveBins:
    """One bin for each peak, and how far it may be shifted.

    Attributes:
        frame: chrom, start, end of the bin; peak_start, peak_end; left_bp and right_bp, the largest shifts.
        dropped: how many peaks were left out, by reason.
    """

    frame: pd.DataFrame
    dropped: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.frame)

    def shifts(self, seed: int, epoch: int) -> Positions:
        """Return a shift for each bin, drawn evenly from the lawful ones; it depends on (seed, epoch) alone."""
        rng = np.random.default_rng([seed, _JITTER, epoch])
        return rng.integers(-self.frame["left_bp"].to_numpy(), self.frame["right_bp"].to_numpy() + 1)


def positive_bins(
    peaks: pd.DataFrame,
    sizes: Mapping[str, int],
    blacklist: pd.DataFrame | None = None,
    *,
    bin_bp: int = 200,
    margin_bp: int = 0,
    overlap_bp: int = 76,
) -> PositiveBins:
    """Return one bin around the middle of each conservative peak.

    However it is shifted, a bin keeps `overlap_bp` of its peak, or the whole peak where that is shorter, and stays
    on its chromosome. The published code keeps 76 bp; give 101 for bins that are still bound by majority.

    Args:
        peaks: intervals; not their summits but their middles count here, as in the published code.
        sizes: chromosomes and their sizes in bp.
        blacklist: regions of artefacts.
        bin_bp: length of a bin.
        margin_bp: peaks nearer than this to the blacklist or a chromosome's end are left out (published: the
            length of the model's input).
        overlap_bp: bases of the peak that a shifted bin keeps.

    Raises:
        InputError: a peak past its chromosome's end, or `overlap_bp` out of range.
    """
    if not 1 <= overlap_bp <= bin_bp:
        raise InputError(f"overlap_bp = {overlap_bp} of a bin of {bin_bp} bp: give 1 to {bin_bp}.")
    check_within(peaks, sizes, "conservative peaks")
    low, high = peaks["start"].to_numpy(dtype=np.int64), peaks["end"].to_numpy(dtype=np.int64)
    start = (low + high) // 2 - bin_bp // 2
    size = peaks["chrom"].map(sizes).to_numpy(dtype=np.int64)
    kept = np.minimum(overlap_bp, high - low)
    frame = pd.DataFrame(
        {
            "chrom": peaks["chrom"].to_numpy(),
            "start": start,
            "end": start + bin_bp,
            "peak_start": low,
            "peak_end": high,
            "left_bp": np.minimum(start + bin_bp - kept - low, start),
            "right_bp": np.minimum(high - kept - start, size - bin_bp - start),
        }
    )
    dropped: Counter[str] = Counter()
    near = (low < margin_bp) | (high > size - margin_bp) | (start < 0) | (start + bin_bp > size)
    barred = np.zeros(len(frame), dtype=bool)
    if blacklist is not None:
        barred = Cover(blacklist, margin_bp, "blacklist").touches(peaks["chrom"], low, high) & ~near
    for where, reason in ((near, "too near a chromosome's end"), (barred, "in or near the blacklist")):
        if where.any():
            dropped[reason] = int(where.sum())
    return PositiveBins(frame[~(near | barred)].reset_index(drop=True), dropped)


def negative_candidates(
    grid: BinGrid, states: States, peaks: pd.DataFrame, *, distance_bp: int = 200, apart: bool = True
) -> NDArray[np.integer]:
    """Return the rows of unbound bins that lie away from every peak.

    Args:
        grid: the bins.
        states: the factor's state in each.
        peaks: relaxed peaks where there are any, else conservative ones.
        distance_bp: bases there must be between a bin and a peak at the least.
        apart: take only bins that do not overlap each other.

    Raises:
        InputError: states of other bins, or no bin is left.
    """
    if len(states) != len(grid):
        raise InputError(f"{len(states)} states for {len(grid)} bins: label this grid first.")
    free = states == BinState.UNBOUND
    free &= ~grid.touched(Cover(peaks, distance_bp, "peaks"))
    if apart:
        lattice = np.zeros(len(grid), dtype=bool)
        for chrom in grid.sizes:
            lattice[grid.rows_of(chrom)][:: -(-grid.bin_bp // grid.step_bp)] = True
        free &= lattice
    # Half the memory of 64 bits, for a genome of any size that is known.
    rows = np.flatnonzero(free).astype(np.int32 if len(grid) < 2**31 else np.int64)
    if not len(rows):
        raise InputError(f"no unbound bin lies {distance_bp} bp away from every peak: lower distance_bp.")
    return rows


class FreshNegatives:
    """Hands out negatives so that no epoch sees those of another, until all have been seen.

    All candidates are put in one random order, of which each epoch takes the next piece. Once too few are left
    for an epoch, they are put in another order.

    Args:
        candidates: ``(candidates,)`` numbers of rows, all different.
        per_epoch: negatives in an epoch.
        seed: of the order; what an epoch holds depends on (seed, epoch) alone.

    Raises:
        InputError: an epoch asks for more than there are, or for none.
    """

    def __init__(self, candidates: NDArray[np.integer], per_epoch: int, seed: int = 0) -> None:
        if not 1 <= per_epoch <= len(candidates):
            raise InputError(f"{per_epoch} negatives an epoch of {len(candidates)}: give 1 to {len(candidates)}.")
        self.candidates, self.per_epoch, self.seed = candidates, per_epoch, seed
        self._order: tuple[int, NDArray[np.integer]] | None = None

    @property
    def epochs_before_reuse(self) -> int:
        """How many epochs pass before a negative is seen again."""
        return len(self.candidates) // self.per_epoch

    def rows(self, epoch: int) -> NDArray[np.integer]:
        """Return the negatives of an epoch: ``(per_epoch,)``, all different.

        Raises:
            InputError: an epoch before the first, 0.
        """
        if epoch < 0:
            raise InputError(f"epoch {epoch}: epochs count from 0.")
        turn, piece = divmod(epoch, self.epochs_before_reuse)
        if self._order is None or self._order[0] != turn:
            order = np.array(self.candidates)
            np.random.default_rng([self.seed, _NEGATIVES, turn]).shuffle(order)
            self._order = turn, order
        return self._order[1][piece * self.per_epoch : (piece + 1) * self.per_epoch].copy()
