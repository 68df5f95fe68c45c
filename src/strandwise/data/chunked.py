"""Chunks of the genome with signal in them: the coverage-threshold data of GOPHER (Toneyan et al. 2022, Methods)."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, model_validator

from strandwise.data.labels import BinGrid, highest_coverage, over_threshold
from strandwise.data.reading import GenomeReader, PackedGenome
from strandwise.data.screening import Screen, room_for
from strandwise.data.signals import Signal
from strandwise.data.splits import SplitSettings
from strandwise.data.windows import LabelledWindows, WindowSettings
from strandwise.errors import InputError
from strandwise.genome import Genome
from strandwise.schema import Settings


class ChunkSettings(Settings):
    """The `[chunks]` table of a config: pieces of the genome in which a target's signal passes a threshold.

    The recipe of the paper is ``chunk_bp = 3072`` with ``windows.input_bp = 2048`` and ``windows.jitter_bp = 512``:
    training reads each chunk's 2,048 bp from a place of its own in every epoch, and the test reads the middle ones.
    """

    chunk_bp: PositiveInt | None = Field(
        default=None, description="length of a chunk, whose middle windows.input_bp are read; input_bp if not given"
    )
    step_bp: PositiveInt | None = Field(
        default=None, description="from a chunk to the next; the length of a chunk if not given, so that they touch"
    )
    threshold: float = Field(
        default=2.0, ge=0, description="a chunk is kept where the highest value of any target is more than this"
    )
    bin_bp: PositiveInt = Field(default=1, description="the highest value is that of bins of this, by their mean")
    max_unmappable: float = Field(
        default=0.5, ge=0, le=1, description="chunks with this share of genome.unmappable or more are dropped"
    )

    @model_validator(mode="after")
    def _fits(self) -> "ChunkSettings":
        if self.chunk_bp is not None and self.chunk_bp % self.bin_bp:
            raise ValueError(f"bins of bin_bp {self.bin_bp} do not fill chunk_bp {self.chunk_bp}: give a divisor")
        return self

    def length_of(self, windows: WindowSettings) -> int:
        """Return the length of a chunk."""
        return self.chunk_bp or windows.input_bp


def label_chunks(
    genome: Genome,
    signals: Mapping[str, Sequence[Signal]],
    windows: WindowSettings,
    chunks: ChunkSettings,
    split: SplitSettings,
    *,
    blacklist: pd.DataFrame | None = None,
    unmappable: pd.DataFrame | None = None,
    notes: Sequence[str] = (),
    packed: PackedGenome | None = None,
) -> LabelledWindows:
    """Return the middles of those chunks of the genome in which any target passes the threshold.

    Chunks lie side by side from the first base of each chromosome that any target was measured on. Those that
    overlap the blacklist, straddle the border of a split, or hold too much unknown or unmappable sequence are dropped
    and counted. A window is positive for a target if the target itself passes the threshold in its chunk; on a
    chromosome that the target was not measured on, its weight is 0.

    Args:
        genome: the genome.
        signals: of each target, one for each strand it has; opened on this genome.
        windows: lengths.
        chunks: how the genome is cut and what is kept.
        split: what is held out.
        blacklist: regions to keep chunks away from.
        unmappable: regions to which reads cannot be traced.
        notes: what is known already.
        packed: the genome as it is read, where several cells share it; read here if not given.

    Raises:
        InputError: no chunk passes, lengths that do not fit, or a target's file that cannot be read.
    """
    length, margin = chunks.length_of(windows), margin_of(windows, chunks)
    measured = [name for target in signals for name in _measured(signals[target])]
    sizes, said = room_for(genome, measured, length, split, "signal")
    grid = BinGrid(sizes, length, chunks.step_bp or length)
    frame = grid.frame()
    screen = Screen(
        genome, split, windows.max_n_fraction, blacklist, unmappable, chunks.max_unmappable, at_limit="drop"
    )
    # Within its chunk a window may move as it likes.
    left = screen.apply(frame, max(windows.jitter_bp - margin, 0))
    frame = frame.iloc[left.rows].reset_index(drop=True).assign(split=left.split)
    highest = _highest(frame, signals, chunks)
    kept = np.flatnonzero(over_threshold(highest, chunks.threshold))
    dropped = left.dropped + Counter({f"nothing over {chunks.threshold:g} in it": len(frame) - len(kept)})
    if not len(kept):
        raise InputError(
            f"[chunks] keeps none of {len(frame)} chunks: no target passes {chunks.threshold:g}, the highest value is "
            f"{highest.max(initial=0):g}: lower chunks.threshold."
        )
    frame, highest = frame.iloc[kept].reset_index(drop=True), highest[kept]
    start = frame["start"].to_numpy() + margin
    frame = frame.assign(start=start, end=start + windows.input_bp, name=".", origin="chunk")
    packed = packed or PackedGenome(genome, [], windows.input_bp + windows.jitter_bp)
    packed.include(genome, sizes)
    return LabelledWindows(
        frame=frame[["chrom", "start", "end", "name", "origin", "split"]],
        labels=(highest > chunks.threshold).astype(np.float32),
        weights=_weights(frame["chrom"], signals),
        tracks=tuple(signals),
        reader=GenomeReader(packed, packed.origin(frame["chrom"].to_numpy(), start), windows.input_bp),
        input_bp=windows.input_bp,
        dropped=dropped,
        notes=(*notes, *said),
    )


def labels_of_chunks(
    frame: pd.DataFrame, signals: Mapping[str, Sequence[Signal]], windows: WindowSettings, chunks: ChunkSettings
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return labels and weights ``(windows, targets)`` of windows that lie anywhere; see `label_chunks`.

    Args:
        frame: chrom, start, end of the windows, which may reach past the ends of their chromosomes.
        signals: of each target.
        windows: lengths.
        chunks: the threshold, and how long the chunk is of which a window is the middle.
    """
    start = frame["start"].to_numpy() - margin_of(windows, chunks)
    around = pd.DataFrame({"chrom": frame["chrom"], "start": start, "end": start + chunks.length_of(windows)})
    labels = (_highest(around, signals, chunks) > chunks.threshold).astype(np.float32)
    return labels, _weights(frame["chrom"], signals)


