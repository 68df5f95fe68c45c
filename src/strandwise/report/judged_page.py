"""The page of `strandwise compare`: contestants of any kind in one table, and how much of a metric is the test."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from strandwise.files import write_text
from strandwise.report import figures
from strandwise.report.curves import precision_recall_points, roc_points, thin
from strandwise.report.rendering import render
from strandwise.report.tables import LegendEntry, Row, Table
from strandwise.report.words import Cell, flattened, higher_is_better, known, metric_name, number_cell

PLACES = {
    "peaks": "Around peaks and away from them",
    "coverage": "Windows with coverage",
    "chromosomes": "Whole chromosomes",
    "table": "The windows of the table",
}
ROLES = {"ceiling": "what an experiment reaches", "baseline": "baseline", "model": "model"}
SHOWN = ("auroc", "aupr", "recall_at_10_fdr")
AMOUNTS = ("pearson", "pearson_per_window", "spearman", "jsd_per_window", "mse_scaled", "poisson_nll_scaled")


def write_judged(
    record: Mapping[str, Any],
    rows: pd.DataFrame,
    pairs: pd.DataFrame,
    swept: Mapping[str, pd.DataFrame],
    windows: pd.DataFrame,
    path: str | Path,
) -> None:
    """Write one self-contained page of a comparison.

    Args:
        record: the contents of ``metrics.json``.
        rows: what was found, as `analysis.comparison.judge` gives it, of all places.
        pairs: differences between contestants.
        swept: rows by "threshold", "imbalance" and "smoothing".
        windows: `places`, `label` and ``score/NAME`` of each window.
        path: the HTML file; replaced in one step.

    Raises:
        InputError: jinja2 or plotly is not installed.
        OutputError: the page cannot be written.
    """
    names = list(record["contestants"])
    models = [name for name in names if record["contestants"][name]["role"] == "model"]
    plots: list[figures.Figure] = []
    sections = []
    for place, about in record["places"].items():
        here = rows[rows["places"] == place]
        tables = [score_table(here, record), *amount_tables(here, record)]
        drawn = _interval_plots(place, here, names)
        curves = _curves(place, windows[windows["places"] == place], names)
        plots += [*drawn, *curves]
        sections.append(
            {
                "name": PLACES.get(place, place),
                "about": about_windows(about, record),
                "tables": [table for table in tables if table.rows],
                "plots": [(plot["id"], plot["x"]["title"], 90 + 30 * len(plot["traces"])) for plot in drawn],
                "curves": [(plot["id"], plot["y"]["title"]) for plot in curves],
                "legend": _legend(curves, names),
                "differences": difference_table(pairs, place, models),
            }
        )
    sweeps = [_sweep_plot(name, frame, names) for name, frame in swept.items() if name in _SWEEPS and len(frame)]
    sweeps = [plot for plot in sweeps if plot["traces"]]
    plots += sweeps
    page = render(
        "judged.html.j2",
        plots,
        title=f"{len(models)} model{'s' if len(models) != 1 else ''} in one table",
        headline=_headline(record, models),
        notes=record["notes"],
        sections=sections,
        legend=_legend(sweeps, names),
        sweeps=[(plot["id"], plot["y"]["title"], plot["x"]["title"]) for plot in sweeps],
        resolutions=resolution_table(rows, record),
        smoothing=smoothing_table(swept.get("smoothing", pd.DataFrame())),
        record=flattened({name: record[name] for name in ("truth", "chromosomes", "bootstrap")}),
    )
    write_text(path, page)


def score_table(rows: pd.DataFrame, record: Mapping[str, Any]) -> Table:
    """Return how well each contestant tells windows with a peak from those without, the best model marked."""
    part = rows[rows["scale"] == "yes/no"]
    return _table("Yes or no: is there a peak in the window? ★ marks the best model", part, SHOWN, record)


def amount_tables(rows: pd.DataFrame, record: Mapping[str, Any]) -> list[Table]:
    """Return how well contestants say how much, a table for each length of bins, the coarsest last."""
    part = rows[rows["scale"] == "amount"]
    found = []
    for bin_bp in sorted(part["bin_bp"].unique()):
        whole = " (a window as a whole)" if bin_bp == record["window_bp"] else ""
        title = f"How much: mean coverage in bins of {bin_bp:,} bp{whole}; ★ marks the best model"
        found.append(_table(title, part[part["bin_bp"] == bin_bp], AMOUNTS, record))
    return found


def difference_table(pairs: pd.DataFrame, place: str, models: Sequence[str]) -> Table:
    """Return how far models are ahead of each other, and of ceilings and baselines, with paired intervals.

    Of AUROC, AUPR, and Pearson's r of windows as a whole.
    """
    if not len(pairs):
        return Table("", [], [])
    here = pairs[(pairs["places"] == place) & (pairs["one"].isin(models) | pairs["other"].isin(models))]
    coarsest = here[here["scale"] == "amount"]["bin_bp"].max()
    metrics = [("yes/no", 0, "auroc"), ("yes/no", 0, "aupr"), ("amount", coarsest, "pearson")]
    found: dict[tuple[str, str], list[Cell]] = {}
    for scale, bin_bp, metric in metrics:
        part = here[(here["scale"] == scale) & (here["bin_bp"] == bin_bp) & (here["metric"] == metric)]
        for row in part.to_dict("records"):
            text = f"{row['difference']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})"
            cells = found.setdefault((row["one"], row["other"]), [Cell("")] * len(metrics))
            cells[metrics.index((scale, bin_bp, metric))] = Cell(text, exact=repr(row["difference"]))
    columns = [metric_name(metric) for _, _, metric in metrics]
    lines = [Row(f"{one} - {other}", cells) for (one, other), cells in found.items()]
    return Table("Differences, with 95% intervals from the same resampled stretches of genome", columns, lines)


def resolution_table(rows: pd.DataFrame, record: Mapping[str, Any]) -> Table:
    """Return Pearson's r of contestants with bins of their own, judged in these and in coarser ones.

    A row for each contestant, the finest first; the coarser a column, the more of the positions within a bin are
    averaged out before the two are compared (GOPHER, Toneyan et al. 2022).
    """
    place = next((name for name in ("coverage", "chromosomes") if name in record["places"]), None)
    part = rows[(rows["places"] == place) & (rows["scale"] == "amount") & (rows["metric"] == "pearson")]
    own = {name: about["bin_bp"] for name, about in record["contestants"].items() if about["bin_bp"]}
    part = part[part["contestant"].isin(list(own))]
    bins = sorted(part["bin_bp"].unique())
    if len(bins) < 2:
        return Table("", [], [])
    values = {(row["contestant"], row["bin_bp"]): row["value"] for row in part.to_dict("records")}
    lines = [
        Row(
            name,
            [number_cell(values.get((name, bin_bp)), "it is coarser") for bin_bp in bins],
            detail=f"bins of {own[name]:,} bp",
        )
        for name in sorted(own, key=lambda name: own[name])
        if any((name, bin_bp) in values for bin_bp in bins)
    ]
    title = "Pearson's r in windows with coverage, of predictions averaged over bins"
    return Table(title, [f"judged in {int(bin_bp):,} bp" for bin_bp in bins], lines)


def smoothing_table(frame: pd.DataFrame) -> Table:
    """Return Pearson's r of each contestant in its own bins, as it is and smoothed by wider and wider boxes."""
    if not len(frame):
        return Table("", [], [])
    part = frame[frame["metric"] == "pearson"]
    widths = sorted(part["width_bp"].unique())
    rows = []
    for name, mine in part.groupby("contestant", sort=False):
        values = {row["width_bp"]: row["value"] for row in mine.to_dict("records")}
        cells = [number_cell(values.get(width), "its bins are no finer") for width in widths]
        rows.append(Row(str(name), cells, detail=f"bins of {int(mine['bin_bp'].iloc[0]):,} bp"))
    columns = ["as it is" if not width else f"box of {int(width):,} bp" for width in widths]
    return Table("Pearson's r in a contestant's own bins, when what it says is averaged by a box", columns, rows)


