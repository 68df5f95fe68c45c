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


def multinomial_nll(logits: Tensor, targets: Tensor, weights: Tensor, positive_weight: Tensor | None = None) -> Tensor:
    """Return the mean negative log-likelihood of counts along a profile, given how many there are.

    Each track of each window is one multinomial over its positions, with the shares softmax(logits) (BPNet,
    Avsec et al. 2021). The multinomial coefficient is part of it, so that the loss is that of the counts
    themselves and is never below zero.

    Args:
        logits: ``(batch, tracks, positions)``, before the softmax over positions.
        targets: ``(batch, tracks, positions)`` counts of 0 or more; ignored where the weight is 0.
        weights: ``(batch, tracks)``; 0 for what was not measured.
        positive_weight: has no part in it.
    """
    known = (weights > 0).unsqueeze(-1)
    losses = nll_of_profiles(logits, torch.where(known, targets, torch.zeros_like(targets)))
    return (losses * weights).sum() / weights.sum().clamp(min=1e-12)


def nll_of_profiles(logits: Tensor, counts: Tensor) -> Tensor:
    """Return the negative log-likelihood ``(...)`` of each profile of counts ``(..., positions)``; see above."""
    shares = torch.log_softmax(logits, dim=-1)
    coefficient = torch.lgamma(counts.sum(-1) + 1) - torch.lgamma(counts + 1).sum(-1)
    return -coefficient - (counts * shares).sum(-1)


def log_counts_error(logits: Tensor, targets: Tensor, weights: Tensor, positive_weight: Tensor | None = None) -> Tensor:
    """Return the mean squared error of log(1 + counts).

    Args:
        logits: ``(batch, tracks)``, predictions of log(1 + counts).
        targets: ``(batch, tracks)`` counts of 0 or more; ignored where the weight is 0.
        weights: ``(batch, tracks)``; 0 for what was not measured.
        positive_weight: has no part in it.
    """
    counts = torch.where(weights > 0, targets, torch.zeros_like(targets))
    losses = (logits - torch.log1p(counts)) ** 2
    return (losses * weights).sum() / weights.sum().clamp(min=1e-12)


LOSSES: dict[str, Loss] = {
    "binary_cross_entropy": binary_cross_entropy,
    "multinomial_nll": multinomial_nll,
    "log_counts_error": log_counts_error,
}
