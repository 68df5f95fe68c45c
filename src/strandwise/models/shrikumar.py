"""The two networks of Shrikumar et al. 2017: for simulated motifs, and for ChIP-seq peaks."""

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from strandwise.layers import (
    BatchNorm1d,
    Conv1d,
    Dense,
    Features,
    MaxPool1d,
    ReLU,
    Stack,
    SumChannels,
    TypedModule,
    WeightedSum,
)
from strandwise.models.architecture import Architecture, Bins, Hidden, Stage
from strandwise.schema import Settings
from strandwise.strand import StrandType

# The paper's software normalised with these (Keras 1).
KERAS_NORM = {"momentum": 0.01, "eps": 1e-3}

Readout = Literal["auto", "dense", "weighted_sum"]
READOUTS = "dense, weighted_sum, or auto: the weighted sum where strands share weights, as in the paper"


def convolution_block(features: Features, hidden: Hidden, filters: int, kernel_size: int) -> Stack:
    """Return convolution, batch normalisation and ReLU, as in section 3.4 of the paper."""
    out = hidden(filters)
    conv = Conv1d(features.type, out, kernel_size)
    conv.out_length(features.length)
    return Stack(conv, BatchNorm1d(out, **KERAS_NORM), ReLU(out))


def with_pooling(block: Stack, features: Features, width: int, stride: int) -> Stack:
    """Return a block followed by max pooling, from both ends where its windows do not fit."""
    length = block.out_length(features.length)
    kind = block.out_type
    pool = MaxPool1d(kind, width, stride, in_length=length, lifted=kind.lawful)
    return Stack(*block.layers, pool)  # pyright: ignore[reportArgumentType]


def read_out(features: Features, out_type: StrandType, how: Readout) -> TypedModule:
    """Return the layers from pooled features to logits.

    The paper connects ordinary features directly to the outputs, and puts a weighted sum between where
    strands share weights; a single output then sums the channels with weights of one (section 3.4.2).
    """
    kind, length = features
    if how == "dense" or (how == "auto" and not kind.lawful):
        return Dense(kind, out_type, in_length=length)
    total = WeightedSum(kind, length)
    if out_type.channels == 1:
        return Stack(total, SumChannels(total.out_type, out_type))
    return Stack(total, Dense(total.out_type, out_type))


class ShrikumarSimulated(Architecture):
    """One convolution for simulated motifs (section 3.4.1): conv 21, batch norm, ReLU, max pool 20, readout.

    With other sizes it is the network whose filters the paper draws (section 3.5).
    """

    class Options(Settings):
        """Sizes; defaults are the paper's."""

        filters: PositiveInt = Field(
            default=20, description="filters; twice as many channels where strands share weights"
        )
        kernel_size: PositiveInt = Field(default=21, description="bases that a filter reads")
        pool_width: PositiveInt = Field(default=20, description="width of max pooling")
        pool_stride: PositiveInt | None = Field(
            default=None, description="stride of max pooling; its width if not given"
        )
        readout: Readout = Field(default="auto", description=READOUTS)

    options: Options
    small: ClassVar = {"filters": 3, "kernel_size": 5, "pool_width": 4}
    usual_bp = 200

    def stages(self) -> list[Stage]:
        """Return the single convolutional stage."""
        options = self.options

        def build(features: Features, hidden: Hidden) -> TypedModule:
            block = convolution_block(features, hidden, options.filters, options.kernel_size)
            return with_pooling(block, features, options.pool_width, options.pool_stride or options.pool_width)

        return [Stage("conv1", build)]

    def readout(self, features: Features, out_type: StrandType, bins: Bins | None = None) -> TypedModule:
        """Return the dense layer, behind a weighted sum where strands share weights."""
        return read_out(features, out_type, self.options.readout)


class ShrikumarChip(Architecture):
    """Three convolutions for ChIP-seq peaks (section 3.4.2): conv 15, 14, 14, max pool 40/20, readout."""

    class Options(Settings):
        """Sizes; defaults are those of the paper, with 16 filters as in Zhou et al. 2022."""

        filters: PositiveInt = Field(default=16, description="filters of each; twice as many channels if shared")
        kernel_sizes: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
            default=(15, 14, 14), description="positions that the filters of each convolution read"
        )
        pool_width: PositiveInt = Field(default=40, description="width of max pooling")
        pool_stride: PositiveInt = Field(default=20, description="stride of max pooling")
        readout: Readout = Field(default="auto", description=READOUTS)

    options: Options
    small: ClassVar = {"filters": 3, "kernel_sizes": (5, 4, 4), "pool_width": 6, "pool_stride": 3}

    def stages(self) -> list[Stage]:
        """Return the three convolutional stages; pooling belongs to the last."""
        options = self.options

        def stage(number: int) -> Stage:
            def build(features: Features, hidden: Hidden) -> TypedModule:
                width = options.kernel_sizes[number]
                block = convolution_block(features, hidden, options.filters, width)
                if number < 2:
                    return block
                return with_pooling(block, features, options.pool_width, options.pool_stride)

            return Stage(f"conv{number + 1}", build)

        return [stage(number) for number in range(3)]

    def readout(self, features: Features, out_type: StrandType, bins: Bins | None = None) -> TypedModule:
        """Return the dense layer, behind a weighted sum where strands share weights."""
        return read_out(features, out_type, self.options.readout)
