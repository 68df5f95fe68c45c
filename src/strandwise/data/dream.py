"""Windows that FactorNet draws from the bins of the ENCODE-DREAM challenge (Quang & Xie 2019, 2.1 and 2.4)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field, PositiveInt, model_validator

from strandwise.data.labels import (
    BinGrid,
    BinState,
    Cover,
    FreshNegatives,
    bin_states,
    count_states,
    labels_and_weights,
    negative_candidates,
    positive_bins,
    unknown_runs,
)
from strandwise.data.reading import GenomeReader, PackedGenome
from strandwise.data.splits import SplitSettings, assign_split, held_out_regions
from strandwise.data.windows import LabelledWindows, WindowSettings
from strandwise.errors import InputError
from strandwise.genome import Genome
from strandwise.schema import Settings

SPLITS_DRAWN = ("train", "valid", "test")


class BinSettings(Settings):
    """The `[bins]` table of a config: labels by the bins of the ENCODE-DREAM challenge, instead of around summits."""

    bin_bp: PositiveInt = Field(default=200, description="length of a bin")
    step_bp: PositiveInt = Field(default=50, description="from the start of a bin to that of the next")
    peak_bp: PositiveInt | None = Field(
        default=None, description="take peaks as this many bases around their summits; as they stand if not given"
    )
    least_bp: PositiveInt | None = Field(
        default=None, description="bases of peaks that make a bin bound; more than half of it if not given"
    )
    distance_bp: PositiveInt = Field(default=200, description="least distance of a negative bin from any peak")
    overlap_bp: PositiveInt = Field(
        default=76, description="of its peak that a bin keeps when it is shifted in training, with one target"
    )
    all_of_test: bool = Field(
        default=True, description="judge on every bin of the test regions; else on bins drawn as for validation"
    )

    @model_validator(mode="after")
    def _fits(self) -> "BinSettings":
        for key in ("least_bp", "overlap_bp"):
            value = getattr(self, key)
            if value is not None and value > self.bin_bp:
                raise ValueError(f"{key} {value} is more than a bin of {self.bin_bp} bp: make it smaller")
        return self


@dataclass(frozen=True)
class Peaks:
    """The peaks of one factor.

    Attributes:
        conservative: reproducible ones.
        relaxed: those of a lower threshold, if there are any; bins that touch them alone are ambiguous.
    """

    conservative: pd.DataFrame
    relaxed: pd.DataFrame | None = None

    @property
    def widest(self) -> pd.DataFrame:
        """Every peak that there is."""
        frames = [frame for frame in (self.conservative, self.relaxed) if frame is not None]
        return pd.concat([frame.loc[:, ["chrom", "start", "end"]] for frame in frames], ignore_index=True)

    def resized(self, width: int, sizes: Mapping[str, int]) -> "Peaks":
        """Return peaks of one width around their summits, cut at the ends of chromosomes."""
        return Peaks(_resized(self.conservative, width, sizes), _resized(self.relaxed, width, sizes))


def _resized(frame: pd.DataFrame | None, width: int, sizes: Mapping[str, int]) -> Any:
    if frame is None:
        return None
    start = frame["summit"] - width // 2
    ends = np.minimum(start + width, frame["chrom"].map(sizes))
    return frame.assign(start=start.clip(lower=0), end=ends)


def label_bins(
    genome: Genome,
    peaks: Mapping[str, Peaks],
    windows: WindowSettings,
    bins: BinSettings,
    split: SplitSettings,
    *,
    per_peak: float = 1.0,
    epochs: int = 1,
    blacklist: pd.DataFrame | None = None,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> LabelledWindows:
    """Return windows around bound bins and around unbound ones, fresh ones for each epoch of training.

    With one factor there is a window for each conservative peak, around its middle, which training shifts as far as
    the peak stays in the bin; with several there is one for each bin that any of them binds, which training
    shifts by `jitter_bp`. Negatives are bins that nothing binds, away from every peak and apart from each other;
    no epoch sees those of another before all have been seen. Bins with ambiguous labels have weight 0, and so has
    everything on a chromosome where a factor was not measured.

    Args:
        genome: the genome.
        peaks: of each factor, in the genome's chromosome names.
        windows: lengths; a window is centred on its bin.
        bins: sizes.
        split: what is held out.
        per_peak: negatives for each positive, in each split and each epoch.
        epochs: of training, for which negatives are drawn.
        blacklist: regions to keep training and validation away from; in the test they count as unbound.
        seed: of the negatives.
        notes: what is known already.

    Raises:
        InputError: a peak past its chromosome's end, no peak, or no bin left to draw from.
    """
    _check_widths(peaks, bins)
    sizes = _measured(genome, peaks, split)
    grid = BinGrid(sizes, bins.bin_bp, bins.step_bp)
    states = np.stack([_states(grid, each, blacklist, bins) for each in peaks.values()], axis=1)
    regions = held_out_regions(split, genome.sizes)
    dropped: Counter[str] = Counter()
    positives = _positives(grid, states, peaks, windows, bins, blacklist, dropped)
    positives = _placed(positives, windows, regions, sizes, dropped)
    free = np.isin(states, (BinState.UNBOUND, BinState.UNLABELLED)).all(1) & (states == BinState.UNBOUND).any(1)
    widest = pd.concat([each.widest for each in peaks.values()], ignore_index=True)
    pool = negative_candidates(
        grid, np.where(free, BinState.UNBOUND, BinState.AMBIGUOUS), widest, distance_bp=bins.distance_bp
    )
    packed = PackedGenome(genome, list(sizes), windows.input_bp + windows.jitter_bp + bins.bin_bp)
    parts = [positives]
    offered = _placed(_rows_frame(grid, pool, "random"), windows, regions, sizes, Counter())
    unknown = Cover(unknown_runs(genome, sizes), what="unknown bases")
    share = unknown.fraction(offered["chrom"].to_numpy(), offered["start"].to_numpy(), offered["end"].to_numpy())
    offered = offered.iloc[np.flatnonzero(share <= windows.max_n_fraction)]
    for name in SPLITS_DRAWN:
        count = int((positives["split"] == name).sum())
        if name == "test" and bins.all_of_test:
            parts = [part[part["split"] != "test"] for part in parts]
            parts.append(_every_bin(grid, windows, regions, sizes))
        elif count and per_peak:
            asked = int(np.ceil(round(count * per_peak, 9)))
            here = offered[offered["split"] == name].reset_index(drop=True)
            parts.append(_drawn(here, asked, epochs if name == "train" else 1, seed, name))
    frame = pd.concat(parts, ignore_index=True)
    labels, weights = _labels(frame, states)
    frame, labels, weights = _known_only(frame, labels, weights, dropped)
    said = [*notes, *_state_notes(peaks, states)]
    start = frame["start"].to_numpy()
    epoch, slack = frame["epoch"].to_numpy(np.int32), frame[["left_bp", "right_bp"]].to_numpy(np.int64)
    return LabelledWindows(
        frame=frame[["chrom", "start", "end", "name", "origin", "split"]],
        labels=labels,
        weights=weights,
        tracks=tuple(peaks),
        reader=GenomeReader(packed, packed.origin(frame["chrom"].to_numpy(), start), windows.input_bp),
        input_bp=windows.input_bp,
        dropped=dropped,
        notes=tuple(said),
        epochs=epoch,
        slack=slack,
    )


def labels_of_bins(
    chrom: np.ndarray, start: np.ndarray, peaks: Mapping[str, Peaks], bins: BinSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and weights ``(bins, factors)`` of bins that need not lie on the grid; see `label_bins`.

    Args:
        chrom: chromosome of each bin.
        start: its first position.
        peaks: of each factor.
        bins: sizes.
    """
    least = bins.least_bp or bins.bin_bp // 2 + 1
    labels, weights = [], []
    for each in peaks.values():
        bound = Cover(each.conservative).bases(chrom, start, start + bins.bin_bp) >= least
        touched = Cover(each.widest).touches(chrom, start, start + bins.bin_bp)
        measured = np.isin(chrom.astype(str), sorted(set(each.conservative["chrom"])))
        labels.append(bound)
        weights.append((bound | ~touched) & measured)
    return np.stack(labels, 1).astype(np.float32), np.stack(weights, 1).astype(np.float32)


