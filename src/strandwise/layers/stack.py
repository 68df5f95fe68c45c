"""Typed layers one after the other."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers.activation import Activation, ReLU
from strandwise.layers.fusion import Fused
from strandwise.layers.norm import BatchNorm1d
from strandwise.layers.pool import MaxPool1d
from strandwise.layers.typed import TypedModule, freeze


class Stack(TypedModule):
    """Typed modules one after the other, checked at construction to fit together."""

    def __init__(self, *layers: TypedModule) -> None:
        if not layers:
            raise StrandLawError("a Stack needs at least one layer.")
        for before, after in pairwise(layers):
            if before.out_type != after.in_type:
                raise StrandLawError(
                    f"{type(after).__name__} expects {after.in_type}, and {type(before).__name__} before it "
                    f"gives {before.out_type}: make the two types equal."
                )
        super().__init__(layers[0].in_type, layers[-1].out_type)
        self.layers = nn.ModuleList(layers)

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self.layers)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers in order, those that can be done in one step together."""
        for layers, then in _steps(list(self.layers)):
            if then is None or any(map(watched, layers)):
                for layer in layers:
                    x = layer(x)
            else:
                if isinstance(layers[-1], MaxPool1d):
                    layers[-1].out_length(x.shape[-1])
                x = layers[0].followed(x, then)  # pyright: ignore[reportCallIssue]
        return x

    def out_length(self, length: int) -> int:
        """Return the number of positions after the last layer."""
        for layer in self.layers:
            length = layer.out_length(length)  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
        return length

    def frozen(self) -> nn.Module:
        """Return the plain torch layers in order."""
        return nn.Sequential(*(freeze(layer) for layer in self.layers))

    def extra_repr(self) -> str:
        """Leave the types to the layers inside."""
        return ""


def _steps(layers: Sequence[nn.Module]) -> Iterator[tuple[Sequence[nn.Module], Fused | None]]:
    """Yield runs of layers, and what a normalisation that leads them does in the same step.

    Asked at every call and of the very classes: a layer may be replaced, and a subclass may do something else.
    """
    at = 0
    while at < len(layers):
        first, then = at, None
        at += 1
        if type(norm := layers[first]) is BatchNorm1d and norm.in_type.positions:
            then = Fused()
            if at < len(layers) and type(layer := layers[at]) in (ReLU, Activation) and layer.name == "relu":
                then, at = then._replace(relu=True), at + 1
            if at < len(layers) and type(pool := layers[at]) is MaxPool1d and not pool.from_both_ends:
                then, at = then._replace(window=(pool.width, pool.stride)), at + 1
        yield layers[first:at], then


def watched(layer: nn.Module) -> bool:
    """Return whether somebody wants to see what goes through this very layer."""
    return bool(layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or layer._backward_pre_hooks)
