"""Fully connected layers that respect both strands, and the sum across strands."""

import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers.tying import glorot_uniform, positions, tied_bias, tied_weight
from strandwise.layers.typed import TypedModule
from strandwise.strand import StrandType


class Dense(TypedModule):
    """Connect every channel (and every position) to every output, with weights tied across strands.

    From `regular(n).pooled()` to `unstranded(k).pooled()` this is the dense layer after a weighted sum of
    Shrikumar et al. 2017, with n k weights and k offsets; with positions it is their dense layer
    after a convolution.

    Args:
        in_type: type of the input, ``(batch, channels, positions)`` or ``(batch, channels)``.
        out_type: pooled type of the output ``(batch, channels)``.
        in_length: positions that come in, where the input has any.
        bias: learn an offset per output.
    """

    def __init__(self, in_type: StrandType, out_type: StrandType, *, in_length: int = 0, bias: bool = True) -> None:
        super().__init__(in_type, out_type)
        if out_type.positions:
            raise StrandLawError(f"Dense gives no positions: use {out_type}.pooled() as out_type.")
        if in_type.positions and in_length < 1:
            raise StrandLawError(f"Dense on {in_type} needs in_length, the number of positions that come in.")
        self.in_length = in_length if in_type.positions else 0
        along = (positions(in_length),) if in_type.positions else ()
        self.weight = tied_weight(out_type, in_type, *along)
        self.bias = tied_bias(out_type, in_type) if bias else None
        glorot_uniform(self.weight, in_type.channels * max(self.in_length, 1), out_type.channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channels[, positions])`` to ``(batch, outputs)``."""
        bias = None if self.bias is None else self.bias()
        return nn.functional.linear(x.flatten(1), self.weight().flatten(1), bias)

    def out_length(self, length: int) -> int:
        """Return 0: no positions are left."""
        if length != self.in_length:
            raise StrandLawError(f"the dense layer was made for {self.in_length} positions, got {length}.")
        return 0

    @torch.no_grad()
    def frozen(self) -> nn.Module:
        """Return `torch.nn.Linear`, after flattening where there are positions."""
        weight = self.weight().flatten(1)
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=self.bias is not None).to(weight)
        linear.weight.copy_(weight)
        if self.bias is not None:
            linear.bias.copy_(self.bias())
        return nn.Sequential(nn.Flatten(), linear) if self.in_length else linear


class SumChannels(TypedModule):
    """Add up all channels and learn one offset: a dense layer whose weights are fixed at one.

    Shrikumar et al. 2017 (section 3.4.2) use it after the weighted sum of a network with a single output,
    where learned weights would only rescale those before them.
    """

    def __init__(self, in_type: StrandType, out_type: StrandType) -> None:
        super().__init__(in_type, out_type)
        odd = min(in_type.sign) < 0 or min(out_type.sign) < 0
        if in_type.positions or out_type.positions or out_type.channels != 1 or odd:
            raise StrandLawError(f"SumChannels goes from pooled even channels to one, not {in_type} -> {out_type}.")
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channels)`` to ``(batch, 1)``."""
        return x.sum(1, keepdim=True) + self.bias

    @torch.no_grad()
    def frozen(self) -> nn.Module:
        """Return `torch.nn.Linear` with weights of one."""
        linear = nn.Linear(self.in_type.channels, 1).to(self.bias)
        linear.weight.fill_(1.0)
        linear.bias.copy_(self.bias)
        return linear