def _check_widths(peaks: Mapping[str, Peaks], bins: BinSettings) -> None:
    least = bins.least_bp or bins.bin_bp // 2 + 1
    for name, each in peaks.items():
        widths = (each.conservative["end"] - each.conservative["start"]).to_numpy()
        if widths.max(initial=0) < least:
            raise InputError(
                f"target '{name}': its longest peak has {widths.max(initial=0)} bp, and a bin is bound where peaks "
                f"cover {least} of its {bins.bin_bp} bp: set bins.peak_bp = {bins.bin_bp} to widen peaks around their "
                "summits, or lower bins.least_bp."
            )


def _measured(genome: Genome, peaks: Mapping[str, Peaks], split: SplitSettings) -> dict[str, int]:
    seen = {name for each in peaks.values() for name in pd.unique(each.conservative["chrom"])}
    sizes = {name: size for name, size in genome.sizes.items() if name in seen and name not in split.exclude}
    if not sizes:
        raise InputError("no peaks are left: every chromosome that has any is in split.exclude.")
    return sizes


def _states(grid: BinGrid, peaks: Peaks, blacklist: pd.DataFrame | None, bins: BinSettings) -> np.ndarray:
    inside = {name: frame[frame["chrom"].isin(list(grid.sizes))] for name, frame in _frames(peaks).items()}
    return bin_states(grid, inside["conservative"], inside.get("relaxed"), blacklist=blacklist, least_bp=bins.least_bp)


def _frames(peaks: Peaks) -> dict[str, pd.DataFrame]:
    given = {"conservative": peaks.conservative, "relaxed": peaks.relaxed}
    return {name: frame for name, frame in given.items() if frame is not None}


