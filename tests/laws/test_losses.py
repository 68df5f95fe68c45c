"""No loss prefers a strand: turning predictions, targets and weights together leaves it as it is."""

import pytest
import torch

from strandwise.scores.losses import LOSSES
from strandwise.strand import StrandType, revcomp, stranded, unstranded
from strandwise.testing import random_input

KINDS = [stranded(2), unstranded(3), stranded(1) + unstranded(2)]
# Of each loss: whether it reads positions, windows as a whole, or either.
POSITIONS = {
    "binary_cross_entropy": (False, True),
    "multinomial_nll": (True,),
    "log_counts_error": (False,),
    "poisson": (False, True),
    "mse": (False, True),
    "pearson": (False, True),
    "pearson_mse": (False, True),
    "pearson_poisson": (False, True),
    "log_poisson": (False, True),
    "cosine": (True,),
    "poisson_multinomial": (True,),
    "multinomial_mse": (True,),
}
CASES = [(name, positions) for name, both in POSITIONS.items() for positions in both]


def test_every_loss_is_in_the_table() -> None:
    assert set(POSITIONS) == set(LOSSES)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize(("name", "positions"), CASES)
def test_losses_have_no_strand(name: str, positions: bool, kind: StrandType) -> None:
    kind = kind if positions else kind.pooled()
    loss, pooled = LOSSES[name], kind.pooled()
    said, targets = random_input(kind, 11, seed=1), random_input(kind, 11, seed=2).abs().round()
    said = torch.nn.functional.softplus(said) if loss.of == "predictions" else said
    targets = targets.clamp(max=1) if loss.balances else targets
    weights = (random_input(pooled, 1, seed=3) > 0).double()
    heavier = torch.rand(kind.channels, generator=torch.Generator().manual_seed(4)).double() if loss.balances else None
    found = loss(said, targets, weights, heavier)
    # What a positive counts for is a number of each track, and turns with it.
    turned_heavier = None if heavier is None else revcomp(heavier, pooled)
    turned = loss(revcomp(said, kind), revcomp(targets, kind), revcomp(weights, pooled), turned_heavier)
    torch.testing.assert_close(turned, found, rtol=0, atol=1e-12)
    # Turning the predictions alone is another matter.
    alone = loss(revcomp(said, kind), targets, weights, heavier)
    assert abs(float(alone - found)) > 1e-6 or not positions
