"""Batch normalisation, ReLU and max pooling as one step, for the time and memory that the three cost apart.

ReLU and a rescaling by a positive number keep the order of values, so pooling may come first: the largest
raw value of a window gives the largest normalised one (the smallest, where the scale is negative). What is
normalised is then as small as what is pooled, and in training the raw values are read twice and written
once. `BatchNorm1d`, `ReLU` and `MaxPool1d` one after the other are the same function, and its test.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


class Pairing(NamedTuple):
    """Which channels share statistics.

    Attributes:
        partner: of each channel, ``(channels,)``.
        even: 1 for channels that have a mean, 0 for odd ones, ``(channels,)``; None where all have.
    """

    partner: Tensor
    even: Tensor | None

    def pooled(self, sums: Tensor) -> Tensor:
        """Return the mean over a channel and its partner."""
        return (sums + sums[self.partner]) / 2


class Fused(NamedTuple):
    """What follows a normalisation: ReLU or not, and windows of a max pooling that fits, or none."""

    relu: bool = False
    window: tuple[int, int] | None = None


def statistics(x: Tensor, pairing: Pairing | None) -> tuple[Tensor, Tensor]:
    """Return mean and variance ``(channels,)`` of ``(batch, channels, positions)``, shared by partners."""
    if x.device.type in ("cpu", "cuda"):
        # `torch.var_mean` takes ten times as long on channels-last memory.
        mean, variance = torch.batch_norm_update_stats(x.unsqueeze(2), None, None, 0.0)
    else:
        variance, mean = torch.var_mean(x, (0, 2), correction=0)
    if pairing is None:
        return mean, variance
    if pairing.even is not None:
        variance = variance + (mean * (1 - pairing.even)) ** 2
        mean = mean * pairing.even
    both = pairing.pooled(mean)
    return both, pairing.pooled(variance + (mean - both) ** 2)


def rescale(x: Tensor, scale: Tensor, shift: Tensor, then: Fused) -> Tensor:
    """Return ``scale * x + shift`` per channel, then ReLU and max pooling where asked for."""
    if then.window is not None:
        x = _extremes(x, scale, then.window)[0]
    y = torch.addcmul(shift.view(-1, 1), x, scale.view(-1, 1))
    return functional.relu(y) if then.relu else y


def normalise_in_training(
    x: Tensor, weight: Tensor, bias: Tensor, pairing: Pairing | None, eps: float, then: Fused
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise ``(batch, channels, positions)`` by its own statistics, then ReLU and max pooling where asked for.

    Returns:
        The result, and the mean and variance ``(channels,)`` that were used.
    """
    return _Normalisation.apply(x, weight, bias, pairing, eps, then)  # pyright: ignore[reportReturnType]


class _Normalisation(torch.autograd.Function):
    """The gradient in one pass over the raw values: per channel, dx = A g + B x + C, with g zero off the maxima."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, pairing: Pairing | None, eps: float, then: Fused
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean, variance = statistics(x, pairing)
        inverse = torch.rsqrt(variance + eps)
        scale = weight * inverse
        shift = torch.addcmul(bias, mean, scale, value=-1)
        chosen, index = (x, None) if then.window is None else _extremes(x, scale, then.window)
        y = torch.addcmul(shift.view(-1, 1), chosen, scale.view(-1, 1))
        if then.relu:
            y = y.relu_()
        ctx.pairing, ctx.then, ctx.index = pairing, then, index
        ctx.save_for_backward(x, chosen, y if then.relu else None, scale, mean, inverse)
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, chosen, y, scale, mean, inverse = ctx.saved_tensors
        g = gradients[0]
        if y is not None:
            g = torch.ops.aten.threshold_backward(g, y, 0)
        # Of the kernel for two dimensions only the two sums over each channel are wanted.
        _, by_weight, by_bias = torch.ops.aten.native_batch_norm_backward(
            g.unsqueeze(2), chosen.unsqueeze(2), scale, None, None, mean, inverse, True, 0.0, [False, True, True]
        )
        if not ctx.needs_input_grad[0]:
            return None, by_weight, by_bias, None, None, None
        n = x.shape[0] * x.shape[2]
        pull, push = by_weight / n, by_bias / n
        if ctx.pairing is not None:
            pull, push = ctx.pairing.pooled(pull), ctx.pairing.pooled(push)
            if ctx.pairing.even is not None:
                push = push * ctx.pairing.even
        slope = -scale * inverse * pull
        offset = -scale * push - slope * mean
        dx = torch.addcmul(offset.view(-1, 1), x, slope.view(-1, 1))
        if ctx.index is None:
            dx.addcmul_(g, scale.view(-1, 1))
        else:
            dx.scatter_add_(2, ctx.index, g * scale.view(-1, 1))
        return dx, by_weight, by_bias, None, None, None


def _extremes(x: Tensor, scale: Tensor, window: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return what the largest rescaled value of each window was before, and its position."""
    width, stride = window
    sign = torch.where(scale < 0, -1.0, 1.0).to(x.dtype)
    upright = bool((scale >= 0).all())
    turned = x if upright else x * sign.view(-1, 1)
    values, index = functional.max_pool2d(turned.unsqueeze(2), (1, width), (1, stride), return_indices=True)
    values, index = values.squeeze(2), index.squeeze(2)
    return (values if upright else values * sign.view(-1, 1)), index
