"""A model beside baselines on the same windows: their metrics, and intervals of how far it is ahead."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strandwise.analysis.bins import resampled_bins
from strandwise.errors import InputError
from strandwise.scores.bootstrap import Statistic, block_bootstrap, paired_difference, resampled_aupr, resampled_auroc
from strandwise.scores.metrics import aupr, auroc, mean_of_known

METRICS = {"auroc": (auroc, resampled_auroc), "aupr": (aupr, resampled_aupr)}


@dataclass(frozen=True)
class Answered:
    """Windows with what is known of them.

    Attributes:
        tracks: names of the tracks.
        labels: 0 or 1, ``(windows, tracks)`` or ``(windows, tracks, bins)``.
        weights: 0 where a track is not known, ``(windows, tracks)``.
        blocks: the stretch of genome of each window, ``(windows,)``.
    """

    tracks: tuple[str, ...]
    labels: NDArray
    weights: NDArray
    blocks: NDArray[np.intp]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where a track is known, ``(windows, tracks)``."""
        return self.weights > 0


def compare(
    given: Answered, model: NDArray, rivals: Mapping[str, NDArray], *, seed: int = 0, resamples: int = 1000
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the metrics of a model, and those of its rivals with how far the model is ahead of each.

    Intervals of differences are paired: model and rival are judged on the same resampled stretches of genome. Where
    windows have bins, intervals rest on scores in steps, as those of `evaluate` do; the differences themselves do not.

    Args:
        given: the windows.
        model: what the model says, in the shape of the labels; only the order counts.
        rivals: what each rival says, by name.
        seed: of the resamples.
        resamples: how many.

    Returns:
        ``{"tracks": {TRACK: {METRIC: value}}, "mean": ...}`` of the model; and the same of each rival by name, with
        ``"ahead": {"tracks": {TRACK: {METRIC: [difference, low, high]}}, "mean": ...}``. Without an
        interval, low and high are None; where a track has windows of one kind alone, all is None.
    """
    ours, our_statistics = _judged(given, model)
    found: dict[str, Any] = {}
    for name, said in rivals.items():
        theirs, statistics = _judged(given, said)
        ahead: dict[str, Any] = {"tracks": {track: {} for track in given.tracks}, "mean": {}}
        for metric in METRICS:
            gaps = [paired_difference(*pair) for pair in zip(our_statistics[metric], statistics[metric], strict=True)]
            for c, track in enumerate(given.tracks):
                gap = _gap(ours["tracks"][track][metric], theirs["tracks"][track][metric])
                ahead["tracks"][track][metric] = _interval(given, gap, {c: gaps[c]}, seed, resamples)
            gap = _gap(ours["mean"][metric], theirs["mean"][metric])
            ahead["mean"][metric] = _interval(given, gap, dict(enumerate(gaps)), seed, resamples)
        found[name] = theirs | {"ahead": ahead}
    return ours, found


def _judged(given: Answered, said: NDArray) -> tuple[dict[str, Any], dict[str, list[Statistic]]]:
    tracks, statistics = {}, dict[str, list[Statistic]]({metric: [] for metric in METRICS})
    for c, track in enumerate(given.tracks):
        here = given.known[:, c]
        labels, scores = given.labels[here, c], said[here, c]
        tracks[track] = {}
        for metric, (measure, resampled) in METRICS.items():
            value = measure(labels.ravel(), scores.ravel())
            tracks[track][metric] = None if np.isnan(value) else value
            if labels.ndim == 1:
                statistics[metric].append(resampled(labels, scores))
        if labels.ndim == 2:
            for metric, statistic in resampled_bins(labels, scores).items():
                statistics[metric].append(statistic)
    mean = {metric: _mean([values[metric] for values in tracks.values()]) for metric in METRICS}
    return {"tracks": tracks, "mean": mean}, statistics


def _interval(
    given: Answered, gap: float | None, parts: Mapping[int, Statistic], seed: int, resamples: int
) -> list[float | None] | None:
    known = given.known
    rank = np.cumsum(known, axis=0) - 1

    def mean(rows: NDArray[np.intp]) -> float:
        return mean_of_known([part(rank[rows[known[rows, c]], c]) for c, part in parts.items()])

    if gap is None:
        return None
    if len(np.unique(given.blocks)) < 2:
        return [gap, None, None]
    try:
        found = block_bootstrap(mean, given.blocks, resamples, seed)
    except InputError:
        # Too few windows of one class to resample.
        return [gap, None, None]
    return [gap, found.low, found.high]


def _gap(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
