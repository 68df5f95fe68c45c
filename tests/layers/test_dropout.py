import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers import ChannelDropout, Conv1d, Dropout, PerStrand, Stack, freeze, shared_masks
from strandwise.strand import StrandType, dna, odd, plain, regular, stranded, unstranded
from strandwise.testing import random_input

KINDS = [regular(2), stranded(2), unstranded(3), odd(2), dna() + odd(1), plain(3), regular(2).pooled()]
Kind = type[Dropout] | type[ChannelDropout]


def drawn(layer: nn.Module, x: Tensor, seed: int = 0) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return layer(x)


@pytest.mark.parametrize("length", [6, 7])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_value_shares_the_fate_of_its_image(kind: StrandType, length: int) -> None:
    x = torch.ones(50, kind.channels, *([length] if kind.positions else []), dtype=torch.float64)
    y = drawn(Dropout(kind, 0.25), x)
    assert set(y.unique().tolist()) == {0.0, 1 / 0.75}
    if not kind.lawful:
        return
    mirrored = y[:, list(kind.partner)]
    assert torch.equal(mirrored.flip(2) if kind.positions else mirrored, y)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_whole_channels_share_the_fate_of_their_partners(kind: StrandType) -> None:
    x = torch.ones(50, kind.channels, *([6] if kind.positions else []), dtype=torch.float64)
    y = drawn(ChannelDropout(kind, 0.25), x)
    assert set(y.unique().tolist()) == {0.0, 1 / 0.75}
    if kind.positions:
        assert (y == y[..., :1]).all()
    if kind.lawful:
        assert torch.equal(y[:, list(kind.partner)], y)
    # Sequences, and channels that are not partners, have fates of their own.
    assert (y != y[:1]).any()
    assert (y != y[:, :1]).any()


@pytest.mark.parametrize("make", [Dropout, ChannelDropout])
@pytest.mark.parametrize("kind", [regular(8), unstranded(16), plain(16)], ids=str)
def test_the_share_that_is_dropped(make: Kind, kind: StrandType) -> None:
    y = drawn(make(kind, 0.2), torch.ones(2000, 16, 9))
    assert abs((y == 0).float().mean() - 0.2) < 0.01
    assert abs(y.mean() - 1) < 0.02
    # Every place alike: neither the middle nor the ends, neither first channels nor last.
    assert ((y == 0).float().mean(0) - 0.2).abs().max() < 0.05


@pytest.mark.parametrize("make", [Dropout, ChannelDropout])
def test_in_eval_mode_nothing_is_dropped(make: Kind) -> None:
    x = random_input(regular(2), 6)
    layer = make(regular(2)).eval()
    assert layer(x) is x
    assert make(regular(2), 0.0)(x) is x
    assert torch.equal(freeze(make(regular(2)))(x), x)
    assert type(freeze(make(regular(2)))) in (nn.Dropout, nn.Dropout1d)
    assert type(freeze(make(regular(2).pooled()))) is nn.Dropout


def test_gradients_pass_where_values_do() -> None:
    x = torch.ones(4, 4, 6, requires_grad=True)
    y = drawn(Dropout(regular(2), 0.5), x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, y.detach())


LAYOUTS: list[Callable[[Tensor], Tensor]] = [
    lambda x: x.contiguous(),
    lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
]


@pytest.mark.parametrize("make", [Dropout, ChannelDropout])
def test_equal_draws_are_equal_masks_in_any_memory_order(make: Kind) -> None:
    x = random_input(regular(2), 6)
    one, other = (drawn(make(regular(2)), view(x)) for view in LAYOUTS)
    assert torch.equal(one, other)
    assert other.stride() == LAYOUTS[1](x).stride()


@pytest.mark.parametrize("make", [Dropout, ChannelDropout])
def test_both_strands_of_a_lifted_module_forget_the_same(make: Kind) -> None:
    inner = make(plain(4), 0.4)
    lifted = PerStrand(Stack(Conv1d(dna(), plain(4), 3), inner), dna())
    x = random_input(dna(), 8).float()
    lifted.train()
    with shared_masks(inner):
        y = drawn(inner, torch.ones(6, 4, 5))
    assert torch.equal(y[:3], y[3:])
    assert (y[0] != y[1]).any()
    forward, reverse = (drawn(lifted, strand) for strand in (x, x.flip(1, 2)))
    torch.testing.assert_close(reverse, forward.flip(1, 2))
    # Used on its own again, each row has a mask of its own, however often it was lifted.
    assert inner.strands == 1
    alone = drawn(inner, torch.ones(6, 4, 5))
    assert (alone[:3] != alone[3:]).any()
    assert drawn(copy.deepcopy(lifted), x).equal(forward)


def test_masks_can_be_shared_by_more_strands() -> None:
    layer = Dropout(plain(4), 0.4)
    with shared_masks(nn.Sequential(layer, nn.Dropout()), 3):
        y = drawn(layer, torch.ones(6, 4, 5))
    assert torch.equal(y[:2], y[2:4])
    assert torch.equal(y[:2], y[4:])


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5])
def test_chances_out_of_range_are_refused(p: float) -> None:
    for make in (Dropout, ChannelDropout):
        with pytest.raises(StrandLawError, match="must be 0 or more and below 1"):
            make(regular(2), p)


def test_it_prints_what_it_is() -> None:
    assert repr(Dropout(regular(2), 0.1)) == "Dropout(regular(2), p=0.1)"
