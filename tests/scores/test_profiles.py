import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import binned_statistic, norm

from strandwise.errors import InputError
from strandwise.scores.profiles import in_bins, jensen_shannon, normalised_jensen_shannon, smoothed


@pytest.mark.parametrize("seed", range(5))
def test_as_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts, shares = rng.poisson(0.7, (4, 2, 30)), rng.dirichlet(np.ones(30), (4, 2))
    found = jensen_shannon(counts, shares)
    assert found.shape == (4, 2)
    for place in np.ndindex(4, 2):
        assert found[place] == pytest.approx(jensenshannon(counts[place], shares[place], 2))


def test_its_ends() -> None:
    same = np.array([0, 2, 2, 0])
    assert jensen_shannon(same, same) == 0
    assert jensen_shannon(same, [1, 0, 0, 3]) == 1
    assert np.isnan(jensen_shannon(np.zeros(4), same))


def test_flat_predictions_are_worth_nothing_and_right_ones_all() -> None:
    counts = np.random.default_rng(0).poisson(2, (3, 20)).astype(float)
    assert normalised_jensen_shannon(counts, np.ones_like(counts)) == pytest.approx(0, abs=1e-12)
    assert normalised_jensen_shannon(counts, counts) == pytest.approx(1)
    said = counts + 1
    for row in range(3):
        flat = jensenshannon(counts[row], np.ones(20), 2)
        expected = 1 - jensenshannon(counts[row], said[row], 2) / flat
        assert normalised_jensen_shannon(counts, said)[row] == pytest.approx(expected)
    assert np.isnan(normalised_jensen_shannon(np.zeros(4), np.ones(4)))
    assert np.isnan(normalised_jensen_shannon(np.ones(4), np.arange(4)))
    assert np.isnan(normalised_jensen_shannon(np.full(7, 1 / 3), np.arange(7)))


def test_smoothing_spreads_by_a_normal_curve() -> None:
    single = np.zeros(41)
    single[20] = 1
    curve = norm.pdf(np.arange(-12, 13), scale=3)
    assert smoothed(single)[8:33] == pytest.approx(curve / curve.sum())
    with pytest.raises(InputError, match="sigma 0"):
        smoothed(single, 0)


def test_bins_add_up() -> None:
    values = np.random.default_rng(0).random(23)
    expected = binned_statistic(np.arange(20), values[:20], "sum", bins=4).statistic
    assert in_bins(values, 5) == pytest.approx(expected)
    for wrong in (0, 24):
        with pytest.raises(InputError, match=f"bins of {wrong} positions"):
            in_bins(values, wrong)


def test_bad_input() -> None:
    with pytest.raises(InputError, match=r"counts of shape \(2,\) beside shares of shape \(3,\)"):
        jensen_shannon([1, 2], [1, 2, 3])
    with pytest.raises(InputError, match="counts: 1 of 2 are negative or not finite"):
        jensen_shannon([1, -2], [1, 2])
    with pytest.raises(InputError, match="shares: 1 of 2 are negative or not finite"):
        jensen_shannon([1, 2], [1, np.nan])
