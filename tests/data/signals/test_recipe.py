from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from strandwise.data.signals import SignalCache, SignalStream, Track
from strandwise.data.signals.recipe import Recipe, _asinh
from strandwise.errors import InputError


@pytest.fixture(params=["cached", "streamed"])
def store(request: pytest.FixtureRequest, sizes: dict[str, int], tmp_path: Path) -> SignalCache | SignalStream:
    return SignalCache(sizes, tmp_path) if request.param == "cached" else SignalStream(sizes)


@pytest.mark.parametrize("negate", [False, True])
def test_logarithms_of_negative_values_are_refused(store: SignalCache, files: dict[str, Path], negate: bool) -> None:
    track = Track("n", files["plus" if negate else "negative"], transform="log1p", negate=negate)
    with pytest.raises(InputError, match=r"'n' .*values down to -49.*use asinh"):
        Recipe(store.open([track]))
    Recipe(store.open([replace(track, negate=not negate)]))


def test_what_has_no_positive_mean_cannot_be_scaled(store: SignalCache, files: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"'n' .*cannot be scaled to 1"):
        Recipe(store.open([Track("n", files["negative"], transform="1x")]))


def test_clipping_everything_away_is_refused(store: SignalCache, files: dict[str, Path]) -> None:
    # Three positions in ten are missing and count as 0.
    with pytest.raises(InputError, match=r"its 0.2 quantile is 0.*raise clip_quantile"):
        Recipe(store.open([Track("t", files["plus"], transform="clip", clip_quantile=0.2)]))
    known = Track("t", files["plus"], transform="clip", clip_quantile=0.2, missing_quantile=0.0)
    assert Recipe(store.open([known])).limit[0] > 0


def test_a_negative_strand_is_noticed(sizes: dict[str, int], files: dict[str, Path], tmp_path: Path) -> None:
    plus, minus = Track("p", files["plus"], "+", partner="n"), Track("n", files["negative"], "-")
    cache = SignalCache(sizes, tmp_path)
    for tracks in ([plus, minus], [minus, plus]):
        with pytest.raises(InputError, match=r"'n' is negative \(down to -49\) and its partner 'p' positive"):
            Recipe(cache.open(tracks))
    Recipe(cache.open([plus, replace(minus, negate=True)]))
    with pytest.raises(InputError, match="'p' is negative"):
        Recipe(cache.open([replace(plus, negate=True), replace(minus, negate=True)]))
    # Two signals of both signs, or two of one, are as they are.
    Recipe(cache.open([replace(plus, negate=True), minus]))


def test_both_strands_are_scaled_alike(store: SignalCache, pair: list[Track]) -> None:
    for transform in ("z", "1x", "clip"):
        recipe = Recipe(store.open([replace(track, transform=transform) for track in pair]))
        both = [0, 1, 3]
        for numbers in (recipe.centre, recipe.scale):
            assert np.array_equal(numbers[0, both], numbers[2, both])
            assert not np.array_equal(recipe.scale[0], recipe.scale[1]) or transform == "clip"
        assert recipe.limit.get(0) == recipe.limit.get(2)


def test_asinh_is_that_of_numpy() -> None:
    x = torch.cat([torch.randn(5000) * scale for scale in (1e-30, 1e-6, 1e-2, 1, 1e3, 1e10, 1e25)])
    expected = np.arcsinh(x.double().numpy())
    assert np.allclose(_asinh(x).numpy(), expected, rtol=3e-7, atol=0)
    assert _asinh(torch.zeros(1)).item() == 0