def _table(title: str, part: pd.DataFrame, metrics: Sequence[str], record: Mapping[str, Any]) -> Table:
    there = [metric for metric in metrics if (part["metric"] == metric).any()]
    values: dict[str, dict[str, dict[Any, Any]]] = {}
    for row in part.to_dict("records"):
        values.setdefault(row["contestant"], {})[row["metric"]] = row
    best = {}
    for metric in there:
        rivals = [
            row[metric]["value"]
            for row in values.values()
            if metric in row and row[metric]["role"] == "model" and known(row[metric]["value"])
        ]
        choose = max if higher_is_better(metric) else min
        best[metric] = choose(rivals) if len(rivals) > 1 else None
    rows = []
    for name, about in record["contestants"].items():
        if name not in values:
            continue
        cells = [_cell(values[name].get(metric), best[metric], about["role"]) for metric in there]
        rows.append(Row(name, cells, detail=ROLES[about["role"]]))
    return Table(title, [metric_name(metric) for metric in there], rows)


def _cell(row: Mapping[Any, Any] | None, best: float | None, role: str) -> Cell:
    if row is None:
        return Cell("")
    best_model = role == "model" and row["value"] == best
    ends = (row["low"], row["high"]) if known(row["low"]) else None
    return number_cell(row["value"], "it is the same everywhere", best_model, ends)


