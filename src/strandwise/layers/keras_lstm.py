"""The LSTM of Keras 1, to lift with PerStrand: published networks were trained with it."""

import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers.dropout import ChannelDropout
from strandwise.layers.typed import TypedModule
from strandwise.strand import StrandType, plain

DIRECTIONS, GATES = 2, 4


class KerasLSTM(TypedModule):
    """Read along the DNA from both ends with long short-term memory as Keras 1 computes it; lift it with PerStrand.

    It differs from `LSTM` in three ways: gates are hard sigmoids, clip(0.2 x + 0.5, 0, 1), each has one offset
    rather than two, and dropout forgets the same inputs and states at every position, drawn for each gate
    (Gal & Ghahramani 2016). Weights are stored by direction (from the left, from the right) and gate (input, forget,
    cell, output).

    Args:
        in_type: type of the input ``(batch, channels, positions)``.
        units: size of the state in each direction.
        dropout: the chance of an input channel, and of a state, to be forgotten in training.
        both_ends: the second direction reads from the right; False lets both read from the left.

    Raises:
        StrandLawError: a type without positions, no units, or a chance that is not in its range.
    """

    def __init__(self, in_type: StrandType, units: int, *, dropout: float = 0.0, both_ends: bool = True) -> None:
        if not in_type.positions:
            raise StrandLawError(f"{in_type} has no positions to read one after the other: use Dense.")
        if units < 1:
            raise StrandLawError(f"units {units} must be 1 or more.")
        super().__init__(in_type, plain(DIRECTIONS * units))
        self.units, self.both_ends, channels = units, both_ends, in_type.channels
        self.input_weight = nn.Parameter(torch.empty(DIRECTIONS, GATES, channels, units))
        self.state_weight = nn.Parameter(torch.empty(DIRECTIONS, GATES, units, units))
        self.bias = nn.Parameter(torch.zeros(DIRECTIONS, GATES, units))
        self.forget_inputs = ChannelDropout(plain(DIRECTIONS * GATES * channels).pooled(), dropout)
        self.forget_states = ChannelDropout(plain(DIRECTIONS * GATES * units).pooled(), dropout)
        self._start()

    @torch.no_grad()
    def _start(self) -> None:
        limit = (6 / (self.in_type.channels + self.units)) ** 0.5
        nn.init.uniform_(self.input_weight, -limit, limit)
        for square in self.state_weight.flatten(0, 1):
            nn.init.orthogonal_(square)
        # What is in memory is kept until the gate learns to forget.
        self.bias[:, 1] = 1

    def forward(self, x: Tensor) -> Tensor:
        """Read ``(batch, channels, positions)`` to the states ``(batch, 2 units, positions)``."""
        rows = x.shape[0]
        given = self._given(x)
        kept = self._mask(self.forget_states, x, self.units)
        state = x.new_zeros(DIRECTIONS, rows, self.units)
        memory, states = state, []
        for here in given.unbind(0):
            seen = state.unsqueeze(1) if kept is None else state.unsqueeze(1) * kept
            gates = here + torch.matmul(seen, self.state_weight)
            take, keep, show = (0.2 * gates[:, [0, 1, 3]] + 0.5).clamp(0, 1).unbind(1)
            memory = keep * memory + take * torch.tanh(gates[:, 2])
            state = show * torch.tanh(memory)
            states.append(state)
        along = torch.stack(states)
        # The second direction read from the end: its states are put back to where they were read, on the same strand.
        both = torch.cat([along[:, 0], self._turned(along[:, 1])], dim=-1)
        return both.permute(1, 2, 0)

    def _given(self, x: Tensor) -> Tensor:
        """Return what the input adds to each gate, ``(positions, direction, gate, batch, units)``, in reading order."""
        kept = self._mask(self.forget_inputs, x, self.in_type.channels)
        if kept is None:
            added = torch.einsum("bct,dgcu->tdgbu", x, self.input_weight)
        else:
            added = torch.einsum("dgbct,dgcu->tdgbu", kept.unsqueeze(-1) * x, self.input_weight)
        added = added + self.bias.unsqueeze(2)
        return torch.stack([added[:, 0], self._turned(added[:, 1])], dim=1)

    def _turned(self, along: Tensor) -> Tensor:
        """Return what comes first last, where the second direction reads from the right."""
        return along.flip(0) if self.both_ends else along

    def _mask(self, layer: ChannelDropout, x: Tensor, size: int) -> Tensor | None:
        """Return a mask ``(direction, gate, batch, size)``, the same at every position; None where nothing is drawn."""
        if not self.training or not layer.p:
            return None
        drawn = layer(x.new_ones(x.shape[0], DIRECTIONS * GATES * size))
        return drawn.view(-1, DIRECTIONS, GATES, size).permute(1, 2, 0, 3)
