"""Whether one model is better than another over seeds: exact rank tests, intervals, and many tests at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from strandwise.errors import InputError

Alternative = Literal["greater", "less", "two-sided"]
LEAST_PAIRS = 6
"""Seeds from which a two-sided signed-rank test can fall below 0.05 at all: 2 / 2**5 is 0.0625, 2 / 2**6 0.031."""


@dataclass(frozen=True)
class TestResult:
    """An exact test.

    Attributes:
        name: "rank-sum" or "signed-rank", for people.
        alternative: what is claimed of the first sample.
        statistic: U of Mann and Whitney, or the sum of the ranks of positive differences.
        p_value: the chance, were there no difference, of a statistic as extreme.
        n: observations of each sample.
    """

    __test__ = False  # not a test of pytest's

    name: str
    alternative: Alternative
    statistic: float
    p_value: float
    n: tuple[int, int]


def rank_sum(a: ArrayLike, b: ArrayLike, alternative: Alternative = "greater") -> TestResult:
    """Test whether values of `a` tend to be larger than those of `b` (Wilcoxon 1945; Mann & Whitney 1947).

    The p-value is exact where no values are equal: it counts the orders of all values, so the least possible
    for n against m is 1 / C(n + m, n). With equal values all splits of the pooled ranks are counted up to
    a million of them, and drawn 100,000 times (seed 0) beyond.

    Args:
        a: ``(n,)`` such as AUROCs of one model over seeds.
        b: ``(m,)`` of another.
        alternative: "greater", "less" or "two-sided".

    Raises:
        InputError: a sample is empty or holds NaN.
    """
    x, y = _sample(a), _sample(b)
    if len(np.unique(np.concatenate([x, y]))) == len(x) + len(y):
        found = stats.mannwhitneyu(x, y, alternative=alternative, method="exact")
    else:
        # With fewer splits than resamples scipy counts each split once, which is exact.
        splits = math.comb(len(x) + len(y), len(x))
        resamples = splits + 1 if splits <= 1_000_000 else 100_000
        method: Any = stats.PermutationMethod(n_resamples=resamples, rng=np.random.default_rng(0))
        found = stats.mannwhitneyu(x, y, alternative=alternative, method=method)
    return TestResult("rank-sum", alternative, float(found.statistic), float(found.pvalue), (len(x), len(y)))


def signed_rank(a: ArrayLike, b: ArrayLike, alternative: Alternative = "greater") -> TestResult:
    """Test whether `a` tends to be larger than `b` of the same seed (Wilcoxon 1945).

    Exact: all 2**n signs are counted. Pairs without a difference are left out; with none left, p is 1.

    Args:
        a: ``(n,)`` of one model.
        b: ``(n,)`` of another, same seeds in the same order.
        alternative: "greater", "less" or "two-sided".

    Raises:
        InputError: samples are empty, of different lengths, or hold NaN.
    """
    x, y = _sample(a), _sample(b)
    if len(x) != len(y):
        raise InputError(f"{len(x)} and {len(y)} values cannot be matched: give both for the same seeds.")
    difference = x - y
    difference = difference[difference != 0]
    if not len(difference):
        return TestResult("signed-rank", alternative, 0.0, 1.0, (len(x), len(y)))
    ranks = stats.rankdata(np.abs(difference))
    positive = float(ranks[difference > 0].sum())
    at_most, at_least = _tails(ranks, positive)
    p_value = {"greater": at_least, "less": at_most, "two-sided": min(1.0, 2 * min(at_least, at_most))}[alternative]
    return TestResult("signed-rank", alternative, positive, p_value, (len(x), len(y)))


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Return p-values corrected so that the chance of any false claim among them is kept (Holm 1979).

    Args:
        p_values: ``(n,)`` in any order.

    Returns:
        ``(n,)`` in the same order, none below what came in, none above 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(steps, 1)
    return corrected


def mean_interval(
    values: ArrayLike, seed: int = 0, resamples: int = 10_000, level: float = 0.95
) -> tuple[float, float]:
    """Return a bootstrap percentile interval of a mean over seeds; NaN for fewer than two.

    Args:
        values: ``(n,)``.
        seed: fixes the resamples.
        resamples: how many.
        level: the share of resampled means inside.
    """
    sample = _sample(values)
    if len(sample) < 2:
        return float("nan"), float("nan")
    drawn = np.random.default_rng(seed).choice(sample, (resamples, len(sample))).mean(axis=1)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _tails(ranks: NDArray[np.float64], positive: float) -> tuple[float, float]:
    """Return the chances of a sum of ranks at most and at least `positive`, signs being fair coins."""
    # Average ranks are halves, so twice the ranks are whole numbers.
    doubled = np.round(2 * ranks).astype(int)
    ways = np.zeros(int(doubled.sum()) + 1)
    ways[0] = 1
    for rank in doubled:
        ways[rank:] += ways[:-rank].copy()
    at = round(2 * positive)
    total = 2.0 ** len(doubled)
    return float(ways[: at + 1].sum() / total), float(ways[at:].sum() / total)


def _sample(values: ArrayLike) -> NDArray[np.float64]:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or not len(sample) or np.isnan(sample).any():
        raise InputError(f"a sample of shape {sample.shape} with {int(np.isnan(sample).sum())} NaN cannot be tested.")
    return sample
