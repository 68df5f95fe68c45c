"""Pieces that GOPHER's networks share: convolution towers, dilated residual blocks, dense bottlenecks."""

from collections.abc import Sequence
from typing import Literal

from strandwise.layers import (
    Activation,
    BatchNorm1d,
    Conv1d,
    Dense,
    Dropout,
    Features,
    MaxPool1d,
    PerStrand,
    ReLU,
    Residual,
    Stack,
    TypedModule,
    Unflatten,
)
from strandwise.models.architecture import Hidden, Stage
from strandwise.models.shrikumar import KERAS_NORM
from strandwise.strand import StrandType, plain, regular

FirstActivation = Literal["relu", "exponential"]
FIRST_ACTIVATION = (
    "of the first layer: relu, or exponential, with which its filters look more like motifs (Koo & Ploenzke 2021)"
)
ACTIVATIONS = {"relu": "relu", "exponential": "exp"}


def same_convolution(in_type: StrandType, out_type: StrandType, kernel_size: int, bias: bool = True) -> TypedModule:
    """Return a convolution that keeps the length, lifted where its zeros cannot be shared equally by two ends.

    Args:
        in_type: type of the input.
        out_type: type of the output, `plain` or `regular`.
        kernel_size: taps; of an even number, one more zero stands on the right, as in Keras.
        bias: learn an offset per filter.
    """
    if kernel_size % 2 or not out_type.lawful:
        return Conv1d(in_type, out_type, kernel_size, padding="same", bias=bias)
    half = plain(out_type.channels // 2)
    return PerStrand(Conv1d(in_type, half, kernel_size, padding="same", bias=bias), in_type)


def residual_block(kind: StrandType, layers: int, dropout: float = 0.1) -> Stack:
    """Return convolutions of 3 taps, 1, 2, 4, ... positions apart, added to what came in, and ReLU.

    Args:
        kind: type of input and output.
        layers: convolutions, each with batch normalisation; ReLU and dropout stand between them.
        dropout: the chance of a value to be zeroed.
    """
    inner: list[TypedModule] = []
    for number in range(layers):
        if number:
            inner += [ReLU(kind), Dropout(kind, dropout)]
        inner += [Conv1d(kind, kind, 3, dilation=2**number, padding="same"), BatchNorm1d(kind, **KERAS_NORM)]
    return Stack(Residual(Stack(*inner)), ReLU(kind))


def tower(
    features: Features,
    kind: StrandType,
    kernel_size: int,
    *,
    activation: str = "relu",
    residual_layers: int = 0,
    pool_width: int = 1,
    dropout: float = 0.0,
) -> Stack:
    """Return convolution, batch normalisation, activation, a residual block, max pooling and dropout.

    Args:
        features: what comes in.
        kind: type of the output, `plain` or `regular`.
        kernel_size: taps of the convolution, which keeps the length.
        activation: the name of an `Activation`.
        residual_layers: convolutions of the residual block; none leave it out.
        pool_width: width and stride of max pooling, from both ends where its windows do not fit; 1 leaves it out.
        dropout: the chance of a value to be zeroed; 0 leaves it out.
    """
    layers: list[TypedModule] = [
        same_convolution(features.type, kind, kernel_size),
        BatchNorm1d(kind, **KERAS_NORM),
        Activation(kind, activation),
    ]
    if residual_layers:
        layers.append(residual_block(kind, residual_layers))
    if pool_width > 1:
        layers.append(MaxPool1d(kind, pool_width, in_length=features.length, lifted=kind.lawful))
    if dropout:
        layers.append(Dropout(kind, dropout))
    return Stack(*layers)


def tower_stages(
    filters: Sequence[int],
    kernel_sizes: Sequence[int],
    pool_widths: Sequence[int],
    first_activation: FirstActivation,
    dropouts: Sequence[float] | None = None,
    residual_layers: Sequence[int] | None = None,
) -> list[Stage]:
    """Return one stage for each tower: "conv1", "conv2", ...

    Args:
        filters: of each convolution.
        kernel_sizes: taps of each.
        pool_widths: of max pooling after each.
        first_activation: of the first; ReLU follows the others.
        dropouts: after each, none if not given.
        residual_layers: of the residual block in each, none if not given.
    """

    def stage(number: int) -> Stage:
        def build(features: Features, hidden: Hidden) -> TypedModule:
            return tower(
                features,
                hidden(filters[number]),
                kernel_sizes[number],
                activation="relu" if number else ACTIVATIONS[first_activation],
                residual_layers=residual_layers[number] if residual_layers else 0,
                pool_width=pool_widths[number],
                dropout=dropouts[number] if dropouts else 0.0,
            )

        return Stage(f"conv{number + 1}", build)

    return [stage(number) for number in range(len(filters))]


def hidden_of(kind: StrandType) -> Hidden:
    """Return what makes the type of further features behind some that are lawful or ordinary."""
    return regular if kind.lawful else plain


def dense_block(
    features: Features, hidden: Hidden, units: int, *, dropout: float, normalised: bool = True
) -> TypedModule:
    """Return a dense layer on all positions, batch normalisation, ReLU and dropout, lifted where features are lawful.

    Args:
        features: what comes in, with positions or pooled.
        hidden: makes the type of the output.
        units: of the dense layer.
        dropout: the chance of a value to be zeroed.
        normalised: whether batch normalisation stands between.
    """
    kind, length = features
    flat = plain(units).pooled()
    norm = [BatchNorm1d(flat, **KERAS_NORM)] if normalised else []
    block = Stack(Dense(kind, flat, in_length=length), *norm, ReLU(flat), Dropout(flat, dropout))
    return _as_hidden(block, hidden)


def spread(kind: StrandType, hidden: Hidden, channels: int, length: int, dropout: float) -> TypedModule:
    """Return a dense layer from pooled features to positions, batch normalisation, ReLU and dropout.

    Lifted where features are lawful, so that each position of one strand is the mirrored one of the other.

    Args:
        kind: pooled type of the input.
        hidden: makes the type of the output.
        channels: of the output, at each position.
        length: positions.
        dropout: the chance of a value to be zeroed.
    """
    out = plain(channels)
    positions = Unflatten(out, length)
    flat = positions.in_type
    norm = BatchNorm1d(flat, **KERAS_NORM)
    return _as_hidden(Stack(Dense(kind, flat), norm, ReLU(flat), positions, Dropout(out, dropout)), hidden)


def _as_hidden(block: Stack, hidden: Hidden) -> TypedModule:
    # As tied weights this would be the same function, with an index as large as the weights beside them.
    return PerStrand(block, block.in_type) if hidden(1).lawful else block
