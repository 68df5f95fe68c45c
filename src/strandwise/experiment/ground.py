"""What a comparison judges by: the files that say what is so, the chromosomes, and what keeps a window out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from strandwise.analysis.comparison import Barred, Landscape
from strandwise.data.labels import Cover, unknown_runs
from strandwise.data.splits import held_out_regions
from strandwise.errors import InputError, StrandwiseError, listing
from strandwise.experiment.run import Run
from strandwise.files import existing_file
from strandwise.genome import (
    BedGraph,
    BigWig,
    Genome,
    check_within,
    match_names,
    open_signal,
    read_bed,
    rename_chromosomes,
)

PEAKS = "peaks"


@dataclass(frozen=True)
class Truth:
    """The files that say what is so.

    Attributes:
        signal: measured coverage, a bigWig.
        peaks: BED or narrowPeak; without it nothing is judged by yes or no.
        replicate: the coverage of a second experiment.
        genome: FASTA or 2bit; rules of DNA read it, and windows rich in N are left out.
        exclude: regions that no window touches.
        unmappable: regions to which reads cannot be traced.
    """

    signal: str | Path
    peaks: str | Path | None = None
    replicate: str | Path | None = None
    genome: str | Path | None = None
    exclude: str | Path | None = None
    unmappable: str | Path | None = None


@dataclass(frozen=True)
class Terms:
    """Where and how finely contestants are judged.

    Attributes:
        chrom: chromosomes; if not given, those that the first run holds out for its test, or all that all files have.
        window_bp: length of the windows.
        bins: lengths of bins to judge amounts in; if not given, those that contestants have.
        step_bp: how densely models are asked that say one number of a window.
        threshold: a window has coverage if its highest bin is more than this; if not given, half of them have.
        ratios: random windows for each one around a peak; the first is that of the main test.
    """

    chrom: tuple[str, ...] = ()
    window_bp: int = 1024
    bins: tuple[int, ...] = ()
    step_bp: int = 32
    threshold: float | None = None
    ratios: tuple[float, ...] = (1, 2, 5, 10, 20)


@dataclass(frozen=True)
class Named:
    """What a comparison was given.

    Attributes:
        name: on the table.
        path: a run folder, a bigWig or a parquet file.
    """

    name: str
    path: Path

    @property
    def is_run(self) -> bool:
        """Whether it is a run folder."""
        return self.path.is_dir()

    @property
    def is_table(self) -> bool:
        """Whether it is a table of windows."""
        return self.path.suffix == ".parquet"


@dataclass(frozen=True)
class Ground:
    """The chromosomes that are judged, and the others.

    Attributes:
        sizes: of those that are judged, in bp, by the names of the genome, or of the signal where no genome is given.
        genome: the DNA, if it was given.
        known: all chromosomes and their sizes, by the same names.
    """

    sizes: Mapping[str, int]
    genome: Genome | None
    known: Mapping[str, int]

    def names_in(self, signal: BigWig | BedGraph) -> dict[str, str]:
        """Return what a signal file calls each chromosome.

        Raises:
            InputError: it lacks one, or has it of another size.
        """
        if isinstance(signal, BedGraph):
            raise InputError(f"{signal.path}: a bedGraph does not say how long chromosomes are: make it a bigWig.")
        found = match_names(self.sizes, signal.sizes, "the chromosomes to judge", str(signal.path))
        try:
            names = found.require().mapping
        except InputError as error:
            raise InputError(f"{error} Name those that are in all of the files with --chrom.") from None
        for name, theirs in names.items():
            if signal.sizes[theirs] != self.sizes[name]:
                raise InputError(
                    f"{signal.path}: {theirs} is {signal.sizes[theirs]:,} bp, and {name} {self.sizes[name]:,} bp: is "
                    "it from another assembly?"
                )
        return names

    def only(self, chrom: str) -> "Ground":
        """Return one chromosome, whether it is judged or not."""
        return Ground({chrom: self.known[chrom]}, self.genome, self.known)


def opened_signal(path: str | Path, ground: Ground) -> tuple[BigWig | BedGraph, dict[str, str]]:
    """Return a signal file, and what it calls each chromosome; errors as `Ground.names_in`."""
    signal = open_signal(path)
    return signal, ground.names_in(signal)


def opened_measurement(path: str | Path, ground: Ground) -> tuple[BigWig | BedGraph, dict[str, str]]:
    """Return a file of what was measured, and what it calls each chromosome.

    Raises:
        InputError: as `Ground.names_in`, or it has no value of a chromosome, which then was not measured.
    """
    signal, names = opened_signal(path, ground)
    there = measured_in(signal)
    silent = [name for name, theirs in names.items() if theirs not in there]
    if silent:
        raise InputError(
            f"{path}: names {listing(silent)} and has no value there, so nothing was measured to judge by: name other "
            "chromosomes with --chrom."
        )
    return signal, names


def measured_in(signal: BigWig | BedGraph) -> list[str]:
    """Return the chromosomes that a signal file has any value of, by its own names."""
    return [name for name in signal.sizes if name not in signal.silent]


def ground_of(given: Sequence[Named], truth: Truth, terms: Terms) -> Ground:
    """Return the chromosomes to judge: those asked for, else those that the first run holds out, else all there are.

    Those are what was measured and what all files of predictions name.

    Args:
        given: whose genome is read where none is named.
        truth: names the signal and, maybe, the genome.
        terms: names the chromosomes, maybe.

    Raises:
        InputError: a file is missing or damaged, or a chromosome is not there.
    """
    signal = open_signal(truth.signal)
    genome = None if truth.genome is None else Genome(existing_file(truth.genome, "a genome"))
    runs = [Run.open(each.path) for each in given if each.is_run]
    if genome is None:
        own = [run.experiment.genome.fasta for run in runs if run.experiment.genome is not None]
        genome = Genome(own[0]) if own else None
    sizes = dict(signal.sizes if genome is None else genome.sizes)
    wanted = list(terms.chrom)
    if not wanted and runs:
        held = _held_out(runs[0], sizes)
        wanted = [] if held is None else [name for name, size in sizes.items() if _covers(held, name, size)]
    if not wanted:
        measured = match_names(sizes, measured_in(signal), "genome", str(truth.signal)).mapping
        wanted = [chrom for chrom in sizes if chrom in measured]
        for each in given:
            there = match_names(wanted, _chromosomes_in(each) or wanted, "", "").mapping
            # Where there is none in common, the file is refused by what it lacks.
            wanted = [chrom for chrom in wanted if chrom in there] or wanted
    if not wanted:
        what = "the chromosomes" if genome is None else str(genome.path)
        match_names(sizes, signal.sizes, what, str(truth.signal)).require()
        raise InputError(f"{truth.signal}: no value of any chromosome of {what}: give what was measured there.")
    where = str(truth.signal if genome is None else genome.path)
    match = match_names(wanted, sizes, "--chrom", where).require()
    return Ground({match.mapping[name]: sizes[match.mapping[name]] for name in wanted}, genome, sizes)


def _chromosomes_in(given: Named) -> list[str] | None:
    """Return the chromosomes that a file of predictions has a value of; None of a run, or of what cannot be read so."""
    if given.is_run:
        return None
    try:
        if given.is_table:
            return [str(name) for name in pq.read_table(given.path, columns=["chrom"])["chrom"].unique().to_pylist()]
        return measured_in(open_signal(given.path))
    except (pa.ArrowException, KeyError, OSError, ValueError, InputError):
        # What is wrong with it is said when it is read.
        return None


def measured_along(path: str | Path, ground: Ground, bin_bp: int) -> Landscape:
    """Return measured coverage in bins, 0 where the file says nothing; errors as `opened_measurement`."""
    signal, names = opened_measurement(path, ground)
    return Landscape.of_signal(signal, names, bin_bp, missing=0.0)


def training_notes(given: Sequence[Named], ground: Ground) -> list[str]:
    """Say which models may have seen what they are judged on."""
    notes = []
    for each in given:
        if not each.is_run:
            continue
        run = Run.open(each.path)
        held = _held_out(run, ground.known)
        if held is None:
            notes.append(f"{each.name}: what it was trained on is not known here")
            continue
        unused = match_names(run.experiment.split.exclude, ground.known, "exclude", "the genome").mapping.values()
        seen = [name for name, size in ground.sizes.items() if name not in unused and not _covers(held, name, size)]
        if seen:
            notes.append(f"{each.name}: {listing(seen)} was not held out whole in its training: its metrics flatter it")
    return notes


def _held_out(run: Run, sizes: Mapping[str, int]) -> pd.DataFrame | None:
    """Return what a run holds out for its test, in the names of `sizes`; None where that is not known."""
    experiment = run.experiment
    if experiment.imported is not None or experiment.genome is None:
        return None
    try:
        own: Mapping[str, int] = Genome(experiment.genome.fasta).sizes
    except InputError:
        # It was trained elsewhere, and its genome is not at hand.
        own = sizes
    try:
        regions = held_out_regions(experiment.split, own)
    except StrandwiseError:
        return None
    match = match_names(list(pd.unique(regions["chrom"])), sizes, "test", "the genome").mapping
    regions = regions[(regions["split"] == "test") & regions["chrom"].isin(list(match))]
    return regions.assign(chrom=regions["chrom"].map(match))


def _covers(regions: pd.DataFrame, chrom: str, size: int) -> bool:
    here = regions[regions["chrom"] == chrom]
    return int((here["end"].clip(upper=size) - here["start"]).sum()) >= size


def intervals_of(path: str | Path, what: str, ground: Ground) -> pd.DataFrame:
    """Return intervals by the names of the ground, those of chromosomes that are not judged too.

    Raises:
        InputError: a file that is missing or malformed, in which no chromosome is known or one goes by two names, or
            one past the end of its chromosome; or no peak.
    """
    frame = read_bed(existing_file(path, what))
    match = match_names(list(pd.unique(frame["chrom"])), ground.known, str(path), "the genome").require_one_name_each()
    frame = frame[frame["chrom"].isin(list(match.mapping))]
    if not len(frame):
        match.require()
    if what == PEAKS and not len(frame):
        raise InputError(f"{path}: there is no peak in it: give the peaks of the signal, or leave --peaks.")
    frame = rename_chromosomes(frame, match).reset_index(drop=True)
    check_within(frame, ground.known, path)
    return frame


def barred_by(truth: Truth, ground: Ground) -> Barred:
    """Return what keeps a window out: regions of files, and stretches of N where the genome is known.

    Raises:
        InputError: a file is missing or malformed.
    """
    parts = {
        name: Cover(intervals_of(path, name, ground), what=str(path))
        for name, path in (("excluded", truth.exclude), ("unmappable", truth.unmappable))
        if path is not None
    }
    unknown = None if ground.genome is None else Cover(unknown_runs(ground.genome, ground.sizes))
    return Barred(parts.get("excluded"), parts.get("unmappable"), unknown)
