import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from strandwise.data import readers
from strandwise.data.signals import SignalBatch, SignalCache, SignalReader, SignalStream, Track, gather
from strandwise.data.signals.entry import SignalType
from strandwise.data.signals.tracks import partners
from strandwise.errors import InputError
from strandwise.genome import BigWig
from strandwise.strand import revcomp

WINDOWS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def reader(sizes: dict[str, int], folder: Path) -> Callable[..., SignalReader]:
    """Read windows all over the genome and beyond its ends, from the cache or from the files themselves."""

    def make(
        tracks: Sequence[Track], streamed: bool = False, dtype: SignalType = "float32", **lengths: Any
    ) -> SignalReader:
        rng = np.random.default_rng(0)
        store = SignalStream(sizes) if streamed else SignalCache(sizes, folder, dtype)
        chrom = np.array(list(sizes), dtype=object)[rng.integers(0, 5, WINDOWS)]
        start = np.array([rng.integers(-60, sizes[name] + 30) for name in chrom])
        options: dict[str, Any] = {"input_bp": 36} | lengths
        return SignalReader(store.open(tracks), chrom, start, **options)

    return make


def same(one: SignalBatch, other: SignalBatch) -> bool:
    return torch.equal(one.values, other.values) and torch.equal(one.weights, other.weights)


OPTIONS = {
    "plain": {},
    "negated": {"negate": True},
    "filled": {"missing_quantile": 0.4},
    "clip": {"transform": "clip", "clip_quantile": 0.8},
    "filled and clipped": {"transform": "clip", "missing_quantile": 0.9, "clip_quantile": 0.6},
    "1x": {"transform": "1x"},
    "filled 1x": {"transform": "1x", "missing_quantile": 0.25},
    "z": {"transform": "z"},
    "filled z": {"transform": "z", "missing_quantile": 0.75, "negate": True},
    "log1p": {"transform": "log1p"},
    "asinh": {"transform": "asinh", "negate": True},
}


