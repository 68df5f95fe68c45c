"""Windows that FactorNet draws from the bins of the ENCODE-DREAM challenge (Quang & Xie 2019, 2.1 and 2.4)."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

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
from strandwise.data.negatives import how_many
from strandwise.data.reading import GenomeReader, PackedGenome
from strandwise.data.splits import ELSEWHERE, SplitSettings, assign_split, held_out_regions, roles_of_cell
from strandwise.data.windows import SPLITS, LabelledWindows, WindowSettings
from strandwise.errors import InputError
from strandwise.genome import Genome
from strandwise.schema import Settings


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

    @property
    def least(self) -> int:
        """Bases of peaks that make a bin bound."""
        return self.least_bp or self.bin_bp // 2 + 1


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

        def around(frame: pd.DataFrame) -> pd.DataFrame:
            start = frame["summit"] - width // 2
            ends = np.minimum(start + width, frame["chrom"].map(sizes))
            return frame.assign(start=start.clip(lower=0), end=ends)

        return self._each(around)

    def on(self, chromosomes: Collection[str]) -> "Peaks":
        """Return the peaks on some chromosomes."""
        return self._each(lambda frame: frame[frame["chrom"].isin(list(chromosomes))].reset_index(drop=True))

    def _each(self, change: Callable[[pd.DataFrame], pd.DataFrame]) -> "Peaks":
        return Peaks(change(self.conservative), None if self.relaxed is None else change(self.relaxed))


@dataclass(frozen=True)
class _Places:
    """Where windows lie, and the split that each place has.

    Attributes:
        windows: lengths.
        regions: what is held out.
        sizes: the chromosomes that have bins, with their lengths.
        roles: the split of windows by where they lie; see `roles_of_cell`.
    """

    windows: WindowSettings
    regions: pd.DataFrame
    sizes: Mapping[str, int]
    roles: Mapping[str, str]

    def around(self, bins: pd.DataFrame, dropped: Counter[str]) -> pd.DataFrame:
        """Return windows around bins, each in its split wherever training may shift it; the others are dropped."""
        length = self.windows.input_bp
        start = (bins["start"] + bins["end"]).to_numpy() // 2 - length // 2
        frame = bins.assign(start=start, end=start + length, name=".")
        past = (start < 0) | (frame["end"].to_numpy() > frame["chrom"].map(self.sizes).to_numpy())
        slack = int(frame[["left_bp", "right_bp"]].to_numpy().max(initial=0))
        place = assign_split(frame["chrom"].to_numpy(), start, start + length, self.regions, slack)
        idle = ~np.isin(place, list(self.roles))
        reasons = {
            "past a chromosome's end": past,
            "across the border of a split": ~past & (place == ""),
            ELSEWHERE: ~past & (place != "") & idle,
        }
        dropped.update({reason: int(where.sum()) for reason, where in reasons.items() if where.any()})
        split = np.array([self.roles.get(str(name), "") for name in place], dtype=object)
        return frame.assign(split=split)[~past & ~idle].reset_index(drop=True)

    def every_bin(self, grid: BinGrid, split: str) -> pd.DataFrame:
        """Return a window for each bin that lies whole where a split does; windows may reach past the ends."""
        rows = [np.zeros(0, dtype=np.int64)]
        for chrom, low, high in self._stretches(split).itertuples(index=False):
            if chrom in self.sizes:
                here = grid.rows_of(chrom)
                first = here.start - (-low // grid.step_bp)
                stop = here.start + max((high - grid.bin_bp) // grid.step_bp + 1, 0)
                rows.append(np.arange(first, min(stop, here.stop)))
        frame = _rows_frame(grid, np.sort(np.concatenate(rows)), "bin")
        start = frame["start"].to_numpy() + grid.bin_bp // 2 - self.windows.input_bp // 2
        return frame.assign(start=start, end=start + self.windows.input_bp, name=".", split=split)

    def _stretches(self, split: str) -> pd.DataFrame:
        """Return the parts of the genome whose windows are in a split: chrom, start, end."""
        columns = ["chrom", "start", "end"]
        named = [place for place, role in self.roles.items() if role == split]
        held = self.regions[self.regions["split"].isin(named)][columns]
        rest = Cover(self.regions).gaps(self.sizes) if "train" in named else held.iloc[:0]
        return pd.concat([held, rest], ignore_index=True) if len(held) and len(rest) else (rest if len(rest) else held)


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
    packed: PackedGenome | None = None,
    roles: Mapping[str, str] | None = None,
    single: bool | None = None,
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
        packed: the genome as it is read, where several cells share it; read here if not given.
        roles: the split of windows by where they lie, of a cell; see `roles_of_cell`.
        single: whether the model learns a single factor; whether there is one here, if not given.

    Raises:
        InputError: a peak past its chromosome's end, no peak, or no bin left to draw from.
    """
    _check_widths(peaks, bins)
    sizes = _measured(genome, peaks, split)
    grid = BinGrid(sizes, bins.bin_bp, bins.step_bp)
    states = np.stack([_states(grid, each.on(sizes), blacklist, bins) for each in peaks.values()], axis=1)
    roles = roles_of_cell(split) if roles is None else roles
    places = _Places(windows, held_out_regions(split, genome.sizes), sizes, roles)
    dropped: Counter[str] = Counter()
    if len(peaks) == 1 and single is not False:
        (one,) = peaks.values()
        positives = _around_peaks(grid, one, windows, bins, blacklist, dropped)
    else:
        positives = _bound_bins(grid, states, windows)
    positives = places.around(positives, dropped)
    offered = _offered(genome, grid, states, peaks, places, bins)
    parts = [positives[positives["split"] != "test"] if bins.all_of_test else positives]
    for name in SPLITS:
        asked = how_many(int((positives["split"] == name).sum()), per_peak)
        if name == "test" and bins.all_of_test:
            parts.append(places.every_bin(grid, name))
        elif asked:
            given = offered[offered["split"] == name].reset_index(drop=True)
            parts.append(_drawn(given, asked, epochs if name == "train" else 1, seed, name))
    frame = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    frame, labels, weights = _known_only(frame, *_labels(frame, states), dropped)
    packed = packed or PackedGenome(genome, [], windows.input_bp + windows.jitter_bp + bins.bin_bp)
    packed.include(genome, sizes)
    origin = packed.origin(frame["chrom"].to_numpy(), frame["start"].to_numpy())
    return LabelledWindows(
        frame=frame[["chrom", "start", "end", "name", "origin", "split"]],
        labels=labels,
        weights=weights,
        tracks=tuple(peaks),
        reader=GenomeReader(packed, origin, windows.input_bp),
        input_bp=windows.input_bp,
        dropped=dropped,
        notes=(*notes, *_state_notes(peaks, states)),
        epochs=frame["epoch"].to_numpy(np.int32),
        slack=frame[["left_bp", "right_bp"]].to_numpy(np.int64),
    )


