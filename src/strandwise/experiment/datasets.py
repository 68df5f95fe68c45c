"""From a config to labelled windows, with the signal that is measured in them."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from strandwise.data.batches import CONTROL, SIGNAL, TARGET
from strandwise.data.dream import BinSettings, Peaks, label_bins
from strandwise.data.peaks import label_peaks, read_intervals, read_targets
from strandwise.data.sequences import read_sequence_sets
from strandwise.data.signals import Measured, Signal, SignalCache, SignalReader, SignalStream
from strandwise.data.signals.settings import SignalFiles, all_tracks
from strandwise.data.signals.smoothing import JoinedReader, SmoothedReader
from strandwise.data.signals.statistics import together
from strandwise.data.windows import LabelledWindows
from strandwise.errors import ConfigError, InputError
from strandwise.experiment.config import Experiment
from strandwise.experiment.network import output_bp
from strandwise.files import existing_file
from strandwise.genome import Genome

_LOG = logging.getLogger(__name__)


def check_files(experiment: Experiment) -> None:
    """Refuse a config that names a file which is not there.

    Raises:
        InputError: naming the file and the nearest one beside it.
    """
    for path in experiment.files():
        existing_file(path, "named in the config")


def read_windows(experiment: Experiment) -> LabelledWindows:
    """Read every file of an experiment and return its windows, labelled and split.

    Raises:
        InputError: a file is missing or malformed, or files do not fit each other.
    """
    check_files(experiment)
    found = _read(experiment)
    odd = [track for track in found.tracks if not track.isprintable()]
    if odd:
        raise InputError(f"{odd[0]!r}: the name of a track holds what cannot be printed: rename it.")
    if not (found.frame["split"] == "test").any():
        found = replace(found, notes=(*found.notes, "no window is held out for the test: name some of it in [split]"))
    return found


def _read(experiment: Experiment) -> LabelledWindows:
    windows, split, seed = experiment.windows, experiment.split, experiment.windows.seed
    if experiment.sequences:
        return read_sequence_sets(experiment.sequences, windows.input_bp, split, jitter_bp=windows.jitter_bp, seed=seed)
    genome, blacklist = open_genome(experiment), experiment.genome.blacklist if experiment.genome else None
    if experiment.bins is not None:
        found = _read_bins(experiment, experiment.bins, genome)
        return with_signals(found, experiment, genome, passes=experiment.training.epochs)
    peaks, notes = read_targets(experiment.targets, genome, split.exclude)
    found = label_peaks(
        genome,
        peaks,
        windows,
        split,
        experiment.negatives,
        blacklist=blacklist,
        seed=seed,
        notes=notes,
    )
    return with_signals(found, experiment, genome, passes=experiment.training.epochs)


def _read_bins(experiment: Experiment, bins: BinSettings, genome: Genome) -> LabelledWindows:
    peaks, notes = read_bin_targets(experiment, genome)
    barred = None
    if experiment.genome is not None and experiment.genome.blacklist is not None:
        barred, said = read_intervals(experiment.genome.blacklist, genome, experiment.split.exclude)
        notes += said
    return label_bins(
        genome,
        peaks,
        experiment.windows,
        bins,
        experiment.split,
        per_peak=experiment.negatives.per_peak,
        epochs=experiment.training.epochs,
        blacklist=barred,
        seed=experiment.windows.seed,
        notes=notes,
    )


def read_bin_targets(experiment: Experiment, genome: Genome) -> tuple[dict[str, Peaks], list[str]]:
    """Return the conservative and relaxed peaks of every target, and notes on names that were reconciled.

    Raises:
        InputError: a malformed file, or one that does not fit the genome.
    """
    peaks, notes, exclude = dict[str, Peaks](), list[str](), experiment.split.exclude
    for target in experiment.targets:
        conservative, said = read_intervals(target.peaks, genome, exclude)
        relaxed, also = (None, []) if target.relaxed is None else read_intervals(target.relaxed, genome, exclude)
        peaks[target.name] = Peaks(conservative, relaxed)
        if experiment.bins is not None and experiment.bins.peak_bp is not None:
            peaks[target.name] = peaks[target.name].resized(experiment.bins.peak_bp, genome.sizes)
        notes += [*said, *also]
    return peaks, notes


def with_signals(
    windows: LabelledWindows, experiment: Experiment, genome: Genome, *, targets: bool = True, passes: int = 1
) -> LabelledWindows:
    """Return windows with readers of what an experiment reads beside the DNA, and of the signal it predicts.

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
    readers: dict[str, Measured] = {}
    said: list[str] = []
    read_bp = passes * len(windows) * windows.input_bp
    if experiment.inputs:
        readers[SIGNAL] = _reader(windows, _everywhere(_open(experiment, genome, experiment.inputs, read_bp), windows))
    if experiment.predicts_signal:
        middle, bin_bp = output_bp(experiment), experiment.windows.bin_bp
        if experiment.controls:
            if bin_bp != 1:
                raise ConfigError(f"[[controls]] are read base by base, and windows.bin_bp is {bin_bp}: set it to 1.")
            readers[CONTROL] = _controls(windows, experiment, genome, middle, read_bp)
        if targets:
            signals = _open(experiment, genome, experiment.targets, read_bp)
            # Of a file that is read in place this takes a pass over all of it, which training alone is worth.
            if passes > 1 or all(signal.counted for signal in signals):
                said += _check_counts(signals)
            readers[TARGET] = _reader(windows, signals, output_bp=middle, bin_bp=bin_bp, bins="sum")
    said += [note for reader in readers.values() for note in reader.notes]
    return replace(windows, signals=readers, notes=(*windows.notes, *dict.fromkeys(said)))


def _open(experiment: Experiment, genome: Genome, tables: Sequence[SignalFiles], read_bp: int) -> Sequence[Signal]:
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
            _everywhere(_open(experiment, genome, [control], read_bp), windows),
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


def _check_counts(signals: Sequence[Signal]) -> list[str]:
    notes = []
    for signal in signals:
        known = together(signal.statistics())
        known = known.negated() if signal.track.negate else known
        what = f"target '{signal.track.name}' ({signal.track.path})"
        if known.low < 0:
            raise InputError(
                f"{what} has values down to {known.low:g}, and profiles are counts of 0 or more: give the signal "
                "before it is normalised, or negate_minus = true for a strand that is written as negative numbers."
            )
        if known.high <= 0:
            raise InputError(f"{what} is 0 everywhere: give a file with signal.")
        if (known.values != np.round(known.values)).any():
            notes.append(f"{what} is not in whole numbers, and profiles are learned as counts: was it normalised?")
    return notes


def open_genome(experiment: Experiment) -> Genome:
    """Return the genome of an experiment.

    Raises:
        InputError: it has none, or the file is missing or malformed.
    """
    if experiment.genome is None:
        raise InputError("the model was trained on sequences, without a genome: name one with --genome FASTA.")
    return Genome(experiment.genome.fasta)
