"""Whatever a comparison names: runs, files of predictions, what was measured; opened as values along chromosomes."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from strandwise.analysis.comparison import Along, Landscape, resolution
from strandwise.errors import InputError, did_you_mean, listing
from strandwise.experiment.folder import CONFIG
from strandwise.experiment.ground import Ground, Named, opened_signal
from strandwise.experiment.network import output_bp
from strandwise.experiment.predicting import chosen_cell, open_genome, predict, what_decides
from strandwise.experiment.run import Run
from strandwise.files import existing_file, write_text
from strandwise.genome import match_names
from strandwise.prediction import bigwig_paths

PLACE = ("chrom", "start", "end")


def named(given: Sequence[str | Path]) -> list[Named]:
    """Return what to compare from ``PATH`` or ``NAME=PATH``.

    Raises:
        InputError: two of one name, something that is not there, or a folder that is no run.
    """
    found = []
    for each in map(str, given):
        name, equals, path = each.partition("=")
        # A path may well hold a "=".
        if not equals or Path(each).exists():
            name, path = "", each
        place = Path(path)
        if place.is_dir() and not (place / CONFIG).is_file():
            raise InputError(f"{place}: a folder without {CONFIG} is no run: give a run folder, a bigWig or a parquet.")
        if not place.is_dir():
            existing_file(place, "predictions")
        found.append(Named(name or (place.name if place.is_dir() else place.stem), place))
    twice = [each.name for each in found if [other.name for other in found].count(each.name) > 1]
    if twice:
        raise InputError(f"two of those to compare are called '{twice[0]}': name them, as in {twice[0]}2=PATH.")
    return found


def along_file(given: Named, ground: Ground, missing: float, unit_bp: int | None = None) -> Along:
    """Return a bigWig of predictions in its own bins.

    Args:
        given: the file.
        ground: the chromosomes.
        missing: the value of bases that the file says nothing about.
        unit_bp: bins to read it in; its own if not given.

    Raises:
        InputError: it does not fit the chromosomes, or is the same everywhere.
    """
    signal, names = opened_signal(given.path, ground)
    return Along(given.name, Landscape.of_signal(signal, names, unit_bp or resolution(signal, names), missing))


def along_table(given: Named, ground: Ground, track: str | None, missing: float) -> Along | pd.DataFrame:
    """Return a table of predictions: values along chromosomes where its windows lie side by side, else the windows.

    Args:
        given: a parquet file with chrom, start, end and a column of numbers.
        ground: the chromosomes.
        track: the column, or what follows ``pred/`` in its name; needed where there are several.
        missing: the value of windows that are not in it.

    Returns:
        The landscape; or chrom, start, end and value of each window, and its `label` where the table has one.

    Raises:
        InputError: a damaged file, no such column, or windows of several lengths.
    """
    try:
        table = pq.read_table(given.path).to_pandas()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{given.path}: not a parquet file that can be read ({error}).") from error
    lacking = [name for name in PLACE if name not in table]
    if lacking:
        raise InputError(f"{given.path}: no column {', '.join(lacking)}: a table of windows has {', '.join(PLACE)}.")
    column = _column(given.path, table, track)
    frame = table[[*PLACE]].assign(value=table[column].astype(np.float64))
    label = column.replace("pred/", "label/", 1) if column.startswith("pred/") else "label"
    if label in table and label != column:
        frame["label"] = table[label].astype(np.float32)
    match = match_names(ground.sizes, map(str, pd.unique(frame["chrom"])), "the chromosomes to judge", str(given.path))
    back = {theirs: name for name, theirs in match.mapping.items()}
    frame["chrom"] = frame["chrom"].astype(str).map(back)
    frame = frame[frame["chrom"].notna()].reset_index(drop=True)
    if not len(frame):
        raise InputError(f"{given.path}: no window lies on {listing(ground.sizes)}.")
    length = (frame["end"] - frame["start"]).to_numpy()
    # The last bin of a chromosome may be a part of one.
    whole = length[frame["end"].to_numpy() < frame["chrom"].map(ground.sizes).to_numpy()]
    lengths = np.unique(whole if len(whole) else length)
    if len(lengths) > 1 or lengths[0] < 1:
        raise InputError(f"{given.path}: windows of {listing(map(str, lengths))} bp: give windows of one length.")
    width = int(lengths[0])
    tiled = not (frame["start"] % width).any() and not frame.duplicated(["chrom", "start"]).any()
    if not tiled or "label" in frame:
        return frame
    values = {name: np.full(-(-size // width), missing, dtype=np.float32) for name, size in ground.sizes.items()}
    for name, part in frame.groupby("chrom"):
        values[str(name)][part["start"].to_numpy() // width] = part["value"].to_numpy()
    return Along(given.name, Landscape(width, values))


def _column(path: Path, table: pd.DataFrame, track: str | None) -> str:
    numbers = [
        str(name)
        for name in table.columns
        if name not in PLACE
        and pd.api.types.is_numeric_dtype(table[name])
        and not str(name).startswith(("label", "revcomp/", "jsd/"))
    ]
    predicted = [name for name in numbers if name.startswith("pred/")] or numbers
    if track is not None:
        for name in (track, f"pred/{track}"):
            if name in numbers:
                return name
        raise InputError(f"{path}: no column '{track}'{did_you_mean(track, numbers)}; it has {listing(numbers)}.")
    if len(predicted) != 1:
        raise InputError(
            f"{path}: {len(predicted)} columns of numbers ({listing(predicted) or 'none'}): say which with --track."
        )
    return predicted[0]


def along_run(
    given: Named,
    ground: Ground,
    folder: Path,
    *,
    step_bp: int,
    track: str | None = None,
    cell: str | None = None,
) -> Along:
    """Return what a run predicts along chromosomes, read from bigWigs that are left for the next time.

    Amounts in the bins that the model has; of a model that says one number of a window, that of the window around
    each `step_bp` bases; of yes/no labels, logits.

    Args:
        given: the run folder.
        ground: the chromosomes.
        folder: where bigWigs go; those made by the same weights for the same chromosomes are not made again.
        step_bp: for models that say one number of a window.
        track: which, where the model has several.
        cell: the cell type to predict in.

    Raises:
        StrandwiseError: bad input, or a folder that cannot be written.
    """
    run = Run.open(given.path)
    predictor = run.predictor()
    head = predictor.head
    chosen = _track(run, head.tracks, track)
    source = ground.genome or open_genome(run.experiment)
    match = match_names(ground.sizes, source.sizes, "the chromosomes to judge", str(source.path)).require()
    whole = predictor.profile is not None or predictor.bins is not None
    step = (output_bp(run.experiment) or step_bp) if whole else step_bp
    names = list(match.mapping.values())
    told = what_decides(run, source, step, {name: source.sizes[name] for name in names}, chosen_cell(run, cell, False))
    safe = re.sub(r"[^\w.+-]", "_", given.name)
    out, record = folder / f"{safe}.bw", folder / f"{safe}.json"
    paths = bigwig_paths(out, head.tracks)
    if not (_said(record) == told and all(path.is_file() for path in paths)):
        predict(run, out, chrom=names, cell=cell, genome=source.path, step_bp=None if whole else step_bp)
        write_text(record, json.dumps(told, indent=1))
    path = paths[head.tracks.index(chosen)]
    bin_bp = run.experiment.windows.bin_bp if whole else step_bp
    found = along_file(Named(given.name, path), ground, math.nan, bin_bp)
    if (predictor.bins or head).link == "logistic":
        found = replace(found, landscape=_logits(found.landscape))
    return found if whole else replace(found, reads_bp=predictor.input_bp)


def _track(run: Run, tracks: Sequence[str], track: str | None) -> str:
    if track is None and len(tracks) == 1:
        return tracks[0]
    if track is None or track not in tracks:
        what = f"no track '{track}'{did_you_mean(track, tracks)}" if track else f"{len(tracks)} tracks"
        raise InputError(f"{run.path}: {what} ({listing(tracks)}): say which to judge with --track.")
    return track


def _said(record: Path) -> object:
    try:
        return json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _logits(landscape: Landscape) -> Landscape:
    # Probabilities are kept in 32 bits, in which the next below 1 is 1 - 6e-8.
    edge = 6e-8
    kept = {name: np.clip(values.astype(np.float64), edge, 1 - edge) for name, values in landscape.values.items()}
    return Landscape(landscape.bin_bp, {name: np.log(p / (1 - p)).astype(np.float32) for name, p in kept.items()})
