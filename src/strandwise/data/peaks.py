"""Windows around peaks and away from them, labelled for one or several factors."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from strandwise.data.labels import gc_of_windows, match_gc
from strandwise.data.reading import GenomeReader, PackedGenome
from strandwise.data.signals.settings import SignalFiles
from strandwise.data.splits import SplitSettings, assign_split, held_out_regions
from strandwise.data.windows import LabelledWindows, WindowSettings, points_within
from strandwise.errors import InputError, did_you_mean, listing
from strandwise.genome import Genome, check_within, match_names, overlaps_any, read_bed, rename_chromosomes
from strandwise.schema import Settings
from strandwise.sequence import N

_GC_CHOICE = 5
"""Random windows that are drawn for each negative that is chosen by its GC."""


class GenomeSettings(Settings):
    """The `[genome]` table of a config."""

    fasta: Path = Field(description="the genome: FASTA, plain or bgzip-ed, or 2bit")
    blacklist: Path | None = Field(default=None, description="BED of regions to keep windows away from")


class TargetSettings(SignalFiles):
    """One `[[targets]]` table of a config: an assay to predict, by its peaks or along its signal.

    Peaks say where the windows lie; with signal beside them, its profile is what is predicted.
    """

    peaks: Path = Field(description="BED or narrowPeak; the summit or the middle of a peak is what counts")
    relaxed: Path | None = Field(
        default=None, description="for [bins]: peaks of a lower threshold; bins that touch only them are ambiguous"
    )

    @model_validator(mode="after")
    def _counts(self) -> "TargetSettings":
        if self.transform != "none" or self.missing_quantile is not None:
            raise ValueError(
                f"target '{self.name}': profiles are counts, so they take no transform or missing_quantile"
            )
        return self

    def files(self) -> list[Path]:
        """Return the files this table names."""
        relaxed = [] if self.relaxed is None else [self.relaxed]
        return [self.peaks, *relaxed, *super().files()]


class NegativeSettings(Settings):
    """The `[negatives]` table of a config."""

    kind: Literal["random", "gc"] = Field(
        default="random",
        description="random windows, away from every peak; 'gc' chooses among them those with the GC of the positives",
    )
    per_peak: float = Field(
        default=3.0, ge=0, description="random windows for each window around a peak, in each split"
    )
    distance_bp: int | None = Field(
        default=None,
        ge=0,
        description="least distance from a window's centre to any peak; half of input_bp if not given",
    )


def read_targets(
    targets: Sequence[TargetSettings], genome: Genome, exclude: Sequence[str] = ()
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Read the peaks of every target in the genome's chromosome names.

    Returns:
        The peaks of each target, and notes on names that were reconciled.

    Raises:
        InputError: a malformed file, chromosomes that the genome does not have, or peaks past their ends.
    """
    peaks, notes = {}, []
    for target in targets:
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
) -> LabelledWindows:
    """Return windows around every peak and random windows away from all, each in its split.

    A window is positive for a track if one of its peaks lies in the middle `label_bp`. Chromosomes without
    a peak of any track were perhaps never measured: they give no windows.

    Raises:
        InputError: a chromosome shorter than a window, or too little room for random windows.
    """
    regions = held_out_regions(split, genome.sizes)
    chromosomes = _measured_chromosomes(genome, peaks, windows, split)
    notes = [*notes, *_notes_on_chromosomes(genome, chromosomes, split)]
    dropped: Counter[str] = Counter()
    frame = _around_peaks(peaks, windows.input_bp)
    ends = frame["chrom"].map(genome.sizes)
    frame = _drop(frame, (frame["start"] < 0) | (frame["end"] > ends), "past a chromosome's end", dropped)
    barred = _no_intervals()
    if blacklist is not None:
        barred, said = read_intervals(blacklist, genome, split.exclude)
        notes += said
        frame = _drop(frame, overlaps_any(frame, barred), "in the blacklist", dropped)
    frame["split"] = _splits(frame, regions, windows.jitter_bp)
    frame = _drop(frame, frame["split"] == "", "across the border of a split", dropped)

    packed = PackedGenome(genome, chromosomes, windows.input_bp + windows.jitter_bp)
    sampler = _Sampler(genome, peaks, windows, negatives, regions, barred, packed, chromosomes)
    rng = np.random.default_rng(seed)
    random = []
    for name, count in frame["split"].value_counts().sort_index().items():
        asked = _random_windows(count, negatives.per_peak)
        if negatives.kind == "gc" and asked:
            found, said = sampler.draw_by_gc(str(name), asked, frame[frame["split"] == name], rng)
            notes.append(f"{name}: {said}")
        else:
            found = sampler.draw(str(name), asked, rng)
        random.append(found)
    frame = pd.concat([frame, *random], ignore_index=True)
    return _labelled(frame, peaks, packed, windows, dropped, notes)


