import itertools
import math
from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
from scipy import stats

from strandwise.errors import InputError
from strandwise.scores.significance import Alternative, TestResult, holm, mean_interval, rank_sum, signed_rank

ALTERNATIVES: tuple[Alternative, ...] = get_args(Alternative)


def p_value(sums: list[float], seen: float, alternative: str) -> float:
    """The share of sums as extreme as the one seen, counted one by one."""
    at_least = sum(value >= seen - 1e-9 for value in sums) / len(sums)
    at_most = sum(value <= seen + 1e-9 for value in sums) / len(sums)
    return {"greater": at_least, "less": at_most, "two-sided": min(1.0, 2 * min(at_least, at_most))}[alternative]


def rank_sum_twin(a: np.ndarray, b: np.ndarray, alternative: str) -> float:
    """Every way to split the pooled ranks."""
    ranks = stats.rankdata(np.concatenate([a, b]))
    sums = [float(sum(chosen)) for chosen in itertools.combinations(ranks, len(a))]
    return p_value(sums, float(ranks[: len(a)].sum()), alternative)


def signed_rank_twin(a: np.ndarray, b: np.ndarray, alternative: str) -> float:
    """Every way to sign the ranks of the differences."""
    difference = (a - b)[a != b]
    ranks = stats.rankdata(np.abs(difference))
    signs = itertools.product([0, 1], repeat=len(ranks))
    sums = [float(np.dot(ranks, kept)) for kept in signs]
    return p_value(sums, float(ranks[difference > 0].sum()), alternative)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 3), (5, 4), (10, 10), (3, 40), (30, 30)])
def test_ranks_without_ties_are_those_of_scipy(n: int, m: int, alternative: Alternative) -> None:
    rng = np.random.default_rng(n * m)
    a, b = rng.normal(0.3, 1, n), rng.normal(0, 1, m)
    found = rank_sum(a, b, alternative)
    expected = stats.mannwhitneyu(a, b, alternative=alternative, method="exact")
    assert found.statistic == expected.statistic
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-12)
    assert (found.name, found.alternative, found.n) == ("rank-sum", alternative, (n, m))


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("n", [1, 2, 6, 10, 25])
def test_signs_without_ties_are_those_of_scipy(n: int, alternative: Alternative) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.normal(0.3, 1, n), rng.normal(0, 1, n)
    found = signed_rank(a, b, alternative)
    _, expected = stats.wilcoxon(a, b, alternative=alternative, method="exact")
    assert found.p_value == pytest.approx(expected, rel=1e-12)
    positive, _ = stats.wilcoxon(a, b, alternative="greater", method="exact")
    assert found.statistic == positive
    assert (found.name, found.n) == ("signed-rank", (n, n))


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize(("test", "twin"), [(rank_sum, rank_sum_twin), (signed_rank, signed_rank_twin)])
@pytest.mark.parametrize("seed", range(12))
def test_ties_are_counted_one_by_one(
    test: Callable[..., TestResult], twin: Callable[..., float], alternative: Alternative, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 8))
    m = n if test is signed_rank else int(rng.integers(2, 8))
    # Quarters are exact in floating point, so that equal differences are equal.
    a, b = rng.integers(0, 5, n) / 4, rng.integers(0, 4, m) / 4
    if test is signed_rank and (a == b).all():
        a[0] += 1
    assert test(a, b, alternative).p_value == pytest.approx(twin(a, b, alternative), rel=1e-12)


def test_ten_seeds_all_better_than_ten_others() -> None:
    """The p < 5.413e-06 that Zhou et al. 2022 and others print is the least there is for 10 against 10."""
    low, high = np.arange(10) / 100, 0.5 + np.arange(10) / 100
    found = rank_sum(high, low)
    assert found.p_value == 1 / math.comb(20, 10)
    assert found.p_value < 5.413e-06
    assert f"{found.p_value:.3e}" == "5.413e-06"
    assert found.statistic == 100
    assert rank_sum(low, high).p_value == 1
    assert rank_sum(low, high, "less").p_value == 1 / math.comb(20, 10)
    assert rank_sum(high, low, "two-sided").p_value == 2 / math.comb(20, 10)
    assert signed_rank(high, low).p_value == 2.0**-10


