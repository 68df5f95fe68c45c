"""Pooling along the DNA: maximum and average over windows, or over all positions."""

from typing import ClassVar

from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers.layout import average_pool, max_pool
from strandwise.layers.typed import TypedModule
from strandwise.layers.windows import WindowPool
from strandwise.strand import StrandType


class MaxPool1d(WindowPool):
    """Take the maximum over windows of positions.

    Arguments, and where the windows must lie, are those of `WindowPool`.

    Raises:
        StrandLawError: odd channels, or windows that do not fit a lawful type.
    """

    what: ClassVar[str] = "max pooling"

    def __init__(
        self,
        type: StrandType,  # noqa: A002
        width: int,
        stride: int | None = None,
        *,
        in_length: int | None = None,
        lifted: bool = False,
    ) -> None:
        _refuse_odd(type)
        super().__init__(type, width, stride, in_length=in_length, lifted=lifted)

    def pool(self, x: Tensor) -> Tensor:
        """Take the maximum over windows laid from the left."""
        return max_pool(x, self.width, self.stride)

    def frozen(self) -> nn.Module:
        """Return `torch.nn.MaxPool1d` where the windows fit; pooling from both ends stays as it is."""
        return self if self.from_both_ends else nn.MaxPool1d(self.width, self.stride)


class AveragePool1d(WindowPool):
    """Take the average over windows of positions; lawful on odd channels too.

    Arguments, and where the windows must lie, are those of `WindowPool`.
    """

    what: ClassVar[str] = "average pooling"

    def pool(self, x: Tensor) -> Tensor:
        """Take the average over windows laid from the left."""
        return average_pool(x, self.width, self.stride)

    def frozen(self) -> nn.Module:
        """Return `torch.nn.AvgPool1d` where the windows fit; pooling from both ends stays as it is."""
        return self if self.from_both_ends else nn.AvgPool1d(self.width, self.stride)


class GlobalPool(TypedModule):
    """Make one value of all positions of a channel: the base of the pools below and of attention over all.

    Raises:
        StrandLawError: a type without positions.
    """

    def __init__(self, type: StrandType) -> None:  # noqa: A002
        if not type.positions:
            raise StrandLawError(f"{type} has no positions left to pool: leave the layer out.")
        super().__init__(type, type.pooled())

    def out_length(self, length: int) -> int:
        """Return 0: no positions are left."""
        if length < 1:
            raise StrandLawError(f"{length} positions cannot be pooled: widen the input.")
        return 0


class GlobalAveragePool(GlobalPool):
    """Average each channel over all positions."""

    def forward(self, x: Tensor) -> Tensor:
        """Average ``(batch, channels, positions)`` to ``(batch, channels)``."""
        return x.mean(-1)

    def frozen(self) -> nn.Module:
        """Return `torch.nn.AdaptiveAvgPool1d`, flattened."""
        return nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten())


class GlobalMaxPool(GlobalPool):
    """Take the maximum of each channel over all positions.

    Raises:
        StrandLawError: odd channels.
    """

    def __init__(self, type: StrandType) -> None:  # noqa: A002
        _refuse_odd(type)
        super().__init__(type)

    def forward(self, x: Tensor) -> Tensor:
        """Take the maximum of ``(batch, channels, positions)``, as ``(batch, channels)``."""
        # Ties share the gradient, so that it does not depend on the strand either.
        return x.amax(-1)

    def frozen(self) -> nn.Module:
        """Return `torch.nn.AdaptiveMaxPool1d`, flattened."""
        return nn.Sequential(nn.AdaptiveMaxPool1d(1), nn.Flatten())


def _refuse_odd(kind: StrandType) -> None:
    if min(kind.sign) < 0:
        raise StrandLawError(
            f"max pooling on {kind} breaks the law, since the maximum of -x is not minus the maximum of x: "
            "use average pooling on odd channels, or regular(n) features."
        )
