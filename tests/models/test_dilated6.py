"""The reading of DILATED6: weights, shapes, and how far its convolutions see."""

import pytest
import torch
from torch import nn

from strandwise.analysis.receptive_field import receptive_field
from strandwise.errors import ConfigError
from strandwise.layers import Stack, binary_head
from strandwise.models import ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.strand import dna
from strandwise.testing import assert_strand_law, random_input, randomise


def build(strategy: str, tracks: int, length: int, **options: object) -> SequenceModel:
    architecture = ModelSettings.model_validate({"name": "dilated6", **options}).architecture()
    heads = [binary_head(tuple(f"t{track}" for track in range(tracks)))]
    return assemble(architecture, heads, length, StrandSettings(strategy=strategy))


def parameters(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def test_the_network_of_the_reading() -> None:
    network = build("standard", 919, 1000).eval()
    convolutions = 10 * (4 * 128 + 128 * 240 + 240 * 50 + 3 * 50 * 50) + 128 + 240 + 4 * 50
    norms = 2 * (128 + 240 + 4 * 50)
    assert parameters(network) == convolutions + norms + (1000 * 50 + 1) * 125 + (125 + 1) * 919
    with torch.no_grad():
        assert network(torch.zeros(1, 4, 1000))["bound"].shape == (1, 919)


def test_its_convolutions_span_a_window_and_the_dense_layer_all_of_it() -> None:
    torch.manual_seed(0)
    network = build("standard", 1, 1200, filters=(6,) * 6, hidden=5, batch_norm=False)
    assert network.trunk is not None
    convolutions = Stack(*list(network.trunk.layers)[:-1])  # pyright: ignore[reportArgumentType]
    assert receptive_field(convolutions, 1200).span_bp == 9 * (1 + 1 + 3 + 9 + 27 + 81) + 1
    assert receptive_field(network, 1200).span_bp == 1200


def test_it_is_the_network_anybody_would_write() -> None:
    small: dict[str, object] = {"filters": (5, 6), "dilations": (1, 3), "hidden": 4}
    network = randomise(build("standard", 2, 60, **small).double().eval())
    plain = nn.Sequential(
        *[nn.ConstantPad1d((4, 5), 0.0), nn.Conv1d(4, 5, 10), nn.BatchNorm1d(5, eps=1e-10), nn.ReLU()],
        *[nn.ConstantPad1d((13, 14), 0.0), nn.Conv1d(5, 6, 10, dilation=3), nn.BatchNorm1d(6, eps=1e-10), nn.ReLU()],
        *[nn.Flatten(), nn.Linear(60 * 6, 4), nn.ReLU(), nn.Linear(4, 2)],
    ).double()
    ours = list(network.state_dict().values())
    normed, usual = ["running_mean", "running_var", "weight", "bias"], ["weight", "bias"]
    theirs = []
    for name, layer in plain.named_children():
        parts = normed if isinstance(layer, nn.BatchNorm1d) else usual
        theirs += [f"{name}.{part}" for part in parts] if list(layer.parameters()) else []
    shapes = [plain.state_dict()[name].shape for name in theirs]
    state = {name: value.view(shape) for name, value, shape in zip(theirs, ours, shapes, strict=True)}
    plain.load_state_dict(state, strict=False)
    x = random_input(dna(), 60)
    torch.testing.assert_close(network(x)["bound"], plain.eval()(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_it_obeys_with_and_without_normalisation(batch_norm: bool) -> None:
    small: dict[str, object] = {"filters": (3, 4), "dilations": (1, 3), "hidden": 4, "batch_norm": batch_norm}
    assert_strand_law(build("rcps", 2, 50, **small), lengths=(50,))


def test_each_convolution_has_filters_and_a_dilation() -> None:
    with pytest.raises(ConfigError, match="filters has 6 entries and dilations 2: give each convolution one of both"):
        build("standard", 1, 1000, dilations=(1, 2))
