import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from strandwise.data.signals import CachedSignal, Signal, SignalCache, SignalStream, Track
from strandwise.errors import InputError
from strandwise.genome import BigWig


@pytest.fixture(params=["cached", "streamed"])
def signal(request: pytest.FixtureRequest, files: dict[str, Path], sizes: dict[str, int], tmp_path: Path) -> Signal:
    store = SignalCache(sizes, tmp_path / "cache") if request.param == "cached" else SignalStream(sizes)
    return store.open([Track("plus", files["plus"], missing_quantile=0.5)])[0]


def read(signal: Signal, chrom: list[int], start: list[int], length: int) -> tuple[np.ndarray, bool]:
    out = torch.full((len(chrom), 2, length), -5.0)
    holes = signal.read(np.array(chrom), np.array(start), out[:, 1])
    assert (out[:, 0] == -5).all()
    return out[:, 1].numpy(), holes


def test_windows_are_those_of_the_file(signal: Signal, files: dict[str, Path], sizes: dict[str, int]) -> None:
    rng = np.random.default_rng(0)
    names, file = list(sizes), BigWig(files["plus"])
    chrom = rng.integers(0, 5, 300)
    start = np.array([rng.integers(-80, sizes[names[c]] + 20) for c in chrom])
    found, holes = read(signal, list(chrom), list(start), 60)
    assert holes
    for row, c, s in zip(found, chrom, start, strict=True):
        name = names[c]
        values = file.values(name, 0, sizes[name], np.nan) if name in file.sizes else np.full(40, np.nan)
        expected = [values[p] if 0 <= p < len(values) else np.nan for p in range(s, s + 60)]
        assert np.array_equal(row, expected, equal_nan=True)


def test_infinite_values_are_named_as_windows_are_read(
    files: dict[str, Path], sizes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (signal,) = SignalStream(sizes).open([Track("plus", files["plus"])])
    values = BigWig(files["plus"]).values("chr2", 0, 300)
    values[33] = np.inf
    monkeypatch.setattr(signal.source.file, "values", lambda _, start, end, missing: values[start:end].copy())

    def windows(_, start: list, length: int, out: list, missing: float) -> None:
        for first, place in zip(start, out, strict=True):
            place[...] = values[first : first + length]

    monkeypatch.setattr(signal.source.file, "windows", windows)
    read(signal, [1, 1], [-5, 34], 38)
    for start in (-5, 0, 33):
        with pytest.raises(InputError, match="value at chr2:33 is infinite"):
            read(signal, [1, 1], [100, start], 39)


def test_windows_longer_than_every_chromosome(signal: Signal) -> None:
    found, holes = read(signal, [1, 3], [-200, -400], 900)
    assert holes
    assert np.isnan(found[:, :200]).all()
    assert np.nanmax(found[1]) == 7
    assert np.isfinite(found[1]).sum() == 30


def test_whole_signal_has_no_holes(files: dict[str, Path], sizes: dict[str, int], tmp_path: Path) -> None:
    (signal,) = SignalCache(sizes, tmp_path).open([Track("n", files["negative"])])
    assert not read(signal, [0, 2], [440, 0], 60)[1]
    assert read(signal, [0, 2], [441, 0], 60)[1]


def test_gaps_that_count_as_zero_are_no_holes(files: dict[str, Path], sizes: dict[str, int], tmp_path: Path) -> None:
    (zeros,) = SignalCache(sizes, tmp_path).open([Track("plus", files["plus"])])
    (gaps,) = SignalCache(sizes, tmp_path).open([Track("plus", files["plus"], missing_quantile=0.5)])
    for start, holes in ([5, 200], False), ([441, -1], True):
        found, (expected, _) = read(zeros, [0, 1], start, 60), read(gaps, [0, 1], start, 60)
        assert found[1] == holes
        assert np.isnan(expected).sum() > 20
        assert np.isnan(found[0]).sum() == (2 if holes else 0)
        assert np.array_equal(np.nan_to_num(found[0]), np.nan_to_num(expected))


@pytest.mark.parametrize("missing", [None, 0.5])
def test_statistics_are_alike(missing, files: dict[str, Path], sizes: dict[str, int], tmp_path: Path) -> None:
    track = Track("plus", files["plus"], missing_quantile=missing)
    (cached,), (streamed,) = SignalCache(sizes, tmp_path).open([track]), SignalStream(sizes).open([track])
    assert np.array_equal(cached.measured, streamed.measured)
    for one, other in zip(cached.statistics(), streamed.statistics(), strict=True):
        assert (one.count, one.mean, one.m2, one.low, one.high) == (
            other.count,
            other.mean,
            other.m2,
            other.low,
            other.high,
        )
        assert np.array_equal(one.values, other.values)


def test_what_is_sent_to_another_process_is_small(signal: Signal) -> None:
    expected, _ = read(signal, [0, 1], [5, 270], 40)
    sent = pickle.dumps(signal)
    assert len(sent) < 3000
    copy = pickle.loads(sent)  # noqa: S301
    assert np.array_equal(read(copy, [0, 1], [5, 270], 40)[0], expected, equal_nan=True)
    assert copy.statistics()[0].count == signal.statistics()[0].count
    child = os.fork()
    if child == 0:
        same = np.array_equal(read(signal, [0, 1], [5, 270], 40)[0], expected, equal_nan=True)
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_cache_that_was_emptied_is_named(files: dict[str, Path], sizes: dict[str, int], tmp_path: Path) -> None:
    (signal,) = SignalCache(sizes, tmp_path).open([Track("plus", files["plus"])])
    copy: CachedSignal = pickle.loads(pickle.dumps(signal))  # noqa: S301
    signal.path.unlink()
    for use in (lambda: read(copy, [0], [0], 9), copy.statistics):
        with pytest.raises(InputError, match=r"signal of track 'plus' is gone.*cache emptied"):
            use()


def test_a_signal_in_16_bits_is_read_as_32(files: dict[str, Path], sizes: dict[str, int], tmp_path: Path) -> None:
    track = [Track("plus", files["plus"])]
    (half,), (full,) = SignalCache(sizes, tmp_path, "float16").open(track), SignalCache(sizes, tmp_path).open(track)
    assert half.length == full.length == 1000
    assert full.path.stat().st_size - half.path.stat().st_size == pytest.approx(2 * 1000, abs=50)
    for start in ([5, 270], [5, 200]):
        found, _ = read(half, [0, 1], start, 40)
        assert found.dtype == np.float32
        assert np.array_equal(found, read(full, [0, 1], start, 40)[0], equal_nan=True)
