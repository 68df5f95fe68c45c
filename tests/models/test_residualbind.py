"""ResidualBind in the sizes of GOPHER."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from strandwise.errors import ConfigError
from strandwise.layers import BatchNorm1d, Conv1d, Dense, Head, binary_head, coverage_head
from strandwise.models import Bins, ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.models.residualbind import ResidualBind, ResidualBind32
from strandwise.strand import dna, stranded, unstranded
from strandwise.testing import assert_strand_law, random_input, randomise

TRACKS = tuple(f"t{number}" for number in range(15))
COVERAGE = coverage_head(TRACKS, unstranded(15))
SMALL: dict[str, Any] = dict(ResidualBind.small)
SMALL32: dict[str, Any] = dict(ResidualBind32.small)
PAIR = coverage_head(("a+", "a-", "b"), stranded(1) + unstranded(1))


def build(
    name: str,
    bins: Bins | None = None,
    strategy: str = "standard",
    length: int = 2048,
    head: Head = COVERAGE,
    **options: Any,
) -> SequenceModel:
    architecture = ModelSettings.model_validate({"name": name, **options}).architecture()
    return assemble(architecture, [head], length, StrandSettings(strategy=strategy), bins=bins)


def layer(inputs: int, units: int, width: int = 1) -> int:
    """A convolution or a dense layer with offsets, and the scale and offset of the norm behind it."""
    return units * (inputs * width + 1) + 2 * units


def block(filters: int, layers: int) -> int:
    return layers * layer(filters, filters, 3)


def trunk(layers: tuple[int, int, int], positions: int) -> int:
    towers = layer(4, 192, 19) + layer(192, 256, 7) + layer(256, 512, 7)
    blocks = block(192, layers[0]) + block(256, layers[1]) + block(512, layers[2])
    return towers + blocks + layer(positions * 512, 512)


def parameters(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


TASK = layer(256, 64, 7) + 64 + 1


def test_parameters_are_those_of_the_paper() -> None:
    # 2048 / 4 / 4 / 4 = 32 positions are left.
    whole = trunk((5, 5, 4), 32)
    bases = layer(512, 2048 * 8) + layer(8, 256, 7) + block(256, 5)
    assert parameters(build("residualbind", Bins(2048, 1))) == whole + bases + 15 * (256 + 1) == 23_807_375
    assert parameters(build("residualbind", head=binary_head(TRACKS))) == whole + 15 * (512 + 1) == 14_371_471


def test_parameters_are_those_of_the_software() -> None:
    # 2048 / 8 / 4 / 4 = 16 positions are left.
    bins = layer(512, 64 * 8) + layer(8, 256, 7) + block(256, 6)
    expected = trunk((5, 5, 3), 16) + bins + 15 * TASK
    assert parameters(build("residualbind", Bins(64, 32), heads="per_task", variant="task")) == expected == 12_568_719


def test_parameters_of_the_network_for_32_bp() -> None:
    towers = layer(4, 256, 19) + layer(256, 512, 7) + layer(512, 1024, 7)
    whole = towers + block(256, 5) + block(512, 5) + block(1024, 3)
    assert parameters(build("residualbind32", Bins(64, 32))) == whole + layer(1024, 256, 7) + 15 * TASK == 22_545_423
    shared = whole + layer(1024, 256) + 15 * (256 + 1)
    assert parameters(build("residualbind32", Bins(64, 32), heads="shared")) == shared == 19_252_239


@pytest.mark.parametrize("bins", [Bins(64, 1), Bins(4, 16), Bins(1, 64), Bins(7, 3)])
@pytest.mark.parametrize("heads", ["shared", "per_task"])
def test_any_bins_can_be_had_through_the_bottleneck(bins: Bins, heads: str) -> None:
    model = build("residualbind", bins, length=64, **{**SMALL, "heads": heads})
    assert model(torch.zeros(2, 4, 64))["coverage"].shape == (2, 15, bins.number)


def test_bins_must_be_named() -> None:
    with pytest.raises(ConfigError, match="'residualbind' is built for a number of bins, and none is given"):
        build("residualbind", None, length=64, **SMALL)


@pytest.mark.parametrize("heads", ["shared", "per_task"])
def test_bins_of_32_bp_are_the_positions_that_are_left(heads: str) -> None:
    small = {"filters": (2, 2, 2), "residual_layers": (1, 1, 1), "last_filters": 2, "head_filters": 2, "heads": heads}
    x = torch.zeros(2, 4, 2048)
    whole = build("residualbind32", Bins(64, 32), **small).eval()
    middle = build("residualbind32", Bins(32, 32), **small).eval()
    middle.load_state_dict(dict(zip(middle.state_dict(), whole.state_dict().values(), strict=True)))
    x[:, 0, ::3] = 1
    found = whole(x)["coverage"]
    assert found.shape == (2, 15, 64)
    torch.testing.assert_close(middle(x)["coverage"], found[..., 16:48])
    assert build("residualbind32", None, **small)(x)["coverage"].shape == (2, 15, 64)


def test_other_bins_are_refused_by_the_network_for_32_bp() -> None:
    for bins in (Bins(16, 128), Bins(2048, 1)):
        with pytest.raises(ConfigError, match="max pooling of 4, 4, 2 leaves one position for each 32 bp: use bin_bp"):
            build("residualbind32", bins, filters=(2, 2, 2), last_filters=2)
    with pytest.raises(ConfigError, match=r"63 bins of 32 bp do not lie .*: use 62 or 64 bins"):
        build("residualbind32", Bins(63, 32), filters=(2, 2, 2), last_filters=2)
    # Other pooling, other bins.
    found = build("residualbind32", Bins(16, 128), pool_widths=(8, 4, 4), filters=(2, 2, 2), last_filters=2)
    assert found(torch.zeros(1, 4, 2048))["coverage"].shape == (1, 15, 16)


class Block(nn.Module):
    def __init__(self, n: int, layers: int) -> None:
        super().__init__()
        pairs = ((nn.Conv1d(n, n, 3, dilation=2**i, padding=2**i), nn.BatchNorm1d(n, eps=1e-3)) for i in range(layers))
        self.layers = nn.Sequential(*(part for pair in pairs for part in (*pair, nn.ReLU())))

    def forward(self, x: Tensor) -> Tensor:
        # The last ReLU follows the sum.
        return torch.relu(x + self.layers[:-1](x))


def unit(layer: nn.Module, n: int, *then: nn.Module) -> list[nn.Module]:
    return [layer, nn.BatchNorm1d(n, eps=1e-3), nn.ReLU(), *then]


def test_it_is_the_network_anybody_would_write(same_weights: Callable) -> None:
    head = coverage_head(("a", "b"), unstranded(2))
    options = {**SMALL, "residual_layers": (3, 2, 1, 2), "heads": "shared"}
    model = build("residualbind", Bins(6, 8), length=66, head=head, **options).double().eval()
    randomise(model)
    reference = nn.Sequential(
        *unit(nn.Conv1d(4, 2, 5, padding=2), 2, Block(2, 3), nn.MaxPool1d(4)),
        *unit(nn.Conv1d(2, 3, 3, padding=1), 3, Block(3, 2), nn.MaxPool1d(2)),
        *unit(nn.Conv1d(3, 3, 3, padding=1), 3, Block(3, 1), nn.MaxPool1d(2), nn.Flatten()),
        *unit(nn.Linear(12, 4), 4),
        *unit(nn.Linear(4, 12), 12, nn.Unflatten(1, (2, 6))),
        *unit(nn.Conv1d(2, 2, 7, padding=3), 2, Block(2, 2)),
        nn.Conv1d(2, 2, 1),
    ).double()
    x = random_input(dna(), 66)
    torch.testing.assert_close(model(x)["coverage"], same_weights(model, reference)(x), rtol=0, atol=1e-12)


def test_the_network_for_32_bp_is_the_one_anybody_would_write(same_weights: Callable) -> None:
    head = coverage_head(("a",), unstranded(1))
    options = {**SMALL32, "first_activation": "relu"}
    model = build("residualbind32", Bins(16, 4), length=64, head=head, **options).double().eval()
    randomise(model)
    reference = nn.Sequential(
        *unit(nn.Conv1d(4, 2, 5, padding=2), 2, Block(2, 2), nn.MaxPool1d(2)),
        *unit(nn.Conv1d(2, 3, 3, padding=1), 3, Block(3, 1), nn.MaxPool1d(2)),
        *unit(nn.Conv1d(3, 3, 3, padding=1), 3, Block(3, 1)),
        *unit(nn.Conv1d(3, 3, 7, padding=3), 3),
        *unit(nn.Conv1d(3, 2, 7, padding=3), 2),
        nn.Conv1d(2, 1, 1),
    ).double()
    x = random_input(dna(), 64)
    torch.testing.assert_close(model(x)["coverage"], same_weights(model, reference)(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("strategy", ["rcps", "hybrid"])
@pytest.mark.parametrize(
    ("name", "bins", "options"),
    [
        ("residualbind", Bins(7, 9), {**SMALL, "heads": "shared", "first_activation": "exponential"}),
        ("residualbind", Bins(8, 8), {**SMALL, "variant": "task"}),
        ("residualbind32", Bins(14, 4), {**SMALL32, "heads": "shared", "first_activation": "relu"}),
        ("residualbind32", Bins(4, 16), {**SMALL32, "pool_widths": (4, 2, 2)}),
    ],
)
def test_every_option_obeys(strategy: str, name: str, bins: Bins, options: dict) -> None:
    assert_strand_law(build(name, bins, strategy, 64, PAIR, **options), lengths=(64,))


def rates(model: nn.Module) -> list[float]:
    return [module.p for module in model.modules() if type(module).__name__ == "Dropout"]  # pyright: ignore[reportReturnType]


def test_dropout_and_norms_are_those_of_the_software() -> None:
    # Residual blocks of one layer hold no dropout of their own.
    small = {**SMALL, "residual_layers": (1, 1, 1, 1)}
    model = build("residualbind", Bins(4, 4), length=64, **{**small, "heads": "shared"})
    assert rates(model) == [0.1, 0.1, 0.2, 0.3, 0.1, 0.1]
    model = build("residualbind", Bins(4, 4), length=64, **{**small, "variant": "task"})
    assert rates(model) == [0.1, 0.1, 0.2, 0.3, 0.1, 0.2, 0.1]
    small = {**SMALL32, "residual_layers": (2, 1, 1)}
    model = build("residualbind32", length=64, **small)
    assert rates(model) == [0.1, 0.2, 0.2, 0.5, 0.2, 0.1]
    assert rates(build("residualbind32", length=64, **{**small, "heads": "shared"})) == [0.1, 0.2, 0.2, 0.5, 0.3]
    norms = [module for module in model.modules() if isinstance(module, BatchNorm1d)]
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.01, 1e-3)}


def test_variants_differ_in_depth_and_pooling() -> None:
    tiny: dict[str, Any] = {"filters": (2, 2, 2), "bottleneck_units": 2, "bin_channels": 2, "last_filters": 2}
    for variant, layers, farthest, left in (("paper", 5 + 5 + 4 + 5, 16, 4), ("task", 5 + 5 + 3 + 6, 32, 2)):
        model = build("residualbind", Bins(4, 4), length=256, variant=variant, **tiny)
        dilated = [module for module in model.modules() if isinstance(module, Conv1d) and module.kernel_size == 3]
        assert len(dilated) == layers
        assert max(conv.dilation for conv in dilated) == farthest
        assert [module.in_length for module in model.modules() if isinstance(module, Dense)] == [left, 0]
