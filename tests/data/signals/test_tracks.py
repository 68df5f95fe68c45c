from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from strandwise.data.signals import Track, tracks_type
from strandwise.errors import InputError
from strandwise.strand import revcomp, stranded, unstranded

PLUS, MINUS, ATAC = Track("p", Path("p.bw"), "+"), Track("m", Path("m.bw"), "-", partner="p"), Track("a", Path("a.bw"))
OTHERS = Track("q", Path("q.bw"), "+", partner="n"), Track("n", Path("n.bw"), "-")


def test_pairs_swap_and_others_stay() -> None:
    assert tracks_type([PLUS, MINUS]) == stranded(1)
    assert tracks_type([MINUS, PLUS]) == stranded(1)
    assert tracks_type([ATAC]) == unstranded(1)
    assert tracks_type([PLUS, MINUS, *OTHERS, ATAC]) == stranded(2) + unstranded(1)
    assert str(tracks_type([ATAC, PLUS, MINUS])) == "unstranded(1) + stranded(1)"
    assert tracks_type([PLUS, OTHERS[1], ATAC, OTHERS[0], MINUS]).partner == (4, 3, 2, 1, 0)
    assert tracks_type([PLUS, ATAC, MINUS]).sign == (1, 1, 1)


@pytest.mark.parametrize("seed", range(20))
def test_any_order_turns_as_the_names_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = {"p": "m", "m": "p", "q": "n", "n": "q", "a": "a"}
    tracks = [PLUS, MINUS, *OTHERS, ATAC]
    tracks = [tracks[i] for i in rng.permutation(5)]
    names = [track.name for track in tracks]
    x = torch.randn(2, 5, 7)
    turned = revcomp(x, tracks_type(tracks))
    for channel, name in enumerate(names):
        assert torch.equal(turned[:, channel], x[:, names.index(pairs[name])].flip(-1))


@pytest.mark.parametrize(
    ("tracks", "words"),
    [
        ([], "no tracks"),
        ([PLUS], r"'p' is of strand '\+' and has no partner.*set strand to '.'"),
        ([PLUS, ATAC], r"'p' is of strand '\+' and has no partner"),
        ([MINUS], "partner 'p' is not among the tracks"),
        ([MINUS, replace(PLUS, name="pp")], "did you mean 'pp'"),
        ([ATAC, ATAC], "two tracks are called 'a'"),
        ([PLUS, MINUS, replace(MINUS, name="k")], "'p' is the partner of both 'm' and 'k'"),
        ([PLUS, replace(MINUS, strand="+")], r"strands '\+' and '\+'"),
        ([ATAC, replace(MINUS, partner="a")], r"strands '\.' and '-'"),
        ([PLUS, replace(MINUS, transform="asinh")], "transform none and asinh"),
        ([PLUS, replace(MINUS, missing_quantile=0.5)], "missing_quantile None and 0.5"),
    ],
)
def test_tracks_that_do_not_fit_are_refused(tracks: list[Track], words: str) -> None:
    with pytest.raises(InputError, match=words):
        tracks_type(tracks)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": ""}, "a name"),
        ({"strand": "x"}, "strand 'x'"),
        ({"transform": "log1"}, "did you mean 'log1p'"),
        ({"partner": "m"}, "no strand"),
        ({"strand": "+", "partner": "t"}, "its own partner"),
        ({"clip_quantile": 0.5}, "clip_quantile is for transform 'clip'"),
        ({"transform": "clip", "clip_quantile": 0.0}, "clip_quantile = 0.0"),
        ({"transform": "clip", "clip_quantile": 1.5}, "clip_quantile = 1.5"),
        ({"missing_quantile": -0.1}, "missing_quantile = -0.1"),
        ({"missing_quantile": float("nan")}, "missing_quantile = nan"),
    ],
)
def test_unlawful_tracks_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Track(**({"name": "t", "path": Path("t.bw")} | given))
