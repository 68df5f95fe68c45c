"""No loss prefers a strand: turning predictions, targets and weights together leaves it as it is."""

import pytest
import torch

from strandwise.scores.losses import LOSSES
from strandwise.strand import StrandType, revcomp, stranded, unstranded
from strandwise.testing import random_input

KINDS = [stranded(2), unstranded(3), stranded(1) + unstranded(2)]
# Of each loss: whether it reads positions.
POSITIONS = {"binary_cross_entropy": False, "multinomial_nll": True, "log_counts_error": False}


def test_every_loss_is_in_the_table() -> None:
    assert set(POSITIONS) == set(LOSSES)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("name", LOSSES)
def test_losses_have_no_strand(name: str, kind: StrandType) -> None:
    kind = kind if POSITIONS[name] else kind.pooled()
    logits, targets = random_input(kind, 11, seed=1), random_input(kind, 11, seed=2).abs().round()
    targets = targets.clamp(max=1) if name == "binary_cross_entropy" else targets
    weights = (random_input(kind.pooled(), 1, seed=3) > 0).double()
    loss = LOSSES[name]
    turned = loss(revcomp(logits, kind), revcomp(targets, kind), revcomp(weights, kind.pooled()), None)
    torch.testing.assert_close(turned, loss(logits, targets, weights, None), rtol=0, atol=1e-12)
    assert turned > 0
