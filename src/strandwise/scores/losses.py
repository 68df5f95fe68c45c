"""Losses, by name: each a pure function of what a network says, targets and weights."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from strandwise.scores import coverage_losses
from strandwise.scores.weighting import known_targets, weighted_mean


class LossFunction(NamedTuple):
    """A loss, and what it is a function of.

    Attributes:
        function: of what is said, targets, weights and, where `balances`, what a positive counts for.
        of: whether it takes "logits", before the link, or "predictions", after it.
        balances: whether it tells positives from negatives.
    """

    function: Callable[..., Tensor]
    of: Literal["logits", "predictions"] = "logits"
    balances: bool = False

    def __call__(self, said: Tensor, targets: Tensor, weights: Tensor, positive_weight: Tensor | None = None) -> Tensor:
        """Return the loss; what a positive counts for has no part where there are no positives."""
        if self.balances:
            return self.function(said, targets, weights, positive_weight)
        return self.function(said, targets, weights)


def binary_cross_entropy(
    logits: Tensor, targets: Tensor, weights: Tensor, positive_weight: Tensor | None = None
) -> Tensor:
    """Return the mean cross-entropy of yes/no labels, over entries whose weight is not 0.

    Args:
        logits: ``(batch, tracks)``, or ``(batch, tracks, positions)`` for labels of bins; before the logistic link.
        targets: of that shape, 0 or 1; ignored where the weight is 0.
        weights: ``(batch, tracks)``; 0 for ambiguous or missing labels. Also ``(batch, tracks, positions)`` where
            each bin has its own.
        positive_weight: ``(tracks,)``, what a positive counts for, against 1 for a negative.
    """
    if positive_weight is not None:
        positive_weight = positive_weight.view(-1, *([1] * (logits.ndim - 2)))
    targets = known_targets(targets, weights)
    losses = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none", pos_weight=positive_weight)
    return weighted_mean(losses.mean(-1) if losses.ndim > weights.ndim else losses, weights)


def multinomial_nll(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of counts along a profile, given how many there are.

    Each track of each window is one multinomial over its positions, with the shares softmax(logits) (BPNet,
    Avsec et al. 2021). The multinomial coefficient is part of it, so that the loss is that of the counts
    themselves and is never below zero.

    Args:
        logits: ``(batch, tracks, positions)``, before the softmax over positions.
        targets: ``(batch, tracks, positions)`` counts of 0 or more; ignored where the weight is 0.
        weights: ``(batch, tracks)``; 0 for what was not measured.
    """
    return weighted_mean(nll_of_profiles(logits, known_targets(targets, weights)), weights)


def nll_of_profiles(logits: Tensor, counts: Tensor) -> Tensor:
    """Return the negative log-likelihood ``(...)`` of each profile of counts ``(..., positions)``; see above."""
    shares = torch.log_softmax(logits, dim=-1)
    coefficient = torch.lgamma(counts.sum(-1) + 1) - torch.lgamma(counts + 1).sum(-1)
    return -coefficient - (counts * shares).sum(-1)


def log_counts_error(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the mean squared error of log(1 + counts).

    Args:
        logits: ``(batch, tracks)``, predictions of log(1 + counts).
        targets: ``(batch, tracks)`` counts of 0 or more; ignored where the weight is 0.
        weights: ``(batch, tracks)``; 0 for what was not measured.
    """
    losses = (logits - torch.log1p(known_targets(targets, weights))) ** 2
    return weighted_mean(losses, weights)


LOSSES: dict[str, LossFunction] = {
    "binary_cross_entropy": LossFunction(binary_cross_entropy, balances=True),
    "multinomial_nll": LossFunction(multinomial_nll),
    "log_counts_error": LossFunction(log_counts_error),
    "poisson": LossFunction(coverage_losses.poisson, "predictions"),
    "mse": LossFunction(coverage_losses.mse, "predictions"),
    "pearson": LossFunction(coverage_losses.pearson, "predictions"),
    "pearson_mse": LossFunction(coverage_losses.pearson_mse, "predictions"),
    "pearson_poisson": LossFunction(coverage_losses.pearson_poisson, "predictions"),
    "log_poisson": LossFunction(coverage_losses.log_poisson, "predictions"),
    "cosine": LossFunction(coverage_losses.cosine, "predictions"),
    "poisson_multinomial": LossFunction(coverage_losses.poisson_multinomial, "predictions"),
    "multinomial_mse": LossFunction(coverage_losses.multinomial_mse, "predictions"),
}
