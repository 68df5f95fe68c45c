"""GOPHER's baseline: three convolutions and a bottleneck, from which all bins are drawn (Toneyan et al. 2022)."""

from typing import ClassVar

from pydantic import Field, PositiveInt

from strandwise.layers import Dense, Features, Stack, TypedModule
from strandwise.layers.typed import after
from strandwise.models.architecture import Architecture, Bins, Hidden, Stage
from strandwise.models.binning import known_bins
from strandwise.models.task_heads import HEADS, Heads, bin_heads
from strandwise.models.towers import (
    FIRST_ACTIVATION,
    FirstActivation,
    dense_block,
    hidden_of,
    spread,
    tower,
    tower_stages,
)
from strandwise.schema import Settings
from strandwise.strand import StrandType


class CNNBaseline(Architecture):
    """Three convolutions with max pooling, a dense bottleneck, and a second dense layer that is laid along the bins.

    Every number of bins can be drawn from the bottleneck. The answer for a window is read from it directly.
    """

    class Options(Settings):
        """Sizes; defaults are the paper's."""

        filters: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
            default=(192, 256, 512), description="filters of each convolution; twice as many channels if shared"
        )
        kernel_sizes: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
            default=(19, 7, 7), description="positions that the filters of each convolution read"
        )
        pool_widths: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
            default=(8, 4, 4), description="width of max pooling after each convolution"
        )
        bottleneck_units: PositiveInt = Field(default=256, description="units of the bottleneck")
        bin_channels: PositiveInt = Field(default=8, description="units of the second dense layer for each bin")
        last_filters: PositiveInt = Field(default=256, description="filters of the convolution along the bins")
        head_filters: PositiveInt = Field(default=64, description="filters of the head of a task, for heads = per_task")
        heads: Heads = Field(default="shared", description=HEADS)
        first_activation: FirstActivation = Field(default="relu", description=FIRST_ACTIVATION)

    options: Options
    answers: ClassVar = ("bins", "window")
    usual_bp = 2048
    usual_bin_bp = 32
    small: ClassVar = {
        "filters": (3, 3, 4),
        "kernel_sizes": (5, 4, 3),
        "pool_widths": (4, 2, 2),
        "bottleneck_units": 4,
        "bin_channels": 2,
        "last_filters": 3,
        "head_filters": 2,
        "first_activation": "exponential",
    }
    small_bins: ClassVar = (Bins(4, 16), Bins(9, 1))

    def stages(self) -> list[Stage]:
        """Return the convolutions with their pooling, and the bottleneck."""
        options = self.options

        def bottleneck(features: Features, hidden: Hidden) -> TypedModule:
            return dense_block(features, hidden, options.bottleneck_units, dropout=0.3)

        towers = tower_stages(
            options.filters, options.kernel_sizes, options.pool_widths, options.first_activation, (0.1, 0.1, 0.2)
        )
        return [*towers, Stage("bottleneck", bottleneck)]

    def readout(self, features: Features, out_type: StrandType, bins: Bins | None = None) -> TypedModule:
        """Return a dense layer for a window; for bins, a dense layer along them, a convolution and the heads.

        Raises:
            ConfigError: no bins are given for a head along them.
        """
        if not out_type.positions:
            return Dense(features.type, out_type)
        options, number = self.options, known_bins(bins, "cnn_baseline").number
        hidden = hidden_of(features.type)
        along = spread(features.type, hidden, options.bin_channels, number, dropout=0.1)
        conv = tower(Features(along.out_type, number), hidden(options.last_filters), 7, dropout=0.2)
        heads = bin_heads(after(features, [along, conv]), out_type, options.heads, filters=options.head_filters)
        return Stack(along, conv, heads)
