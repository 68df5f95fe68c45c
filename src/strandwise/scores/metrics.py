"""How well predictions tell bound windows from unbound ones."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torchmetrics.functional.classification import binary_auroc, binary_average_precision

from strandwise.errors import InputError

FDRS = (0.50, 0.25, 0.10, 0.05)
"""The false discovery rates at which recall is reported."""

COUNTS = ("n", "positives")
"""Entries of `classification_metrics` that count windows, and so are never averaged."""


def auroc(labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the chance that a bound window is ranked above an unbound one, ties counting half.

    Args:
        labels: ``(n,)`` of 0 and 1.
        predictions: ``(n,)`` on any scale that grows with confidence; only their order matters.
        weights: ``(n,)`` of 0 and 1; windows of weight 0 are left out whatever they hold.

    Returns:
        The area under the ROC curve, nan where only one class is present.

    Raises:
        InputError: shapes differ, a label or weight is neither 0 nor 1, or a prediction is NaN.
    """
    return _auroc(*_usable(labels, predictions, weights))


def aupr(labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the average precision: the area under the precision-recall curve, drawn as steps.

    A random ranking scores the share of bound windows. Arguments and errors are those of `auroc`.

    Returns:
        The area, nan where only one class is present.
    """
    return _aupr(*_usable(labels, predictions, weights))


def recall_at_fdr(labels: ArrayLike, predictions: ArrayLike, fdr: float, weights: ArrayLike | None = None) -> float:
    """Return the share of bound windows found when at most `fdr` of those called are wrong.

    Args:
        labels: ``(n,)`` of 0 and 1.
        predictions: ``(n,)`` on any scale that grows with confidence.
        fdr: the false discovery rate allowed, from 0 to 1.
        weights: ``(n,)`` of 0 and 1; windows of weight 0 are left out.

    Returns:
        The highest recall among thresholds with precision of ``1 - fdr`` or more; 0 if there is no
        such threshold, nan where only one class is present.

    Raises:
        InputError: as for `auroc`, or `fdr` is not from 0 to 1.
    """
    if not 0 <= fdr <= 1:
        raise InputError(f"fdr {fdr} is not a rate: give a number from 0 to 1, such as 0.05.")
    return _recall_at_fdr(*_usable(labels, predictions, weights), fdr)


def classification_metrics(
    labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None
) -> dict[str, float]:
    """Return every yes/no metric of one track, with the number of windows behind it.

    Arguments and errors are those of `auroc`.

    Returns:
        ``auroc``, ``aupr``, ``recall_at_50_fdr`` (and 25, 10, 5), ``n`` windows, ``positives`` of them.
    """
    kept_labels, kept_predictions = _usable(labels, predictions, weights)
    recalls = {f"recall_at_{round(100 * fdr)}_fdr": _recall_at_fdr(kept_labels, kept_predictions, fdr) for fdr in FDRS}
    return {
        "auroc": _auroc(kept_labels, kept_predictions),
        "aupr": _aupr(kept_labels, kept_predictions),
        **recalls,
        "n": float(kept_labels.size),
        "positives": float(kept_labels.sum()),
    }


def mean_of_known(values: ArrayLike) -> float:
    """Return the mean of the values that are a number; nan if none is.

    >>> mean_of_known([1.0, math.nan, 2.0])
    1.5
    """
    given = np.asarray(values, dtype=np.float64)
    known = given[~np.isnan(given)]
    return float(known.mean()) if known.size else math.nan


def mean_over_tracks(tracks: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return each metric's mean over the tracks that have it; counts of windows are not averaged.

    Args:
        tracks: for each track its metrics; nan where a metric is not defined.

    Returns:
        For each metric found in any track its mean over tracks where it is a number, nan if nowhere.

    >>> mean_over_tracks({"CTCF": {"auroc": 0.9, "n": 10.0}, "SPI1": {"auroc": math.nan, "n": 10.0}})
    {'auroc': 0.9}
    """
    names = dict.fromkeys(name for metrics in tracks.values() for name in metrics if name not in COUNTS)
    means = {}
    for name in names:
        means[name] = mean_of_known([metrics.get(name, math.nan) for metrics in tracks.values()])
    return means


def _usable(
    labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the labels and predictions of weight 1, after checking them."""
    label_array, prediction_array = np.asarray(labels), np.asarray(predictions, dtype=np.float64)
    weight_array = np.ones(label_array.shape) if weights is None else np.asarray(weights)
    shapes = [array.shape for array in (label_array, prediction_array, weight_array)]
    if label_array.ndim != 1 or len(set(shapes)) > 1:
        raise InputError(
            f"labels, predictions and weights have shapes {', '.join(map(str, shapes))}: "
            "give one value of each for every window of one track."
        )
    partial = weight_array[(weight_array != 0) & (weight_array != 1)]
    if partial.size:
        raise InputError(
            f"weights: {partial.size} are neither 0 nor 1 (the first is {partial[0]}). "
            "Give 0 to leave a window out and 1 to keep it."
        )
    kept = weight_array == 1
    label_array, prediction_array = label_array[kept], prediction_array[kept]
    wrong = label_array[(label_array != 0) & (label_array != 1)]
    if wrong.size:
        raise InputError(
            f"labels: {wrong.size} are neither 0 nor 1 (the first is {wrong[0]}). "
            "Give windows without a clear label weight 0."
        )
    missing = int(np.isnan(prediction_array).sum())
    if missing:
        raise InputError(
            f"predictions: {missing} of {prediction_array.size} are NaN. "
            "The model has diverged, or read a NaN from a signal file: check the training loss and inputs."
        )
    return label_array.astype(np.int64), prediction_array


def _one_class(labels: NDArray[np.int64]) -> bool:
    return labels.size == 0 or labels.min() == labels.max()


def _tensors(labels: NDArray[np.int64], predictions: NDArray[np.float64]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return predictions as ranks in [0, 1], tied where they were, and labels, for torchmetrics.

    It squashes what lies outside [0, 1] through a sigmoid, which would tie confident logits.
    """
    ranks = np.unique(predictions, return_inverse=True)[1].astype(np.float64)
    return torch.from_numpy(ranks / max(ranks.max(), 1)), torch.from_numpy(labels)


def _auroc(labels: NDArray[np.int64], predictions: NDArray[np.float64]) -> float:
    if _one_class(labels):
        return math.nan
    return float(binary_auroc(*_tensors(labels, predictions), validate_args=False))


def _aupr(labels: NDArray[np.int64], predictions: NDArray[np.float64]) -> float:
    if _one_class(labels):
        return math.nan
    return float(binary_average_precision(*_tensors(labels, predictions), validate_args=False))


def _recall_at_fdr(labels: NDArray[np.int64], predictions: NDArray[np.float64], fdr: float) -> float:
    """Count in whole numbers, since torchmetrics finds a precision of 19/20 in float32 below 0.95."""
    if _one_class(labels):
        return math.nan
    order = np.argsort(-predictions, kind="stable")
    last_of_tie = np.append(np.diff(predictions[order]) != 0, True)
    true_calls = np.cumsum(labels[order])[last_of_tie]
    calls = np.flatnonzero(last_of_tie) + 1
    rounding = 1e-12
    found = true_calls[true_calls / calls >= 1 - fdr - rounding]
    return float(found.max(initial=0) / labels.sum())
