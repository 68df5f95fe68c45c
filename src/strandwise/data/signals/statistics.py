"""What is known of a signal on one chromosome in a few numbers: mean, spread, extremes, quantiles."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DROPPED_BITS = 12

DIFFERENT = 1 << (32 - _DROPPED_BITS)
"""How many different rounded values there are."""

_MANY = 1 << 15
"""From how many values on they are counted in a table of all keys, which is made whole even for a few."""

_FEWER = 4
"""How many times fewer the runs must be than the values, for finding them to be worth it."""


def rounded(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values rounded towards 0 to 12 significant bits, as quantiles know them."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    return (bits >> _DROPPED_BITS << _DROPPED_BITS).view(np.float32)


def _runs(known: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float64] | None]:
    """Return the values of runs and how long each is, or every value where runs would not be much fewer."""
    changes = known[1:] != known[:-1]
    if np.count_nonzero(changes) > known.size / _FEWER:
        return known, None
    last = np.append(np.flatnonzero(changes), known.size - 1)
    # Whole numbers as 64-bit floats, in which their sums are exact.
    return known[last], np.diff(last, prepend=-1).astype(np.float64)


def _tally(
    keys: NDArray[np.integer], lengths: NDArray[np.float64] | None
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the different keys of runs and how many values have each."""
    if keys.size >= _MANY:
        table = np.bincount(keys.astype(np.intp), lengths)
        found = np.flatnonzero(table)
        return found.astype(np.uint32), table[found].astype(np.int64)
    found, place = np.unique(keys, return_inverse=True)
    return found.astype(np.uint32), np.bincount(place, lengths, len(found)).astype(np.int64)


@dataclass(frozen=True)
class Statistics:
    """A distribution of values.

    Quantiles are those of the values rounded towards 0 to 12 significant bits: exact for whole numbers up to 4,096,
    and within 1 part in 2,048 for others.

    Attributes:
        count: how many values.
        mean: their mean.
        m2: the sum of their squared differences from the mean.
        low: the least.
        high: the largest.
        values: the different rounded values, rising; ``(V,)`` float32.
        counts: how often each occurs; ``(V,)`` int64.
    """

    count: int
    mean: float
    m2: float
    low: float
    high: float
    values: NDArray[np.float32]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, values: NDArray[np.float32]) -> "Statistics":
        """Return the statistics of values; NaN is passed over."""
        known = values[~np.isnan(values)] if np.isnan(values).any() else values
        return cls._of(*_runs(known), known.size) if known.size else NOTHING

    @classmethod
    def of_runs(cls, values: NDArray[np.float32], lengths: NDArray[np.integer]) -> "Statistics":
        """Return the statistics of values that each stand for some positions; NaN is passed over."""
        known = (lengths > 0) & ~np.isnan(values)
        if not known.all():
            values, lengths = values[known], lengths[known]
        return cls._of(values, lengths.astype(np.float64), int(lengths.sum())) if values.size else NOTHING

    @classmethod
    def _of(cls, runs: NDArray[np.float32], lengths: NDArray[np.float64] | None, count: int) -> "Statistics":
        # So that the two zeros are one.
        keys = (runs + np.float32(0)).view(np.uint32) >> _DROPPED_BITS
        found, counts = _tally(keys, lengths)
        different = (found << _DROPPED_BITS).view(np.float32)
        order = np.argsort(different)
        wide = runs.astype(np.float64)
        mean = float(np.average(wide, weights=lengths))
        apart = wide - mean
        m2 = float(np.dot(apart, apart if lengths is None else apart * lengths))
        return cls(count, mean, m2, float(runs.min()), float(runs.max()), different[order], counts[order])

    @classmethod
    def constant(cls, value: float, count: int) -> "Statistics":
        """Return the statistics of one value many times."""
        if not count:
            return NOTHING
        different = rounded(np.array([value], dtype=np.float32))
        return cls(count, value, 0.0, value, value, different, np.array([count], dtype=np.int64))

    def __add__(self, other: "Statistics") -> "Statistics":
        """Return the statistics of both sets of values together."""
        return together((self, other))

    def negated(self) -> "Statistics":
        """Return the statistics of the values with their signs changed."""
        # Rising again, which the other sign has made falling; and from 0, so that it does not become the other zero.
        turned = np.float32(0) - self.values[::-1]
        return Statistics(self.count, -self.mean, self.m2, -self.high, -self.low, turned, self.counts[::-1])

    @property
    def sd(self) -> float:
        """The standard deviation, of the whole population."""
        return math.sqrt(max(self.m2, 0.0) / self.count) if self.count else 0.0

    def quantile(self, q: float) -> float:
        """Return the least value with at least a share `q` of the values at or below it; 0 of no values."""
        if not self.count:
            return 0.0
        # A hair below, so that 0.07 of 100 values is 7 of them, though 0.07 * 100 is a little more.
        rank = max(math.ceil(q * self.count * (1 - 1e-12)), 1)
        return float(self.values[np.searchsorted(np.cumsum(self.counts), rank)])


NOTHING = Statistics(0, 0.0, 0.0, 0.0, 0.0, np.zeros(0, np.float32), np.zeros(0, np.int64))
"""The statistics of no values."""


def together(parts: Iterable[Statistics]) -> Statistics:
    """Return the statistics of all values of all parts (Chan et al. 1983 for the spread)."""
    waiting = [part for part in parts if part.count]
    if not waiting:
        return NOTHING
    if len(waiting) == 1:
        return waiting[0]
    sizes = np.array([part.count for part in waiting], dtype=np.float64)
    means = np.array([part.mean for part in waiting])
    mean = float(np.average(means, weights=sizes))
    values, place = np.unique(np.concatenate([part.values for part in waiting]), return_inverse=True)
    return Statistics(
        sum(part.count for part in waiting),
        mean,
        float(np.dot(sizes, (means - mean) ** 2)) + sum(part.m2 for part in waiting),
        min(part.low for part in waiting),
        max(part.high for part in waiting),
        values,
        # Exact, as 64-bit floats of whole numbers are.
        np.bincount(place, np.concatenate([part.counts for part in waiting])).astype(np.int64),
    )
