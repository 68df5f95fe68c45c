"""Windows of positions that both strands must lay alike: the base of every pooling along the DNA."""

from typing import ClassVar

import torch
from torch import Tensor

from strandwise.errors import StrandLawError
from strandwise.layers.typed import TypedModule
from strandwise.strand import StrandType, revcomp


class WindowPool(TypedModule):
    """Make one position of each window of positions.

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

    what: ClassVar[str] = "pooling"

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
        if in_length is not None:
            self.out_length(in_length)
        self.from_both_ends = False
        if not type.lawful:
            return
        if in_length is None:
            raise StrandLawError(f"{self.what} on {type} needs in_length to check that its windows fit.")
        self.in_length = in_length
        over = (in_length - width) % self.stride
        if over and not lifted:
            raise StrandLawError(
                f"{self.what} {width} wide every {self.stride} over {in_length} positions leaves {over} over at "
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

    def pool(self, x: Tensor) -> Tensor:
        """Pool ``(batch, channels, positions)`` over windows laid from the left."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Pool ``(batch, channels, positions)``."""
        self.out_length(x.shape[-1])
        left = self.pool(x)
        if not self.from_both_ends:
            return left
        right = self.pool(revcomp(x, self.in_type))
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
                f"{self.what} on {self.in_type} was made for {self.in_length} positions, got {length}: its windows "
                "were checked to fit that length."
            )
        return (length - self.width) // self.stride + 1

    def extra_repr(self) -> str:
        """Show type, width and stride."""
        ends = ", from both ends" if self.from_both_ends else ""
        return f"{self.in_type}, width={self.width}, stride={self.stride}{ends}"
