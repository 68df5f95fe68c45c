"""Nonlinearities, which act on each value alone."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from strandwise.errors import StrandLawError
from strandwise.layers.typed import TypedModule
from strandwise.strand import StrandType


class Exp(nn.Module):
    """Take the exponential of every value; torch has it as a function only."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function to every value."""
        return torch.exp(x)


class SigmoidGELU(nn.Module):
    """Apply the sigmoid approximation of GELU to every value; torch has the others."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function to every value."""
        return _sigmoid_gelu(x)


def _sigmoid_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


class _Function(NamedTuple):
    apply: Callable[[Tensor], Tensor]
    module: Callable[[], nn.Module]
    odd: bool = False


FUNCTIONS = {
    "elu": _Function(functional.elu, nn.ELU),
    "exp": _Function(torch.exp, Exp),
    "gelu": _Function(functional.gelu, nn.GELU),
    "identity": _Function(lambda x: x, nn.Identity, odd=True),
    "leaky_relu": _Function(functional.leaky_relu, nn.LeakyReLU),
    "relu": _Function(functional.relu, nn.ReLU),
    "sigmoid": _Function(torch.sigmoid, nn.Sigmoid),
    # x sigmoid(1.702 x), of Hendrycks & Gimpel 2016, as Basenji has it.
    "sigmoid_gelu": _Function(_sigmoid_gelu, SigmoidGELU),
    "silu": _Function(functional.silu, nn.SiLU),
    "softplus": _Function(functional.softplus, nn.Softplus),
    "softsign": _Function(functional.softsign, nn.Softsign, odd=True),
    "tanh": _Function(torch.tanh, nn.Tanh, odd=True),
}


class Activation(TypedModule):
    """Apply a function to every value.

    Args:
        type: type of input and output.
        name: one of `FUNCTIONS`, with the parameters torch gives them by default.

    Raises:
        StrandLawError: a name that is not known, or odd channels under a function f whose f(-x) is not -f(x):
            such channels change sign, and only odd functions pass that on (Mallet & Vert 2021).
    """

    def __init__(self, type: StrandType, name: str) -> None:  # noqa: A002
        function = _known(name)
        if min(type.sign) < 0 and not function.odd:
            label = self.__class__.__name__ if self.__class__ is not Activation else f"Activation '{name}'"
            raise StrandLawError(
                f"{label} on {type} breaks the law, since f(-x) is not -f(x): use an odd function such as tanh on "
                "odd channels, IrrepActivation on both kinds, or regular(n) features."
            )
        super().__init__(type, type)
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function to every value."""
        return FUNCTIONS[self.name].apply(x)

    def frozen(self) -> nn.Module:
        """Return the module of the function in `torch.nn`."""
        return FUNCTIONS[self.name].module()

    def extra_repr(self) -> str:
        """Show types, and the function where the class does not say it."""
        shown = super().extra_repr()
        return f"{shown}, {self.name}" if type(self) is Activation else shown


class ReLU(Activation):
    """Keep what is positive.

    Raises:
        StrandLawError: the type has odd channels, whose sign ReLU would lose.
    """

    def __init__(self, type: StrandType) -> None:  # noqa: A002
        super().__init__(type, "relu")


class Tanh(Activation):
    """Squash every value between -1 and 1; lawful on odd channels too."""

    def __init__(self, type: StrandType) -> None:  # noqa: A002
        super().__init__(type, "tanh")


class IrrepActivation(TypedModule):
    """Apply one function to even channels and an odd function to odd ones (Mallet & Vert 2021).

    Args:
        type: type of input and output; any, odd channels or not.
        even: name of the function for channels that keep their sign, one of `FUNCTIONS`.
        odd: name of the function for channels that change it.

    Raises:
        StrandLawError: a name that is not known, or an `odd` that is not an odd function.
    """

    order: Tensor

    def __init__(self, type: StrandType, even: str = "relu", odd: str = "tanh") -> None:  # noqa: A002
        super().__init__(type, type)
        _known(even)
        if not _known(odd).odd:
            choices = ", ".join(name for name, function in FUNCTIONS.items() if function.odd)
            raise StrandLawError(f"'{odd}' is not an odd function, f(-x) = -f(x): use one of {choices}.")
        self.names = (even, odd)
        signs = torch.tensor(type.sign)
        groups = [(signs > 0).nonzero().flatten(), (signs < 0).nonzero().flatten()]
        self.sizes = [len(group) for group in groups]
        self.register_buffer("order", torch.cat(groups), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Apply each function to its channels."""
        parts = x.index_select(1, self.order).split(self.sizes, dim=1)
        done = [FUNCTIONS[name].apply(part) for name, part in zip(self.names, parts, strict=True)]
        return torch.cat(done, dim=1).index_select(1, self.order.argsort())

    def extra_repr(self) -> str:
        """Show types and functions."""
        return f"{super().extra_repr()}, {' and '.join(self.names)}"


def _known(name: str) -> _Function:
    if name not in FUNCTIONS:
        raise StrandLawError(f"activation '{name}' is not known: use one of {', '.join(FUNCTIONS)}.")
    return FUNCTIONS[name]
