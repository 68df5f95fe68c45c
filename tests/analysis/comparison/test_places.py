import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandwise.analysis.comparison import (
    Barred,
    Places,
    around_peaks,
    labels_of,
    peak_windows,
    side_by_side,
    with_coverage,
)
from strandwise.data.labels import Cover
from strandwise.errors import InputError

SIZES = {"chr1": 10_050, "chr2": 5_000, "tiny": 90}


def intervals(*rows: tuple[str, int, int]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["chrom", "start", "end"])
    return frame.assign(summit=(frame["start"] + frame["end"]) // 2)


PEAKS = intervals(("chr1", 0, 40), ("chr1", 3000, 3200), ("chr1", 9990, 10050), ("chr2", 1000, 1100), ("tiny", 0, 50))


def test_tiles_fill_chromosomes_but_for_what_is_left_at_their_ends() -> None:
    found = side_by_side(SIZES, 100, Barred())
    assert len(found) == 100 + 50
    assert found.frame[found.frame["chrom"] == "chr1"]["start"].tolist() == [*range(0, 10_000, 100)]
    assert np.isnan(found.labels).all()
    with pytest.raises(InputError, match=r"windows? of 20000 bp: give shorter"):
        side_by_side(SIZES, 20_000, Barred())


def test_labels_are_summits_touches_and_nothing() -> None:
    found = side_by_side({"chr1": 10_050}, 100, Barred(), PEAKS)
    # The summit of 3000-3200 lies in the second of its tiles; that of 9990-10050 in none.
    assert np.flatnonzero(found.labels == 1).tolist() == [0, 31]
    assert np.flatnonzero(np.isnan(found.labels)).tolist() == [30, 99]
    assert np.isnan(labels_of(found.frame, None)).all()


def test_what_is_barred_is_left_out_and_counted() -> None:
    barred = Barred(
        excluded=Cover(intervals(("chr1", 150, 160))),
        unmappable=Cover(intervals(("chr1", 200, 250), ("chr1", 300, 349))),
        unknown=Cover(intervals(("chr1", 400, 411), ("chr1", 500, 510), ("chr1", 150, 200))),
    )
    found = side_by_side({"chr1": 1000}, 100, barred)
    assert found.frame["start"].tolist() == [0, 300, 500, 600, 700, 800, 900]
    assert found.dropped == {"excluded": 1, "unmappable": 1, "N-rich": 1}
    with pytest.raises(InputError, match=r"every window is kept out: \{'excluded': 10\}"):
        side_by_side({"chr1": 1000}, 100, Barred(excluded=Cover(intervals(("chr1", 0, 1000)))))


def test_coverage_has_to_pass_the_threshold() -> None:
    tiles = side_by_side({"chr1": 500}, 100, Barred())
    found = with_coverage(tiles, np.array([1.0, 2.0, 2.1, np.nan, 3.0]), 2.0)
    assert (found.name, found.frame["start"].tolist()) == ("coverage", [200, 400])
    assert found.dropped == {"below the threshold": 3}


def test_windows_around_peaks_stay_on_their_chromosomes_and_hold_summits() -> None:
    found = around_peaks(PEAKS, SIZES, 100, 10, Barred())
    positive = found.frame[found.labels == 1]
    assert positive.to_numpy().tolist() == [
        ["chr1", 0, 100],
        ["chr1", 3050, 3150],
        ["chr1", 9950, 10050],
        ["chr2", 1000, 1100],
    ]
    negative = found.frame[found.labels == 0]
    assert len(negative) == 4
    assert not Cover(PEAKS).touches(negative["chrom"], negative["start"], negative["end"]).any()


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 400), st.data())
def test_a_window_around_a_lone_peak_holds_its_summit(length: int, data: st.DataObject) -> None:
    unit = data.draw(st.integers(1, length))
    summit = data.draw(st.integers(0, 999))
    peak = pd.DataFrame({"chrom": ["a"], "start": [summit], "end": [summit + 1], "summit": [summit]})
    # A grid of starts may not reach the end of a chromosome.
    found = peak_windows(peak, {"a": 1000 + unit}, length, unit)
    (start,) = found["start"]
    assert start % unit == 0
    assert 0 <= start <= 1000 + unit - length
    assert start <= summit < start + length


