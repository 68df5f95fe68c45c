"""Basenji in the sizes of GOPHER."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from strandwise.errors import ConfigError
from strandwise.layers import BatchNorm1d, Conv1d, Head, Residual, binary_head, coverage_head
from strandwise.models import Bins, ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.models.basenji import Basenji
from strandwise.strand import dna, stranded, unstranded
from strandwise.testing import assert_strand_law, random_input, randomise

TRACKS = tuple(f"t{number}" for number in range(15))
COVERAGE = coverage_head(TRACKS, unstranded(15))
OWN_SMALL: dict[str, Any] = dict(Basenji.small)


def build(
    bins: Bins | None = None, strategy: str = "standard", length: int = 2048, head: Head = COVERAGE, **options: Any
) -> SequenceModel:
    architecture = ModelSettings.model_validate({"name": "basenji", **options}).architecture()
    return assemble(architecture, [head], length, StrandSettings(strategy=strategy), bins=bins)


def conv(inputs: int, filters: int, width: int) -> int:
    """No offsets; a scale and an offset of the norm behind it."""
    return filters * inputs * width + 2 * filters


def parameters(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


BODY = conv(4, 256, 15) + 11 * (conv(256, 128, 3) + conv(128, 256, 1)) + conv(256, 2048, 1)


def test_parameters_are_those_of_the_paper() -> None:
    dense = 15 * (2048 + 1)
    assert parameters(build(Bins(16, 128))) == BODY + dense == 2_025_231
    assert parameters(build(head=binary_head(TRACKS))) == BODY + dense
    # For each task 64 filters of 7 positions, their norm, and one unit.
    task = 64 * (2048 * 7 + 1) + 2 * 64 + 64 + 1
    assert parameters(build(Bins(64, 32), heads="per_task")) == BODY + 15 * task == 15_760_911


def test_taps_move_apart_by_one_and_a_half() -> None:
    convolutions = build(Bins(16, 128), filters=2, last_filters=2).modules()
    dilations = [module.dilation for module in convolutions if isinstance(module, Conv1d) and module.kernel_size == 3]
    assert dilations == [1, 2, 2, 3, 5, 8, 11, 17, 26, 38, 58]


SMALL: dict[str, Any] = {"filters": 2, "last_filters": 2, "dilated_layers": 1}


@pytest.mark.parametrize("bins", [Bins(1024, 2), Bins(64, 32), Bins(16, 128), Bins(1, 2048), Bins(32, 32), Bins(2, 6)])
@pytest.mark.parametrize("heads", ["shared", "per_task"])
def test_any_bins_of_whole_positions_can_be_had(bins: Bins, heads: str) -> None:
    found = build(bins, heads=heads, **SMALL)(torch.zeros(2, 4, 2048))
    assert found["coverage"].shape == (2, 15, bins.number)


def test_single_bases_without_pooling() -> None:
    model = build(Bins(2048, 1), pool_width=1, **SMALL)
    assert model(torch.zeros(1, 4, 2048))["coverage"].shape == (1, 15, 2048)
    with pytest.raises(ConfigError, match=r"bins of 1 bp are .*: use bin_bp = 2, or model.pool_width = 1"):
        build(Bins(2048, 1), **SMALL)
    with pytest.raises(ConfigError, match=r"bins of 33 bp .*: use bin_bp = 32 or 34, or model.pool_width = 1"):
        build(Bins(10, 33), **SMALL)
    with pytest.raises(ConfigError, match=r"15 bins of 126 bp do not .*: use 14 or 16 bins"):
        build(Bins(15, 126), **SMALL)


class Block(nn.Module):
    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.wide = nn.Conv1d(4, 2, 3, dilation=dilation, padding=dilation, bias=False)
        self.norm = nn.BatchNorm1d(2, eps=1e-3)
        self.back, self.last = nn.Conv1d(2, 4, 1, bias=False), nn.BatchNorm1d(4, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.last(self.back(gelu(self.norm(self.wide(gelu(x))))))


class Reference(nn.Module):
    """Two residual layers, in the order of activation, convolution and norm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv1d(4, 4, 5, padding=2, bias=False), nn.BatchNorm1d(4, eps=1e-3)
        self.blocks = nn.Sequential(Block(1), Block(2))
        self.wide, self.last = nn.Conv1d(4, 3, 1, bias=False), nn.BatchNorm1d(3, eps=1e-3)
        self.dense = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool1d(self.norm(self.stem(gelu(x))), 2)
        x = self.last(self.wide(gelu(self.blocks(x))))
        x = nn.functional.avg_pool1d(x, 4)
        return self.dense(x.transpose(1, 2)).transpose(1, 2)


def gelu(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-1.702 * x))


def test_it_is_the_network_anybody_would_write(same_weights: Callable) -> None:
    head = coverage_head(("a", "b"), unstranded(2))
    model = build(Bins(8, 8), length=64, head=head, **{**OWN_SMALL, "heads": "shared"}).double().eval()
    randomise(model)
    x = random_input(dna(), 64)
    reference = same_weights(model, Reference().double())
    torch.testing.assert_close(model(x)["coverage"], reference(x), rtol=0, atol=1e-12)


def test_residual_layers_start_as_doing_nothing() -> None:
    model = build(Bins(16, 128), **SMALL).eval()
    (block,) = (module for module in model.modules() if isinstance(module, Residual))
    x = torch.randn(2, 2, 30)
    assert torch.equal(block(x), x)


def test_normalisation_is_that_of_basenji() -> None:
    model = build(Bins(8, 8), "rcps", 64, **OWN_SMALL)
    norms = [module for module in model.modules() if isinstance(module, BatchNorm1d)]
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.1, 1e-3)}


@pytest.mark.parametrize("strategy", ["rcps", "hybrid"])
@pytest.mark.parametrize(
    "options", [{"heads": "shared"}, {"first_activation": "exponential"}, {"first_activation": "relu", "stem_width": 6}]
)
def test_every_option_obeys(strategy: str, options: dict) -> None:
    head = coverage_head(("a+", "a-", "b"), stranded(1) + unstranded(1))
    model = build(Bins(14, 4), strategy, 64, head, **{**OWN_SMALL, **options})
    assert_strand_law(model, lengths=(64,))


def test_the_first_activation_may_stand_before_pooling() -> None:
    for name, function in (("relu", torch.relu), ("exponential", torch.exp)):
        model = build(None, length=64, first_activation=name, **SMALL).double().eval()
        randomise(model)
        assert model.trunk is not None
        stem = model.trunk.layers[0].layers  # pyright: ignore[reportAttributeAccessIssue]
        x = random_input(dna(), 64)
        for layer in list(stem)[:3]:  # pyright: ignore[reportArgumentType]
            x = layer(x)
        expected = nn.functional.max_pool1d(function(x), 2)
        torch.testing.assert_close(model.trunk.layers[0](random_input(dna(), 64)), expected)
