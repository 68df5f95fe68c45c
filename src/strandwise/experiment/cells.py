"""Several cell types in one config: which there are, whether they fit together, and what belongs to each."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from strandwise.data.signals.settings import SignalFiles
from strandwise.data.splits import SplitSettings
from strandwise.errors import did_you_mean, listing

Table = TypeVar("Table", bound=SignalFiles)

_OWN = {"name", "cell", "signal", "plus", "minus", "negate_minus", "peaks", "relaxed"}
_OWN |= {"replicate", "replicate_plus", "replicate_minus"}
"""Keys of a table that may differ between cells: which files, and how these are written."""


def cells_of(*tables: Sequence[SignalFiles]) -> tuple[str, ...]:
    """Return the cells that tables name, in the order of their first table."""
    return tuple(dict.fromkeys(table.cell for kind in tables for table in kind if table.cell is not None))


def of_cell(tables: Sequence[Table], cell: str) -> tuple[Table, ...]:
    """Return the tables of one cell."""
    return tuple(table for table in tables if table.cell == cell)


def of_any_cell(tables: Sequence[Table]) -> tuple[Table, ...]:
    """Return the first table of each name."""
    return tuple(
        {table.name: table for table in reversed(tables)}[name] for name in dict.fromkeys(t.name for t in tables)
    )


def check_cells(
    targets: Sequence[SignalFiles], beside: Mapping[str, Sequence[SignalFiles]], split: SplitSettings
) -> None:
    """Refuse tables of cells that do not fit together.

    Args:
        targets: the `[[targets]]`.
        beside: `[[inputs]]` and `[[controls]]`, by those names.
        split: names cells that are held out.

    Raises:
        ValueError: a table without a cell among others that have one, an assay twice in one cell, cells that differ
            in what they read, one name for different assays, or held-out cells that are not there.
    """
    every = {"[[targets]]": targets, **beside}
    cells = cells_of(*every.values())
    for where, tables in every.items():
        without = [table.name for table in tables if table.cell is None]
        if cells and without:
            raise ValueError(f"{where} '{without[0]}' names no cell, and others do: give each table its cell, or none")
        _check_names(where, tables)
    for where, tables in beside.items():
        if tables and cells:
            _check_same(where, {cell: of_cell(tables, cell) for cell in cells})
    for table in targets:
        first = next(other for other in targets if other.name == table.name)
        if _kind(table) != _kind(first):
            raise ValueError(
                f"target '{table.name}' is read otherwise in cell '{table.cell}' ({_said(table)}) than in "
                f"'{first.cell}' ({_said(first)}): give both the same, or two names"
            )
    _check_held_out(targets, cells, split)


def _check_names(where: str, tables: Sequence[SignalFiles]) -> None:
    seen: set[tuple[str | None, str]] = set()
    for table in tables:
        if (table.cell, table.name) in seen:
            there = "" if table.cell is None else f" in cell '{table.cell}'"
            raise ValueError(f"two {where.strip('[]')} are named '{table.name}'{there}: give each its own name")
        seen.add((table.cell, table.name))


def _check_same(where: str, by_cell: Mapping[str, Sequence[SignalFiles]]) -> None:
    first, wanted = next((cell, tables) for cell, tables in by_cell.items() if tables)
    for cell, tables in by_cell.items():
        names, others = [table.name for table in tables], [table.name for table in wanted]
        lacking = [name for name in others if name not in names]
        extra = [name for name in names if name not in others]
        if lacking or extra:
            where_not, name = (cell, lacking[0]) if lacking else (first, extra[0])
            raise ValueError(
                f"cell '{where_not}' has no {where} '{name}', which cell '{first if lacking else cell}' has: a model "
                "reads the same in every cell, so add it, or remove it everywhere"
            )
        if names != others:
            raise ValueError(
                f"cell '{cell}' has {where} {listing(names)}, and cell '{first}' {listing(others)}: give them in the "
                "same order"
            )
        for mine, other in zip(tables, wanted, strict=True):
            if _kind(mine) != _kind(other):
                raise ValueError(
                    f"{where} '{mine.name}' is read otherwise in cell '{cell}' ({_said(mine)}) than in '{first}' "
                    f"({_said(other)}): give both the same"
                )


def _check_held_out(targets: Sequence[SignalFiles], cells: Sequence[str], split: SplitSettings) -> None:
    labelled = cells_of(targets)
    held = {"valid_cells": split.valid_cells, "test_cells": split.test_cells}
    for key, names in held.items():
        for name in names:
            if name not in cells:
                hint = did_you_mean(name, cells) or (f" (there are {listing(cells)})" if cells else "")
                raise ValueError(f"split.{key} names '{name}', which is no cell of [[targets]]{hint}")
            if name not in labelled:
                raise ValueError(f"split.{key} names '{name}', which has no [[targets]] to be judged by: add them")
    if labelled and not set(labelled).difference(*held.values()):
        raise ValueError("split.valid_cells and split.test_cells leave no cell to train on: take one out")


def _kind(table: SignalFiles) -> dict[str, object]:
    strands = "two" if table.plus is not None else "one" if table.signal is not None else "none"
    return {"strands": strands, **table.model_dump(exclude=_OWN)}


def _said(table: SignalFiles) -> str:
    return ", ".join(f"{key} {value}" for key, value in _kind(table).items() if value is not None)
