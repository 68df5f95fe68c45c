"""Pooling along the DNA: maximum over windows, and the weighted sum over all positions."""

import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers.layout import max_pool
from strandwise.layers.tying import TiedParameter, channels, positions
from strandwise.layers.typed import TypedModule
from strandwise.strand import StrandType, revcomp


class MaxPool1d(TypedModule):
    """Take the maximum over windows of positions.

    Windows are laid from the left. Where the last one does not end at the last position, the windows of the
    other strand lie elsewhere and the law breaks; then either the lengths must change, or the layer is
    `lifted`: of each pair of channels, one is pooled from the left and its partner from the right.

    Args:
        type: type of input and output.
        width: positions in a window.
        stride: from one window to the next; `width` if not given.
        in_length: positions that come in; without it a lawful type cannot be checked, and is refused.
        lifted: pool partners from opposite ends where the windows do not fit.

    Raises:
        StrandLawError: the windows do not fit a lawful type; the message says which lengths would.
    """

    def __init__(
        self,
        type: StrandType,  # noqa: A002
        width: int,
        stride: int | None = None,
        *,
        in_length: int | None = None,
        lifted: bool = False,
    ) -> None:
        super().__init__(type, type)
        self.width, self.stride = width, width if stride is None else stride
        if self.width < 1 or self.stride < 1:
            raise StrandLawError(f"width {self.width} and stride {self.stride} must both be 1 or more.")
        self.in_length: int | None = None
        if min(type.sign) < 0:
            raise StrandLawError(
                f"max pooling on {type} breaks the law, since the maximum of -x is not minus the maximum of x: "
                "use average pooling on odd channels, or regular(n) features."
            )
        if in_length is not None:
            self.out_length(in_length)
        self.from_both_ends = False
        if not type.lawful:
            return
        if in_length is None:
            raise StrandLawError(f"max pooling on {type} needs in_length to check that its windows fit.")
        self.in_length = in_length
        over = (in_length - width) % self.stride
        if over and not lifted:
            raise StrandLawError(
                f"max pooling {width} wide every {self.stride} over {in_length} positions leaves {over} over at "
                f"one end, so the two strands would pool different windows: use {in_length - over} or "
                f"{in_length - over + self.stride} positions, or lifted=True."
            )
        if over and any(channel == other for channel, other in enumerate(type.partner)):
            raise StrandLawError(
                f"channels of {type} without a partner cannot be pooled from opposite ends: "
                f"use {in_length - over} or {in_length - over + self.stride} positions."
            )
        self.from_both_ends = bool(over)
        first = [[channel < other] for channel, other in enumerate(type.partner)]
        self.register_buffer("first", torch.tensor(first), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Pool ``(batch, channels, positions)``."""
        self.out_length(x.shape[-1])
        left = max_pool(x, self.width, self.stride)
        if not self.from_both_ends:
            return left
        right = max_pool(revcomp(x, self.in_type), self.width, self.stride)
        return torch.where(self.first, left, revcomp(right, self.out_type))  # pyright: ignore[reportArgumentType, reportCallIssue]

    def out_length(self, length: int) -> int:
        """Return the number of windows in `length` positions."""
        if length < self.width:
            raise StrandLawError(
                f"{length} positions are fewer than the {self.width} of a pooling window: "
                "widen the input or narrow the window."
            )
        if self.in_length not in (None, length):
            raise StrandLawError(
                f"max pooling on {self.in_type} was made for {self.in_length} positions, got {length}: its windows "
                "were checked to fit that length."
            )
        return (length - self.width) // self.stride + 1

    def frozen(self) -> nn.Module:
        """Return `torch.nn.MaxPool1d` where the windows fit; pooling from both ends stays as it is."""
        return self if self.from_both_ends else nn.MaxPool1d(self.width, self.stride)

    def extra_repr(self) -> str:
        """Show type, width and stride."""
        ends = ", from both ends" if self.from_both_ends else ""
        return f"{self.in_type}, width={self.width}, stride={self.stride}{ends}"


class WeightedSum(TypedModule):
    """Sum each channel over positions with learned weights, mirrored for its partner.

    The layer of Shrikumar et al. 2017 (equation 3 for its start): y_c = sum over i of W[c, i] x[c, i].
    Partners share their weights in reversed order, so the result is of the pooled type.

    Args:
        type: type of the input ``(batch, channels, positions)``.
        in_length: positions that come in.
    """

    def __init__(self, type: StrandType, in_length: int) -> None:  # noqa: A002
        super().__init__(type, type.pooled())
        self.in_length = in_length
        unsigned = channels(type)._replace(sign=(1,) * type.channels)
        self.weight = TiedParameter([unsigned, positions(in_length)], tied=type.lawful)
        limit = (6 / (in_length * type.channels)) ** 0.5
        nn.init.uniform_(self.weight.free, -limit, limit)

    def forward(self, x: Tensor) -> Tensor:
        """Sum ``(batch, channels, positions)`` to ``(batch, channels)``."""
        return torch.einsum("bcl,cl->bc", x, self.weight())

    def out_length(self, length: int) -> int:
        """Return 0: no positions are left."""
        if length != self.in_length:
            raise StrandLawError(f"the weighted sum was made for {self.in_length} positions, got {length}.")
        return 0

    @torch.no_grad()
    def frozen(self) -> nn.Module:
        """Return the same sum as a depthwise `torch.nn.Conv1d` over all positions, flattened."""
        n = self.in_type.channels
        conv = nn.Conv1d(n, n, self.in_length, groups=n, bias=False).to(self.weight.free)
        conv.weight.copy_(self.weight().unsqueeze(1))
        return nn.Sequential(conv, nn.Flatten())
