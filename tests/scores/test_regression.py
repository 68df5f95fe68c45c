import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mean_squared_error as oracle
from sklearn.metrics import r2_score

from strandwise.errors import InputError
from strandwise.scores.regression import mean_squared_error, pearson, r_squared, spearman


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


def test_no_windows_have_no_error() -> None:
    assert math.isnan(mean_squared_error([1.0], [2.0], [0]))


@pytest.mark.parametrize("metric", [pearson, spearman, mean_squared_error, r_squared])
def test_bad_input(metric) -> None:
    with pytest.raises(InputError, match=r"shapes \(2,\), \(3,\) and \(2,\)"):
        metric([1, 2], [1, 2, 3])
    with pytest.raises(InputError, match=r"predicted: 1 of 2 amounts are not finite\. Has the model diverged"):
        metric([1, 2], [1, math.nan])
    assert not math.isnan(metric([1, 2, 3], [1, 3, math.inf], [1, 1, 0]))
