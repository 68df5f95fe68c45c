"""Bound, ambiguous or unbound: the bins of the ENCODE-DREAM challenge (FactorNet: Quang & Xie 2019, section 2.1)."""

from collections.abc import Collection
from enum import IntEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strandwise.data.labels.cover import Cover
from strandwise.data.labels.grid import BinGrid
from strandwise.errors import InputError, listing
from strandwise.genome import check_within
from strandwise.genome.names import name_hint

States = NDArray[np.int8]


class BinState(IntEnum):
    """What is known of a factor in a bin; a state below 0 has weight 0."""

    UNLABELLED = -3
    BLACKLISTED = -2
    AMBIGUOUS = -1
    UNBOUND = 0
    BOUND = 1


def bin_states(
    grid: BinGrid,
    conservative: pd.DataFrame,
    relaxed: pd.DataFrame | None = None,
    blacklist: pd.DataFrame | None = None,
    *,
    least_bp: int | None = None,
    measured: Collection[str] | None = None,
) -> States:
    """Return the state of one factor in every bin.

    A bin is bound if conservative peaks together cover at least `least_bp` of it; else ambiguous if it touches any
    peak; else unbound. A bin that touches the blacklist is blacklisted whatever its peaks. Every bin of a chromosome
    that was not measured is unlabelled, never unbound, whatever lies there.

    Args:
        grid: the bins.
        conservative: reproducible peaks.
        relaxed: peaks of a lower threshold, if there are any.
        blacklist: regions of artefacts; those on chromosomes without bins are passed over.
        least_bp: bases that make a bin bound; more than half of a bin if not given (101 of 200).
        measured: chromosomes with data; those with a conservative peak if not given.

    Returns:
        ``(bins,)`` int8, of `BinState`.

    Raises:
        InputError: peaks on a chromosome without bins or past its end, `least_bp` out of range, or no conservative
            peak on a grid whose measured chromosomes are not given.
    """
    least = grid.bin_bp // 2 + 1 if least_bp is None else least_bp
    if not 1 <= least <= grid.bin_bp:
        raise InputError(f"least_bp = {least_bp} of a bin of {grid.bin_bp} bp: give 1 to {grid.bin_bp}.")
    known = _measured(grid, conservative, measured)
    states = np.zeros(len(grid), dtype=np.int8)
    for name, peaks in (("conservative peaks", conservative), ("relaxed peaks", relaxed)):
        if peaks is not None:
            check_within(peaks, grid.sizes, name)
            states[grid.touched(Cover(peaks, what=name))] = BinState.AMBIGUOUS
    cover = Cover(conservative)
    rows = np.flatnonzero(grid.touched(cover))
    states[rows[grid.bases(cover, rows) >= least]] = BinState.BOUND
    if blacklist is not None:
        inside = blacklist[blacklist["chrom"].isin(list(grid.sizes))]
        check_within(inside, grid.sizes, "blacklist")
        states[grid.touched(Cover(inside, what="blacklist"))] = BinState.BLACKLISTED
    for chrom in grid.sizes:
        if chrom not in known:
            states[grid.rows_of(chrom)] = BinState.UNLABELLED
    return states


def labels_and_weights(
    states: NDArray[np.integer], *, judge_blacklisted: bool = False
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the labels, true where bound, and the weights, false where a state is not to be learned.

    Args:
        states: of `BinState`, of any shape.
        judge_blacklisted: whether blacklisted bins count as negatives, as in the challenge's predictions; in
            training they are left out.
    """
    states = np.asarray(states)
    counts = states >= 0
    if judge_blacklisted:
        counts = counts | (states == BinState.BLACKLISTED)
    return states == BinState.BOUND, counts


def count_states(states: NDArray[np.integer]) -> dict[str, int]:
    """Return how many bins are in each state, by its name in lower case."""
    return {state.name.lower(): int(np.count_nonzero(states == state)) for state in sorted(BinState)}


def _measured(grid: BinGrid, conservative: pd.DataFrame, measured: Collection[str] | None) -> set[str]:
    if measured is None:
        known = set(conservative["chrom"].unique())
        if not known:
            raise InputError("conservative peaks: there are none; name the measured chromosomes if that is so.")
        return known
    missing = [name for name in measured if name not in grid.sizes]
    if missing:
        hint = name_hint(missing[0], grid.sizes)
        raise InputError(f"measured: no bins on {listing(missing)}{hint}; name chromosomes of the grid.")
    idle = set(conservative["chrom"].unique()).difference(measured)
    if idle:
        raise InputError(f"measured: {listing(sorted(idle))} has conservative peaks but is not named: add it.")
    return set(measured)
