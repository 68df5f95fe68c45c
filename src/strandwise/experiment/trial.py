"""One comparison: what is measured, the rivals of models, where all are judged, and the sweeps over tests."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strandwise.analysis.comparison import (
    Along,
    Barred,
    Contestant,
    Landscape,
    MeanProfile,
    Measured,
    Places,
    around_peaks,
    imbalance,
    labels_of,
    levels_of,
    side_by_side,
    smoothing,
    thresholds,
    with_coverage,
)
from strandwise.errors import InputError
from strandwise.experiment.ground import Ground, Tests, Truth, measured_along
from strandwise.experiment.rules import simple_rules
from strandwise.genome import match_names, open_signal
from strandwise.motifs import Motif

REPLICATE, ITSELF = "replicate", "the signal itself"


@dataclass(frozen=True)
class Trial:
    """What contestants are judged by, whoever they are.

    Attributes:
        truth: the files.
        ground: the chromosomes.
        peaks: chrom, start, end, summit; on all chromosomes of the genome.
        barred: what keeps a window out.
        tests: as they were asked for.
        length_bp: of a window.
        unit_bp: windows around peaks begin at multiples of it.
        bins: lengths of bins to judge amounts in.
        seed: of random windows.
    """

    truth: Truth
    ground: Ground
    peaks: pd.DataFrame | None
    barred: Barred
    tests: Tests
    length_bp: int
    unit_bp: int
    bins: tuple[int, ...]
    seed: int

    @property
    def base_bp(self) -> int:
        """The bins that coverage is read in: all others are multiples of them."""
        return math.gcd(self.unit_bp, self.length_bp, *self.bins)

    @cached_property
    def measured(self) -> Measured:
        """The coverage that is right."""
        return Measured(measured_along(self.truth.signal, self.ground, self.base_bp), self.bins)

    @cached_property
    def second(self) -> Landscape | None:
        """The coverage of a second experiment, if there is one."""
        path = self.truth.replicate
        return None if path is None else measured_along(path, self.ground, self.base_bp)

    def rivals(self, motifs: Sequence[Motif]) -> tuple[list[Contestant], list[str]]:
        """Return what experiments reach, and baselines learned where nothing is judged; and why some are not there.

        Args:
            motifs: for the rule of motifs.
        """
        found: list[Contestant] = []
        if self.second is not None:
            found.append(Along(REPLICATE, self.second, "ceiling"))
        if self.peaks is None:
            return found, ["no peaks were given, so nothing is judged by yes or no: add --peaks BED"]
        found.append(Along(ITSELF, self.measured.landscape, "ceiling", classifier_only=True))
        elsewhere = self.peaks[~self.peaks["chrom"].isin(list(self.ground.sizes))]
        if self.ground.genome is None:
            return found, ["no genome was given, so no baseline reads DNA: add --genome FASTA"]
        if not len(elsewhere):
            return found, ["all peaks lie where models are judged, so no baseline can be learned elsewhere"]
        rules, notes = simple_rules(
            self.ground.genome, elsewhere, list(self.ground.sizes), self.length_bp, motifs, seed=self.seed
        )
        profile = self._mean_profile(elsewhere)
        return [*found, *rules, *([profile] if profile else [])], notes

    def _mean_profile(self, elsewhere: pd.DataFrame) -> MeanProfile | None:
        """Return what was measured around peaks of other chromosomes, on average."""
        genome, signal = self.ground.genome, open_signal(self.truth.signal)
        if genome is None:
            return None
        sizes = {name: size for name, size in genome.sizes.items() if name in set(elsewhere["chrom"])}
        there = match_names(sizes, signal.sizes, "genome", str(self.truth.signal)).mapping
        ground = Ground({name: sizes[name] for name in there}, genome)
        here = elsewhere[elsewhere["chrom"].isin(list(there))]
        if not len(here):
            return None
        landscape = measured_along(self.truth.signal, ground, self.base_bp)
        around = around_peaks(here, ground.sizes, self.length_bp, self.base_bp, Barred(), seed=self.seed)
        means = landscape.means(around.frame[around.labels == 1], self.length_bp, self.base_bp)
        return MeanProfile(means.mean(0, dtype=np.float64).astype(np.float32), self.base_bp)

    def places(self) -> dict[str, Places]:
        """Return the places to judge at, by name.

        Raises:
            InputError: no window passes the threshold, or there is no room for random windows.
        """
        tiles = side_by_side(self.ground.sizes, self.length_bp, self.barred, self.peaks)
        highest = self._highest(tiles)
        threshold = float(np.median(highest)) if self.tests.threshold is None else self.tests.threshold
        covered = with_coverage(tiles, highest, threshold)
        if not len(covered):
            raise InputError(
                f"--threshold {threshold:g}: the highest coverage of any window, in bins of {self.base_bp} bp, is "
                f"{highest.max():g}."
            )
        found = {"coverage": covered, "chromosomes": tiles}
        return found if self.peaks is None else {"peaks": self._balanced(self.tests.ratios[0]), **found}

    def listed(self, tables: Mapping[str, pd.DataFrame]) -> Places:
        """Return the windows of tables, labelled by peaks, or as the first table says.

        Raises:
            InputError: tables of different windows.
        """
        keys = ["chrom", "start", "end"]
        first = next(iter(tables.values())).drop_duplicates(keys)
        frame = first[first["end"] - first["start"] == self.length_bp].reset_index(drop=True)
        if self.peaks is not None:
            labels = labels_of(frame, self.peaks)
        elif "label" in frame:
            labels = frame["label"].to_numpy(np.float32)
        else:
            labels = np.full(len(frame), np.nan, dtype=np.float32)
        return Places("table", frame[keys], self.length_bp, labels).without(self.barred.reasons(frame))

    def sweeps(self, everyone: Sequence[Contestant], tiles: Places, covered: Places) -> dict[str, pd.DataFrame]:
        """Return rows by what tests differ in: "threshold", "smoothing" and, with peaks, "imbalance".

        Args:
            everyone: who is judged.
            tiles: of whole chromosomes.
            covered: those with coverage.
        """
        highest = self._highest(tiles)
        with_bins = [each for each in everyone if isinstance(each, Along) and each.bin_bp]
        widths = sorted({*self.bins, self.length_bp})
        found = {
            "threshold": thresholds(everyone, self.measured, tiles, highest, levels_of(highest)),
            "smoothing": smoothing(with_bins, self.measured, covered, widths),
        }
        if self.peaks is not None and len(self.tests.ratios) > 1:
            found["imbalance"] = imbalance(everyone, self.measured, self._balanced, self.tests.ratios)
        return found

    def _balanced(self, ratio: float) -> Places:
        if self.peaks is None:
            raise InputError("windows without a peak are known by peaks: give --peaks BED.")
        sizes = self.ground.sizes
        return around_peaks(
            self.peaks, sizes, self.length_bp, self.unit_bp, self.barred, per_peak=ratio, seed=self.seed
        )

    def _highest(self, tiles: Places) -> NDArray[np.float32]:
        """Return the highest coverage of each window: by the replicate, where there is one."""
        landscape = self.second or self.measured.landscape
        return landscape.means(tiles.frame, tiles.length_bp, landscape.bin_bp).max(1)
