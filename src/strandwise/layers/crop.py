"""Cutting positions off the two ends."""

from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers.typed import TypedModule
from strandwise.strand import StrandType


class Crop1d(TypedModule):
    """Cut positions off both ends.

    Args:
        type: type of input and output ``(batch, channels, positions)``.
        left: positions to cut off the left end.
        right: positions to cut off the right end; as many as `left` if not given.

    Raises:
        StrandLawError: a type without positions, or ends of a lawful type that are cut differently.
    """

    def __init__(self, type: StrandType, left: int, right: int | None = None) -> None:  # noqa: A002
        super().__init__(type, type)
        self.left, self.right = left, left if right is None else right
        if not type.positions:
            raise StrandLawError(f"{type} has no positions to cut: leave the layer out.")
        if self.left < 0 or self.right < 0:
            raise StrandLawError(f"a crop of {self.left} and {self.right} positions must be 0 or more at each end.")
        if type.lawful and self.left != self.right:
            raise StrandLawError(
                f"cutting {self.left} positions off the left and {self.right} off the right end of {type} breaks "
                f"the law, since the ends trade places: cut {self.left} or {self.right} off both, or lift the "
                "layer with PerStrand."
            )

    def forward(self, x: Tensor) -> Tensor:
        """Cut ``(batch, channels, positions)``."""
        return x.narrow(2, self.left, self.out_length(x.shape[2]))

    def out_length(self, length: int) -> int:
        """Return the positions left of `length`."""
        left = length - self.left - self.right
        if left < 1:
            raise StrandLawError(
                f"{length} positions are fewer than the {self.left + self.right + 1} that a crop of {self.left} and "
                f"{self.right} leaves one of: widen the input or cut less."
            )
        return left

    def frozen(self) -> nn.Module:
        """Return `torch.nn.ConstantPad1d` with negative sizes, which cuts."""
        return nn.ConstantPad1d((-self.left, -self.right), 0.0)

    def extra_repr(self) -> str:
        """Show type and ends."""
        return f"{self.in_type}, left={self.left}, right={self.right}"
