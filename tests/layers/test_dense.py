import pytest
import torch
from torch import nn

from strandwise.errors import StrandLawError
from strandwise.layers import Dense, SumChannels, freeze
from strandwise.strand import StrandType, dna, odd, plain, regular, stranded, unstranded
from strandwise.testing import random_input, randomise


def parameters(layer: nn.Module) -> int:
    return sum(weight.numel() for weight in layer.parameters())


def test_counts_of_the_paper() -> None:
    # Shrikumar et al. 2017, 3.4.1: three tasks behind 20 filters, after a weighted sum and without.
    assert parameters(Dense(regular(20).pooled(), unstranded(3).pooled())) == 60 + 3
    assert parameters(Dense(plain(20), unstranded(3).pooled(), in_length=9)) == 540 + 3
    assert parameters(Dense(regular(20), unstranded(3).pooled(), in_length=9)) == 540 + 3
    assert parameters(Dense(regular(20).pooled(), unstranded(3).pooled(), bias=False)) == 60
    assert parameters(SumChannels(regular(20).pooled(), unstranded(1).pooled())) == 1


CASES = [
    (regular(2), unstranded(3), 5),
    (regular(2), stranded(2), 4),
    (dna() + unstranded(1), regular(2), 3),
    (regular(1), odd(2), 4),
    (plain(3), unstranded(2), 4),
]


@pytest.mark.parametrize(("in_type", "out_type", "length"), CASES, ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_a_loop_over_channels_and_positions(
    in_type: StrandType, out_type: StrandType, length: int, bias: bool
) -> None:
    layer = Dense(in_type, out_type.pooled(), in_length=length, bias=bias).double()
    randomise(layer)
    weight = layer.weight()
    offset = torch.zeros(out_type.channels, dtype=torch.float64) if layer.bias is None else layer.bias()
    x = random_input(in_type, length)
    expected = offset.expand(3, -1).clone()
    for o in range(out_type.channels):
        for c in range(in_type.channels):
            for i in range(length):
                expected[:, o] += weight[o, c, i] * x[:, c, i]
                if in_type.lawful:
                    sign = out_type.sign[o] * in_type.sign[c]
                    assert weight[o, c, i] == sign * weight[out_type.partner[o], in_type.partner[c], length - 1 - i]
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(freeze(layer)(x), expected, rtol=0, atol=1e-12)
    assert layer.out_length(length) == 0


def test_after_a_weighted_sum_it_is_the_paper() -> None:
    """The weights of the first half, backwards, are those of the second: it sees x_c + x_(2n-1-c)."""
    layer = Dense(regular(3).pooled(), unstranded(2).pooled(), bias=False).double()
    randomise(layer)
    weight = layer.weight()
    assert torch.equal(weight[:, 3:], weight[:, :3].flip(1))
    x = random_input(regular(3).pooled(), 1)
    torch.testing.assert_close(layer(x), (x[:, :3] + x[:, 3:].flip(1)) @ weight[:, :3].T, rtol=0, atol=1e-12)


def test_after_a_convolution_it_is_the_authors_code() -> None:
    """Weights of the second half of channels are those of the first, backwards along channels and positions."""
    layer = Dense(regular(3), unstranded(2).pooled(), in_length=5).double()
    randomise(layer)
    weight = layer.weight()
    assert torch.equal(weight[:, 3:], weight[:, :3].flip(1, 2))


def test_without_positions_it_is_torchs_linear() -> None:
    layer = Dense(plain(4).pooled(), unstranded(2).pooled()).double()
    randomise(layer)
    assert layer.bias is not None
    twin = nn.Linear(4, 2).double()
    twin.load_state_dict({"weight": layer.weight(), "bias": layer.bias()})
    x = random_input(plain(4).pooled(), 1)
    torch.testing.assert_close(layer(x), twin(x), rtol=0, atol=1e-12)
    assert isinstance(freeze(layer), nn.Linear)
    torch.testing.assert_close(freeze(layer)(x), twin(x), rtol=0, atol=1e-12)


def test_summed_channels() -> None:
    layer = SumChannels(regular(3).pooled(), unstranded(1).pooled()).double()
    randomise(layer)
    x = random_input(regular(3).pooled(), 1)
    torch.testing.assert_close(layer(x), x.sum(1, keepdim=True) + layer.bias, rtol=0, atol=1e-12)
    torch.testing.assert_close(freeze(layer)(x), layer(x), rtol=0, atol=1e-12)


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(StrandLawError, match=r"use unstranded\(2\).pooled\(\) as out_type"):
        Dense(regular(2).pooled(), unstranded(2))
    with pytest.raises(StrandLawError, match="needs in_length"):
        Dense(regular(2), unstranded(2).pooled())
    with pytest.raises(StrandLawError, match="made for 5 positions, got 4"):
        Dense(regular(2), unstranded(2).pooled(), in_length=5).out_length(4)
    for types in (
        (regular(2), unstranded(1).pooled()),
        (regular(2).pooled(), unstranded(2).pooled()),
        (odd(2).pooled(), unstranded(1).pooled()),
        (regular(2).pooled(), odd(1).pooled()),
    ):
        with pytest.raises(StrandLawError, match="from pooled even channels to one"):
            SumChannels(*types)
