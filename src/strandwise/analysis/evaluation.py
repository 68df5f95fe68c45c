"""How good a model is on windows whose labels or signal are known, and how far its two strands disagree."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from strandwise.analysis.asking import Answers, ask
from strandwise.analysis.bins import BinAnswers, ask_bins, judge_coverage, judge_labels
from strandwise.analysis.ceiling import CEILINGS, Replicate, ask_replicate
from strandwise.analysis.mean_shape import ask_mean_shape
from strandwise.data.windows import LabelledWindows
from strandwise.errors import InputError
from strandwise.layers import Head
from strandwise.prediction import Predictor, prediction_columns
from strandwise.scores.bootstrap import (
    Statistic,
    block_resamples,
    genomic_blocks,
    mean_of,
    percentiles,
    resampled_aupr,
    resampled_auroc,
    resampled_spearman,
)
from strandwise.scores.calibration import calibration_metrics
from strandwise.scores.metrics import classification_metrics, mean_of_known, mean_over_tracks
from strandwise.scores.regression import mean_squared_error, pearson, poisson_nll, r_squared, scaled_metrics, spearman

BLOCK_BP = 100_000


@dataclass(frozen=True)
class Evaluation:
    """What was measured, and the predictions it was measured on.

    Attributes:
        metrics: as written to `metrics.json`.
        predictions: a row a window: coordinates, `label/TRACK` (missing where unknown), `pred/TRACK`, and
            `revcomp/TRACK`, the prediction on its reverse complement: probabilities of labels, total counts, or
            means over bins; and for profiles `jsd/TRACK`, the Jensen-Shannon distance of the predicted one from the
            measured one.
    """

    metrics: dict[str, Any]
    predictions: pd.DataFrame


def evaluate_windows(
    predictor: Predictor, windows: LabelledWindows, *, split: str, seed: int = 0, resamples: int = 1000
) -> Evaluation:
    """Judge a model on windows.

    Labels: AUROC, AUPR, recall at fixed false discovery rates, Brier score and calibration error, over windows or over
    their bins. Profiles: how close each comes to the measured one, the same of their mean shape as a baseline, and the
    correlation of log(1 + total counts). Coverage: correlations, errors, Poisson log-loss and distances over all bins.
    Strand deviation for all. Where targets have a replicate, the same formulas for it in the place of the prediction:
    the experimental ceiling.

    Intervals are 95 % percentile intervals of the mean over tracks, from a bootstrap over stretches of
    100 kb (over single sequences where they have no coordinates).

    Args:
        predictor: the model.
        windows: with labels, or with the signal that is predicted.
        split: what they are, for the record.
        seed: of the bootstrap.
        resamples: of the bootstrap.

    Raises:
        InputError: no windows.
    """
    if not len(windows):
        raise InputError(f"the {split} split has no windows to judge: name chromosomes or regions in split.{split}.")
    answers: Answers | BinAnswers
    if predictor.bins is not None:
        answers = ask_bins(predictor, windows, predictor.bins)
        all_judged, table = [_judge_bins(answers)], _bin_table(windows, answers)
    else:
        answers = ask(predictor, windows)
        judge = {"labels": _judge_labels, "mean": _judge_means}.get(answers.head.target, _judge_signal)
        all_judged, table = judge(answers), _table(windows, answers)
    second = ask_replicate(windows, answers.head, profiles=isinstance(answers, Answers) and answers.profile is not None)
    beside = {
        "baseline": _baselines(windows, answers) if isinstance(answers, Answers) else {},
        "ceiling": {} if second is None else _ceilings(answers, second),
    }
    blocks, said = _blocks(windows.frame, seed, resamples)
    heads: dict[str, Any] = {}
    for judged in all_judged:
        mean = mean_over_tracks(judged.tracks)
        ci, track_ci = _intervals(judged, answers.weights, blocks, seed, resamples)
        found = {"tracks": _plain(judged.tracks), "mean": _plain(mean), "ci": ci, "track_ci": track_ci}
        heads[judged.head.name] = found
        for name, by_head in beside.items():
            tracks = by_head.get(judged.head.name)
            if tracks:
                found[name] = {"tracks": _plain(tracks), "mean": _plain(mean_over_tracks(tracks))}
    metrics = {
        "schema_version": 1,
        "split": split,
        "n": len(windows),
        "heads": heads,
        "bootstrap": said,
        "strand": {
            "max_deviation": answers.max_deviation,
            "mean_deviation": answers.mean_deviation,
            "precision": str(predictor.dtype).removeprefix("torch."),
        },
    }
    return Evaluation(metrics, table)


@dataclass(frozen=True)
class _Judged:
    """One head's metrics by track, and for each metric with an interval the statistic of resampled known rows."""

    head: Head
    tracks: dict[str, dict[str, float]]
    resampled: dict[str, list[Statistic]]


