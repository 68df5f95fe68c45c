"""From a config to labelled windows, with the signal that is measured in them."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from strandwise.data.chunked import ChunkSettings, label_chunks, labels_of_chunks
from strandwise.data.dream import BinSettings, Peaks, label_bins
from strandwise.data.peaks import label_peaks, read_intervals, read_targets
from strandwise.data.reading import PackedGenome
from strandwise.data.sequences import read_sequence_sets
from strandwise.data.signals import Signal
from strandwise.data.signals.settings import SignalFiles
from strandwise.data.splits import roles_of_cell
from strandwise.data.stacking import CELL, stack_cells, with_roles
from strandwise.data.tiles import TileSettings, label_as_tiles, label_tiles
from strandwise.data.windows import LabelledWindows
from strandwise.errors import InputError, listing
from strandwise.experiment.cells import cells_of
from strandwise.experiment.config import Experiment
from strandwise.experiment.measuring import open_genome, open_tables, with_signals
from strandwise.experiment.metadata import with_metadata
from strandwise.files import existing_file
from strandwise.genome import Genome


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
    if experiment.imported is not None and not (experiment.targets or experiment.sequences):
        raise InputError(
            "the model was imported, so its config names no windows to train or judge it on: predict with --bed or "
            "--chrom."
        )
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
    genome = open_genome(experiment)
    found = _read_cells(experiment, genome) if experiment.cells else _read_one(experiment, genome, _Part(seed))
    found = with_metadata(found, experiment, genome)
    return with_signals(found, experiment, genome, passes=experiment.training.epochs)


def _read_cells(experiment: Experiment, genome: Genome) -> LabelledWindows:
    """Return the windows of every cell that has targets, which share one genome in memory."""
    bin_bp = 0 if experiment.bins is None else experiment.bins.bin_bp
    packed = PackedGenome(genome, [], experiment.windows.input_bp + experiment.windows.jitter_bp + bin_bp)
    tracks = [target.name for target in experiment.of_any_cell.targets]
    parts = {}
    for cell in cells_of(experiment.targets):
        roles = roles_of_cell(experiment.split, cell)
        # Its negatives do not depend on which other cells there are.
        seed = [experiment.windows.seed, zlib.crc32(cell.encode())]
        part = _Part(int(np.random.SeedSequence(seed).generate_state(1)[0]), packed, roles, single=len(tracks) == 1)
        parts[cell] = _read_one(experiment.of_cell(cell), genome, part)
    found = stack_cells(parts, tracks)
    return replace(found, notes=(*found.notes, *_idle_cells(experiment, found)))


def _idle_cells(experiment: Experiment, windows: LabelledWindows) -> list[str]:
    """Say which held-out cells have no window left."""
    split, cell = windows.frame["split"], windows.frame[CELL]
    held_out = {"valid": experiment.split.valid_cells, "test": experiment.split.test_cells}
    return [
        f"split.{name}_cells names '{each}', of which no window lies where {name} does"
        for name, cells in held_out.items()
        for each in cells
        if not ((split == name) & (cell == each)).any()
    ]


class _Part(NamedTuple):
    """What the windows of one cell share with those of the others."""

    seed: int
    packed: PackedGenome | None = None
    roles: Mapping[str, str] | None = None
    single: bool | None = None


def _read_one(experiment: Experiment, genome: Genome, part: _Part) -> LabelledWindows:
    """Return the windows of one cell, or of all there is, by the recipe of the config."""
    if experiment.tiles is not None:
        return with_roles(_read_tiles(experiment, experiment.tiles, genome, part.packed), part.roles)
    if experiment.chunks is not None:
        return with_roles(_read_chunks(experiment, experiment.chunks, genome, part), part.roles)
    if experiment.bins is not None:
        return _read_bins(experiment, experiment.bins, genome, part)
    peaks, notes = read_targets(experiment.targets, genome, experiment.split.exclude)
    return label_peaks(
        genome,
        peaks,
        experiment.windows,
        experiment.split,
        experiment.negatives,
        blacklist=experiment.genome.blacklist if experiment.genome else None,
        notes=notes,
        seed=part.seed,
        packed=part.packed,
        roles=part.roles,
    )


def _read_bins(experiment: Experiment, bins: BinSettings, genome: Genome, part: _Part) -> LabelledWindows:
    peaks, notes = read_bin_targets(experiment, genome)
    barred, said = read_barred(experiment, genome)
    return label_bins(
        genome,
        peaks,
        experiment.windows,
        bins,
        experiment.split,
        per_peak=experiment.negatives.per_peak,
        epochs=experiment.training.epochs,
        blacklist=barred["blacklist"],
        notes=[*notes, *said],
        **part._asdict(),
    )


def _read_tiles(
    experiment: Experiment, tiles: TileSettings, genome: Genome, packed: PackedGenome | None
) -> LabelledWindows:
    peaks, notes = read_targets(experiment.targets, genome, experiment.split.exclude)
    barred, said = read_barred(experiment, genome)
    notes += said
    return label_tiles(genome, peaks, experiment.windows, tiles, experiment.split, **barred, notes=notes, packed=packed)


def _read_chunks(experiment: Experiment, chunks: ChunkSettings, genome: Genome, part: _Part) -> LabelledWindows:
    whole = sum(genome.sizes.values())
    # The whole genome is looked through, and then read in every epoch.
    signals = _target_signals(experiment.targets, experiment, genome, (1 + experiment.training.epochs) * whole)
    replicates: dict[str, Sequence[Signal]] = {}
    if chunks.test_by == "replicate":
        second = [table for target in experiment.targets if (table := target.of_replicate()) is not None]
        replicates = _target_signals(second, experiment, genome, whole)
    barred, notes = read_barred(experiment, genome)
    idle = [target.name for target in experiment.targets if target.peaks is not None]
    if idle:
        notes.append(f"peaks of {listing(idle)} are not read: [chunks] finds windows by the signal")
    return label_chunks(
        genome,
        signals,
        experiment.windows,
        chunks,
        experiment.split,
        **barred,
        notes=notes,
        packed=part.packed,
        roles=part.roles,
        replicates=replicates,
    )


def _target_signals(
    tables: Sequence[SignalFiles], experiment: Experiment, genome: Genome, read_bp: int
) -> dict[str, Sequence[Signal]]:
    signals = iter(open_tables(experiment, genome, tables, read_bp))
    return {table.name: [next(signals) for _ in table.tracks()] for table in tables}


def read_barred(experiment: Experiment, genome: Genome) -> tuple[dict[str, pd.DataFrame | None], list[str]]:
    """Return the regions that windows keep away from, by what they are, and notes on names that were reconciled.

    Raises:
        InputError: a malformed file, or one that does not fit the genome.
    """
    settings, exclude = experiment.genome, experiment.split.exclude
    found, notes = dict[str, pd.DataFrame | None](), list[str]()
    for name in ("blacklist", "unmappable"):
        path = None if settings is None else getattr(settings, name)
        found[name], said = (None, []) if path is None else read_intervals(path, genome, exclude)
        notes += said
    return found, notes


def labelled_along(
    windows: LabelledWindows, peaks: Mapping[str, pd.DataFrame], experiment: Experiment, genome: Genome
) -> LabelledWindows:
    """Return windows that lie anywhere with the labels that `[tiles]` or `[chunks]` would give them, if either is used.

    Args:
        windows: on the genome, labelled by peaks.
        peaks: of each target.
        experiment: the recipe.
        genome: of the windows.
    """
    if experiment.tiles is not None:
        return label_as_tiles(windows, peaks, genome.sizes, experiment.windows, experiment.tiles)
    if experiment.chunks is None:
        return windows
    signals = _target_signals(experiment.targets, experiment, genome, len(windows) * windows.input_bp)
    labels, weights = labels_of_chunks(windows.frame, signals, experiment.windows, experiment.chunks)
    return replace(windows, labels=labels, weights=weights, tracks=tuple(signals))


def read_bin_targets(experiment: Experiment, genome: Genome) -> tuple[dict[str, Peaks], list[str]]:
    """Return the conservative and relaxed peaks of every target, and notes on names that were reconciled.

    Raises:
        InputError: a malformed file, or one that does not fit the genome.
    """
    peaks, notes, exclude = dict[str, Peaks](), list[str](), experiment.split.exclude
    for target in experiment.targets:
        if target.peaks is None:
            continue
        conservative, said = read_intervals(target.peaks, genome, exclude)
        relaxed, also = (None, []) if target.relaxed is None else read_intervals(target.relaxed, genome, exclude)
        peaks[target.name] = Peaks(conservative, relaxed)
        if experiment.bins is not None and experiment.bins.peak_bp is not None:
            peaks[target.name] = peaks[target.name].resized(experiment.bins.peak_bp, genome.sizes)
        notes += [*said, *also]
    return peaks, notes
