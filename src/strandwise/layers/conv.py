"""Convolution between any two strand types, as one fused call on tied weights."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from strandwise.errors import StrandLawError
from strandwise.layers.layout import convolve
from strandwise.layers.tying import glorot_uniform, positions, tied_bias, tied_weight
from strandwise.layers.typed import TypedModule
from strandwise.strand import StrandType


class Conv1d(TypedModule):
    """Convolve along the DNA, with filters that read both strands where the types are lawful.

    From `dna()` to `regular(n)` this is the reverse-complement convolution of Shrikumar et al. 2017
    (n filters and their reverse complements, 2n channels); from `plain` or to `plain` it is an ordinary
    convolution.

    Args:
        in_type: type of the input ``(batch, channels, positions)``.
        out_type: type of the output.
        kernel_size: taps in bases.
        dilation: distance between taps.
        padding: "valid" shortens by the kernel's reach; "same" keeps the length with zeros on both sides.
        bias: learn an offset per filter, shared with its partner.

    Raises:
        StrandLawError: a pooled type, or "same" with a reach that cannot be centred between lawful types.
    """

    def __init__(
        self,
        in_type: StrandType,
        out_type: StrandType,
        kernel_size: int,
        *,
        dilation: int = 1,
        padding: str = "valid",
        bias: bool = True,
    ) -> None:
        super().__init__(in_type, out_type)
        if not (in_type.positions and out_type.positions):
            raise StrandLawError(
                f"Conv1d needs positions on both sides, got {in_type} -> {out_type}: use Dense for pooled types."
            )
        if kernel_size < 1 or dilation < 1:
            raise StrandLawError(f"kernel_size {kernel_size} and dilation {dilation} must both be 1 or more.")
        if padding not in ("valid", "same"):
            raise StrandLawError(f"padding '{padding}' is not known: use 'valid' or 'same'.")
        self.kernel_size, self.dilation, self.padding = kernel_size, dilation, padding
        self.reach = (kernel_size - 1) * dilation
        if padding == "same" and self.reach % 2 and in_type.lawful and out_type.lawful:
            raise StrandLawError(
                f"'same' padding for {kernel_size} taps at dilation {dilation} adds {self.reach} zeros, which "
                "cannot be shared equally by the two ends: use an odd kernel_size, an even dilation, "
                "padding='valid', or lift the layer with PerStrand."
            )
        self.weight = tied_weight(out_type, in_type, positions(kernel_size))
        self.bias = tied_bias(out_type) if bias else None
        glorot_uniform(self.weight, in_type.channels * kernel_size, out_type.channels * kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``(batch, in, positions)`` to ``(batch, out, positions)``."""
        if self.padding == "same":
            x = functional.pad(x, (self.reach // 2, self.reach - self.reach // 2))
        bias = None if self.bias is None else self.bias()
        return convolve(x, self.weight(), bias, self.dilation)

    def out_length(self, length: int) -> int:
        """Return the positions left of `length`."""
        left = length if self.padding == "same" else length - self.reach
        if left < 1:
            raise StrandLawError(
                f"{length} positions are fewer than the {self.reach + 1} that a convolution of "
                f"{self.kernel_size} taps reads: widen the input or narrow the kernel."
            )
        return left

    @torch.no_grad()
    def frozen(self) -> nn.Module:
        """Return the equivalent `torch.nn.Conv1d`."""
        conv = nn.Conv1d(
            self.in_type.channels,
            self.out_type.channels,
            self.kernel_size,
            dilation=self.dilation,
            padding=self.reach // 2 if self.padding == "same" else 0,
            bias=self.bias is not None,
        ).to(self.weight.free)
        conv.weight.copy_(self.weight())
        if self.bias is not None and conv.bias is not None:
            conv.bias.copy_(self.bias())
        if self.padding == "same" and self.reach % 2:
            return nn.Sequential(
                nn.ConstantPad1d((self.reach // 2, self.reach - self.reach // 2), 0.0), _unpadded(conv)
            )
        return conv

    def extra_repr(self) -> str:
        """Show types, taps and padding."""
        return f"{super().extra_repr()}, kernel_size={self.kernel_size}, dilation={self.dilation}, {self.padding}"


def _unpadded(conv: nn.Conv1d) -> nn.Conv1d:
    conv.padding = (0,)
    return conv
