"""How well predicted amounts follow measured ones."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from strandwise.errors import InputError


def pearson(measured: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the correlation of measured and predicted amounts.

    Args:
        measured: ``(n,)``.
        predicted: ``(n,)``.
        weights: ``(n,)``; windows of weight 0 are left out.

    Returns:
        From -1 to 1; nan for fewer than two windows, or where either is constant.

    Raises:
        InputError: shapes differ, or a value is not finite.
    """
    x, y = _usable(measured, predicted, weights)
    return math.nan if _degenerate(x, y) else float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))


def spearman(measured: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the correlation of the ranks of measured and predicted amounts, ties at their mean rank.

    Arguments, result and errors are those of `pearson`.
    """
    x, y = _usable(measured, predicted, weights)
    return math.nan if _degenerate(x, y) else pearson(stats.rankdata(x), stats.rankdata(y))


def r_squared(measured: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the share of the spread of measured amounts that predictions explain, 1 - residuals / spread.

    1 is perfect, 0 as good as the mean, and below 0 worse than it. Arguments and errors are those of `pearson`.

    Returns:
        Up to 1; nan for fewer than two windows, or where the measured amounts are constant.
    """
    x, y = _usable(measured, predicted, weights)
    if x.size < 2 or np.ptp(x) == 0:
        return math.nan
    return float(1 - np.sum((x - y) ** 2) / np.sum((x - x.mean()) ** 2))


def mean_squared_error(measured: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the mean squared difference; nan of no windows. Arguments and errors are those of `pearson`."""
    x, y = _usable(measured, predicted, weights)
    return float(np.mean((x - y) ** 2)) if x.size else math.nan


def poisson_nll(measured: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the mean of ``predicted - measured * log(predicted)``: the Poisson log-loss but for a constant.

    Arguments and errors are those of `pearson`; predictions of 0 count as 1e-8.
    """
    x, y = _usable(measured, predicted, weights)
    y = np.maximum(y, 1e-8)
    return float(np.mean(y - x * np.log(y))) if x.size else math.nan


def scaled_metrics(measured: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None) -> dict[str, float]:
    """Return ``mse_scaled`` and ``poisson_nll_scaled``: errors of predictions brought to the total that was measured.

    One factor, the sum of measured over that of predicted amounts, corrects the scale of all (GOPHER, Toneyan et al.
    2022), so that models whose loss says nothing of scale can be set beside those whose loss does. Arguments and errors
    are those of `pearson`.

    Returns:
        By name; nan where either sum is not above 0.
    """
    x, y = _usable(measured, predicted, weights)
    total, said = float(x.sum()), float(y.sum())
    if not (total > 0 and said > 0):
        return {"mse_scaled": math.nan, "poisson_nll_scaled": math.nan}
    y = y * (total / said)
    return {"mse_scaled": mean_squared_error(x, y), "poisson_nll_scaled": poisson_nll(x, y)}


def _usable(
    measured: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(measured, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    kept = np.ones(x.shape) if weights is None else np.asarray(weights)
    if x.ndim != 1 or x.shape != y.shape or x.shape != kept.shape:
        raise InputError(
            f"measured, predicted and weights have shapes {x.shape}, {y.shape} and {kept.shape}: give one value of "
            "each for every window of one track."
        )
    x, y = x[kept > 0], y[kept > 0]
    for what, values in (("measured", x), ("predicted", y)):
        wrong = int((~np.isfinite(values)).sum())
        if wrong:
            raise InputError(
                f"{what}: {wrong} of {values.size} amounts are not finite. Has the model diverged, or is the signal "
                "file damaged?"
            )
    return x, y


def _degenerate(x: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
    return x.size < 2 or bool(np.ptp(x) == 0 or np.ptp(y) == 0)