def _positives(
    grid: BinGrid,
    states: np.ndarray,
    peaks: Mapping[str, Peaks],
    windows: WindowSettings,
    bins: BinSettings,
    blacklist: pd.DataFrame | None,
    dropped: Counter[str],
) -> pd.DataFrame:
    if len(peaks) > 1:
        bound = np.flatnonzero((states == BinState.BOUND).any(1) & (states != BinState.BLACKLISTED).all(1))
        return _rows_frame(grid, bound, "peak", windows.jitter_bp)
    (one,) = peaks.values()
    conservative = one.conservative[one.conservative["chrom"].isin(list(grid.sizes))].reset_index(drop=True)
    found = positive_bins(
        conservative, grid.sizes, blacklist, bin_bp=bins.bin_bp, margin_bp=windows.input_bp, overlap_bp=bins.overlap_bp
    )
    dropped.update(found.dropped)
    return found.frame[["chrom", "start", "end", "left_bp", "right_bp"]].assign(row=-1, origin="peak", epoch=-1)


def _rows_frame(grid: BinGrid, rows: np.ndarray, origin: str, slack_bp: int = 0) -> pd.DataFrame:
    frame = grid.frame(rows)
    return frame.assign(row=rows, origin=origin, left_bp=slack_bp, right_bp=slack_bp, epoch=-1)


def _placed(
    frame: pd.DataFrame,
    windows: WindowSettings,
    regions: pd.DataFrame,
    sizes: Mapping[str, int],
    dropped: Counter[str],
) -> pd.DataFrame:
    """Return windows around bins, each in its split wherever training may shift it; the others are dropped."""
    start = (frame["start"] + frame["end"]).to_numpy() // 2 - windows.input_bp // 2
    frame = frame.assign(start=start, end=start + windows.input_bp, name=".")
    past = (start < 0) | (frame["end"].to_numpy() > frame["chrom"].map(sizes).to_numpy())
    slack = int(frame[["left_bp", "right_bp"]].to_numpy().max(initial=0))
    chrom = frame["chrom"].to_numpy()
    split = assign_split(chrom, start, start + windows.input_bp, regions, slack)
    for where, reason in ((past, "past a chromosome's end"), (~past & (split == ""), "across the border of a split")):
        if where.any():
            dropped[reason] += int(where.sum())
    return frame.assign(split=split)[~past & (split != "")].reset_index(drop=True)


def _every_bin(grid: BinGrid, windows: WindowSettings, regions: pd.DataFrame, sizes: Mapping[str, int]) -> pd.DataFrame:
    """Return a window for each bin that lies in a test region whole; windows may reach past the ends."""
    rows = np.arange(len(grid))
    chrom, start = grid.locate(rows)
    inside = assign_split(chrom, start, start + grid.bin_bp, regions) == "test"
    frame = _rows_frame(grid, rows[inside], "bin")
    start = frame["start"].to_numpy() + grid.bin_bp // 2 - windows.input_bp // 2
    return frame.assign(start=start, end=start + windows.input_bp, name=".", split="test")


def _drawn(offered: pd.DataFrame, asked: int, epochs: int, seed: int, split: str) -> pd.DataFrame:
    """Return negatives of a split, fresh ones for each epoch as far as they last."""
    if len(offered) < asked:
        raise InputError(
            f"only {len(offered)} unbound bins are left for the {asked} negatives of split '{split}': lower "
            "negatives.per_peak or bins.distance_bp, or hold out larger regions."
        )
    fresh = FreshNegatives(np.arange(len(offered)), asked, seed)
    turns = min(epochs, fresh.epochs_before_reuse)
    parts = [offered.iloc[fresh.rows(turn)].assign(epoch=turn if epochs > 1 else -1) for turn in range(turns)]
    return pd.concat(parts)


def _labels(frame: pd.DataFrame, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = frame["row"].to_numpy()
    judged = (frame["origin"] == "bin").to_numpy()
    labels, weights = labels_and_weights(states[rows])
    _, as_challenge = labels_and_weights(states[rows], judge_blacklisted=True)
    weights = np.where(judged[:, None], as_challenge, weights)
    # Windows around peaks of a single factor belong to no bin of the grid.
    alone = rows < 0
    labels[alone], weights[alone] = 1, 1
    return labels.astype(np.float32), weights.astype(np.float32)


def _known_only(
    frame: pd.DataFrame,
    labels: np.ndarray,
    weights: np.ndarray,
    dropped: Counter[str],
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Drop windows of which nothing is known in any track."""
    kept = np.flatnonzero((weights > 0).any(1))
    if len(kept) < len(frame):
        dropped["ambiguous in every track"] += len(frame) - len(kept)
    return frame.iloc[kept].reset_index(drop=True), labels[kept], weights[kept]


def _state_notes(peaks: Mapping[str, Peaks], states: np.ndarray) -> list[str]:
    notes = []
    for column, name in enumerate(peaks):
        counts = count_states(states[:, column])
        known = ", ".join(f"{n:,} {state}" for state, n in counts.items() if n)
        notes.append(f"{name}: {len(states):,} bins, {known}")
    return notes
