"""Whatever a comparison names: runs and files of predictions, opened at once and read when all else is clear."""

import hashlib
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from strandwise.analysis.comparison import Along, Contestant, Landscape, Listed, resolution
from strandwise.errors import InputError, did_you_mean, listing
from strandwise.experiment.ground import Ground, Named, opened_signal
from strandwise.experiment.listed import along_table
from strandwise.experiment.network import output_bp
from strandwise.experiment.predicting import chosen_cell, open_genome, predict, what_decides
from strandwise.experiment.run import CONFIG, Run
from strandwise.experiment.trial import RIVALS
from strandwise.files import check_writable, existing_file, write_text
from strandwise.genome import match_names
from strandwise.genome.bbi import is_bigwig
from strandwise.prediction import Predictor, bigwig_paths


@dataclass(frozen=True)
class Entrant:
    """One that is to be judged, opened and found fit.

    Attributes:
        name: what it is called.
        bin_bp: the finest bins it answers for; None where it says one number of a window.
        windows: those of a table that is judged at its own windows.
        read: gives what it says; of a run, by predicting, which may take long.
        notes: what a person should know.
    """

    name: str
    bin_bp: int | None
    windows: pd.DataFrame | None
    read: Callable[[], Contestant]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """How contestants are asked.

    Attributes:
        step_bp: how densely runs are asked that say one number of a window.
        track: which, where there are several.
        cell: the cell type that runs predict in.
        missing: the value of bases that a file of predictions says nothing about.
    """

    step_bp: int = 32
    track: str | None = None
    cell: str | None = None
    missing: float = math.nan


def named(given: Sequence[str | Path]) -> list[Named]:
    """Return what to compare from ``PATH`` or ``NAME=PATH``.

    Raises:
        InputError: nothing, two of one name, something that is not there, or a folder that is no run.
    """
    if not given:
        raise InputError("there is nothing to compare: give run folders, bigWigs or tables of predictions.")
    found = []
    for each in map(str, given):
        name, path = _parts(each)
        place = Path(path)
        if place.is_dir() and not (place / CONFIG).is_file():
            raise InputError(f"{place}: a folder without {CONFIG} is no run: give a run folder, a bigWig or a parquet.")
        if not place.is_dir():
            existing_file(place, "predictions")
        found.append(Named(name or (place.resolve().name if place.is_dir() else place.stem), place))
    for each in found:
        if [other.name for other in found].count(each.name) > 1:
            raise InputError(f"two of those to compare are called '{each.name}': name them, as in {each.name}2=PATH.")
        if each.name in RIVALS:
            raise InputError(
                f"'{each.name}' is what a ceiling or baseline is called: name it otherwise, as in model={each.path}."
            )
    return found


def _parts(given: str) -> tuple[str, str]:
    # Names and paths may well hold a "=".
    ways = [("", given), *((given[:at], given[at + 1 :]) for at, letter in enumerate(given) if letter == "=")]
    there = [way for way in ways if way[1] and Path(way[1]).exists()]
    return there[0] if there else ways[-1]


def entered(given: Sequence[Named], ground: Ground, folder: Path, asked: Asked) -> list[Entrant]:
    """Return contestants, each opened and found fit, before any of them predicts.

    Args:
        given: runs and files.
        ground: the chromosomes.
        folder: where the predictions of runs go.
        asked: how.

    Raises:
        StrandwiseError: a file that is damaged or does not fit, a run that cannot be asked so.
    """
    runs = [Run.open(each.path) for each in given if each.is_run]
    if asked.cell is not None and not any(_of_cells(run) for run in runs):
        raise InputError(f"--cell {asked.cell}: none of the runs differs from cell to cell: leave it out.")
    found = []
    for each in given:
        if each.is_run:
            found.append(enter_run(each, ground, folder, asked))
        elif each.is_table:
            found.append(enter_table(each, ground, asked))
        else:
            said = along_file(each, ground, asked.missing)
            found.append(Entrant(each.name, said.bin_bp, None, lambda said=said: said))
    return found


def enter_table(given: Named, ground: Ground, asked: Asked) -> Entrant:
    """Return a table of predictions; errors as `listed.along_table`."""
    said, notes = along_table(given, ground, asked.track, asked.missing)
    if isinstance(said, Along):
        return Entrant(given.name, said.bin_bp, None, lambda: said, tuple(notes))
    return Entrant(given.name, None, said, lambda: Listed(given.name, said), tuple(notes))


