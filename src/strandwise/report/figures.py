"""The plots of a page, as plain data: traces and axes that the page's script hands to plotly.js.

Colours are names such as ``@c0``, which the script looks up in the style sheet, so that plots follow the
light and the dark scheme.
"""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from strandwise.report.curves import Points, precision_recall_points, roc_points, subsample, thin
from strandwise.report.results import RunResults

COLOURS = 8
SCATTER_POINTS = 2000
LEAST_DEVIATION = 1e-18
_LONGEST_NAME = 48

Figure = dict[str, Any]
Series = tuple[int, str, Points]
Precision = tuple[str, Sequence[float | None], float]


def plot_text(name: str) -> str:
    """Return a name that plotly.js shows letter by letter, where it would read tags and entities."""
    short = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
    return html.escape(short, quote=False)


def numbers(values: ArrayLike) -> list[float | None]:
    """Return values for JSON, rounded to six digits, None for what is not finite."""
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in np.asarray(values, dtype=float)]


def drawn_tracks(results: RunResults, scores: Mapping[str, float | None], most: int = COLOURS) -> list[str]:
    """Return the tracks to draw: all, or `most` spread evenly from the best score to the worst."""
    tracks = [track for track in results.tracks if results.both_classes(track)]
    if len(tracks) <= most:
        return tracks
    ranked = sorted(tracks, key=lambda track: -(scores.get(track) or 0))
    spread = {ranked[round(place)] for place in np.linspace(0, len(ranked) - 1, most)}
    return [track for track in ranked if track in spread]


def roc_series(results: RunResults, track: str) -> Points:
    """Return a track's ROC curve, thinned."""
    return thin(roc_points(*results.labelled(track)))


def precision_recall_series(results: RunResults, track: str) -> Points:
    """Return a track's precision-recall curve, thinned."""
    return thin(precision_recall_points(*results.labelled(track)))


def roc_figure(identity: str, series: Sequence[Series]) -> Figure:
    """Return ROC curves over the diagonal of a random ranking."""
    chance = _line([0, 1], [0, 1], "chance", "@faint", "dot", hover=False)
    return {
        "id": identity,
        "traces": [chance, *(_curve(index, name, points) for index, name, points in series)],
        "x": {"title": "False positive rate", "range": [-0.01, 1.01]},
        "y": {"title": "True positive rate", "range": [-0.01, 1.015]},
    }


def precision_recall_figure(identity: str, series: Sequence[Series], positive_share: float | None = None) -> Figure:
    """Return precision-recall curves, over the level of a random ranking where one serves all."""
    traces = [_curve(index, name, points) for index, name, points in series]
    if positive_share is not None:
        level = numbers([positive_share, positive_share])
        traces.insert(0, _line([0, 1], level, "chance", "@faint", "dot", hover=False))
    return {
        "id": identity,
        "traces": traces,
        "x": {"title": "Recall", "range": [-0.01, 1.01]},
        "y": {"title": "Precision", "range": [-0.01, 1.015]},
    }


def reliability_figure(identity: str, series: Sequence[tuple[int, str, ArrayLike]]) -> Figure:
    """Return what share of windows is positive where a probability is predicted, over the line where both are equal.

    Args:
        identity: the plot's name on the page.
        series: for each track the number of its colour, its name, and rows of `RunResults.reliability`.
    """
    traces = [_line([0, 1], [0, 1], "calibrated", "@faint", "dot", hover=False)]
    for index, name, table in series:
        predicted, bound, windows = np.asarray(table, dtype=float).T
        curve = _curve(index, name, (predicted, bound))
        marker = {"size": 7, "color": curve["line"]["color"]}
        text = [f"{n:,.0f} windows" for n in windows]
        hover = "predicted %{x:.3g}, positive %{y:.3g}, %{text}"
        traces.append({**curve, "mode": "lines+markers", "marker": marker, "text": text, "hovertemplate": hover})
    return {
        "id": identity,
        "traces": traces,
        "x": {"title": "Predicted probability", "range": [-0.01, 1.01]},
        "y": {"title": "Share of positive windows", "range": [-0.01, 1.015]},
    }


def history_figure(identity: str, history: pd.DataFrame, columns: Mapping[str, str], title: str) -> Figure:
    """Return columns of a training history against epochs; `columns` gives each its name.

    What is measured of training is dotted, in the colour of what is measured of validation.
    """
    traces, colours = [], dict[str, str]()
    for column, name in columns.items():
        side, _, measure = column.partition("_")
        colour = colours.setdefault(measure, f"@c{len(colours)}")
        dash = "dot" if side == "train" else "solid"
        line = _line(numbers(history["epoch"]), numbers(history[column]), name, colour, dash)
        traces.append({**line, "mode": "lines+markers", "marker": {"size": 5, "color": colour}})
    return {
        "id": identity,
        "traces": traces,
        "x": {"title": "Epoch"},
        "y": {"title": title},
        "legend": len(traces) > 1,
    }


def strand_figure(identity: str, results: RunResults, tracks: Sequence[str]) -> Figure:
    """Return predictions on sequences against those on their reverse complements, as `agreement_figure`."""
    found = [(index, track, results.strands(track)) for index, track in enumerate(tracks)]
    return agreement_figure(identity, [(index, track, pair) for index, track, pair in found if pair is not None])


