"""The networks of Shrikumar et al. 2017, number by number."""

import pytest
import torch
from torch import nn

from strandwise.errors import ConfigError, StrandLawError
from strandwise.layers import BatchNorm1d, binary_head
from strandwise.models import ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.strand import dna
from strandwise.testing import random_input, randomise


def build(name: str, strategy: str, tracks: int, length: int, **options: object) -> SequenceModel:
    settings = ModelSettings.model_validate({"name": name, **options})
    heads = [binary_head(tuple(f"t{i}" for i in range(tracks)))]
    return assemble(settings.architecture(), heads, length, StrandSettings(strategy=strategy))


def parameters(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize(
    ("strategy", "filters", "expected"), [("standard", 20, 2283), ("rcps", 20, 1983), ("standard", 40, 4563)]
)
def test_simulated_counts_are_those_of_section_3_4_1(strategy: str, filters: int, expected: int) -> None:
    assert parameters(build("shrikumar_simulated", strategy, 3, 200, filters=filters)) == expected


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        # conv 16(4*15+1) + 2*16(16*14+1), norm 3*2*16, dense 47*16+1
        ("standard", 976 + 7200 + 96 + 753),
        # the second and third convolution read 32 channels; weighted sum 47*16, one offset
        ("rcps", 976 + 14368 + 96 + 752 + 1),
    ],
)
def test_chip_counts_add_up(strategy: str, expected: int) -> None:
    assert parameters(build("shrikumar_chip", strategy, 1, 1000)) == expected


def test_the_standard_network_is_the_one_anybody_would_write() -> None:
    model = build("shrikumar_chip", "standard", 3, 1000).double().eval()
    randomise(model)
    plain = nn.Sequential(
        *[nn.Conv1d(4, 16, 15), nn.BatchNorm1d(16, eps=1e-3), nn.ReLU()],
        *[nn.Conv1d(16, 16, 14), nn.BatchNorm1d(16, eps=1e-3), nn.ReLU()],
        *[nn.Conv1d(16, 16, 14), nn.BatchNorm1d(16, eps=1e-3), nn.ReLU()],
        *[nn.MaxPool1d(40, 20), nn.Flatten(), nn.Linear(47 * 16, 3)],
    ).double()
    ours = list(model.state_dict().values())
    parts = {nn.Conv1d: ["weight", "bias"], nn.BatchNorm1d: ["running_mean", "running_var", "weight", "bias"]}
    theirs = [
        f"{number}.{part}"
        for number, layer in enumerate(plain)
        for part in parts.get(type(layer), ["weight", "bias"])
        if list(layer.parameters())
    ]
    shapes = [plain.state_dict()[name].shape for name in theirs]
    plain.load_state_dict(
        {name: value.view(shape) for name, value, shape in zip(theirs, ours, shapes, strict=True)}, strict=False
    )
    x = random_input(dna(), 1000)
    torch.testing.assert_close(model(x)["bound"], plain.eval()(x), rtol=0, atol=1e-12)


def test_normalisation_is_that_of_keras() -> None:
    norms = [module for module in build("shrikumar_chip", "rcps", 1, 1000).modules() if isinstance(module, BatchNorm1d)]
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.01, 1e-3)}


def test_a_window_too_short_says_so() -> None:
    with pytest.raises(StrandLawError, match="fewer than the"):
        build("shrikumar_chip", "standard", 1, 60)


def test_unknown_options_name_the_nearest() -> None:
    settings = ModelSettings.model_validate({"name": "shrikumar_chip", "filter": 8})
    with pytest.raises(ConfigError, match=r"model.filter is not a known key \(did you mean 'filters'\?\)"):
        settings.architecture()
