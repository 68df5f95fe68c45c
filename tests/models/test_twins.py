"""Each twin on shared weights does for both strands what the ordinary layer does for one."""

import inspect
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers import (
    Activation,
    AveragePool1d,
    BatchNorm1d,
    ChannelDropout,
    Conv1d,
    ConvTranspose1d,
    Crop1d,
    Dense,
    Dropout,
    GlobalAveragePool,
    GlobalMaxPool,
    GroupNorm,
    IrrepActivation,
    LayerNorm,
    MaxPool1d,
    ReLU,
    Stack,
    SumChannels,
    Tanh,
    TypedModule,
    Unflatten,
    WeightedSum,
)
from strandwise.models.twins import LAWFUL_ONLY, TWINS, both_strands, same_sum, twin_of
from strandwise.strand import StrandType, dna, mirror, odd, plain, regular, revcomp, stranded, unstranded
from strandwise.testing import assert_strand_law, random_input, randomise

LENGTH = 23
P3, P4 = plain(3), plain(4)
FLAT = plain(3).pooled()

LAYERS: dict[str, Callable[[], TypedModule]] = {
    "conv": lambda: Conv1d(P3, P4, 4),
    "conv from DNA": lambda: Conv1d(dna(), P4, 4),
    "conv to pairs": lambda: Conv1d(P3, stranded(2), 4),
    "conv to odd": lambda: Conv1d(P3, odd(2) + unstranded(1), 3),
    "conv, lawful": lambda: Conv1d(dna(), odd(2) + unstranded(1), 3),
    "conv, dilated": lambda: Conv1d(P3, P4, 3, dilation=3, bias=False),
    "conv, same": lambda: Conv1d(P3, P4, 5, padding="same"),
    "conv, same, uneven": lambda: Conv1d(P3, P4, 4, padding="same"),
    "conv, same, uneven, from DNA": lambda: Conv1d(dna(), P4, 10, padding="same"),
    "conv, stride that fits": lambda: Conv1d(P3, P4, 3, stride=4),
    "conv, stride with one over": lambda: Conv1d(P3, P4, 4, stride=3),
    "conv, stride with two over": lambda: Conv1d(dna(), P4, 3, stride=3),
    "conv, stride, dilated": lambda: Conv1d(P3, P4, 3, stride=4, dilation=2),
    "conv, groups": lambda: Conv1d(plain(6), P4, 3, groups=2),
    "conv, groups, from DNA": lambda: Conv1d(dna(), plain(6), 3, groups=2),
    "conv, groups, to pairs": lambda: Conv1d(P4, stranded(1), 3, groups=2),
    "transposed": lambda: ConvTranspose1d(P3, P4, 4, stride=2, padding=1),
    "transposed, from DNA": lambda: ConvTranspose1d(dna(), P4, 3, dilation=2),
    "transposed, to odd": lambda: ConvTranspose1d(P3, odd(2), 3, bias=False),
    "norm": lambda: BatchNorm1d(P3, momentum=0.2, eps=0.01),
    "norm, flat": lambda: BatchNorm1d(FLAT),
    "relu": lambda: ReLU(P3),
    "tanh": lambda: Tanh(FLAT),
    "gelu": lambda: Activation(P3, "gelu"),
    "irrep": lambda: IrrepActivation(P3, "silu", "softsign"),
    "max pool that fits": lambda: MaxPool1d(P3, 5, 3),
    "max pool": lambda: MaxPool1d(P3, 4, 3),
    "average pool": lambda: AveragePool1d(P3, 4),
    "global average": lambda: GlobalAveragePool(P3),
    "global max": lambda: GlobalMaxPool(P3),
    "crop": lambda: Crop1d(P3, 4),
    "dense": lambda: Dense(P3, FLAT, in_length=LENGTH),
    "dense, flat": lambda: Dense(FLAT, P4.pooled(), bias=False),
    "dense to pairs": lambda: Dense(P3, stranded(2).pooled(), in_length=LENGTH),
    "dense to odd": lambda: Dense(FLAT, odd(2).pooled() + unstranded(1).pooled()),
    "laid out": lambda: Unflatten(P3, 4),
    "sum": lambda: SumChannels(FLAT, unstranded(1).pooled()),
    "weighted sum": lambda: WeightedSum(P3, LENGTH),
    "weighted sum, symmetric": lambda: WeightedSum(P3, LENGTH, symmetric=True, bias=True, nonlinearity="softplus"),
    "weighted sum, even length": lambda: WeightedSum(P3, 22, symmetric=True),
}


def pair(a: Tensor, b: Tensor, kind: StrandType) -> Tensor:
    """What a lawful layer has for an ordinary one: both answers, or their mean in a lawful output."""
    if kind.lawful:
        return (a + revcomp(b, kind)) / 2
    turn = mirror(kind.channels)
    return torch.cat([a, revcomp(b, turn if kind.positions else turn.pooled())], dim=1)


