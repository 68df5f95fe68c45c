"""Windows laid side by side along the genome, labelled as a whole or bin by bin (DeepSEA; Gupta & Rush 2017)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, PositiveInt, model_validator

from strandwise.data.batches import TARGET
from strandwise.data.dense_reader import DenseReader, middles_of
from strandwise.data.labels import BinGrid, Cover, label_middle, measured_on, unmeasured_notes
from strandwise.data.reading import GenomeReader, PackedGenome
from strandwise.data.screening import Screen, room_for
from strandwise.data.splits import SplitSettings
from strandwise.data.windows import LabelledWindows, WindowSettings
from strandwise.errors import InputError
from strandwise.genome import Genome
from strandwise.schema import Settings

_MIDDLE_STEP_BP = 200


class TileSettings(Settings):
    """The `[tiles]` table of a config: windows side by side along the genome, instead of around summits.

    With ``labels = "middle"`` and 1,000 bp these are the windows of DeepSEA (Zhou & Troyanskaya 2015; Dataset 1 of
    Gupta & Rush 2017); with ``labels = "dense"`` and 25,000 bp those of Dataset 2. An event of 50 bp on either side
    of a summit is ``peak_bp = 101``: the summit's base is the middle one, so that it is the same from either strand;
    ``peak_bp = 100`` leaves out the last base on the right.
    """

    labels: Literal["middle", "dense"] = Field(
        default="middle",
        description="one label a window, by its middle windows.label_bp; or 'dense', one for each windows.bin_bp of "
        "its middle windows.output_bp",
    )
    step_bp: PositiveInt | None = Field(
        default=None, description="from a window to the next; 200, or windows.input_bp for dense labels, if not given"
    )
    peak_bp: PositiveInt | None = Field(
        default=None, description="take peaks as this many bases around their summits; as they stand if not given"
    )
    least_bp: PositiveInt | None = Field(
        default=None, description="bases of peaks that make a middle bound; more than half of it if not given"
    )
    keep: Literal["peaks", "all"] | None = Field(
        default=None,
        description="'peaks' keeps windows that are positive for any target; if not given, 'all' for dense labels, "
        "else 'peaks'",
    )
    max_unmappable: float = Field(
        default=0.1, ge=0, le=1, description="windows with more of genome.unmappable than this are dropped"
    )

    @model_validator(mode="after")
    def _fits(self) -> "TileSettings":
        if self.labels == "dense" and self.least_bp is not None:
            raise ValueError(
                "least_bp is for labels = 'middle': a bin of dense labels is bound by more than half of it"
            )
        return self

    @property
    def dense(self) -> bool:
        """Whether each bin of a window has a label of its own."""
        return self.labels == "dense"

    @property
    def only_peaks(self) -> bool:
        """Whether windows without a peak of any target are left out."""
        return not self.dense if self.keep is None else self.keep == "peaks"

    def step_of(self, windows: WindowSettings) -> int:
        """Return how far the start of a window lies from that of the next."""
        return self.step_bp or (windows.input_bp if self.dense else _MIDDLE_STEP_BP)


def label_tiles(
    genome: Genome,
    peaks: Mapping[str, pd.DataFrame],
    windows: WindowSettings,
    tiles: TileSettings,
    split: SplitSettings,
    *,
    blacklist: pd.DataFrame | None = None,
    unmappable: pd.DataFrame | None = None,
    notes: Sequence[str] = (),
    packed: PackedGenome | None = None,
) -> LabelledWindows:
    """Return windows side by side along every chromosome that has a peak, labelled and each in its split.

    The first begins at the first base of its chromosome, and all lie on it whole. Windows that overlap the blacklist,
    straddle the border of a split, or hold too much unknown or unmappable sequence are dropped and counted. Labels
    are those of `label_as_tiles`; a track without a peak on a chromosome was not measured there, and has weight 0.

    Args:
        genome: the genome.
        peaks: of each track, in the genome's chromosome names.
        windows: lengths.
        tiles: how windows are laid and labelled.
        split: what is held out.
        blacklist: regions to keep windows away from.
        unmappable: regions to which reads cannot be traced; a window may hold `max_unmappable` of them.
        notes: what is known already.
        packed: the genome as it is read, where several cells share it; read here if not given.

    Raises:
        InputError: no peak, chromosomes shorter than a window, peaks too short to bind anything, or no window left.
    """
    measured = [name for frame in peaks.values() for name in pd.unique(frame["chrom"])]
    sizes, said = room_for(genome, measured, windows.input_bp, split, "peaks")
    events = taken_peaks(peaks, tiles, genome.sizes)
    _check_widths(events, windows, tiles)
    grid = BinGrid(sizes, windows.input_bp, tiles.step_of(windows))
    rows, dropped = np.arange(len(grid)), Counter[str]()
    if tiles.only_peaks:
        # Few windows touch any peak, and only those need be written down.
        rows = np.flatnonzero(grid.touched(Cover(pd.concat([_places(frame) for frame in events.values()]))))
        rows = rows[_labels(grid.frame(rows), events, windows, tiles).any(axis=1)]
        dropped["without a positive label"] = len(grid) - len(rows)
    frame = grid.frame(rows)
    screen = Screen(genome, split, windows.max_n_fraction, blacklist, unmappable, tiles.max_unmappable)
    left = screen.apply(frame, windows.jitter_bp)
    dropped.update(left.dropped)
    if not len(left.rows):
        why = ", ".join(f"{count} {reason}" for reason, count in dropped.items() if count)
        raise InputError(f"[tiles] leaves no window of {len(grid)} ({why}): loosen what drops them.")
    frame = frame.iloc[left.rows].reset_index(drop=True).assign(name=".", origin="tile", split=left.split)
    packed = packed or PackedGenome(genome, [], windows.input_bp + windows.jitter_bp)
    packed.include(genome, sizes)
    origin = packed.origin(frame["chrom"].to_numpy(), frame["start"].to_numpy())
    known = measured_on(frame["chrom"], peaks)
    found = LabelledWindows(
        frame=frame,
        labels=np.zeros_like(known),
        weights=known,
        tracks=tuple(peaks),
        reader=GenomeReader(packed, origin, windows.input_bp),
        input_bp=windows.input_bp,
        dropped=+dropped,
        notes=(*notes, *said, *unmeasured_notes(sizes, peaks)),
    )
    return label_as_tiles(found, peaks, genome.sizes, windows, tiles)


def label_as_tiles(
    found: LabelledWindows,
    peaks: Mapping[str, pd.DataFrame],
    sizes: Mapping[str, int],
    windows: WindowSettings,
    tiles: TileSettings,
) -> LabelledWindows:
    """Return windows, wherever they lie, with the labels that tiles have.

    With labels "middle", a window is positive for a track if its peaks together cover more than half of the middle
    `label_bp` (or `least_bp` of it). With "dense", the signal "target" says it for each bin, which is bound if peaks
    cover more than half of it; the label of the whole window, by which windows are kept and counted, is whether any
    base of its middle `output_bp` lies in a peak.

    Args:
        found: the windows; their weights are kept.
        peaks: of each track, as they stand.
        sizes: chromosomes of the genome and their sizes in bp.
        windows: lengths.
        tiles: how windows are labelled.

    Raises:
        InputError: lengths that would not turn with their window.
    """
    events = taken_peaks(peaks, tiles, sizes)
    labels = _labels(found.frame, events, windows, tiles).astype(bool)
    found = replace(found, labels=labels, tracks=tuple(peaks))
    if not tiles.dense:
        return found
    reader = DenseReader(found.frame, events, sizes, output_bp=windows.output_bp, bin_bp=windows.bin_bp)
    return replace(found, signals={**found.signals, TARGET: reader})


def taken_peaks(
    peaks: Mapping[str, pd.DataFrame], tiles: TileSettings, sizes: Mapping[str, int]
) -> dict[str, pd.DataFrame]:
    """Return peaks as they stand, or all `peak_bp` long around their summits, cut at the ends of chromosomes."""
    if tiles.peak_bp is None:
        return dict(peaks)
    taken = {}
    for name, frame in peaks.items():
        start = frame["summit"].to_numpy(dtype=np.int64) - tiles.peak_bp // 2
        end = np.minimum(start + tiles.peak_bp, frame["chrom"].map(sizes).to_numpy(dtype=np.int64))
        taken[name] = frame.assign(start=np.maximum(start, 0), end=end)
    return taken


def _places(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["chrom", "start", "end"]]


def _labels(
    frame: pd.DataFrame, events: Mapping[str, pd.DataFrame], windows: WindowSettings, tiles: TileSettings
) -> np.ndarray:
    if tiles.dense:
        middles = middles_of(frame, windows.output_bp, windows.bin_bp)
        return label_middle(middles, events, windows.output_bp or windows.input_bp, share=0)
    # Half a base below what is asked for, of which "more than" is "at least" the next whole base.
    share = (_least_bp(windows, tiles) - 0.5) / windows.label_bp
    return label_middle(frame, events, windows.label_bp, share)


def _least_bp(windows: WindowSettings, tiles: TileSettings) -> int:
    return tiles.least_bp or windows.label_bp // 2 + 1


def _check_widths(events: Mapping[str, pd.DataFrame], windows: WindowSettings, tiles: TileSettings) -> None:
    part, least = ("middle", _least_bp(windows, tiles)) if not tiles.dense else ("bin", windows.bin_bp // 2 + 1)
    whole = windows.bin_bp if tiles.dense else windows.label_bp
    for name, frame in events.items():
        longest = int((frame["end"] - frame["start"]).max()) if len(frame) else least
        if longest < least:
            raise InputError(
                f"target '{name}': its longest peak has {longest} bp, and a {part} of {whole} bp is bound where peaks "
                f"cover {least} of it: set tiles.peak_bp = {whole} to widen peaks around their summits"
                + ("." if tiles.dense else ", or lower tiles.least_bp.")
            )
