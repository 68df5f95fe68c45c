"""The page of several runs: which strategy and model did best, on every track."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from strandwise.errors import InputError
from strandwise.files import write_text
from strandwise.report import figures
from strandwise.report.page import HEADLINE_METRICS, track_scores
from strandwise.report.rendering import render
from strandwise.report.results import PLACE, RunResults
from strandwise.report.tables import COUNTS, LegendEntry, Row, Table, interval_ends
from strandwise.report.words import (
    Cell,
    any_cell,
    decimal,
    flattened,
    higher_is_better,
    joined,
    known,
    metric_name,
    number_cell,
    strategy_name,
    why_missing,
)

MOST_TRACKS = 12


@dataclass(frozen=True)
class TrackPlots:
    """A track whose curves are drawn, and the plots that hold them."""

    name: str
    roc: str
    precision_recall: str


def write_comparison(results: Sequence[RunResults], path: str | Path) -> None:
    """Write one self-contained page that sets several runs side by side.

    Args:
        results: the runs, in the order of the table.
        path: the HTML file; replaced in one step.

    Raises:
        InputError: there is no run, or jinja2 or plotly is not installed.
        OutputError: the page cannot be written.
    """
    if not results:
        raise InputError("a comparison needs at least one run: give the results of one or more.")
    runs = with_distinct_names(results)
    drawn_runs = runs[: figures.COLOURS]
    tracks = _tracks_to_draw(drawn_runs)
    plots = _interval_plots(drawn_runs)
    interval_plots = [(figure["id"], figure["x"]["title"]) for figure in plots]
    track_plots = []
    for number, track in enumerate(tracks):
        names = TrackPlots(track, f"roc-{number}", f"precision-recall-{number}")
        plots += _curve_plots(drawn_runs, names)
        track_plots.append(names)
    page = render(
        "comparison.html.j2",
        plots,
        title=f"Comparison of {len(runs)} run{'s' if len(runs) > 1 else ''}",
        headline=headline(runs),
        warnings=warnings(runs),
        run_tables=[run_table(runs, head) for head in _heads(runs)],
        interval_plots=interval_plots,
        track_tables=_track_tables(runs),
        track_plots=track_plots,
        legend=[LegendEntry(index, run.name) for index, run in enumerate(drawn_runs)],
        left_out=_left_out(runs, drawn_runs, tracks),
        runs=runs,
        provenances=[flattened(run.provenance) for run in runs],
    )
    write_text(path, page)


def with_distinct_names(results: Sequence[RunResults]) -> list[RunResults]:
    """Return the runs with a number after each name that another run bears too."""
    names = [run.name for run in results]
    seen: dict[str, int] = {}
    runs = []
    for run in results:
        seen[run.name] = seen.get(run.name, 0) + 1
        runs.append(replace(run, name=f"{run.name} ({seen[run.name]})") if names.count(run.name) > 1 else run)
    return runs


def headline(runs: Sequence[RunResults]) -> str:
    """Say in a sentence what is compared."""
    models = list(dict.fromkeys(run.model for run in runs))
    strategies = list(dict.fromkeys(strategy_name(run.strategy) for run in runs))
    tracks = list(dict.fromkeys(track for run in runs for track in run.tracks))
    what = f"{len(runs)} runs" if len(runs) > 1 else "One run"
    model = f"the {models[0]} model" if len(models) == 1 else f"{len(models)} models"
    strategy = f"the {strategies[0]} strategy" if len(strategies) == 1 else f"{len(strategies)} strand strategies"
    return f"{what} of {model} with {strategy}, predicting {joined(tracks)} from DNA sequence."


def warnings(runs: Sequence[RunResults]) -> list[str]:
    """Say where the runs were not judged on the same windows, splits and labels."""
    found = []
    splits = list(dict.fromkeys(str(run.metrics.get("split")) for run in runs))
    if len(splits) > 1:
        found.append(f"The runs were judged on different splits ({', '.join(splits)}); do not rank them.")
    first = runs[0]
    for run in runs[1:]:
        same = _same_windows(first, run)
        if same is None:
            found.append(f"{run.name} or {first.name} has no predictions, so their windows cannot be compared.")
        elif not same:
            found.append(
                f"{run.name} and {first.name} were not judged on the same windows and labels: "
                "a difference between them may come from the data."
            )
    return found


def run_table(runs: Sequence[RunResults], head: str) -> Table:
    """Return the mean metrics of every run for one head, the best of each column marked."""
    means = [next((mean for name, _, mean, _ in run.heads() if name == head), {}) for run in runs]
    metrics = [name for name in dict.fromkeys(key for mean in means for key in mean) if name not in COUNTS]
    columns = [_numbers(metric, [mean.get(metric) for mean in means]) for metric in metrics]
    deviations = [run.deviation for run in runs]
    columns.append(_numbers("deviation", deviations, "not measured"))
    rows = [
        Row(
            run.name,
            [*(column[index] for column in columns), any_cell(run.provenance.get("parameters"))],
            detail=f"{strategy_name(run.strategy)}, {run.model}",
        )
        for index, run in enumerate(runs)
    ]
    names = [*map(metric_name, metrics), "Strand deviation", "Parameters"]
    many = len(_heads(runs)) > 1
    return Table(f"Means over tracks{f', head {head}' if many else ''}; ★ marks the best", names, rows)


def track_table(runs: Sequence[RunResults], metric: str) -> Table:
    """Return one metric of every track, a column for each run, the best of each row marked."""
    scores = [track_scores(run, metric) for run in runs]
    metrics_of = [
        {track: values for _, tracks, _, _ in run.heads() for track, values in tracks.items()} for run in runs
    ]
    tracks = dict.fromkeys(track for score in scores for track in score)
    rows = []
    for track in tracks:
        reasons = [
            why_missing(values[track]) if track in values else "not a track of this run" for values in metrics_of
        ]
        cells = _numbers(metric, [score.get(track) for score in scores])
        explained = [replace(cell, why=why) if cell.why else cell for cell, why in zip(cells, reasons, strict=True)]
        rows.append(Row(track, explained))
    return Table(f"{metric_name(metric)} of each track; ★ marks the best run", [run.name for run in runs], rows)


def _numbers(metric: str, values: Sequence[Any], why: str = "not computed") -> list[Cell]:
    """Return a cell for each run, the best marked; equal bests are all marked, a lone run never."""
    numbers = [value for value in values if known(value)]
    choose = max if higher_is_better(metric) else min
    best = choose(numbers) if len(numbers) > 1 else None
    return [number_cell(value, why, best=known(value) and value == best) for value in values]


def _heads(runs: Sequence[RunResults]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name, *_ in run.heads()))


def _same_windows(first: RunResults, second: RunResults) -> bool | None:
    """Whether two runs were judged on the same windows and labels; None where one kept no predictions."""
    if first.predictions.empty or second.predictions.empty:
        return None
    labels = [f"label/{track}" for track in first.tracks if track in second.tracks]
    one, other = (
        run.predictions[[*PLACE, *labels]]
        .astype({"chrom": str, "start": int, "end": int, **dict.fromkeys(labels, float)})
        .reset_index(drop=True)
        for run in (first, second)
    )
    return one.equals(other)


def _interval_plots(runs: Sequence[RunResults]) -> list[figures.Figure]:
    """Return the runs' mean AUROC and AUPR with their intervals, for each head."""
    plots = []
    heads = _heads(runs)
    for number, head in enumerate(heads):
        for metric in HEADLINE_METRICS:
            rows = []
            for index, run in enumerate(runs):
                for name, _, mean, intervals in run.heads():
                    if name == head and known(mean.get(metric)):
                        ends = interval_ends(intervals.get(metric))
                        rows.append((index, run.name, float(mean[metric]), ends))
            if len(rows) > 1:
                title = f"Mean {metric_name(metric)}{f', {head}' if len(heads) > 1 else ''}"
                plots.append(figures.interval_figure(f"mean-{number}-{metric}", rows, title))
    return plots


