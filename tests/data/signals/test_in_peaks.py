from collections.abc import Callable
from dataclasses import replace
from math import isnan, nan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandwise.data.labels import Cover
from strandwise.data.signals import Signal, SignalCache, SignalStream, Track, signal_in_peaks, sources, uneven_peaks
from strandwise.errors import InputError

Interval = tuple[str, int, int]


@pytest.fixture(params=["cached", "cached with gaps", "streamed"])
def opened(request: pytest.FixtureRequest, sizes: dict[str, int], tmp_path_factory) -> Callable[[Track], Signal]:
    """Open one track in each of the ways in which it may lie there."""
    folder = tmp_path_factory.mktemp("cache")

    def open_one(track: Track) -> Signal:
        if request.param == "streamed":
            return SignalStream(sizes).open([track])[0]
        quantile = 0.5 if request.param == "cached with gaps" else None
        return SignalCache(sizes, folder).open([replace(track, missing_quantile=quantile)])[0]

    return open_one


def cover(intervals: list[Interval]) -> Cover:
    return Cover(pd.DataFrame(intervals, columns=["chrom", "start", "end"]))


def one_by_one(values: dict[str, np.ndarray], intervals: list[Interval]) -> float:
    """The share of the signal in peaks, a position at a time."""
    inside = total = 0.0
    for chrom, of in values.items():
        for position, value in enumerate(of.tolist()):
            if not isnan(value):
                total += value
                if any(name == chrom and start <= position < end for name, start, end in intervals):
                    inside += value
    return inside / total


places = st.tuples(st.sampled_from(["chr1", "chr2", "chr3", "chr4", "chr5", "chrX"]), st.integers(0, 520))
peaks = st.lists(st.tuples(places, st.integers(0, 90)), max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    peaks=peaks, name=st.sampled_from(["plus", "minus", "atac", "negative"]), chunk=st.sampled_from([7, 64, 1 << 22])
)
def test_the_share_is_what_a_loop_over_positions_gives(peaks, name: str, chunk: int, opened, files, raw_values) -> None:
    intervals = [("chr1", 100, 130), *((chrom, start, start + length) for (chrom, start), length in peaks)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "CHUNK_BP", chunk)
        found = signal_in_peaks(opened(Track(name, files[name])), cover(intervals))
    assert found == pytest.approx(one_by_one(raw_values(Track(name, files[name])), intervals), rel=1e-12)
    assert 0 <= found <= 1


def test_all_none_and_no_signal(
    opened, files: dict[str, Path], sizes: dict[str, int], tmp_path: Path, write_values
) -> None:
    signal = opened(Track("plus", files["plus"]))
    assert signal_in_peaks(signal, cover([(name, 0, size) for name, size in sizes.items()])) == 1
    assert signal_in_peaks(signal, cover([("chr5", 0, 40)])) == 0
    assert signal_in_peaks(signal, cover([])) == 0
    everywhere = cover([("chr1", 0, 500)])
    zeros = Track("zero", write_values(tmp_path / "zero.bw", {"chr1": np.zeros(500, np.float32)}))
    assert isnan(signal_in_peaks(opened(zeros), everywhere))
    both = Track("both", write_values(tmp_path / "both.bw", {"chr1": np.linspace(-1, 2, 500, dtype=np.float32)}))
    assert isnan(signal_in_peaks(opened(both), everywhere))


def test_peaks_of_another_genome_are_refused(opened, files: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"no peak lies on a chromosome of the genome: '1' \(did you mean 'chr1'\?\)"):
        signal_in_peaks(opened(Track("plus", files["plus"])), cover([("1", 0, 500)]))


def test_cell_types_that_differ_are_named() -> None:
    said = uneven_peaks("DNase", {"K562": 0.31, "HepG2": 0.15, "GM12878": 0.2, "A549": nan})
    assert said is not None
    assert said.startswith("DNase: 15.0% of the signal lies in peaks in HepG2 and 31.0% in K562, more than 2 times")
    assert uneven_peaks("DNase", {"K562": 0.30, "HepG2": 0.15}) is None
    assert uneven_peaks("DNase", {"K562": 0.3, "HepG2": 0.0}) is not None
    assert uneven_peaks("DNase", {"K562": 0.0, "HepG2": 0.0}) is None
    assert uneven_peaks("DNase", {"K562": 0.3, "HepG2": nan}) is None
    assert uneven_peaks("DNase", {"K562": nan}) is None
    assert uneven_peaks("DNase", {}) is None


def test_a_real_track(real_data: Path, tmp_path: Path) -> None:
    track = Track("atac", real_data / "yeast" / "atac" / "cutsites.bw")
    (signal,) = SignalCache({"chrI": 230218, "chrVI": 270161}, tmp_path).open([track])
    half = signal_in_peaks(signal, cover([("chrI", 0, 230218)]))
    assert 0.2 < half < 0.8
    assert half + signal_in_peaks(signal, cover([("chrVI", 0, 10**6)])) == pytest.approx(1)
