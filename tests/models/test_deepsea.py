"""DeepSEA, number by number and against plain torch."""

import pytest
import torch
from torch import nn

from strandwise.layers import BatchNorm1d, MaxPool1d, binary_head
from strandwise.models import ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.models.deepsea import DeepSEA
from strandwise.strand import dna
from strandwise.testing import assert_strand_law, random_input, randomise

SMALL: dict[str, object] = {"filters": (5, 6, 7), "hidden": 9}


def build(strategy: str, tracks: int, length: int, **options: object) -> SequenceModel:
    architecture = ModelSettings.model_validate({"name": "deepsea", **options}).architecture()
    heads = [binary_head(tuple(f"t{track}" for track in range(tracks)))]
    return assemble(architecture, heads, length, StrandSettings(strategy=strategy))


def parameters(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def weights_of_the_original(hidden: int) -> int:
    # 1,000 bp: convolved 993, pooled 248, convolved 241, pooled 60, convolved 53.
    convolutions = (4 * 320 + 320 * 480 + 480 * 960) * 8 + 320 + 480 + 960
    return convolutions + (53 * 960 + 1) * hidden + (hidden + 1) * 919


def test_the_network_of_the_original() -> None:
    assert DeepSEA.Options().hidden == 925
    assert weights_of_the_original(925) == 52_843_119
    # Made with a smaller dense layer, which has nearly all of the weights.
    network = build("standard", 919, 1000, hidden=8).eval()
    assert parameters(network) == weights_of_the_original(8)
    with torch.no_grad():
        assert network(torch.zeros(1, 4, 1000))["bound"].shape == (1, 919)


def test_shared_weights_read_twice_as_many_channels() -> None:
    # 5, 6 and 7 filters, 9 units: both halves are read, and each filter is stored once.
    convolutions = (4 * 5 + 10 * 6 + 12 * 7) * 8 + 5 + 6 + 7
    assert parameters(build("rcps", 3, 1000, **SMALL)) == convolutions + (53 * 14 + 1) * 9 + (9 + 1) * 3


def test_it_is_the_network_anybody_would_write() -> None:
    network = randomise(build("standard", 2, 200, **SMALL).double().eval())
    plain = nn.Sequential(
        *[nn.Conv1d(4, 5, 8), nn.ReLU(), nn.MaxPool1d(4)],
        *[nn.Conv1d(5, 6, 8), nn.ReLU(), nn.MaxPool1d(4)],
        *[nn.Conv1d(6, 7, 8), nn.ReLU(), nn.Flatten()],
        *[nn.Linear(3 * 7, 9), nn.ReLU(), nn.Linear(9, 2)],
    ).double()
    pairs = zip(plain.state_dict().items(), network.state_dict().values(), strict=True)
    plain.load_state_dict({name: ours.view(theirs.shape) for (name, theirs), ours in pairs})
    x = random_input(dna(), 200)
    torch.testing.assert_close(network(x)["bound"], plain(x), rtol=0, atol=1e-12)


def test_the_remainder_of_pooling_is_read_from_both_ends() -> None:
    pools = [layer for layer in build("rcps", 1, 1000, **SMALL).modules() if isinstance(layer, MaxPool1d)]
    assert [pool.from_both_ends for pool in pools] == [True, True]


@pytest.mark.parametrize("strategy", ["rcps", "hybrid"])
def test_it_obeys_with_normalisation(strategy: str) -> None:
    network = build(strategy, 2, 200, batch_norm=True, **SMALL)
    assert sum(isinstance(layer, BatchNorm1d) for layer in network.modules()) == 3
    assert_strand_law(network, lengths=(200,))
