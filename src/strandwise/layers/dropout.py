"""Dropout that forgets the same values on both strands, so that the law holds in training too."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers.typed import TypedModule
from strandwise.strand import StrandType, revcomp


class Masked(TypedModule):
    """Zero values by chance in training, and scale up the rest: the base of both kinds of dropout.

    The mask is its own reverse complement, so that with equal draws f(revcomp(x)) is revcomp(f(x)).

    Args:
        type: type of input and output.
        p: the chance of a value to be zeroed, 0 or more and below 1.

    Attributes:
        strands: rows of a batch that are the same sequences on other strands, one block after the other; they
            share a mask. 1 outside of the wrappers that stack strands, which set it by `shared_masks`.

    Raises:
        StrandLawError: a chance that is not in its range.
    """

    def __init__(self, type: StrandType, p: float = 0.5) -> None:  # noqa: A002
        if not 0 <= p < 1:
            raise StrandLawError(f"dropout {p} must be 0 or more and below 1.")
        super().__init__(type, type)
        self.p = p
        self.strands = 1

    def draw(self, rows: int, x: Tensor) -> Tensor:
        """Return a mask of zeros and ones that broadcasts over `rows` rows shaped as those of `x`."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Zero values of ``(batch, channels, positions)`` or ``(batch, channels)`` in training."""
        if not self.training or not self.p:
            return x
        mask = self.draw(-(-x.shape[0] // self.strands), x)
        if self.strands > 1:
            mask = mask.repeat(self.strands, *[1] * (mask.ndim - 1))[: x.shape[0]]
        return x * (mask / (1 - self.p))

    def extra_repr(self) -> str:
        """Show type and chance."""
        return f"{self.in_type}, p={self.p}"


class Dropout(Masked):
    """Zero single values by chance in training; a value and its image on the other strand share their fate.

    For plain types this is `torch.nn.Dropout`.
    """

    def draw(self, rows: int, x: Tensor) -> Tensor:
        """Return a mask ``(rows, channels[, positions])`` that is its own reverse complement."""
        kind = self.in_type
        # Drawn channels-last, as convolutions leave tensors, whatever `x` is: equal draws must be equal masks.
        shape = (rows, *x.shape[:0:-1])
        mask = torch.empty(shape, dtype=x.dtype, device=x.device).bernoulli_(1 - self.p).transpose(1, -1)
        if not kind.lawful:
            return mask
        image = revcomp(mask, StrandType(kind.partner, (1,) * kind.channels, kind.positions))
        channel = torch.arange(kind.channels, device=x.device)
        partner = torch.tensor(kind.partner, device=x.device)
        first = channel <= partner
        if kind.positions:
            place = torch.arange(x.shape[-1], device=x.device)
            # Which of two mirrored positions comes first; what is mirrored is `image`, by revcomp.
            left = place <= place.flip(0)
            first = (channel < partner).unsqueeze(1) | ((channel == partner).unsqueeze(1) & left)
        return torch.where(first, mask, image)

    def frozen(self) -> nn.Module:
        """Return `torch.nn.Dropout`, which does nothing in eval mode."""
        return nn.Dropout(self.p)


class ChannelDropout(Masked):
    """Zero whole channels by chance in training; a channel and its partner share their fate.

    For plain types this is `torch.nn.Dropout1d`. Neighbouring positions say much the same after a convolution,
    and dropping single ones then takes little away.
    """

    first: Tensor

    def __init__(self, type: StrandType, p: float = 0.5) -> None:  # noqa: A002
        super().__init__(type, p)
        first = [min(pair) for pair in enumerate(type.partner)] if type.lawful else range(type.channels)
        self.register_buffer("first", torch.tensor(list(first)), persistent=False)

    def draw(self, rows: int, x: Tensor) -> Tensor:
        """Return a mask ``(rows, channels[, 1])``, equal for partners."""
        drawn = torch.empty(rows, x.shape[1], dtype=x.dtype, device=x.device).bernoulli_(1 - self.p)
        mask = drawn.index_select(1, self.first)
        return mask.unsqueeze(2) if x.ndim == 3 else mask

    def frozen(self) -> nn.Module:
        """Return `torch.nn.Dropout1d`, which does nothing in eval mode."""
        return nn.Dropout1d(self.p) if self.in_type.positions else nn.Dropout(self.p)


@contextmanager
def shared_masks(module: nn.Module, strands: int = 2) -> Iterator[None]:
    """Let the dropout inside a module forget the same on each of several strands, while the block runs.

    Rows ``[x, revcomp(x)]`` then meet equal masks, without which the two strands would differ in training.
    Afterwards the module is as it was, for whoever uses it on single strands.
    """
    # A module without training draws nothing, and tracers do not like attributes that change.
    layers = [layer for layer in module.modules() if isinstance(layer, Masked)] if module.training else []
    for layer in layers:
        layer.strands *= strands
    try:
        yield
    finally:
        for layer in layers:
            layer.strands //= strands