def agreement_figure(identity: str, series: Sequence[Series]) -> Figure:
    """Return predictions on sequences against those on their reverse complements.

    As in Fig. 4 of Shrikumar et al. 2017; `SCATTER_POINTS` in all, drawn by seed.
    """
    traces, low, high = [], np.inf, -np.inf
    for index, track, pair in series:
        rows = subsample(len(pair[0]), SCATTER_POINTS // len(series))
        given, turned = pair[0][rows], pair[1][rows]
        low, high = min(low, given.min(), turned.min()), max(high, given.max(), turned.max())
        traces.append(_points(index, track, given, turned))
    margin = 0.03 * (high - low) or 0.5
    ends = numbers([low - margin, high + margin])
    diagonal = _line(ends, ends, "equal", "@faint", "dot", hover=False)
    return {
        "id": identity,
        "traces": [diagonal, *traces],
        "x": {"title": "Prediction on the sequence", "range": ends},
        "y": {"title": "Prediction on its reverse complement", "range": ends},
    }


def interval_figure(
    identity: str, rows: Sequence[tuple[int, str, float, tuple[float, float] | None]], title: str
) -> Figure:
    """Return one dot a run with its interval, the first run on top.

    Args:
        identity: the plot's name on the page.
        rows: for each run the number of its colour, its name, its value, and its interval if it has one.
        title: of the axis.
    """
    places = list(range(len(rows)))[::-1]
    traces = []
    for place, (index, name, value, interval) in zip(places, rows, strict=True):
        below, above = (value - interval[0], interval[1] - value) if interval else (0.0, 0.0)
        colour = f"@c{index % COLOURS}"
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": numbers([value]),
                "y": [place],
                "name": plot_text(name),
                "marker": {"size": 11, "color": colour},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": numbers([above]),
                    "arrayminus": numbers([below]),
                    "color": colour,
                    "thickness": 2,
                    "width": 6,
                },
                "hovertemplate": "%{x:.4f}",
            }
        )
    return {
        "id": identity,
        "traces": traces,
        "x": {"title": title},
        "y": {
            "tickvals": places,
            "ticktext": [plot_text(name) for _, name, _, _ in rows],
            "range": [-0.6, len(rows) - 0.4],
        },
    }


def sweep_figure(identity: str, series: Sequence[Series], across: str, title: str) -> Figure:
    """Return a metric of each contestant against what test sets differ in, the points of each joined.

    Args:
        identity: the plot's name on the page.
        series: for each the number of its colour, its name, and its points.
        across: what test sets differ in.
        title: of the metric.
    """
    traces = [{**_curve(*each), "mode": "lines+markers", "marker": {"size": 6}} for each in series]
    return {"id": identity, "traces": traces, "x": {"title": across}, "y": {"title": title}}


def layer_figure(identity: str, layers: Sequence[str], precisions: Sequence[Precision]) -> Figure:
    """Return the strand deviation of each layer on a logarithmic axis, the first layer on top.

    Args:
        identity: the plot's name on the page.
        layers: their names; a layer without a law has a place and no dot.
        precisions: for each its name, the deviation of every layer, and its tolerance, drawn as a dotted line.
    """
    places = list(range(len(layers)))[::-1]
    ends = [-0.6, len(layers) - 0.4]
    traces, most = [], 1.0
    for index, (name, deviations, tolerance) in enumerate(precisions):
        known = [(d, place) for d, place in zip(deviations, places, strict=True) if d is not None]
        most = max([most, *(deviation for deviation, _ in known)])
        limit = _line([tolerance] * 2, ends, f"tolerance, {name}", f"@c{index}", "dot", hover=False)
        dots = {
            "type": "scatter",
            "mode": "markers",
            # A logarithmic axis has no place for 0, an exact agreement.
            "x": [max(deviation, LEAST_DEVIATION) for deviation, _ in known],
            "y": [place for _, place in known],
            "text": [f"{deviation:.3g}" for deviation, _ in known],
            "name": plot_text(name),
            # Rings show a dot that lies in them.
            "marker": {"size": (13, 7)[index], "symbol": ("circle-open", "circle")[index], "color": f"@c{index}"},
            "hovertemplate": "%{text}",
        }
        traces += [{**limit, "showlegend": False}, dots]
    return {
        "id": identity,
        "traces": traces,
        "x": {
            "title": "Strand deviation",
            "type": "log",
            "range": numbers([np.log10(LEAST_DEVIATION) - 0.5, np.log10(most) + 0.5]),
            "exponentformat": "power",
            "dtick": 3,
        },
        "y": {"tickvals": places, "ticktext": [plot_text(name) for name in layers], "range": ends},
        "legend": True,
    }


def _line(x: list, y: list, name: str, colour: str, dash: str = "solid", hover: bool = True) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "name": plot_text(name),
        "line": {"color": colour, "width": 2 if hover else 1.3, "dash": dash},
        "hovertemplate": "%{x:.3g}, %{y:.4g}",
        **({} if hover else {"hoverinfo": "skip", "hovertemplate": None}),
    }


def _curve(index: int, name: str, points: Points) -> Figure:
    """Return a curve that its legend button finds by `meta`; the second four colours are dashed."""
    dash = "solid" if index < COLOURS // 2 else "dash"
    line = _line(numbers(points[0]), numbers(points[1]), name, f"@c{index % COLOURS}", dash)
    return {**line, "meta": index}


def _points(index: int, name: str, x: ArrayLike, y: ArrayLike) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": numbers(x),
        "y": numbers(y),
        "name": plot_text(name),
        "meta": index,
        "marker": {"size": 5, "opacity": 0.55, "color": f"@c{index % COLOURS}"},
        "hovertemplate": "%{x:.4g}, %{y:.4g}",
    }
