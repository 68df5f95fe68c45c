"""Chunks with signal in them, against the highest value of each found base by base."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from strandwise.data.chunked import ChunkSettings, label_chunks, labels_of_chunks
from strandwise.data.signals import Track
from strandwise.data.signals.statistics import Statistics
from strandwise.data.splits import SplitSettings
from strandwise.data.windows import LabelledWindows, WindowSettings
from strandwise.errors import InputError
from strandwise.genome import Genome

SIZES = {"chr1": 2010, "chr2": 650, "chr3": 400}
SPLIT = SplitSettings(valid=("chr1:1000-1500",), test=("chr2",))


@dataclass
class Made:
    """A signal that is held as arrays; a chromosome that it lacks was not measured."""

    values: dict[str, np.ndarray]
    negate: bool = False
    counted: bool = True
    notes: tuple[str, ...] = ()
    sizes: dict[str, int] = field(default_factory=lambda: dict(SIZES))

    def __post_init__(self) -> None:
        strand = "-" if self.negate else "."
        self.track = Track("made", Path("made.bw"), strand, negate=self.negate)
        self.measured = np.array([name in self.values for name in self.sizes])
        self.height = {name: np.nan_to_num(np.abs(line)) for name, line in self.values.items()}

    def statistics(self) -> list[Statistics]:
        return []

    def read(self, chrom: np.ndarray, start: np.ndarray, out: torch.Tensor) -> bool:
        out[:] = torch.nan
        for row, (number, first) in enumerate(zip(chrom, start, strict=True)):
            line = self.values[list(self.sizes)[number]]
            low, high = max(first, 0), min(first + out.shape[1], len(line))
            out[row, low - first : high - first] = torch.from_numpy(line[low:high])
        return True


def spikes(seed: int, chromosomes: tuple[str, ...], count: int, sign: int = 1) -> Made:
    rng = np.random.default_rng(seed)
    made = {}
    for name in chromosomes:
        line = np.full(SIZES[name], np.nan)
        for at in rng.integers(0, SIZES[name], count):
            line[at : at + 20] = sign * rng.integers(1, 9)
        made[name] = line
    return Made(made, negate=sign < 0)


@pytest.fixture
def genome(make_genome: Callable[..., Genome]) -> Genome:
    return make_genome(**SIZES)


@pytest.fixture(scope="module")
def signals() -> dict[str, list[Made]]:
    return {
        "ATAC": [spikes(1, ("chr1", "chr2"), 9)],
        "ChIP": [spikes(2, ("chr1", "chr2"), 4), spikes(3, ("chr1", "chr2"), 4, sign=-1)],
        "rest": [spikes(4, ("chr1",), 3)],
    }


def highest(made: list[Made], chrom: str, start: int, end: int, bin_bp: int = 1) -> float:
    """The highest mean of a bin on either strand, one bin at a time."""
    found = [0.0]
    for strand in made:
        if chrom in strand.values:
            line = strand.height[chrom]
            bins = range(max(start, 0), min(end, len(line)), bin_bp)
            found += [float(line[at : at + bin_bp].sum() / bin_bp) for at in bins]
    return max(found)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([0, 2, 5, 7.5]),
    st.sampled_from([(None, 1), (100, 10), (140, 20), (60, 60)]),
    st.sampled_from([None, 35]),
)
def test_chunks_are_kept_where_any_target_passes(
    genome: Genome, signals: dict, threshold: float, lengths: tuple[int | None, int], step: int | None
) -> None:
    chunk_bp, bin_bp = lengths
    length = chunk_bp or 60
    chunks = ChunkSettings(chunk_bp=chunk_bp, bin_bp=bin_bp, threshold=threshold, step_bp=step)
    windows = WindowSettings(input_bp=60, label_bp=20)
    laid = [(name, at) for name in ("chr1", "chr2") for at in range(0, SIZES[name] - length + 1, step or length)]
    whole = [
        (name, at)
        for name, at in laid
        if name == "chr2" or at + length <= 1000 or at >= 1500 or 1000 <= at <= 1500 - length
    ]
    kept = [
        (name, at)
        for name, at in whole
        if any(highest(made, name, at, at + length, bin_bp) > threshold for made in signals.values())
    ]
    if not kept:
        with pytest.raises(InputError, match=f"keeps none of {len(whole)} chunks: no target passes {threshold:g}"):
            label_chunks(genome, signals, windows, chunks, SPLIT)
        return
    found = label_chunks(genome, signals, windows, chunks, SPLIT)
    margin = (length - 60) // 2
    assert [*zip(found.frame["chrom"], found.frame["start"] - margin, strict=True)] == kept
    assert (found.frame["end"] - found.frame["start"] == 60).all()
    expected = [
        [highest(made, name, at, at + length, bin_bp) > threshold for made in signals.values()] for name, at in kept
    ]
    assert found.labels.tolist() == expected
    assert found.weights.tolist() == [[1, 1, name == "chr1"] for name, _ in kept]
    assert len(found) + sum(found.dropped.values()) == len(laid)
    assert found.dropped.get("across the border of a split", 0) == len(laid) - len(whole)
    assert found.tracks == ("ATAC", "ChIP", "rest")
    assert "no signal on chr3: no windows there" in found.notes
    again = labels_of_chunks(found.frame, signals, windows, chunks)
    assert np.array_equal(again[0], found.labels)
    assert np.array_equal(again[1], found.weights)


def test_windows_past_the_ends_are_labelled_too(signals: dict) -> None:
    frame = pd.DataFrame({"chrom": ["chr1", "chr2", "chr3"], "start": [-30, 620, 10], "end": [30, 680, 70]})
    labels, weights = labels_of_chunks(frame, signals, WindowSettings(input_bp=60, label_bp=20), ChunkSettings())
    for row, (chrom, start, end) in enumerate(frame.itertuples(index=False)):
        assert labels[row].tolist() == [highest(made, chrom, start, end) > 2 for made in signals.values()]
    assert weights.tolist() == [[1, 1, 1], [1, 1, 0], [0, 0, 0]]


def test_half_unmappable_is_too_much(genome: Genome) -> None:
    everywhere = {"t": [Made({"chr1": np.full(2010, 3.0)})]}
    unmappable = pd.DataFrame({"chrom": ["chr1", "chr1"], "start": [0, 100], "end": [50, 149]})
    black = pd.DataFrame({"chrom": ["chr1"], "start": [399], "end": [400]})
    windows = WindowSettings(input_bp=100, label_bp=20)
    found = label_chunks(
        genome, everywhere, windows, ChunkSettings(), SplitSettings(), blacklist=black, unmappable=unmappable
    )
    assert found.frame["start"].tolist() == [at for at in range(0, 2000, 100) if at not in (0, 300)]
    assert found.dropped == {"in the blacklist": 1, "too little of it mappable": 1}


def test_a_chunk_is_where_training_may_shift_its_window(genome: Genome) -> None:
    everywhere = {"t": [Made({name: np.full(size, 3.0) for name, size in SIZES.items()})]}
    windows = WindowSettings(input_bp=60, label_bp=20, jitter_bp=20)
    chunked = label_chunks(genome, everywhere, windows, ChunkSettings(chunk_bp=100), SPLIT)
    assert not chunked.dropped
    alone = label_chunks(genome, everywhere, windows, ChunkSettings(step_bp=100), SPLIT)
    # Without room in its chunk, a training window beside the border could be shifted across it.
    assert alone.dropped == {"across the border of a split": 1}


def test_what_does_not_fit_is_refused(genome: Genome, signals: dict) -> None:
    windows = WindowSettings(input_bp=60, label_bp=20)
    with pytest.raises(InputError, match=r"none of 43 chunks: no target passes 99, the highest value is 8: lower"):
        label_chunks(genome, signals, windows, ChunkSettings(threshold=99), SplitSettings())
    for length in (50, 61):
        with pytest.raises(InputError, match=f"windows.input_bp = 60 are not the middle of chunks.chunk_bp = {length}"):
            label_chunks(genome, signals, windows, ChunkSettings(chunk_bp=length), SPLIT)
    with pytest.raises(InputError, match=r"chunks.bin_bp = 7 does not divide the 60 bp"):
        label_chunks(genome, signals, windows, ChunkSettings(bin_bp=7), SPLIT)
    with pytest.raises(ValidationError, match="bins of bin_bp 7 do not fill chunk_bp 60"):
        ChunkSettings(chunk_bp=60, bin_bp=7)


def kept(found: LabelledWindows) -> list[tuple[str, int]]:
    return [*zip(found.frame["chrom"], found.frame["start"], strict=True)]


@pytest.mark.parametrize(("asked", "least"), [(0, -1), ("all", -1), (5, 5), (2, 2), (None, 2)])
def test_the_test_has_a_threshold_of_its_own(genome: Genome, signals: dict, asked: Any, least: float) -> None:
    windows = WindowSettings(input_bp=50, label_bp=20)
    plain = label_chunks(genome, signals, windows, ChunkSettings(), SPLIT)
    found = label_chunks(genome, signals, windows, ChunkSettings(test_threshold=asked), SPLIT)
    laid = [("chr2", at) for at in range(0, 650, 50)]
    passing = [(name, at) for name, at in laid if max(highest(m, name, at, at + 50) for m in signals.values()) > least]
    assert len(passing) == {-1: 13}.get(int(least), len(passing)) > 0
    assert kept(found.split("test")) == passing
    for split in ("train", "valid"):
        assert kept(found.split(split)) == kept(plain.split(split))
    # What makes a window positive is the same everywhere.
    for row, (name, at) in enumerate(kept(found)):
        assert found.labels[row].tolist() == [highest(made, name, at, at + 50) > 2 for made in signals.values()]
    assert len(found) + sum(found.dropped.values()) == len(plain) + sum(plain.dropped.values())
    fallen = found.dropped.get(f"of the test, nothing over {least:g} in it", 0)
    assert fallen == (13 - len(passing) if least == 5 else 0)
    told = [note for note in found.notes if note.startswith("the test is")]
    every = "every chunk" if least < 0 else f"chunks where anything passes {least:g}"
    assert told == ([] if asked is None else [f"the test is {every}: {len(passing)} of 13"])


def test_unmappable_stretches_are_left_out_of_whole_chromosomes(genome: Genome, signals: dict) -> None:
    unmappable = pd.DataFrame({"chrom": ["chr2"], "start": [100], "end": [150]})
    windows, chunks = WindowSettings(input_bp=50, label_bp=20), ChunkSettings(test_threshold="all")
    found = label_chunks(genome, signals, windows, chunks, SPLIT, unmappable=unmappable).split("test")
    assert kept(found) == [("chr2", at) for at in range(0, 650, 50) if at != 100]


def test_a_replicate_may_choose_the_test_and_nothing_else(genome: Genome, signals: dict) -> None:
    second = {name: [spikes(7 + number, ("chr1", "chr2"), 6)] for number, name in enumerate(signals)}
    windows = WindowSettings(input_bp=50, label_bp=20)
    plain = label_chunks(genome, signals, windows, ChunkSettings(), SPLIT)
    chunks = ChunkSettings(test_by="replicate", test_threshold=4)
    found = label_chunks(genome, signals, windows, chunks, SPLIT, replicates=second)
    laid = [("chr2", at) for at in range(0, 650, 50)]
    passing = [(name, at) for name, at in laid if max(highest(m, name, at, at + 50) for m in second.values()) > 4]
    assert passing != kept(plain.split("test"))
    assert kept(found.split("test")) == passing
    assert kept(found.split("train")) == kept(plain.split("train"))
    assert kept(found.split("valid")) == kept(plain.split("valid"))
    assert f"the test is chunks where anything of the replicate passes 4: {len(passing)} of 13" in found.notes
    assert found.dropped["of the test, nothing of the replicate over 4 in it"] == 13 - len(passing)
    for row, (name, at) in enumerate(kept(found)):
        assert found.labels[row].tolist() == [highest(made, name, at, at + 50) > 2 for made in signals.values()]
    with pytest.raises(InputError, match="target 'rest' has none: give it replicate, or replicate_plus"):
        label_chunks(genome, signals, windows, chunks, SPLIT, replicates={k: second[k] for k in ("ATAC", "ChIP")})


def test_what_the_test_is_depends_on_the_cell(genome: Genome, signals: dict) -> None:
    windows, chunks = WindowSettings(input_bp=50, label_bp=20), ChunkSettings(test_threshold="all")
    plain = label_chunks(genome, signals, windows, ChunkSettings(), SPLIT)
    judged = label_chunks(genome, signals, windows, chunks, SPLIT, roles={"train": "test"})
    assert len(judged.split("train")) > len(plain.split("train"))
    assert kept(judged.split("test")) == kept(plain.split("test"))


@pytest.mark.parametrize("nothing", [0, "all"])
def test_a_replicate_that_could_choose_nothing(nothing: Any) -> None:
    with pytest.raises(ValidationError, match="keeps every chunk, and test_by = 'replicate' would choose some"):
        ChunkSettings(test_by="replicate", test_threshold=nothing)
    with pytest.raises(ValidationError, match="test_threshold"):
        ChunkSettings(test_threshold=-1)