def about_windows(about: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """Return how many windows there are of each kind, and how many were left out and why."""
    said = f"{about['n']:,} windows of {record['window_bp']:,} bp"
    if about["positives"] or about["negatives"]:
        said += f", {about['positives']:,} with a peak and {about['negatives']:,} without"
    dropped = [f"{n:,} {reason}" for reason, n in about["dropped"].items()]
    return f"{said}. Left out: {', '.join(dropped)}." if dropped else f"{said}."


def _headline(record: Mapping[str, Any], models: Sequence[str]) -> str:
    names = ", ".join(models[:6]) + (f" and {len(models) - 6} more" if len(models) > 6 else "")
    chromosomes = list(record["chromosomes"])
    where = ", ".join(chromosomes[:6]) + (f" and {len(chromosomes) - 6} more" if len(chromosomes) > 6 else "")
    return f"{names}: judged at the same places of {where}, by yes or no and by how much."


def _interval_plots(place: str, rows: pd.DataFrame, names: Sequence[str]) -> list[figures.Figure]:
    amounts = rows[(rows["scale"] == "amount") & (rows["metric"] == "pearson")]
    wanted = [
        ("auroc", rows[rows["metric"] == "auroc"], "AUROC"),
        ("aupr", rows[rows["metric"] == "aupr"], "AUPR"),
    ]
    wanted += [
        (f"pearson-{bin_bp}", amounts[amounts["bin_bp"] == bin_bp], f"Pearson's r, bins of {bin_bp:,} bp")
        for bin_bp in sorted(amounts["bin_bp"].unique())
    ]
    found = []
    for name, part, title in wanted:
        lines = [
            (
                names.index(row["contestant"]),
                row["contestant"],
                row["value"],
                (row["low"], row["high"]) if known(row["low"]) else None,
            )
            for row in part.to_dict("records")
            if known(row["value"])
        ]
        if len(lines) > 1:
            found.append(figures.interval_figure(f"{place}-{name}", lines, title))
    return found


def _legend(plots: Sequence[figures.Figure], names: Sequence[str]) -> list[LegendEntry]:
    drawn = {trace["meta"] for plot in plots for trace in plot["traces"] if "meta" in trace}
    return [LegendEntry(index, name) for index, name in enumerate(names) if index in drawn]


def _curves(place: str, windows: pd.DataFrame, names: Sequence[str]) -> list[figures.Figure]:
    windows = windows[windows["label"].notna()]
    labels = windows["label"].to_numpy().astype(np.int64)
    if not len(labels) or labels.min() == labels.max():
        return []
    roc, recall = [], []
    for index, name in enumerate(names[: figures.COLOURS]):
        scores = windows.get(f"score/{name}")
        if scores is not None and not scores.isna().any():
            roc.append((index, name, thin(roc_points(labels, scores.to_numpy()))))
            recall.append((index, name, thin(precision_recall_points(labels, scores.to_numpy()))))
    return [
        figures.roc_figure(f"{place}-roc", roc),
        figures.precision_recall_figure(f"{place}-precision", recall, float(labels.mean())),
    ]


_SWEEPS = {
    "threshold": ("pearson", "Highest coverage of a window, at least"),
    "imbalance": ("aupr", "Windows without a peak for each with one"),
}


def _sweep_plot(name: str, frame: pd.DataFrame, names: Sequence[str]) -> figures.Figure:
    metric, title = _SWEEPS[name]
    across = "threshold" if name == "threshold" else "ratio"
    part = frame[frame["metric"] == metric]
    if name == "threshold":
        # Windows as a whole: the one length of which every contestant says something.
        part = part[part["bin_bp"] == part["bin_bp"].max()]
    lines = []
    for index, who in enumerate(names[: figures.COLOURS]):
        mine = part[part["contestant"] == who].sort_values(across)
        if len(mine):
            lines.append((index, who, (mine[across].to_numpy(float), mine["value"].to_numpy(float))))
    return figures.sweep_figure(f"sweep-{name}", lines, title, metric_name(metric))