def along_file(given: Named, ground: Ground, missing: float, bin_bp: int | None = None) -> Along:
    """Return a bigWig of predictions in its own bins.

    Args:
        given: the file.
        ground: the chromosomes.
        missing: the value of bases that the file says nothing about.
        bin_bp: bins to read it in; its own if not given.

    Raises:
        InputError: it is no bigWig, does not fit the chromosomes, or is the same everywhere.
    """
    with given.path.open("rb") as stream:
        if not is_bigwig(stream.read(4)):
            raise InputError(
                f"{given.path}: predictions are read from a run folder, a bigWig (.bw) or a table of windows "
                "(.parquet): write them as one of these."
            )
    signal, names = opened_signal(given.path, ground)
    return Along(given.name, Landscape.of_signal(signal, names, bin_bp or resolution(signal, names), missing))


def enter_run(given: Named, ground: Ground, folder: Path, asked: Asked) -> Entrant:
    """Return a run that is to predict along chromosomes, into bigWigs that are left for the next time.

    Amounts in the bins that the model has; of a model that says one number of a window, that of the window around
    each `step_bp` bases; of yes/no labels, logits.

    Args:
        given: the run folder.
        ground: the chromosomes.
        folder: where bigWigs go; those made by the same weights for the same chromosomes are not made again.
        asked: how.

    Raises:
        StrandwiseError: bad input, or a folder that cannot be written.
    """
    run = Run.open(given.path)
    predictor = run.predictor()
    tracks, (track, notes) = predictor.head.tracks, _track(given.name, run, predictor.head.tracks, asked.track)
    source = ground.genome or open_genome(run.experiment)
    match = match_names(ground.sizes, source.sizes, "the chromosomes to judge", str(source.path)).require()
    along = predictor.profile is not None or predictor.bins is not None
    step = output_bp(run.experiment) if along else asked.step_bp
    bin_bp = run.experiment.windows.bin_bp if along else step
    names = list(match.mapping.values())
    cell = chosen_cell(run, asked.cell if _of_cells(run) else None, False)
    mine = folder / file_name(given.name)
    out, record = mine / "predictions.bw", mine / "predictions.json"
    paths = bigwig_paths(out, tracks)
    check_writable(record)
    yes_no = (predictor.bins or predictor.head).link == "logistic"
    about_bp = None if along else _about_bp(run, predictor)
    if about_bp is not None and step > about_bp:
        notes.append(
            f"{given.name}: asked every {step} bp about {about_bp} bp, it says nothing of bases between: --step "
            f"{about_bp} or less asks of all"
        )

    def read() -> Along:
        told = what_decides(run, source, step, {name: source.sizes[name] for name in names}, cell)
        if not (_said(record) == told and all(path.is_file() for path in paths)):
            # Lest it be believed of other bigWigs, should this stop before it is written anew.
            record.unlink(missing_ok=True)
            predict(run, out, chrom=names, cell=cell, genome=source.path, step_bp=None if along else step)
            write_text(record, json.dumps(told, indent=1))
        said = along_file(Named(given.name, paths[tracks.index(track)]), ground, math.nan, bin_bp).landscape
        said = _logits(said) if yes_no else said
        return Along(given.name, said, about_bp=about_bp, highest=along and yes_no, on_scale=not yes_no)

    return Entrant(given.name, bin_bp if along else None, None, read, tuple(notes))


def file_name(name: str) -> str:
    """Return a name for the file system: the name itself where all systems take it, else one made of it.

    >>> file_name("chip"), file_name("a/b")
    ('chip', 'a_b.c14cddc0')
    """
    safe = re.sub(r"[^\w+-]", "_", name)
    return safe if safe == name else f"{safe[:80]}.{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _track(name: str, run: Run, tracks: Sequence[str], track: str | None) -> tuple[str, list[str]]:
    if len(tracks) == 1:
        other = track is not None and track != tracks[0]
        return tracks[0], [f"{name}: its one track is called {tracks[0]}, not {track}"] if other else []
    if track is None or track not in tracks:
        what = f"no track '{track}'{did_you_mean(track, tracks)}" if track else f"{len(tracks)} tracks"
        raise InputError(f"{run.path}: {what} ({listing(tracks)}): say which to judge with --track.")
    return track, []


def _of_cells(run: Run) -> bool:
    return bool(run.experiment.cells) or run.experiment.metadata is not None


def _about_bp(run: Run, predictor: Predictor) -> int:
    """Return how many bases in the middle of its window a model's one number is about: where a peak makes it yes."""
    if predictor.head.target != "labels":
        return predictor.input_bp
    bins, windows = run.experiment.bins, run.experiment.windows
    return min(predictor.input_bp, windows.label_bp if bins is None else bins.bin_bp)


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
