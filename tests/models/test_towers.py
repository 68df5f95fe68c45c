"""Towers and bottlenecks do what torch's own layers do one after the other."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from strandwise.layers import BatchNorm1d, Conjoined, Features, PerStrand, coverage_head
from strandwise.models import MODELS, StrandSettings, as_rcps, assemble
from strandwise.models.towers import dense_block, hidden_of, residual_block, same_convolution, spread, tower
from strandwise.strand import dna, plain, regular, stranded, unstranded
from strandwise.testing import assert_strand_law, random_input, randomise

SameWeights = Callable[[nn.Module, nn.Module], nn.Module]


class Reference(nn.Module):
    """A tower of two residual layers, written out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv1d(4, 3, 5, padding=2), nn.BatchNorm1d(3, eps=1e-3)
        self.first, self.norm1 = nn.Conv1d(3, 3, 3, padding=1), nn.BatchNorm1d(3, eps=1e-3)
        self.second, self.norm2 = nn.Conv1d(3, 3, 3, padding=2, dilation=2), nn.BatchNorm1d(3, eps=1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.exp(self.norm(self.conv(x)))
        y = torch.relu(self.norm1(self.first(x)))
        x = torch.relu(x + self.norm2(self.second(y)))
        return nn.functional.max_pool1d(x, 4)


def test_a_tower_is_the_one_anybody_would_write(same_weights: SameWeights) -> None:
    layer = tower(
        Features(dna(), 22), plain(3), 5, activation="exp", residual_layers=2, pool_width=4, dropout=0.5
    ).double()
    randomise(layer.eval())
    x = random_input(dna(), 22)
    reference = same_weights(layer, Reference().double())
    torch.testing.assert_close(layer(x), reference(x), rtol=0, atol=1e-12)
    assert layer.out_length(22) == 5


def test_dropout_works_in_training_alone() -> None:
    layer = tower(Features(dna(), 40), regular(3), 5, dropout=0.5)
    x = random_input(dna(), 40).float()
    layer.train()
    assert (layer(x) == 0).float().mean() > 0.6
    layer.eval()
    assert torch.equal(layer(x), layer(x))


def test_a_bottleneck_is_the_one_anybody_would_write(same_weights: SameWeights) -> None:
    layer = dense_block(Features(plain(3), 5), plain, 4, dropout=0.5).double()
    randomise(layer.eval())
    norm = nn.BatchNorm1d(4, eps=1e-3)
    reference = same_weights(layer, nn.Sequential(nn.Flatten(), nn.Linear(15, 4), norm, nn.ReLU()).double())
    x = random_input(plain(3), 5)
    torch.testing.assert_close(layer(x), reference(x), rtol=0, atol=1e-12)
    unnormalised = dense_block(Features(plain(3), 5), plain, 4, dropout=0.5, normalised=False)
    assert not any(isinstance(module, BatchNorm1d) for module in unnormalised.modules())


def test_what_is_laid_along_positions_is_the_one_anybody_would_write(same_weights: SameWeights) -> None:
    layer = spread(plain(4).pooled(), plain, 2, 6, dropout=0.5).double()
    randomise(layer.eval())
    norm = nn.BatchNorm1d(12, eps=1e-3)
    reference = same_weights(layer, nn.Sequential(nn.Linear(4, 12), norm, nn.ReLU(), nn.Unflatten(1, (2, 6))).double())
    x = random_input(plain(4).pooled(), 1)
    torch.testing.assert_close(layer(x), reference(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("length", [12, 13])
def test_on_shared_weights_all_obey(length: int) -> None:
    features = Features(regular(2), length)
    assert_strand_law(tower(features, regular(3), 4, residual_layers=2, pool_width=5, dropout=0.3), lengths=(length,))
    assert_strand_law(residual_block(regular(2), 3), lengths=(length,))
    assert_strand_law(dense_block(features, regular, 4, dropout=0.3), lengths=(length,))
    along = spread(regular(2).pooled(), regular, 3, length, dropout=0.3)
    assert (along.out_type, along.out_length(0)) == (regular(3), length)
    assert_strand_law(along, lengths=(1,))


def test_only_even_widths_of_lawful_features_are_lifted() -> None:
    assert isinstance(same_convolution(dna(), regular(2), 10), PerStrand)
    assert not isinstance(same_convolution(dna(), regular(2), 11), PerStrand)
    assert not isinstance(same_convolution(dna(), plain(2), 10), PerStrand)
    # As many weights as filters of one strand have.
    layer = same_convolution(dna(), regular(2), 10, bias=False)
    assert sum(weight.numel() for weight in layer.parameters()) == 2 * 4 * 10
    # Keras puts 4 zeros on the left and 5 on the right.
    conv = same_convolution(plain(1), plain(1), 10, bias=False)
    with torch.no_grad():
        next(conv.parameters()).fill_(1)
    assert conv(torch.ones(1, 1, 12)).flatten().tolist() == [6, 7, 8, 9, 10, 10, 10, 9, 8, 7, 6, 5]


def test_what_follows_is_of_the_kind_that_came_in() -> None:
    assert hidden_of(plain(3))(2) == plain(2)
    assert hidden_of(regular(3).pooled())(2) == regular(2)


@pytest.mark.parametrize("strategy", ["posthoc", "hybrid"])
@pytest.mark.parametrize(
    "name", ["basenji", "basset", "cnn_baseline", "gopher_bpnet", "residualbind", "residualbind32"]
)
def test_networks_of_these_pieces_convert_to_shared_weights(name: str, strategy: str) -> None:
    kind = MODELS[name]
    tracks = stranded(1) + unstranded(1)
    bins = kind.small_bins[-1] if kind.small_bins else None
    head = coverage_head(("a+", "a-", "b"), tracks if bins else tracks.pooled())
    architecture = kind(kind.Options.model_validate(kind.small))
    network = assemble(architecture, [head], kind.small_bp, StrandSettings(strategy=strategy), bins=bins)
    randomise(network.double().eval())
    x = random_input(dna(), kind.small_bp)
    asked = Conjoined(network) if strategy == "posthoc" else network
    torch.testing.assert_close(as_rcps(network)(x), asked(x), rtol=0, atol=1e-10)
