"""Self-attention along the DNA, to lift with PerStrand."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from strandwise.errors import StrandLawError
from strandwise.layers.typed import TypedModule
from strandwise.strand import StrandType, plain

Place = Literal["none", "symmetric", "relative"]


class SelfAttention(TypedModule):
    """Let every position gather from all others, by several heads.

    Only distances between positions enter, never places in the window. The weights are not tied, so the output
    is plain; lift it, ``PerStrand(SelfAttention(kind, n), kind)``, where `kind` is lawful.

    Args:
        in_type: type of the input ``(batch, channels, positions)``.
        units: channels of the output, and of queries, keys and values together.
        heads: in how many parts `units` attend on their own.
        place: what heads know of positions: "none"; a learned offset by distance, the same to both sides
            ("symmetric"), or one for each side ("relative"). Offsets start at 0.
        max_distance: positions from which on all have the same offset.

    Raises:
        StrandLawError: a type without positions, or sizes that do not fit.
    """

    def __init__(
        self,
        in_type: StrandType,
        units: int,
        *,
        heads: int = 4,
        place: Place = "relative",
        max_distance: int = 128,
    ) -> None:
        if not in_type.positions:
            raise StrandLawError(f"{in_type} has no positions to attend to: use Dense.")
        if units < 1 or heads < 1 or units % heads:
            raise StrandLawError(f"{units} units cannot be shared equally by {heads} heads: use a multiple of heads.")
        if place not in get_args(Place):
            raise StrandLawError(f"place '{place}' is not known: use one of {', '.join(get_args(Place))}.")
        if max_distance < 1:
            raise StrandLawError(f"max_distance {max_distance} must be 1 or more.")
        super().__init__(in_type, plain(units))
        self.heads, self.place, self.max_distance = heads, place, max_distance
        self.gather = nn.Linear(in_type.channels, 3 * units)
        self.join = nn.Linear(units, units)
        for part in (*self.gather.weight.chunk(3), self.join.weight):
            nn.init.xavier_uniform_(part)
        for linear in (self.gather, self.join):
            nn.init.zeros_(linear.bias)
        sides = {"none": 0, "symmetric": max_distance + 1, "relative": 2 * max_distance + 1}[place]
        self.offset = nn.Parameter(torch.zeros(heads, sides)) if sides else None

    def forward(self, x: Tensor) -> Tensor:
        """Attend over ``(batch, channels, positions)``, to ``(batch, units, positions)``."""
        parts = self.gather(x.transpose(1, 2)).chunk(3, dim=-1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        y = functional.scaled_dot_product_attention(query, key, value, attn_mask=self._offsets(x.shape[2]))
        return self.join(y.transpose(1, 2).flatten(2)).transpose(1, 2)

    def _offsets(self, length: int) -> Tensor | None:
        """Return what is added to scores ``(heads, positions, positions)``."""
        if self.offset is None:
            return None
        place = torch.arange(length, device=self.offset.device)
        distance = (place - place.unsqueeze(1)).clamp(-self.max_distance, self.max_distance)
        distance = distance.abs() if self.place == "symmetric" else distance + self.max_distance
        return self.offset[:, distance]

    def extra_repr(self) -> str:
        """Show types, heads and what they know of positions."""
        return f"{super().extra_repr()}, heads={self.heads}, place={self.place}"