def margin_of(windows: WindowSettings, chunks: ChunkSettings) -> int:
    """Return how many bases of a chunk lie on the left of its window.

    Raises:
        InputError: a chunk shorter than its window, or one that cannot be centred on it, or that bins do not fill.
    """
    length = chunks.length_of(windows)
    spare = length - windows.input_bp
    if spare < 0 or spare % 2:
        raise InputError(
            f"windows.input_bp = {windows.input_bp} are not the middle of chunks.chunk_bp = {length}: make the chunk "
            "longer, and both even or both odd."
        )
    if length % chunks.bin_bp:
        raise InputError(f"chunks.bin_bp = {chunks.bin_bp} does not divide the {length} bp of a chunk: give a divisor.")
    return spare // 2


class _Along:
    """A signal along the chromosomes it was measured on, positive whichever strand it is of."""

    def __init__(self, signal: Signal) -> None:
        known = zip(signal.sizes.items(), signal.measured, strict=True)
        self.sizes = {name: size for (name, size), measured in known if measured}
        self._signal, self._number = signal, {name: number for number, name in enumerate(signal.sizes)}

    def values(self, chrom: str, start: int, end: int) -> NDArray[np.float32]:
        """Return one value for each base, NaN where nothing is known."""
        out = torch.empty((1, end - start))
        self._signal.read(np.array([self._number[chrom]]), np.array([start]), out)
        values = out[0].numpy()
        return -values if self._signal.track.negate else values


def _highest(
    frame: pd.DataFrame, signals: Mapping[str, Sequence[Signal]], chunks: ChunkSettings
) -> NDArray[np.float32]:
    """Return the highest value ``(chunks, targets)`` of each target, on whichever strand."""
    columns = [
        highest_coverage(frame, [_Along(signal) for signal in strands], chunks.bin_bp).max(axis=1)
        for strands in signals.values()
    ]
    return np.stack(columns, axis=1)


def _measured(strands: Sequence[Signal]) -> list[str]:
    """Return the chromosomes that a target was measured on, on every strand."""
    return [name for number, name in enumerate(strands[0].sizes) if all(signal.measured[number] for signal in strands)]


def _weights(chrom: pd.Series, signals: Mapping[str, Sequence[Signal]]) -> NDArray[np.float32]:
    return np.stack([chrom.isin(_measured(strands)) for strands in signals.values()], axis=1).astype(np.float32)
