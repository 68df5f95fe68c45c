"""Windows around peaks and away from them, labelled for one or several factors."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from strandwise.data.labels import PeakWindows, measured_on, merge_peaks, unmeasured_notes
from strandwise.data.negatives import SHUFFLED, NegativeSettings, Sampler, shuffled_codes
from strandwise.data.readers import Reader
from strandwise.data.reading import GenomeReader, PackedGenome, SequenceReader, stack_readers
from strandwise.data.signals.settings import SignalFiles
from strandwise.data.splits import ELSEWHERE, SplitSettings, assign_split, held_out_regions, roles_of_cell
from strandwise.data.windows import LabelledWindows, WindowSettings, points_within
from strandwise.errors import InputError, did_you_mean, listing
from strandwise.genome import Genome, check_within, match_names, overlaps_any, read_bed, rename_chromosomes
from strandwise.schema import Settings


class GenomeSettings(Settings):
    """The `[genome]` table of a config."""

    fasta: Path = Field(description="the genome: FASTA, plain or bgzip-ed, or 2bit")
    blacklist: Path | None = Field(default=None, description="BED of regions to keep windows away from")
    unmappable: Path | None = Field(
        default=None, description="for [tiles] and [chunks]: BED of regions to which reads cannot be traced"
    )

    def files(self) -> list[Path]:
        """Return the files this table names."""
        return [path for path in (self.fasta, self.blacklist, self.unmappable) if path is not None]


class TargetSettings(SignalFiles):
    """One `[[targets]]` table of a config: an assay to predict, by its peaks or along its signal.

    Peaks say where the windows lie; with signal beside them, its profile is what is predicted. Where `[chunks]` finds
    the windows by the signal, there need be no peaks. Nothing is learned from a replicate: set in the place of the
    prediction, it says how well the best of models could do.
    """

    peaks: Path | None = Field(
        default=None,
        description="BED or narrowPeak; the summit or the middle of a peak is what counts; needed without [chunks]",
    )
    relaxed: Path | None = Field(
        default=None, description="for [bins]: peaks of a lower threshold; bins that touch only them are ambiguous"
    )

    replicate: Path | None = Field(
        default=None,
        description="a second measurement of signal, never trained on: set in the place of the prediction, it shows "
        "how well any model could do",
    )
    replicate_plus: Path | None = Field(default=None, description="the same of plus")
    replicate_minus: Path | None = Field(default=None, description="the same of minus")

    @model_validator(mode="after")
    def _replicates(self) -> "TargetSettings":
        for key in ("signal", "plus", "minus"):
            first, name = getattr(self, key), "replicate" if key == "signal" else f"replicate_{key}"
            second = getattr(self, name)
            if second is not None and first is None:
                raise ValueError(f"'{self.name}': {name} is a second measurement of {key}, which is not given")
            if second is not None and second in (self.signal, self.plus, self.minus):
                raise ValueError(f"'{self.name}': {name} names a file that is trained on: name another experiment's")
        if (self.replicate_plus is None) != (self.replicate_minus is None):
            raise ValueError(f"'{self.name}' has a replicate of one strand: give replicate_plus and replicate_minus")
        if self.replicate_plus is not None and self.replicate_plus == self.replicate_minus:
            raise ValueError(f"'{self.name}': replicate_plus and replicate_minus name one file: give each its own")
        return self

    def of_replicate(self) -> SignalFiles | None:
        """Return its replicate as an assay that is read in the same way; None if it has none."""
        if self.replicate is None and self.replicate_plus is None:
            return None
        files = {"signal": self.replicate, "plus": self.replicate_plus, "minus": self.replicate_minus}
        return SignalFiles.model_validate(self.model_dump(include=set(SignalFiles.model_fields)) | files)

    def files(self) -> list[Path]:
        """Return the files this table names."""
        second = self.of_replicate()
        others = [path for path in (self.peaks, self.relaxed) if path is not None]
        return [*others, *super().files(), *([] if second is None else second.files())]


def read_targets(
    targets: Sequence[TargetSettings], genome: Genome, exclude: Sequence[str] = ()
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Read the peaks of every target that has some in the genome's chromosome names.

    Returns:
        The peaks of each target, and notes on names that were reconciled.

    Raises:
        InputError: a malformed file, chromosomes that the genome does not have, or peaks past their ends.
    """
    peaks, notes = {}, []
    for target in targets:
        if target.peaks is None:
            continue
        peaks[target.name], said = read_intervals(target.peaks, genome, exclude)
        notes += said
    return peaks, notes


