import pytest
import torch

from strandwise.errors import StrandLawError
from strandwise.layers import Branches, Conv1d, Crop1d, Dense, ReLU, Stack, freeze
from strandwise.strand import plain, regular, stranded, unstranded
from strandwise.testing import random_input


def test_channels_stand_side_by_side() -> None:
    one, other = Conv1d(regular(2), stranded(1), 3).double(), Conv1d(regular(2), unstranded(2), 3).double()
    layer = Branches(one, other)
    x = random_input(regular(2), 9)
    expected = torch.cat([one(x), other(x)], dim=1)
    assert torch.equal(layer(x), expected)
    assert layer.out_type == stranded(1) + unstranded(2)
    assert layer.out_length(9) == 7
    frozen = freeze(layer)
    torch.testing.assert_close(frozen(x), expected)
    assert not any("free" in name for name, _ in frozen.named_parameters())


def test_pooled_branches() -> None:
    layer = Branches(Dense(plain(3).pooled(), plain(2).pooled()), ReLU(plain(3).pooled()))
    assert layer(torch.zeros(4, 3)).shape == (4, 5)
    assert layer.out_type == plain(5).pooled()


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(StrandLawError, match="at least one layer"):
        Branches()
    with pytest.raises(StrandLawError, match=r"ReLU reads regular\(2\) where Crop1d reads regular\(3\)"):
        Branches(ReLU(regular(2)), Crop1d(regular(3), 1))
    with pytest.raises(StrandLawError, match=r"make 9 and 7 positions of 9, .*: pad, crop or pool them alike"):
        Branches(ReLU(regular(2)), Stack(Crop1d(regular(2), 1))).out_length(9)
