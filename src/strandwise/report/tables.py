"""The tables and cards of a page, as plain values that a template lays out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from strandwise.report.results import RunResults
from strandwise.report.words import (
    BESIDE,
    METRICS,
    Cell,
    any_cell,
    count_cell,
    decimal,
    known,
    metric_name,
    number_cell,
    why_missing,
)

COUNTS = ("n", "positives")


@dataclass(frozen=True)
class Card:
    """A number that a reader should see first."""

    label: str
    value: Cell
    detail: str


@dataclass(frozen=True)
class Row:
    """A row of a table: its name, its cells, and what else to say of it below the name."""

    name: str
    cells: list[Cell]
    detail: str = ""


@dataclass(frozen=True)
class Table:
    """A table: its caption, the heads of its columns, and rows led by a name."""

    caption: str
    columns: list[str]
    rows: list[Row]


@dataclass(frozen=True)
class LegendEntry:
    """A button that names a colour and hides or shows its curves."""

    index: int
    name: str


def metric_table(results: RunResults, head: str) -> Table:
    """Return one head's metrics: a row a track, below it what stands in the place of its prediction, their mean last.

    That is the mean of all profiles, a baseline, and a replicate, a ceiling, where there are any.
    """
    tracks, mean, of_mean = next((tracks, mean, ends) for name, tracks, mean, ends in results.heads() if name == head)
    of_track = results.metrics["heads"][head].get("track_ci") or {}
    names = dict.fromkeys(name for metrics in [*tracks.values(), mean] for name in metrics)
    metrics = [name for name in names if name not in COUNTS]
    counts = [name for name in COUNTS if name in names]
    rows = []
    kinds = {kind: results.metrics["heads"][head].get(kind) or {} for kind in BESIDE}
    beside = {kind: found for kind, found in kinds.items() if found.get("tracks")}
    for track, values in tracks.items():
        cells = [count_cell(values.get(name), of=values.get("n") if name == "positives" else None) for name in counts]
        ends = of_track.get(track) or {}
        cells += [
            number_cell(values.get(name), why_missing(values), interval=interval_ends(ends.get(name)))
            for name in metrics
        ]
        rows.append(Row(track, cells))
        for kind, found in beside.items():
            if track in found["tracks"]:
                rows.append(Row(f"{track}, {kind}", _cells_beside(found["tracks"][track], counts, metrics)))
    blanks = [Cell("") for _ in counts]
    for kind, found in beside.items():
        # A mean over fewer tracks would not be one of the mean over all.
        if len(tracks) > 1 and len(found["tracks"]) == len(tracks):
            rows.append(Row(f"Mean {kind}", blanks + _cells_beside(found["mean"], [], metrics)))
    if len(tracks) > 1:
        means = [
            number_cell(mean.get(name), "no track has it", interval=interval_ends(of_mean.get(name)))
            for name in metrics
        ]
        rows.append(Row("Mean", blanks + means))
    title = "Metrics of each track" if len(results.metrics["heads"]) == 1 else f"Metrics of each track, head {head}"
    title += "".join(f"; {kind}: {BESIDE[kind]}" for kind in beside)
    if of_track and results.interval_level:
        title += f"; in brackets {100 * results.interval_level:g}% intervals"
    return Table(title, [metric_name(name) for name in [*counts, *metrics]], rows)


def _cells_beside(values: Mapping[str, Any], counts: list[str], metrics: list[str]) -> list[Cell]:
    found = [count_cell(values.get(name)) if name in values else Cell("") for name in counts]
    return found + [number_cell(values[name]) if name in values else Cell("") for name in metrics]


def reliability_table(results: RunResults, tracks: list[str]) -> Table:
    """Return the reliability diagram in numbers: a row for each track and class of probability."""
    rows = []
    for track in tracks:
        found = results.reliability(track)
        for predicted, bound, windows in [] if found is None else found.tolist():
            rows.append(Row(track, [count_cell(windows), number_cell(predicted), number_cell(bound)]))
    return Table(
        "Predicted probabilities and what they came to", ["Windows", "Mean prediction", "Share positive"], rows
    )


def strand_table(results: RunResults, tracks: list[str]) -> Table:
    """Return how alike the predictions on the two strands are, over all windows."""
    rows = []
    for track in tracks:
        pair = results.strands(track)
        if pair is None:
            continue
        apart = np.abs(pair[0] - pair[1])
        varies = min(np.ptp(pair[0]), np.ptp(pair[1])) > 0
        pearson = float(np.corrcoef(*pair)[0, 1]) if varies else None
        cells = [
            number_cell(pearson, "the predictions do not vary"),
            number_cell(float(np.median(apart))),
            number_cell(float(apart.max())),
        ]
        rows.append(Row(track, cells))
    return Table(
        "Agreement of the two strands, over all windows",
        ["Correlation", "Median difference", "Largest difference"],
        rows,
    )


def data_table(results: RunResults) -> Table:
    """Return the windows of each split, and whatever else the run's summary of its data holds."""
    summary = [_one_level(row) for row in results.data_summary]
    columns = [key for key in dict.fromkeys(key for row in summary for key in row) if key != "split"]
    rows = [Row(str(row.get("split", "")), [any_cell(row.get(key)) for key in columns]) for row in summary]
    return Table("Windows of each split, and positives of each track", [column_name(c) for c in columns], rows)


def _one_level(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with ``{"positives": {"CTCF": 5}}`` written as ``{"positives/CTCF": 5}``."""
    flat = {}
    for key, value in row.items():
        flat |= {f"{key}/{name}": v for name, v in value.items()} if isinstance(value, Mapping) else {key: value}
    return flat


def column_name(key: str) -> str:
    """Return a column's name for people: ``positives/CTCF`` becomes ``CTCF positives``."""
    if key.startswith("positives/"):
        return f"{key.removeprefix('positives/')} positives"
    return METRICS.get(key, key)


def interval_ends(interval: Any) -> tuple[float, float] | None:
    """Return the two ends of an interval, None where it has no numbers."""
    if interval is None or len(interval) != 2 or not all(map(known, interval)):
        return None
    return float(interval[0]), float(interval[1])


def interval_text(interval: Any, level: float | None = None) -> str:
    """Return an interval in words, with its level where that is known, and say so where there is none."""
    ends = interval_ends(interval)
    if ends is None:
        return "no interval"
    return f"{f'{100 * level:g}% ' if level else ''}interval {decimal(ends[0])} to {decimal(ends[1])}"
