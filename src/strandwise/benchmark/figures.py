"""The figures of a benchmark: every seed of every arm, and how validation went over epochs."""

from pathlib import Path
from typing import Any

import pandas as pd

from strandwise.benchmark.grid import Grid
from strandwise.benchmark.results import CURVES, Results
from strandwise.errors import InputError
from strandwise.files import atomic_path
from strandwise.scores.significance import mean_interval

SCORES, LEARNING = "scores.png", "learning.png"


def write_figures(grid: Grid, store: Results) -> list[Path]:
    """Draw `scores.png` and `learning.png` of what a benchmark has found so far.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        # The object alone, not pyplot: no window, no state that a caller might share.
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise InputError("figures need matplotlib, which is not installed: pip install 'strandwise[report]'.") from None
    rows, curves = store.read(), store.read(CURVES)
    # Seeds of other grids may stand beside those of this one.
    rows, curves = (table[table["seed"].isin(grid.seed_list)] for table in (rows, curves))
    scores = Figure(figsize=(4.2 * len(grid.metrics), 0.6 + len(grid.levels[0]) * (0.9 + 0.32 * len(grid.arms()))))
    _draw_scores(scores, grid, rows)
    learning = Figure(figsize=(5 * len(grid.levels[0]) + 2.2, 4))
    _draw_learning(learning, grid, curves)
    written = []
    for name, figure in ((SCORES, scores), (LEARNING, learning)):
        with atomic_path(store.folder / name) as temporary:
            figure.savefig(temporary, format="png", dpi=130, bbox_inches="tight")
        written.append(store.folder / name)
    return written


def _draw_scores(figure: Any, grid: Grid, rows: pd.DataFrame) -> None:
    arms = [(grid.label(*arm), arm) for arm in grid.arms()]
    axes = figure.subplots(len(grid.levels[0]), len(grid.metrics), squeeze=False, sharey=True)
    first = rows.groupby("data")["chosen_by"].first() if len(rows) else {}
    for line, data in zip(axes, grid.levels[0], strict=True):
        published = grid.published_on(data.name)
        for axis, metric in zip(line, grid.metrics, strict=True):
            here = rows[(rows["data"] == data.name) & (rows["metric"] == metric) & (rows["track"] == "mean")]
            here = here[here["chosen_by"] == first.get(data.name)]
            for number, (label, (model, strategy)) in enumerate(arms):
                values = here[(here["model"] == model) & (here["strategy"] == strategy)]["value"].dropna()
                axis.plot(values, [number] * len(values), "o", color="#4477aa", alpha=0.35, markersize=4)
                if len(values):
                    low, high = mean_interval(values.to_numpy())
                    axis.plot([low, high], [number, number], color="#4477aa", linewidth=2)
                    axis.plot(values.mean(), number, "D", color="#4477aa", markersize=5)
                if metric in published.get(label, {}):
                    axis.plot(published[label][metric], number, "x", color="#cc3311", markersize=7)
            axis.set_yticks(range(len(arms)), [label for label, _ in arms])
            axis.set_ylim(len(arms) - 0.5, -0.5)
            axis.set_title(f"{metric}, {data.name}", fontsize=9)
            axis.tick_params(labelsize=8)
            axis.grid(axis="x", alpha=0.3)
    marks = "dots: seeds; diamond and line: mean and 95 % interval" + ("; cross: published" if grid.published else "")
    figure.supxlabel(marks, fontsize=8)
    figure.tight_layout()


def _draw_learning(figure: Any, grid: Grid, curves: pd.DataFrame) -> None:
    axes = figure.subplots(1, len(grid.levels[0]), squeeze=False)[0]
    lines: dict[str, Any] = {}
    for axis, data in zip(axes, grid.levels[0], strict=True):
        for number, (model, strategy) in enumerate(grid.arms()):
            mine = curves[(curves["model"] == model) & (curves["strategy"] == strategy) & (curves["data"] == data.name)]
            if len(mine):
                # A run that has stopped keeps the last value it had, so that the mean is over all seeds throughout.
                wide = mine.pivot_table(index="epoch", columns="seed", values="valid_auroc").ffill()
                style = ("-", "--", ":", "-.")[number // 10 % 4]
                (line,) = axis.plot(wide.index, wide.mean(axis=1), style, color=f"C{number % 10}", linewidth=1.4)
                lines[grid.label(model, strategy)] = line
                learned = mine.pivot_table(index="epoch", columns="seed", values="train_auroc").ffill()
                axis.plot(learned.index, learned.mean(axis=1), ":", color=line.get_color(), linewidth=0.9)
        axis.set_xlabel("epoch")
        axis.set_title(data.name, fontsize=9)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("AUROC, mean over seeds")
    place: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.02, 0.5)}
    axes[-1].legend(list(lines.values()), list(lines), fontsize=7, **place)
    figure.tight_layout()
