"""What every loss does with weights: what has none is left out, exactly."""

import torch
from torch import Tensor


def known_targets(targets: Tensor, weights: Tensor) -> Tensor:
    """Return targets with 0 wherever the weight is 0.

    What was not measured may be written as NaN, which not even a weight of 0 would silence.

    Args:
        targets: ``(batch, tracks)`` or ``(batch, tracks, positions)``.
        weights: ``(batch, tracks)``.
    """
    known = (weights > 0).view(*weights.shape, *([1] * (targets.ndim - weights.ndim)))
    return torch.where(known, targets, torch.zeros_like(targets))


def weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of losses by their weights, both of one shape; 0 where there is no weight at all."""
    return (losses * weights).sum() / weights.sum().clamp(min=1e-12)
