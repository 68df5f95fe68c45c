"""Whether predicted probabilities can be taken at their word."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strandwise.errors import InputError


def calibration_metrics(labels: ArrayLike, probabilities: ArrayLike) -> dict[str, float]:
    """Return ``brier`` and ``calibration_error`` of one track; arguments and errors are those of `brier_score`."""
    return {
        "brier": brier_score(labels, probabilities),
        "calibration_error": calibration_error(labels, probabilities),
    }


def brier_score(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean squared difference of probabilities and labels (Brier 1950): 0 is perfect.

    Args:
        labels: ``(n,)`` of 0 and 1.
        probabilities: ``(n,)`` from 0 to 1.

    Returns:
        From 0 to 1; nan of no windows.

    Raises:
        InputError: shapes differ, a label is neither 0 nor 1, or a probability lies outside 0 to 1.
    """
    y, p = _usable(labels, probabilities)
    return float(np.mean((p - y) ** 2)) if y.size else math.nan


def calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> float:
    """Return how far shares of bound windows lie from what was predicted, on average over windows.

    Windows are put into `bins` classes of equal width by their probability; of each class the share that is bound is
    held against the mean probability (expected calibration error, Naeini et al. 2015).

    Arguments and errors are those of `brier_score`.

    Returns:
        From 0, calibrated, to 1; nan of no windows.
    """
    table = reliability(labels, probabilities, bins)
    n = table[:, 2]
    return float(np.sum(n * np.abs(table[:, 0] - table[:, 1])) / n.sum()) if n.sum() else math.nan


def reliability(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> NDArray[np.float64]:
    """Return a row for each class of probability that has windows: mean probability, share bound, windows.

    Arguments and errors are those of `brier_score`; a class holds its upper end.
    """
    if bins < 1:
        raise InputError(f"bins {bins}: give 1 or more.")
    y, p = _usable(labels, probabilities)
    # A class is open at its lower end, but for the first.
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], p, side="left")
    n = np.bincount(place, minlength=bins)
    some = n > 0
    predicted = np.bincount(place, p, bins)[some] / n[some]
    bound = np.bincount(place, y, bins)[some] / n[some]
    return np.stack([predicted, bound, n[some].astype(np.float64)], axis=1)


def _usable(labels: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y, p = np.asarray(labels, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape:
        raise InputError(
            f"labels of shape {y.shape} beside probabilities of shape {p.shape}: give one of each a window."
        )
    if ((y != 0) & (y != 1)).any():
        raise InputError("labels: some are neither 0 nor 1: leave windows without a clear label out.")
    if not ((p >= 0) & (p <= 1)).all():
        raise InputError("probabilities: some lie outside 0 to 1, or are NaN: give those after the logistic link.")
    return y, p
