import pytest
import torch
from torch import nn

from strandwise.errors import StrandLawError
from strandwise.layers import Unflatten, freeze
from strandwise.strand import odd, plain, regular, stranded, unstranded
from strandwise.testing import random_input


def test_each_channel_takes_as_many_inputs_as_there_are_positions() -> None:
    layer = Unflatten(regular(2), 3)
    x = torch.arange(12.0).unsqueeze(0)
    assert layer(x).tolist() == [[[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]]
    assert (layer.out_length(0), layer.out_type) == (3, regular(2))
    assert isinstance(freeze(layer), nn.Unflatten)
    assert torch.equal(freeze(layer)(x), layer(x))
    assert repr(layer) == "Unflatten(regular(2), length=3)"


def test_the_type_of_what_comes_in() -> None:
    assert Unflatten(regular(2), 3).in_type == regular(6).pooled()
    assert Unflatten(plain(2), 3).in_type == plain(6).pooled()
    # Positions of an unstranded channel trade places; of a pair, + at a place is - at the mirrored one.
    assert Unflatten(unstranded(2), 3).in_type.partner == (2, 1, 0, 5, 4, 3)
    assert Unflatten(stranded(1), 2).in_type.partner == (3, 2, 1, 0)
    assert Unflatten(odd(1), 2).in_type.sign == (-1, -1)


def test_it_is_what_flatten_undoes() -> None:
    x = random_input(regular(3), 5)
    assert torch.equal(Unflatten(regular(3), 5)(x.flatten(1)), x)


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(StrandLawError, match="has no positions to lay channels along: leave the layer out"):
        Unflatten(regular(2).pooled(), 3)
    with pytest.raises(StrandLawError, match="along 0 positions: give 1 or more"):
        Unflatten(regular(2), 0)
