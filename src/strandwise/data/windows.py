"""Windows along the genome with their labels: what a model reads, and what it should say."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from strandwise.data.readers import Reader, rows_of
from strandwise.data.signals import Measured
from strandwise.schema import Settings

SPLITS = ("train", "valid", "test")

REPLICATE = "replicate"
"""The name of the signal that no model reads or learns, and that is judged as a prediction is."""

_VALUES_AT_ONCE = 1 << 24


class WindowSettings(Settings):
    """The `[windows]` table of a config."""

    input_bp: PositiveInt = Field(default=1000, description="length of the DNA that the model reads")
    label_bp: PositiveInt = Field(
        default=200,
        description="a window is positive if a peak lies in its middle label_bp; less for short windows if not given",
    )
    output_bp: PositiveInt | None = Field(
        default=None, description="middle of a window whose signal is predicted; what the model predicts if not given"
    )
    bin_bp: PositiveInt = Field(default=1, description="bases of signal that are one position of a prediction")
    jitter_bp: NonNegativeInt = Field(
        default=0, description="training windows are shifted by up to this, each epoch anew"
    )
    max_n_fraction: float = Field(
        default=0.1, ge=0, le=1, description="random windows with more N than this are dropped; tiles and chunks too"
    )
    merge_overlap_bp: PositiveInt | None = Field(
        default=None,
        description="merge windows around peaks that overlap by this or more, greedily, as Basset does (by 200)",
    )
    seed: NonNegativeInt = Field(
        default=0, description="of random windows, shuffled sequences and splits by chance; not of training"
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, table: Any) -> Any:
        """Where nothing is said of label_bp, let it fit short windows and their jitter."""
        if not isinstance(table, Mapping) or "label_bp" in table:
            return table
        given, jitter, usual = table.get("input_bp"), table.get("jitter_bp", 0), cls.model_fields["label_bp"].default
        if isinstance(given, int) and isinstance(jitter, int) and 0 < given - 2 * jitter < usual:
            return {**table, "label_bp": given - 2 * jitter}
        return table

    @model_validator(mode="after")
    def _fits(self) -> "WindowSettings":
        if self.label_bp > self.input_bp:
            raise ValueError(
                f"label_bp {self.label_bp} is wider than input_bp {self.input_bp}: make it smaller or equal"
            )
        if self.output_bp is not None and self.output_bp % self.bin_bp:
            raise ValueError(
                f"output_bp {self.output_bp} is not whole bins of bin_bp {self.bin_bp}: use "
                f"{self.output_bp // self.bin_bp * self.bin_bp or self.bin_bp}"
            )
        if self.merge_overlap_bp is not None and self.merge_overlap_bp > self.input_bp:
            raise ValueError(
                f"merge_overlap_bp {self.merge_overlap_bp}: no two windows of input_bp {self.input_bp} overlap by that "
                "much: make it smaller"
            )
        if self.jitter_bp > (self.input_bp - self.label_bp) // 2:
            raise ValueError(
                f"jitter_bp {self.jitter_bp} would push the labelled {self.label_bp} bp out of the window of "
                f"{self.input_bp} bp: use at most {(self.input_bp - self.label_bp) // 2}"
            )
        return self


@dataclass(frozen=True)
class LabelledWindows:
    """A set of windows, their labels, and a way to read their DNA.

    Attributes:
        frame: one row a window: chrom, start, end, name, origin ("peak", "random", ...), split.
        labels: ``(windows, tracks)``, 0 or 1: a byte each, since there may be thousands of millions of them.
        weights: ``(windows, tracks)``; 0 where a label is ambiguous or missing, else 1.
        tracks: names of the tracks.
        reader: reads the windows' DNA, in the order of `frame`.
        input_bp: length of a window.
        dropped: how many windows were left out, by reason.
        notes: what a person should know, such as chromosome names that were reconciled.
        signals: readers of signal in the same windows: "signal" and "control" go into a model beside the DNA,
            "target" is what it should say, and "replicate" a second measurement of that.
        epochs: ``(windows,)``; the epoch of training that sees a window, -1 for every one; all of them if None.
        turns: ``(windows,)``; after how many epochs a window comes again; once all have been seen, if None.
        metadata: ``(windows, columns)`` float32; what is known of each window as a whole, if anything.
        slack: ``(windows, 2)``; how far training may shift each to the left and to the right, in place of a jitter.
    """

    frame: pd.DataFrame
    labels: np.ndarray
    weights: np.ndarray
    tracks: tuple[str, ...]
    reader: Reader
    input_bp: int
    dropped: Mapping[str, int] = field(default_factory=Counter)
    notes: Sequence[str] = ()
    signals: Mapping[str, Measured] = field(default_factory=dict)
    epochs: np.ndarray | None = None
    turns: np.ndarray | None = None
    slack: np.ndarray | None = None
    metadata: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: np.ndarray) -> "LabelledWindows":
        """Return these windows only, in this order."""
        return replace(
            self,
            frame=self.frame.iloc[rows].reset_index(drop=True),
            labels=rows_of(self.labels, rows),
            weights=rows_of(self.weights, rows),
            reader=self.reader.take(rows),
            signals={name: reader.take(rows) for name, reader in self.signals.items()},
            epochs=None if self.epochs is None else self.epochs[rows],
            turns=None if self.turns is None else self.turns[rows],
            slack=None if self.slack is None else self.slack[rows],
            metadata=None if self.metadata is None else self.metadata[rows],
        )

    def rows_of_epoch(self, epoch: int) -> np.ndarray:
        """Return the rows that an epoch of training sees, counted from 0."""
        if self.epochs is None or not len(self):
            return np.arange(len(self))
        turns = epochs_of(self.epochs) if self.turns is None else self.turns
        return np.flatnonzero((self.epochs < 0) | (self.epochs == epoch % turns))

    def split(self, name: str) -> "LabelledWindows":
        """Return the windows of one split: train, valid or test."""
        return self.take(np.flatnonzero(self.frame["split"].to_numpy() == name))

    @property
    def bound(self) -> np.ndarray:
        """Whether each window is known to be positive for any track; ``(windows,)``."""
        parts = [(self.labels[part] * (self.weights[part] > 0)).any(1) for part in self._pieces()]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=bool)

    def balance(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the weight of positives and that of negatives, which is how many there are, for each track."""
        positive, known = np.zeros((2, len(self.tracks)))
        for part in self._pieces():
            weights = self.weights[part]
            positive += (self.labels[part] * weights).sum(0)
            known += weights.sum(0)
        return positive, known - positive

    def _pieces(self) -> Iterator[slice]:
        """Yield all rows, few enough at a time that working on them takes no memory to speak of."""
        size = max(1, _VALUES_AT_ONCE // max(1, len(self.tracks)))
        return (slice(at, at + size) for at in range(0, len(self), size))

    def dropped_notes(self) -> list[str]:
        """Return a sentence for each reason why windows were left out."""
        return dropped_notes(self.dropped)

    def summary(self) -> list[dict[str, object]]:
        """Return a row per split: how many windows, and how many are positive for each track."""
        rows: list[dict[str, object]] = []
        for name in SPLITS:
            part = self.split(name)
            positives, _ = part.balance()
            counts = {track: int(n) for track, n in zip(self.tracks, positives, strict=True)}
            rows.append({"split": name, "windows": len(part), **counts})
        return rows


def epochs_of(epochs: np.ndarray) -> int:
    """Return how many epochs windows are meant for that each say which one sees them."""
    return max(int(epochs.max(initial=-1)) + 1, 1)


def dropped_notes(dropped: Mapping[str, int]) -> list[str]:
    """Return a sentence for each reason why windows were left out."""
    return [f"{count} windows dropped: {reason}" for reason, count in dropped.items()]


def points_within(chrom: np.ndarray, start: np.ndarray, end: np.ndarray, points: pd.DataFrame) -> np.ndarray:
    """Return how many points lie in each interval ``[start, end)``.

    Args:
        chrom: chromosome of each interval.
        start: its first position.
        end: one past its last position.
        points: a frame with `chrom` and `summit`.
    """
    counts = np.zeros(len(chrom), dtype=np.int64)
    positions = {name: np.sort(group["summit"].to_numpy()) for name, group in points.groupby("chrom")}
    for name in np.unique(chrom):
        if name in positions:
            here = chrom == name
            found = positions[name]
            counts[here] = np.searchsorted(found, end[here]) - np.searchsorted(found, start[here])
    return counts
