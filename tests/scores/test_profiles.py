import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.distance import jensenshannon
from scipy.stats import binned_statistic, entropy, norm, pearsonr, spearmanr

from strandwise.errors import InputError
from strandwise.scores.profiles import (
    PROFILE_METRICS,
    in_bins,
    jensen_shannon,
    normalised_jensen_shannon,
    profile_metrics,
    smoothed,
)


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


def test_shapes_that_agree_are_at_no_distance_whatever_their_height() -> None:
    counts = np.random.default_rng(0).poisson(0.5, (50, 70))
    assert jensen_shannon(counts, 3 * counts)[counts.any(1)] == pytest.approx(0, abs=1e-8)
    assert (jensen_shannon(counts, counts)[counts.any(1)] == 0).all()


def test_what_has_no_distance() -> None:
    assert np.isnan(jensen_shannon([[0, 0], [1, 2]], [[1, 1], [0, 0]])).all()
    assert jensen_shannon(np.zeros((0, 5)), np.zeros((0, 5))).shape == (0,)
    assert np.isnan(jensen_shannon(np.zeros((2, 0)), np.zeros((2, 0)))).all()
    assert jensen_shannon([3], [5]) == 0


def by_hand(counts: np.ndarray, shares: np.ndarray) -> dict[str, float]:
    """The metrics of one profile, each by what others wrote."""
    p, q = counts / counts.sum(), shares / shares.sum()
    near = [gaussian_filter1d(values, 3, truncate=1) for values in (p, q)]
    x, y = (values / values.sum() for values in near)
    expected = {
        "jsd": jensenshannon(p, q, 2),
        "normalised_jsd": 1 - jensenshannon(p, q, 2) / jensenshannon(p, np.ones_like(p), 2),
        "jsd_smoothed": jensenshannon(x, y, 2),
        "divergence_smoothed": (entropy(x, (x + y) / 2) + entropy(y, (x + y) / 2)) / 2,
    }
    binned = [
        [binned_statistic(np.arange(end), values[:end], "sum", end // size).statistic for values in (counts, shares)]
        for size in (1, 5, 10)
        if (end := len(p) // size * size) > size
    ]
    correlations = np.array([[pearsonr(a, b)[0], spearmanr(a, b)[0]] for a, b in binned], dtype=float)
    expected["profile_pearson"], expected["profile_spearman"] = correlations.mean(0).tolist()
    expected["profile_mse"] = np.mean([np.mean((a / counts.sum() - b / shares.sum()) ** 2) for a, b in binned])
    return expected


@pytest.mark.parametrize("positions", [8, 19, 120])
def test_all_metrics_of_profiles_are_those_of_scipy(positions: int) -> None:
    rng = np.random.default_rng(positions)
    counts, shares = rng.poisson(0.8, (3, 2, positions)), rng.dirichlet(np.ones(positions), (3, 2))
    counts[..., :2] += np.arange(1, 3)
    found = profile_metrics(counts, shares)
    assert tuple(found) == PROFILE_METRICS
    for place in np.ndindex(3, 2):
        for name, expected in by_hand(counts[place], shares[place]).items():
            assert found[name][place] == pytest.approx(expected, rel=1e-9), name


def test_metrics_of_profiles_that_hold_nothing_or_do_not_vary() -> None:
    shares = np.tile(np.linspace(1, 2, 40), (3, 1))
    counts = np.stack([np.zeros(40), np.ones(40), np.arange(40.0)])
    found = profile_metrics(counts, shares)
    assert all(np.isnan(values[0]) for values in found.values())
    flat = {name: values[1] for name, values in found.items()}
    assert np.isnan([flat["normalised_jsd"], flat["profile_pearson"], flat["profile_spearman"]]).all()
    assert flat["jsd"] == pytest.approx(jensenshannon(np.ones(40), shares[0], 2))
    assert flat["profile_mse"] > 0
    assert all(np.isfinite(values[2]) for values in found.values())
    said = profile_metrics(counts, np.full(shares.shape, 0.1))
    assert said["normalised_jsd"][2] == pytest.approx(0, abs=1e-12)
    assert np.isnan(said["profile_pearson"]).all()
    assert np.isnan(said["profile_spearman"]).all()
    assert all(np.isnan(values).all() for values in profile_metrics(counts, np.zeros_like(shares)).values())


def test_metrics_of_no_profiles_and_of_one_position() -> None:
    assert all(values.shape == (0, 2) for values in profile_metrics(np.zeros((0, 2, 9)), np.zeros((0, 2, 9))).values())
    single = profile_metrics([[3.0]], [[1.0]])
    assert single["jsd"] == 0
    assert np.isnan(single["profile_mse"]).all()


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
    near = norm.pdf(np.arange(-3, 4), scale=3)
    values = np.random.default_rng(0).random(20)
    padded = np.pad(values, 3, mode="symmetric")
    expected = np.convolve(padded, near / near.sum(), mode="valid")
    assert smoothed(values, truncate=1, mode="reflect") == pytest.approx(expected)
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
    for measure in (jensen_shannon, normalised_jensen_shannon, profile_metrics):
        with pytest.raises(InputError, match=r"counts of shape \(2,\) beside shares of shape \(3,\)"):
            measure([1, 2], [1, 2, 3])
        with pytest.raises(InputError, match="counts: 1 of 2 are negative or not finite"):
            measure([1, -2], [1, 2])
        with pytest.raises(InputError, match="shares: 1 of 2 are negative or not finite"):
            measure([1, 2], [1, np.nan])
