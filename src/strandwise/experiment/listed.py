"""Tables of predictions, as any program may write them: values along chromosomes, or of windows here and there."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from strandwise.analysis.comparison import Along, Landscape
from strandwise.errors import InputError, did_you_mean, listing
from strandwise.experiment.ground import Ground, Named
from strandwise.genome import match_names

PLACE = ("chrom", "start", "end")
_BESIDE = ("label", "revcomp/", "jsd/", "weight")


def along_table(
    given: Named, ground: Ground, track: str | None = None, missing: float = math.nan
) -> tuple[Along | pd.DataFrame, list[str]]:
    """Return a table of predictions: values along chromosomes where its windows lie side by side, else the windows.

    Args:
        given: a parquet file with chrom, start, end and a column of numbers.
        ground: the chromosomes.
        track: the column, or what follows ``pred/`` in its name; needed where there are several.
        missing: the value of windows that are not in it.

    Returns:
        The landscape; or chrom, start, end and value of each window, and its `label` where the table has one. And
        what a person should know.

    Raises:
        InputError: a damaged file, no such column, an infinite value or the same one everywhere, windows of several
            lengths, beyond a chromosome, or with two values.
    """
    table, notes = _read(given.path), list[str]()
    column = _column(given.path, table, track)
    frame = table[[*PLACE]].assign(value=table[column].astype(np.float64))
    label = next((name for name in (_beside(column), "label") if name in table and name != column), None)
    if label is not None and pd.api.types.is_numeric_dtype(table[label]):
        labels = table[label].astype(np.float32)
        if labels.isin([0, 1]).any() and (labels.isna() | labels.isin([0, 1])).all():
            frame["label"] = labels
        else:
            notes.append(f"{given.name}: {label} is not 0 or 1, so it labels nothing: {given.path}")
    frame, width = _placed(given.path, frame, ground)
    _check_values(given.path, frame, column, ground)
    if "label" in frame and frame["label"].nunique() == 1:
        notes.append(f"{given.name}: {label} is the same of all windows, so there is nothing to tell apart")
    if "label" in frame or not _side_by_side(frame, width):
        size = frame["chrom"].map(ground.sizes)
        whole = (frame["start"] >= 0) & (frame["end"] <= size) & (frame["end"] - frame["start"] == width)
        if not whole.all():
            left = int((~whole).sum())
            notes.append(f"{given.name}: {left:,} of its windows reach past the end of a chromosome, and are left out")
        return frame[whole].reset_index(drop=True), notes
    values = {name: np.full(-(-size // width), missing, dtype=np.float32) for name, size in ground.sizes.items()}
    for name, part in frame.groupby("chrom"):
        values[str(name)][part["start"].to_numpy() // width] = part["value"].to_numpy()
    return Along(given.name, Landscape(width, values)), notes


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pq.read_table(path).to_pandas()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: not a parquet file that can be read ({error}).") from error
    for name in PLACE:
        if name not in table:
            hint = did_you_mean(name, map(str, table.columns))
            raise InputError(f"{path}: no column {name}{hint}: a table of windows has {', '.join(PLACE)}.")
    for name in ("start", "end"):
        numbers = pd.to_numeric(table[name], errors="coerce")
        if numbers.isna().any() or (numbers % 1).any():
            raise InputError(f"{path}: {name} holds what is no position: give whole numbers, counted from 0.")
        table[name] = numbers.astype(np.int64)
    return table


def _column(path: Path, table: pd.DataFrame, track: str | None) -> str:
    numbers = [
        str(name)
        for name in table.columns
        if name not in PLACE and pd.api.types.is_numeric_dtype(table[name]) and not str(name).startswith(_BESIDE)
    ]
    predicted = [name for name in numbers if name.startswith("pred/")] or numbers
    if track is not None:
        for name in (track, f"pred/{track}"):
            if name in numbers:
                return name
    if len(predicted) == 1:
        return predicted[0]
    if track is not None:
        text = next((name for name in (track, f"pred/{track}") if name in table), None)
        if text is not None:
            raise InputError(f"{path}: column '{text}' does not hold numbers: give a column of predictions.")
        raise InputError(
            f"{path}: no column '{track}'{did_you_mean(track, numbers)}; columns of numbers are "
            f"{listing(numbers) or 'none'}."
        )
    raise InputError(
        f"{path}: {len(predicted)} columns of numbers ({listing(predicted) or 'none'}): say which with --track."
    )


def _beside(column: str) -> str:
    return "label/" + column.removeprefix("pred/")


def _placed(path: Path, frame: pd.DataFrame, ground: Ground) -> tuple[pd.DataFrame, int]:
    """Return the windows of the chromosomes to judge, by their names here, and the length of a window."""
    there = frame["chrom"].astype(str)
    match_names(list(pd.unique(there)), ground.known, str(path), "the genome").require_one_name_each()
    match = match_names(ground.sizes, pd.unique(there), "the chromosomes to judge", str(path))
    frame = frame.assign(chrom=there.map({theirs: name for name, theirs in match.mapping.items()}))
    frame = frame[frame["chrom"].notna()].drop_duplicates([*PLACE, "value"], ignore_index=True)
    if not len(frame):
        raise InputError(f"{path}: no window lies on {listing(ground.sizes)}; it has {listing(pd.unique(there))}.")
    size = frame["chrom"].map(ground.sizes).to_numpy(np.int64)
    start, end = frame["start"].to_numpy(), frame["end"].to_numpy()
    wrong = np.flatnonzero((start >= size) | (end <= 0) | (start >= end))
    if len(wrong):
        first = frame.iloc[wrong[0]]
        if first["start"] >= first["end"]:
            raise InputError(f"{path}: {_shown(first)} ends before it begins: give start before end.")
        raise InputError(
            f"{path}: {_shown(first)} is no place on {first['chrom']}, which is {size[wrong[0]]:,} bp: is it from "
            "another assembly?"
        )
    twice = frame.duplicated([*PLACE])
    if twice.any():
        raise InputError(f"{path}: {_shown(frame[twice].iloc[0])} has two values: give one for each window.")
    # The last bin of a chromosome may be a part of one.
    uncut = end != size
    lengths = np.unique((end - start)[uncut] if uncut.any() else end - start)
    if len(lengths) != 1:
        raise InputError(f"{path}: windows of {listing(lengths)} bp: give windows of one length.")
    return frame, int(lengths[0])


def _check_values(path: Path, frame: pd.DataFrame, column: str, ground: Ground) -> None:
    """Refuse what cannot be told apart or averaged."""
    infinite = np.flatnonzero(np.isinf(frame["value"]))
    if len(infinite):
        raise InputError(f"{path}: {column} of {_shown(frame.iloc[infinite[0]])} is infinite: give finite numbers.")
    if frame["value"].isna().all():
        raise InputError(f"{path}: {column} holds no number on {listing(ground.sizes)}: judge elsewhere.")
    if len(frame) > 1 and frame["value"].nunique(dropna=False) < 2:
        raise InputError(
            f"{path}: {column} is the same everywhere on {listing(ground.sizes)}, so it predicts nothing there: judge "
            "elsewhere, or leave it out."
        )


def _shown(place: pd.Series) -> str:
    return f"{place['chrom']}:{place['start']}-{place['end']}"


def _side_by_side(frame: pd.DataFrame, width: int) -> bool:
    """Return whether windows are bins of chromosomes: where those would lie, and most with a neighbour."""
    if (frame["start"] % width).any() or (frame["start"] < 0).any():
        return False
    ordered = frame.sort_values(["chrom", "start"])
    after = ordered["start"].diff().eq(width) & ordered["chrom"].eq(ordered["chrom"].shift())
    return 2 * int(after.sum()) >= len(frame)
