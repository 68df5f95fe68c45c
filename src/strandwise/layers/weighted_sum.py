"""The weighted sum over positions of Shrikumar et al. 2017."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from strandwise.errors import StrandLawError
from strandwise.layers.activation import Activation
from strandwise.layers.tying import Axis, TiedParameter, channels, positions, tied_bias, unsigned
from strandwise.layers.typed import TypedModule
from strandwise.strand import StrandType

Start = Literal["uniform", "centre"]


class WeightedSum(TypedModule):
    """Sum each channel over positions with learned weights, mirrored for its partner.

    The layer of Shrikumar et al. 2017: y_c = sum over i of W[c, i] x[c, i] (equation 1). Partners share their
    weights in reversed order, so the result is of the pooled type. In the paper's networks it stands alone;
    a bias, a nonlinearity, weights symmetric along the DNA and a start that favours the centre are extensions
    that its sections 4.1 and 4.2 name.

    Args:
        type: type of the input ``(batch, channels, positions)``.
        in_length: positions that come in.
        symmetric: share the weights of positions equally far from the centre; the middle one of an odd number
            is its own.
        smoothness: how much `penalty` charges for weights that change from one position to the next.
        bias: learn an offset per channel, shared with its partner; starts at zero.
        nonlinearity: the name of an `Activation` to apply to the sums.
        init: "uniform" is equation 3, on the learned weights; "centre" scales its draws by a bell over the
            positions, of the same mean square.

    Raises:
        StrandLawError: no positions, a nonlinearity that odd channels do not allow, or a name that is not known.
    """

    def __init__(
        self,
        type: StrandType,  # noqa: A002
        in_length: int,
        *,
        symmetric: bool = False,
        smoothness: float = 0.0,
        bias: bool = False,
        nonlinearity: str | None = None,
        init: Start = "uniform",
    ) -> None:
        super().__init__(type, type.pooled())
        if not type.positions or in_length < 1:
            raise StrandLawError(f"a weighted sum over {in_length} positions of {type}: it needs 1 or more to sum.")
        if smoothness < 0:
            raise StrandLawError(f"smoothness {smoothness} would reward rough weights: use 0 or more.")
        if init not in get_args(Start):
            raise StrandLawError(f"init '{init}' is not known: use one of {', '.join(get_args(Start))}.")
        self.in_length, self.symmetric, self.smoothness = in_length, symmetric, smoothness
        learned = (in_length + 1) // 2 if symmetric else in_length
        # A symmetric row is its own reverse, so partners share it as it stands.
        along = Axis(tuple(range(learned)), (1,) * learned) if symmetric else positions(in_length)
        self.weight = TiedParameter([channels(unsigned(type)), along], tied=type.lawful)
        self.bias = tied_bias(type) if bias else None
        self.nonlinearity = None if nonlinearity is None else Activation(self.out_type, nonlinearity)
        limit = (6 / (learned * type.channels)) ** 0.5
        nn.init.uniform_(self.weight.free, -limit, limit)
        if init == "centre":
            with torch.no_grad():
                self.weight.assign(self.weight() * _bell(in_length)[:learned])

    def weights(self) -> Tensor:
        """Return the weights ``(channels, positions)`` of the sum."""
        weight = self.weight()
        if not self.symmetric:
            return weight
        return torch.cat([weight, weight[:, : self.in_length // 2].flip(1)], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Sum ``(batch, channels, positions)`` to ``(batch, channels)``."""
        y = torch.einsum("bcl,cl->bc", x, self.weights())
        if self.bias is not None:
            y = y + self.bias()
        return y if self.nonlinearity is None else self.nonlinearity(y)

    def penalty(self) -> Tensor:
        """Return `smoothness` times the mean absolute difference of neighbouring learned weights."""
        weight = self.weight()
        if not self.smoothness or weight.shape[1] < 2:
            return weight.new_zeros(())
        return self.smoothness * weight.diff(dim=1).abs().mean()

    def out_length(self, length: int) -> int:
        """Return 0: no positions are left."""
        if length != self.in_length:
            raise StrandLawError(f"the weighted sum was made for {self.in_length} positions, got {length}.")
        return 0

    @torch.no_grad()
    def frozen(self) -> nn.Module:
        """Return the same sum as a depthwise `torch.nn.Conv1d` over all positions, flattened."""
        n = self.in_type.channels
        conv = nn.Conv1d(n, n, self.in_length, groups=n, bias=self.bias is not None).to(self.weight.free)
        conv.weight.copy_(self.weights().unsqueeze(1))
        if self.bias is not None and conv.bias is not None:
            conv.bias.copy_(self.bias())
        after = [] if self.nonlinearity is None else [self.nonlinearity.frozen()]
        return nn.Sequential(conv, nn.Flatten(), *after)


def _bell(length: int) -> Tensor:
    """Return a bell over positions, a quarter of them wide, with a mean square of one."""
    place = torch.arange(length, dtype=torch.float64) - (length - 1) / 2
    bell = torch.exp(-((place / (length / 4)) ** 2) / 2)
    return functional.normalize(bell, dim=0).mul(length**0.5).float()
