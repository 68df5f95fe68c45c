"""Transposed convolution between any two strand types, which widens what a stride or a pooling narrowed."""

import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers.layout import convolve_transposed
from strandwise.layers.tying import glorot_uniform, positions, tied_bias, tied_weight
from strandwise.layers.typed import TypedModule
from strandwise.strand import StrandType


class ConvTranspose1d(TypedModule):
    """Spread each position over the bases around it, with filters that write on both strands.

    ``y[o, stride l + dilation k - padding] += W[i, o, k] x[i, l]``: the transpose of a convolution, tied by the
    same rule. It is lawful at every length and stride, as nothing is cut at one end only.

    Args:
        in_type: type of the input ``(batch, channels, positions)``.
        out_type: type of the output, with ``(positions - 1) stride + (kernel_size - 1) dilation + 1 - 2 padding``
            positions.
        kernel_size: taps.
        stride: positions of the output for each of the input.
        dilation: distance between taps.
        padding: positions cut from each end of the output.
        bias: learn an offset per filter, shared with its partner.

    Raises:
        StrandLawError: a pooled type, or sizes that are too small.
    """

    def __init__(
        self,
        in_type: StrandType,
        out_type: StrandType,
        kernel_size: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__(in_type, out_type)
        if not (in_type.positions and out_type.positions):
            raise StrandLawError(
                f"ConvTranspose1d needs positions on both sides, got {in_type} -> {out_type}: "
                "use Dense for pooled types."
            )
        if min(kernel_size, stride, dilation) < 1 or padding < 0:
            raise StrandLawError(
                f"kernel_size {kernel_size}, stride {stride} and dilation {dilation} must be 1 or more, "
                f"and padding {padding} 0 or more."
            )
        self.kernel_size, self.stride, self.dilation, self.padding = kernel_size, stride, dilation, padding
        self.reach = (kernel_size - 1) * dilation
        self.weight = tied_weight(in_type, out_type, positions(kernel_size))
        self.bias = tied_bias(out_type, in_type) if bias else None
        glorot_uniform(self.weight, in_type.channels * kernel_size, out_type.channels * kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        """Spread ``(batch, in, positions)`` over ``(batch, out, positions)``."""
        bias = None if self.bias is None else self.bias()
        return convolve_transposed(x, self.weight(), bias, self.stride, self.padding, self.dilation)

    def out_length(self, length: int) -> int:
        """Return the positions that `length` positions are spread over."""
        spread = (length - 1) * self.stride + self.reach + 1
        if length < 1 or spread <= 2 * self.padding:
            raise StrandLawError(
                f"{length} positions are spread over {max(spread, 0)}, and padding {self.padding} cuts that from "
                "each end: widen the input or lower the padding."
            )
        return spread - 2 * self.padding

    @torch.no_grad()
    def frozen(self) -> nn.Module:
        """Return the equivalent `torch.nn.ConvTranspose1d`."""
        conv = nn.ConvTranspose1d(
            self.in_type.channels,
            self.out_type.channels,
            self.kernel_size,
            self.stride,
            self.padding,
            dilation=self.dilation,
            bias=self.bias is not None,
        ).to(self.weight.free)
        conv.weight.copy_(self.weight())
        if self.bias is not None and conv.bias is not None:
            conv.bias.copy_(self.bias())
        return conv

    def extra_repr(self) -> str:
        """Show types, taps and steps."""
        sizes = ", ".join(f"{name}={getattr(self, name)}" for name in ("kernel_size", "stride", "dilation", "padding"))
        return f"{super().extra_repr()}, {sizes}"
