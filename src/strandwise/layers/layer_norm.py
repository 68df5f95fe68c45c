"""Normalisation of each sequence by itself: over channels, or over groups of channels and positions."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from strandwise.errors import StrandLawError
from strandwise.layers.tying import carried_groups, tied_bias, tied_scale
from strandwise.layers.typed import TypedModule
from strandwise.strand import StrandType


class LayerNorm(TypedModule):
    """Normalise the channels of each position together.

    Reverse complement only reorders the channels of a position, so their mean and variance are the same from
    either strand. Odd channels have no mean and no offset, as in `BatchNorm1d`: the mean is that of the even
    ones, and the variance is the mean square of even channels about it and of odd channels about zero. For odd
    channels alone this is division by the root mean square; for plain and even types `torch.nn.LayerNorm`.

    Args:
        type: type of input and output, ``(batch, channels, positions)`` or ``(batch, channels)``.
        eps: added to the variance.
    """

    even: Tensor | None

    def __init__(self, type: StrandType, *, eps: float = 1e-5) -> None:  # noqa: A002
        super().__init__(type, type)
        self.eps = eps
        self.weight, self.bias = tied_scale(type), tied_bias(type)
        self.register_buffer("even", _even(type), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(batch, channels, positions)`` or ``(batch, channels)``."""
        last = x.transpose(1, -1)
        weight, bias = self.weight(), self.bias()
        if self.even is None:
            return functional.layer_norm(last, last.shape[-1:], weight, bias, self.eps).transpose(1, -1)
        mean = (last * self.even).sum(-1, keepdim=True) / self.even.sum().clamp(min=1)
        centred = last - mean * self.even
        scale = torch.rsqrt(centred.square().mean(-1, keepdim=True) + self.eps)
        return torch.addcmul(bias, centred * scale, weight).transpose(1, -1)

    @torch.no_grad()
    def frozen(self) -> nn.Module:
        """Return the equivalent `torch.nn.LayerNorm` over the channels; types with odd channels stay as they are."""
        if self.even is not None:
            return self
        kind = _OverChannels if self.in_type.positions else nn.LayerNorm
        norm = kind(self.in_type.channels, self.eps).to(self.weight.free)
        norm.weight.copy_(self.weight())
        norm.bias.copy_(self.bias())
        return norm


class GroupNorm(TypedModule):
    """Normalise blocks of neighbouring channels together, over all positions of a sequence.

    A block and the block of its partners share their statistics, so that a filter and its reverse complement
    are divided by the same number and keep their relative strength. Odd channels have no mean and no offset, as
    in `LayerNorm`. For plain types, and where each block holds its own partners, this is `torch.nn.GroupNorm`.

    Args:
        type: type of input and output, ``(batch, channels, positions)`` or ``(batch, channels)``.
        groups: number of blocks; for `regular(n)`, 2k blocks hold the filters in k.
        eps: added to the variance.

    Raises:
        StrandLawError: blocks that are not equal, or whose partners are in several blocks.
    """

    even: Tensor | None
    partner: Tensor | None

    def __init__(self, type: StrandType, groups: int, *, eps: float = 1e-5) -> None:  # noqa: A002
        super().__init__(type, type)
        possible = [n for n in range(1, type.channels + 1) if _blocks(type, n) is not None]
        if groups not in possible:
            why = "do not divide" if groups < 1 or type.channels % groups else "part partners among"
            raise StrandLawError(
                f"{groups} groups {why} the {type.channels} channels of {type}: a group's partners must be one "
                f"group; use one of {possible}."
            )
        self.groups, self.eps = groups, eps
        self.weight, self.bias = tied_scale(type), tied_bias(type)
        blocks = torch.tensor(_blocks(type, groups))
        apart = not torch.equal(blocks, torch.arange(groups))
        even = _even(type)
        self.register_buffer("partner", blocks if apart else None, persistent=False)
        self.register_buffer("even", None if even is None else even.view(groups, -1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(batch, channels, positions)`` or ``(batch, channels)``."""
        weight, bias = self.weight(), self.bias()
        if self.partner is None and self.even is None:
            return functional.group_norm(x, self.groups, weight, bias, self.eps)
        blocks = x.reshape(x.shape[0], self.groups, x.shape[1] // self.groups, -1)
        if self.even is None:
            centred = blocks - self._shared(blocks.mean((2, 3), keepdim=True))
        else:
            count = self.even.sum(1, keepdim=True).clamp(min=1) * blocks.shape[3]
            mean = (blocks * self.even).sum((2, 3), keepdim=True) / count
            centred = blocks - self._shared(mean) * self.even
        variance = self._shared(centred.square().mean((2, 3), keepdim=True))
        normal = (centred * torch.rsqrt(variance + self.eps)).reshape(x.shape)
        along = (-1, 1) if x.ndim == 3 else (-1,)
        return torch.addcmul(bias.view(along), normal, weight.view(along))

    def _shared(self, statistic: Tensor) -> Tensor:
        """Return the mean of a statistic ``(batch, groups, 1, 1)`` over a block and the block of its partners."""
        return statistic if self.partner is None else (statistic + statistic[:, self.partner]) / 2

    @torch.no_grad()
    def frozen(self) -> nn.Module:
        """Return the equivalent `torch.nn.GroupNorm`, where there is one."""
        if self.partner is not None or self.even is not None:
            return self
        norm = nn.GroupNorm(self.groups, self.in_type.channels, self.eps).to(self.weight.free)
        norm.weight.copy_(self.weight())
        norm.bias.copy_(self.bias())
        return norm

    def extra_repr(self) -> str:
        """Show type and groups."""
        return f"{self.in_type}, groups={self.groups}"


class _OverChannels(nn.LayerNorm):
    """`torch.nn.LayerNorm` over the channels of ``(batch, channels, positions)``."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return super().forward(input.transpose(1, 2)).transpose(1, 2)


def _even(kind: StrandType) -> Tensor | None:
    """Return 1 for channels that have a mean and 0 for odd ones; None where all have."""
    signs = torch.tensor(kind.sign)
    return (signs > 0).float() if (signs < 0).any() else None


def _blocks(kind: StrandType, groups: int) -> tuple[int, ...] | None:
    if kind.lawful:
        return carried_groups(kind, groups)
    return tuple(range(groups)) if groups >= 1 and kind.channels % groups == 0 else None