def _judge_bins(answers: BinAnswers) -> _Judged:
    judge = judge_labels if answers.head.link == "logistic" else judge_coverage
    tracks, resampled = {}, dict[str, list[Statistic]]()
    for c, track in enumerate(answers.head.tracks):
        tracks[track], statistics = judge(answers, c)
        for name, statistic in statistics.items():
            resampled.setdefault(name, []).append(statistic)
    return _Judged(answers.head, tracks, resampled)


def _judge_means(answers: Answers) -> list[_Judged]:
    predicted = answers.head.activate(answers.forward.double()).numpy()
    return [_judge_coverage(answers.head, answers.targets, predicted, answers.weights)]


def _judge_coverage(head: Head, measured: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> _Judged:
    judged = _judge_amounts(head, measured, predicted, weights)
    for c, track in enumerate(head.tracks):
        given = measured[:, c], predicted[:, c], weights[:, c]
        judged.tracks[track] |= {"poisson_nll": poisson_nll(*given), **scaled_metrics(*given)}
    return judged


def _judge_amounts(head: Head, measured: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> _Judged:
    tracks, resampled = {}, dict[str, list[Statistic]](pearson=[], spearman=[], mse=[], r_squared=[])
    for c, track in enumerate(head.tracks):
        known = weights[:, c] > 0
        x, y = measured[known, c], predicted[known, c]
        tracks[track] = {
            "pearson": pearson(x, y),
            "spearman": spearman(x, y),
            "mse": mean_squared_error(x, y),
            "r_squared": r_squared(x, y),
            "n": float(known.sum()),
        }
        resampled["pearson"].append(_of_pairs(pearson, x, y))
        resampled["spearman"].append(resampled_spearman(x, y))
        resampled["mse"].append(mean_of((x - y) ** 2))
        resampled["r_squared"].append(_of_pairs(r_squared, x, y))
    return _Judged(head, tracks, resampled)


def _judge_labels(answers: Answers) -> list[_Judged]:
    targets, weights = answers.targets, answers.weights
    predicted = answers.head.activate(answers.forward.double()).numpy()
    tracks, resampled = {}, dict[str, list[Statistic]](auroc=[], aupr=[], brier=[])
    for c, track in enumerate(answers.head.tracks):
        tracks[track] = classification_metrics(targets[:, c], predicted[:, c], weights[:, c])
        known = weights[:, c] > 0
        y, p = targets[known, c], predicted[known, c]
        tracks[track] |= calibration_metrics(y, p)
        for name, statistic in (("auroc", resampled_auroc), ("aupr", resampled_aupr)):
            resampled[name].append(statistic(y, p))
        resampled["brier"].append(mean_of((y - p) ** 2))
    return [_Judged(answers.head, tracks, resampled)]


def _judge_signal(answers: Answers) -> list[_Judged]:
    counts, predicted = np.log1p(answers.targets), answers.forward.double().numpy()
    totals = _judge_amounts(answers.head, counts, predicted, answers.weights)
    if answers.profile is None:
        return [totals]
    known = [answers.weights[:, c] > 0 for c in range(len(answers.profile.tracks))]
    resampled = {
        name: [mean_of(values[rows, c]) for c, rows in enumerate(known)] for name, values in answers.shapes.items()
    }
    tracks = _mean_shapes(answers.profile, answers.shapes, answers.weights)
    return [_Judged(answers.profile, tracks, resampled), totals]


def _mean_shapes(profile: Head, shapes: Mapping[str, np.ndarray], weights: np.ndarray) -> dict[str, dict[str, float]]:
    """Return by track the mean of each metric of profiles over known windows, and how many those are."""
    means = {}
    for c, track in enumerate(profile.tracks):
        known = weights[:, c] > 0
        means[track] = {name: mean_of_known(values[known, c]) for name, values in shapes.items()} | {
            "n": float(known.sum())
        }
    return means


def _baselines(windows: LabelledWindows, answers: Answers) -> dict[str, dict[str, dict[str, float]]]:
    """Return, by head and track, what the mean shape of all profiles scores; of tracks that are known."""
    if answers.profile is None or answers.mean_shape is None:
        return {}
    shapes = ask_mean_shape(windows, answers.profile, answers.mean_shape)
    tracks = _mean_shapes(answers.profile, shapes, answers.weights)
    return {answers.profile.name: {track: scores for track, scores in tracks.items() if scores["n"]}}


def _ceilings(answers: Answers | BinAnswers, second: Replicate) -> dict[str, dict[str, dict[str, float]]]:
    """Return, by head and track, what a replicate scores as the prediction; of tracks that have one."""
    weights = answers.weights * second.weights
    if isinstance(answers, BinAnswers):
        found = [_judge_bins(replace(answers, predicted=second.amounts, weights=weights))]
    elif answers.head.target == "mean":
        found = [_judge_coverage(answers.head, answers.targets, second.amounts, weights)]
    else:
        found = [_judge_amounts(answers.head, np.log1p(answers.targets), np.log1p(second.amounts), weights)]
    tracks = {judged.head.name: judged.tracks for judged in found}
    if isinstance(answers, Answers) and answers.profile is not None:
        tracks[answers.profile.name] = _mean_shapes(answers.profile, second.shapes, weights)
    return {
        head: {
            track: {name: value for name, value in scores.items() if name in CEILINGS}
            for track, scores in by_track.items()
            if scores["n"]
        }
        for head, by_track in tracks.items()
    }


def _of_pairs(metric: Callable[[np.ndarray, np.ndarray], float], x: np.ndarray, y: np.ndarray) -> Statistic:
    return lambda rows: metric(x[rows], y[rows])


def _table(windows: LabelledWindows, answers: Answers) -> pd.DataFrame:
    head = answers.head
    forward, reverse = (head.activate(each.double()).numpy() for each in (answers.forward, answers.reverse))
    table = _columns(windows, head, answers.targets, answers.weights, forward, reverse)
    if answers.profile is None:
        return table
    return pd.concat([table, prediction_columns(answers.profile, answers.shapes["jsd"], "jsd")], axis=1)


def _bin_table(windows: LabelledWindows, answers: BinAnswers) -> pd.DataFrame:
    measured, predicted = answers.measured.mean(-1), answers.predicted.mean(-1)
    return _columns(windows, answers.head, measured, answers.weights, predicted, answers.reverse)


def _columns(
    windows: LabelledWindows,
    head: Head,
    targets: np.ndarray,
    weights: np.ndarray,
    forward: np.ndarray,
    reverse: np.ndarray,
) -> pd.DataFrame:
    labels = np.where(weights > 0, targets, np.nan).astype(np.float32)
    parts = [
        windows.frame[["chrom", "start", "end", "name", "origin"]].reset_index(drop=True),
        prediction_columns(head, labels, "label"),
        prediction_columns(head, forward),
        prediction_columns(head, reverse, "revcomp"),
    ]
    return pd.concat(parts, axis=1)


def _blocks(frame: pd.DataFrame, seed: int, resamples: int) -> tuple[np.ndarray, dict[str, Any]]:
    placed = frame["start"].to_numpy().any()
    blocks = (
        genomic_blocks(frame["chrom"], frame["start"], BLOCK_BP) if placed else np.arange(len(frame), dtype=np.intp)
    )
    said = {"resamples": resamples, "seed": seed, "level": 0.95, "blocks": len(np.unique(blocks))}
    return blocks, said | {"block_bp": BLOCK_BP if placed else None}


def _intervals(
    judged: _Judged, weights: np.ndarray, blocks: np.ndarray, seed: int, resamples: int
) -> tuple[dict[str, list[float]], dict[str, dict[str, list[float]]]]:
    """Return the intervals of means over tracks and, by track, of each; all from the same resamples.

    Where too few windows are of one class to resample, a metric without an interval is still a metric.
    """
    of_mean: dict[str, list[float]] = {}
    of_track: dict[str, dict[str, list[float]]] = {track: {} for track in judged.head.tracks}
    if len(np.unique(blocks)) < 2 or not resamples:
        return of_mean, of_track
    known = np.ascontiguousarray(weights.T > 0)

    def of_known(part: Statistic, c: int) -> Statistic:
        if known[c].all():
            return part
        rank = np.cumsum(known[c]) - 1
        return lambda rows: part(rank[rows[known[c][rows]]])

    for name, parts in judged.resampled.items():
        values = block_resamples([of_known(part, c) for c, part in enumerate(parts)], blocks, resamples, seed)
        means = np.array([mean_of_known(each) for each in values])
        for found, each in zip((of_mean, *of_track.values()), (means, *values.T), strict=True):
            ends = percentiles(each)
            if ends is not None:
                found[name] = [*ends]
    return of_mean, of_track


def _plain(table: Any) -> Any:
    """Return nested numbers with NaN as None, as JSON needs them."""
    if isinstance(table, dict):
        return {key: _plain(value) for key, value in table.items()}
    return None if isinstance(table, float) and np.isnan(table) else table