@pytest.mark.parametrize("streamed", [False, True], ids=["cached", "streamed"])
@pytest.mark.parametrize("lengths", [{}, {"output_bp": 24, "bin_bp": 8}, {"output_bp": 30, "bin_bp": 3, "bins": "sum"}])
@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_what_a_loop_over_positions_gives(
    option: str, lengths: dict, streamed: bool, reader, twin, pair: list[Track], sizes: dict[str, int]
) -> None:
    tracks = [replace(track, **OPTIONS[option]) for track in pair]
    made, slow = reader(tracks, streamed, **lengths), twin(tracks, partners(tracks))
    rng = np.random.default_rng(5)
    rows, shifts = rng.permutation(WINDOWS)[:12], rng.integers(-9, 10, 12)
    turned = rng.random(12) < 0.5
    found = made.gather(rows, shifts, turned)
    length, bin_bp = lengths.get("output_bp", 36), lengths.get("bin_bp", 1)
    assert found.values.shape == (12, 3, length // bin_bp)
    assert found.values.dtype == found.weights.dtype == torch.float32
    names = list(sizes)
    for row, shift, turn, values, weights in zip(rows, shifts, turned, found.values, found.weights, strict=True):
        chrom, start = names[made._chrom[row]], made._start[row] + shift
        expected = slow.window(chrom, start, length, bin_bp, lengths.get("bins", "mean"), turn)
        assert np.allclose(values.numpy(), expected, rtol=2e-5, atol=2e-5)
        assert np.array_equal(weights.numpy(), slow.weights(chrom, start, length, turn))
    assert (found.weights == 0).any()
    assert (found.weights == 1).any()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    chrom=st.sampled_from(["chr1", "chr2", "chr3", "chr4", "chr5"]),
    bins=st.integers(1, 9),
    bin_bp=st.integers(1, 12),
    flank=st.integers(-3, 8),
    shift=st.integers(-40, 40),
    turn=st.booleans(),
    filled=st.booleans(),
    how=st.sampled_from(["mean", "sum"]),
)
def test_any_place_shift_bin_and_strand(
    data, chrom, bins, bin_bp, flank, shift, turn, filled, how, twin, pair, sizes, folder
) -> None:
    length = bins * bin_bp
    start = data.draw(st.integers(-length - 5, sizes[chrom] + 5))
    tracks = [replace(track, missing_quantile=0.5) for track in pair] if filled else pair
    signals = SignalCache(sizes, folder).open(tracks)
    flank = max(flank, -((length - 1) // 2))
    lengths = {"input_bp": length + 2 * flank, "output_bp": length, "bin_bp": bin_bp}
    made = SignalReader(signals, [chrom], [start - flank], **lengths, bins=how)
    found = made.gather(np.array([0]), np.array([shift]), np.array([turn]))
    slow = twin(tracks, partners(tracks))
    expected = slow.window(chrom, start + shift, length, bin_bp, how, turn)
    assert np.allclose(found.values[0].numpy(), expected, rtol=1e-5, atol=1e-5)
    assert np.array_equal(found.weights[0].numpy(), slow.weights(chrom, start + shift, length, turn))


@pytest.mark.parametrize("lengths", [{}, {"bin_bp": 2}, {"bin_bp": 4}, {"bin_bp": 6}, {"bin_bp": 36}])
@pytest.mark.parametrize("option", ["plain", "filled z", "log1p"])
def test_a_window_is_the_same_in_any_company(
    option: str, lengths: dict, reader, pair: list[Track], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = reader([replace(track, **OPTIONS[option]) for track in pair], **lengths)
    rng = np.random.default_rng(1)
    rows, shifts, turned = np.arange(WINDOWS), rng.integers(-9, 10, WINDOWS), rng.random(WINDOWS) < 0.5
    whole = made.gather(rows, shifts, turned)
    for row in rows[:20]:
        alone = made.gather(rows[row : row + 1], shifts[row : row + 1], turned[row : row + 1])
        assert torch.equal(alone.values[0], whole.values[row])
        assert torch.equal(alone.weights[0], whole.weights[row])
    for size in (1, 500, 2000):
        monkeypatch.setattr(gather, "_BLOCK_VALUES", size)
        monkeypatch.setattr(readers, "_TURNED_VALUES", size)
        assert same(made.gather(rows, shifts, turned), whole)
    streamed = reader([replace(track, **OPTIONS[option]) for track in pair], True, **lengths)
    assert same(streamed.gather(rows, shifts, turned), whole)
    order = rng.permutation(WINDOWS)[:30]
    part = made.take(order)
    assert len(part) == 30
    assert same(part.take(np.array([3, 1])).gather(np.array([1, 0])), made.gather(order[[1, 3]]))


def test_turned_windows_are_the_reverse_complement(reader, pair: list[Track]) -> None:
    made = reader(pair, output_bp=30, bin_bp=5)
    rows = np.arange(WINDOWS)
    straight, turned = made.gather(rows), made.gather(rows, None, np.ones(WINDOWS, bool))
    assert torch.equal(turned.values, revcomp(straight.values, made.type))
    assert torch.equal(turned.weights, revcomp(straight.weights, made.type.pooled()))
    assert not torch.equal(turned.weights, straight.weights)
    assert same(made.gather(rows, None, np.zeros(WINDOWS, bool)), straight)
    assert same(made.gather(rows, np.zeros(WINDOWS, int)), straight)


def test_whole_numbers_are_the_same_in_16_bits(reader, pair: list[Track]) -> None:
    rows = np.arange(WINDOWS)
    assert same(reader(pair, dtype="float16").gather(rows), reader(pair).gather(rows))


def test_no_windows_make_no_rows(reader, pair: list[Track]) -> None:
    found = reader(pair, bin_bp=6).gather(np.zeros(0, int), np.zeros(0, int), np.zeros(0, bool))
    assert found.values.shape == (0, 3, 6)
    assert found.weights.shape == (0, 3)


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_batches_are_the_same_from_any_process(way: str, reader, pair: list[Track]) -> None:
    made, rng = reader([replace(track, transform="z") for track in pair], bin_bp=3), np.random.default_rng(0)
    gather = partial(made.gather, shifts=rng.integers(-5, 6, 16), turned=rng.random(16) < 0.5)
    # A worker that is spawned cannot import a test, so what it is sent is made of the package's own parts.
    rows = [rng.integers(0, WINDOWS, 16) for _ in range(4)]
    steps = cast(Dataset[np.ndarray], rows)
    loader = DataLoader(steps, batch_size=None, num_workers=2, multiprocessing_context=way, collate_fn=gather)
    for some, found in zip(rows, loader, strict=True):
        assert same(found, gather(some))


def test_what_workers_are_sent_does_not_grow_with_the_signal(reader, pair: list[Track]) -> None:
    made = reader(pair)
    made.gather(np.arange(4))
    assert len(pickle.dumps(made)) < 6000


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"output_bp": 35}, "output_bp 35 does not lie in the middle of input_bp 36"),
        ({"bin_bp": 5}, "bins of 5 bp do not fill output_bp 36: use 35 bp"),
        ({"bin_bp": 0}, "bins of 0 bp"),
        ({"bins": "max"}, "bins 'max'"),
    ],
)
def test_lengths_that_would_not_turn_are_refused(given: dict, words: str, reader, pair: list[Track]) -> None:
    with pytest.raises(InputError, match=words):
        reader(pair, **given)


