from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandwise.data.labels.peak_centred import background_windows, merge_peaks
from strandwise.errors import InputError
from strandwise.genome import read_bed

SIZES = {"b": 400, "a": 300}
ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 290), st.integers(1, 9)).map(lambda t: (t[0], t[1], t[1] + t[2])),
    max_size=12,
)


def table(rows: list[tuple[str, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chrom", "start", "end"]).astype({"start": "int64", "end": "int64"})


def slowly(peaks: dict[str, list], chrom: str, length: int, overlap: int) -> list[tuple[int, set[int]]]:
    """Look through all neighbours for the pair that overlaps most, join it, and begin again."""

    def put(middle: int) -> int:
        return min(max(middle - length // 2, 0), SIZES[chrom] - length)

    open_peaks = sorted(
        (put((start + end) // 2), track)
        for track, rows in enumerate(peaks.values())
        for name, start, end in rows
        if name == chrom
    )
    found = [(start, {track}) for start, track in open_peaks]
    while len(found) > 1:
        shared = [one[0] + length - two[0] for one, two in pairwise(found)]
        best = max(range(len(shared)), key=lambda i: (shared[i], -i))
        if shared[best] < overlap:
            break
        (start, one), (other, two) = found[best], found[best + 1]
        weights = [1 + len(one), 1 + len(two)]
        middle = np.average([start + length // 2, other + length // 2], weights=weights)
        found[best : best + 2] = [(put(int(0.5 + middle)), one | two)]
    return found


@settings(max_examples=150, deadline=None)
@given(ROWS, ROWS, ROWS, st.integers(1, 60), st.integers(1, 60))
def test_merged_windows_are_those_of_the_slow_twin(
    one: list, two: list, three: list, length: int, overlap: int
) -> None:
    peaks = {"one": one, "two": two, "three": three}
    overlap = min(overlap, length)
    merged = merge_peaks({name: table(rows) for name, rows in peaks.items()}, SIZES, length, overlap)
    expected = [
        (chrom, start, start + length, sorted(tracks))
        for chrom in SIZES
        for start, tracks in slowly(peaks, chrom, length, overlap)
    ]
    found = [
        (*row, np.flatnonzero(labels).tolist())
        for row, labels in zip(merged.frame.itertuples(index=False, name=None), merged.labels, strict=True)
    ]
    assert found == expected
    for (chrom, _, end, _), (other, start, _, _) in pairwise(found):
        assert chrom != other or end - start < overlap


def test_the_pair_that_overlaps_most_merges_first() -> None:
    # Of three 100-bp windows at 0, 30 and 70 the first two join, at 15, and then leave the third alone.
    peaks = {"x": table([("b", 50, 51), ("b", 120, 121)]), "y": table([("b", 80, 81)])}
    merged = merge_peaks(peaks, SIZES, 100, 50)
    assert merged.frame["start"].tolist() == [15, 70]
    assert merged.labels.tolist() == [[1, 1], [1, 0]]
    assert merged.tracks == ("x", "y")


def test_windows_may_centre_on_summits() -> None:
    peaks = table([("b", 100, 200)]).assign(summit=[120])
    assert merge_peaks({"x": peaks}, SIZES, 50, 20, centre="summit").frame["start"].tolist() == [95]
    assert merge_peaks({"x": peaks}, SIZES, 50, 20).frame["start"].tolist() == [125]


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(1, 50), st.integers(0, 20))
def test_background_fills_what_is_left(rows: list, length: int, distance: int) -> None:
    found = background_windows(table(rows), SIZES, length, distance_bp=distance)
    expected = []
    for chrom, size in SIZES.items():
        taken = np.zeros(size, dtype=bool)
        for name, start, end in rows:
            if name == chrom:
                taken[max(start - distance, 0) : end + distance] = True
        at = 0
        while at + length <= size:
            if taken[at : at + length].any():
                at += int(np.flatnonzero(taken[at : at + length])[-1]) + 1
            else:
                expected.append((chrom, at, at + length))
                at += length
    assert list(found.itertuples(index=False, name=None)) == expected


def test_peaks_of_several_factors(hg19: Path, hg19_sizes: dict[str, int]) -> None:
    files = {name: f"GM12878.{name}.conservative.train.narrowPeak.gz" for name in ("MAX", "GABPA", "SPI1")}
    peaks = {name: read_bed(hg19 / path) for name, path in files.items()}
    merged = merge_peaks(peaks, hg19_sizes, 1000, 200)
    assert len(merged) < sum(map(len, peaks.values()))
    assert merged.labels.any(axis=1).all()
    assert (merged.labels.sum(axis=0) > 0.7 * np.array([len(frame) for frame in peaks.values()])).all()


def test_lawless_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="overlap_bp = 0"):
        merge_peaks({}, SIZES, 100, 0)
    with pytest.raises(InputError, match="longer than a: leave out"):
        merge_peaks({"x": table([("a", 0, 9)])}, SIZES, 350)
    with pytest.raises(InputError, match="x: chromosome 'A' is not in the genome"):
        merge_peaks({"x": table([("A", 0, 9)])}, SIZES, 100, 10)
    with pytest.raises(InputError, match="length_bp = 0"):
        background_windows(table([]), SIZES, 0)
    assert len(merge_peaks({"x": table([])}, SIZES, 100, 10)) == 0
