import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from strandwise.errors import StrandLawError
from strandwise.layers import AveragePool1d, GlobalAveragePool, GlobalMaxPool, MaxPool1d, TypedModule, freeze
from strandwise.strand import StrandType, dna, odd, plain, regular, stranded, unstranded
from strandwise.testing import random_input


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


@pytest.mark.parametrize(("width", "stride", "length"), [(4, 4, 12), (4, 3, 13), (5, 5, 5)])
@pytest.mark.parametrize("kind", [regular(2), odd(2), unstranded(3) + odd(1), plain(3)], ids=str)
def test_windows_that_fit_are_averaged_as_torch_does(kind: StrandType, width: int, stride: int, length: int) -> None:
    layer = AveragePool1d(kind, width, stride, in_length=length)
    x = random_input(kind, length)
    expected = functional.avg_pool1d(x, width, stride)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    assert layer.out_length(length) == expected.shape[-1]
    assert isinstance(freeze(layer), nn.AvgPool1d)
    torch.testing.assert_close(freeze(layer)(x), expected, rtol=0, atol=1e-12)


def test_lifted_partners_are_averaged_from_opposite_ends() -> None:
    layer = AveragePool1d(stranded(1), 4, 3, in_length=12, lifted=True)
    x = random_input(stranded(1), 12)
    left = functional.avg_pool1d(x, 4, 3)
    right = functional.avg_pool1d(x.flip(2), 4, 3).flip(2)
    torch.testing.assert_close(layer(x), torch.stack([left[:, 0], right[:, 1]], dim=1), rtol=0, atol=1e-12)
    assert freeze(layer).from_both_ends


def test_windows_that_do_not_fit_an_average_are_refused() -> None:
    with pytest.raises(StrandLawError, match=r"average pooling 4 wide every 3 .* use 10 or 13 positions, or lifted"):
        AveragePool1d(regular(2), 4, 3, in_length=12)
    with pytest.raises(StrandLawError, match="without a partner"):
        AveragePool1d(odd(2), 4, 3, in_length=12, lifted=True)


@pytest.mark.parametrize("kind", [regular(2), unstranded(3), plain(3)], ids=str)
def test_global_pools(kind: StrandType) -> None:
    x = random_input(kind, 7)
    pools: list[tuple[TypedModule, Tensor]] = [
        (GlobalAveragePool(kind), x.sum(2) / 7),
        (GlobalMaxPool(kind), x.sort(2).values[..., -1]),
    ]
    for layer, expected in pools:
        torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(freeze(layer)(x), expected, rtol=0, atol=1e-12)
        assert isinstance(freeze(layer), nn.Sequential)
        assert layer.out_type == kind.pooled()
        assert layer.out_length(7) == 0


def test_global_pools_refuse_what_they_cannot_keep() -> None:
    with pytest.raises(StrandLawError, match="use average pooling on odd channels"):
        GlobalMaxPool(regular(1) + odd(1))
    with pytest.raises(StrandLawError, match="leave the layer out"):
        GlobalAveragePool(regular(1).pooled())
    with pytest.raises(StrandLawError, match="0 positions cannot be pooled"):
        GlobalAveragePool(odd(1)).out_length(0)


def test_ties_share_the_gradient_of_a_global_maximum() -> None:
    x = torch.tensor([[[1.0, 3.0, 3.0, 2.0]]], requires_grad=True)
    GlobalMaxPool(unstranded(1))(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[[0.0, 0.5, 0.5, 0.0]]]
