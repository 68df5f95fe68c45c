"""Several layers on the same input, with their channels side by side."""

from collections.abc import Sequence
from functools import reduce
from operator import add

import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers.typed import TypedModule, freeze


class Branches(TypedModule):
    """Give the same input to several layers and put what they make of it side by side.

    Args:
        layers: layers from one type; the type of the output is the sum of theirs.

    Raises:
        StrandLawError: no layers, layers that read different types, or that differ in having positions.
    """

    def __init__(self, *layers: TypedModule) -> None:
        if not layers:
            raise StrandLawError("Branches need at least one layer.")
        for layer in layers[1:]:
            if layer.in_type != layers[0].in_type:
                raise StrandLawError(
                    f"branches read the same input, and {type(layers[0]).__name__} reads {layers[0].in_type} where "
                    f"{type(layer).__name__} reads {layer.in_type}: make the two types equal."
                )
        super().__init__(layers[0].in_type, reduce(add, (layer.out_type for layer in layers)))
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the channels of all branches, ``(batch, channels[, positions])``."""
        return _side_by_side(self.layers, x)

    def out_length(self, length: int) -> int:
        """Return the positions that every branch makes of `length`.

        Raises:
            StrandLawError: branches that do not agree.
        """
        found: Sequence[int] = [layer.out_length(length) for layer in self.layers]  # pyright: ignore[reportCallIssue, reportAssignmentType]
        if len(set(found)) > 1:
            raise StrandLawError(
                f"branches make {' and '.join(map(str, found))} positions of {length}, which cannot stand side by "
                "side: pad, crop or pool them alike."
            )
        return found[0]

    def frozen(self) -> nn.Module:
        """Return the frozen branches side by side."""
        return _SideBySide(self.layers)

    def extra_repr(self) -> str:
        """Leave the types to the layers inside."""
        return ""


class _SideBySide(nn.Module):
    def __init__(self, layers: nn.ModuleList) -> None:
        super().__init__()
        self.layers = nn.ModuleList(freeze(layer) for layer in layers)

    def forward(self, x: Tensor) -> Tensor:
        return _side_by_side(self.layers, x)


def _side_by_side(layers: nn.ModuleList, x: Tensor) -> Tensor:
    return torch.cat([layer(x) for layer in layers], dim=1)
