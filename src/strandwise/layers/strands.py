"""Pooling a filter with its reverse complement."""

from typing import Literal, get_args

import torch
from torch import Tensor

from strandwise.errors import StrandLawError
from strandwise.layers.typed import TypedModule
from strandwise.strand import StrandType, unstranded

How = Literal["sum", "mean", "max"]


class PoolStrands(TypedModule):
    """Make one unstranded channel of each channel and its partner, position by position.

    ``y_c(l) = x_c(l) + x_p(l)`` with p the partner of c: from `regular(n)` to `unstranded(n)`, with positions or
    without. Channels without a partner stay as they are.

    Zhou et al. 2022 mirror the second half along the DNA too, ``y_c(l) = x_c(l) + x_p(L - 1 - l)``. That map does
    not turn with the sequence: it is the same from either strand, in the coordinates of whichever was read, so
    no type with positions describes it. An ordinary dense layer on it is `Dense` from `regular(n)` to a pooled
    unstranded type, weight for weight; use that one. Here a dense layer behind it sees both orientations of a
    position as one.

    Args:
        type: type of the input; even channels only.
        how: the sum, the mean or the maximum of both.

    Raises:
        StrandLawError: odd channels, a plain type, or a name that is not known.
    """

    first: Tensor
    second: Tensor

    def __init__(self, type: StrandType, how: How = "sum") -> None:  # noqa: A002
        if not type.lawful:
            raise StrandLawError(f"{type} features have no partners to pool: use regular(n) or stranded(n).")
        if min(type.sign) < 0:
            raise StrandLawError(f"odd channels of {type} have no unstranded value: map them with Conv1d first.")
        if how not in get_args(How):
            raise StrandLawError(f"strands are pooled by {', '.join(get_args(How))}, not '{how}'.")
        first = [channel for channel, other in enumerate(type.partner) if channel <= other]
        kind = unstranded(len(first))
        super().__init__(type, kind if type.positions else kind.pooled())
        self.how = how
        second = [type.partner[channel] for channel in first]
        self.register_buffer("first", torch.tensor(first), persistent=False)
        self.register_buffer("second", torch.tensor(second), persistent=False)
        alone = torch.tensor([a == b for a, b in zip(first, second, strict=True)])
        self.register_buffer("alone", alone, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Pool ``(batch, channels[, positions])`` to ``(batch, pairs[, positions])``."""
        one, other = x.index_select(1, self.first), x.index_select(1, self.second)
        if self.how == "max":
            return torch.maximum(one, other)
        if self.how == "mean":
            return (one + other) / 2
        alone = self.get_buffer("alone")
        return one + other.masked_fill(alone.unsqueeze(1) if x.ndim == 3 else alone, 0)
