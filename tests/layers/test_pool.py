import pytest
import torch
from torch import nn
from torch.nn import functional

from strandwise.errors import StrandLawError
from strandwise.layers import MaxPool1d, WeightedSum, freeze
from strandwise.strand import StrandType, dna, odd, plain, regular, revcomp, stranded, unstranded
from strandwise.testing import random_input, randomise


@pytest.mark.parametrize(("width", "stride", "length"), [(4, None, 12), (4, 3, 13), (40, 20, 1000), (5, 5, 5)])
@pytest.mark.parametrize("kind", [regular(2), stranded(1), unstranded(3), dna()], ids=str)
def test_windows_that_fit_are_pooled_as_torch_does(
    kind: StrandType, width: int, stride: int | None, length: int
) -> None:
    layer = MaxPool1d(kind, width, stride, in_length=length)
    x = random_input(kind, length)
    expected = functional.max_pool1d(x, width, stride)
    assert torch.equal(layer(x), expected)
    assert layer.out_length(length) == expected.shape[-1]
    assert isinstance(freeze(layer), nn.MaxPool1d)
    assert torch.equal(freeze(layer)(x), expected)


@pytest.mark.parametrize("length", [10, 11, 12, 13])
def test_lifted_partners_are_pooled_from_opposite_ends(length: int) -> None:
    layer = MaxPool1d(regular(2), 4, 3, in_length=length, lifted=True)
    x = random_input(regular(2), length)
    left = functional.max_pool1d(x, 4, 3)
    right = functional.max_pool1d(x.flip(2), 4, 3).flip(2)
    expected = torch.cat([left[:, :2], right[:, 2:]], dim=1)
    assert torch.equal(layer(x), expected)
    assert torch.equal(freeze(layer)(x), expected)
    assert layer.from_both_ends == (length not in (10, 13))
    assert ("from both ends" in repr(layer)) == layer.from_both_ends


def test_plain_features_are_pooled_from_the_left() -> None:
    x = random_input(plain(3), 11)
    layer = MaxPool1d(plain(3), 4, 3)
    assert torch.equal(layer(x), functional.max_pool1d(x, 4, 3))
    assert torch.equal(layer(x[..., :9]), functional.max_pool1d(x[..., :9], 4, 3))


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        (regular(2), {"width": 4, "stride": 3, "in_length": 12}, "leaves 2 over .* use 10 or 13 positions, or lifted"),
        (regular(2), {"width": 4}, "needs in_length"),
        (unstranded(2), {"width": 4, "in_length": 10, "lifted": True}, "without a partner .* use 8 or 12 positions"),
        (odd(2), {"width": 4, "in_length": 8}, "the maximum of -x .* use average pooling"),
        (regular(1) + odd(1), {"width": 4, "in_length": 8}, "use average pooling"),
        (regular(2), {"width": 9, "in_length": 8}, "8 positions are fewer than the 9"),
        (plain(2), {"width": 9, "in_length": 8}, "widen the input or narrow the window"),
        (regular(2), {"width": 0, "in_length": 8}, "width 0 and stride 0 must both be 1 or more"),
        (regular(2), {"width": 4, "stride": 0, "in_length": 8}, "stride 0 must"),
    ],
)
def test_refusals_say_what_to_do(kind: StrandType, options: dict, words: str) -> None:
    with pytest.raises(StrandLawError, match=words):
        MaxPool1d(kind, **options)


def test_the_lengths_a_refusal_names_are_accepted() -> None:
    for length in (10, 13):
        MaxPool1d(regular(2), 4, 3, in_length=length)


def test_another_length_than_was_checked_is_refused() -> None:
    # 12 positions would leave two over, and break the law without a word.
    layer = MaxPool1d(regular(2), 4, 3, in_length=13)
    with pytest.raises(StrandLawError, match="made for 13 positions, got 12"):
        layer(random_input(regular(2), 12))
    with pytest.raises(StrandLawError, match="made for 13 positions, got 12"):
        layer.out_length(12)


@pytest.mark.parametrize("length", [6, 7])
@pytest.mark.parametrize("kind", [regular(2), stranded(2), unstranded(3), plain(3), odd(2)], ids=str)
def test_the_weighted_sum_is_a_loop(kind: StrandType, length: int) -> None:
    layer = WeightedSum(kind, length).double()
    randomise(layer)
    full = layer.weight()
    x = random_input(kind, length)
    expected = torch.zeros(3, kind.channels, dtype=torch.float64)
    for c in range(kind.channels):
        for i in range(length):
            expected[:, c] += full[c, i] * x[:, c, i]
            if kind.lawful:
                assert full[c, i] == full[kind.partner[c], length - 1 - i]
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(freeze(layer)(x), expected, rtol=0, atol=1e-12)
    if kind.lawful:
        torch.testing.assert_close(layer(revcomp(x, kind)), revcomp(expected, kind.pooled()), rtol=0, atol=1e-12)


def test_the_weighted_sum_has_the_weights_of_the_paper() -> None:
    # Shrikumar et al. 2017, 3.4.1: 20 filters over 9 positions share their weights with their partners.
    assert sum(weight.numel() for weight in WeightedSum(regular(20), 9).parameters()) == 20 * 9
    assert sum(weight.numel() for weight in WeightedSum(plain(20), 9).parameters()) == 20 * 9
    # A channel that is its own partner has as many as half its positions.
    assert sum(weight.numel() for weight in WeightedSum(unstranded(2), 9).parameters()) == 2 * 5


def test_the_weighted_sum_keeps_to_its_length() -> None:
    layer = WeightedSum(regular(2), 9)
    assert layer.out_length(9) == 0
    with pytest.raises(StrandLawError, match="made for 9 positions, got 8"):
        layer.out_length(8)
