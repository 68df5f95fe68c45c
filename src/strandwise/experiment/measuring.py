"""The signal that is measured in windows: what a model reads beside the DNA, and what it should say."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from strandwise.data.batches import CONTROL, SIGNAL, TARGET
from strandwise.data.labels import Cover
from strandwise.data.peaks import read_targets
from strandwise.data.signals import (
    Measured,
    Signal,
    SignalCache,
    SignalReader,
    SignalStream,
    SomeTracks,
    signal_in_peaks,
    uneven_peaks,
)
from strandwise.data.signals.cells import CellReader
from strandwise.data.signals.settings import SignalFiles, all_tracks
from strandwise.data.signals.smoothing import JoinedReader, SmoothedReader
from strandwise.data.signals.statistics import together
from strandwise.data.signals.tracks import tracks_type
from strandwise.data.stacking import CELL
from strandwise.data.windows import REPLICATE, LabelledWindows
from strandwise.errors import InputError, listing
from strandwise.experiment.config import Experiment
from strandwise.experiment.network import answer_of, output_bp
from strandwise.genome import Genome

_LOG = logging.getLogger(__name__)
_FILES_NAMED = 20


def open_genome(experiment: Experiment) -> Genome:
    """Return the genome of an experiment.

    Raises:
        InputError: it has none, or the file is missing or malformed.
    """
    if experiment.genome is None:
        raise InputError(
            "the model was trained on sequences, or imported, without a genome: name one with --genome FASTA."
        )
    return Genome(experiment.genome.fasta)


def with_signals(
    windows: LabelledWindows, experiment: Experiment, genome: Genome, *, targets: bool = True, passes: int = 1
) -> LabelledWindows:
    """Return windows with readers of what an experiment reads beside the DNA, and of the signal it predicts.

    Replicates come with what is predicted, under a name that neither models nor losses read.

    Args:
        windows: on the genome.
        experiment: names the files.
        genome: of the windows.
        targets: whether the signal that is predicted is to be read too.
        passes: how often the windows are going to be read; a file of which little is wanted is not decoded.

    Raises:
        InputError: a file is malformed, does not fit the genome, or holds no counts where counts are predicted.
        OutputError: the cache cannot be written.
    """
    _check_told(experiment)
    if CELL not in windows.frame:
        readers, said = _readers(windows, experiment, experiment, genome, targets, passes)
    else:
        readers, said = _readers_of_cells(windows, experiment, genome, targets, passes)
    said += [note for reader in readers.values() for note in reader.notes]
    return replace(windows, signals={**windows.signals, **readers}, notes=(*windows.notes, *_together(said)))


def _together(notes: Iterable[str]) -> list[str]:
    """Return one note for several files of which the same is said: what stands before the first ``: ``, listed."""
    files: dict[str, dict[str, None]] = {}
    for note in notes:
        file, colon, said = note.partition(": ")
        files.setdefault(said if colon else note, {}).update({file: None} if colon else {})
    return [f"{listing(named, most=_FILES_NAMED)}: {said}" if named else said for said, named in files.items()]


def uneven_inputs(experiment: Experiment, windows: LabelledWindows) -> list[str]:
    """Return a warning for each input of which much more lies in peaks in one cell than in another.

    What counts are the peaks of the targets that all cells have, `windows.label_bp` around their summits.

    Args:
        experiment: names peaks and cells.
        windows: with their signal.

    Raises:
        InputError: a file is malformed.
    """
    reader = windows.signals.get(SIGNAL)
    if not isinstance(reader, CellReader) or len(reader.by_cell) < 2:
        return []
    named = [{target.name for target in experiment.of_cell(cell).targets if target.peaks} for cell in reader.by_cell]
    shared = set.intersection(*named)
    if not shared:
        return []
    genome, shares = open_genome(experiment), dict[str, dict[str, float]]()
    for cell, one in reader.by_cell.items():
        targets = [target for target in experiment.of_cell(cell).targets if target.name in shared]
        peaks, _ = read_targets(targets, genome, experiment.split.exclude)
        where = pd.concat(peaks.values())
        start = (where["summit"] - experiment.windows.label_bp // 2).clip(lower=0)
        cover = Cover(where[["chrom"]].assign(start=start, end=start + experiment.windows.label_bp))
        for signal in one.signals:
            shares.setdefault(signal.track.name, {})[cell] = signal_in_peaks(signal, cover)
    said = [uneven_peaks(name, by_cell) for name, by_cell in shares.items()]
    return [each for each in said if each is not None]


def _readers_of_cells(
    windows: LabelledWindows, experiment: Experiment, genome: Genome, targets: bool, passes: int
) -> tuple[dict[str, Measured], list[str]]:
    """Return readers that read each window from the files of its cell, and notes."""
    if not (experiment.inputs or experiment.controls or (targets and experiment.predicts_signal)):
        return {}, []
    cells, said = windows.frame[CELL].to_numpy(dtype=object), list[str]()
    found: dict[str, dict[str, Measured]] = {}
    for cell in pd.unique(cells):
        part = windows.take(np.flatnonzero(cells == cell))
        readers, notes = _readers(part, experiment, experiment.of_cell(cell), genome, targets, passes)
        found[cell] = readers
        said += notes
    tracks = [track.name for track in all_tracks(experiment.of_any_cell.targets)]
    stacked: dict[str, Measured] = {}
    for name in dict.fromkeys(name for readers in found.values() for name in readers):
        of_each = {cell: readers.get(name) for cell, readers in found.items()}
        if name == TARGET:
            kind = tracks_type(all_tracks(experiment.of_any_cell.targets))
            known = {cell: all_tracks(experiment.of_cell(cell).targets) for cell in found}
            places = {cell: [tracks.index(track.name) for track in mine] for cell, mine in known.items()}
            stacked[name] = CellReader(of_each, cells, kind, places)
        elif name == REPLICATE:
            stacked[name] = CellReader(of_each, cells, tracks_type(all_tracks(experiment.of_any_cell.targets)))
        else:
            kind = next(reader.type for reader in of_each.values() if reader is not None)
            stacked[name] = CellReader(of_each, cells, kind)
    return stacked, said


def _readers(
    windows: LabelledWindows,
    experiment: Experiment,
    here: Experiment,
    genome: Genome,
    targets: bool,
    passes: int,
) -> tuple[dict[str, Measured], list[str]]:
    """Return readers of the files of one cell, or of all there is, and notes; what is predicted is for all to say."""
    readers: dict[str, Measured] = {}
    said: list[str] = []
    read_bp = passes * len(windows) * windows.input_bp
    if here.inputs:
        readers[SIGNAL] = _reader(windows, _everywhere(open_tables(experiment, genome, here.inputs, read_bp), windows))
    if experiment.predicts_signal:
        middle, bin_bp = output_bp(experiment), experiment.windows.bin_bp
        profiles = answer_of(experiment) == "profile"
        if here.controls:
            readers[CONTROL] = _controls(windows, here, genome, middle, read_bp)
        if targets and here.targets:
            signals = open_tables(experiment, genome, here.targets, read_bp)
            # Of a file that is read in place this takes a pass over all of it, which training alone is worth.
            if passes > 1 or all(signal.counted for signal in signals):
                said += _check_amounts(signals, counts=profiles)
            sums = "sum" if profiles else "mean"
            lengths: dict[str, Any] = {"output_bp": middle, "bin_bp": bin_bp, "bins": sums}
            readers[TARGET] = _reader(windows, signals, **lengths)
            again = {target.name: target.of_replicate() for target in here.targets}
            second = [table for table in again.values() if table is not None]
            if second:
                signals = open_tables(experiment, genome, second, len(windows) * middle)
                if all(signal.counted for signal in signals):
                    said += _check_amounts(signals, counts=profiles)
                whole = all_tracks(experiment.of_any_cell.targets)
                places = [[track.name for track in whole].index(track.name) for track in all_tracks(second)]
                readers[REPLICATE] = SomeTracks(_reader(windows, signals, **lengths), places, tracks_type(whole))
    return readers, said


def _check_told(experiment: Experiment) -> None:
    """Refuse an imported model whose signal is in no file, or that is told what no file holds."""
    imported = experiment.imported
    if imported is not None and imported.metadata:
        raise InputError(
            f"the model is told {listing(imported.metadata)} of each window, which are in no file of its run: give "
            "them as an array, to Run.open(...).predictor()."
        )
    if imported is not None and imported.inputs and not experiment.inputs:
        files = " ".join(f"--signal {name}=FILE" for name in imported.inputs)
        raise InputError(
            f"the model reads {listing(imported.inputs)} beside the DNA, and its run names no file of it: import it "
            f"again with {files}."
        )


def open_tables(
    experiment: Experiment, genome: Genome, tables: Sequence[SignalFiles], read_bp: int
) -> Sequence[Signal]:
    """Return the signals of tables, from the cache or read in place.

    Args:
        experiment: says whether signals are cached, and where.
        genome: of the signals.
        tables: name the files.
        read_bp: how many bases are going to be read; a file of which little is wanted is not decoded.

    Raises:
        InputError: a file is malformed, or does not fit the genome.
        OutputError: the cache cannot be written.
    """
    settings, tracks = experiment.signals, all_tracks(tables)
    if not settings.cache:
        return SignalStream(genome.sizes).open(tracks)
    return SignalCache(genome.sizes, settings.folder, settings.dtype, say=_LOG.info).open_for(tracks, read_bp)


def _reader(windows: LabelledWindows, signals: Sequence[Signal], **options: Any) -> SignalReader:
    frame = windows.frame
    start = frame["start"].to_numpy()
    return SignalReader(signals, frame["chrom"].to_numpy(), start, input_bp=windows.input_bp, **options)


def _controls(
    windows: LabelledWindows, experiment: Experiment, genome: Genome, middle: int, read_bp: int
) -> JoinedReader:
    parts = []
    for control in experiment.controls:
        reader = _reader(
            windows,
            _everywhere(open_tables(experiment, genome, [control], read_bp), windows),
            output_bp=middle + max(control.smooth_bp) - 1,
        )
        parts.append(SmoothedReader(reader, control.smooth_bp, together=control.strands == "together"))
    return JoinedReader(parts)


def _everywhere(signals: Sequence[Signal], windows: LabelledWindows) -> Sequence[Signal]:
    """Refuse signal that a model would read as 0 where it was not measured at all."""
    used = windows.frame["chrom"].value_counts()
    for signal in signals:
        for chrom, measured in zip(signal.sizes, signal.measured, strict=True):
            if not measured and used.get(chrom, 0):
                raise InputError(
                    f"track '{signal.track.name}' ({signal.track.path}) has nothing on {chrom}, where a model would "
                    f"read it in {used[chrom]} windows: give a file that has {chrom}, or name it in split.exclude."
                )
    return signals


def _check_amounts(signals: Sequence[Signal], *, counts: bool) -> list[str]:
    notes = []
    for signal in signals:
        known = together(signal.statistics())
        known = known.negated() if signal.track.negate else known
        what = f"target '{signal.track.name}' ({signal.track.path})"
        if known.low < 0:
            raise InputError(
                f"{what} has values down to {known.low:g}, and what is predicted is 0 or more: give the signal "
                "before it is normalised, or negate_minus = true for a strand that is written as negative numbers."
            )
        if known.high <= 0:
            raise InputError(f"{what} is 0 everywhere: give a file with signal.")
        if counts and (known.values != np.round(known.values)).any():
            notes.append(f"{what} is not in whole numbers, and profiles are learned as counts: was it normalised?")
    return notes
