"""The fastest way to run one-dimensional operations on each device, behind the same layers.

On a CPU, a two-dimensional operation of height one on channels-last memory runs the same arithmetic about
twice as fast as its one-dimensional twin (`benchmarks/training.py` measures it); elsewhere the
one-dimensional operation is used. Shapes stay ``(batch, channels, positions)`` outside.

Two kinds of convolution are slow as they are. One of few filters, as the head of a profile is, fills a fraction of a
processor's registers; it is computed for several neighbouring positions at once, as if each had filters of its own.
One whose taps lie far apart finds little of what it read before in the cache; every second position, or fourth, is
then taken as a sequence of its own, in which they lie nearer (`benchmarks/layers.py` measures both).
"""

import torch
from torch import Tensor
from torch.nn import functional

_LANES = 16
"""Filters that are computed at once, positions side by side included."""

_REACH = 256
"""Positions between the first and the last tap up to which a convolution is as fast as one of neighbouring taps."""

_WORTH = 64 * 3
"""Inputs of a filter from which on bringing far taps nearer takes less than it saves."""


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int, stride: int = 1, groups: int = 1) -> Tensor:
    """Return `torch.nn.functional.conv1d` of ``(batch, channels, positions)``."""
    # Depthwise convolutions are faster in one dimension.
    if x.device.type != "cpu" or (groups > 1 and weight.shape[1] == 1):
        return functional.conv1d(x, weight, bias, stride, dilation=dilation, groups=groups)
    if stride == groups == 1:
        if (together := _positions_together(x, weight, dilation)) > 1:
            return _side_by_side(x, weight, bias, together)
        if (apart := _parts(weight, dilation)) > 1:
            return _in_parts(x, weight, bias, dilation, apart)
    flat, taps = _channels_last(x), _channels_last(weight)
    return functional.conv2d(flat, taps, bias, (1, stride), dilation=(1, dilation), groups=groups).squeeze(2)


def _positions_together(x: Tensor, weight: Tensor, dilation: int) -> int:
    """Return how many neighbouring positions to compute at once; 1 where that gains nothing."""
    filters, channels, taps = weight.shape
    together = _LANES // filters
    # Filters grow by a tap for each position, and short features leave most of the work to the rest.
    gains = dilation == 1 and channels >= 8 and taps >= 2 * together and x.shape[-1] >= taps + 4 * together
    return together if gains and together > 2 else 1


def _side_by_side(x: Tensor, weight: Tensor, bias: Tensor | None, together: int) -> Tensor:
    filters, channels, taps = weight.shape
    moved = [functional.pad(weight, (at, together - 1 - at)) for at in range(together)]
    wide = torch.stack(moved, 1).reshape(filters * together, channels, taps + together - 1)
    offset = None if bias is None else bias.repeat_interleave(together)
    flat = functional.conv2d(_channels_last(x), _channels_last(wide), offset, (1, together)).squeeze(2)
    found = flat.unflatten(1, (filters, together)).transpose(2, 3).flatten(2)
    done = found.shape[-1]
    if done == x.shape[-1] - taps + 1:
        return found
    rest = functional.conv2d(_channels_last(x[..., done:]), _channels_last(weight), bias)
    return torch.cat([found, rest.squeeze(2)], 2)


def _parts(weight: Tensor, dilation: int) -> int:
    """Return into how many parts to take positions, so that taps lie near each other; 1 where that gains nothing."""
    filters, channels, taps = weight.shape
    reach = (taps - 1) * dilation
    if reach <= _REACH or filters < 64 or channels * taps < _WORTH:
        return 1
    wanted = -(-reach // _REACH)
    return next((parts for parts in range(wanted, 4 * wanted) if dilation % parts == 0), 1)


def _in_parts(x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int, parts: int) -> Tensor:
    batch, channels, length = x.shape
    rows = x.transpose(1, 2)
    if length % parts:
        rows = functional.pad(rows, (0, 0, 0, -length % parts))
    split = rows.unflatten(1, (-1, parts)).transpose(1, 2).reshape(batch * parts, 1, -1, channels).permute(0, 3, 1, 2)
    found = functional.conv2d(split, _channels_last(weight), bias, dilation=(1, dilation // parts))
    joined = found.permute(0, 2, 3, 1).reshape(batch, parts, -1, weight.shape[0]).transpose(1, 2).flatten(1, 2)
    return joined[:, : length - (weight.shape[2] - 1) * dilation].transpose(1, 2)


def convolve_transposed(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int, dilation: int
) -> Tensor:
    """Return `torch.nn.functional.conv_transpose1d` of ``(batch, channels, positions)``."""
    if x.device.type != "cpu":
        return functional.conv_transpose1d(x, weight, bias, stride, padding, dilation=dilation)
    flat, taps = _channels_last(x), _channels_last(weight)
    result = functional.conv_transpose2d(flat, taps, bias, (1, stride), (0, padding), dilation=(1, dilation))
    return result.squeeze(2)


def max_pool(x: Tensor, width: int, stride: int) -> Tensor:
    """Return `torch.nn.functional.max_pool1d` of ``(batch, channels, positions)``."""
    if x.device.type != "cpu":
        return functional.max_pool1d(x, width, stride)
    return functional.max_pool2d(x.unsqueeze(2), (1, width), (1, stride)).squeeze(2)


def average_pool(x: Tensor, width: int, stride: int) -> Tensor:
    """Return `torch.nn.functional.avg_pool1d` of ``(batch, channels, positions)``."""
    if x.device.type != "cpu":
        return functional.avg_pool1d(x, width, stride)
    return functional.avg_pool2d(x.unsqueeze(2), (1, width), (1, stride)).squeeze(2)


def cut_windows(x: Tensor, length: int, step: int) -> Tensor:
    """Return windows at a fixed step of ``(batch, channels, positions)``: ``(batch * windows, channels, length)``."""
    windows = x.unfold(2, length, step)
    if x.device.type != "cpu":
        return windows.transpose(1, 2).flatten(0, 1)
    return windows.permute(0, 2, 3, 1).reshape(-1, length, x.shape[1]).transpose(1, 2)


def _channels_last(x: Tensor) -> Tensor:
    return x.unsqueeze(2).contiguous(memory_format=torch.channels_last)