def labels_of_bins(
    chrom: np.ndarray,
    start: np.ndarray,
    peaks: Mapping[str, Peaks],
    bins: BinSettings,
    blacklist: pd.DataFrame | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and weights ``(bins, factors)`` of bins that need not lie on the grid, as the test has them.

    Args:
        chrom: chromosome of each bin.
        start: its first position.
        peaks: of each factor.
        bins: sizes.
        blacklist: regions whose bins count as unbound, whatever their peaks.
    """
    end, labels, weights = start + bins.bin_bp, [], []
    black = np.zeros(len(start), dtype=bool) if blacklist is None else Cover(blacklist).touches(chrom, start, end)
    for each in peaks.values():
        bound = (Cover(each.conservative).bases(chrom, start, end) >= bins.least) & ~black
        touched = Cover(each.widest).touches(chrom, start, end)
        measured = np.isin(chrom.astype(str), sorted(set(each.conservative["chrom"])))
        labels.append(bound & measured)
        weights.append((bound | ~touched | black) & measured)
    return np.stack(labels, 1), np.stack(weights, 1)


def _check_widths(peaks: Mapping[str, Peaks], bins: BinSettings) -> None:
    for name, each in peaks.items():
        widths = (each.conservative["end"] - each.conservative["start"]).to_numpy()
        if widths.max(initial=0) < bins.least:
            raise InputError(
                f"target '{name}': its longest peak has {widths.max(initial=0)} bp, and a bin is bound where peaks "
                f"cover {bins.least} of its {bins.bin_bp} bp: set bins.peak_bp = {bins.bin_bp} to widen peaks around "
                "their summits, or lower bins.least_bp."
            )


def _measured(genome: Genome, peaks: Mapping[str, Peaks], split: SplitSettings) -> dict[str, int]:
    seen = {name for each in peaks.values() for name in pd.unique(each.conservative["chrom"])}
    sizes = {name: size for name, size in genome.sizes.items() if name in seen and name not in split.exclude}
    if not sizes:
        raise InputError("no peaks are left: every chromosome that has any is in split.exclude.")
    return sizes


def _states(grid: BinGrid, peaks: Peaks, blacklist: pd.DataFrame | None, bins: BinSettings) -> np.ndarray:
    return bin_states(grid, peaks.conservative, peaks.relaxed, blacklist=blacklist, least_bp=bins.least)


def _bound_bins(grid: BinGrid, states: np.ndarray, windows: WindowSettings) -> pd.DataFrame:
    bound = np.flatnonzero((states == BinState.BOUND).any(1) & (states != BinState.BLACKLISTED).all(1))
    return _rows_frame(grid, bound, "peak", windows.jitter_bp)


def _around_peaks(
    grid: BinGrid,
    one: Peaks,
    windows: WindowSettings,
    bins: BinSettings,
    blacklist: pd.DataFrame | None,
    dropped: Counter[str],
) -> pd.DataFrame:
    found = positive_bins(
        one.on(grid.sizes).conservative,
        grid.sizes,
        blacklist,
        bin_bp=bins.bin_bp,
        margin_bp=windows.input_bp,
        overlap_bp=bins.overlap_bp,
    )
    dropped.update(found.dropped)
    return found.frame[["chrom", "start", "end", "left_bp", "right_bp"]].assign(row=-1, origin="peak", epoch=-1)


def _offered(
    genome: Genome,
    grid: BinGrid,
    states: np.ndarray,
    peaks: Mapping[str, Peaks],
    places: _Places,
    bins: BinSettings,
) -> pd.DataFrame:
    """Return windows around the bins that may be drawn as negatives."""
    free = np.isin(states, (BinState.UNBOUND, BinState.UNLABELLED)).all(1) & (states == BinState.UNBOUND).any(1)
    widest = pd.concat([each.widest for each in peaks.values()], ignore_index=True)
    candidates = np.where(free, BinState.UNBOUND, BinState.AMBIGUOUS)
    pool = negative_candidates(grid, candidates, widest, distance_bp=bins.distance_bp)
    offered = places.around(_rows_frame(grid, pool, "random"), Counter())
    unknown = Cover(unknown_runs(genome, grid.sizes), what="unknown bases")
    share = unknown.fraction(offered["chrom"].to_numpy(), offered["start"].to_numpy(), offered["end"].to_numpy())
    return offered.iloc[np.flatnonzero(share <= places.windows.max_n_fraction)]


def _rows_frame(grid: BinGrid, rows: np.ndarray, origin: str, slack_bp: int = 0) -> pd.DataFrame:
    frame = grid.frame(rows)
    return frame.assign(row=rows, origin=origin, left_bp=slack_bp, right_bp=slack_bp, epoch=-1)


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
    labels[alone], weights[alone] = True, True
    return labels, weights


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
