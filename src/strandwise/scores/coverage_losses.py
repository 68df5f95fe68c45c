"""Losses of quantitative coverage: of what is predicted in each bin of a window, after the link.

All take ``(batch, tracks, positions)`` predictions and targets and ``(batch, tracks)`` weights; what is said of windows
as a whole, ``(batch, tracks)``, is taken as one bin. Where a weight is 0 neither matters: a target may be NaN there.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from strandwise.scores.weighting import known_targets, weighted_mean

CoverageLoss = Literal[
    "poisson",
    "mse",
    "pearson",
    "pearson_mse",
    "pearson_poisson",
    "log_poisson",
    "cosine",
    "poisson_multinomial",
    "multinomial_mse",
]
"""The losses by which coverage can be learned."""

CORRELATIONS = ("pearson", "pearson_mse", "pearson_poisson")
"""Losses that are not sums over windows, so that they depend on which windows are in a batch together."""

_LOG_FLOOR = 1e-8
_LEAST_SPREAD = 1e-12


def poisson(predictions: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the mean Poisson loss of coverage, prediction - target log(prediction) (Basenji, GOPHER).

    It is the negative log-likelihood of counts but for a term of the targets alone, so it may be below zero.
    """
    losses = _poisson(*_in_bins(predictions, targets, weights))
    return weighted_mean(losses.mean(-1), weights)


def log_poisson(predictions: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the Poisson loss of log(1 + coverage), predicted and measured, in which tall peaks weigh less."""
    predictions, targets = _in_bins(predictions, targets, weights)
    losses = _poisson(torch.log1p(predictions), torch.log1p(targets))
    return weighted_mean(losses.mean(-1), weights)


def mse(predictions: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the mean squared error of coverage."""
    predictions, targets = _in_bins(predictions, targets, weights)
    return weighted_mean(((predictions - targets) ** 2).mean(-1), weights)


def pearson(predictions: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return minus the correlation of predicted and measured coverage, averaged over tracks.

    The correlation of a track is over all bins of all windows of a batch (GOPHER, Toneyan et al. 2022, after
    Basenji), a window counting by its weight; 0 where either is constant. It says nothing of the scale.
    """
    x, y = _in_bins(predictions, targets, weights)
    share = (weights / weights.sum(0).clamp(min=1e-12)).unsqueeze(-1) / x.shape[-1]
    x, y = (values - (values * share).sum((0, 2), keepdim=True) for values in (x, y))
    joint, of_x, of_y = ((a * b * share).sum((0, 2)) for a, b in ((x, y), (x, x), (y, y)))
    correlations = joint / (of_x.clamp(min=_LEAST_SPREAD) * of_y.clamp(min=_LEAST_SPREAD)).sqrt()
    return -weighted_mean(correlations, (weights > 0).any(0).to(correlations))


def pearson_mse(predictions: Tensor, targets: Tensor, weights: Tensor, alpha: float = 1e-3) -> Tensor:
    """Return the correlation loss plus `alpha` times the squared error, which fixes the scale (GOPHER)."""
    return pearson(predictions, targets, weights) + alpha * mse(predictions, targets, weights)


def pearson_poisson(predictions: Tensor, targets: Tensor, weights: Tensor, alpha: float = 0.1) -> Tensor:
    """Return the correlation loss plus `alpha` times the Poisson loss.

    A sum, and not 2ab / (a + b) of the two as in the code of GOPHER, which has no bounds where they cancel.
    """
    return pearson(predictions, targets, weights) + alpha * poisson(predictions, targets, weights)


def cosine(predictions: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return 1 minus the cosine between predicted and measured coverage of each window and track.

    Windows without coverage, to which nothing has an angle, count as 1.
    """
    alike = functional.cosine_similarity(*_in_bins(predictions, targets, weights), dim=-1, eps=1e-8)
    return weighted_mean(1 - alike, weights)


def poisson_multinomial(predictions: Tensor, targets: Tensor, weights: Tensor, total_weight: float = 0.2) -> Tensor:
    """Return the loss of the shape of coverage plus `total_weight` times that of its total.

    It is that of Borzoi (Linder et al. 2025). The shape is a multinomial of the shares of the bins, the total is
    Poisson; both are divided by the number of bins. With a total weight of 1 the sum is the Poisson loss of the bins.
    """
    predictions, targets = _in_bins(predictions, targets, weights)
    bins = predictions.shape[-1]
    totals = _poisson(predictions.sum(-1), targets.sum(-1)) / bins
    return weighted_mean(_shape(predictions, targets) / bins + total_weight * totals, weights)


def multinomial_mse(predictions: Tensor, targets: Tensor, weights: Tensor, alpha: float = 1e-7) -> Tensor:
    """Return the squared error plus `alpha` times the multinomial loss of shapes ("multinomialnll_mse_reg" of GOPHER).

    The shares of bins are predicted coverage over its total; GOPHER's code reads the same numbers as logits, and adds
    up the losses of tracks, of which this is the mean.
    """
    losses = _shape(*_in_bins(predictions, targets, weights))
    return mse(predictions, targets, weights) + alpha * weighted_mean(losses, weights)


def _in_bins(predictions: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return predictions and targets ``(batch, tracks, positions)``, with 0 where a target is not known."""
    targets = known_targets(targets, weights)
    return (predictions, targets) if predictions.ndim > 2 else (predictions.unsqueeze(-1), targets.unsqueeze(-1))


def _poisson(predictions: Tensor, targets: Tensor) -> Tensor:
    return functional.poisson_nll_loss(predictions, targets, log_input=False, eps=_LOG_FLOOR, reduction="none")


def _shape(predictions: Tensor, targets: Tensor) -> Tensor:
    """Return the negative log-likelihood ``(...)`` of bins ``(..., positions)``, but for a term of targets alone."""
    logs = torch.log(predictions + _LOG_FLOOR) - torch.log(predictions.sum(-1, keepdim=True) + _LOG_FLOOR)
    return -(targets * logs).sum(-1)
