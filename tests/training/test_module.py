"""Each head is learned by its own loss, on the scale that the loss takes."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from strandwise.data.batches import Batch
from strandwise.layers import Head, binary_head, coverage_head, dense_head
from strandwise.models import ModelSettings, StrandSettings, assemble
from strandwise.scores.losses import LOSSES
from strandwise.strand import unstranded
from strandwise.training import Trainable, TrainingSettings

TRACKS = ("a", "b")
COVERAGE = [name for name, loss in LOSSES.items() if loss.of == "predictions"]


def module(head: Head, positive: Tensor | None = None) -> Trainable:
    options = {"name": "bpnet", "filters": 2, "stem_width": 5, "dilated_layers": 1, "profile_width": 5}
    strand = StrandSettings(strategy="standard")
    network = assemble(ModelSettings.model_validate(options).architecture(), [head], 40, strand)
    return Trainable(network, strand, TrainingSettings(), positive)


def said(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(6, 2, 5, generator=generator)
    targets = torch.randint(0, 9, (6, 2, 5), generator=generator).float()
    weights = (torch.rand(6, 2, generator=generator) < 0.7).float()
    return logits, targets, weights


@pytest.mark.parametrize("name", COVERAGE)
def test_losses_of_predictions_are_given_predictions(name: str) -> None:
    logits, targets, weights = said()
    head = coverage_head(TRACKS, unstranded(2), name)
    found = module(head).head_loss(head, logits, targets, weights)
    torch.testing.assert_close(found, LOSSES[name].function(torch.nn.functional.softplus(logits), targets, weights))


def test_coverage_is_learned_by_poisson() -> None:
    logits, targets, weights = said()
    head = coverage_head(TRACKS, unstranded(2))
    known = weights > 0
    rates, counts = torch.nn.functional.softplus(logits[known]), targets[known]
    expected = torch.nn.functional.poisson_nll_loss(rates, counts, log_input=False)
    torch.testing.assert_close(module(head).head_loss(head, logits, targets, weights), expected)


def test_positives_of_bins_count_by_track() -> None:
    logits, targets, weights = said()
    heavier, labels = torch.tensor([3.0, 0.25]), (targets > 4).float()
    head = dense_head(TRACKS)
    found = module(head, heavier).head_loss(head, logits, labels, weights)
    each = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[weights > 0], labels[weights > 0], pos_weight=heavier.expand(6, 2)[weights > 0].unsqueeze(-1)
    )
    torch.testing.assert_close(found, each)


@pytest.mark.parametrize("name", COVERAGE)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_single(name: str, dtype: torch.dtype) -> None:
    """A whole batch of coverage at half precision would overflow, or forget how large it is."""
    head = coverage_head(TRACKS, unstranded(2), name)
    logits, targets, weights = said()
    logits, targets = 20 * logits.to(dtype), 1000 * targets + 1
    found = module(head).head_loss(head, logits, targets, weights)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, module(head).head_loss(head, logits.float(), targets, weights))


def batch(head: Head, windows: int, seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 2, (windows, 2), generator=generator).float()
    codes = torch.randint(0, 5, (windows, 40), generator=generator, dtype=torch.uint8)
    return Batch({"sequence": codes}, {head.name: labels}, {head.name: torch.ones(windows, 2)})


def test_the_training_loss_is_a_mean_over_windows() -> None:
    head = binary_head(TRACKS)
    trained = module(head)
    trained.train()
    assert math.isnan(trained.train_loss)
    batches = [batch(head, windows, seed) for seed, windows in enumerate((5, 5, 2))]
    losses = [trained.training_step(one, 0).item() for one in batches]
    assert trained.train_loss == pytest.approx(np.average(losses, weights=[5, 5, 2]), rel=1e-6)
    assert len(set(losses)) == 3


def test_a_batch_moves_as_a_whole() -> None:
    here = batch(binary_head(TRACKS), 3, 0)
    trained = module(binary_head(TRACKS))
    assert trained.transfer_batch_to_device(here, torch.device("cpu"), 0) is here
    moved = trained.transfer_batch_to_device(here, torch.device("meta"), 0)
    assert isinstance(moved, Batch)
    for mine, other in zip(moved, here, strict=True):
        assert mine.keys() == other.keys()
        assert all(x.is_meta and x.shape == other[name].shape for name, x in mine.items())
