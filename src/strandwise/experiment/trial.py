"""One comparison: what is measured, the rivals of models, where all are judged, and the sweeps over terms."""

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
    peak_windows,
    side_by_side,
    smoothing,
    thresholds,
    with_coverage,
)
from strandwise.errors import InputError
from strandwise.experiment.ground import Ground, Terms, Truth, measured_along, measured_in
from strandwise.experiment.rules import RULES, simple_rules
from strandwise.genome import match_names, open_signal
from strandwise.motifs import Motif

REPLICATE, ITSELF, MEAN = "replicate", "the signal itself", "mean profile"
RIVALS = (REPLICATE, ITSELF, MEAN, *RULES)


@dataclass(frozen=True)
class Trial:
    """What contestants are judged by, whoever they are.

    Attributes:
        truth: the files.
        ground: the chromosomes.
        peaks: chrom, start, end, summit; on all chromosomes of the genome.
        barred: what keeps a window out.
        terms: as they were asked for.
        length_bp: of a window.
        unit_bp: windows around peaks begin at multiples of it.
        base_bp: the bins that coverage is read in: all others, and all starts of windows, are multiples of them.
        bins: lengths of bins to judge amounts in.
        seed: of random windows.
    """

    truth: Truth
    ground: Ground
    peaks: pd.DataFrame | None
    barred: Barred
    terms: Terms
    length_bp: int
    unit_bp: int
    base_bp: int
    bins: tuple[int, ...]
    seed: int

    @cached_property
    def measured(self) -> Measured:
        """The coverage that is right."""
        return Measured(measured_along(self.truth.signal, self.ground, self.base_bp), self.bins)

    @cached_property
    def second(self) -> Landscape | None:
        """The coverage of a second experiment, if there is one."""
        path = self.truth.replicate
        return None if path is None else measured_along(path, self.ground, self.base_bp)

    @cached_property
    def tiles(self) -> Places:
        """Windows side by side along whole chromosomes."""
        return side_by_side(self.ground.sizes, self.length_bp, self.barred, self.peaks)

    @cached_property
    def threshold(self) -> float:
        """What the highest coverage of a window has to pass; if not given, half of the windows do."""
        highest = self._highest(self.tiles)
        return float(np.nanmedian(highest)) if self.terms.threshold is None else self.terms.threshold

    def rivals(self, motifs: Sequence[Motif], labelled: bool) -> tuple[list[Contestant], list[str]]:
        """Return what experiments reach, and baselines learned where nothing is judged; and why some are not there.

        Args:
            motifs: for the rule of motifs.
            labelled: whether windows have labels, be it without peaks.
        """
        found: list[Contestant] = []
        if self.second is not None:
            found.append(Along(REPLICATE, self.second, "ceiling"))
        if self.peaks is not None or labelled:
            found.append(Along(ITSELF, self.measured.landscape, "ceiling", classifier_only=True))
        if self.peaks is None:
            without = "no baseline is learned" if labelled else "nothing is judged by yes or no"
            return found, [f"no peaks were given, so {without}: add --peaks BED"]
        elsewhere = self.peaks[~self.peaks["chrom"].isin(list(self.ground.sizes))]
        if not len(elsewhere):
            return found, ["all peaks lie where models are judged, so no baseline can be learned elsewhere"]
        notes = []
        if self.ground.genome is None:
            notes = ["no genome was given, so no baseline reads DNA: add --genome FASTA"]
        else:
            rules, notes = simple_rules(
                self.ground.genome, elsewhere, list(self.ground.sizes), self.length_bp, motifs, seed=self.seed
            )
            found += rules
        profile = self._mean_profile(elsewhere)
        return [*found, *([] if profile is None else [profile])], notes

    def _mean_profile(self, elsewhere: pd.DataFrame) -> MeanProfile | None:
        """Return what was measured around peaks of other chromosomes, on average; one chromosome after another."""
        there = set(match_names(self.ground.known, measured_in(open_signal(self.truth.signal)), "", "").mapping)
        total, n = np.zeros(self.length_bp // self.base_bp), 0
        for name, peaks in elsewhere.groupby("chrom"):
            if name not in there:
                continue
            one = self.ground.only(str(name))
            around = peak_windows(peaks, one.sizes, self.length_bp, self.base_bp)
            if len(around):
                landscape = measured_along(self.truth.signal, one, self.base_bp)
                total += landscape.means(around, self.length_bp, self.base_bp).sum(0, dtype=np.float64)
                n += len(around)
        return MeanProfile((total / n).astype(np.float32), self.base_bp, MEAN) if n else None

    def places(self) -> dict[str, Places]:
        """Return the places to judge at, by name.

        Raises:
            InputError: no window passes the threshold, or there is no room for random windows.
        """
        highest = self._highest(self.tiles)
        covered = with_coverage(self.tiles, highest, self.threshold)
        if not len(covered):
            asked = "--threshold" if self.terms.threshold is not None else "the median of all windows"
            raise InputError(
                f"{asked}, {self.threshold:g}: no window has a bin of {self.base_bp} bp of more; the highest is "
                f"{np.nanmax(highest):g}. Give a lower --threshold, or other chromosomes."
            )
        found = {"coverage": covered, "chromosomes": self.tiles}
        return found if self.peaks is None else {"peaks": self._balanced(self.terms.ratios[0]), **found}

    def listed(self, tables: Sequence[pd.DataFrame]) -> Places:
        """Return the windows that tables share, labelled by peaks, or else as the first table says that has labels.

        Raises:
            InputError: no window is in all of them, or all of them are kept out.
        """
        keys = ["chrom", "start", "end"]
        frame = tables[0][keys]
        for other in tables[1:]:
            frame = frame.merge(other[keys], on=keys)
        if not len(frame):
            raise InputError("the tables have no window in common: give predictions of the same windows.")
        labels = np.full(len(frame), np.nan, dtype=np.float32)
        said = [table for table in tables if "label" in table]
        if self.peaks is not None:
            labels = labels_of(frame, self.peaks)
        elif said:
            labels = frame.merge(said[0], how="left", on=keys)["label"].to_numpy(np.float32)
        found = Places("table", frame, self.length_bp, labels).without(self.barred.reasons(frame))
        if not len(found):
            raise InputError(f"every window of the table is kept out: {found.dropped}. Bar less.")
        return found

    def sweeps(self, everyone: Sequence[Contestant], left: Mapping[str, Places]) -> dict[str, pd.DataFrame]:
        """Return rows by what tests differ in: "threshold", "smoothing" and, with peaks, "imbalance".

        Args:
            everyone: who is judged.
            left: the places at which all of them say something, by name.
        """
        with_bins = [each for each in everyone if isinstance(each, Along) and each.bin_bp]
        widths = sorted({*self.bins, self.length_bp})
        found = {}
        if "chromosomes" in left:
            tiles = left["chromosomes"]
            highest = self._highest(tiles)
            found["threshold"] = thresholds(everyone, self.measured, tiles, highest, levels_of(highest))
        if "coverage" in left:
            found["smoothing"] = smoothing(with_bins, self.measured, left["coverage"], widths)
        if "peaks" in left and len(self.terms.ratios) > 1:
            found["imbalance"] = imbalance(everyone, self.measured, self._balanced, self.terms.ratios)
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
