"""The tables of `strandwise compare` as Markdown, for a paper's supplement or a repository."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from strandwise.files import write_text
from strandwise.report.judged_page import (
    PLACES,
    about_windows,
    amount_tables,
    difference_table,
    resolution_table,
    score_table,
    smoothing_table,
)
from strandwise.report.tables import Table


def write_judged_text(
    record: Mapping[str, Any], rows: pd.DataFrame, pairs: pd.DataFrame, smoothing: pd.DataFrame, path: str | Path
) -> None:
    """Write the tables of the page as Markdown.

    Args:
        record: the contents of ``metrics.json``.
        rows: what was found of all places.
        pairs: differences between contestants.
        smoothing: rows of the box-car control; may be empty.
        path: the file; replaced in one step.

    Raises:
        OutputError: the file cannot be written.
    """
    models = [name for name, about in record["contestants"].items() if about["role"] == "model"]
    parts = [f"# {len(models)} models in one table\n"]
    for place, about in record["places"].items():
        here = rows[rows["places"] == place]
        parts.append(f"## {PLACES.get(place, place)}\n\n{about_windows(about, record)} In brackets 95 % intervals.\n")
        tables = [score_table(here, record), *amount_tables(here, record), difference_table(pairs, place, models)]
        parts += [markdown(table) for table in tables if table.rows]
    control = [table for table in (resolution_table(rows, record), smoothing_table(smoothing)) if table.rows]
    if control:
        parts += ["## Resolution\n", *map(markdown, control)]
    write_text(path, "\n".join(parts))


def markdown(table: Table) -> str:
    r"""Return a table as Markdown: its caption, and what may be cut at a bar escaped; the best values are bold.

    >>> from strandwise.report.tables import Row
    >>> from strandwise.report.words import Cell
    >>> print(markdown(Table("Scores", ["AUROC"], [Row("a|b", [Cell("0.9", best=True)])])))
    Scores
    <BLANKLINE>
    | | AUROC |
    |---|---|
    | a\|b | **0.9** |
    <BLANKLINE>
    """
    lines = [
        table.caption,
        "",
        f"| | {' | '.join(map(_escaped, table.columns))} |",
        "|---" * (len(table.columns) + 1) + "|",
    ]
    for row in table.rows:
        cells = [f"**{_escaped(cell.text)}**" if cell.best else _escaped(cell.text) for cell in row.cells]
        detail = f" ({_escaped(row.detail)})" if row.detail else ""
        lines.append(f"| {' | '.join([_escaped(row.name) + detail, *cells])} |")
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