def _track_tables(runs: Sequence[RunResults]) -> list[Table]:
    return [
        track_table(runs, metric)
        for metric in HEADLINE_METRICS
        if any(known(value) for run in runs for value in track_scores(run, metric).values())
    ]


def _tracks_to_draw(runs: Sequence[RunResults]) -> list[str]:
    tracks = dict.fromkeys(track for run in runs for track in run.tracks if run.both_classes(track))
    return list(tracks)[:MOST_TRACKS]


def _curve_plots(runs: Sequence[RunResults], names: TrackPlots) -> list[figures.Figure]:
    with_curve = [
        (index, run) for index, run in enumerate(runs) if names.name in run.tracks and run.both_classes(names.name)
    ]
    shares = {decimal(float(run.labelled(names.name)[0].mean())) for _, run in with_curve}
    share = float(with_curve[0][1].labelled(names.name)[0].mean()) if len(shares) == 1 else None
    roc = [(index, run.name, figures.roc_series(run, names.name)) for index, run in with_curve]
    recall = [(index, run.name, figures.precision_recall_series(run, names.name)) for index, run in with_curve]
    return [
        figures.roc_figure(names.roc, roc),
        figures.precision_recall_figure(names.precision_recall, recall, share),
    ]


def _left_out(runs: Sequence[RunResults], drawn: Sequence[RunResults], tracks: Sequence[str]) -> str:
    """Say which runs and tracks have no curves, and why."""
    every = list(dict.fromkeys(track for run in runs for track in run.tracks))
    parts = []
    if len(drawn) < len(runs):
        parts.append(f"The first {len(drawn)} of {len(runs)} runs are drawn; the tables hold all.")
    without = [track for track in every if track not in tracks]
    if without and len(tracks) == MOST_TRACKS:
        parts.append(f"{len(tracks)} of {len(every)} tracks are drawn; the tables hold all.")
    elif without:
        parts.append(f"No curve for {joined(without)}: a curve needs yes/no labels, with windows of both classes.")
    return " ".join(parts)
