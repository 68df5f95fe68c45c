"""What the command line prints: notes, tables, numbers."""

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

FEW_BLOCKS = 10
SHOWN_METRICS = (
    *("auroc", "aupr", "recall_at_50_fdr", "recall_at_10_fdr", "positives"),
    *("jsd", "nll", "pearson", "spearman", "mse"),
)
# Names come from files: a track may well be called 'Reb1 [rep1]'.
# A file or a pipe has no edge to cut a table at.
screen = Console(markup=False, emoji=False, width=None if sys.stdout and sys.stdout.isatty() else 10_000)
_BORDER = 3


def print_notes(notes: list[str]) -> None:
    """Print what a person should know, a line each."""
    for note in notes:
        screen.print(f"Note: {plain(note)}", soft_wrap=True)


def print_rows(title: str, rows: list[dict[str, object]]) -> None:
    """Print rows as a table, the columns those of the first; as several where the screen is too narrow for one."""
    names = [str(name) for name in (rows[0] if rows else [])]
    texts = [[f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(names, *texts, strict=True)]
    if widths[1:]:
        # A long name is folded rather than a number beside it cut.
        widths[0] = max(1, min(widths[0], screen.width - max(widths[1:]) - 2 * _BORDER - 1))
    for number, columns in enumerate(_fitting(widths, screen.width)):
        table = Table(title=None if number else title, title_justify="left")
        for column in columns:
            table.add_column(names[column], justify="right" if column else "left", no_wrap=column > 0, overflow="fold")
        for row in texts:
            table.add_row(*(row[column] for column in columns))
        screen.print(table)


def _fitting(widths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Yield columns for one table after another, each beginning with the first."""
    columns: list[int] = []
    for column, width in enumerate(widths):
        wide = sum(widths[each] + _BORDER for each in columns) + width + _BORDER + 1
        if len(columns) > 1 and wide > most:
            yield columns
            columns = [0]
        columns.append(column)
    yield columns


def shown_row(row: Mapping[str, object]) -> dict[str, object]:
    """Return a row with numbers as they are shown."""
    return {key: _shown(value) if isinstance(value, float) else value for key, value in row.items()}


def _shown(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:,.3g}"


def print_metrics(metrics: Mapping[str, Any]) -> None:
    """Print how good a run is, head by head."""
    from strandwise.report.words import BESIDE

    print_notes(metrics.get("notes", []))
    blocks = metrics["bootstrap"]["blocks"]
    few = f", which rests on {blocks} stretches of genome alone" if blocks < FEW_BLOCKS else ""
    for name, head in metrics["heads"].items():
        rows = _metric_rows(head, BESIDE)
        known = {key for row in rows for key in row}
        shown = [key for key in SHOWN_METRICS if key in known]
        print_rows(
            f"{name}, {metrics['split']}: {metrics['n']:,} windows",
            [{"track": row["track"], **{key: number(row.get(key)) for key in shown}} for row in rows],
        )
        for kind, words in BESIDE.items():
            if head.get(kind):
                screen.print(f"{kind.capitalize()}: {words}", soft_wrap=True)
        for metric in shown:
            if metric not in head["ci"]:
                continue
            low, high = head["ci"][metric]
            screen.print(
                f"Mean {metric}: {number(head['mean'][metric])} (95 % interval {low:.3f} to {high:.3f}{few})",
                soft_wrap=True,
            )
    screen.print(f"Largest strand deviation: {metrics['strand']['max_deviation']:.2g}")


def _metric_rows(head: Mapping[str, Any], kinds: Iterable[str]) -> list[dict[str, Any]]:
    """Return a row a track and their mean, each followed by its baseline and by its replicate if there are any."""
    tracks = head["tracks"]
    beside = {kind: head.get(kind) or {"tracks": {}, "mean": {}} for kind in kinds}
    rows = []
    for track, values in tracks.items():
        rows.append({"track": track, **values})
        for kind, found in beside.items():
            if track in found["tracks"]:
                rows.append({**dict.fromkeys(values, ""), "track": f"{track}, {kind}", **found["tracks"][track]})
    if len(tracks) > 1:
        rows.append({"track": "mean", **head["mean"]})
        for kind, found in beside.items():
            # A mean over fewer tracks is none beside that over all.
            if len(found["tracks"]) == len(tracks):
                rows.append({**dict.fromkeys(head["mean"], ""), "track": f"mean, {kind}", **found["mean"]})
    return rows


def print_strands(found: Mapping[str, Any]) -> None:
    """Print how well two strands agree, and at which layer they part."""
    print_notes(found["notes"])
    for name, head in found["heads"].items():
        single, double = head["float32"], head["float64"]
        rows: list[dict[str, object]] = []
        for track, values in single["tracks"].items():
            row: dict[str, object] = {
                "track": track,
                "largest": small(values["logits"]["max"]),
                "mean": small(values["logits"]["mean"]),
            }
            row["in float64"] = small(double["tracks"][track]["logits"]["max"])
            row["predicted"] = small(values["predicted"]["max"])
            row |= {kind: number(values[kind]) for kind in ("pearson", "spearman")}
            row["flips"] = number(values["flips"])
            rows.append(row)
        print_rows(f"{name}, {found['split']}: deviation between strands on {found['n']:,} windows", rows)
    for title, layers in (("One strand, layer by layer", "one_strand"), ("Deviation, layer by layer", "layers")):
        parts: list[dict[str, object]] = [
            {
                "part": layer["place"],
                "layer": layer["layer"],
                "type": layer["type"],
                **{precision: small(layer[precision]) for precision in ("float32", "float64")},
            }
            for layer in found[layers]
        ]
        if parts:
            print_rows(title, parts)
    screen.print(plain(found["verdict"]), highlight=False, soft_wrap=True)


def small(value: float | None) -> str:
    """Return a deviation as it is shown."""
    return "no law" if value is None else f"{value:.2g}"


def plain(text: str) -> str:
    """Return text without what a terminal would obey: files of strangers may hold it."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def number(value: object) -> str:
    """Return a metric as it is shown: whole numbers whole, None as n/a."""
    if value is None:
        return "n/a"
    if isinstance(value, str):
        return value
    return f"{value:.3f}" if isinstance(value, float) and value != int(value) else f"{value:,.0f}"


def print_robustness(found: Mapping[str, Any]) -> None:
    """Print how much predictions vary under each test."""
    if found["near_an_end"]:
        print_notes([f"{found['near_an_end']} windows too near an end of their chromosome to be shifted"])
    if "shift" not in found["tests"]:
        print_notes(["sequences end with their windows, so there is nothing to shift them into: shifts were left out"])
    said = {
        "shift": f"shifts of up to {found['reach_bp']} bp either way, {found['repeats']} times",
        "reverse_complement": "the other strand",
        "unknown": f"{found['share']:.1%} of bases N, {found['repeats']} times",
        "mutated": f"{found['share']:.1%} of bases another, {found['repeats']} times",
    }
    rows: list[dict[str, object]] = []
    for test, values in found["tests"].items():
        low, high = values["ci"] or (None, None)
        interval = "n/a" if low is None else f"{low:.3f} to {high:.3f}"
        row: dict[str, object] = {
            "test": said[test],
            "variation score": number(values["mean"]),
            "95 % interval": interval,
        }
        each = values["tracks"] if len(values["tracks"]) > 1 else {}
        rows.append(row | {track: number(value) for track, value in each.items()})
    print_rows(f"{found['split']}: {found['n']:,} windows", rows)
