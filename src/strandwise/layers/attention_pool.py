"""Pooling that weighs positions by a softmax of learned scores."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from strandwise.layers.layout import convolve
from strandwise.layers.pool import GlobalPool
from strandwise.layers.tying import tied_weight, unsigned
from strandwise.layers.typed import TypedModule
from strandwise.layers.windows import WindowPool
from strandwise.strand import StrandType, plain, unstranded


class AttentionPool1d(WindowPool):
    """Average windows of positions, weighing each by a softmax of scores, as in Enformer.

    ``y_c = sum over l of softmax_l(s_c)(l) x_c(l)`` within a window, with scores s a linear map of all channels
    of a position. A channel and its partner have scores that are partners too; those of odd channels do not
    change sign. At the start a channel's score is `scale` times its own value, between average (0) and maximum.

    Arguments that are not named here, and where the windows must lie, are those of `WindowPool`.

    Args:
        type: type of input and output.
        width: positions in a window.
        stride: from one window to the next; `width` if not given.
        in_length: positions that come in; a lawful type needs it.
        lifted: pool partners from opposite ends where the windows do not fit.
        per_channel: give each channel its own scores; otherwise all share one, which starts at 0.
        scale: what scores start from.

    Raises:
        StrandLawError: windows that do not fit a lawful type.
    """

    what: ClassVar[str] = "attention pooling"

    def __init__(
        self,
        type: StrandType,  # noqa: A002
        width: int,
        stride: int | None = None,
        *,
        in_length: int | None = None,
        lifted: bool = False,
        per_channel: bool = True,
        scale: float = 2.0,
    ) -> None:
        super().__init__(type, width, stride, in_length=in_length, lifted=lifted)
        self.scores = _Scores(type, per_channel, scale)

    def pool(self, x: Tensor) -> Tensor:
        """Weigh windows laid from the left."""
        scores, values = (part.unfold(2, self.width, self.stride) for part in (self.scores(x), x))
        return (scores.softmax(-1) * values).sum(-1)

    def frozen(self) -> nn.Module:
        """Return the same pool with its weights written out; pooling from both ends stays as it is."""
        if self.from_both_ends:
            return self
        kind = plain(self.in_type.channels)
        pool = AttentionPool1d(kind, self.width, self.stride, per_channel=self.scores.per_channel)
        pool.scores.assign(self.scores)
        return pool


class GlobalAttentionPool(GlobalPool):
    """Average all positions, weighing each by a softmax of scores, as `AttentionPool1d` does in windows.

    Args:
        type: type of the input ``(batch, channels, positions)``.
        per_channel: give each channel its own scores; otherwise all share one, which starts at 0.
        scale: what scores start from.
    """

    def __init__(self, type: StrandType, *, per_channel: bool = True, scale: float = 2.0) -> None:  # noqa: A002
        super().__init__(type)
        self.scores = _Scores(type, per_channel, scale)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh ``(batch, channels, positions)`` to ``(batch, channels)``."""
        return (self.scores(x).softmax(-1) * x).sum(-1)

    def frozen(self) -> nn.Module:
        """Return the same pool with its weights written out."""
        pool = GlobalAttentionPool(plain(self.in_type.channels), per_channel=self.scores.per_channel)
        pool.scores.assign(self.scores)
        return pool


class _Scores(TypedModule):
    """Scores of positions: a linear map of their channels, whose signs do not change."""

    def __init__(self, kind: StrandType, per_channel: bool, scale: float) -> None:
        one = unstranded(1) if kind.lawful else plain(1)
        super().__init__(kind, unsigned(kind) if per_channel else one)
        self.per_channel = per_channel
        self.weight = tied_weight(self.out_type, kind)
        nn.init.zeros_(self.weight.free)
        if per_channel:
            self.weight.assign(scale * torch.eye(kind.channels))

    def forward(self, x: Tensor) -> Tensor:
        return convolve(x, self.weight().unsqueeze(2), None, 1)

    @torch.no_grad()
    def assign(self, other: "_Scores") -> None:
        self.to(other.weight.free)
        self.weight.assign(other.weight())
