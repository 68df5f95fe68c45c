"""What is known of a signal on one chromosome in a few numbers: mean, spread, extremes, quantiles."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

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
        table = np.bincount(keys.astype(np.intp), lengths, DIFFERENT)
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
        if not known.size:
            return NOTHING
        runs, lengths = _runs(known)
        # So that the two zeros are one.
        keys = (runs + np.float32(0)).view(np.uint32) >> _DROPPED_BITS
        found, counts = _tally(keys, lengths)
        different = (found << _DROPPED_BITS).view(np.float32)
        order = np.argsort(different)
        wide = runs.astype(np.float64)
        mean = float(np.average(wide, weights=lengths))
        apart = wide - mean
        m2 = float(np.dot(apart, apart if lengths is None else apart * lengths))
        return cls(known.size, mean, m2, float(runs.min()), float(runs.max()), different[order], counts[order])

    @classmethod
    def constant(cls, value: float, count: int) -> "Statistics":
        """Return the statistics of one value many times."""
        if not count:
            return NOTHING
        different = rounded(np.array([value], dtype=np.float32))
        return cls(count, value, 0.0, value, value, different, np.array([count], dtype=np.int64))

    def __add__(self, other: "Statistics") -> "Statistics":
        """Return the statistics of both sets of values together (Chan et al. 1983 for the spread)."""
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        apart = other.mean - self.mean
        values, place = np.unique(np.concatenate([self.values, other.values]), return_inverse=True)
        counts = np.zeros(len(values), dtype=np.int64)
        np.add.at(counts, place, np.concatenate([self.counts, other.counts]))
        return Statistics(
            count,
            self.mean + apart * (other.count / count),
            self.m2 + other.m2 + apart * apart * (self.count / count) * other.count,
            min(self.low, other.low),
            max(self.high, other.high),
            values,
            counts,
        )

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
    """Return the statistics of all values of all parts."""
    return reduce(Statistics.__add__, parts, NOTHING)
