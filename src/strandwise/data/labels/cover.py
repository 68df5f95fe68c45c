"""How much of a window a set of intervals covers: the one question that every kind of label asks."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from strandwise.errors import InputError

Positions = NDArray[np.int64]


def merge_sorted(start: Positions, end: Positions) -> tuple[Positions, Positions]:
    """Return the runs that sorted intervals make together; intervals that overlap or touch become one.

    Args:
        start: first positions, in rising order.
        end: one past the last positions.
    """
    if not len(start):
        return start, end
    reach = np.maximum.accumulate(end)
    opens = np.concatenate([[True], start[1:] > reach[:-1]])
    closes = np.concatenate([opens[1:], [True]])
    return start[opens], reach[closes]


def paint(start: Positions, end: Positions, n: int) -> NDArray[np.bool_]:
    """Return ``(n,)`` booleans that are true inside sorted runs, which may touch but not overlap.

    Args:
        start: first places of the runs.
        end: one past their last places, at most `n`.
        n: number of places.
    """
    edges = np.empty(2 * len(start) + 2, dtype=np.int64)
    edges[0], edges[-1] = 0, n
    edges[1:-1:2], edges[2:-1:2] = start, end
    return np.repeat(np.arange(len(edges) - 1) % 2 == 1, np.diff(edges))


def interval_columns(frame: pd.DataFrame, what: str = "intervals") -> tuple[NDArray[np.object_], Positions, Positions]:
    """Return the chromosomes, starts and ends of a table of intervals.

    Raises:
        InputError: a column is missing, or an interval ends before it starts.
    """
    missing = [name for name in ("chrom", "start", "end") if name not in frame.columns]
    if missing:
        raise InputError(f"{what}: no column {', '.join(missing)}; intervals have chrom, start and end.")
    chrom = frame["chrom"].to_numpy(dtype=object)
    start, end = (frame[name].to_numpy(dtype=np.int64) for name in ("start", "end"))
    if (start > end).any():
        row = int((start > end).argmax())
        raise InputError(f"{what}: {chrom[row]}:{start[row]}-{end[row]} ends before it starts: swap the two.")
    return chrom, start, end


class Cover:
    """The positions that lie in at least one of a set of intervals.

    The number of covered positions before x is piecewise linear in x, with a knot at each edge of a run; so one
    interpolation counts the covered bases of any number of windows.

    Args:
        frame: intervals, in any order; they may overlap.
        slop_bp: how far each is made longer on either side.
        what: how an error message calls them.

    Raises:
        InputError: an interval ends before it starts, or `slop_bp` is negative.
    """

    def __init__(self, frame: pd.DataFrame, slop_bp: int = 0, what: str = "intervals") -> None:
        if slop_bp < 0:
            raise InputError(f"{what}: slop_bp = {slop_bp} would make intervals shorter: give 0 or more.")
        chrom, start, end = interval_columns(frame, what)
        start, end = np.maximum(start - slop_bp, 0), end + slop_bp
        solid = end > start
        chrom, start, end = chrom[solid], start[solid], end[solid]
        codes, names = pd.factorize(chrom)
        self.chromosomes: tuple[str, ...] = tuple(str(name) for name in names)
        self._number = {name: number for number, name in enumerate(self.chromosomes)}
        span = np.zeros(len(names), dtype=np.int64)
        np.maximum.at(span, codes, end)
        # One position between chromosomes, lest a run at the end of one merge with a run at the start of the next.
        self._span, self._offset = span, np.concatenate([[0], np.cumsum(span + 1)])
        start, end = start + self._offset[codes], end + self._offset[codes]
        order = np.argsort(start, kind="stable")
        self._start, self._end = merge_sorted(start[order], end[order])
        lengths = self._end - self._start
        total = np.cumsum(lengths)
        self._knots = np.stack([self._start, self._end], axis=1).ravel().astype(np.float64)
        self._before = np.stack([total - lengths, total], axis=1).ravel().astype(np.float64)

    def __len__(self) -> int:
        return len(self._start)

    def bases(self, chrom: ArrayLike, start: ArrayLike, end: ArrayLike) -> Positions:
        """Return how many bases of each window ``[start, end)`` are covered: ``(windows,)``."""
        codes, names = pd.factorize(np.asarray(chrom, dtype=object))
        number = np.array([self._number.get(str(name), -1) for name in names], dtype=np.int64)[codes]
        known = number >= 0
        if not known.any():
            return np.zeros(len(number), dtype=np.int64)
        span, offset = self._span[number], self._offset[number]
        low = offset + np.clip(np.asarray(start, dtype=np.int64), 0, span)
        high = offset + np.clip(np.asarray(end, dtype=np.int64), 0, span)
        # The slopes are 0 and 1 and positions far below 2**53, so the interpolation is exact.
        covered = np.interp(high, self._knots, self._before) - np.interp(low, self._knots, self._before)
        return np.where(known, covered, 0).astype(np.int64)

    def touches(self, chrom: ArrayLike, start: ArrayLike, end: ArrayLike) -> NDArray[np.bool_]:
        """Return whether at least one base of each window is covered: ``(windows,)``."""
        return self.bases(chrom, start, end) > 0

    def fraction(self, chrom: ArrayLike, start: ArrayLike, end: ArrayLike) -> NDArray[np.float64]:
        """Return which share of each window's bases is covered: ``(windows,)``, 0 to 1."""
        length = np.asarray(end, dtype=np.int64) - np.asarray(start, dtype=np.int64)
        return self.bases(chrom, start, end) / np.maximum(length, 1)

    def runs(self) -> pd.DataFrame:
        """Return the covered stretches as intervals that neither overlap nor touch: chrom, start, end."""
        number = np.searchsorted(self._offset, self._start, side="right") - 1
        names = np.array(self.chromosomes, dtype=object)
        offset = self._offset[number]
        return pd.DataFrame({"chrom": names[number], "start": self._start - offset, "end": self._end - offset})

    def gaps(self, sizes: Mapping[str, int]) -> pd.DataFrame:
        """Return the stretches of a genome that are not covered: chrom, start, end.

        Args:
            sizes: chromosomes and their sizes in bp.
        """
        runs = self.runs()
        pieces = []
        for chrom, size in sizes.items():
            here = runs[runs["chrom"] == chrom]
            start = np.concatenate([[0], here["end"].to_numpy().clip(max=size)])
            end = np.concatenate([here["start"].to_numpy().clip(max=size), [size]])
            free = end > start
            pieces.append(pd.DataFrame({"chrom": chrom, "start": start[free], "end": end[free]}))
        empty = pd.DataFrame(
            {"chrom": pd.Series(dtype=str), "start": pd.Series(dtype=int), "end": pd.Series(dtype=int)}
        )
        filled = [piece for piece in pieces if len(piece)]
        return pd.concat(filled, ignore_index=True) if filled else empty
