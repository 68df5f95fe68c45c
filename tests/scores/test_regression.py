import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import mean_squared_error as oracle
from sklearn.metrics import r2_score

from strandwise.errors import InputError
from strandwise.scores.regression import mean_squared_error, pearson, poisson_nll, r_squared, scaled_metrics, spearman


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ties", [False, True])
def test_as_scipy_and_sklearn(seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    x = rng.poisson(3, 60).astype(float) if ties else rng.normal(size=60)
    y = x + rng.normal(size=60)
    weights = rng.integers(0, 2, 60)
    kept = weights > 0
    assert pearson(x, y, weights) == pytest.approx(stats.pearsonr(x[kept], y[kept])[0])
    assert spearman(x, y, weights) == pytest.approx(stats.spearmanr(x[kept], y[kept])[0])
    assert mean_squared_error(x, y, weights) == pytest.approx(oracle(x[kept], y[kept]))
    assert r_squared(x, y, weights) == pytest.approx(r2_score(x[kept], y[kept]))
    assert pearson(x, y) == pytest.approx(stats.pearsonr(x, y)[0])


@pytest.mark.parametrize("metric", [pearson, spearman])
@pytest.mark.parametrize(("x", "y"), [([], []), ([1.0], [2.0]), ([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [0, 0, 0])])
def test_what_has_no_correlation(metric, x: list[float], y: list[float]) -> None:
    assert math.isnan(metric(x, y))


@pytest.mark.parametrize(("x", "y"), [([], []), ([1.0], [2.0]), ([1, 1, 1], [1, 2, 3])])
def test_what_does_not_vary_is_not_explained(x: list[float], y: list[float]) -> None:
    assert math.isnan(r_squared(x, y))


@pytest.mark.parametrize("seed", range(3))
def test_the_poisson_loss_is_that_of_torch_and_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.poisson(3, 50).astype(float), rng.gamma(2, size=50)
    expected = torch.nn.functional.poisson_nll_loss(
        torch.from_numpy(y), torch.from_numpy(x), log_input=False, full=False, eps=0
    )
    assert poisson_nll(x, y) == pytest.approx(float(expected))
    # But for a term of the counts alone.
    apart = poisson_nll(x, y) - poisson_nll(x, y[::-1])
    assert apart == pytest.approx(np.mean(stats.poisson.logpmf(x, y[::-1]) - stats.poisson.logpmf(x, y)))


def test_the_poisson_loss_of_nothing() -> None:
    assert math.isnan(poisson_nll([], []))
    assert poisson_nll([0, 0], [0, 0]) == pytest.approx(1e-8)
    assert poisson_nll([1], [0]) == pytest.approx(-math.log(1e-8), rel=1e-6)
    assert poisson_nll([2, 9], [2, 7], [1, 0]) == pytest.approx(2 - 2 * math.log(2))


def test_scaled_predictions_have_the_total_that_was_measured() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.gamma(2, size=40), rng.gamma(2, size=40)
    found, scaled = scaled_metrics(x, 100 * y), y * x.mean() / y.mean()
    assert found == {
        "mse_scaled": pytest.approx(oracle(x, scaled)),
        "poisson_nll_scaled": pytest.approx(poisson_nll(x, scaled)),
    }
    assert scaled_metrics(x, 7 * x)["mse_scaled"] == pytest.approx(0, abs=1e-20)
    weights = np.arange(40) % 2
    assert scaled_metrics(x, y, weights) == scaled_metrics(x[1::2], y[1::2])


@pytest.mark.parametrize(("x", "y"), [([], []), ([0, 0], [1, 2]), ([1, 2], [0, 0]), ([1, -1], [1, 2]), ([1], [-2])])
def test_what_cannot_be_scaled(x: list[float], y: list[float]) -> None:
    assert all(math.isnan(value) for value in scaled_metrics(x, y).values())


def test_no_windows_have_no_error() -> None:
    assert math.isnan(mean_squared_error([1.0], [2.0], [0]))


def test_errors_of_what_does_not_vary_are_those_of_sklearn() -> None:
    assert mean_squared_error([2, 2], [2, 2]) == 0
    assert mean_squared_error([2, 2], [1, 5]) == oracle([2, 2], [1, 5])
    assert r_squared([1, 2, 3], [2, 2, 2]) == r2_score([1, 2, 3], [2, 2, 2]) == 0
    assert r_squared([1, 2, 3], [3, 2, 1]) == r2_score([1, 2, 3], [3, 2, 1]) == -3


@pytest.mark.parametrize("metric", [pearson, spearman, mean_squared_error, r_squared, poisson_nll])
def test_bad_input(metric) -> None:
    with pytest.raises(InputError, match=r"shapes \(2,\), \(3,\) and \(2,\)"):
        metric([1, 2], [1, 2, 3])
    with pytest.raises(InputError, match=r"predicted: 1 of 2 amounts are not finite\. Has the model diverged"):
        metric([1, 2], [1, math.nan])
    with pytest.raises(InputError, match="measured: 2 of 2 amounts are not finite"):
        metric([math.nan, math.inf], [1, 2])
    assert not math.isnan(metric([1, 2, 3], [1, 3, math.inf], [1, 1, 0]))


def test_bad_input_is_not_scaled() -> None:
    with pytest.raises(InputError, match="predicted: 1 of 2 amounts are not finite"):
        scaled_metrics([1, 2], [1, math.nan])
