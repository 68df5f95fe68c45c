"""The contract of a layer: it knows its strand types and how it changes lengths."""

import copy
from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from strandwise.strand import StrandType


class Features(NamedTuple):
    """What flows between layers: a type, and how many positions there are (0 for a pooled type)."""

    type: StrandType
    length: int


class TypedModule(nn.Module):
    """A module from one typed tensor to another.

    Attributes:
        in_type: the type of its input ``(batch, channels, positions)``, or ``(batch, channels)`` if pooled.
        out_type: the type of its output.
    """

    in_type: StrandType
    out_type: StrandType

    def __init__(self, in_type: StrandType, out_type: StrandType) -> None:
        super().__init__()
        self.in_type = in_type
        self.out_type = out_type

    def out_length(self, length: int) -> int:
        """Return the number of positions it makes of `length` positions."""
        return length

    def frozen(self) -> nn.Module:
        """Return a plain torch module that computes the same, with every shared weight written out."""
        return self

    def extra_repr(self) -> str:
        """Show the types where torch prints the module."""
        return f"{self.in_type} -> {self.out_type}"


def after(features: Features, layers: Sequence[TypedModule]) -> Features:
    """Return what comes out of layers that `features` go into."""
    kind, length = features
    for layer in layers:
        kind, length = layer.out_type, layer.out_length(length)
    return Features(kind, length if kind.positions else 0)


def freeze(module: nn.Module) -> nn.Module:
    """Return a copy in plain torch for delivery: shared weights are written out, in eval mode.

    Typed layers become `torch.nn` layers with the same outputs. Modules that are not typed are kept, and
    frozen inside.
    """
    if isinstance(module, TypedModule):
        frozen = module.frozen()
        if frozen is not module:
            return frozen.eval()
    result = copy.deepcopy(module)
    for name, child in module.named_children():
        setattr(result, name, freeze(child))
    return result.eval()
