"""Models that answer for each bin of a window, held against what was measured there."""

from dataclasses import dataclass
from itertools import tee

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from strandwise.analysis.asking import Deviation
from strandwise.data.batches import read_batch
from strandwise.data.windows import LabelledWindows
from strandwise.layers import Head
from strandwise.prediction import Predictor
from strandwise.scores.bootstrap import Statistic, auroc_of_counts, average_precision_of_counts, mean_of
from strandwise.scores.calibration import calibration_metrics
from strandwise.scores.metrics import classification_metrics, mean_of_known
from strandwise.scores.profiles import jensen_shannon
from strandwise.scores.regression import (
    mean_squared_error,
    pearson,
    poisson_nll,
    r_squared,
    scaled_metrics,
    spearman,
)

VALUES = 1 << 22
"""Numbers that a model is asked for at a time."""

LEVELS = 1024
"""Steps of predictions, equally often reached, by which yes/no labels are resampled; fewer for many windows."""

_COUNTS = 1 << 22


@dataclass(frozen=True)
class BinAnswers:
    """What a model says of the bins of windows, beside what is known of them.

    Attributes:
        head: that says it.
        measured: labels or coverage, ``(windows, tracks, bins)`` float32.
        predicted: probabilities or coverage, ``(windows, tracks, bins)`` float32.
        reverse: the means over bins of what is said of the reverse complement, as the model gives them,
            ``(windows, tracks)``.
        weights: 0 where a track is not known; ``(windows, tracks)``.
        max_deviation: the largest difference between strands, |d| / (1 + max|f|) on logits.
        mean_deviation: the mean difference, on the same scale.
    """

    head: Head
    measured: NDArray[np.float32]
    predicted: NDArray[np.float32]
    reverse: NDArray[np.float32]
    weights: NDArray[np.float32]
    max_deviation: float
    mean_deviation: float


