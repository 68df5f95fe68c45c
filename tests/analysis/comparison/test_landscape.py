import math
from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandwise.analysis.comparison import Landscape, landscape, resolution
from strandwise.errors import InputError
from strandwise.genome import BigWig, write_bigwig


def by_base(bases: np.ndarray, start: int, length: int, bin_bp: int) -> list[float]:
    """The slow twin: means over the bases of each bin."""
    return [float(np.mean(bases[at : at + bin_bp], dtype=np.float64)) for at in range(start, start + length, bin_bp)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_means_of_windows_anywhere_are_means_of_their_bases(data: st.DataObject) -> None:
    own = data.draw(st.integers(1, 7), label="own")
    size = data.draw(st.integers(own, 120), label="size")
    bin_bp = data.draw(st.integers(1, min(9, size)), label="bin_bp")
    length = bin_bp * data.draw(st.integers(1, size // bin_bp), label="bins")
    aligned = data.draw(st.booleans(), label="aligned")
    step = own if aligned else 1
    starts = data.draw(st.lists(st.integers(0, (size - length) // step), min_size=1, max_size=4), label="starts")
    rng = np.random.default_rng(size)
    bins = rng.normal(size=-(-size // own)).astype(np.float32)
    bins[rng.random(len(bins)) < 0.1] = np.nan
    other = rng.normal(size=len(bins)).astype(np.float32)
    frame = pd.DataFrame({"chrom": ["a", *["b"] * len(starts)], "start": np.array([0, *starts]) * step})
    found = Landscape(own, {"a": other, "b": bins}).means(frame, length, bin_bp)
    expected = [by_base(np.repeat(other, own), 0, length, bin_bp)]
    expected += [by_base(np.repeat(bins, own), start * step, length, bin_bp) for start in starts]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_means_are_the_same_whatever_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=300).astype(np.float32)
    frame = pd.DataFrame({"chrom": "a", "start": np.arange(0, 200, 3)})
    whole = Landscape(4, {"a": values}).means(frame, 60, 20)
    monkeypatch.setattr(landscape, "_AT_ONCE", 100)
    np.testing.assert_array_equal(Landscape(4, {"a": values}).means(frame, 60, 20), whole)
    assert Landscape(4, {"a": values}).means(frame[:0], 60, 20).shape == (0, 3)


def test_an_infinite_value_is_refused_by_its_place(tmp_path: Path) -> None:
    with pyBigWig.open(str(tmp_path / "x.bw"), "w") as file:
        file.addHeader([("1", 100)])
        file.addEntries(["1", "1"], [0, 40], ends=[9, 44], values=[1.0, float("inf")])
    with pytest.raises(InputError, match=r"x\.bw: the value at 1:40 is infinite"):
        Landscape.of_signal(BigWig(tmp_path / "x.bw"), {"chr1": "1"}, 10)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 90), st.integers(1, 6), st.integers(1, 20))
def test_boxes_are_running_means(size: int, width: int, own: int, piece: int) -> None:
    rng = np.random.default_rng(size)
    values = rng.gamma(1, size=size).astype(np.float32)
    values[rng.random(size) < 0.2] = np.nan
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(landscape, "_PIECE", piece)
        found = Landscape(own, {"a": values}).smoothed(width * own).values["a"]
    half = width // 2
    for at in range(size):
        near = values[max(0, at - half) : at + half + 1]
        expected = np.nan if np.isnan(values[at]) else np.nanmean(near)
        assert found[at] == pytest.approx(expected, rel=1e-5, nan_ok=True)


def test_a_box_is_numpys_convolution() -> None:
    values = np.random.default_rng(0).normal(size=500).astype(np.float32)
    found = Landscape(10, {"a": values}).smoothed(70).values["a"]
    np.testing.assert_allclose(found[3:-3], np.convolve(values, np.ones(7) / 7, "valid"), rtol=1e-4, atol=1e-6)


SIZES = {"chr1": 1000, "chr2": 300}


def write(path, intervals):
    write_bigwig(path, SIZES, [("chr1", *each) for each in intervals] + [("chr2", 0, 300, 1.0)])
    return BigWig(path)


def test_a_signal_becomes_means_of_bins_and_of_the_last_part_of_one(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    bases = rng.normal(size=1000).astype(np.float32)
    signal = write(tmp_path / "x.bw", [(at, at + 1, float(value)) for at, value in enumerate(bases) if at != 505])
    for piece in (1 << 20, 64):
        monkeypatch.setattr(landscape, "_PIECE", piece)
        found = Landscape.of_signal(signal, {"one": "chr1"}, 30).values["one"]
        assert len(found) == 34
        expected = [bases[at : at + 30].mean() for at in range(0, 1000, 30)]
        assert math.isnan(found[16])
        np.testing.assert_allclose(np.delete(found, 16), np.delete(expected, 16), rtol=1e-4, atol=1e-6)
    zero = Landscape.of_signal(signal, {"one": "chr1"}, 30, missing=0.0).values["one"]
    assert zero[16] == pytest.approx((bases[480:510].sum() - bases[505]) / 30, rel=1e-4)


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([(at, at + 50, float(at)) for at in range(0, 1000, 50)], 50),
        # Neighbours of one value, and a last bin that is cut.
        ([(at, min(at + 32, 1000), float(at // 96)) for at in range(0, 1000, 32)], 96),
        # Bins that begin elsewhere than at the first base.
        ([(at, at + 32, float(at)) for at in range(10, 900, 32)], 2),
        # Here and there: the edges of what is said count.
        ([(128, 192, 1.0), (320, 384, 1.0)], 64),
        # The first stretch that changes is no rule for the others.
        ([(0, 400, 1.0), (400, 800, 2.0), (800, 820, 3.0), (820, 1000, 4.0)], 20),
        ([(0, 333, 1.0), (333, 400, 2.0), (400, 1000, 0.0)], 1),
    ],
)
@pytest.mark.parametrize("looked", [1 << 22, 100])
def test_the_bins_of_a_file_are_found(intervals, expected, looked, tmp_path, monkeypatch):
    monkeypatch.setattr(landscape, "_LOOKED", looked)
    signal = write(tmp_path / "x.bw", intervals)
    assert resolution(signal, {"one": "chr1"}) == expected
    # Nothing changes on the other, so it changes nothing.
    assert resolution(signal, {"two": "chr2", "one": "chr1"}) == expected


def test_a_signal_that_says_one_thing_or_nothing_predicts_nothing(tmp_path):
    signal = write(tmp_path / "x.bw", [(0, 500, 1.0)])
    assert resolution(signal, {"one": "chr1"}) == 500
    with pytest.raises(InputError, match=r"x\.bw: the signal is the same everywhere on two, .*judge elsewhere"):
        resolution(signal, {"two": "chr2"})
    write_bigwig(tmp_path / "y.bw", {"chr1": 1000, "chr2": 300}, [("chr1", 0, 500, 1.0)])
    sizes = BigWig(tmp_path / "y.bw").sizes
    if "chr2" in sizes:
        with pytest.raises(InputError, match="the file says nothing on two"):
            resolution(BigWig(tmp_path / "y.bw"), {"two": "chr2"})
