"""How sure a metric is: resampling whole stretches of genome, since neighbouring windows are alike."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strandwise.errors import InputError
from strandwise.scores.metrics import mean_of_known

Statistic = Callable[[NDArray[np.intp]], float]


@dataclass(frozen=True)
class Interval:
    """An estimate with the interval that holds it.

    Attributes:
        estimate: the statistic of all rows.
        low: the lower end.
        high: the upper end.
        n_resamples: how many resamples the interval rests on, those dropped not counted.
        n_blocks: how many blocks were resampled.
        n_dropped: resamples whose statistic was nan, such as an AUROC of one class.
    """

    estimate: float
    low: float
    high: float
    n_resamples: int
    n_blocks: int
    n_dropped: int = 0


def block_bootstrap(
    statistic: Statistic,
    blocks: ArrayLike,
    n_resamples: int = 1000,
    seed: int | np.random.Generator = 0,
    level: float = 0.95,
) -> Interval:
    """Return a percentile interval of a statistic, resampling whole blocks with replacement.

    Neighbouring windows share peaks, so windows drawn one by one would give too narrow an interval
    (Kunsch 1989, the block bootstrap). To compare two models on the same windows, give their
    `paired_difference` as the statistic.

    Args:
        statistic: takes row numbers, a row appearing as often as it was drawn, and returns a number.
        blocks: ``(n,)`` whole numbers, the block of each row, in any order.
        n_resamples: how many times to resample.
        seed: fixes the resamples.
        level: the share of the resampled values inside the interval.

    Raises:
        InputError: fewer than two blocks, or more than half of the resamples gave nan.
    """
    if not 0 < level < 1:
        raise InputError(f"level {level}: give a share between 0 and 1, such as 0.95.")
    values = block_resamples([statistic], blocks, n_resamples, seed)[:, 0]
    dropped = int(np.isnan(values).sum())
    ends = percentiles(values, level)
    if ends is None:
        raise InputError(
            f"{dropped} of {n_resamples} resamples gave no number, most often "
            "since all their windows are of one class: the test set is too small for an interval. "
            "Evaluate on more windows."
        )
    block_of_row = np.asarray(blocks)
    estimate = float(statistic(np.arange(block_of_row.size)))
    return Interval(estimate, *ends, n_resamples - dropped, len(np.unique(block_of_row)), dropped)


def percentiles(values: ArrayLike, level: float = 0.95) -> tuple[float, float] | None:
    """Return the ends of the interval that holds a share of resampled values; None where more than half are nan.

    Args:
        values: ``(n_resamples,)``.
        level: the share of them inside.
    """
    found = np.asarray(values, dtype=np.float64)
    kept = found[~np.isnan(found)]
    if not kept.size or 2 * kept.size < found.size:
        return None
    tail = (1 - level) / 2
    low, high = np.quantile(kept, [tail, 1 - tail])
    return float(low), float(high)


def block_resamples(
    statistics: Sequence[Statistic], blocks: ArrayLike, n_resamples: int = 1000, seed: int | np.random.Generator = 0
) -> NDArray[np.float64]:
    """Return statistics of the same resamples, so that differences between them are paired.

    Args:
        statistics: each takes row numbers, as `block_bootstrap` gives them.
        blocks: ``(n,)`` whole numbers, the block of each row, in any order.
        n_resamples: how many times to resample.
        seed: fixes the resamples.

    Returns:
        ``(n_resamples, len(statistics))``.

    Raises:
        InputError: fewer than two blocks.
    """
    block_of_row = np.asarray(blocks)
    if block_of_row.ndim != 1 or not np.issubdtype(block_of_row.dtype, np.integer):
        raise InputError(
            f"blocks have shape {block_of_row.shape} and type {block_of_row.dtype}: give one whole number for each row."
        )
    if n_resamples < 1:
        raise InputError(f"n_resamples {n_resamples}: give 1 resample or more.")
    rows, starts, sizes = _by_block(block_of_row)
    if sizes.size < 2:
        raise InputError(
            f"{sizes.size} block of windows: an interval needs two or more. "
            "Evaluate on more of the genome, or make the blocks shorter."
        )
    generator = np.random.default_rng(seed)
    values = np.empty((n_resamples, len(statistics)))
    for index in range(n_resamples):
        drawn = generator.integers(sizes.size, size=sizes.size)
        resample = rows[_ranges(starts[drawn], sizes[drawn])]
        values[index] = [statistic(resample) for statistic in statistics]
    return values


def mean_of(values: NDArray) -> Statistic:
    """Return the mean of those values of rows that are known, ``(n,)`` and nan where one is not, as a statistic."""
    return lambda rows: mean_of_known(values[rows])


def paired_difference(ours: Statistic, theirs: Statistic) -> Statistic:
    """Return how far one statistic is above another on the same rows.

    What makes some windows hard for both models then cancels out, so that a resampled difference has a narrower
    interval than either of the two.
    """
    return lambda rows: ours(rows) - theirs(rows)


def genomic_blocks(chrom: ArrayLike, start: ArrayLike, block_bp: int = 100_000) -> NDArray[np.intp]:
    """Return the block of each window: the stretch of `block_bp` base pairs in which it starts.

    Args:
        chrom: ``(n,)`` chromosome names.
        start: ``(n,)`` 0-based starts.
        block_bp: length of a block; a good deal longer than peaks and their clusters.

    Returns:
        ``(n,)`` block numbers from 0, in order of first appearance.

    Raises:
        InputError: `block_bp` is below 1, or the lengths differ.
    """
    names, starts = np.asarray(chrom).astype(str), np.asarray(start)
    if block_bp < 1 or names.shape != starts.shape or names.ndim != 1:
        raise InputError(
            f"block_bp {block_bp}, {names.size} chromosomes and {starts.size} starts: "
            "give a length of 1 or more, and one chromosome for each start."
        )
    numbers: dict[tuple[str, int], int] = {}
    places = zip(names.tolist(), (starts // block_bp).tolist(), strict=True)
    return np.array([numbers.setdefault(place, len(numbers)) for place in places], dtype=np.intp)


def resampled_auroc(labels: ArrayLike, predictions: ArrayLike) -> Statistic:
    """Return the AUROC as a function of rows, fast enough for thousands of resamples.

    Predictions are ranked once; a resample then only counts. Equal to `metrics.auroc` on those rows.

    Args:
        labels: ``(n,)`` of 0 and 1.
        predictions: ``(n,)`` without NaN.

    Raises:
        InputError: a label is neither 0 nor 1, or a prediction is NaN.
    """
    counts = _counter(labels, predictions)

    def statistic(rows: NDArray[np.intp]) -> float:
        return auroc_of_counts(*counts(rows))

    return statistic


def resampled_aupr(labels: ArrayLike, predictions: ArrayLike) -> Statistic:
    """Return the average precision as a function of rows; the fast twin of `metrics.aupr`.

    Arguments and errors are those of `resampled_auroc`.
    """
    counts = _counter(labels, predictions)

    def statistic(rows: NDArray[np.intp]) -> float:
        return average_precision_of_counts(*counts(rows))

    return statistic


def resampled_spearman(measured: ArrayLike, predicted: ArrayLike) -> Statistic:
    """Return the correlation of ranks as a function of rows; the fast twin of `regression.spearman`.

    Amounts are ordered once; what a resample changes is how many lie below each.

    Args:
        measured: ``(n,)``, without NaN.
        predicted: ``(n,)``, without NaN.
    """
    places = [np.unique(np.asarray(values), return_inverse=True)[1] for values in (measured, predicted)]

    def statistic(rows: NDArray[np.intp]) -> float:
        drawn = np.bincount(rows, minlength=places[0].size).astype(np.float64)
        ranks = []
        for place in places:
            here = np.bincount(place, drawn)
            if np.count_nonzero(here) < 2:
                return math.nan
            rank = (np.cumsum(here) - here / 2)[place]
            ranks.append(rank - drawn @ rank / drawn.sum())
        x, y = ranks
        return float(np.clip(drawn @ (x * y) / math.sqrt((drawn @ (x * x)) * (drawn @ (y * y))), -1, 1))

    return statistic


def auroc_of_counts(negatives: NDArray[np.integer], positives: NDArray[np.integer]) -> float:
    """Return the AUROC of how many negatives and positives reach each distinct prediction, the lowest first."""
    pairs = float(negatives.sum()) * float(positives.sum())
    if not pairs:
        return math.nan
    ranked_above = np.cumsum(negatives) - negatives / 2
    return float(positives @ ranked_above / pairs)


def average_precision_of_counts(negatives: NDArray[np.integer], positives: NDArray[np.integer]) -> float:
    """Return the average precision; arguments as `auroc_of_counts`."""
    found, wrong = np.cumsum(positives[::-1]), np.cumsum(negatives[::-1])
    if not found.size or not found[-1] or not wrong[-1]:
        return math.nan
    precision = found / np.maximum(found + wrong, 1)
    return float(positives[::-1] @ precision / found[-1])


def _by_block(block_of_row: NDArray) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows ordered by block, and where each block starts and how long it is."""
    rows = np.argsort(block_of_row, kind="stable")
    _, starts, sizes = np.unique(block_of_row[rows], return_index=True, return_counts=True)
    return rows, starts, sizes


def _ranges(starts: NDArray[np.intp], sizes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return ``start, start + 1, ...`` for each start, one range after another."""
    ends = np.cumsum(sizes)
    return np.arange(ends[-1]) + np.repeat(starts - ends + sizes, sizes)


def _counter(
    labels: ArrayLike, predictions: ArrayLike
) -> Callable[[NDArray[np.intp]], tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return a function of rows that counts negatives and positives at each distinct prediction."""
    label_array, prediction_array = np.asarray(labels), np.asarray(predictions)
    if label_array.ndim != 1 or label_array.shape != prediction_array.shape:
        raise InputError(
            f"labels and predictions have shapes {label_array.shape} and {prediction_array.shape}: "
            "give one value of each for every window of one track."
        )
    if not np.isin(label_array, (0, 1)).all() or np.isnan(prediction_array).any():
        raise InputError(
            "labels must be 0 or 1 and predictions must not be NaN: leave out windows of weight 0 before resampling."
        )
    distinct, ranks = np.unique(prediction_array, return_inverse=True)
    codes = ranks * 2 + label_array.astype(np.intp)

    def counts(rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        table = np.bincount(codes[rows], minlength=2 * distinct.size).reshape(-1, 2)
        return table[:, 0], table[:, 1]

    return counts
