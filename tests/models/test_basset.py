"""Basset in the sizes of GOPHER."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from strandwise.errors import ConfigError, StrandLawError
from strandwise.layers import BatchNorm1d, Head, binary_head, coverage_head
from strandwise.models import ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.models.basset import Basset
from strandwise.strand import dna, unstranded
from strandwise.testing import assert_strand_law, random_input, randomise

TRACKS = tuple(f"t{number}" for number in range(15))
COVERAGE = coverage_head(TRACKS, unstranded(15).pooled())
SMALL: dict[str, Any] = dict(Basset.small)


def build(strategy: str, length: int, head: Head = COVERAGE, **options: Any) -> SequenceModel:
    architecture = ModelSettings.model_validate({"name": "basset", **options}).architecture()
    return assemble(architecture, [head], length, StrandSettings(strategy=strategy))


def conv(inputs: int, filters: int, width: int) -> int:
    return filters * (inputs * width + 1)


def dense(inputs: int, units: int) -> int:
    return units * (inputs + 1)


def parameters(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def test_parameters_are_those_of_the_paper() -> None:
    # 2048 // 3 // 4 // 4 = 42 positions are left; scale and offset of three norms.
    towers = conv(4, 300, 10) + conv(300, 200, 11) + conv(200, 200, 7) + 2 * (300 + 200 + 200)
    expected = towers + dense(42 * 200, 1000) + dense(1000, 1000) + dense(1000, 15)
    model = build("standard", 2048)
    assert parameters(model) == expected == 10_371_115
    assert model(torch.zeros(1, 4, 2048))["coverage"].shape == (1, 15)


def test_shared_weights_read_both_strands_of_each_layer() -> None:
    small = {"filters": (3, 4, 5), "kernel_sizes": (10, 5, 3), "pool_widths": (3, 2, 2), "dense_units": (6, 7)}
    towers = conv(4, 3, 10) + conv(6, 4, 5) + conv(8, 5, 3) + 2 * (3 + 4 + 5)
    expected = towers + dense(5 * 10, 6) + dense(12, 7) + dense(7, 15)
    assert parameters(build("rcps", 64, **small)) == expected


def test_it_is_the_network_anybody_would_write(same_weights: Callable) -> None:
    model = build("standard", 65, binary_head(("a", "b")), **SMALL).double().eval()
    randomise(model)
    reference = nn.Sequential(
        *[nn.ConstantPad1d((1, 2), 0.0), nn.Conv1d(4, 3, 4), nn.BatchNorm1d(3, eps=1e-3), nn.ReLU(), nn.MaxPool1d(3)],
        *[nn.Conv1d(3, 3, 3, padding=1), nn.BatchNorm1d(3, eps=1e-3), nn.ReLU(), nn.MaxPool1d(2)],
        *[nn.Conv1d(3, 3, 3, padding=1), nn.BatchNorm1d(3, eps=1e-3), nn.ReLU(), nn.MaxPool1d(2)],
        *[nn.Flatten(), nn.Linear(15, 4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)],
    ).double()
    x = random_input(dna(), 65)
    torch.testing.assert_close(model(x)["bound"], same_weights(model, reference)(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("strategy", ["rcps", "hybrid"])
def test_an_exponential_first_layer_obeys_too(strategy: str) -> None:
    model = build(strategy, 64, first_activation="exponential", **SMALL)
    assert_strand_law(model, lengths=(64,))


def test_the_first_activation_is_that_of_the_first_layer() -> None:
    plain, other = (
        build("standard", 64, first_activation=name, **SMALL).double().eval() for name in ("relu", "exponential")
    )
    randomise(plain)
    other.load_state_dict(plain.state_dict())
    seen = []
    for model in (plain, other):
        assert model.trunk is not None
        # Before the activation both are the same.
        stage = model.trunk.layers[0].layers  # pyright: ignore[reportAttributeAccessIssue, reportIndexIssue]
        x = stage[1](stage[0](random_input(dna(), 64)))  # pyright: ignore[reportIndexIssue, reportCallIssue]
        seen.append((x, stage[2](x)))  # pyright: ignore[reportIndexIssue, reportCallIssue]
    torch.testing.assert_close(seen[0][0], seen[1][0])
    torch.testing.assert_close(seen[0][1], seen[0][0].clamp(min=0))
    torch.testing.assert_close(seen[1][1], seen[0][0].exp())


def test_normalisation_is_that_of_keras() -> None:
    norms = [module for module in build("rcps", 64, **SMALL).modules() if isinstance(module, BatchNorm1d)]
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.01, 1e-3)}
    assert len(norms) == 3


def test_what_it_cannot_say_is_refused() -> None:
    with pytest.raises(ConfigError, match="one answer for a window, and bins are asked for: use one bin as long"):
        build("standard", 64, coverage_head(TRACKS, unstranded(15)), **SMALL)
    with pytest.raises(StrandLawError, match="widen the input or narrow the window"):
        build("standard", 5, **SMALL)
    with pytest.raises(ConfigError, match="first_activation = 'gelu'"):
        build("standard", 64, first_activation="gelu")