def ask_bins(predictor: Predictor, windows: LabelledWindows, head: Head) -> BinAnswers:
    """Ask a model for the bins of windows and of their reverse complements.

    Args:
        predictor: the model.
        windows: at least one, with what the head is compared with.
        head: that answers for bins.
    """
    size = max(1, min(512, VALUES // (windows.input_bp * max(4, len(head.tracks)))))
    starts = range(0, len(windows), size)
    read = (read_batch(windows, [head], np.arange(at, min(at + size, len(windows)))) for at in starts)
    deviation = Deviation(head)
    parts: list[tuple[Tensor, ...]] = []
    ahead, here = tee(read)
    asked = predictor.both_strands(batch.inputs for batch in ahead)
    for batch, (forward, reverse) in zip(here, asked, strict=True):
        said, turned = forward[head.name], reverse[head.name]
        deviation.add(said, turned)
        other = head.activate(turned).mean(-1)
        parts.append((batch.targets[head.name], head.activate(said).float(), other, batch.weights[head.name]))
    measured, predicted, other, weights = (torch.cat(values).numpy() for values in zip(*parts, strict=True))
    return BinAnswers(head, measured, predicted, other, weights, deviation.max, deviation.mean)


def judge_labels(answers: BinAnswers, column: int) -> tuple[dict[str, float], dict[str, Statistic]]:
    """Return the metrics of yes/no labels of one track over all bins, and those that can be resampled by window.

    Resampled AUROC and AUPR rest on predictions in `LEVELS` steps; the metrics themselves do not.
    """
    known = answers.weights[:, column] > 0
    labels, predicted = answers.measured[known, column], answers.predicted[known, column]
    x, y = labels.ravel(), predicted.ravel()
    squares = np.square(labels - predicted).mean(-1, dtype=np.float64)
    statistics = resampled_bins(labels, predicted) | {"brier": mean_of(squares)}
    return classification_metrics(x, y) | calibration_metrics(x, y), statistics


def resampled_bins(labels: NDArray, predicted: NDArray) -> dict[str, Statistic]:
    """Return AUROC and AUPR over all bins as functions of windows, from predictions in `LEVELS` steps.

    Args:
        labels: 0 or 1, ``(windows, bins)``.
        predicted: on any scale that grows with confidence, ``(windows, bins)``.
    """
    counts = _counts_by_window(labels, predicted)
    return {
        "auroc": lambda rows: auroc_of_counts(*counts[rows].sum(0)),
        "aupr": lambda rows: average_precision_of_counts(*counts[rows].sum(0)),
    }


def judge_coverage(answers: BinAnswers, column: int) -> tuple[dict[str, float], dict[str, Statistic]]:
    """Return the metrics of coverage of one track over all bins, and those that can be resampled by window.

    `pearson_per_window` is the mean over windows in which both vary. `jsd_per_window` is the mean Jensen-Shannon
    distance over windows that have signal, `jsd_concatenated` that of all windows as one; coverage below 0 counts as 0.
    """
    known = answers.weights[:, column] > 0
    measured, predicted = answers.measured[known, column], answers.predicted[known, column]
    x, y = measured.ravel(), predicted.ravel()
    sums = sums_by_window(measured, predicted)
    each = pearson_of_sums(sums)
    shapes = np.asarray(jensen_shannon(measured.clip(0), predicted.clip(0)))
    metrics = {
        "pearson": pearson(x, y),
        "spearman": spearman(x, y),
        "mse": mean_squared_error(x, y),
        "r_squared": r_squared(x, y),
        "poisson_nll": poisson_nll(x, y),
        **scaled_metrics(x, y),
        "pearson_per_window": mean_of_known(each),
        "jsd_per_window": mean_of_known(shapes),
        "jsd_concatenated": float(jensen_shannon(x.clip(0), y.clip(0))),
        "n": float(known.sum()),
    }
    return metrics, {
        "pearson": lambda rows: float(pearson_of_sums(sums[rows].sum(0))),
        "pearson_per_window": mean_of(each),
        "jsd_per_window": mean_of(shapes),
        "mse": mean_of(np.square(measured - predicted).mean(-1, dtype=np.float64)),
    }


def sums_by_window(x: NDArray, y: NDArray) -> NDArray[np.float64]:
    """Return what the Pearson correlation over any of the windows needs of each, ``(windows, 6)``.

    Bins and the sums of x, y, x*x, y*y and x*y, about the means of all, so that squares do not swamp what varies.

    Args:
        x: measured, ``(windows, bins)``.
        y: predicted, ``(windows, bins)``.
    """
    x, y = (values - (values.mean(dtype=np.float64) if values.size else 0.0) for values in (x, y))
    ones = np.full(len(x), x.shape[-1], dtype=np.float64)
    return np.stack([ones, x.sum(-1), y.sum(-1), (x * x).sum(-1), (y * y).sum(-1), (x * y).sum(-1)], axis=1)


def pearson_of_sums(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Pearson correlation of sums as `sums_by_window` gives them, ``(..., 6)``, of windows or added up.

    Nan for fewer than two bins, or where either is constant.
    """
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    across, along = n * xx - x * x, n * yy - y * y
    # Of constants rounding leaves a little more than nothing.
    none = (n < 2) | (across <= 1e-12 * n * xx) | (along <= 1e-12 * n * yy)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (n * xy - x * y) / np.sqrt(across * along)
    return np.where(none, np.nan, np.clip(found, -1, 1))


def _counts_by_window(labels: NDArray, predicted: NDArray) -> NDArray[np.int32]:
    """Return how often each step of predictions is reached, ``(windows, 2, steps)``: by negatives, by positives."""
    n = len(labels)
    if not n:
        return np.zeros((0, 2, 1), np.int32)
    steps = int(min(LEVELS, max(64, _COUNTS // n)))
    some = predicted.ravel()[:: max(1, predicted.size // 1_000_000)]
    edges = np.unique(np.quantile(some, np.linspace(0, 1, steps)[1:-1]))
    step = np.searchsorted(edges, predicted.ravel(), side="right").reshape(n, -1)
    code = (np.arange(n)[:, None] * 2 + labels.astype(np.int64)) * steps + step
    return np.bincount(code.ravel(), minlength=2 * n * steps).reshape(n, 2, steps).astype(np.int32)
