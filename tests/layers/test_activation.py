import pytest
import torch
from torch import nn

from strandwise.errors import StrandLawError
from strandwise.layers import Activation, BatchNorm1d, IrrepActivation, ReLU, Stack, Tanh, freeze
from strandwise.layers.activation import FUNCTIONS
from strandwise.layers.stack import _steps
from strandwise.strand import odd, plain, regular, unstranded
from strandwise.testing import random_input

BY_HAND = {
    "elu": lambda x: torch.where(x > 0, x, torch.exp(x) - 1),
    "exp": lambda x: torch.e**x,
    "gelu": lambda x: x * (1 + torch.erf(x / 2**0.5)) / 2,
    "identity": lambda x: x,
    "leaky_relu": lambda x: torch.where(x > 0, x, 0.01 * x),
    "relu": lambda x: x.clamp(min=0),
    "sigmoid": lambda x: 1 / (1 + torch.exp(-x)),
    "sigmoid_gelu": lambda x: x / (1 + torch.exp(-1.702 * x)),
    "silu": lambda x: x / (1 + torch.exp(-x)),
    "softplus": lambda x: torch.log(1 + torch.exp(x)),
    "softsign": lambda x: x / (1 + x.abs()),
    "tanh": lambda x: 1 - 2 / (torch.exp(2 * x) + 1),
}


def test_every_function_is_written_out_here() -> None:
    assert set(BY_HAND) == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_what_their_names_say(name: str) -> None:
    layer = Activation(regular(2), name)
    x = random_input(regular(2), 9)
    expected = BY_HAND[name](x)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(freeze(layer)(x), expected, rtol=0, atol=1e-12)
    assert not isinstance(freeze(layer), Activation)
    # Odd functions, and no others, are let through on odd channels.
    assert FUNCTIONS[name].odd == torch.allclose(BY_HAND[name](-x), -expected)
    if FUNCTIONS[name].odd:
        torch.testing.assert_close(Activation(odd(4), name)(x), expected, rtol=0, atol=1e-12)
    else:
        with pytest.raises(StrandLawError, match=rf"Activation '{name}' on odd\(4\) breaks the law, .* such as tanh"):
            Activation(odd(4), name)


def test_short_names() -> None:
    x = random_input(odd(2), 5)
    assert torch.equal(Tanh(odd(2))(x), torch.tanh(x))
    assert isinstance(freeze(Tanh(odd(2))), nn.Tanh)
    assert torch.equal(ReLU(plain(2))(x), x.clamp(min=0))
    assert isinstance(freeze(ReLU(plain(2))), nn.ReLU)
    with pytest.raises(StrandLawError, match=r"ReLU on odd\(2\) breaks the law"):
        ReLU(odd(2))


def test_each_kind_of_channel_has_its_function() -> None:
    kind = unstranded(1) + odd(2) + regular(1)
    layer = IrrepActivation(kind)
    x = random_input(kind, 6)
    expected = torch.cat([x[:, :1].clamp(min=0), torch.tanh(x[:, 1:3]), x[:, 3:].clamp(min=0)], dim=1)
    assert torch.equal(layer(x), expected)
    assert torch.equal(freeze(layer)(x), expected)
    assert torch.equal(IrrepActivation(odd(2), odd="identity")(x[:, :2]), x[:, :2])
    assert torch.equal(IrrepActivation(regular(1), "exp")(x[:, :2]), x[:, :2].exp())


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(StrandLawError, match=r"'relu' is not an odd function, .* use one of identity, softsign, tanh"):
        IrrepActivation(odd(1), odd="relu")
    for make in (lambda: IrrepActivation(odd(1), "none"), lambda: Activation(odd(1), "none")):
        with pytest.raises(StrandLawError, match="'none' is not known: use one of elu, exp, gelu"):
            make()


def test_a_relu_by_name_is_done_in_the_same_step_as_a_norm() -> None:
    by_name, by_class = (
        Stack(BatchNorm1d(regular(2)), relu) for relu in (Activation(regular(2), "relu"), ReLU(regular(2)))
    )
    assert len(list(_steps(list(by_name)))) == len(list(_steps(list(by_class)))) == 1
    assert len(list(_steps(list(Stack(BatchNorm1d(regular(2)), Activation(regular(2), "elu")))))) == 2
    x = random_input(regular(2), 9).float()
    torch.testing.assert_close(by_name(x), by_class(x))


def test_they_print_what_they_are() -> None:
    assert repr(Activation(regular(2), "gelu")) == "Activation(regular(2) -> regular(2), gelu)"
    assert repr(Tanh(odd(1))) == "Tanh(odd(1) -> odd(1))"
    assert repr(IrrepActivation(odd(1))) == "IrrepActivation(odd(1) -> odd(1), relu and tanh)"
