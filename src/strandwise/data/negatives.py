"""Windows that nothing binds: drawn from the genome at random or by composition, or shuffled from the positives."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from strandwise.data.labels.dinucleotides import dinucleotides_of_windows, match_dinucleotides
from strandwise.data.labels.gc import gc_of_windows, match_gc
from strandwise.data.reading import GenomeReader, PackedGenome
from strandwise.data.splits import assign_split
from strandwise.data.windows import WindowSettings, points_within
from strandwise.errors import InputError
from strandwise.genome import overlaps_any
from strandwise.schema import Settings
from strandwise.sequence import N, dinucleotide_shuffle

SHUFFLED = "shuffled"
"""The origin of windows whose DNA is shuffled."""

_CHOICE = 5
"""Random windows that are drawn for each negative that is chosen by its composition."""


class NegativeSettings(Settings):
    """The `[negatives]` table of a config."""

    kind: Literal["random", "gc", "dinucleotide", "shuffled"] = Field(
        default="random",
        description="random windows, away from every peak; 'gc' chooses among them those with the GC of the positives, "
        "'dinucleotide' the ones nearest to the positives in the frequencies of dinucleotides on both strands; "
        "'shuffled' are the windows around peaks themselves, their DNA shuffled with every dinucleotide count kept",
    )
    per_peak: float = Field(
        default=3.0, ge=0, description="random windows for each window around a peak, in each split"
    )
    distance_bp: int | None = Field(
        default=None,
        ge=0,
        description="least distance from a window's centre to any peak; half of input_bp if not given",
    )


class Negatives(NamedTuple):
    """The negatives of one split.

    Attributes:
        frame: chrom, start, end, name, origin, split.
        codes: the DNA of shuffled ones, each with as much on either side as training may shift it; else None.
        notes: how well they match the positives, where they were to.
    """

    frame: pd.DataFrame
    codes: np.ndarray | None
    notes: tuple[str, ...]


class Sampler:
    """Draws negatives of a split, away from peaks, blacklisted regions and N.

    Args:
        peaks: of each track: `chrom` and `summit`.
        windows: lengths.
        negatives: which kind, and how far from peaks.
        regions: what is held out.
        barred: blacklisted regions.
        packed: the genome.
        sizes: the chromosomes to draw from, with their lengths.
    """

    def __init__(
        self,
        peaks: Mapping[str, pd.DataFrame],
        windows: WindowSettings,
        negatives: NegativeSettings,
        regions: pd.DataFrame,
        barred: pd.DataFrame,
        packed: PackedGenome,
        sizes: Mapping[str, int],
    ) -> None:
        self.points = pd.concat([frame[["chrom", "summit"]] for frame in peaks.values()])
        self.windows, self.negatives, self.regions = windows, negatives, regions
        self.barred, self.packed = barred, packed
        distance = negatives.distance_bp
        self.distance = windows.input_bp // 2 if distance is None else distance
        self.chromosomes = np.array(list(sizes), dtype=object)
        self.room = np.array([size - windows.input_bp + 1 for size in sizes.values()])

    def negatives_of(self, split: str, positives: pd.DataFrame, rng: np.random.Generator) -> Negatives:
        """Return the negatives that go with the positives of a split.

        Raises:
            InputError: too little room for random windows.
        """
        count = how_many(len(positives), self.negatives.per_peak)
        kind = self.negatives.kind
        if kind == "random" or not count:
            return Negatives(self.draw(split, count, rng), None, ())
        if kind == "shuffled":
            return self._shuffled(split, count, positives, rng)
        pool = self.draw(split, _CHOICE * count, rng)
        measure = gc_of_windows if kind == "gc" else dinucleotides_of_windows
        mine, theirs = (measure(self.reader(frame), len(frame)) for frame in (positives, pool))
        seed = int(rng.integers(2**31))
        if kind == "gc":
            match = match_gc(mine, theirs, per_positive=count / len(positives), seed=seed)
        else:
            match = match_dinucleotides(mine, theirs, count, seed=seed)
        chosen = pool.iloc[match.rows].reset_index(drop=True)
        return Negatives(chosen, None, (f"{split}: {match.note()}",))

    def draw(self, split: str, count: int, rng: np.random.Generator) -> pd.DataFrame:
        """Return `count` random windows of a split, all different.

        Raises:
            InputError: there is too little room for them.
        """
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

    def reader(self, frame: pd.DataFrame, flank_bp: int = 0) -> GenomeReader:
        """Return a reader of windows, with `flank_bp` more on either side."""
        origin = self.packed.origin(frame["chrom"].to_numpy(), frame["start"].to_numpy() - flank_bp)
        return GenomeReader(self.packed, origin, self.windows.input_bp + 2 * flank_bp)

    def _shuffled(self, split: str, count: int, positives: pd.DataFrame, rng: np.random.Generator) -> Negatives:
        rows = np.sort(np.resize(rng.permutation(len(positives)), count))
        reader = self.reader(positives, self.windows.jitter_bp)
        codes = np.empty((count, reader.input_bp), dtype=np.uint8)
        kept = 0
        for row, copies in zip(*np.unique(rows, return_counts=True), strict=True):
            here = np.searchsorted(rows, row)
            original = reader.gather(np.array([row]))[0]
            codes[here : here + copies] = dinucleotide_shuffle(original, int(copies), rng)
            kept += int((codes[here : here + copies] == original).sum())
        frame = positives.iloc[rows].assign(origin=SHUFFLED).reset_index(drop=True)
        said = (
            f"{split}: {count} negatives are shuffled windows around peaks, with the same number of every "
            f"dinucleotide; {kept / codes.size:.0%} of bases are as before"
        )
        return Negatives(frame, codes, (said,))

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
        unknown = (self.reader(frame).gather(np.arange(len(frame))) == N).mean(axis=1)
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


def how_many(peaks: int, per_peak: float) -> int:
    """Return how many negatives go with a number of windows around peaks."""
    # 25 * 2.2 is a little more than 55 in binary, and 55 are meant.
    return math.ceil(round(peaks * per_peak, 9))


def shuffled_codes(parts: Sequence[Negatives]) -> np.ndarray | None:
    """Return the DNA of all shuffled negatives, one split after the other, if there are any."""
    codes = [part.codes for part in parts if part.codes is not None]
    return np.concatenate(codes) if codes else None
