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


STRIDED = [(4, 1, "valid", 3, 13), (3, 2, "valid", 2, 11), (5, 1, "same", 2, 9), (1, 1, "valid", 4, 9)]


@pytest.mark.parametrize(("taps", "dilation", "padding", "stride", "length"), STRIDED)
@pytest.mark.parametrize(("in_type", "out_type"), LAWFUL, ids=str)
def test_a_stride_keeps_every_so_many_positions(
    in_type: StrandType, out_type: StrandType, taps: int, dilation: int, padding: str, stride: int, length: int
) -> None:
    options: dict[str, Any] = {"dilation": dilation, "padding": padding}
    layer = Conv1d(in_type, out_type, taps, stride=stride, in_length=length, **options).double()
    every = Conv1d(in_type, out_type, taps, **options).double()
    randomise(layer)
    every.load_state_dict(layer.state_dict())
    x = random_input(in_type, length)
    torch.testing.assert_close(layer(x), every(x)[..., ::stride], rtol=0, atol=1e-12)
    assert layer(x).shape[-1] == layer.out_length(length)
    assert isinstance(freeze(layer), nn.Conv1d)
    torch.testing.assert_close(freeze(layer)(x), layer(x), rtol=0, atol=1e-12)


GROUPED = [
    (dna(), regular(2), 2),
    (regular(2), regular(4), 4),
    (regular(3), regular(3), 3),
    (stranded(2), unstranded(2), 2),
    (unstranded(4), odd(2), 2),
    (dna() + dna(), stranded(1) + odd(2), 2),
    (plain(4), plain(6), 2),
    (plain(4), regular(2), 4),
]


@pytest.mark.parametrize(("in_type", "out_type", "groups"), GROUPED, ids=str)
def test_groups_are_a_full_weight_with_zeros(in_type: StrandType, out_type: StrandType, groups: int) -> None:
    layer = Conv1d(in_type, out_type, 4, groups=groups).double()
    randomise(layer)
    assert layer.bias is not None
    weight = layer.weight()
    n_in, n_out = in_type.channels // groups, out_type.channels // groups
    full = torch.zeros(out_type.channels, in_type.channels, 4, dtype=torch.float64)
    for o in range(out_type.channels):
        for j in range(n_in):
            full[o, o // n_out * n_in + j] = weight[o, j]
    x = random_input(in_type, 12)
    torch.testing.assert_close(layer(x), functional.conv1d(x, full, layer.bias()), rtol=0, atol=1e-12)
    torch.testing.assert_close(freeze(layer)(x), layer(x), rtol=0, atol=1e-12)
    if not (in_type.lawful and out_type.lawful):
        assert layer.weight.free.numel() == weight.numel()
        return
    # The full array is its own image, and each of its orbits is one number.
    sign = torch.tensor(out_type.sign).view(-1, 1, 1) * torch.tensor(in_type.sign).view(-1, 1)
    image = full[list(out_type.partner)][:, list(in_type.partner)].flip(2) * sign
    assert torch.equal(image, full)
    assert layer.weight.free.numel() == len(set(full[full != 0].abs().tolist()))


def test_groups_of_plain_types_are_torchs() -> None:
    layer = Conv1d(plain(4), plain(6), 5, stride=2, groups=2, dilation=2).double()
    randomise(layer)
    assert layer.bias is not None
    twin = nn.Conv1d(4, 6, 5, stride=2, groups=2, dilation=2).double()
    twin.load_state_dict({"weight": layer.weight.free, "bias": layer.bias.free})
    x = random_input(plain(4), 20)
    torch.testing.assert_close(layer(x), twin(x), rtol=0, atol=1e-12)
    assert layer.out_length(20) == twin(x).shape[-1]


def test_counts_of_groups() -> None:
    # Depthwise between filters and their complements: one row of taps for each filter.
    assert Conv1d(regular(8), regular(8), 7, groups=16).weight.free.numel() == 8 * 7
    assert Conv1d(regular(8), regular(8), 7, groups=2).weight.free.numel() == 8 * 8 * 7


def test_a_stride_without_a_law_takes_any_length() -> None:
    layer = Conv1d(dna(), plain(2), 4, stride=3)
    assert [layer.out_length(n) for n in (4, 6, 7, 12)] == [1, 1, 2, 3]


@pytest.mark.parametrize(
    ("types", "options", "words"),
    [
        ((dna(), regular(2)), {"stride": 0}, "stride 0 must be 1 or more"),
        ((dna(), regular(2)), {"stride": 2}, "needs in_length .* or lift it with PerStrand"),
        ((dna(), regular(2)), {"stride": 3, "in_length": 13}, "leaves 1 of 13 .* use 12 or 15 positions, or lift"),
        ((dna(), regular(2)), {"stride": 2, "in_length": 10, "padding": "same"}, "use 9 or 11 positions"),
        ((dna(), regular(2)), {"in_length": 2}, "2 positions are fewer than the 3"),
        ((dna(), regular(2)), {"groups": 0}, r"0 groups do not divide .* use one of \[1, 2, 4\]"),
        ((dna(), regular(3)), {"groups": 4}, r"4 groups do not divide .* use one of \[1, 2\]"),
        ((regular(2), unstranded(4)), {"groups": 2}, r"to different places, .* use one of \[1\], or lift"),
        ((regular(2), stranded(2)), {"groups": 4}, r"to different places, .* use one of \[1\], or lift"),
        ((stranded(3), stranded(3)), {"groups": 2}, r"use one of \[1, 3, 6\]"),
        ((plain(4), plain(6)), {"groups": 4}, r"use one of \[1, 2\]"),
    ],
)
def test_strides_and_groups_that_break_the_law(
    types: tuple[StrandType, StrandType], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(StrandLawError, match=words):
        Conv1d(*types, 3, **options)


def test_the_lengths_a_refusal_names_are_accepted() -> None:
    for length in (12, 15):
        Conv1d(dna(), regular(2), 3, stride=3, in_length=length)


def test_another_length_than_was_checked_is_refused() -> None:
    layer = Conv1d(dna(), regular(2), 3, stride=2, in_length=13)
    with pytest.raises(StrandLawError, match="made for 13 positions, got 12"):
        layer(random_input(dna(), 12).float())


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
    assert "valid, stride=2, groups=2\n" in repr(Conv1d(dna(), plain(2), 5, stride=2, groups=2))