def test_the_least_of_six_pairs_is_below_a_twentieth_from_both_sides_and_of_five_not() -> None:
    values = np.array([1.0, 2.5, 4.5, 7.0, 11.0, 16.0])
    assert signed_rank(values, np.zeros(6), "two-sided").p_value == 2 / 64
    assert signed_rank(values[:5], np.zeros(5), "two-sided").p_value == 2 / 32


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_equal_samples_say_nothing(alternative: Alternative) -> None:
    same = [0.5, 0.5, 0.5]
    assert rank_sum(same, same, alternative).p_value == 1
    assert signed_rank(same, same, alternative).p_value == 1
    assert signed_rank(same, same, alternative).statistic == 0


def test_many_ties_in_large_samples_stay_exact() -> None:
    a, b = [1.0] * 15 + [0.0] * 5, [1.0] * 5 + [0.0] * 15
    # With two values alone this is Fisher's exact test.
    _, expected = stats.fisher_exact([[15, 5], [5, 15]], alternative="greater")
    assert rank_sum(a, b).p_value == pytest.approx(expected, rel=1e-12)


def test_pairs_without_a_difference_are_left_out() -> None:
    a, b = np.array([0.5, 0.75, 1.0, 0.25]), np.array([0.5, 0.5, 0.25, 0.25])
    found = signed_rank(a, b)
    assert found.p_value == signed_rank(a[1:3], b[1:3]).p_value == 0.25
    assert found.n == (4, 4)


@pytest.mark.parametrize(
    ("a", "b"), [([], [1.0]), ([1.0], []), ([1.0, np.nan], [1.0, 2.0]), ([1.0, 2.0], [np.inf, 1.0]), ([[1.0]], [1.0])]
)
@pytest.mark.parametrize("test", [rank_sum, signed_rank])
def test_what_is_no_sample_is_refused(test: Callable[..., TestResult], a: list, b: list) -> None:
    with pytest.raises(InputError, match=r"a sample of shape .* cannot be tested: give a number for each seed"):
        test(a, b)


def test_pairs_need_as_many_of_both() -> None:
    with pytest.raises(InputError, match="2 and 3 values cannot be matched: give both for the same seeds"):
        signed_rank([1, 2], [1, 2, 3])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # Holm 1979: the least times how many there are, and so on, never falling.
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.0001, 0.0004, 0.0019, 0.0095, 0.0201], [0.0005, 0.0016, 0.0057, 0.019, 0.0201]),
        ([0.02, 0.02, 0.02], [0.06, 0.06, 0.06]),
        ([0.5, 0.9, 0.4], [1.0, 1.0, 1.0]),
        ([0.3], [0.3]),
        ([], []),
    ],
)
def test_corrected_for_how_many_there_are(given: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(holm(given), expected, rtol=1e-12)


def test_corrected_values_keep_their_order_and_place() -> None:
    p = np.random.default_rng(0).random(50) ** 4
    corrected = holm(p.tolist())
    assert (corrected >= p).all()
    assert (corrected <= 1).all()
    assert (np.diff(corrected[np.argsort(p)]) >= 0).all()
    shuffled = np.random.default_rng(1).permutation(50)
    np.testing.assert_array_equal(holm(p[shuffled].tolist()), corrected[shuffled])


def test_an_interval_of_a_mean_is_that_of_scipy() -> None:
    values = np.random.default_rng(3).normal(0.8, 0.05, 10)
    low, high = mean_interval(values)
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (low, high) == pytest.approx((theirs.low, theirs.high))
    assert low < values.mean() < high
    narrow = mean_interval(values, level=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_one_seed_has_no_interval() -> None:
    assert all(math.isnan(bound) for bound in mean_interval([0.5]))
    assert mean_interval([0.5, 0.5]) == (0.5, 0.5)


@pytest.mark.parametrize("n", [2, 3, 10])
def test_an_interval_holds_what_it_promises(n: int) -> None:
    samples = np.random.default_rng(0).normal(size=(1000, n))
    held = [low <= 0 <= high for low, high in map(mean_interval, samples)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.025)
