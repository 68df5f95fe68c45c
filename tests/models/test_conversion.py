"""What conversion refuses, and what it leaves alone; that predictions stay is in tests/laws/test_conversion.py."""

import copy

import pytest
import torch
from torch import nn

from strandwise.errors import StrandLawError
from strandwise.layers import (
    BatchNorm1d,
    Conjoined,
    Conv1d,
    Dense,
    DilatedBlock,
    GlobalAveragePool,
    LayerNorm,
    Merge,
    PerStrand,
    ReLU,
    Residual,
    Stack,
    SumChannels,
    TypedModule,
    binary_head,
)
from strandwise.models import MODELS, SequenceModel, StrandSettings, as_rcps, assemble
from strandwise.models.assembly import Readouts
from strandwise.strand import dna, plain, regular, unstranded
from strandwise.testing import random_input, randomise

HEAD = binary_head(("a",))
P3 = plain(3)


def network(*layers: TypedModule, readout: TypedModule | None = None, length: int = 30) -> SequenceModel:
    """A network of one's own, made of our layers."""
    trunk = Stack(*layers)
    kind = trunk.out_type
    last = readout or Dense(kind, HEAD.type, in_length=trunk.out_length(length))
    model = SequenceModel(trunk, Readouts([HEAD], {HEAD.name: last}, kind), [HEAD], length)
    randomise(model.double().eval())
    return model


def chip() -> SequenceModel:
    kind = MODELS["shrikumar_chip"]
    architecture = kind(kind.Options.model_validate(kind.small))
    return assemble(architecture, [HEAD], kind.small_bp, StrandSettings(strategy="conjoined"))


OWN = {
    "residual": [Conv1d(dna(), P3, 5), Residual(Stack(Conv1d(P3, P3, 3), BatchNorm1d(P3), ReLU(P3)))],
    "dilated blocks": [Conv1d(dna(), P3, 5), DilatedBlock(P3, 2), DilatedBlock(P3, 4, average=True)],
    "lifted residual": [
        Conv1d(dna(), regular(2), 5),
        PerStrand(Stack(Conv1d(regular(2), P3, 4), DilatedBlock(P3, 2)), regular(2)),
        PerStrand(Conv1d(regular(3), P3, 4), regular(3)),
    ],
    "residual around a lifted layer": [
        Conv1d(dna(), regular(3), 5),
        Residual(PerStrand(Stack(Conv1d(regular(3), P3, 3), ReLU(P3)), regular(3))),
    ],
    "norm where it is lawful": [Conv1d(dna(), regular(3), 5), LayerNorm(regular(3)), ReLU(regular(3))],
    "ends lawful, inside not": [Stack(Conv1d(dna(), P3, 5), ReLU(P3), Conv1d(P3, unstranded(2), 3))],
}


@pytest.mark.parametrize("name", OWN)
def test_networks_of_ones_own_convert(name: str) -> None:
    model = network(*OWN[name])
    twin = as_rcps(model)
    x = random_input(dna(), model.input_bp)
    torch.testing.assert_close(twin(x), Conjoined(model)(x), rtol=0, atol=1e-10)
    kinds = [layer for layer in twin.modules() if isinstance(layer, TypedModule)]
    assert all(layer.in_type.lawful and layer.out_type.lawful for layer in kinds)
    assert not any(isinstance(layer, PerStrand) for layer in kinds)


def test_a_sum_without_weights_before_it_becomes_a_dense_layer() -> None:
    layers = Stack(GlobalAveragePool(P3), SumChannels(P3.pooled(), HEAD.type))
    model = network(Conv1d(dna(), P3, 5), readout=layers)
    twin = as_rcps(model)
    x = random_input(dna(), model.input_bp)
    torch.testing.assert_close(twin(x), Conjoined(model)(x), rtol=0, atol=1e-10)
    alone = network(Conv1d(dna(), P3, 5), GlobalAveragePool(P3), readout=SumChannels(P3.pooled(), HEAD.type))
    torch.testing.assert_close(as_rcps(alone)(x), Conjoined(alone)(x), rtol=0, atol=1e-10)


def test_a_conjoined_network_may_be_given_as_such() -> None:
    model = chip()
    ours, theirs = as_rcps(Conjoined(model)).state_dict(), as_rcps(model).state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_conversion_leaves_the_network_the_random_stream_and_the_gradients_alone() -> None:
    model = chip().train()
    before = copy.deepcopy(model.state_dict())
    torch.manual_seed(5)
    twin = as_rcps(model)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))
    assert all(weight.requires_grad for weight in twin.parameters())
    with torch.no_grad():
        for value in twin.state_dict().values():
            value.zero_()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Skip(TypedModule):
    """A layer of somebody else's."""


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([Conv1d(dna(), P3, 5), Skip(P3, P3)], r"trunk\.layers\.1 \(Skip\): no layer on shared weights"),
        (
            [Conv1d(dna(), P3, 5), Residual(Stack(ReLU(P3), LayerNorm(P3)))],
            r"trunk\.layers\.1\.inner\.layers\.1 \(LayerNorm\): no layer on shared weights",
        ),
        ([PerStrand(nn.Conv1d(4, 3, 5), dna(), out_channels=3)], r"trunk\.layers\.0\.module \(Conv1d\): no layer"),
        (
            [Conv1d(dna(), P3, 5), DilatedBlock(P3, 1, kernel_size=4)],
            r"trunk\.layers\.1 \(DilatedBlock\): .*cannot be centred on their input",
        ),
        (
            [PerStrand(Conv1d(plain(4), P3, 5), dna())],
            r"trunk\.layers\.0\.module \(Conv1d\) reads regular\(4\) on shared weights, and dna\(\) comes in",
        ),
    ],
)
def test_a_layer_without_a_twin_is_named_with_its_place(layers: list[TypedModule], words: str) -> None:
    readout = Dense(layers[-1].out_type, HEAD.type, in_length=9)
    with pytest.raises(StrandLawError, match=words):
        as_rcps(network(*layers, readout=readout))


def test_other_merges_and_other_models_are_refused() -> None:
    for merge in (Merge("max"), Merge(after_link=True)):
        with pytest.raises(StrandLawError, match=r"merges them by Merge\(.*: conjoin it without a merge"):
            as_rcps(Conjoined(chip(), merge))
    with pytest.raises(StrandLawError, match="takes a SequenceModel, conjoined or not, and got Conv1d"):
        as_rcps(Conv1d(dna(), P3, 5))  # pyright: ignore[reportArgumentType]
    model = chip()
    model.top = nn.Identity()
    with pytest.raises(StrandLawError, match="top is Identity, and only readouts by head"):
        as_rcps(model)
