from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandwise.data.labels.binding import BinState, bin_states
from strandwise.data.labels.grid import BinGrid
from strandwise.data.labels.single_task import FreshNegatives, negative_candidates, positive_bins
from strandwise.errors import InputError
from strandwise.genome import read_bed

SIZES = {"a": 5000, "b": 3000}


def table(rows: list[tuple[str, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chrom", "start", "end"]).astype({"start": "int64", "end": "int64"})


PEAKS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 2400), st.integers(1, 600)).map(
        lambda t: (t[0], t[1], t[1] + t[2])
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(PEAKS, st.integers(1, 201), st.sampled_from([200, 201]), st.integers(0, 9))
def test_a_shifted_bin_keeps_its_overlap(rows: list, overlap_bp: int, bin_bp: int, epoch: int) -> None:
    found = positive_bins(table(rows), SIZES, bin_bp=bin_bp, overlap_bp=min(overlap_bp, bin_bp))
    assert len(found) + sum(found.dropped.values()) == len(rows)
    frame = found.frame
    size = frame["chrom"].map(SIZES).astype(int)
    kept = np.minimum(min(overlap_bp, bin_bp), frame["peak_end"] - frame["peak_start"])
    for shift in (-frame["left_bp"], frame["right_bp"], found.shifts(1, epoch)):
        start, end = frame["start"] + shift, frame["end"] + shift
        overlap = np.minimum(end, frame["peak_end"]) - np.maximum(start, frame["peak_start"])
        assert (overlap >= kept).all()
        assert (start >= 0).all()
        assert (end <= size).all()
    assert (frame[["left_bp", "right_bp"]] >= 0).all(axis=None)
    # One base more would be too far, unless the chromosome ends there.
    further = frame["end"] - frame["left_bp"] - 1 - frame["peak_start"]
    assert ((further < kept) | (frame["start"] == frame["left_bp"])).all()


def test_the_published_shift() -> None:
    # A peak of 250 bp shifts by up to 149, at which 76 bp of it are left.
    frame = positive_bins(table([("a", 1000, 1250)]), SIZES).frame
    assert frame[["start", "end", "left_bp", "right_bp"]].to_numpy().tolist() == [[1025, 1225, 149, 149]]


def test_shifts_depend_on_seed_and_epoch_alone() -> None:
    found = positive_bins(table([("a", 1000 + 10 * i, 1400 + 10 * i) for i in range(50)]), SIZES)
    assert found.shifts(3, 4).tolist() == found.shifts(3, 4).tolist()
    assert found.shifts(3, 4).tolist() != found.shifts(3, 5).tolist()
    assert found.shifts(3, 4).tolist() != found.shifts(4, 4).tolist()
    many = np.concatenate([found.shifts(0, epoch) for epoch in range(400)])
    assert (many.min(), many.max()) == (-found.frame["left_bp"].max(), found.frame["right_bp"].max())


def test_peaks_near_the_blacklist_or_an_end_are_left_out() -> None:
    peaks = table([("a", 1000, 1200), ("a", 2500, 2700), ("a", 100, 300), ("b", 2800, 2950)])
    # The third is both in the blacklist and near an end, and counts once.
    found = positive_bins(peaks, SIZES, table([("a", 1600, 1700), ("a", 200, 210), ("z", 0, 9)]), margin_bp=500)
    assert found.frame["peak_start"].tolist() == [2500]
    assert found.dropped == {"too near a chromosome's end": 2, "in or near the blacklist": 1}


def test_candidates_lie_away_from_peaks_and_apart() -> None:
    grid = BinGrid({"a": 10_010, "b": 4_000, "c": 2_000})
    peaks = table([("a", 3000, 3200), ("b", 500, 600)])
    states = bin_states(grid, peaks, blacklist=table([("a", 8000, 8100)]))
    frame = grid.frame(negative_candidates(grid, states, peaks, distance_bp=200))
    expected = [
        (chrom, start, start + 200)
        for chrom, size, near in (("a", 10_010, (2800, 3400)), ("b", 4_000, (300, 800)))
        for start in range(0, size - 199, 200)
        if not (start < near[1] and start + 200 > near[0]) and not (chrom == "a" and 7800 < start < 8100)
    ]
    assert list(frame.itertuples(index=False, name=None)) == expected
    every = negative_candidates(grid, states, peaks, distance_bp=200, apart=False)
    assert set(negative_candidates(grid, states, peaks)) < set(every)
    assert (states[every] == BinState.UNBOUND).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 5))
def test_no_negative_is_seen_twice_before_all_were(n: int, per_epoch: int, seed: int) -> None:
    per_epoch = min(per_epoch, n)
    candidates = 7 * np.arange(n)
    fresh = FreshNegatives(candidates, per_epoch, seed)
    turn = fresh.epochs_before_reuse
    for first in (0, turn):
        seen = np.concatenate([fresh.rows(epoch) for epoch in range(first, first + turn)])
        assert len(set(seen.tolist())) == len(seen) == turn * per_epoch
        assert set(seen.tolist()) <= set(candidates.tolist())
    # Asked for alone, or out of turn, an epoch is the same.
    for epoch in (2 * turn, 0, turn):
        assert fresh.rows(epoch).tolist() == FreshNegatives(candidates, per_epoch, seed).rows(epoch).tolist()


def test_another_seed_or_turn_draws_others() -> None:
    candidates = np.arange(1000)
    fresh = FreshNegatives(candidates, 100)
    assert set(fresh.rows(0)) != set(fresh.rows(10))
    assert set(fresh.rows(0)) != set(FreshNegatives(candidates, 100, 1).rows(0))
    assert abs(fresh.rows(0).mean() - 499.5) < 120
    # What a caller does to an epoch leaves the next alone.
    fresh.rows(0)[:] = -1
    assert (fresh.rows(0) >= 0).all()


def test_lawless_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="11 negatives an epoch of 10"):
        FreshNegatives(np.arange(10), 11)
    with pytest.raises(InputError, match="epoch -1"):
        FreshNegatives(np.arange(10), 1).rows(-1)
    with pytest.raises(InputError, match="overlap_bp = 300"):
        positive_bins(table([("a", 0, 200)]), SIZES, overlap_bp=300)
    grid = BinGrid({"a": 1000})
    with pytest.raises(InputError, match=r"2 states for 17 bins"):
        negative_candidates(grid, np.zeros(2, np.int8), table([]))
    with pytest.raises(InputError, match="no unbound bin"):
        negative_candidates(grid, np.zeros(17, np.int8), table([("a", 400, 600)]), distance_bp=1000)


def test_most_peaks_of_max_give_a_bin(hg19: Path, hg19_sizes: dict[str, int], max_peaks: tuple) -> None:
    found = positive_bins(max_peaks[0], hg19_sizes, read_bed(hg19 / "blacklist.bed.gz"), margin_bp=1000)
    assert len(found) + sum(found.dropped.values()) == 12_786
    assert 0.95 < len(found) / 12_786 < 1
