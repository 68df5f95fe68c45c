"""One rule for every shared weight: entries that reverse complement carries into each other are one number.

Reverse complement acts on a weight array too: it permutes its output channels, permutes its input channels
and reverses its taps. A typed layer is lawful when its weight is unchanged by that action, so each orbit
of entries is stored once, as one free parameter, and expanded by an index and a sign.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from strandwise.strand import StrandType

_LARGE = 1 << 14
"""Entries of an array from which on a mirror image is made faster than an index is followed, and spares its memory."""


class Axis(NamedTuple):
    """How reverse complement acts on one axis of a weight array."""

    partner: tuple[int, ...]
    sign: tuple[int, ...]


def channels(strand_type: StrandType) -> Axis:
    """Return the action on an axis of channels."""
    return Axis(strand_type.partner, strand_type.sign)


def positions(length: int) -> Axis:
    """Return the action on an axis of positions: reversal, of weights and not of data."""
    return Axis(tuple(range(length))[::-1], (1,) * length)


class Action(NamedTuple):
    """How reverse complement acts on the entries of a whole weight array.

    Attributes:
        image: of the shape of the array; where each entry goes, counted in the flattened array.
        sign: of the same shape, +1 or -1.
    """

    image: Tensor
    sign: Tensor


def along_axes(axes: Sequence[Axis]) -> Action:
    """Return the action on an array whose axes are carried to themselves one by one."""
    shape = torch.Size(len(axis.partner) for axis in axes)
    image, sign = torch.arange(shape.numel()).view(shape), torch.ones(shape)
    for dim, axis in enumerate(axes):
        image = image.index_select(dim, torch.tensor(axis.partner))
        along = [1] * len(axes)
        along[dim] = -1
        sign = sign * torch.tensor(axis.sign, dtype=sign.dtype).view(along)
    return Action(image, sign)


class TiedParameter(nn.Module):
    """A weight array whose entries are shared between the two strands; call it for the full array.

    Where every axis is turned around, as between `dna()` and `regular(n)`, a large array is its free half and the
    mirror image of that. Elsewhere an index says which free entry stands where.

    Args:
        action: the action on the array, or on each of its axes.
        tied: False stores every entry on its own (a weight between types without a law).

    Attributes:
        free: the parameter that is learned, one entry per orbit; the full array where nothing is tied.
        sign: of the full array, where any entry is a free one with a minus sign, or 0.
    """

    sign: Tensor | None

    def __init__(self, action: Action | Sequence[Axis], tied: bool = True) -> None:
        super().__init__()
        given = isinstance(action, Action)
        self.shape = torch.Size(action.image.shape if given else [len(axis.partner) for axis in action])
        self.tied = tied
        self.mirrored = tied and self.shape.numel() >= _LARGE and _turns_around(action)
        if not tied:
            self.free = nn.Parameter(torch.empty(self.shape))
            return
        if self.mirrored:
            self.register_buffer("sign", None, persistent=False)
            self.free = nn.Parameter(torch.empty((self.shape.numel() + 1) // 2))
            return
        whole = action if given else along_axes(action)
        image, sign = whole.image.flatten(), whole.sign.flatten()
        entries = torch.arange(image.numel())
        # An entry that is its own image with a minus sign can only be zero: it is neither stored nor learned.
        zero = (entries == image) & (sign < 0)
        first = (entries <= image) & ~zero
        rank = torch.cumsum(first, 0) - 1
        # Tables as large as the array, or half of it.
        number = torch.int32 if image.numel() < 2**31 else torch.int64
        index = rank[torch.minimum(entries, image)].clamp(min=0)
        self.register_buffer("_index", index.to(number), persistent=False)
        signs = torch.where(entries > image, sign, torch.ones_like(sign)).masked_fill(zero, 0)
        self.register_buffer("sign", signs.view(self.shape) if (signs != 1).any() else None, persistent=False)
        self.register_buffer("_first", first.nonzero().flatten().to(number), persistent=False)
        self.free = nn.Parameter(torch.empty(int(first.sum())))

    @property
    def index(self) -> Tensor:
        """Of each entry of the flattened array, the free entry that it is, but for its sign."""
        if not self.mirrored:
            return cast("Tensor", self._index)
        # Every axis turned around is the flattened array read backwards: entries of weights, not data on a strand.
        entries = torch.arange(self.shape.numel(), device=self.free.device)
        return torch.minimum(entries, entries.flip(0))

    @property
    def first(self) -> Tensor:
        """Where in the flattened array each free entry stands first."""
        if not self.mirrored:
            return cast("Tensor", self._first)
        return torch.arange(self.free.numel(), device=self.free.device)

    def forward(self) -> Tensor:
        """Return the full array."""
        if not self.tied:
            return self.free
        if not self.free.numel():
            return self.free.new_zeros(self.shape)
        if self.mirrored:
            return torch.cat([self.free, self.free[: self.shape.numel() // 2].flip(0)]).view(self.shape)
        full = self.free.index_select(0, self.index).view(self.shape)
        return full if self.sign is None else full * self.sign

    @torch.no_grad()
    def assign(self, full: Tensor) -> None:
        """Set the free entries from a full array (which is taken at the first entry of each orbit)."""
        self.free.copy_(full if not self.tied else full.flatten()[self.first])


def _turns_around(action: Action | Sequence[Axis]) -> bool:
    """Return whether an action turns every axis around, and so the flattened array, without a minus sign."""
    if isinstance(action, Action):
        backwards = torch.arange(action.image.numel()).flip(0).view_as(action.image)
        return torch.equal(action.image, backwards) and bool((action.sign > 0).all())
    return all(axis.partner == tuple(range(len(axis.partner)))[::-1] and min(axis.sign) > 0 for axis in action)


def tied_weight(out_type: StrandType, in_type: StrandType, *rest: Axis) -> TiedParameter:
    """Return a weight ``(out, in, ...)``: tied between lawful types, free where either side is plain."""
    axes = [channels(out_type), channels(in_type), *rest]
    return TiedParameter(axes, tied=out_type.lawful and in_type.lawful)


def grouped_weight(out_type: StrandType, in_type: StrandType, groups: int, taps: int) -> TiedParameter:
    """Return a weight ``(out, in / groups, taps)``, whose output channels read the inputs of their group only.

    The caller has checked that both types carry groups to groups alike (`carried_groups`).
    """
    n_in, n_out = in_type.channels // groups, out_type.channels // groups
    out = torch.arange(out_type.channels).view(-1, 1)
    read = out // n_out * n_in + torch.arange(n_in)
    partner_read = torch.tensor(in_type.partner)[read] % n_in
    first_taps = (torch.tensor(out_type.partner).view(-1, 1) * n_in + partner_read) * taps
    image = first_taps.unsqueeze(2) + torch.arange(taps).flip(0)
    sign = torch.tensor(out_type.sign).view(-1, 1) * torch.tensor(in_type.sign)[read]
    action = Action(image, sign.float().unsqueeze(2).expand(-1, -1, taps))
    return TiedParameter(action, tied=out_type.lawful and in_type.lawful)


def carried_groups(kind: StrandType, groups: int) -> tuple[int, ...] | None:
    """Return, of each of `groups` equal blocks of channels, the block its partners are in; None where they differ."""
    if groups < 1 or kind.channels % groups:
        return None
    width = kind.channels // groups
    blocks = [{other // width for other in kind.partner[at : at + width]} for at in range(0, kind.channels, width)]
    return tuple(block.pop() for block in blocks) if all(len(block) == 1 for block in blocks) else None


def tied_scale(kind: StrandType) -> TiedParameter:
    """Return a scale ``(channels,)``, equal for partners whatever their sign; starts at one."""
    scale = TiedParameter([channels(unsigned(kind))], tied=kind.lawful)
    nn.init.ones_(scale.free)
    return scale


def unsigned(kind: StrandType) -> StrandType:
    """Return the type whose partners are the same and whose channels are all even."""
    return StrandType(kind.partner, (1,) * kind.channels, kind.positions, kind.lawful)


def tied_bias(out_type: StrandType, in_type: StrandType | None = None) -> TiedParameter:
    """Return a bias ``(out,)``, equal for partners and absent on odd channels; starts at zero."""
    bias = TiedParameter([channels(out_type)], tied=out_type.lawful and (in_type is None or in_type.lawful))
    nn.init.zeros_(bias.free)
    return bias


def glorot_uniform(weight: TiedParameter, fan_in: int, fan_out: int) -> None:
    """Fill a weight with Glorot's uniform law, the start of every network of these papers (Keras)."""
    limit = (6 / (fan_in + fan_out)) ** 0.5
    nn.init.uniform_(weight.free, -limit, limit)
