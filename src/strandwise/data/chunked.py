"""Chunks of the genome with signal in them: the coverage-threshold data of GOPHER (Toneyan et al. 2022, Methods)."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

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
    test_threshold: Annotated[float, Field(ge=0)] | Literal["all"] | None = Field(
        default=None, description="the same for the test; 0 or 'all' keeps every chunk; threshold if not given"
    )
    test_by: Literal["signal", "replicate"] = Field(
        default="signal",
        description="what must pass it: 'replicate' chooses chunks by the second replicate, and judges on the first",
    )
    bin_bp: PositiveInt = Field(default=1, description="the highest value is that of bins of this, by their mean")
    max_unmappable: float = Field(
        default=0.5, ge=0, le=1, description="chunks with this share of genome.unmappable or more are dropped"
    )

    @model_validator(mode="after")
    def _fits(self) -> "ChunkSettings":
        if self.chunk_bp is not None and self.chunk_bp % self.bin_bp:
            raise ValueError(f"bins of bin_bp {self.bin_bp} do not fill chunk_bp {self.chunk_bp}: give a divisor")
        if self.test_by == "replicate" and self.test_least == -math.inf:
            raise ValueError(
                f"test_threshold {self.test_threshold!r} keeps every chunk, and test_by = 'replicate' would choose "
                "some: give a threshold, or remove test_by"
            )
        return self

    @property
    def test_least(self) -> float:
        """What the highest value of a test chunk must be more than."""
        if self.test_threshold is None:
            return self.threshold
        return -math.inf if self.test_threshold in (0, "all") else float(self.test_threshold)

    def check_replicates(self, without: Sequence[str]) -> None:
        """Refuse to choose the test by replicates that are not there.

        Args:
            without: names of targets that have none.

        Raises:
            InputError: naming the target.
        """
        if self.test_by == "replicate" and without:
            raise InputError(
                f"chunks.test_by = 'replicate', and target '{without[0]}' has none: give it replicate, or "
                "replicate_plus and replicate_minus."
            )

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
    roles: Mapping[str, str] | None = None,
    replicates: Mapping[str, Sequence[Signal]] | None = None,
) -> LabelledWindows:
    """Return the middles of those chunks of the genome in which any target passes the threshold.

    Chunks lie side by side from the first base of each chromosome that any target was measured on. Those that
    overlap the blacklist, straddle the border of a split, or hold too much unknown or unmappable sequence are dropped
    and counted. A window is positive for a target if the target itself passes the threshold in its chunk, whatever it
    was kept by; on a chromosome that the target was not measured on, its weight is 0.

    Test chunks may have a threshold of their own, or none, which leaves whole chromosomes. Those that pass by the
    signal that they are then judged on are high there partly by chance, as they would not be in a second experiment;
    chosen by a replicate they are not.

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
        roles: the split of windows by where they lie, of a cell, which says what the test is; see `roles_of_cell`.
        replicates: second measurements of targets, for ``test_by = "replicate"``.

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
    test = np.flatnonzero(frame["split"].map(roles or {"test": "test"}) == "test")
    passed = over_threshold(highest, chunks.threshold)
    passed[test] = _kept_for_test(frame.iloc[test], highest[test], chunks, signals, replicates or {})
    kept = np.flatnonzero(passed)
    dropped = left.dropped + _fallen(passed, test, chunks)
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
        labels=highest > chunks.threshold,
        weights=_weights(frame["chrom"], signals),
        tracks=tuple(signals),
        reader=GenomeReader(packed, packed.origin(frame["chrom"].to_numpy(), start), windows.input_bp),
        input_bp=windows.input_bp,
        dropped=dropped,
        notes=(*notes, *said, *_test_notes(passed, test, chunks)),
    )


def labels_of_chunks(
    frame: pd.DataFrame, signals: Mapping[str, Sequence[Signal]], windows: WindowSettings, chunks: ChunkSettings
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return labels and weights ``(windows, targets)`` of windows that lie anywhere; see `label_chunks`.

    Args:
        frame: chrom, start, end of the windows, which may reach past the ends of their chromosomes.
        signals: of each target.
        windows: lengths.
        chunks: the threshold, and how long the chunk is of which a window is the middle.
    """
    start = frame["start"].to_numpy() - margin_of(windows, chunks)
    around = pd.DataFrame({"chrom": frame["chrom"], "start": start, "end": start + chunks.length_of(windows)})
    return _highest(around, signals, chunks) > chunks.threshold, _weights(frame["chrom"], signals)


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


def _weights(chrom: pd.Series, signals: Mapping[str, Sequence[Signal]]) -> NDArray[np.bool_]:
    return np.stack([chrom.isin(_measured(strands)) for strands in signals.values()], axis=1)


def _kept_for_test(
    frame: pd.DataFrame,
    highest: NDArray[np.float32],
    chunks: ChunkSettings,
    signals: Mapping[str, Sequence[Signal]],
    replicates: Mapping[str, Sequence[Signal]],
) -> NDArray[np.bool_]:
    """Return which chunks of the test are kept, given the highest values ``(chunks, targets)`` of the signal."""
    if chunks.test_by == "replicate":
        chunks.check_replicates([name for name in signals if name not in replicates])
        highest = _highest(frame, replicates, chunks)
    return over_threshold(highest, chunks.test_least)


def _fallen(passed: NDArray[np.bool_], test: NDArray[np.intp], chunks: ChunkSettings) -> Counter[str]:
    """Return how many chunks do not pass, by what they would have had to pass."""
    of_test, fallen = int((~passed[test]).sum()), int((~passed).sum())
    same = chunks.test_least == chunks.threshold and chunks.test_by == "signal"
    of = " of the replicate" if chunks.test_by == "replicate" else ""
    found = Counter({f"nothing over {chunks.threshold:g} in it": fallen - (0 if same else of_test)})
    if not same:
        found[f"of the test, nothing{of} over {chunks.test_least:g} in it"] = of_test
    return +found


def _test_notes(passed: NDArray[np.bool_], test: NDArray[np.intp], chunks: ChunkSettings) -> list[str]:
    if not len(test) or (chunks.test_threshold is None and chunks.test_by == "signal"):
        return []
    of = " of the replicate" if chunks.test_by == "replicate" else ""
    over = f"chunks where anything{of} passes {chunks.test_least:g}"
    what = "every chunk" if chunks.test_least == -math.inf else over
    return [f"the test is {what}: {int(passed[test].sum()):,} of {len(test):,}"]
