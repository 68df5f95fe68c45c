"""DanQ, number by number and against plain torch."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from strandwise.layers import Conjoined, Dense, Dropout, Features, KerasLSTM, PerStrand, Stack, binary_head
from strandwise.models import ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.models.danq import DanQ, hidden_dense
from strandwise.strand import dna, regular
from strandwise.testing import assert_strand_law, random_input, randomise

SMALL: dict[str, object] = {"filters": 5, "units": 4, "hidden": 6}


def build(strategy: str, tracks: int, length: int, **options: object) -> SequenceModel:
    architecture = ModelSettings.model_validate({"name": "danq", **options}).architecture()
    heads = [binary_head(tuple(f"t{track}" for track in range(tracks)))]
    return assemble(architecture, heads, length, StrandSettings(strategy=strategy))


def parameters(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def weights_of_the_paper(hidden: int) -> int:
    lstm = 2 * 4 * (320 * (320 + 320) + 320)
    return (4 * 26 + 1) * 320 + lstm + (75 * 640 + 1) * hidden + (hidden + 1) * 919


def test_the_network_of_the_paper() -> None:
    assert DanQ.Options().hidden == 925
    assert weights_of_the_paper(925) == 46_926_479
    # Made with a smaller dense layer, which has nearly all of the weights.
    network = build("standard", 919, 1000, hidden=8).eval()
    # One offset a gate, where torch has two.
    assert parameters(network) == weights_of_the_paper(8) + 2 * 4 * 320
    with torch.no_grad():
        assert network(torch.zeros(1, 4, 1000))["bound"].shape == (1, 919)


def test_it_is_the_network_anybody_would_write() -> None:
    network = randomise(build("standard", 2, 200, **SMALL).double().eval())
    conv, lstm = nn.Conv1d(4, 5, 26), nn.LSTM(5, 4, bidirectional=True, batch_first=True)
    dense, out = nn.Linear(13 * 8, 6), nn.Linear(6, 2)
    plain = nn.ModuleList([conv, lstm, dense, out]).double()
    pairs = zip(plain.state_dict().items(), network.state_dict().values(), strict=True)
    plain.load_state_dict({name: ours.view(theirs.shape) for (name, theirs), ours in pairs})
    x = random_input(dna(), 200)
    pooled = functional.max_pool1d(conv(x).relu(), 13)
    states = lstm(pooled.transpose(1, 2))[0].transpose(1, 2)
    expected = out(dense(states.flatten(1)).relu())
    torch.testing.assert_close(network(x)["bound"], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("strategy", ["posthoc", "rcps", "hybrid"])
@pytest.mark.parametrize("cells", ["keras", "keras_left"])
def test_with_the_cells_of_keras_it_is_lawful(cells: str, strategy: str) -> None:
    network = build(strategy, 2, 200, cells=cells, **SMALL)
    assert_strand_law(Conjoined(network) if strategy == "posthoc" else network, lengths=(200,))
    (lstm,) = (module for module in network.modules() if isinstance(module, KerasLSTM))
    assert lstm.both_ends == (cells == "keras")


def test_shares_forgotten_are_those_of_the_paper() -> None:
    chances = [layer.p for layer in build("rcps", 2, 200, **SMALL).modules() if isinstance(layer, Dropout)]
    assert chances == [0.2, 0.5]


@pytest.mark.parametrize("units", [1, 3])
def test_the_lifted_dense_layer_is_the_tied_one(units: int) -> None:
    kind = regular(2)
    layer = hidden_dense(Features(kind, 5), regular, units)
    tied = Dense(kind, regular(units).pooled(), in_length=5)
    assert isinstance(layer, Stack)
    lifted = layer.layers[0]
    assert isinstance(lifted, PerStrand)
    assert parameters(lifted) == parameters(tied)
    randomise(layer.double())
    inner = lifted.module
    assert isinstance(inner, Dense)
    assert inner.bias is not None
    assert tied.bias is not None
    tied.double()
    # The first half of the tied layer's outputs are the lifted layer's own, the other half follow from the law.
    own = inner.weight().detach()
    tied.weight.assign(torch.cat([own, own.flip(0, 1, 2)]))
    tied.bias.assign(torch.cat([inner.bias().detach(), inner.bias().detach().flip(0)]))
    x = random_input(kind, 5)
    torch.testing.assert_close(layer(x), tied(x).relu(), rtol=0, atol=1e-12)
