"""Normalisation, ReLU and pooling as one step, against the three one after the other and against torch's own."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from strandwise.layers import BatchNorm1d, MaxPool1d, ReLU, Stack, TypedModule
from strandwise.layers.fusion import Fused, Pairing, normalise_in_training
from strandwise.strand import StrandType, plain, regular, stranded, unstranded
from strandwise.testing import random_input, randomise

KINDS = [plain(4), regular(2), stranded(2), unstranded(3), regular(2) + unstranded(1)]


def chain(kind: StrandType, relu: bool, window: tuple[int, int] | None, length: int) -> list[TypedModule]:
    layers: list[TypedModule] = [BatchNorm1d(kind, momentum=0.3, eps=1e-3)]
    layers += [ReLU(kind)] if relu else []
    layers += [MaxPool1d(kind, *window, in_length=length)] if window else []
    return layers


def one_by_one(stack: Stack, x: Tensor) -> Tensor:
    for layer in stack:
        x = layer(x)
    return x


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("window", [None, (4, 4), (5, 3)], ids=str)
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_one_step_is_the_steps(kind: StrandType, relu: bool, window: tuple[int, int] | None, train: bool) -> None:
    length = 20
    stack = Stack(*chain(kind, relu, window, length)).double().train(train)
    randomise(stack)
    with torch.no_grad():  # a channel with a negative scale keeps its smallest values
        stack.get_parameter("layers.0.weight.free").view(-1)[0] = -0.7
    twin = copy.deepcopy(stack)
    mine, theirs = (random_input(kind, length, batch=4).requires_grad_() for _ in range(2))
    found, expected = stack(mine), one_by_one(twin, theirs)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    weights = torch.randn(expected.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for result in (found, expected):
        (result * weights).sum().backward()
    torch.testing.assert_close(mine.grad, theirs.grad, rtol=0, atol=1e-11)
    for one, other in zip(stack.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=1e-11)
    torch.testing.assert_close(stack.state_dict(), twin.state_dict())


@pytest.mark.parametrize("train", [True, False])
def test_an_ordinary_type_is_torchs_own(train: bool) -> None:
    stack = Stack(*chain(plain(4), True, (5, 3), 20)).double()
    randomise(stack)
    own = nn.BatchNorm1d(4, eps=1e-3, momentum=0.3).double()
    own.load_state_dict(
        {name.removesuffix(".free"): value for name, value in stack.layers[0].state_dict().items()}, strict=False
    )
    stack.train(train)
    own.train(train)
    x, twin = (random_input(plain(4), 20, batch=4).requires_grad_() for _ in range(2))
    found, expected = stack(x), functional.max_pool1d(functional.relu(own(twin)), 5, 3)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    (found**2).sum().backward()
    (expected**2).sum().backward()
    torch.testing.assert_close(x.grad, twin.grad, rtol=0, atol=1e-11)
    torch.testing.assert_close(stack.layers[0].running_var, own.running_var)
    torch.testing.assert_close(stack.layers[0].running_mean, own.running_mean)


@pytest.mark.parametrize("then", [Fused(), Fused(relu=True), Fused(relu=True, window=(4, 2))], ids=str)
@pytest.mark.parametrize("even", [None, torch.tensor([1.0, 0, 0, 1.0], dtype=torch.float64)], ids=["even", "odd"])
def test_gradient_by_finite_differences(then: Fused, even: Tensor | None) -> None:
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (
        torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()
        for shape in ((3, 4, 6), (4,), (4,))
    )
    pairing = Pairing(torch.tensor([3, 2, 1, 0]), even)

    def normalised(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        # Both channels of a pair share their scale, as the layers do.
        return normalise_in_training(x, pairing.pooled(weight), pairing.pooled(bias), pairing, 1e-3, then)[0]

    assert torch.autograd.gradcheck(normalised, (x, weight, bias), fast_mode=False)


def test_a_watched_layer_is_called() -> None:
    stack = Stack(*chain(regular(2), True, (4, 4), 20))
    seen = []
    stack.layers[1].register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    stack(torch.randn(2, 4, 20))
    assert seen == [(2, 4, 20)]


@pytest.mark.parametrize("view", ["transposed", "sliced", "expanded"])
def test_memory_in_any_order(view: str) -> None:
    x = torch.randn(3, 4, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    views = {
        "transposed": x.transpose(1, 2).contiguous().transpose(1, 2),
        "sliced": x.repeat_interleave(2, dim=2)[..., ::2],
        "expanded": x[:1].expand(3, -1, -1),
    }
    stack = Stack(*chain(regular(2), True, (4, 4), 20)).double()
    x = views[view].detach()
    twin = copy.deepcopy(stack)
    torch.testing.assert_close(stack(x), twin(x.contiguous()), rtol=0, atol=1e-12)


def test_a_pool_of_another_length_is_refused() -> None:
    from strandwise.errors import StrandLawError

    stack = Stack(*chain(regular(2), True, (4, 4), 20))
    with pytest.raises(StrandLawError, match="was made for 20 positions"):
        stack(torch.randn(2, 4, 21))


def test_a_replaced_layer_is_what_runs() -> None:
    from strandwise.layers import Tanh

    class Twice(ReLU):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    x = random_input(regular(2), 20)
    for layer in (Tanh(regular(2)), Twice(regular(2))):
        stack = Stack(*chain(regular(2), True, None, 20)).double()
        stack.layers[1] = layer
        torch.testing.assert_close(stack(x), one_by_one(copy.deepcopy(stack), x), rtol=0, atol=1e-12)
