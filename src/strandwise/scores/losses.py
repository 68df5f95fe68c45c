"""Losses, by name: each a pure function of predictions before the link, targets and weights."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]


def binary_cross_entropy(
    logits: Tensor, targets: Tensor, weights: Tensor, positive_weight: Tensor | None = None
) -> Tensor:
    """Return the mean cross-entropy of yes/no labels, over entries whose weight is not 0.

    Args:
        logits: ``(batch, tracks)``, before the logistic link.
        targets: ``(batch, tracks)``, 0 or 1; ignored where the weight is 0.
        weights: ``(batch, tracks)``; 0 for ambiguous or missing labels.
        positive_weight: ``(tracks,)``, what a positive counts for, against 1 for a negative.
    """
    # A missing label may be written as NaN, which not even a weight of 0 would silence.
    targets = torch.where(weights > 0, targets, torch.zeros_like(targets))
    losses = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none", pos_weight=positive_weight)
    return (losses * weights).sum() / weights.sum().clamp(min=1e-12)


LOSSES: dict[str, Loss] = {"binary_cross_entropy": binary_cross_entropy}
