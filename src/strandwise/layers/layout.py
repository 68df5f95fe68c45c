"""The fastest way to run one-dimensional operations on each device, behind the same layers.

On a CPU, a two-dimensional operation of height one on channels-last memory runs the same arithmetic about
twice as fast as its one-dimensional twin (`benchmarks/training.py` measures it); elsewhere the
one-dimensional operation is used. Shapes stay ``(batch, channels, positions)`` outside.
"""

import torch
from torch import Tensor
from torch.nn import functional


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int) -> Tensor:
    """Return `torch.nn.functional.conv1d` of ``(batch, channels, positions)``."""
    if x.device.type != "cpu":
        return functional.conv1d(x, weight, bias, dilation=dilation)
    flat, taps = _channels_last(x), _channels_last(weight)
    return functional.conv2d(flat, taps, bias, dilation=(1, dilation)).squeeze(2)


def max_pool(x: Tensor, width: int, stride: int) -> Tensor:
    """Return `torch.nn.functional.max_pool1d` of ``(batch, channels, positions)``."""
    if x.device.type != "cpu":
        return functional.max_pool1d(x, width, stride)
    return functional.max_pool2d(x.unsqueeze(2), (1, width), (1, stride)).squeeze(2)


def _channels_last(x: Tensor) -> Tensor:
    return x.unsqueeze(2).contiguous(memory_format=torch.channels_last)
