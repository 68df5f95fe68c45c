"""GOPHER's baseline in its sizes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from strandwise.errors import ConfigError
from strandwise.layers import BatchNorm1d, Head, binary_head, coverage_head
from strandwise.models import Bins, ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.models.cnn_baseline import CNNBaseline
from strandwise.strand import dna, stranded, unstranded
from strandwise.testing import assert_strand_law, random_input, randomise

TRACKS = tuple(f"t{number}" for number in range(15))
COVERAGE = coverage_head(TRACKS, unstranded(15))
SMALL: dict[str, Any] = dict(CNNBaseline.small)


def build(
    bins: Bins | None = None, strategy: str = "standard", length: int = 2048, head: Head = COVERAGE, **options: Any
) -> SequenceModel:
    architecture = ModelSettings.model_validate({"name": "cnn_baseline", **options}).architecture()
    return assemble(architecture, [head], length, StrandSettings(strategy=strategy), bins=bins)


def layer(inputs: int, units: int, width: int = 1) -> int:
    """A convolution or a dense layer with offsets, and the scale and offset of the norm behind it."""
    return units * (inputs * width + 1) + 2 * units


def parameters(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


# 2048 / 8 / 4 / 4 = 16 positions are left.
TRUNK = layer(4, 192, 19) + layer(192, 256, 7) + layer(256, 512, 7) + layer(16 * 512, 256)
TASK = layer(256, 64, 7) + 64 + 1


def test_parameters_are_those_of_the_paper() -> None:
    bases = layer(256, 2048 * 8) + layer(8, 256, 7)
    assert parameters(build(Bins(2048, 1))) == TRUNK + bases + 15 * (256 + 1) == 7_639_375
    bins = layer(256, 64 * 8) + layer(8, 256, 7)
    assert parameters(build(Bins(64, 32), heads="per_task")) == TRUNK + bins + 15 * TASK == 5_248_847
    assert parameters(build(head=binary_head(TRACKS))) == TRUNK + 15 * (256 + 1) == 3_380_815


@pytest.mark.parametrize("bins", [Bins(2048, 1), Bins(64, 32), Bins(1, 2048), Bins(31, 33), Bins(5, 3)])
@pytest.mark.parametrize("heads", ["shared", "per_task"])
def test_any_bins_can_be_had(bins: Bins, heads: str) -> None:
    model = build(bins, length=64, **{**SMALL, "heads": heads})
    assert model(torch.zeros(2, 4, 64))["coverage"].shape == (2, 15, bins.number)


def test_bins_must_be_named() -> None:
    with pytest.raises(ConfigError, match="'cnn_baseline' is built for a number of bins, and none is given"):
        build(None, length=64, **SMALL)


def unit(conv: nn.Module, n: int, *then: nn.Module) -> list[nn.Module]:
    return [conv, nn.BatchNorm1d(n, eps=1e-3), nn.ReLU(), *then]


def test_it_is_the_network_anybody_would_write(same_weights: Callable) -> None:
    head = coverage_head(("a", "b"), unstranded(2))
    options = {**SMALL, "kernel_sizes": (5, 5, 3), "first_activation": "relu"}
    model = build(Bins(6, 8), length=66, head=head, **options).double().eval()
    randomise(model)
    reference = nn.Sequential(
        *unit(nn.Conv1d(4, 3, 5, padding=2), 3, nn.MaxPool1d(4)),
        *unit(nn.Conv1d(3, 3, 5, padding=2), 3, nn.MaxPool1d(2)),
        *unit(nn.Conv1d(3, 4, 3, padding=1), 4, nn.MaxPool1d(2), nn.Flatten()),
        *unit(nn.Linear(16, 4), 4),
        *unit(nn.Linear(4, 12), 12, nn.Unflatten(1, (2, 6))),
        *unit(nn.Conv1d(2, 3, 7, padding=3), 3),
        nn.Conv1d(3, 2, 1),
    ).double()
    x = random_input(dna(), 66)
    torch.testing.assert_close(model(x)["coverage"], same_weights(model, reference)(x), rtol=0, atol=1e-12)


def test_the_answer_for_a_window_is_read_from_the_bottleneck() -> None:
    model = build(length=64, head=binary_head(("a", "b")), **SMALL).eval()
    assert model.trunk is not None
    x = random_input(dna(), 64).float()
    assert model.trunk(x).shape == (3, 4)
    torch.testing.assert_close(model(x)["bound"], model.top(model.trunk(x))["bound"])


@pytest.mark.parametrize("strategy", ["rcps", "hybrid"])
@pytest.mark.parametrize("bins", [Bins(8, 8), Bins(7, 5)])
@pytest.mark.parametrize("heads", ["shared", "per_task"])
def test_every_option_obeys(strategy: str, bins: Bins, heads: str) -> None:
    head = coverage_head(("a+", "a-", "b"), stranded(1) + unstranded(1))
    model = build(bins, strategy, 65, head, **{**SMALL, "heads": heads, "first_activation": "relu"})
    assert_strand_law(model, lengths=(65,))


def test_dropout_and_norms_are_those_of_the_software() -> None:
    model = build(Bins(4, 4), length=64, **{**SMALL, "heads": "per_task"})
    rates = [module.p for module in model.modules() if type(module).__name__ == "Dropout"]
    assert rates == [0.1, 0.1, 0.2, 0.3, 0.1, 0.2, 0.1]
    norms = [module for module in model.modules() if isinstance(module, BatchNorm1d)]
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.01, 1e-3)}
