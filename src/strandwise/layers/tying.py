"""One rule for every shared weight: entries that reverse complement carries into each other are one number.

Reverse complement acts on a weight array too: it permutes its output channels, permutes its input channels
and reverses its taps. A typed layer is lawful when its weight is unchanged by that action, so each orbit
of entries is stored once, as one free parameter, and expanded by an index and a sign.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from strandwise.strand import StrandType


class Axis(NamedTuple):
    """How reverse complement acts on one axis of a weight array."""

    partner: tuple[int, ...]
    sign: tuple[int, ...]


def channels(strand_type: StrandType) -> Axis:
    """Return the action on an axis of channels."""
    return Axis(strand_type.partner, strand_type.sign)


def positions(length: int) -> Axis:
    """Return the action on an axis of positions: reversal."""
    return Axis(tuple(range(length))[::-1], (1,) * length)


class TiedParameter(nn.Module):
    """A weight array whose entries are shared between the two strands; call it for the full array.

    Args:
        axes: the action on each axis; the product of their lengths is the size of the full array.
        tied: False stores every entry on its own (a weight between types without a law).

    Attributes:
        free: the parameter that is learned, one entry per orbit; the full array where nothing is tied.
    """

    index: Tensor
    first: Tensor
    sign: Tensor | None

    def __init__(self, axes: Sequence[Axis], tied: bool = True) -> None:
        super().__init__()
        self.shape = tuple(len(axis.partner) for axis in axes)
        self.tied = tied
        if not tied:
            self.free = nn.Parameter(torch.empty(self.shape))
            return
        entries = torch.arange(torch.Size(self.shape).numel()).view(self.shape)
        image, sign = entries, torch.ones(self.shape)
        for dim, axis in enumerate(axes):
            image = image.index_select(dim, torch.tensor(axis.partner))
            along = [1] * len(axes)
            along[dim] = -1
            sign = sign * torch.tensor(axis.sign, dtype=sign.dtype).view(along)
        entries, image, sign = entries.flatten(), image.flatten(), sign.flatten()
        # An entry that is its own image with a minus sign can only be zero: it is neither stored nor learned.
        zero = (entries == image) & (sign < 0)
        first = (entries <= image) & ~zero
        rank = torch.cumsum(first, 0) - 1
        self.register_buffer("index", rank[torch.minimum(entries, image)].clamp(min=0), persistent=False)
        signs = torch.where(entries > image, sign, torch.ones_like(sign)).masked_fill(zero, 0)
        self.register_buffer("sign", signs.view(self.shape) if (signs != 1).any() else None, persistent=False)
        self.register_buffer("first", first.nonzero().flatten(), persistent=False)
        self.free = nn.Parameter(torch.empty(int(first.sum())))

    def forward(self) -> Tensor:
        """Return the full array."""
        if not self.tied:
            return self.free
        if not self.free.numel():
            return self.free.new_zeros(self.shape)
        full = self.free.index_select(0, self.index).view(self.shape)
        return full if self.sign is None else full * self.sign

    @torch.no_grad()
    def assign(self, full: Tensor) -> None:
        """Set the free entries from a full array (which is taken at the first entry of each orbit)."""
        self.free.copy_(full if not self.tied else full.flatten()[self.first])


def tied_weight(out_type: StrandType, in_type: StrandType, *rest: Axis) -> TiedParameter:
    """Return a weight ``(out, in, ...)``: tied between lawful types, free where either side is plain."""
    axes = [channels(out_type), channels(in_type), *rest]
    return TiedParameter(axes, tied=out_type.lawful and in_type.lawful)


def tied_bias(out_type: StrandType) -> TiedParameter:
    """Return a bias ``(out,)``, equal for partners and absent on odd channels; starts at zero."""
    bias = TiedParameter([channels(out_type)], tied=out_type.lawful)
    nn.init.zeros_(bias.free)
    return bias


def glorot_uniform(weight: TiedParameter, fan_in: int, fan_out: int) -> None:
    """Fill a weight with Glorot's uniform law, the start of every network of these papers (Keras)."""
    limit = (6 / (fan_in + fan_out)) ** 0.5
    nn.init.uniform_(weight.free, -limit, limit)
