"""Convolution between any two strand types, as one fused call on tied weights."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from strandwise.errors import StrandLawError
from strandwise.layers.layout import convolve
from strandwise.layers.tying import carried_groups, glorot_uniform, grouped_weight, tied_bias
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
        padding: "valid" shortens by the kernel's reach; "same" adds as many zeros, shared by both sides.
        stride: positions from one step to the next.
        groups: blocks of neighbouring channels; filters of a block read the inputs of the same block only.
        bias: learn an offset per filter, shared with its partner.
        in_length: positions that come in; a stride above 1 between lawful types needs it, and then takes no
            other length.

    Raises:
        StrandLawError: a pooled type; "same" with a reach that cannot be centred, a stride whose steps do not
            end at the last position, or groups that the two types carry differently, between lawful types.
    """

    def __init__(
        self,
        in_type: StrandType,
        out_type: StrandType,
        kernel_size: int,
        *,
        dilation: int = 1,
        padding: str = "valid",
        stride: int = 1,
        groups: int = 1,
        bias: bool = True,
        in_length: int | None = None,
    ) -> None:
        super().__init__(in_type, out_type)
        if not (in_type.positions and out_type.positions):
            raise StrandLawError(
                f"Conv1d needs positions on both sides, got {in_type} -> {out_type}: use Dense for pooled types."
            )
        if kernel_size < 1 or dilation < 1:
            raise StrandLawError(f"kernel_size {kernel_size} and dilation {dilation} must both be 1 or more.")
        if stride < 1:
            raise StrandLawError(f"stride {stride} must be 1 or more.")
        if padding not in ("valid", "same"):
            raise StrandLawError(f"padding '{padding}' is not known: use 'valid' or 'same'.")
        self.kernel_size, self.dilation, self.padding = kernel_size, dilation, padding
        self.stride, self.groups = stride, groups
        self.reach = (kernel_size - 1) * dilation
        self.in_length: int | None = None
        lawful = in_type.lawful and out_type.lawful
        if padding == "same" and self.reach % 2 and lawful:
            raise StrandLawError(
                f"'same' padding for {kernel_size} taps at dilation {dilation} adds {self.reach} zeros, which "
                "cannot be shared equally by the two ends: use an odd kernel_size, an even dilation, "
                "padding='valid', or lift the layer with PerStrand."
            )
        _check_groups(in_type, out_type, groups)
        if in_length is not None:
            self.out_length(in_length)
        if stride > 1 and lawful:
            self._check_stride(in_length)
            self.in_length = in_length
        self.weight = grouped_weight(out_type, in_type, groups, kernel_size)
        self.bias = tied_bias(out_type, in_type) if bias else None
        fan_in, fan_out = (kind.channels // groups * kernel_size for kind in (in_type, out_type))
        glorot_uniform(self.weight, fan_in, fan_out)

    def _check_stride(self, in_length: int | None) -> None:
        step = f"a convolution of {self.kernel_size} taps with stride {self.stride} on {self.in_type}"
        if in_length is None:
            raise StrandLawError(
                f"{step} needs in_length to check that its steps end at the last position; or lift it with PerStrand."
            )
        over = (in_length - 1 - (0 if self.padding == "same" else self.reach)) % self.stride
        if over:
            raise StrandLawError(
                f"{step} leaves {over} of {in_length} positions over at one end, so the two strands would be read "
                f"at different places: use {in_length - over} or {in_length - over + self.stride} positions, "
                "or lift the layer with PerStrand."
            )

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``(batch, in, positions)`` to ``(batch, out, positions)``."""
        if self.in_length is not None:
            self.out_length(x.shape[-1])
        if self.padding == "same":
            x = functional.pad(x, (self.reach // 2, self.reach - self.reach // 2))
        bias = None if self.bias is None else self.bias()
        return convolve(x, self.weight(), bias, self.dilation, self.stride, self.groups)

    def out_length(self, length: int) -> int:
        """Return the positions left of `length`."""
        left = length if self.padding == "same" else length - self.reach
        if left < 1:
            raise StrandLawError(
                f"{length} positions are fewer than the {self.reach + 1} that a convolution of "
                f"{self.kernel_size} taps reads: widen the input or narrow the kernel."
            )
        if self.in_length not in (None, length):
            raise StrandLawError(
                f"the convolution on {self.in_type} with stride {self.stride} was made for {self.in_length} "
                f"positions, got {length}: its steps were checked to fit that length."
            )
        return (left - 1) // self.stride + 1

    @torch.no_grad()
    def frozen(self) -> nn.Module:
        """Return the equivalent `torch.nn.Conv1d`."""
        conv = nn.Conv1d(
            self.in_type.channels,
            self.out_type.channels,
            self.kernel_size,
            self.stride,
            dilation=self.dilation,
            groups=self.groups,
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
        """Show types, taps and padding, and stride and groups where there are any."""
        more = "".join(f", {name}={value}" for name in ("stride", "groups") if (value := getattr(self, name)) > 1)
        taps = f"kernel_size={self.kernel_size}, dilation={self.dilation}, {self.padding}"
        return f"{super().extra_repr()}, {taps}{more}"


def _check_groups(in_type: StrandType, out_type: StrandType, groups: int) -> None:
    """Refuse groups that are not equal blocks, or that reverse complement carries differently on the two sides."""
    if groups < 1 or in_type.channels % groups or out_type.channels % groups:
        raise StrandLawError(
            f"{groups} groups do not divide the {in_type.channels} channels of {in_type} and the "
            f"{out_type.channels} of {out_type}: use one of {_possible_groups(in_type, out_type)}."
        )
    if groups not in _possible_groups(in_type, out_type):
        raise StrandLawError(
            f"reverse complement carries the {groups} groups of {in_type} and those of {out_type} to different "
            f"places, so a filter's partner would read another group: use one of "
            f"{_possible_groups(in_type, out_type)}, or lift the layer with PerStrand."
        )


def _possible_groups(in_type: StrandType, out_type: StrandType) -> list[int]:
    numbers = range(1, min(in_type.channels, out_type.channels) + 1)
    shared = [n for n in numbers if in_type.channels % n == out_type.channels % n == 0]
    if not (in_type.lawful and out_type.lawful):
        return shared
    carried = {n: (carried_groups(in_type, n), carried_groups(out_type, n)) for n in shared}
    return [n for n, (one, other) in carried.items() if one is not None and one == other]


def _unpadded(conv: nn.Conv1d) -> nn.Conv1d:
    conv.padding = (0,)
    return conv
