"""The plain results of one run, as a page needs them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strandwise.errors import InputError, listing
from strandwise.report.words import known
from strandwise.scores.calibration import reliability

SCHEMA_VERSION = 1
PLACE = ("chrom", "start", "end")


@dataclass(frozen=True, eq=False)
class RunResults:
    """What one training run used, did and reached.

    Attributes:
        name: what the run is called.
        strategy: how the two strands were treated, such as ``posthoc``.
        model: the architecture.
        config_text: the resolved config, TOML.
        history: one row an epoch: ``epoch``, then what was measured of training and of validation.
        metrics: the contents of ``metrics.json``, schema version 1; values may be None.
        predictions: one row a window: ``chrom start end`` and for each track ``label/TRACK``,
            ``pred/TRACK`` and, where it was measured, ``revcomp/TRACK``, the prediction on the
            reverse complement of the window.
        provenance: versions, seed, seconds, parameters, hashes of input files; may be nested.
        data_summary: one row a split: its windows, and positives of each track.
        notes: what the user should know, such as chromosome names that were reconciled.
        baselines: the contents of ``baselines.json``, where the run was held against simple models.

    Raises:
        InputError: the metrics are of another schema, or the predictions lack a column.
    """

    name: str
    strategy: str
    model: str
    config_text: str
    history: pd.DataFrame
    metrics: Mapping[str, Any]
    predictions: pd.DataFrame
    provenance: Mapping[str, Any]
    data_summary: list[dict[str, Any]]
    notes: list[str]
    baselines: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        version = self.metrics.get("schema_version")
        if version != SCHEMA_VERSION or "heads" not in self.metrics:
            raise InputError(
                f"{self.name}: metrics have schema version {version}, and a page reads version "
                f"{SCHEMA_VERSION} with its table of heads. Evaluate the run again with this strandwise."
            )
        if self.predictions.empty:
            return
        needed = [*PLACE, *(f"pred/{track}" for track in self.tracks)]
        missing = [column for column in needed if column not in self.predictions.columns]
        if missing:
            raise InputError(
                f"{self.name}: predictions lack the columns {listing(missing)}. Give chrom, start and end, "
                "and for each track label/TRACK and pred/TRACK."
            )

    @property
    def tracks(self) -> list[str]:
        """The tracks that have labels, in the order of the table."""
        prefix = "label/"
        return [str(c).removeprefix(prefix) for c in self.predictions.columns if str(c).startswith(prefix)]

    @property
    def deviation(self) -> float | None:
        """How far the two strands disagree, on logits; None where it was not measured."""
        return (self.metrics.get("strand") or {}).get("max_deviation")

    @property
    def interval_level(self) -> float | None:
        """The share of resamples inside an interval, such as 0.95; None where it is not known."""
        return (self.metrics.get("bootstrap") or {}).get("level")

    def heads(self) -> Iterator[tuple[str, dict[str, dict], dict[str, Any], dict[str, Any]]]:
        """Yield each head's name, its metrics by track, their mean, and the means' intervals."""
        for name, head in self.metrics["heads"].items():
            yield name, head.get("tracks") or {}, head.get("mean") or {}, head.get("ci") or {}

    def labelled(self, track: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the labels and predictions of windows that have both."""
        labels = self.predictions[f"label/{track}"].to_numpy(float, na_value=np.nan)
        predictions = self.predictions[f"pred/{track}"].to_numpy(float, na_value=np.nan)
        both = ~(np.isnan(labels) | np.isnan(predictions))
        return labels[both], predictions[both]

    def both_classes(self, track: str) -> bool:
        """Whether a track is yes/no and its test windows hold both answers, so that curves exist."""
        return set(np.unique(self.labelled(track)[0])) == {0.0, 1.0}

    def reliability(self, track: str) -> NDArray[np.float64] | None:
        """Return for each class of predicted probability its mean, the share of positives and the windows.

        None where a track was not judged by probabilities, as of runs that were evaluated before those were.
        """
        if not any(known(tracks.get(track, {}).get("brier")) for _, tracks, _, _ in self.heads()):
            return None
        return reliability(*self.labelled(track))

    def strands(self, track: str) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return predictions on each window and on its reverse complement, None if not measured."""
        if f"revcomp/{track}" not in self.predictions.columns:
            return None
        pair = self.predictions[[f"pred/{track}", f"revcomp/{track}"]].to_numpy(float, na_value=np.nan)
        pair = pair[~np.isnan(pair).any(axis=1)]
        return (pair[:, 0], pair[:, 1]) if len(pair) else None