def label_peaks(
    genome: Genome,
    peaks: Mapping[str, pd.DataFrame],
    windows: WindowSettings,
    split: SplitSettings,
    negatives: NegativeSettings,
    *,
    blacklist: Path | None = None,
    seed: int = 0,
    notes: Sequence[str] = (),
    packed: PackedGenome | None = None,
    roles: Mapping[str, str] | None = None,
) -> LabelledWindows:
    """Return windows around every peak and random windows away from all, each in its split.

    A window is positive for a track if one of its peaks lies in the middle `label_bp`. On a chromosome without a peak
    of it a track was perhaps never measured, and has weight 0; without one of any track, there are no windows. With
    `merge_overlap_bp`, windows around peaks that overlap by that much become one, as in Basset (see `merge_peaks`),
    which is positive for the tracks of all its peaks.

    Args:
        genome: the genome.
        peaks: of each track, in the genome's chromosome names.
        windows: lengths.
        split: what is held out.
        negatives: which windows stand against those around peaks.
        blacklist: BED of regions to keep windows away from.
        seed: of the negatives.
        notes: what is known already.
        packed: the genome as it is read, where several cells share it; read here if not given.
        roles: the split of windows by where they lie, of a cell; see `roles_of_cell`.

    Raises:
        InputError: a chromosome shorter than a window, or too little room for random windows.
    """
    regions = held_out_regions(split, genome.sizes)
    chromosomes = _measured_chromosomes(genome, peaks, windows, split)
    notes = [*notes, *_notes_on_chromosomes(genome, chromosomes, split), *unmeasured_notes(chromosomes, peaks)]
    dropped: Counter[str] = Counter()
    merged = None
    if windows.merge_overlap_bp is None:
        frame = _around_peaks(peaks, windows.input_bp)
    else:
        sizes = {name: genome.sizes[name] for name in chromosomes}
        merged = merge_peaks(peaks, sizes, windows.input_bp, windows.merge_overlap_bp, centre="summit")
        frame = merged.frame.assign(name=".", origin="peak", merged=np.arange(len(merged)))
        notes.append(f"{sum(map(len, peaks.values()))} peaks merged into {len(merged)} windows")
    ends = frame["chrom"].map(genome.sizes)
    frame = _drop(frame, (frame["start"] < 0) | (frame["end"] > ends), "past a chromosome's end", dropped)
    barred = _no_intervals()
    if blacklist is not None:
        barred, said = read_intervals(blacklist, genome, split.exclude)
        notes += said
        frame = _drop(frame, overlaps_any(frame, barred), "in the blacklist", dropped)
    frame["split"] = _splits(frame, regions, windows.jitter_bp)
    frame = _drop(frame, frame["split"] == "", "across the border of a split", dropped)
    roles = roles_of_cell(split) if roles is None else roles
    frame = _drop(frame, ~frame["split"].isin(list(roles)), ELSEWHERE, dropped)

    packed = packed or PackedGenome(genome, [], windows.input_bp + windows.jitter_bp)
    packed.include(genome, chromosomes)
    sizes = {name: genome.sizes[name] for name in chromosomes}
    sampler = Sampler(peaks, windows, negatives, regions, barred, packed, sizes)
    rng = np.random.default_rng(seed)
    drawn = [
        sampler.negatives_of(str(name), frame[frame["split"] == name], rng) for name in sorted(frame["split"].unique())
    ]
    notes += [note for part in drawn for note in part.notes]
    frame = pd.concat([frame, *(part.frame for part in drawn)], ignore_index=True)
    frame["split"] = frame["split"].map(roles)
    return _with_merged(_labelled(frame, peaks, packed, windows, dropped, notes, shuffled_codes(drawn)), merged)


