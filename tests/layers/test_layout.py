"""The fast layouts against torch's one-dimensional operations, values and gradients."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from strandwise.layers.layout import (
    _parts,
    _positions_together,
    average_pool,
    convolve,
    convolve_transposed,
    cut_windows,
    max_pool,
)

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


FEW = [(1, 8, 33, 40), (1, 8, 33, 0), (2, 8, 17, 1), (2, 9, 16, 7), (3, 8, 11, 5), (5, 8, 6, 3)]
"""Filters, channels and taps that are computed at several positions at once, and positions beyond the fewest."""


@pytest.mark.parametrize("view", ["contiguous", "transposed", "flipped", "expanded batch"])
@pytest.mark.parametrize(("filters", "channels", "taps", "more"), FEW)
@pytest.mark.parametrize("offset", [False, True])
def test_few_filters(view: str, filters: int, channels: int, taps: int, more: int, offset: bool) -> None:
    generator = torch.Generator().manual_seed(2)
    together = 16 // filters
    x = torch.randn(2, channels, taps + 4 * together + more, dtype=torch.float64, generator=generator)
    weight = torch.randn(filters, channels, taps, dtype=torch.float64, generator=generator)
    bias = torch.randn(filters, dtype=torch.float64, generator=generator) if offset else None
    assert _positions_together(x, weight, 1) == together
    same(VIEWS[view](x), weight, bias, 1)


@pytest.mark.parametrize("view", ["contiguous", "transposed", "flipped", "expanded batch"])
@pytest.mark.parametrize(("taps", "dilation", "parts"), [(3, 256, 2), (3, 129, 3), (4, 512, 6), (5, 100, 2)])
@pytest.mark.parametrize("over", [1, 2, 7, 50])
def test_taps_far_apart(view: str, taps: int, dilation: int, parts: int, over: int) -> None:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(2, 64, (taps - 1) * dilation + over, dtype=torch.float64, generator=generator)
    weight, bias = (torch.randn(shape, dtype=torch.float64, generator=generator) for shape in ((64, 64, taps), (64,)))
    assert _parts(weight, dilation) == (parts if dilation % parts == 0 else 8)
    same(VIEWS[view](x), weight, bias, dilation)


def test_far_taps_that_no_part_brings_nearer() -> None:
    assert _parts(torch.empty(64, 64, 3), 257) == 1


def same(x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int) -> None:
    """Compare with torch's own convolution, values and all gradients."""
    given = [each for each in (x, weight, bias) if each is not None]
    gradients = []
    for operation in (convolve, lambda x, w, b, dilation: functional.conv1d(x, w, b, dilation=dilation)):
        leaves = [each.clone(memory_format=torch.preserve_format).requires_grad_() for each in given]
        found = operation(leaves[0], leaves[1], leaves[2] if bias is not None else None, dilation)
        along = torch.randn(found.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        gradients.append([found, *torch.autograd.grad((found * along).sum(), leaves)])
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("shape", "filters", "taps", "dilation"), [((2, 64, 900), 2, 75, 1), ((1, 64, 700), 64, 3, 256)]
)
def test_single_precision(shape: tuple[int, ...], filters: int, taps: int, dilation: int) -> None:
    generator = torch.Generator().manual_seed(2)
    x, weight = torch.randn(shape, generator=generator), torch.randn(filters, shape[1], taps, generator=generator)
    expected = functional.conv1d(x.double(), weight.double(), None, dilation=dilation)
    scale = float(expected.abs().max())
    assert float((convolve(x, weight, None, dilation) - expected).abs().max()) < 1e-5 * scale


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("step", [3, 10])
def test_windows_at_a_step(device: str, step: int) -> None:
    x = torch.randn(2, 3, 10 + 3 * step, device=device)
    found = cut_windows(x, 10, step)
    expected = torch.cat([x[row : row + 1, :, at : at + 10] for row in range(2) for at in range(0, 3 * step + 1, step)])
    assert found.shape == expected.shape
    assert device == "meta" or torch.equal(found, expected)


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