def inputs(layer: TypedModule, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Both strands as the layer reads them one by one, and as its twin reads them together."""
    kind = layer.in_type
    a, b = (random_input(kind, length, seed=seed) for seed in (1, 2))
    if kind.lawful:
        return a, revcomp(a, kind), a
    return a, b, pair(a, b, kind)


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_a_twin_does_for_both_strands_what_the_layer_does_for_one(name: str, train: bool) -> None:
    length = 22 if "even" in name else LENGTH
    layer = LAYERS[name]().double().train(train)
    randomise(layer)
    with torch.no_grad():
        twin = twin_of(layer, length).double().train(train)
    assert (twin.in_type, twin.out_type) == (both_strands(layer.in_type), both_strands(layer.out_type))
    a, b, both = inputs(layer, length)
    # In one pass, so that batch statistics are of both strands.
    one, other = layer(torch.cat([a, b])).chunk(2)
    torch.testing.assert_close(twin(both), pair(one, other, layer.out_type), rtol=0, atol=1e-12)
    assert_strand_law(twin, lengths=(length,))


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("type_", [P3, regular(3)], ids=str)
@pytest.mark.parametrize("kind", [Dropout, ChannelDropout])
def test_dropout_has_a_lawful_twin(kind: type[Dropout] | type[ChannelDropout], type_: StrandType, train: bool) -> None:
    layer = kind(type_, 0.3)
    twin = twin_of(layer, LENGTH).train(train)
    assert isinstance(twin, kind)
    assert (twin.p, twin.in_type, twin.strands) == (0.3, regular(3), 1)
    x = random_input(regular(3), LENGTH)
    assert torch.equal(twin(x), x) == (not train)


def test_every_layer_with_a_twin_is_tried() -> None:
    assert {type(make()) for make in LAYERS.values()} | {Dropout, ChannelDropout} == set(TWINS)


def test_no_option_of_a_layer_is_left_behind() -> None:
    """A new option of a layer must be carried over by its twin, and be added here and to the layers above."""
    known = {
        "type, in_type, out_type, in_length, lifted",
        "kernel_size, dilation, padding, stride, groups, bias",
        "momentum, eps, width, name, even, odd, p, left, right, length",
        "symmetric, smoothness, nonlinearity, init",
    }
    names = {name for words in known for name in words.split(", ")}
    for kind in TWINS:
        assert set(inspect.signature(kind).parameters) <= names, kind.__name__


def test_smoothness_is_charged_alike() -> None:
    layer = WeightedSum(P3, LENGTH, smoothness=0.5)
    with torch.no_grad():
        twin = twin_of(layer, LENGTH)
    assert isinstance(twin, WeightedSum)
    torch.testing.assert_close(twin.penalty(), layer.penalty())


def test_a_sum_after_a_weighted_sum_stays_one() -> None:
    kind = WeightedSum(P3, LENGTH, bias=True)
    layers = randomise(Stack(kind, SumChannels(FLAT, unstranded(1).pooled())).double())
    assert isinstance(layers, Stack)
    with torch.no_grad():
        first = twin_of(kind, LENGTH)
        second = same_sum(layers.layers[1], first)  # pyright: ignore[reportArgumentType]
    assert isinstance(second, SumChannels)
    a, b, both = inputs(kind, LENGTH)
    torch.testing.assert_close(second(first(both)), pair(layers(a), layers(b), layers.out_type), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("before", "layer"),
    [
        (ReLU(regular(3).pooled()), SumChannels(FLAT, unstranded(1).pooled())),
        (WeightedSum(regular(3), 5, nonlinearity="relu"), SumChannels(FLAT, unstranded(1).pooled())),
        (WeightedSum(regular(3), 5), SumChannels(regular(3).pooled(), unstranded(1).pooled())),
    ],
)
def test_a_sum_that_cannot_stay_one_leaves_what_is_before_it(before: TypedModule, layer: SumChannels) -> None:
    was = {name: value.clone() for name, value in before.state_dict().items()}
    assert same_sum(layer, before) is None
    assert all(torch.equal(value, was[name]) for name, value in before.state_dict().items())


def test_lawful_layers_are_copied() -> None:
    for layer in (LayerNorm(regular(3)), GroupNorm(regular(3), 2), Dense(regular(3).pooled(), odd(1).pooled())):
        twin = twin_of(layer, LENGTH)
        assert twin is not layer
        assert type(twin) is type(layer)
        assert all(torch.equal(value, twin.state_dict()[name]) for name, value in layer.state_dict().items())


class Doubled(Conv1d):
    """A convolution of somebody's that computes something else."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (
            LayerNorm(P3),
            "what LayerNorm does for one; known are Activation, AveragePool1d, .*: keep the network",
        ),
        (GroupNorm(P4, 2), "what GroupNorm does"),
        (Doubled(P3, P3, 3), "what Doubled does"),
        (nn.LSTM(4, 4), "what LSTM does"),
        (Crop1d(P3, 1, 2), "cut 1 or 2 off both"),
        (Conv1d(P3, P3, 4, dilation=3, padding="same"), "cannot be shared equally by the two ends"),
        (Conv1d(P3, P3, 3, stride=3, padding="same"), "leaves 1 of 23 positions over"),
        (Conv1d(P3, P3, 3, stride=5, dilation=3), "leaves 1 of 23 positions over"),
        (MaxPool1d(P3, 24, 1), "fewer than the 24"),
    ],
)
def test_what_shared_weights_cannot_do_is_refused(layer: nn.Module, words: str) -> None:
    assert type(layer) in LAWFUL_ONLY or type(layer) in TWINS or "what" in words
    with pytest.raises(StrandLawError, match=words):
        twin_of(layer, LENGTH)
