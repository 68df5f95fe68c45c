"""Tables of predictions averaged, by rank or mean, and judged where labels are known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from strandwise.errors import InputError
from strandwise.experiment.records import typed_predictions
from strandwise.files import check_writable, existing_file
from strandwise.genome import Genome, match_names
from strandwise.prediction import BIGWIG, check_ending, write_predictions
from strandwise.scores.metrics import aupr, auroc
from strandwise.scores.regression import spearman

PLACE = ("chrom", "start", "end", "name")
ROWS = 1 << 20
ENSEMBLE = "ensemble"

Scores = dict[str, dict[str, dict[str, float]]]
"""By track, by metric, by member."""


@dataclass(frozen=True)
class Averaging:
    """How tables become one.

    Attributes:
        how: the mean, or the mean of ranks.
        genome: of the windows, for bigWig.
    """

    how: Literal["mean", "rank"] = "mean"
    genome: Genome | None = None


def average_tables(tables: Mapping[str, Path], out: Path, averaging: Averaging) -> dict[str, Any]:
    """Write the mean of tables of predictions, or of their ranks.

    By rank, a prediction becomes its rank among the n known ones of its table and track, from the lowest, over n;
    equal ones share the mean of their ranks. Rows are those of the first table; of another in another order, they are
    found by place and name. A prediction that any member lacks is missing.

    Args:
        tables: Parquet with `chrom start end` and `pred/TRACK`, as `predict` and `evaluate` write it, by name; where
            it has `name`, that is a part of the place.
        out: where to write, in the format of its ending; Parquet holds labels too, where a table has them.
        averaging: how.

    Returns:
        `paths`, `notes` and `scores`, as of `Ensembled`.

    Raises:
        InputError: a table that is damaged, or of other tracks or windows, naming the first difference.
        OutputError: the place cannot be written.
    """
    check_ending(out)
    columns = {name: _columns(name, path) for name, path in tables.items()}
    tracks = _tracks(columns)
    _check_place(out, tables, averaging)
    first_name = next(iter(tables))
    extra = [column for column in ("origin",) if column in columns[first_name]]
    first = _Places(first_name, _read(first_name, tables[first_name], [*PLACE, *extra]))
    labels, notes = _labels(tables, columns, first, tracks)
    total = np.zeros((len(first.frame), len(tracks)))
    scores: Scores = {}
    for name, path in tables.items():
        rows = first.rows_in(name, path)
        values = _read(name, path, [f"pred/{track}" for track in tracks])
        unknown = values.isna().any(axis=1).sum()
        if unknown:
            notes.append(f"{name}: {unknown:,} of {len(values):,} rows lack a prediction, and lack it in the ensemble")
        averaged = values.rank(pct=True) if averaging.how == "rank" else values
        total += averaged.to_numpy(float)[rows]
        _judge(scores, name, values.to_numpy(float)[rows], labels, tracks)
    total /= len(tables)
    _judge(scores, ENSEMBLE, total, labels, tracks)
    found = pd.DataFrame(total, columns=[f"pred/{track}" for track in tracks])
    whole = pd.concat([first.frame, labels, found], axis=1)
    return {"paths": _written(whole, out, averaging), "notes": notes, "scores": scores}


def _columns(name: str, path: Path) -> list[str]:
    if path.suffix != ".parquet":
        raise InputError(f"{name}: not a table that can be averaged: give .parquet, as `strandwise predict` writes it.")
    existing_file(path, "a table of predictions")
    try:
        there = pq.read_schema(path).names
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(_damaged(name, error)) from None
    missing = [column for column in PLACE if column not in (*there, "name")]
    if missing or not any(column.startswith("pred/") for column in there):
        raise InputError(
            f"{name}: not a table of predictions, it has no column {missing[0] if missing else 'pred/TRACK'}: give "
            "what `strandwise predict` or `evaluate` wrote, or call columns of predictions so."
        )
    if len(set(there)) < len(there):
        raise InputError(f"{name}: two columns have one name: give what `strandwise predict` or `evaluate` wrote.")
    return there


def _damaged(name: str, error: Exception) -> str:
    said = " ".join(str(error).split())
    return f"{name}: damaged or cut short ({said[:200]}): write it again with `strandwise predict` or `evaluate`."


def _tracks(columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the tracks that all tables predict, in the order of the first."""
    found = {name: [c.removeprefix("pred/") for c in each if c.startswith("pred/")] for name, each in columns.items()}
    first, *others = columns
    for name in others:
        for one, other in ((name, first), (first, name)):
            lacking = [track for track in found[other] if track not in found[one]]
            if lacking:
                raise InputError(
                    f"{one}: has no column pred/{lacking[0]}, which {other} has: give tables of the same tracks."
                )
    return found[first]


def _check_place(out: Path, tables: Mapping[str, Path], averaging: Averaging) -> None:
    if out.resolve() in [path.resolve() for path in tables.values()]:
        raise InputError(f"{out}: is one of the tables, and would be overwritten: give another --out.")
    if out.name.endswith(BIGWIG) and averaging.genome is None:
        raise InputError(f"{out}: bigWig needs the lengths of chromosomes: give the --genome, or another ending.")
    check_writable(out)


def _read(name: str, path: Path, columns: Sequence[str]) -> pd.DataFrame:
    try:
        there = pq.read_schema(path).names
        table = pq.read_table(path, columns=[each for each in columns if each in there or each != "name"]).to_pandas()
        if "name" in columns:
            names = table["name"].astype(object) if "name" in table else pd.Series("", table.index, dtype=object)
            table["name"] = names.where(names.notna(), "")
        return typed_predictions(table[list(columns)]).reset_index(drop=True)
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise InputError(_damaged(name, error)) from None


