from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandwise.data.labels.cover import Cover, merge_sorted, paint
from strandwise.errors import InputError

SIZES = {"a": 60, "b": 40, "c": 25}
INTERVALS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 24), st.integers(0, 12)).map(lambda t: (t[0], t[1], t[1] + t[2])),
    max_size=8,
)


def table(rows: list[tuple[str, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chrom", "start", "end"]).astype({"start": "int64", "end": "int64"})


def painted(rows: list[tuple[str, int, int]], slop: int = 0) -> dict[str, set[int]]:
    """Every covered position, one by one."""
    found: dict[str, set[int]] = {"a": set(), "b": set(), "c": set()}
    for chrom, start, end in rows:
        found[chrom] |= set(range(max(start - slop, 0), end + slop)) if end + slop > max(start - slop, 0) else set()
    return found


@settings(max_examples=60, deadline=None)
@given(INTERVALS, INTERVALS, st.integers(0, 5))
def test_bases_are_those_counted_one_by_one(rows: list, windows: list, slop: int) -> None:
    covered, frame = painted(rows, slop), table(windows)
    cover = Cover(table(rows), slop)
    expected = [len(covered[chrom] & set(range(start, end))) for chrom, start, end in windows]
    assert cover.bases(frame["chrom"], frame["start"], frame["end"]).tolist() == expected
    assert cover.touches(frame["chrom"], frame["start"], frame["end"]).tolist() == [n > 0 for n in expected]
    shares = [n / max(end - start, 1) for n, (_, start, end) in zip(expected, windows, strict=True)]
    assert cover.fraction(frame["chrom"], frame["start"], frame["end"]).tolist() == shares


@settings(max_examples=60, deadline=None)
@given(INTERVALS)
def test_runs_and_gaps_part_the_genome(rows: list) -> None:
    cover, covered = Cover(table(rows)), painted(rows)
    runs = list(cover.runs().itertuples(index=False, name=None))
    assert painted(runs) == covered
    for (chrom, _, end), (other, start, _) in pairwise(runs):
        assert chrom != other or end < start
    gaps = list(cover.gaps(SIZES).itertuples(index=False, name=None))
    free = painted(gaps)
    for chrom, size in SIZES.items():
        assert free[chrom] == set(range(size)) - covered[chrom]
    assert len(cover) == len(runs)


def test_windows_may_leave_the_chromosome_or_be_on_another() -> None:
    cover = Cover(table([("a", 0, 5), ("a", 50, 60), ("b", 0, 10)]))
    assert cover.bases(["a", "a", "z", "b"], [-10, 55, 0, -5], [3, 90, 100, 100]).tolist() == [3, 5, 0, 10]


def test_positions_of_a_large_genome_stay_exact() -> None:
    big = 3_000_000_001
    cover = Cover(table([("a", 1, big), ("b", big, big + 1)]))
    assert cover.bases(["a", "b", "b"], [0, big - 1, big], [big, big + 9, big]).tolist() == [big - 1, 1, 0]


def test_merging_joins_what_touches() -> None:
    start, end = merge_sorted(np.array([0, 2, 5, 7]), np.array([4, 3, 7, 9]))
    assert (start.tolist(), end.tolist()) == ([0, 5], [4, 9])


def test_paint() -> None:
    assert paint(np.array([0, 2, 5]), np.array([1, 4, 6]), 6).astype(int).tolist() == [1, 0, 1, 1, 0, 1]
    assert paint(np.array([], dtype=np.int64), np.array([], dtype=np.int64), 3).tolist() == [False] * 3


def test_bad_intervals_are_refused() -> None:
    with pytest.raises(InputError, match=r"peaks: a:9-5 ends before it starts"):
        Cover(table([("a", 9, 5)]), what="peaks")
    with pytest.raises(InputError, match="no column start, end"):
        Cover(pd.DataFrame({"chrom": ["a"]}))
    with pytest.raises(InputError, match="slop_bp = -1"):
        Cover(table([]), -1)
