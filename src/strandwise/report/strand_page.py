"""The page that shows how well a model's two strands agree, and at which layer the law first breaks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from strandwise.files import write_text
from strandwise.report import figures
from strandwise.report.rendering import render
from strandwise.report.tables import Card, LegendEntry, Row, Table
from strandwise.report.words import Cell, count_cell, number_cell

NO_LAW = "follows no law"


@dataclass(frozen=True, eq=False)
class StrandResults:
    """What a comparison of a run's strands found, as a page needs it.

    Attributes:
        name: what the run is called.
        record: the contents of ``strand.json``, schema version 1.
        pairs: by head, predictions ``(tracks, values)`` on the sequences, and on their reverse complements.
    """

    name: str
    record: Mapping[str, Any]
    pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class HeadSection:
    """What the page says of one head."""

    name: str
    type: str
    plot: str
    legend: list[LegendEntry]
    left_out: str
    agreement: Table
    deviations: Table


def write_strand_page(results: StrandResults, path: str | Path) -> None:
    """Write one self-contained page on the agreement of strands, for a browser without a network.

    Args:
        results: what was found.
        path: the HTML file; replaced in one step.

    Raises:
        InputError: jinja2 or plotly is not installed.
        OutputError: the page cannot be written.
    """
    record = results.record
    layers = record["layers"]
    sections, plots = [], [_layer_plot(record)]
    for number, (name, head) in enumerate(record["heads"].items()):
        tracks = list(head["float32"]["tracks"])
        drawn = tracks[: figures.COLOURS]
        given, turned = results.pairs[name]
        series = [(index, track, (given[index], turned[index])) for index, track in enumerate(drawn)]
        identity = f"strands-{number}"
        plots.append(figures.agreement_figure(identity, series))
        sections.append(
            HeadSection(
                name,
                head["float32"]["type"],
                identity,
                [LegendEntry(index, track) for index, track in enumerate(drawn)],
                f"The first {len(drawn)} of {len(tracks)} tracks are drawn." if len(drawn) < len(tracks) else "",
                agreement_table(head["float32"]),
                deviation_table(head),
            )
        )
    page = render(
        "strand.html.j2",
        plots,
        title=results.name,
        headline=record["verdict"],
        notes=record["notes"],
        cards=_cards(record),
        sections=sections,
        points=_points_shown(results),
        layer_plot_height=120 + 26 * len(layers),
        layer_table=layer_table("Every typed layer, in the order in which they run", layers),
        one_strand=layer_table("The network on one strand, before the answers are merged", record["one_strand"]),
        traced=record["traced"],
        tolerance=record["tolerance"],
    )
    write_text(path, page)


def agreement_table(head: Mapping[str, Any]) -> Table:
    """Return correlations of the two strands, and labels that flip, a row a track."""
    binary = head["flips"] is not None
    rows = []
    for track, found in head["tracks"].items():
        cells = [number_cell(found[name], "the predictions do not vary") for name in ("pearson", "spearman")]
        rows.append(Row(track, [*cells, *([count_cell(found["flips"], of=found["values"])] if binary else [])]))
    columns = ["Pearson r", "Spearman r", *(["Labels that flip at 0.5"] if binary else [])]
    return Table("Agreement of the two strands, in float32", columns, rows)


def deviation_table(head: Mapping[str, Any]) -> Table:
    """Return deviations on logits and on the scale people read, in both precisions, a row a track and one for all."""
    single, double = head["float32"], head["float64"]
    pairs = [(name, found, double["tracks"][name]) for name, found in single["tracks"].items()]
    if len(pairs) > 1:
        pairs.append(("All tracks", single, double))
    rows = [
        Row(
            name,
            [
                *(number_cell(one["logits"][kind]) for kind in ("max", "mean", "p95")),
                number_cell(other["logits"]["max"]),
                *(number_cell(one["predicted"][kind]) for kind in ("max", "mean", "p95")),
            ],
        )
        for name, one, other in pairs
    ]
    columns = ["Logits: largest", "mean", "95th percentile", "largest in float64"]
    columns += ["Predictions: largest", "mean", "95th percentile"]
    return Table("Deviation between the two strands", columns, rows)


def layer_table(caption: str, layers: list[Mapping[str, Any]]) -> Table:
    """Return the deviation of each layer in both precisions."""
    rows = [
        Row(
            layer["place"],
            [
                Cell(layer["layer"], numeric=False),
                Cell(layer["type"], numeric=False),
                *(number_cell(layer[precision], NO_LAW) for precision in ("float32", "float64")),
            ],
            detail=layer["name"],
        )
        for layer in layers
    ]
    return Table(caption, ["Layer", "Type", "Deviation in float32", "in float64"], rows)


def _cards(record: Mapping[str, Any]) -> list[Card]:
    largest = {
        precision: max(head[precision]["logits"]["max"] for head in record["heads"].values())
        for precision in ("float32", "float64")
    }
    broken = record["first_break"]
    first = Cell(broken["place"] if broken else "nowhere", numeric=False)
    where = f"{broken['layer']}, {broken['type']}" if broken else "every layer keeps it"
    return [
        Card("Largest deviation", number_cell(largest["float32"]), "on logits, in float32; 0 is perfect"),
        Card("In double precision", number_cell(largest["float64"]), "what is left is not rounding if above 1e-10"),
        Card("The law first breaks at", first, where),
        Card("Windows compared", count_cell(record["n"]), _drawn(record)),
    ]


def _drawn(record: Mapping[str, Any]) -> str:
    if record["n"] == record["of"]:
        return f"all of the {record['split']} split" if record["split"] != "bed" else "all that were given"
    return f"of {record['of']:,} ({record['split']}), drawn with seed {record['seed']}"


def _points_shown(results: StrandResults) -> str:
    most = max(given.size for given, _ in results.pairs.values())
    return "" if most <= figures.SCATTER_POINTS else "A part of the values is shown, drawn at random with a fixed seed."


def _layer_plot(record: Mapping[str, Any]) -> figures.Figure:
    layers = record["layers"]
    names = [
        f"{layer['place']} {layer['layer']}{'' if layer['float64'] is not None else ' (no law)'}" for layer in layers
    ]
    return figures.layer_figure(
        "layers",
        names,
        [
            (precision, [layer[precision] for layer in layers], record["tolerance"][precision])
            for precision in ("float32", "float64")
        ],
    )
