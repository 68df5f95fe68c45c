"""What a person should know of windows before training on them: their GC, what splits share, the signal in them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import pandas as pd

from strandwise.data.batches import TrainingBatches
from strandwise.data.labels import Cover, find_leaks, gc_of_windows
from strandwise.data.signals import Signal, signal_in_peaks
from strandwise.data.signals.cells import CellReader
from strandwise.data.signals.statistics import together
from strandwise.data.stacking import CELL
from strandwise.data.windows import SPLITS, LabelledWindows
from strandwise.layers import Head

SAMPLE = 5000
"""Windows of a split and class whose GC is read."""
HASHED = 1_000_000
"""Windows up to which sequences are compared across splits; above, only places are."""
_TIMED_SECONDS = 1.0


@dataclass(frozen=True)
class Inventory:
    """What was counted.

    Attributes:
        gc: a row a split: its windows, and the mean GC of those that are positive for any track and of the others,
            from a sample of each; nan where there are none.
        leaks: a sentence for each pair of splits that share bases or sequences.
        tracks: a row a track of signal: where it enters, its cell where there are several, mean, standard deviation,
            largest value, share of bases on chromosomes that its file has, share of the signal in peaks.
        memory_bytes: what windows and the DNA they are cut from take.
        windows_per_second: training batches that one process reads, warm.
    """

    gc: list[dict[str, Any]]
    leaks: list[str]
    tracks: list[dict[str, Any]]
    memory_bytes: int
    windows_per_second: float


def take_inventory(
    windows: LabelledWindows, heads: Sequence[Head], *, batch_size: int, jitter_bp: int = 0, peak_bp: int = 200
) -> Inventory:
    """Count what is in windows, and how fast they are read.

    Args:
        windows: of every split; those of training are read in batches.
        heads: what is predicted.
        batch_size: windows in a batch.
        jitter_bp: the largest shift.
        peak_bp: bases around the middle of a positive window that count as its peak.
    """
    leaks = find_leaks(windows.frame, windows.reader if len(windows) <= HASHED else None)
    return Inventory(
        [_gc_row(windows, name) for name in SPLITS if (windows.frame["split"] == name).any()],
        leaks.notes(),
        _track_rows(windows, peak_bp),
        _memory(windows),
        _speed(windows.split("train"), heads, batch_size, jitter_bp),
    )


def _gc_row(windows: LabelledWindows, split: str) -> dict[str, Any]:
    here = (windows.frame["split"] == split).to_numpy()
    bound = windows.bound
    row: dict[str, Any] = {"split": split, "windows": int(here.sum())}
    for name, where in (("GC, positive", here & bound), ("GC, negative", here & ~bound)):
        rows = np.flatnonzero(where)
        drawn = rows if len(rows) <= SAMPLE else np.random.default_rng(0).choice(rows, SAMPLE, replace=False)
        gc = gc_of_windows(windows.reader.take(np.sort(drawn)), len(drawn))
        row[name] = float(np.nanmean(gc)) if len(gc) and not np.isnan(gc).all() else float("nan")
    return row


def _track_rows(windows: LabelledWindows, peak_bp: int) -> list[dict[str, Any]]:
    bound = windows.bound
    rows = []
    for name, reader in windows.signals.items():
        parts = reader.by_cell if isinstance(reader, CellReader) else {None: reader}
        for cell, part in parts.items():
            here = windows.frame if cell is None else windows.frame[windows.frame[CELL] == cell]
            peaks = _peaks_of(here[bound[here.index]], windows.input_bp, peak_bp)
            rows += [_track_row(name, cell, signal, peaks, set(here["chrom"])) for signal in part.signals]
    return rows


def _peaks_of(frame: pd.DataFrame, input_bp: int, peak_bp: int) -> Cover:
    start = (frame["start"] + input_bp // 2 - peak_bp // 2).clip(lower=0)
    return Cover(frame[["chrom"]].assign(start=start, end=start + peak_bp))


def _track_row(name: str, cell: str | None, signal: Signal, peaks: Cover, chromosomes: set[str]) -> dict[str, Any]:
    known = together(signal.statistics())
    return {
        "enters as": name,
        **({} if cell is None else {"cell": cell}),
        "track": signal.track.name,
        "mean": known.mean,
        "sd": known.sd,
        "largest": max(known.high, -known.low),
        "bases measured": known.count / sum(signal.sizes.values()),
        "signal in peaks": signal_in_peaks(signal, peaks, chromosomes),
    }


def _memory(windows: LabelledWindows) -> int:
    table = int(windows.frame.memory_usage(index=True, deep=False).sum())
    # What is the same for every window is there once.
    known = sum(values.nbytes for values in (windows.labels, windows.weights) if values.strides[0])
    return table + known + windows.reader.nbytes


def _speed(train: LabelledWindows, heads: Sequence[Head], batch_size: int, jitter_bp: int) -> float:
    batches = TrainingBatches(train, heads, batch_size=batch_size, jitter_bp=jitter_bp)
    # Maps files, and is not counted.
    _ = batches[0, 0]
    rows, spent, begun = 0, 0.0, time.perf_counter()
    for turn in count():
        rows += len(batches[turn // batches.steps, turn % batches.steps].inputs["sequence"])
        spent = time.perf_counter() - begun
        if spent > _TIMED_SECONDS:
            break
    return rows / spent