def label_intervals(
    genome: Genome,
    intervals: pd.DataFrame,
    peaks: Mapping[str, pd.DataFrame],
    windows: WindowSettings,
    path: object = "intervals",
) -> LabelledWindows:
    """Return one window at the summit or middle of each interval, labelled by peaks where there are any.

    Labels of a track on a chromosome without a peak of it, where it was perhaps never measured, have weight 0. Windows
    may reach past a chromosome's end, where they read N, so that every interval has its row.

    Args:
        genome: the genome.
        intervals: as `read_bed` gives them, in the genome's chromosome names.
        peaks: the peaks of each track.
        windows: lengths.
        path: the file of the intervals, for messages.

    Raises:
        InputError: an interval that itself reaches past its chromosome's end.
    """
    check_within(intervals, genome.sizes, path)
    start = intervals["summit"].to_numpy() - windows.input_bp // 2
    frame = pd.DataFrame(
        {
            "chrom": intervals["chrom"].to_numpy(),
            "start": start,
            "end": start + windows.input_bp,
            "name": intervals["name"].to_numpy(),
            "origin": "given",
            "split": "",
        }
    )
    sizes = frame["chrom"].map(genome.sizes)
    past = int(((frame["start"] < 0) | (frame["end"] > sizes)).sum())
    notes = [f"{past} windows reach past a chromosome's end and read N there"] if past else []
    packed = PackedGenome(genome, list(pd.unique(frame["chrom"])), windows.input_bp)
    found = _labelled(frame, peaks, packed, windows, Counter(), notes)
    return replace(found, notes=(*found.notes, *unmeasured_notes(pd.unique(frame["chrom"]), peaks)))


def noting_training(windows: LabelledWindows, regions: pd.DataFrame) -> LabelledWindows:
    """Return windows with a note on how many of them lie where a model was trained, outside the held-out regions."""
    seen = int((_splits(windows.frame, regions) == "train").sum())
    if not seen:
        return windows
    said = f"{seen} of {len(windows)} windows lie where the model was trained: they flatter it"
    return replace(windows, notes=(*windows.notes, said))


def read_intervals(path: Path, genome: Genome, exclude: Sequence[str] = ()) -> tuple[pd.DataFrame, list[str]]:
    """Return the intervals of a BED in the genome's chromosome names, and notes on names that were reconciled.

    Raises:
        InputError: a malformed file, chromosomes that the genome does not have, or intervals past their ends.
    """
    frame = read_bed(path)
    frame = frame[~frame["chrom"].isin(list(exclude))]
    match = match_names(list(pd.unique(frame["chrom"])), genome.sizes, str(path), str(genome.path))
    match.require()
    frame = rename_chromosomes(frame, match)
    frame = frame[~frame["chrom"].isin(list(exclude))].reset_index(drop=True)
    check_within(frame, genome.sizes, path)
    return frame, match.notes()


def _no_intervals() -> pd.DataFrame:
    return pd.DataFrame({"chrom": pd.Series(dtype=str), "start": pd.Series(dtype=int), "end": pd.Series(dtype=int)})


def _measured_chromosomes(
    genome: Genome, peaks: Mapping[str, pd.DataFrame], windows: WindowSettings, split: SplitSettings
) -> list[str]:
    seen = {name for frame in peaks.values() for name in pd.unique(frame["chrom"])}
    chromosomes = [name for name in genome.sizes if name in seen and name not in split.exclude]
    if not chromosomes:
        raise InputError("no peaks are left: every chromosome that has any is in split.exclude.")
    short = [name for name in chromosomes if genome.sizes[name] < windows.input_bp]
    if short:
        raise InputError(
            f"{genome.path}: windows.input_bp = {windows.input_bp} is longer than "
            f"{listing(f'{name} ({genome.sizes[name]} bp)' for name in short)}: use shorter windows, or name "
            "these chromosomes in split.exclude."
        )
    return chromosomes


