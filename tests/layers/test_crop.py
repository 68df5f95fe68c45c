import pytest
import torch
from torch import nn

from strandwise.errors import StrandLawError
from strandwise.layers import Crop1d, freeze
from strandwise.strand import plain, regular
from strandwise.testing import random_input


def test_ends_are_cut() -> None:
    x = random_input(regular(2), 9)
    layer = Crop1d(regular(2), 2)
    assert torch.equal(layer(x), x[..., 2:7])
    assert layer.out_length(9) == 5
    assert isinstance(freeze(layer), nn.ConstantPad1d)
    assert torch.equal(freeze(layer)(x), x[..., 2:7])
    assert torch.equal(Crop1d(plain(4), 0, 3)(x), x[..., :6])
    assert torch.equal(freeze(Crop1d(plain(4), 1, 3))(x), x[..., 1:6])
    assert "left=2, right=2" in repr(layer)


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(StrandLawError, match="the ends trade places: cut 2 or 3 off both, or lift"):
        Crop1d(regular(2), 2, 3)
    with pytest.raises(StrandLawError, match="0 or more at each end"):
        Crop1d(regular(2), -1)
    with pytest.raises(StrandLawError, match="has no positions to cut"):
        Crop1d(regular(2).pooled(), 1)
    assert Crop1d(regular(2), 2).out_length(5) == 1
    with pytest.raises(StrandLawError, match="4 positions are fewer than the 5"):
        Crop1d(regular(2), 2).out_length(4)
