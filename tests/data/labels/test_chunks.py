from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandwise.data.labels.chunks import highest_coverage, over_threshold
from strandwise.data.labels.grid import BinGrid
from strandwise.errors import InputError
from strandwise.genome import BigWig


@dataclass
class Made:
    tracks: dict[str, np.ndarray]

    @property
    def sizes(self) -> dict[str, int]:
        return {name: len(values) for name, values in self.tracks.items()}

    def values(self, chrom: str, start: int, end: int) -> np.ndarray:
        return self.tracks[chrom][start:end]


def made(seed: int, **sizes: int) -> Made:
    rng = np.random.default_rng(seed)
    tracks = {name: rng.integers(0, 64, size).astype(np.float32) for name, size in sizes.items()}
    for values in tracks.values():
        values[rng.random(len(values)) < 0.1] = np.nan
    return Made(tracks)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 99), st.integers(1, 5), st.sampled_from([1, 2, 4]), st.integers(1, 20), st.integers(1, 200))
def test_the_highest_bin_is_found(seed: int, bins: int, bin_bp: int, stride: int, block: int) -> None:
    signals = [made(seed, a=70, b=31), made(seed + 1, a=70)]
    length = bins * bin_bp
    chunks = BinGrid({"a": 70, "b": 31}, length, stride).frame().sample(frac=1, random_state=seed, ignore_index=True)
    slow = np.zeros((len(chunks), 2))
    for row, (chrom, start, end) in enumerate(chunks.itertuples(index=False)):
        for track, signal in enumerate(signals):
            if chrom in signal.tracks:
                values = np.where(np.isnan(signal.tracks[chrom]), 0, signal.tracks[chrom])[start:end]
                slow[row, track] = max(values[at : at + bin_bp].mean() for at in range(0, length, bin_bp))
    np.testing.assert_array_equal(highest_coverage(chunks, signals, bin_bp, block_bp=block), slow)


def test_the_threshold_is_passed_strictly_by_any_track() -> None:
    highest = np.array([[2.0, 0.0], [0.0, 2.1], [3.0, 3.0], [0.0, 0.0]])
    assert over_threshold(highest).tolist() == [False, True, True, False]
    assert over_threshold(highest, 0).tolist() == [True, True, True, False]


def test_binning_comes_before_the_threshold() -> None:
    spike = Made({"a": np.array([0, 0, 0, 8, 0, 0, 0, 0], dtype=np.float32)})
    chunks = pd.DataFrame({"chrom": ["a"], "start": [0], "end": [8]})
    assert [float(highest_coverage(chunks, [spike], width)[0, 0]) for width in (1, 2, 4, 8)] == [8, 4, 2, 1]


def test_a_real_bigwig(real_data: Path) -> None:
    signal = BigWig(real_data / "yeast" / "tracks" / "PolII.bw")
    chunks = BinGrid({"chrII": signal.sizes["chrII"]}, 3072, 3072).frame()
    highest = highest_coverage(chunks, [signal], block_bp=100_000)
    some = [0, 17, len(chunks) - 1]
    slow = [signal.values("chrII", 3072 * row, 3072 * row + 3072).max() for row in some]
    assert highest[some, 0].tolist() == slow
    assert 0 < over_threshold(highest, float(np.median(highest))).mean() < 1


def test_lawless_arguments_are_refused() -> None:
    chunks = pd.DataFrame({"chrom": "a", "start": [0, 5], "end": [4, 9]})
    with pytest.raises(InputError, match="bin_bp = 3 does not divide the 4 bp"):
        highest_coverage(chunks, [], 3)
    with pytest.raises(InputError, match="several lengths"):
        highest_coverage(chunks.assign(end=[4, 10]), [])
    assert highest_coverage(chunks[:0], [made(0, a=9)]).shape == (0, 1)