def _notes_on_chromosomes(genome: Genome, used: Sequence[str], split: SplitSettings) -> list[str]:
    idle = [name for name in genome.sizes if name not in used and name not in split.exclude]
    notes = [f"no peaks on {listing(idle)}: no windows there"] if idle else []
    for name in split.exclude:
        if name not in genome.sizes:
            hint = did_you_mean(name, genome.sizes)
            notes.append(f"split.exclude names '{name}', which is not in {genome.path}{hint}")
    return notes


def _around_peaks(peaks: Mapping[str, pd.DataFrame], input_bp: int) -> pd.DataFrame:
    centres = pd.concat([frame[["chrom", "summit"]] for frame in peaks.values()])
    centres = centres.drop_duplicates().sort_values(["chrom", "summit"], kind="stable")
    start = centres["summit"].to_numpy() - input_bp // 2
    return pd.DataFrame(
        {
            "chrom": centres["chrom"].to_numpy(),
            "start": start,
            "end": start + input_bp,
            "name": ".",
            "origin": "peak",
        }
    )


def _with_merged(found: LabelledWindows, merged: PeakWindows | None) -> LabelledWindows:
    """Return windows that are also positive for the tracks whose peaks were merged into them."""
    if merged is None:
        return found
    rows = np.flatnonzero(found.frame["origin"] == "peak")
    labels, number = found.labels.copy(), found.frame["merged"].to_numpy()[rows].astype(np.int64)
    labels[rows] |= merged.labels[number] > 0
    return replace(found, labels=labels, frame=found.frame.drop(columns="merged"))


def _drop(frame: pd.DataFrame, where: pd.Series | np.ndarray, reason: str, dropped: Counter[str]) -> pd.DataFrame:
    where = np.asarray(where, dtype=bool)
    if where.any():
        dropped[reason] += int(where.sum())
    return frame[~where].reset_index(drop=True)


def _splits(frame: pd.DataFrame, regions: pd.DataFrame, jitter_bp: int = 0) -> np.ndarray:
    chrom, start, end = (frame[column].to_numpy() for column in ("chrom", "start", "end"))
    return assign_split(chrom, start, end, regions, jitter_bp)


def _labelled(
    frame: pd.DataFrame,
    peaks: Mapping[str, pd.DataFrame],
    packed: PackedGenome,
    windows: WindowSettings,
    dropped: Counter[str],
    notes: Sequence[str],
    shuffled: np.ndarray | None = None,
) -> LabelledWindows:
    chrom = frame["chrom"].to_numpy()
    # Around the base that is the window's centre, so that a window's own peak counts however short label_bp is.
    first = frame["start"].to_numpy() + windows.input_bp // 2 - windows.label_bp // 2
    columns = [points_within(chrom, first, first + windows.label_bp, points) > 0 for points in peaks.values()]
    labels = np.stack(columns, axis=1) if columns else np.zeros((len(frame), 0), dtype=bool)
    here = (frame["origin"] != SHUFFLED).to_numpy()
    labels[~here] = False
    # Shuffled DNA is bound by nothing, whichever chromosome it was made of.
    weights = measured_on(chrom, peaks) | ~here[:, None]
    readers: list[Reader] = [
        GenomeReader(packed, packed.origin(chrom[here], frame["start"].to_numpy()[here]), windows.input_bp)
    ]
    if shuffled is not None:
        readers.append(SequenceReader(shuffled, windows.input_bp))
    return LabelledWindows(
        frame=frame,
        labels=labels,
        weights=weights,
        tracks=tuple(peaks),
        reader=stack_readers(readers, [int(here.sum()), int((~here).sum())][: len(readers)]),
        input_bp=windows.input_bp,
        dropped=dropped,
        notes=tuple(notes),
    )
