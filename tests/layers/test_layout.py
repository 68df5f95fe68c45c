"""The fast layouts against torch's one-dimensional operations, values and gradients."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from strandwise.layers.layout import average_pool, convolve, convolve_transposed, max_pool

VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda x: x.contiguous(),
    "transposed": lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
    "every other position": lambda x: x.repeat_interleave(2, dim=2)[..., ::2],
    "every other channel": lambda x: x.repeat_interleave(2, dim=1)[:, ::2],
    "flipped": lambda x: x.flip(1, 2).contiguous().flip(1, 2),
    "expanded batch": lambda x: x[:1].expand(x.shape[0], -1, -1),
}


def compare(view: str, ours: Callable[[Tensor], Tensor], theirs: Callable[[Tensor], Tensor], channels: int = 4) -> None:
    x = torch.randn(3, channels, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    given = VIEWS[view](x)
    mine, twin = (given.clone(memory_format=torch.preserve_format).requires_grad_() for _ in range(2))
    found, expected = ours(VIEWS[view](mine)), theirs(VIEWS[view](twin))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    weights = torch.randn(expected.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for result in (found, expected):
        (result * weights).sum().backward()
    torch.testing.assert_close(mine.grad, twin.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("channels", "out", "taps", "dilation"), [(4, 6, 5, 1), (4, 1, 1, 1), (1, 3, 4, 3)])
def test_convolve(view: str, channels: int, out: int, taps: int, dilation: int) -> None:
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(out, channels, taps, dtype=torch.float64, generator=generator)
    bias = torch.randn(out, dtype=torch.float64, generator=generator)
    for offset in (bias, None):
        compare(
            view,
            lambda x, offset=offset: convolve(x, weight, offset, dilation),
            lambda x, offset=offset: functional.conv1d(x, weight, offset, dilation=dilation),
            channels,
        )


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("groups", "stride"), [(1, 3), (2, 1), (2, 2), (4, 1), (4, 3)])
def test_convolve_in_groups_and_steps(view: str, groups: int, stride: int) -> None:
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(8, 4 // groups, 5, dtype=torch.float64, generator=generator)
    compare(
        view,
        lambda x: convolve(x, weight, None, 2, stride, groups),
        lambda x: functional.conv1d(x, weight, None, stride, dilation=2, groups=groups),
    )


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (3, 2, 1), (2, 1, 2)])
def test_convolve_transposed(view: str, stride: int, padding: int, dilation: int) -> None:
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(4, 6, 5, dtype=torch.float64, generator=generator)
    bias = torch.randn(6, dtype=torch.float64, generator=generator)
    compare(
        view,
        lambda x: convolve_transposed(x, weight, bias, stride, padding, dilation),
        lambda x: functional.conv_transpose1d(x, weight, bias, stride, padding, dilation=dilation),
    )


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("width", "stride"), [(4, 4), (5, 3), (2, 7), (20, 1)])
def test_average_pool(view: str, width: int, stride: int) -> None:
    compare(view, lambda x: average_pool(x, width, stride), lambda x: functional.avg_pool1d(x, width, stride))


def test_convolve_gives_weights_their_gradient() -> None:
    generator = torch.Generator().manual_seed(2)
    x, first = (torch.randn(shape, dtype=torch.float64, generator=generator) for shape in ((3, 4, 20), (6, 4, 5)))
    gradients = []
    for operation in (convolve, lambda x, w, b, dilation: functional.conv1d(x, w, b, dilation=dilation)):
        weight, bias = first.clone().requires_grad_(), torch.ones(6, dtype=torch.float64, requires_grad=True)
        (operation(x, weight, bias, 2) ** 2).sum().backward()
        gradients.append([weight.grad, bias.grad])
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-10)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("width", "stride"), [(4, 4), (5, 3), (2, 7), (20, 1), (1, 1)])
def test_max_pool(view: str, width: int, stride: int) -> None:
    compare(view, lambda x: max_pool(x, width, stride), lambda x: functional.max_pool1d(x, width, stride))
