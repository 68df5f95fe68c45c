"""For each ordinary layer, the layer on shared weights that does for both strands what it does for one.

The first n of the twin's 2n channels are the ordinary layer's, the last n their mirror image, and no weight
leads from one half to the other. Where the layer gives an output that obeys the law, both halves are averaged.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from strandwise.errors import StrandLawError
from strandwise.layers import (
    Activation,
    AttentionPool1d,
    AveragePool1d,
    BatchNorm1d,
    ChannelDropout,
    Conv1d,
    ConvTranspose1d,
    Crop1d,
    Dense,
    Dropout,
    GlobalAttentionPool,
    GlobalAveragePool,
    GlobalMaxPool,
    GroupNorm,
    IrrepActivation,
    LayerNorm,
    MaxPool1d,
    PoolStrands,
    ReLU,
    SumChannels,
    Tanh,
    TypedModule,
    Unflatten,
    WeightedSum,
)
from strandwise.layers.dropout import Masked
from strandwise.layers.tying import TiedParameter
from strandwise.strand import StrandType, regular


def twin_of(layer: nn.Module, length: int) -> TypedModule:
    """Return the layer on shared weights that imitates an ordinary layer; a lawful layer is copied.

    Args:
        layer: one of ours.
        length: positions that come in.

    Raises:
        StrandLawError: a layer that shared weights cannot imitate.
    """
    kind = type(layer)
    if kind in TWINS or kind in LAWFUL_ONLY:
        assert isinstance(layer, TypedModule)  # noqa: S101
        # Dropout is made anew: where it was conjoined, it shares its masks between the strands of a batch.
        if layer.in_type.lawful and layer.out_type.lawful and not isinstance(layer, Masked):
            return copy.deepcopy(layer)
    if kind not in TWINS:
        raise StrandLawError(
            f"no layer on shared weights is known that does for both strands what {kind.__name__} does for one; "
            f"known are {', '.join(sorted(known.__name__ for known in TWINS))}: keep the network conjoined."
        )
    return TWINS[kind](layer, length)


def both_strands(kind: StrandType) -> StrandType:
    """Return the type of features of both strands: `regular(n)` for n ordinary ones, lawful types as they are."""
    if kind.lawful:
        return kind
    both = regular(kind.channels)
    return both if kind.positions else both.pooled()


def fill(twin: TiedParameter, full: Tensor, out_type: StrandType) -> None:
    """Set a shared weight so that the forward half does as `full` says, the reverse half its mirror image.

    `full` stands at the start of every axis, the rest being zero, and the other strand's image is added: halved
    where both halves meet in a lawful output. Each orbit of entries then has one value, twice its mean.

    Args:
        twin: the weight to set.
        full: the weight of the ordinary layer.
        out_type: what the ordinary layer gives.
    """
    placed = full.new_zeros(twin.shape)
    placed[tuple(slice(size) for size in full.shape)] = full / 2 if out_type.lawful else full
    if not twin.free.numel():
        return
    sign = torch.ones_like(placed) if twin.sign is None else twin.sign.to(full)
    total, size = torch.zeros_like(twin.free), torch.zeros_like(twin.free)
    total.index_add_(0, twin.index, (placed * sign).flatten())
    size.index_add_(0, twin.index, sign.abs().flatten())
    twin.free.copy_(2 * total / size)


def same_sum(layer: SumChannels, before: TypedModule) -> SumChannels | None:
    """Return a sum over channels after a weighted sum that takes the mean of both strands in its place.

    The weights of a sum over channels are one, so those before it are halved; None where there are none.

    Args:
        layer: the ordinary sum.
        before: the twin of the layer before it, which changes.
    """
    linear = isinstance(before, WeightedSum) and before.nonlinearity is None
    if not linear or layer.in_type.lawful or min(layer.out_type.sign) < 0:
        return None
    for weight in before.parameters():
        weight.mul_(0.5)
    twin = SumChannels(both_strands(layer.in_type), layer.out_type).to(layer.bias)
    twin.bias.copy_(layer.bias)
    return twin


def _conv(layer: Conv1d, length: int) -> TypedModule:
    full, groups = layer.weight(), layer.groups
    if groups > 1 and not layer.in_type.lawful and not layer.out_type.lawful:
        groups *= 2
    elif groups > 1:
        full, groups = _ungrouped(full, groups), 1
    left, right = _idle_taps(layer, length)
    full = functional.pad(full, (left, right))
    twin = Conv1d(
        both_strands(layer.in_type),
        both_strands(layer.out_type),
        full.shape[2],
        dilation=layer.dilation,
        padding=layer.padding,
        stride=layer.stride,
        groups=groups,
        bias=layer.bias is not None,
        in_length=length,
    ).to(full)
    fill(twin.weight, full, layer.out_type)
    _fill_bias(twin.bias, layer.bias, layer.out_type)
    return twin


def _idle_taps(layer: Conv1d, length: int) -> tuple[int, int]:
    """Return how many taps of zero, left and right, make a convolution lie alike on both strands."""
    if layer.padding == "same":
        # Of an odd number of zeros one more stands on the right; a tap more on the left makes both ends equal.
        return (1, 0) if layer.reach % 2 and layer.dilation == 1 else (0, 0)
    over = (length - 1 - layer.reach) % layer.stride
    # The steps of the wider filter end at the last position, with its own taps where they were.
    return (0, over // layer.dilation) if over % layer.dilation == 0 else (0, 0)


def _ungrouped(weight: Tensor, groups: int) -> Tensor:
    """Return the weight ``(out, in, taps)`` of a grouped convolution, zero between groups."""
    blocks = weight.chunk(groups)
    return torch.cat(
        [
            functional.pad(block, (0, 0, number * weight.shape[1], (groups - 1 - number) * weight.shape[1]))
            for number, block in enumerate(blocks)
        ]
    )


def _transposed(layer: ConvTranspose1d, length: int) -> TypedModule:
    twin = ConvTranspose1d(
        both_strands(layer.in_type),
        both_strands(layer.out_type),
        layer.kernel_size,
        stride=layer.stride,
        dilation=layer.dilation,
        padding=layer.padding,
        bias=layer.bias is not None,
    ).to(layer.weight.free)
    fill(twin.weight, layer.weight(), layer.out_type)
    _fill_bias(twin.bias, layer.bias, layer.out_type)
    return twin


def _dense(layer: Dense, length: int) -> TypedModule:
    kinds = both_strands(layer.in_type), both_strands(layer.out_type)
    twin = Dense(*kinds, in_length=layer.in_length, bias=layer.bias is not None).to(layer.weight.free)
    fill(twin.weight, layer.weight(), layer.out_type)
    _fill_bias(twin.bias, layer.bias, layer.out_type)
    return twin


def _sum_channels(layer: SumChannels, length: int) -> TypedModule:
    twin = Dense(both_strands(layer.in_type), layer.out_type).to(layer.bias)
    fill(twin.weight, layer.bias.new_ones(1, layer.in_type.channels), layer.out_type)
    if twin.bias is not None:
        fill(twin.bias, layer.bias, layer.out_type)
    return twin


def _weighted_sum(layer: WeightedSum, length: int) -> TypedModule:
    twin = WeightedSum(
        both_strands(layer.in_type),
        layer.in_length,
        symmetric=layer.symmetric,
        smoothness=layer.smoothness,
        bias=layer.bias is not None,
        nonlinearity=None if layer.nonlinearity is None else layer.nonlinearity.name,
    ).to(layer.weight.free)
    fill(twin.weight, layer.weight(), layer.out_type)
    _fill_bias(twin.bias, layer.bias, layer.out_type)
    return twin


def _norm(layer: BatchNorm1d, length: int) -> TypedModule:
    twin = BatchNorm1d(both_strands(layer.in_type), momentum=layer.momentum, eps=layer.eps).to(layer.running_mean)
    fill(twin.weight, layer.weight(), layer.out_type)
    fill(twin.bias, layer.bias(), layer.out_type)
    # One mean and one variance per pair of channels: as many numbers as ordinary channels had.
    twin.running_mean.copy_(layer.running_mean)
    twin.running_var.copy_(layer.running_var)
    return twin


def _window(layer: MaxPool1d | AveragePool1d, length: int) -> TypedModule:
    return type(layer)(both_strands(layer.in_type), layer.width, layer.stride, in_length=length, lifted=True)


def _fill_bias(twin: TiedParameter | None, bias: TiedParameter | None, out_type: StrandType) -> None:
    if twin is not None and bias is not None:
        fill(twin, bias(), out_type)


# By exact class: a subclass may compute something else.
TWINS: dict[type[nn.Module], Callable[..., TypedModule]] = {
    Activation: lambda layer, length: Activation(both_strands(layer.in_type), layer.name),
    AveragePool1d: _window,
    BatchNorm1d: _norm,
    ChannelDropout: lambda layer, length: ChannelDropout(both_strands(layer.in_type), layer.p),
    Conv1d: _conv,
    ConvTranspose1d: _transposed,
    Crop1d: lambda layer, length: Crop1d(both_strands(layer.in_type), layer.left, layer.right),
    Dense: _dense,
    Dropout: lambda layer, length: Dropout(both_strands(layer.in_type), layer.p),
    GlobalAveragePool: lambda layer, length: GlobalAveragePool(both_strands(layer.in_type)),
    GlobalMaxPool: lambda layer, length: GlobalMaxPool(both_strands(layer.in_type)),
    IrrepActivation: lambda layer, length: IrrepActivation(both_strands(layer.in_type), *layer.names),
    MaxPool1d: _window,
    ReLU: lambda layer, length: ReLU(both_strands(layer.in_type)),
    SumChannels: _sum_channels,
    Tanh: lambda layer, length: Tanh(both_strands(layer.in_type)),
    Unflatten: lambda layer, length: Unflatten(both_strands(layer.out_type), layer.length),
    WeightedSum: _weighted_sum,
}
# Between ordinary features they would join the two halves, or need weights of their own kind to keep them apart;
# where they obey the law already they stay as they are.
LAWFUL_ONLY: frozenset[type[nn.Module]] = frozenset(
    {AttentionPool1d, GlobalAttentionPool, GroupNorm, LayerNorm, PoolStrands}
)
