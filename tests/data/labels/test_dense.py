import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandwise.data.labels.cover import Cover
from strandwise.data.labels.dense import DenseLabels
from strandwise.data.labels.grid import BinGrid
from strandwise.errors import InputError

SIZES = {"a": 60, "b": 45}
ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 44), st.integers(1, 30)).map(
        lambda t: (t[0], t[1], min(t[1] + t[2], SIZES[t[0]]))
    ),
    max_size=6,
)


def table(rows: list[tuple[str, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chrom", "start", "end"]).astype({"start": "int64", "end": "int64"})


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS, ROWS, st.integers(1, 20), st.lists(st.integers(-50, 50), min_size=1, max_size=6))
def test_labels_are_those_of_every_base(one: list, two: list, three: list, length: int, shifts: list) -> None:
    peaks = {"one": table(one), "two": table(two), "three": table(three)}
    windows = BinGrid(SIZES, length, max(length // 2, 1)).frame()
    dense = DenseLabels(windows, peaks, SIZES)
    rows = np.arange(len(shifts)) * 5 % len(windows)
    slow = np.zeros((len(rows), length, 3), dtype=np.uint8)
    for i, (row, shift) in enumerate(zip(rows, shifts, strict=True)):
        chrom, first = windows["chrom"][row], int(windows["start"][row]) + shift
        for at in range(length):
            for track, intervals in enumerate((one, two, three)):
                slow[i, at, track] = any(chrom == name and start <= first + at < end for name, start, end in intervals)
    found = dense.gather(rows, np.array(shifts))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, slow)
    np.testing.assert_array_equal(dense.gather(rows), dense.gather(rows, np.zeros(len(rows), dtype=int)))
    assert found.transpose(0, 2, 1).flags.c_contiguous


def test_real_peaks_are_labelled_in_full(hg19_sizes: dict[str, int], max_peaks: tuple) -> None:
    sizes = {"chr22": hg19_sizes["chr22"]}
    peaks = {name: frame[frame["chrom"] == "chr22"] for name, frame in zip(("sure", "any"), max_peaks, strict=True)}
    windows = BinGrid(sizes, 25_000, 25_000).frame()
    dense = DenseLabels(windows, peaks, sizes)
    totals = np.zeros(2, dtype=np.int64)
    for rows in np.array_split(np.arange(len(dense)), 64):
        totals += dense.gather(rows).sum(axis=(0, 1), dtype=np.int64)
    for track, frame in enumerate(peaks.values()):
        inside = Cover(frame).bases(windows["chrom"], windows["start"], windows["end"]).sum()
        assert totals[track] == inside > 10_000


def test_lawless_arguments_are_refused() -> None:
    windows = table([("a", 0, 10), ("a", 20, 30)])
    with pytest.raises(InputError, match="2 lengths"):
        DenseLabels(table([("a", 0, 10), ("a", 20, 31)]), {"t": windows}, SIZES)
    with pytest.raises(InputError, match="no track"):
        DenseLabels(windows, {}, SIZES)
    with pytest.raises(InputError, match="reaches past the end of b"):
        DenseLabels(windows, {"t": table([("b", 0, 46)])}, SIZES)
    with pytest.raises(InputError, match=r"windows: chromosome 'chra' is not in the genome .did you mean 'a'"):
        DenseLabels(table([("chra", 5, 15)]), {"t": windows}, SIZES)


def test_windows_past_the_ends_of_a_chromosome_have_no_labels_there() -> None:
    windows = table([("a", -5, 5), ("a", 55, 65), ("a", -30, -20), ("a", 70, 80), ("b", -5, 5)])
    dense = DenseLabels(windows, {"t": table([("a", 0, 60), ("b", 2, 45)])}, SIZES)
    found = dense.gather(np.arange(5))[..., 0].tolist()
    assert found == [[0] * 5 + [1] * 5, [1] * 5 + [0] * 5, [0] * 10, [0] * 10, [0] * 7 + [1] * 3]


def test_rows_may_be_taken() -> None:
    windows = BinGrid(SIZES, 7, 5).frame()
    dense = DenseLabels(windows, {"t": table([("a", 3, 20), ("b", 30, 41)])}, SIZES)
    rows = np.array([9, 0, 3, 9, 14])
    part = dense.take(rows)
    assert len(part) == 5
    np.testing.assert_array_equal(part.gather(np.arange(5)), dense.gather(rows))
    np.testing.assert_array_equal(
        part.gather(np.array([4, 1]), np.array([2, -1])), dense.gather(rows[[4, 1]], np.array([2, -1]))
    )
