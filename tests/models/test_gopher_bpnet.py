"""BPNet in the sizes of GOPHER."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from strandwise.errors import ConfigError
from strandwise.layers import Head, binary_head, coverage_head
from strandwise.models import Bins, ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.models.gopher_bpnet import GopherBPNet
from strandwise.strand import dna, stranded, unstranded
from strandwise.testing import assert_strand_law, random_input, randomise

TRACKS = tuple(f"t{number}" for number in range(15))
COVERAGE = coverage_head(TRACKS, unstranded(15))
SMALL: dict[str, Any] = dict(GopherBPNet.small)


def build(
    bins: Bins | None = None, strategy: str = "standard", length: int = 2048, head: Head = COVERAGE, **options: Any
) -> SequenceModel:
    architecture = ModelSettings.model_validate({"name": "gopher_bpnet", **options}).architecture()
    return assemble(architecture, [head], length, StrandSettings(strategy=strategy), bins=bins)


def conv(inputs: int, filters: int, width: int) -> int:
    return filters * (inputs * width + 1)


def parameters(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def test_parameters_are_those_of_the_paper() -> None:
    body = conv(4, 256, 25) + 9 * conv(256, 256, 3)
    assert parameters(build(Bins(2048, 1))) == body + 15 * conv(256, 1, 7) == 1_824_527
    assert parameters(build(Bins(64, 32), heads="shared")) == body + 15 * conv(256, 1, 1) == 1_801_487
    assert parameters(build(head=binary_head(TRACKS))) == body + 15 * (256 + 1) == 1_801_487


@pytest.mark.parametrize("bins", [Bins(2048, 1), Bins(64, 32), Bins(16, 128), Bins(1, 2048), Bins(32, 32), Bins(4, 3)])
def test_any_bins_in_the_middle_can_be_had(bins: Bins) -> None:
    found = build(bins, filters=2)(torch.zeros(1, 4, 2048))
    assert found["coverage"].shape == (1, 15, bins.number)


def test_bases_are_predicted_where_no_bins_are_named() -> None:
    assert build(filters=2)(torch.zeros(1, 4, 2048))["coverage"].shape == (1, 15, 2048)
    assert build(filters=2, head=binary_head(TRACKS))(torch.zeros(1, 4, 2048))["bound"].shape == (1, 15)


class Reference(nn.Module):
    """Two dilated layers, and a transposed convolution for each track, as in the authors' software."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(4, 3, 5, padding=2)
        self.dilated = nn.ModuleList(nn.Conv1d(3, 3, 3, dilation=d, padding=d) for d in (2, 4))
        self.heads = nn.Conv1d(3, 2, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        for layer in self.dilated:
            x = x + torch.relu(layer(x))
        assert self.heads.bias is not None
        tracks = [
            nn.functional.conv_transpose1d(x, weight.flip(-1).unsqueeze(1), bias.view(1), padding=2)
            for weight, bias in zip(self.heads.weight, self.heads.bias, strict=True)
        ]
        return nn.functional.avg_pool1d(torch.cat(tracks, dim=1)[..., 4:60], 4)


def test_it_is_the_network_anybody_would_write(same_weights: Callable) -> None:
    head = coverage_head(("a", "b"), unstranded(2))
    model = build(Bins(14, 4), length=64, head=head, **SMALL).double().eval()
    randomise(model)
    x = random_input(dna(), 64)
    reference = same_weights(model, Reference().double())
    torch.testing.assert_close(model(x)["coverage"], reference(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("strategy", ["rcps", "hybrid"])
@pytest.mark.parametrize("options", [{"heads": "shared"}, {"first_activation": "exponential"}, {"stem_width": 6}])
def test_every_option_obeys(strategy: str, options: dict) -> None:
    head = coverage_head(("a+", "a-", "b"), stranded(1) + unstranded(1))
    model = build(Bins(13, 4), strategy, 64, head, **{**SMALL, **options})
    assert_strand_law(model, lengths=(64,))


def test_bins_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"65 bins of 32 bp do not lie in the middle of 2048 .*: use 64 bins"):
        build(Bins(65, 32), filters=2)
    with pytest.raises(ConfigError, match=r"3 bins of 3 bp .*: use 2 or 4 bins"):
        build(Bins(3, 3), filters=2)
