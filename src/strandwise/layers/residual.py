"""Residual connections: what layers find is added to what they were given."""

import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers.activation import Activation
from strandwise.layers.conv import Conv1d
from strandwise.layers.stack import Stack, watched
from strandwise.layers.typed import TypedModule, freeze
from strandwise.strand import StrandType

# Two lengths far apart tell whether layers shorten by a constant; the reach of no network comes near.
PROBES = (1 << 24, 1 << 25)


class Residual(TypedModule):
    """Add what layers make of their input to the input itself, cut to the same length about its centre.

    Args:
        inner: layers from a type to the same type.
        average: halve the sum, so that it stays on the scale of its parts.
        in_length: positions that come in, where `inner` does not shorten every length by the same number.

    Raises:
        StrandLawError: `inner` changes the type, lengthens its input, or leaves an odd number of positions
            to cut off a lawful type.
    """

    def __init__(self, inner: TypedModule, *, average: bool = False, in_length: int | None = None) -> None:
        if inner.in_type != inner.out_type:
            raise StrandLawError(
                f"a residual connection around {inner.in_type} -> {inner.out_type} adds two types: make the two "
                "equal, or project first with a Conv1d of one tap."
            )
        super().__init__(inner.in_type, inner.out_type)
        self.inner, self.average, self.in_length = inner, average, in_length
        self.shortening = _shortening(inner, in_length) if inner.in_type.positions else 0
        if self.shortening < 0:
            raise StrandLawError(
                f"layers that lengthen their input by {-self.shortening} positions have nothing to add them to: "
                "cut them off with Crop1d."
            )
        if self.shortening % 2 and inner.in_type.lawful:
            raise StrandLawError(
                f"layers that shorten {inner.in_type} by {self.shortening} positions cannot be centred on their input: "
                "use an odd kernel_size or an even dilation, padding='same', or lift the residual layer with PerStrand."
            )

    def forward(self, x: Tensor) -> Tensor:
        """Add to ``(batch, channels, positions)`` or ``(batch, channels)``."""
        if x.ndim == 3:
            self.out_length(x.shape[2])
        return _add(x, self.inner(x), self.average)

    def out_length(self, length: int) -> int:
        """Return what the layers inside make of `length`."""
        if self.in_length not in (None, length):
            raise StrandLawError(f"the residual layer was made for {self.in_length} positions, got {length}.")
        return self.inner.out_length(length)

    def frozen(self) -> nn.Module:
        """Return the sum around the frozen layers."""
        return _Sum(freeze(self.inner), self.average)

    def extra_repr(self) -> str:
        """Show how the two are joined; the types stand in the layers inside."""
        return "average" if self.average else ""


class DilatedBlock(Residual):
    """Add to its input a dilated convolution and a nonlinearity: one layer of the body of BPNet.

    Zhou et al. 2022 stack six of them, dilations 2 to 64, with "valid" padding; `average` is theirs too.

    Args:
        type: type of input and output.
        dilation: distance between taps.
        kernel_size: taps.
        padding: "valid" cuts the input to the positions that all taps reach; "same" keeps the length.
        average: halve the sum.
        activation: the name of an `Activation`.

    Raises:
        StrandLawError: a reach that cannot be centred, or a nonlinearity that odd channels do not allow.
    """

    def __init__(
        self,
        type: StrandType,  # noqa: A002
        dilation: int,
        *,
        kernel_size: int = 3,
        padding: str = "valid",
        average: bool = False,
        activation: str = "relu",
    ) -> None:
        conv = Conv1d(type, type, kernel_size, dilation=dilation, padding=padding)
        super().__init__(Stack(conv, Activation(type, activation)), average=average)

    def forward(self, x: Tensor) -> Tensor:
        """Add to ``(batch, channels, positions)``."""
        parts = self._unseen()
        if torch.is_grad_enabled() or parts is None:
            return super().forward(x)
        self.out_length(x.shape[2])
        conv, function = parts
        found = conv(x)
        if found.dtype != x.dtype:
            return _add(x, function(found), self.average)
        # What a convolution has just made is nobody's yet, so the sum may take its place.
        found = found.relu_() if function.name == "relu" else function(found)
        total = found.add_(_cut(x, found))
        return total.div_(2) if self.average else total

    def _unseen(self) -> tuple[Conv1d, Activation] | None:
        """Return the layers inside, if they are as they were made and nobody wants to see what goes through them."""
        if type(inner := self.inner) is not Stack or len(inner.layers) != 2 or any(map(watched, (inner, *inner))):
            return None
        conv, function = inner
        return (conv, function) if type(conv) is Conv1d and type(function) is Activation else None


class _Sum(nn.Module):
    def __init__(self, inner: nn.Module, average: bool) -> None:
        super().__init__()
        self.inner, self.average = inner, average

    def forward(self, x: Tensor) -> Tensor:
        return _add(x, self.inner(x), self.average)


def _add(x: Tensor, y: Tensor, average: bool) -> Tensor:
    total = _cut(x, y) + y
    return total / 2 if average else total


def _cut(x: Tensor, y: Tensor) -> Tensor:
    # Of an odd number of positions to cut, which plain types may have, the right end loses one more.
    return x.narrow(-1, (x.shape[-1] - y.shape[-1]) // 2, y.shape[-1])


def _shortening(inner: TypedModule, in_length: int | None) -> int:
    if in_length is not None:
        return in_length - inner.out_length(in_length)
    try:
        one, other = (length - inner.out_length(length) for length in PROBES)
    except StrandLawError as error:
        raise StrandLawError(
            f"a residual connection around layers made for one length needs in_length: {error}"
        ) from error
    if one != other:
        raise StrandLawError(
            "a residual connection around layers with a stride needs in_length, the positions that come in."
        )
    return one
