from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from strandwise.errors import StrandLawError
from strandwise.layers import Conv1d, ConvTranspose1d, freeze
from strandwise.strand import StrandType, dna, odd, plain, regular, stranded, unstranded
from strandwise.testing import random_input, randomise

SIZES = [(1, 1, 1, 0), (4, 3, 1, 0), (5, 2, 2, 2), (3, 4, 1, 1)]
TYPES = [(dna(), regular(3)), (regular(2), stranded(1)), (odd(2), regular(1) + odd(1)), (plain(3), unstranded(2))]


@pytest.mark.parametrize(("taps", "stride", "dilation", "padding"), SIZES)
@pytest.mark.parametrize(("in_type", "out_type"), TYPES, ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_torchs_on_the_expanded_weight(
    in_type: StrandType, out_type: StrandType, taps: int, stride: int, dilation: int, padding: int, bias: bool
) -> None:
    layer = ConvTranspose1d(
        in_type, out_type, taps, stride=stride, dilation=dilation, padding=padding, bias=bias
    ).double()
    randomise(layer)
    weight = layer.weight()
    offset = None if layer.bias is None else layer.bias()
    if in_type.lawful:
        for i in range(in_type.channels):
            for o in range(out_type.channels):
                sign = in_type.sign[i] * out_type.sign[o]
                mirrored = weight[in_type.partner[i], out_type.partner[o]].flip(0)
                assert torch.equal(weight[i, o], sign * mirrored)
    x = random_input(in_type, 6)
    expected = functional.conv_transpose1d(x, weight, offset, stride, padding, dilation=dilation)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    assert layer.out_length(6) == expected.shape[-1]
    frozen = freeze(layer)
    assert isinstance(frozen, nn.ConvTranspose1d)
    assert (frozen.bias is None) == (not bias)
    torch.testing.assert_close(frozen(x), expected, rtol=0, atol=1e-12)


def test_it_is_the_transpose_of_a_convolution() -> None:
    """<conv(x), y> is <x, transposed(y)> with the same weights, and so have they as many free ones."""
    conv = Conv1d(dna(), regular(3), 4, stride=3, bias=False, in_length=13).double()
    back = ConvTranspose1d(regular(3), dna(), 4, stride=3, bias=False).double()
    randomise(conv)
    back.weight.assign(conv.weight())
    assert back.weight.free.numel() == conv.weight.free.numel() == 3 * 4 * 4
    x, y = random_input(dna(), 13), random_input(regular(3), 4)
    torch.testing.assert_close((conv(x) * y).sum(), (x * back(y)).sum(), rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("types", "options", "words"),
    [
        ((dna().pooled(), regular(2)), {}, "use Dense for pooled types"),
        ((dna(), regular(2).pooled()), {}, "use Dense for pooled types"),
        ((dna(), regular(2)), {"stride": 0}, "must be 1 or more"),
        ((dna(), regular(2)), {"dilation": 0}, "must be 1 or more"),
        ((dna(), regular(2)), {"padding": -1}, "padding -1 0 or more"),
    ],
)
def test_refusals_say_what_to_do(types: tuple[StrandType, StrandType], options: dict[str, Any], words: str) -> None:
    with pytest.raises(StrandLawError, match=words):
        ConvTranspose1d(*types, 3, **options)


def test_nothing_left_to_give() -> None:
    layer = ConvTranspose1d(dna(), regular(2), 3, padding=2)
    assert layer.out_length(3) == 1
    with pytest.raises(StrandLawError, match="2 positions are spread over 4, and padding 2 cuts that"):
        layer.out_length(2)
    with pytest.raises(StrandLawError, match="widen the input"):
        layer.out_length(0)


def test_it_prints_what_it_is() -> None:
    layer = ConvTranspose1d(dna(), regular(2), 5, stride=2, padding=1)
    assert "dna() -> regular(2), kernel_size=5, stride=2, dilation=1, padding=1" in repr(layer)
