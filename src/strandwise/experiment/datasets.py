"""From a config to labelled windows."""

from dataclasses import replace

from strandwise.data.peaks import label_peaks, read_targets
from strandwise.data.sequences import read_sequence_sets
from strandwise.data.windows import LabelledWindows
from strandwise.errors import InputError
from strandwise.experiment.config import Experiment
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
    peaks, notes = read_targets(experiment.targets, genome, split.exclude)
    return label_peaks(
        genome,
        peaks,
        windows,
        split,
        experiment.negatives,
        blacklist=blacklist,
        seed=seed,
        notes=notes,
    )


def open_genome(experiment: Experiment) -> Genome:
    """Return the genome of an experiment.

    Raises:
        InputError: it has none, or the file is missing or malformed.
    """
    if experiment.genome is None:
        raise InputError("the model was trained on sequences, without a genome: name one with --genome FASTA.")
    return Genome(experiment.genome.fasta)
