"""The fastest way to run one-dimensional operations on each device, behind the same layers.

On a CPU, a two-dimensional operation of height one on channels-last memory runs the same arithmetic about
twice as fast as its one-dimensional twin (`benchmarks/training.py` measures it); elsewhere the
one-dimensional operation is used. Shapes stay ``(batch, channels, positions)`` outside.
"""

import torch
from torch import Tensor
from torch.nn import functional


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int, stride: int = 1, groups: int = 1) -> Tensor:
    """Return `torch.nn.functional.conv1d` of ``(batch, channels, positions)``."""
    # Depthwise convolutions are faster in one dimension.
    if x.device.type != "cpu" or (groups > 1 and weight.shape[1] == 1):
        return functional.conv1d(x, weight, bias, stride, dilation=dilation, groups=groups)
    flat, taps = _channels_last(x), _channels_last(weight)
    return functional.conv2d(flat, taps, bias, (1, stride), dilation=(1, dilation), groups=groups).squeeze(2)


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


def _channels_last(x: Tensor) -> Tensor:
    return x.unsqueeze(2).contiguous(memory_format=torch.channels_last)
