"""Laying pooled channels out along the DNA again, for networks with a bottleneck."""

from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers.typed import TypedModule
from strandwise.strand import StrandType


class Unflatten(TypedModule):
    """Lay pooled channels out along positions: each channel of the output takes as many as it has positions.

    Channel c at position l is input ``c * length + l``, whose partner is the partner of c at the mirrored
    position. For `regular(n)` the input is therefore `regular(n * length).pooled()`.

    Args:
        out_type: type of the output ``(batch, channels, positions)``.
        length: its positions.

    Raises:
        StrandLawError: a type without positions, or no positions.
    """

    def __init__(self, out_type: StrandType, length: int) -> None:
        if not out_type.positions:
            raise StrandLawError(f"{out_type} has no positions to lay channels along: leave the layer out.")
        if length < 1:
            raise StrandLawError(f"channels cannot be laid along {length} positions: give 1 or more.")
        super().__init__(_flat(out_type, length), out_type)
        self.length = length

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channels * length)`` to ``(batch, channels, length)``."""
        return x.unflatten(1, (self.out_type.channels, self.length))

    def out_length(self, length: int) -> int:
        """Return the positions of the output."""
        return self.length

    def frozen(self) -> nn.Module:
        """Return `torch.nn.Unflatten`."""
        return nn.Unflatten(1, (self.out_type.channels, self.length))

    def extra_repr(self) -> str:
        """Show the type of the output and its positions."""
        return f"{self.out_type}, length={self.length}"


def _flat(kind: StrandType, length: int) -> StrandType:
    places = range(length)
    # Ordinary features have no mirror image.
    image = [length - 1 - place for place in places] if kind.lawful else list(places)
    partner = tuple(other * length + image[place] for other in kind.partner for place in places)
    sign = tuple(sign for sign in kind.sign for _ in places)
    return StrandType(partner, sign, positions=False, lawful=kind.lawful, name=f"{kind} at {length} positions")
