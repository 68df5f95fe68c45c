import pytest
import torch
from torch import Tensor

from strandwise.errors import StrandLawError
from strandwise.layers import AttentionPool1d, AveragePool1d, GlobalAttentionPool, MaxPool1d, freeze
from strandwise.layers.tying import TiedParameter
from strandwise.strand import StrandType, odd, plain, regular, stranded, unstranded
from strandwise.testing import random_input, randomise

KINDS = [regular(2), stranded(2), unstranded(2) + odd(2), plain(4)]


def weighed(x: Tensor, scores: Tensor) -> Tensor:
    """The average of positions ``(batch, channels)``, weighed by exp(score)."""
    weights = torch.exp(scores)
    return (weights * x).sum(2) / weights.sum(2)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_windows_are_weighed_by_a_softmax_of_scores(kind: StrandType, own: bool) -> None:
    layer = AttentionPool1d(kind, 4, 3, in_length=13, per_channel=own).double()
    randomise(layer)
    x = random_input(kind, 13)
    scores = torch.einsum("oi,bil->bol", layer.scores.weight(), x).expand(-1, 4, -1)
    expected = torch.stack([weighed(x[..., i : i + 4], scores[..., i : i + 4]) for i in (0, 3, 6, 9)], dim=2)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    frozen = freeze(layer)
    torch.testing.assert_close(frozen(x), expected, rtol=0, atol=1e-12)
    assert not any(part.tied for part in frozen.modules() if isinstance(part, TiedParameter))
    assert layer.out_length(13) == 4


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_all_positions_are_weighed_by_a_softmax_of_scores(kind: StrandType, own: bool) -> None:
    layer = GlobalAttentionPool(kind, per_channel=own).double()
    randomise(layer)
    x = random_input(kind, 7)
    scores = torch.einsum("oi,bil->bol", layer.scores.weight(), x).expand(-1, 4, -1)
    torch.testing.assert_close(layer(x), weighed(x, scores), rtol=0, atol=1e-12)
    torch.testing.assert_close(freeze(layer)(x), weighed(x, scores), rtol=0, atol=1e-12)
    assert (layer.out_type, layer.out_length(7)) == (kind.pooled(), 0)


def test_it_starts_between_average_and_maximum() -> None:
    x = random_input(regular(2), 12)
    low, high = (AttentionPool1d(regular(2), 4, in_length=12, scale=scale).double() for scale in (0.0, 1e4))
    average, largest = AveragePool1d(regular(2), 4, in_length=12)(x), MaxPool1d(regular(2), 4, in_length=12)(x)
    torch.testing.assert_close(low(x), average)
    torch.testing.assert_close(high(x), largest)
    assert (AttentionPool1d(regular(2), 4, in_length=12).scores.weight() == 2 * torch.eye(4)).all()
    torch.testing.assert_close(AttentionPool1d(regular(2), 4, in_length=12, per_channel=False).double()(x), average)


def test_lifted_partners_are_pooled_from_opposite_ends() -> None:
    layer = AttentionPool1d(regular(1), 4, 3, in_length=12, lifted=True).double()
    randomise(layer)
    x = random_input(regular(1), 12)
    left = layer.pool(x)
    right = layer.pool(x.flip(1, 2)).flip(1, 2)
    assert torch.equal(layer(x), torch.cat([left[:, :1], right[:, 1:]], dim=1))
    torch.testing.assert_close(freeze(layer)(x), layer(x))


def test_windows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(StrandLawError, match="attention pooling 4 wide every 3"):
        AttentionPool1d(regular(2), 4, 3, in_length=12)
    with pytest.raises(StrandLawError, match="no positions left to pool"):
        GlobalAttentionPool(regular(2).pooled())
