from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from strandwise.errors import StrandLawError
from strandwise.layers import Conv1d, freeze
from strandwise.strand import StrandType, dna, odd, plain, regular, stranded, unstranded
from strandwise.testing import random_input, randomise


def written_out(layer: Conv1d) -> tuple[Tensor, Tensor]:
    """The full weight and bias of a tied convolution, entry by entry: the first of each pair is free."""
    out_type, in_type, taps = layer.out_type, layer.in_type, layer.kernel_size
    weight = torch.zeros(out_type.channels, in_type.channels, taps, dtype=torch.float64)
    free = iter(layer.weight.free.tolist())
    given = set()
    for o in range(out_type.channels):
        for i in range(in_type.channels):
            for k in range(taps):
                image = (out_type.partner[o], in_type.partner[i], taps - 1 - k)
                sign = out_type.sign[o] * in_type.sign[i]
                if (o, i, k) in given or (image == (o, i, k) and sign < 0):
                    continue
                weight[o, i, k] = next(free)
                weight[image] = sign * weight[o, i, k]
                given |= {(o, i, k), image}
    bias = torch.zeros(out_type.channels, dtype=torch.float64)
    offsets = iter(layer.bias.free.tolist() if layer.bias else [])
    for o in range(out_type.channels):
        partner = out_type.partner[o]
        if layer.bias is None or out_type.sign[o] < 0:
            continue
        bias[o] = bias[partner] if partner < o else next(offsets)
    return weight, bias


LAWFUL = [
    (dna(), regular(3)),
    (regular(2), regular(3)),
    (dna() + unstranded(2), regular(2)),
    (regular(2), stranded(2)),
    (stranded(1), unstranded(2)),
    (odd(2), regular(1) + odd(1)),
]


@pytest.mark.parametrize(
    ("taps", "dilation", "padding"), [(1, 1, "valid"), (4, 3, "valid"), (5, 1, "same"), (4, 2, "same")]
)
@pytest.mark.parametrize(("in_type", "out_type"), LAWFUL, ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_convolves_with_the_weight_written_out(
    in_type: StrandType, out_type: StrandType, taps: int, dilation: int, padding: str, bias: bool
) -> None:
    layer = Conv1d(in_type, out_type, taps, dilation=dilation, padding=padding, bias=bias).double()
    randomise(layer)
    weight, offset = written_out(layer)
    x = random_input(in_type, 23).requires_grad_()
    twin = x.detach().clone().requires_grad_()
    found = layer(x)
    expected = functional.conv1d(twin, weight, offset, dilation=dilation, padding=padding)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert found.shape[-1] == layer.out_length(23)
    for result in (found, expected):
        (result**2).sum().backward()
    torch.testing.assert_close(x.grad, twin.grad, rtol=1e-12, atol=1e-12)
    frozen = freeze(layer)
    torch.testing.assert_close(frozen(x), found, rtol=0, atol=1e-12)
    assert isinstance(frozen, nn.Conv1d)
    assert (frozen.bias is None) == (not bias)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("taps", "dilation"), [(4, 1), (5, 2), (2, 3)])
def test_plain_is_an_ordinary_convolution(taps: int, dilation: int, padding: str) -> None:
    layer = Conv1d(dna(), plain(3), taps, dilation=dilation, padding=padding).double()
    randomise(layer)
    assert layer.bias is not None
    torch_layer = nn.Conv1d(4, 3, taps, dilation=dilation, padding=padding).double()
    torch_layer.load_state_dict({"weight": layer.weight.free, "bias": layer.bias.free})
    x = random_input(dna(), 30)
    expected = torch_layer(x)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(freeze(layer)(x), expected, rtol=0, atol=1e-12)
    assert layer.out_length(30) == expected.shape[-1]


@pytest.mark.parametrize(
    ("types", "options", "words"),
    [
        ((dna().pooled(), regular(2)), {}, "use Dense for pooled types"),
        ((dna(), regular(2).pooled()), {}, "use Dense for pooled types"),
        ((dna(), regular(2)), {"kernel_size": 0}, "must both be 1 or more"),
        ((dna(), regular(2)), {"dilation": 0}, "must both be 1 or more"),
        ((dna(), regular(2)), {"padding": "full"}, "use 'valid' or 'same'"),
        ((dna(), regular(2)), {"kernel_size": 4, "padding": "same"}, "use an odd kernel_size, an even dilation"),
    ],
)
def test_refusals_say_what_to_do(types: tuple[StrandType, StrandType], options: dict[str, Any], words: str) -> None:
    options = {"kernel_size": 3} | options
    with pytest.raises(StrandLawError, match=words):
        Conv1d(*types, **options)


def test_an_input_shorter_than_the_kernel() -> None:
    layer = Conv1d(dna(), regular(2), 5, dilation=3)
    assert layer.out_length(13) == 1
    with pytest.raises(StrandLawError, match="12 positions are fewer than the 13"):
        layer.out_length(12)
    assert Conv1d(dna(), regular(2), 5, padding="same").out_length(2) == 2


def test_it_prints_what_it_is() -> None:
    assert repr(Conv1d(dna(), regular(2), 5)).startswith(
        "Conv1d(\n  dna() -> regular(2), kernel_size=5, dilation=1, valid"
    )
