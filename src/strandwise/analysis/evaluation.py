"""How good a model is on windows whose labels are known, and how far its two strands disagree."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from strandwise.data.windows import LabelledWindows
from strandwise.errors import InputError
from strandwise.layers import Head
from strandwise.prediction import Predictor, gathered, prediction_columns
from strandwise.scores.bootstrap import block_bootstrap, genomic_blocks, resampled_aupr, resampled_auroc
from strandwise.scores.metrics import classification_metrics, mean_over_tracks
from strandwise.strand import revcomp, strand_deviation

BLOCK_BP = 100_000


@dataclass(frozen=True)
class Evaluation:
    """What was measured, and the predictions it was measured on.

    Attributes:
        metrics: as written to `metrics.json`.
        predictions: a row a window: coordinates, `label/TRACK` (missing where unknown), `pred/TRACK`, and
            `revcomp/TRACK`, the prediction on its reverse complement.
    """

    metrics: dict[str, Any]
    predictions: pd.DataFrame


def evaluate_windows(
    predictor: Predictor, windows: LabelledWindows, *, split: str, seed: int = 0, resamples: int = 1000
) -> Evaluation:
    """Judge a model on windows: AUROC, AUPR, recall at fixed false discovery rates, strand deviation.

    Intervals are 95 % percentile intervals of the mean over tracks, from a bootstrap over stretches of
    100 kb (over single sequences where they have no coordinates).

    Args:
        predictor: the model.
        windows: with labels.
        split: what they are, for the record.
        seed: of the bootstrap.
        resamples: of the bootstrap.

    Raises:
        InputError: no windows.
    """
    if not len(windows):
        raise InputError(f"the {split} split has no windows to judge: name chromosomes or regions in split.{split}.")
    forward = torch.cat(list(predictor.logits(gathered(windows.reader, len(windows)))))
    reverse = torch.cat(list(predictor.logits(gathered(windows.reader, len(windows)), reverse=True)))
    head = predictor.head
    predicted = head.activate(forward.double()).numpy()
    tracks = {
        track: classification_metrics(windows.labels[:, c], predicted[:, c], windows.weights[:, c])
        for c, track in enumerate(windows.tracks)
    }
    interval, resampled = _intervals(windows, predicted, seed, resamples)
    metrics = {
        "schema_version": 1,
        "split": split,
        "n": len(windows),
        "heads": {head.name: {"tracks": _plain(tracks), "mean": _plain(mean_over_tracks(tracks)), "ci": interval}},
        "bootstrap": resampled,
        "strand": _strand(forward, reverse, head, predictor),
    }
    return Evaluation(metrics, _table(windows, head, forward, reverse))


def _strand(forward: torch.Tensor, reverse: torch.Tensor, head: Head, predictor: Predictor) -> dict[str, Any]:
    typical = (forward - revcomp(reverse, head.type)).abs().mean() / (1 + forward.abs().max())
    return {
        "max_deviation": strand_deviation(forward, reverse, head.type),
        "mean_deviation": float(typical),
        "precision": str(predictor.dtype).removeprefix("torch."),
    }


def _table(windows: LabelledWindows, head: Head, forward: torch.Tensor, reverse: torch.Tensor) -> pd.DataFrame:
    labels = np.where(windows.weights > 0, windows.labels, np.nan)
    return pd.concat(
        [
            windows.frame[["chrom", "start", "end", "name", "origin"]].reset_index(drop=True),
            prediction_columns(head, labels, "label"),
            prediction_columns(head, head.activate(forward.double()).numpy()),
            prediction_columns(head, head.activate(reverse.double()).numpy(), "revcomp"),
        ],
        axis=1,
    )


def _intervals(
    windows: LabelledWindows, predicted: np.ndarray, seed: int, resamples: int
) -> tuple[dict[str, list[float]], dict[str, Any]]:
    frame = windows.frame
    placed = frame["start"].to_numpy().any()
    blocks = (
        genomic_blocks(frame["chrom"], frame["start"], BLOCK_BP) if placed else np.arange(len(frame), dtype=np.intp)
    )
    said = {"resamples": resamples, "seed": seed, "level": 0.95, "blocks": len(np.unique(blocks))}
    said["block_bp"] = BLOCK_BP if placed else None
    intervals = {}
    if said["blocks"] < 2:
        return {}, said
    for name, statistic in (("auroc", resampled_auroc), ("aupr", resampled_aupr)):
        parts = []
        for c in range(len(windows.tracks)):
            known = windows.weights[:, c] > 0
            rank = np.cumsum(known) - 1
            parts.append((known, rank, statistic(windows.labels[known, c], predicted[known, c])))

        def mean(rows: np.ndarray, parts: list[Any] = parts) -> float:
            values = np.array([part(rank[rows[known[rows]]]) for known, rank, part in parts])
            return float(np.nanmean(values)) if (~np.isnan(values)).any() else float("nan")

        try:
            found = block_bootstrap(mean, blocks, resamples, seed)
        except InputError:
            # Too few windows of one class to resample: a metric without an interval is still a metric.
            continue
        intervals[name] = [found.low, found.high]
    return intervals, said


def _plain(table: Any) -> Any:
    """Return nested numbers with NaN as None, as JSON needs them."""
    if isinstance(table, dict):
        return {key: _plain(value) for key, value in table.items()}
    return None if isinstance(table, float) and np.isnan(table) else table
