import pytest
import torch
from torch import nn

from strandwise.errors import StrandLawError
from strandwise.layers import PerStrand, SelfAttention
from strandwise.layers.attention import Place
from strandwise.strand import dna, plain, regular
from strandwise.testing import random_input, randomise


def test_without_places_it_is_torchs() -> None:
    layer = SelfAttention(plain(6), 6, heads=3, place="none").double()
    randomise(layer)
    twin = nn.MultiheadAttention(6, 3, batch_first=True).double()
    twin.load_state_dict(
        {
            "in_proj_weight": layer.gather.weight,
            "in_proj_bias": layer.gather.bias,
            "out_proj.weight": layer.join.weight,
            "out_proj.bias": layer.join.bias,
        }
    )
    x = random_input(plain(6), 9).transpose(1, 2)
    expected = twin(x, x, x, need_weights=False)[0].transpose(1, 2)
    torch.testing.assert_close(layer(x.transpose(1, 2)), expected, rtol=0, atol=1e-12)
    assert layer.out_length(9) == 9


@pytest.mark.parametrize("place", ["symmetric", "relative"])
def test_offsets_are_added_to_scores_by_distance(place: Place) -> None:
    layer = SelfAttention(dna(), 4, heads=2, place=place, max_distance=3).double()
    assert layer.offset is not None
    assert not layer.offset.any()
    assert layer.offset.shape == (2, 4 if place == "symmetric" else 7)
    randomise(layer)
    x = random_input(dna(), 6)
    query, key, value = layer.gather(x.transpose(1, 2)).chunk(3, dim=2)
    parts = []
    for head in range(2):
        half = slice(2 * head, 2 * head + 2)
        scores = query[..., half] @ key[..., half].transpose(1, 2) / 2**0.5
        for i in range(6):
            for j in range(6):
                away = max(-3, min(3, j - i))
                scores[:, i, j] += layer.offset[head, abs(away) if place == "symmetric" else away + 3]
        parts.append(scores.softmax(2) @ value[..., half])
    expected = layer.join(torch.cat(parts, dim=2)).transpose(1, 2)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)


def test_lifted_it_keeps_its_places() -> None:
    layer = PerStrand(SelfAttention(regular(2), 4, heads=2), regular(2))
    assert layer.out_type == regular(4)
    assert layer.out_length(10) == 10


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(StrandLawError, match="no positions to attend to: use Dense"):
        SelfAttention(plain(4).pooled(), 4)
    for units, heads in ((6, 4), (0, 1), (4, 0)):
        with pytest.raises(StrandLawError, match="use a multiple of heads"):
            SelfAttention(plain(4), units, heads=heads)
    with pytest.raises(StrandLawError, match="use one of none, symmetric, relative"):
        SelfAttention(plain(4), 4, place="absolute")  # pyright: ignore[reportArgumentType]
    with pytest.raises(StrandLawError, match="max_distance 0 must be 1 or more"):
        SelfAttention(plain(4), 4, max_distance=0)


def test_it_prints_what_it_is() -> None:
    assert "plain(4) -> plain(4), heads=2, place=none" in repr(SelfAttention(plain(4), 4, heads=2, place="none"))
