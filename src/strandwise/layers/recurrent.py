"""Recurrent layers, to lift with PerStrand."""

from typing import ClassVar

from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers.typed import TypedModule
from strandwise.strand import StrandType, plain


class Recurrent(TypedModule):
    """Read positions one after the other and keep a state: the base of `LSTM` and `GRU`.

    Reading has a direction, which no tying of weights mirrors, so the output is plain; lift it,
    ``PerStrand(LSTM(kind, n), kind)``, where `kind` is lawful.

    Args:
        in_type: type of the input ``(batch, channels, positions)``.
        units: size of the state in each direction.
        bidirectional: read from both ends and keep both states, 2 x `units` channels.
        layers: how many lie on top of each other.

    Raises:
        StrandLawError: a type without positions, or sizes below 1.
    """

    kind: ClassVar[type[nn.LSTM] | type[nn.GRU]]

    def __init__(self, in_type: StrandType, units: int, *, bidirectional: bool = True, layers: int = 1) -> None:
        if not in_type.positions:
            raise StrandLawError(f"{in_type} has no positions to read one after the other: use Dense.")
        if units < 1 or layers < 1:
            raise StrandLawError(f"units {units} and layers {layers} must both be 1 or more.")
        super().__init__(in_type, plain(units * (1 + bidirectional)))
        self.cells = self.kind(in_type.channels, units, layers, batch_first=True, bidirectional=bidirectional)

    def forward(self, x: Tensor) -> Tensor:
        """Read ``(batch, channels, positions)`` to the states ``(batch, units, positions)``."""
        return self.cells(x.transpose(1, 2))[0].transpose(1, 2)


class LSTM(Recurrent):
    """Read along the DNA with long short-term memory, as DanQ and FactorNet do; lift it with PerStrand.

    Arguments are those of `Recurrent`.
    """

    kind = nn.LSTM


class GRU(Recurrent):
    """Read along the DNA with gated recurrent units; lift it with PerStrand.

    Arguments are those of `Recurrent`.
    """

    kind = nn.GRU