def test_windows_and_tracks_must_fit(sizes: dict[str, int], folder: Path, pair: list[Track]) -> None:
    cache = SignalCache(sizes, folder)
    signals = cache.open(pair)
    with pytest.raises(InputError, match=r"chromosome '1', on which no signal was opened \(did you mean 'chr1'"):
        SignalReader(signals, ["1"], [0], input_bp=10)
    with pytest.raises(InputError, match=r"\(2,\) chromosomes and \(1,\) starts"):
        SignalReader(signals, ["chr1", "chr2"], [0], input_bp=10)
    with pytest.raises(InputError, match="'plus' is of strand"):
        SignalReader(cache.open([replace(pair[0], partner=None)]), ["chr1"], [0], input_bp=10)
    (other,) = SignalCache({"chr1": 500}, folder).open([pair[1]])
    with pytest.raises(InputError, match="opened on different chromosomes"):
        SignalReader([signals[0], signals[2], other], ["chr1"], [0], input_bp=10)


def test_notes_are_those_of_the_tracks(reader, pair: list[Track]) -> None:
    notes = reader(pair).notes
    assert any("atac.bw: 4 chromosome names read under other names" in note for note in notes)
    assert any("minus.bw: 2 chromosome names not in it" in note and "taken as not measured" in note for note in notes)


def test_real_tracks(real_data: Path, tmp_path: Path) -> None:
    yeast = real_data / "yeast"
    tracks = [
        Track("+", yeast / "stripeseq" / "WT_1.plus.bw", "+", partner="-"),
        Track("atac", yeast / "atac" / "cutsites.bw"),
        Track("-", yeast / "stripeseq" / "WT_1.minus.bw", "-"),
    ]
    sizes = {"chrI": 230218, "chrVI": 270161, "chrM": 85779}
    rng = np.random.default_rng(0)
    chrom = np.array(list(sizes), dtype=object)[rng.integers(0, 3, 64)]
    start = np.array([rng.integers(-300, sizes[name] - 300) for name in chrom])
    cached, streamed = SignalCache(sizes, tmp_path).open(tracks), SignalStream(sizes).open(tracks)
    rows, shifts, turned = np.arange(64), rng.integers(-50, 51, 64), rng.random(64) < 0.5
    for lengths in ({}, {"output_bp": 400, "bin_bp": 50, "bins": "sum"}):
        one, other = (
            SignalReader(signals, chrom, start, input_bp=600, **lengths).gather(rows, shifts, turned)
            for signals in (cached, streamed)
        )
        assert same(one, other)
        assert one.values.sum() > 100
        assert torch.equal(one.weights.sum(1) == 0, torch.from_numpy(chrom == "chrM"))
    files = [BigWig(track.path) for track in tracks]
    for index, (file, prefix) in enumerate(zip(files, ("", "chr", ""), strict=True)):
        total = sum(file.values(prefix + name, 0, sizes["chr" + name]).sum(dtype=float) for name in ("I", "VI"))
        whole = SignalReader(cached, ["chrI", "chrVI"], [0, 0], input_bp=270161)
        assert whole.gather(np.array([0, 1])).values[:, index].sum(dtype=torch.float64).item() == total