def test_neighbours_become_one_and_equal_windows_too() -> None:
    peaks = intervals(("a", 1000, 1010), ("a", 1100, 1110), ("a", 4000, 4002), ("a", 4001, 4003))
    assert len(peak_windows(peaks, {"a": 9000}, 1000, 10)) == 2
    assert len(peak_windows(peaks, {"a": 9000}, 100, 50)) == 3
    assert len(peak_windows(peaks, {"a": 90}, 100, 50)) == 0


def test_random_windows_of_a_smaller_number_are_among_those_of_a_larger() -> None:
    seen: set[tuple[str, int]] = set()
    for ratio in (0.1, 1, 3, 20, np.inf):
        found = around_peaks(PEAKS, SIZES, 100, 10, Barred(), per_peak=ratio, seed=3)
        frame = found.frame[found.labels == 0]
        here = set(zip(frame["chrom"], frame["start"], strict=True))
        assert len(here) == len(frame)
        assert seen < here or not seen
        seen = here
    other = around_peaks(PEAKS, SIZES, 100, 10, Barred(), per_peak=3, seed=4)
    three = around_peaks(PEAKS, SIZES, 100, 10, Barred(), per_peak=3, seed=3)
    assert not other.frame.equals(three.frame)
    # As many as there are, where more are asked for.
    every = side_by_side(SIZES, 10, Barred())
    room = sum(
        not Cover(PEAKS).touches([c], [s], [s + 100])[0]
        for c, s in zip(every.frame["chrom"], every.frame["start"], strict=True)
        if s + 100 <= SIZES[c]
    )
    assert len(seen) == room


def test_random_windows_may_lie_on_a_coarser_grid_than_peaks() -> None:
    found = around_peaks(PEAKS, SIZES, 100, 1, Barred(), per_peak=5, grid_bp=100)
    assert (found.frame["start"][found.labels == 0] % 100 == 0).all()
    assert 9950 in found.frame["start"].to_numpy()


def test_bars_hold_for_both_kinds_and_peaks_left_out_are_counted() -> None:
    barred = Barred(excluded=Cover(intervals(("chr1", 3000, 9000))))
    found = around_peaks(PEAKS, SIZES, 100, 10, barred, per_peak=np.inf)
    assert (
        not Cover(intervals(("chr1", 3000, 9000))).touches(*(found.frame[c] for c in ("chrom", "start", "end"))).any()
    )
    assert found.dropped == {"excluded": 1}


@pytest.mark.parametrize(
    ("peaks", "sizes", "said"),
    [
        (PEAKS, {"chr9": 5000}, r"no peak lies on the chromosomes to judge \(chr9\)"),
        (PEAKS[:0], SIZES, "no peak lies"),
        (PEAKS, {"tiny": 90}, "0 windows around peaks and 0 without one"),
        (intervals(("chr1", 0, 10_050)), {"chr1": 10_050}, "1 windows around peaks and 0 without one"),
    ],
)
def test_no_peaks_and_no_room_are_refused(peaks: pd.DataFrame, sizes: dict[str, int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        around_peaks(peaks, sizes, 100, 10, Barred())


def test_windows_are_taken_by_number_or_by_truth() -> None:
    places = Places(
        "x", pd.DataFrame({"chrom": "a", "start": [0, 1, 2], "end": [1, 2, 3]}), 1, np.arange(3, dtype=np.float32)
    )
    for rows in (np.array([2, 0]), np.array([True, False, True])):
        taken = places.take(rows, "y")
        assert sorted(taken.frame["start"]) == [0, 2]
        assert taken.labels.tolist() == taken.frame["start"].tolist()
        assert taken.frame.index.tolist() == [0, 1]
        assert taken.name == "y"
