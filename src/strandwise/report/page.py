"""The page of one run: what was trained on what, how well it predicts, and whether strands agree."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from strandwise.files import write_text
from strandwise.report import figures
from strandwise.report.baselines import baseline_table
from strandwise.report.rendering import render
from strandwise.report.results import RunResults
from strandwise.report.tables import (
    Card,
    LegendEntry,
    data_table,
    interval_text,
    metric_table,
    reliability_table,
    strand_table,
)
from strandwise.report.words import (
    STRATEGIES,
    count_cell,
    decimal,
    flattened,
    joined,
    known,
    metric_name,
    number_cell,
    strategy_name,
    why_missing,
)

_SCORES = {
    f"{side}_{measure}": f"{name}, {words}"
    for measure, name in (("auroc", "AUROC"), ("aupr", "AUPR"), ("pearson", "Pearson r"))
    for side, words in (("valid", "validation"), ("train", "training"))
}

HEADLINE_METRICS = ("auroc", "aupr", "jsd", "pearson", "spearman")


def write_page(results: RunResults, path: str | Path) -> None:
    """Write one self-contained page that shows a run, for a browser without a network.

    Args:
        results: what the run used, did and reached.
        path: the HTML file; replaced in one step.

    Raises:
        InputError: jinja2 or plotly is not installed.
        OutputError: the page cannot be written.
    """
    drawn = figures.drawn_tracks(results, track_scores(results, "auroc"))
    curves = [(index, track) for index, track in enumerate(drawn)]
    both_strands = [track for track in results.tracks if results.strands(track) is not None]
    scattered = [track for track in drawn if track in both_strands] or both_strands[: figures.COLOURS]
    learning = _learning_figures(results)
    plots = list(learning)
    if drawn:
        share = _positive_share(results, drawn[0]) if len(drawn) == 1 else None
        roc = [(index, track, figures.roc_series(results, track)) for index, track in curves]
        recall = [(index, track, figures.precision_recall_series(results, track)) for index, track in curves]
        plots.append(figures.roc_figure("roc", roc))
        plots.append(figures.precision_recall_figure("precision-recall", recall, share))
    reliable = [(index, track, table) for index, track in curves if (table := results.reliability(track)) is not None]
    if reliable:
        plots.append(figures.reliability_figure("reliability", reliable))
    if scattered:
        plots.append(figures.strand_figure("strands", results, scattered))
    page = render(
        "page.html.j2",
        plots,
        title=results.name,
        results=results,
        headline=headline(results),
        cards=_cards(results),
        learning=[figure["id"] for figure in learning],
        lowest_loss=_lowest_loss(results),
        kept_epoch=_kept_epoch(results),
        curve_legend=[LegendEntry(index, track) for index, track in curves],
        reliability=reliability_table(results, [track for _, track, _ in reliable]) if reliable else None,
        curves_left_out="" if "profile" in results.metrics["heads"] else _left_out(results, drawn),
        profiles="profile" in results.metrics["heads"],
        strand_legend=[LegendEntry(index, track) for index, track in enumerate(scattered)],
        strand_table=strand_table(results, both_strands),
        points_shown=_points_shown(results, scattered),
        metric_tables=[metric_table(results, head) for head, *_ in results.heads()],
        baselines=None if results.baselines is None else baseline_table(results.baselines),
        data_table=data_table(results),
        provenance=flattened(results.provenance),
    )
    write_text(path, page)


def headline(results: RunResults) -> str:
    """Say in a sentence what was trained on what, and what it was judged on."""
    gloss = STRATEGIES.get(results.strategy, ("", ""))[1]
    targets = results.tracks or [track for _, tracks, _, _ in results.heads() for track in tracks]
    trained = [row.get("windows") for row in results.data_summary if row.get("split") == "train"]
    training = f", was trained on {trained[0]:,} windows" if trained and known(trained[0]) else ""
    n, split = results.metrics.get("n"), results.metrics.get("split") or "evaluation"
    windows = f"{n:,} windows" if known(n) else "the windows"
    return (
        f"A {results.model} model with the {strategy_name(results.strategy)} strategy"
        f"{f' ({gloss})' if gloss else ''} predicts {joined(targets)} from DNA sequence. "
        f"It{training[1:] + ' and' if training else ''} was judged on {windows} "
        f"of the {split} split{_places(results)}."
    )


def track_scores(results: RunResults, metric: str) -> dict[str, float | None]:
    """Return one metric of every track, over all heads."""
    return {track: values.get(metric) for _, tracks, _, _ in results.heads() for track, values in tracks.items()}


def _cards(results: RunResults) -> list[Card]:
    cards = []
    many_heads = len(results.metrics["heads"]) > 1
    for head, tracks, mean, intervals in results.heads():
        shown = [name for name in HEADLINE_METRICS if name in mean][:2]
        for name in shown:
            of = "mean over tracks" if len(tracks) > 1 else "of the one track"
            label = f"{metric_name(name)}{f', {head}' if many_heads else ''}"
            detail = interval_text(intervals.get(name), results.interval_level)
            cards.append(Card(label, number_cell(mean.get(name), _why_no_mean(tracks)), f"{of}; {detail}"))
    cards.append(
        Card(
            "Strand deviation",
            number_cell(results.deviation, "not measured"),
            "0 when both strands always agree",
        )
    )
    n = results.metrics.get("n")
    cards.append(Card("Windows judged", count_cell(n), f"{results.metrics.get('split') or 'evaluation'} split"))
    return cards


def _why_no_mean(tracks: Mapping[str, Mapping[str, Any]]) -> str:
    reasons = {why_missing(values) for values in tracks.values()}
    return reasons.pop() if len(reasons) == 1 else "no track has it"


def _places(results: RunResults) -> str:
    if results.predictions.empty:
        return ""
    chromosomes = [str(name) for name in dict.fromkeys(results.predictions["chrom"])]
    if len(chromosomes) > 4:
        return f" on {len(chromosomes)} chromosomes"
    return f" on {joined(chromosomes)}"


def _learning_figures(results: RunResults) -> list[figures.Figure]:
    """Return losses and validation scores by epoch, leaving out what was never measured."""
    plots = []
    for identity, title, columns in (
        ("loss", "Loss", {"train_loss": "training", "valid_loss": "validation"}),
        ("score", "Score", _SCORES),
    ):
        measured = {column: name for column, name in columns.items() if _measured(results.history, column)}
        if measured:
            plots.append(figures.history_figure(identity, results.history, measured, title))
    return plots


def _measured(history: pd.DataFrame, column: str) -> bool:
    """Whether a history has any number in a column, and epochs to draw it against."""
    if not {"epoch", column} <= set(history.columns):
        return False
    return not np.isnan(history[column].to_numpy(float, na_value=np.nan)).all()


def _lowest_loss(results: RunResults) -> str:
    history = results.history
    if not _measured(history, "valid_loss"):
        return ""
    losses = history["valid_loss"].to_numpy(float, na_value=np.nan)
    best = int(np.nanargmin(losses))
    loss, epoch = float(losses[best]), int(history["epoch"].to_numpy()[best])
    return f"The validation loss was lowest, {decimal(loss)}, after epoch {epoch}."


def _kept_epoch(results: RunResults) -> str:
    epoch, monitor = results.provenance.get("best_epoch"), results.provenance.get("monitor")
    return f"The weights are those of epoch {epoch}, the best by {monitor}." if epoch and monitor else ""


def _left_out(results: RunResults, drawn: list[str]) -> str:
    """Say which tracks have no curve, and why."""
    possible = [track for track in results.tracks if results.both_classes(track)]
    without = [track for track in results.tracks if track not in possible]
    parts = []
    if len(drawn) < len(possible):
        parts.append(
            f"{len(drawn)} of {len(possible)} tracks are drawn, spread evenly from the highest AUROC to the lowest."
        )
    if without:
        parts.append(f"No curve for {joined(without)}: a curve needs yes/no labels, with windows of both classes.")
    if not results.tracks:
        parts.append("No curves: the run has no predictions of labelled windows.")
    return " ".join(parts)


def _positive_share(results: RunResults, track: str) -> float:
    return float(results.labelled(track)[0].mean())


def _points_shown(results: RunResults, tracks: list[str]) -> str:
    if not tracks:
        return ""
    pairs = [pair for track in tracks if (pair := results.strands(track)) is not None]
    share = figures.SCATTER_POINTS // len(tracks)
    if max(len(pair[0]) for pair in pairs) <= share:
        return "Every window is shown."
    of = " of each track" if len(tracks) > 1 else ""
    return f"{share:,} windows{of} are shown, drawn at random with a fixed seed."
