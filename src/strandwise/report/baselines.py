"""A model beside its baselines, as a table."""

from collections.abc import Mapping
from typing import Any

from strandwise.report.tables import Row, Table
from strandwise.report.words import Cell, metric_name, number_cell

BASELINES = {"gc": "GC", "pwm_gc": "motifs and GC", "words": "6-letter words"}


def baseline_table(record: Mapping[str, Any]) -> Table:
    """Return a row for each track and metric, the mean last: the model, each baseline, and how far it is ahead.

    Args:
        record: the contents of ``baselines.json``, schema version 1.
    """
    columns = ["Model"]
    for key in record["baselines"]:
        called = BASELINES.get(key, key)
        columns += [called, f"ahead of {called}"]
    parts = [(track, *_of_track(record, track)) for track in record["model"]["tracks"]]
    if len(parts) > 1:
        rivals = record["baselines"].values()
        parts.append(("Mean", record["model"]["mean"], [(each["mean"], each["ahead"]["mean"]) for each in rivals]))
    rows = []
    for name, ours, rivals in parts:
        for metric, value in ours.items():
            cells = [_number(value)]
            for theirs, ahead in rivals:
                cells += [_number(theirs.get(metric)), _ahead(ahead.get(metric))]
            rows.append(Row(f"{name}, {metric_name(metric)}", cells))
    return Table(
        f"Beside simple models on the same {record['n']:,} windows; in brackets 95% intervals of the difference",
        columns,
        rows,
    )


def _of_track(record: Mapping[str, Any], track: str) -> tuple[Mapping[str, Any], list[tuple[Any, Any]]]:
    rivals = record["baselines"].values()
    return record["model"]["tracks"][track], [
        (each["tracks"][track], each["ahead"]["tracks"][track]) for each in rivals
    ]


def _number(value: float | None) -> Cell:
    return number_cell(value, "its windows are of one kind")


def _ahead(interval: list[float | None] | None) -> Cell:
    if interval is None or interval[0] is None:
        return Cell("", numeric=False)
    gap, low, high = interval
    between = "no interval" if low is None or high is None else f"{low:+.3f} to {high:+.3f}"
    return Cell(f"{gap:+.3f} ({between})", exact=repr(gap), numeric=False)