@dataclass(frozen=True)
class _Places:
    """The rows of the first table, which others are matched to."""

    name: str
    frame: pd.DataFrame

    def rows_in(self, name: str, path: Path) -> np.ndarray | slice:
        """Return the row of another table for each row of this one.

        Raises:
            InputError: other windows, naming the first that differs.
        """
        if name == self.name:
            return slice(None)
        said, there = self.frame[list(PLACE)], _read(name, path, PLACE)
        wanted, found = map(_middles, (said, there)) if _other_lengths(said, there) else (said, there)
        if wanted.equals(found):
            return slice(None)
        if found.duplicated().any() or wanted.duplicated().any():
            row = _first_difference(wanted, found)
            raise InputError(
                f"{name}: row {row + 1} is {_shown(there, row)}, and {_shown(said, row)} in {self.name}; places stand "
                "there more than once, so rows cannot be matched: give tables of the same windows in the same order."
            )
        rows = pd.MultiIndex.from_frame(found).get_indexer(pd.MultiIndex.from_frame(wanted))
        missing = np.flatnonzero(rows < 0)
        if len(missing):
            row = int(missing[0])
            raise InputError(
                f"{name}: has no row for {_shown(said, row)}, row {row + 1} of {self.name} ({len(missing):,} missing): "
                "give tables of the same windows."
            )
        if len(found) > len(wanted):
            row = int(np.setdiff1d(np.arange(len(found)), rows)[0])
            raise InputError(
                f"{name}: row {row + 1} is {_shown(there, row)}, which {self.name} does not have: give tables of the "
                "same windows."
            )
        return rows


def _other_lengths(first: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether each table has windows of one length, which is not that of the other: models that read further."""
    lengths = [(table["end"] - table["start"]).unique() for table in (first, other)]
    return [len(each) for each in lengths] == [1, 1] and lengths[0][0] != lengths[1][0]


def _middles(places: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"chrom": places["chrom"], "twice": places["start"] + places["end"], "name": places["name"]})


def _first_difference(first: pd.DataFrame, other: pd.DataFrame) -> int:
    n = min(len(first), len(other))
    apart = (first.iloc[:n].to_numpy(object) != other.iloc[:n].to_numpy(object)).any(axis=1)
    return int(np.argmax(apart)) if apart.any() else n


def _shown(places: pd.DataFrame, row: int) -> str:
    if row >= len(places):
        return "missing"
    chrom, start, end, name = places.iloc[row]
    return f"{chrom}:{start}-{end} '{name}'"


def _labels(
    tables: Mapping[str, Path], columns: Mapping[str, Sequence[str]], first: _Places, tracks: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Return the labels of the first table that has some, for the rows of the first, and a note where others differ."""
    wanted = [f"label/{track}" for track in tracks]
    labels, notes, source = pd.DataFrame(index=first.frame.index), list[str](), ""
    for name, path in tables.items():
        there = [column for column in wanted if column in columns[name]]
        if not there:
            continue
        here = _read(name, path, there).iloc[first.rows_in(name, path)].reset_index(drop=True)
        if not source:
            labels, source = here, name
            continue
        both = [column for column in there if column in labels]
        differ = (here[both].ne(labels[both]) & ~(here[both].isna() & labels[both].isna())).any(axis=1).sum()
        if differ:
            notes.append(f"{name}: labels differ from those of {source} in {differ:,} rows; the latter are used")
    return labels, notes


def _judge(
    scores: Scores,
    member: str,
    values: np.ndarray,
    labels: pd.DataFrame,
    tracks: Sequence[str],
) -> None:
    """Add how well a member predicts each track whose labels are known, by its order of windows."""
    for c, track in enumerate(tracks):
        if f"label/{track}" not in labels:
            continue
        truth, predicted = labels[f"label/{track}"].to_numpy(float), values[:, c]
        known = ~(np.isnan(truth) | np.isnan(predicted))
        truth, predicted = truth[known], predicted[known]
        if np.isin(truth, (0, 1)).all():
            found = {"auroc": auroc(truth, predicted), "aupr": aupr(truth, predicted)}
        else:
            found = {"spearman": spearman(truth, predicted)}
        for metric, value in found.items():
            scores.setdefault(track, {}).setdefault(metric, {})[member] = value


def _written(whole: pd.DataFrame, out: Path, averaging: Averaging) -> list[Path]:
    sizes = None
    if out.name.endswith(BIGWIG) and averaging.genome is not None:
        sizes = averaging.genome.sizes
        names = pd.unique(whole["chrom"])
        match = match_names(names, sizes, "the tables", str(averaging.genome.path)).require()
        whole = whole.assign(chrom=whole["chrom"].map(match.mapping))
    if not out.name.endswith(".parquet"):
        whole = whole[[*PLACE, *(name for name in whole.columns if name.startswith("pred/"))]]
        if whole[[name for name in whole.columns if name not in PLACE]].isna().all(axis=None):
            raise InputError(f"{out}: no row has a prediction of every member, so nothing was written.")
    return write_predictions(_pieces(whole), out, sizes, missing=True)


def _pieces(whole: pd.DataFrame) -> Iterator[pd.DataFrame]:
    return (whole.iloc[at : at + ROWS].reset_index(drop=True) for at in range(0, len(whole), ROWS))
