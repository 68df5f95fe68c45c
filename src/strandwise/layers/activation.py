"""Nonlinearities, which act on each value alone."""

from torch import Tensor, nn
from torch.nn import functional

from strandwise.errors import StrandLawError
from strandwise.layers.typed import TypedModule
from strandwise.strand import StrandType


class ReLU(TypedModule):
    """Keep what is positive.

    Raises:
        StrandLawError: the type has odd channels, whose sign ReLU would lose.
    """

    def __init__(self, type: StrandType) -> None:  # noqa: A002
        super().__init__(type, type)
        if min(type.sign) < 0:
            raise StrandLawError(
                f"ReLU on {type} breaks the law, since -ReLU(x) is not ReLU(-x): use an odd function such as "
                "tanh on odd channels, or regular(n) features."
            )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function to every value."""
        return functional.relu(x)

    def frozen(self) -> nn.Module:
        """Return `torch.nn.ReLU`."""
        return nn.ReLU()