def label_intervals(
    genome: Genome,
    intervals: pd.DataFrame,
    peaks: Mapping[str, pd.DataFrame],
    windows: WindowSettings,
    path: object = "intervals",
) -> LabelledWindows:
    """Return one window at the summit or middle of each interval, labelled by peaks where there are any.

    Labels on a chromosome without a peak of any track, which was perhaps never measured, have weight 0. Windows may
    reach past a chromosome's end, where they read N, so that every interval has its row.

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
    measured = {name for points in peaks.values() for name in points["chrom"].unique()}
    known = frame["chrom"].isin(list(measured)).to_numpy()
    if not peaks or known.all():
        return found
    said = f"{(~known).sum()} windows lie on chromosomes without peaks of any track: their labels are not known"
    return replace(found, weights=found.weights * known[:, None], notes=(*found.notes, said))


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


def _random_windows(peaks: int, per_peak: float) -> int:
    # 25 * 2.2 is a little more than 55 in binary, and 55 are meant.
    return math.ceil(round(peaks * per_peak, 9))


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
) -> LabelledWindows:
    chrom = frame["chrom"].to_numpy()
    # Around the base that is the window's centre, so that a window's own peak counts however short label_bp is.
    first = frame["start"].to_numpy() + windows.input_bp // 2 - windows.label_bp // 2
    columns = [points_within(chrom, first, first + windows.label_bp, points) > 0 for points in peaks.values()]
    labels = np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros((len(frame), 0), np.float32)
    origin = packed.origin(chrom, frame["start"].to_numpy())
    return LabelledWindows(
        frame=frame,
        labels=labels,
        weights=np.ones_like(labels),
        tracks=tuple(peaks),
        reader=GenomeReader(packed, origin, windows.input_bp),
        input_bp=windows.input_bp,
        dropped=dropped,
        notes=tuple(notes),
    )


class _Sampler:
    """Draws random windows of a split, away from peaks, blacklisted regions and N."""

    def __init__(
        self,
        genome: Genome,
        peaks: Mapping[str, pd.DataFrame],
        windows: WindowSettings,
        negatives: NegativeSettings,
        regions: pd.DataFrame,
        barred: pd.DataFrame,
        packed: PackedGenome,
        chromosomes: Sequence[str],
    ) -> None:
        self.points = pd.concat([frame[["chrom", "summit"]] for frame in peaks.values()])
        self.windows, self.regions, self.barred, self.packed = windows, regions, barred, packed
        distance = negatives.distance_bp
        self.distance = windows.input_bp // 2 if distance is None else distance
        self.chromosomes = np.array(chromosomes, dtype=object)
        self.room = np.array([genome.sizes[name] - windows.input_bp + 1 for name in chromosomes])

    def draw(self, split: str, count: int, rng: np.random.Generator) -> pd.DataFrame:
        """Return `count` random windows of a split, all different."""
        found = pd.DataFrame()
        for _ in range(200):
            found = pd.concat([found, self._candidates(split, max(2 * count, 1000), rng)], ignore_index=True)
            found = found.drop_duplicates(["chrom", "start"], ignore_index=True)
            if len(found) >= count:
                return found.iloc[:count]
        raise InputError(
            f"only {len(found)} of {count} random windows were found for split '{split}' that are "
            f"{self.distance} bp away from every peak: lower negatives.per_peak or negatives.distance_bp, "
            "or hold out larger regions."
        )

    def draw_by_gc(
        self, split: str, count: int, positives: pd.DataFrame, rng: np.random.Generator
    ) -> tuple[pd.DataFrame, str]:
        """Return random windows of a split whose GC is distributed as that of the positives, and how well that went."""
        pool = self.draw(split, _GC_CHOICE * count, rng)
        gc = [gc_of_windows(self._reader(frame), len(frame)) for frame in (positives, pool)]
        match = match_gc(*gc, per_positive=count / len(positives), seed=int(rng.integers(2**31)))
        return pool.iloc[match.rows].reset_index(drop=True), match.note()

    def _reader(self, frame: pd.DataFrame) -> GenomeReader:
        origin = self.packed.origin(frame["chrom"].to_numpy(), frame["start"].to_numpy())
        return GenomeReader(self.packed, origin, self.windows.input_bp)

    def _candidates(self, split: str, count: int, rng: np.random.Generator) -> pd.DataFrame:
        which, start = self._positions(split, count, rng)
        chrom, end = self.chromosomes[which], start + self.windows.input_bp
        keep = assign_split(chrom, start, end, self.regions, self.windows.jitter_bp) == split
        centre = start + self.windows.input_bp // 2
        keep &= points_within(chrom, centre - self.distance, centre + self.distance + 1, self.points) == 0
        frame = pd.DataFrame(
            {"chrom": chrom, "start": start, "end": end, "name": ".", "origin": "random", "split": split}
        )[keep]
        frame = frame[~overlaps_any(frame, self.barred)] if len(self.barred) else frame
        unknown = (self._reader(frame).gather(np.arange(len(frame))) == N).mean(axis=1)
        return frame[unknown <= self.windows.max_n_fraction]

    def _positions(self, split: str, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        regions = self.regions[self.regions["split"] == split]
        if split == "train" or regions.empty:
            which = rng.choice(len(self.room), count, p=self.room / self.room.sum())
            return which, rng.integers(0, self.room[which])
        # Held-out regions can be a sliver of the genome: draw inside them.
        index = {name: number for number, name in enumerate(self.chromosomes)}
        regions = regions[regions["chrom"].isin(list(index))]
        room = (regions["end"] - regions["start"] - self.windows.input_bp + 1).clip(lower=0).to_numpy()
        region = rng.choice(len(regions), count, p=room / room.sum())
        which = regions["chrom"].map(index).to_numpy()[region]
        return which, regions["start"].to_numpy()[region] + rng.integers(0, room[region])
