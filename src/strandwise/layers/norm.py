"""Batch normalisation whose statistics and scales are shared by a channel and its partner."""

import torch
from torch import Tensor, nn

from strandwise.layers.fusion import Fused, Pairing, normalise_in_training, rescale
from strandwise.layers.tying import tied_bias, tied_scale
from strandwise.layers.typed import TypedModule
from strandwise.strand import StrandType

ALONE = Fused()


class BatchNorm1d(TypedModule):
    """Normalise each channel over batch and positions, pooling the statistics of strand partners.

    As in Shrikumar et al. 2017, a filter and its reverse complement have one mean, one variance, one scale
    and one offset. Odd channels have no mean and no offset: they are divided by their root mean square
    (Mallet & Vert 2021). For plain types this is `torch.nn.BatchNorm1d`.

    Args:
        type: type of input and output.
        momentum: weight of the newest batch in the running statistics (Keras' 0.99 is 0.01 here).
        eps: added to the variance.
    """

    running_mean: Tensor
    running_var: Tensor
    partner: Tensor
    even: Tensor | None
    in_orbit: Tensor

    def __init__(self, type: StrandType, *, momentum: float = 0.1, eps: float = 1e-5) -> None:  # noqa: A002
        super().__init__(type, type)
        self.momentum, self.eps = momentum, eps
        self.weight = tied_scale(type)
        self.bias = tied_bias(type)
        orbits = self.weight.free.numel()
        self.register_buffer("running_mean", torch.zeros(orbits))
        self.register_buffer("running_var", torch.ones(orbits))
        self.register_buffer("partner", torch.tensor(type.partner), persistent=False)
        signs = torch.tensor(type.sign)
        self.register_buffer("even", (signs > 0).float() if (signs < 0).any() else None, persistent=False)
        members = torch.tensor([1 if c == p else 2 for c, p in enumerate(type.partner)])
        members = members[self.weight.first] if type.lawful else torch.ones(type.channels)
        self.register_buffer("in_orbit", members.float(), persistent=False)
        self.paired = type.lawful and type.partner != tuple(range(type.channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(batch, channels, positions)`` or ``(batch, channels)``."""
        return self.followed(x, ALONE)

    def followed(self, x: Tensor, then: Fused) -> Tensor:
        """Normalise, then apply what follows, in one step where the device has one."""
        weight, bias = self.weight(), self.bias()
        flat = x.unsqueeze(2) if x.ndim == 2 else x
        flat = flat.to(weight.dtype)
        if self.training:
            pairing = Pairing(self.partner, self.even) if self.paired or self.even is not None else None
            y, mean, variance = normalise_in_training(flat, weight, bias, pairing, self.eps, then)
            self._remember(mean, variance, x)
        else:
            mean, variance = self._running()
            scale = weight * torch.rsqrt(variance + self.eps)
            y = rescale(flat, scale, bias - mean * scale, then)
        return y.squeeze(2) if x.ndim == 2 else y

    def _running(self) -> tuple[Tensor, Tensor]:
        if not self.weight.tied:
            return self.running_mean, self.running_var
        mean = self.running_mean[self.weight.index]
        return (mean if self.even is None else mean * self.even), self.running_var[self.weight.index]

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, x: Tensor) -> None:
        if self.weight.tied:
            mean, variance = mean[self.weight.first], variance[self.weight.first]
        # A pair has twice the values of a channel alone. An odd channel has no mean to lose, but one rule is enough.
        n = x.numel() // x.shape[1] * self.in_orbit
        self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var) * (n / (n - 1).clamp(min=1)), self.momentum)

    @torch.no_grad()
    def frozen(self) -> nn.Module:
        """Return the equivalent `torch.nn.BatchNorm1d`, in eval mode."""
        norm = nn.BatchNorm1d(self.in_type.channels, self.eps, self.momentum).to(self.running_mean)
        norm.weight.copy_(self.weight())
        norm.bias.copy_(self.bias())
        mean, variance = self._running()
        norm.running_mean, norm.running_var = mean.clone(), variance.clone()
        return norm.eval()
