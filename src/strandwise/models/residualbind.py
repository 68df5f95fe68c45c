"""ResidualBind in the two forms of GOPHER: any bins through a bottleneck, or 32 bp by pooling (Toneyan et al. 2022)."""

from math import prod
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field, PositiveInt

from strandwise.errors import ConfigError
from strandwise.layers import Crop1d, Dense, Features, GlobalAveragePool, Stack, TypedModule
from strandwise.models.architecture import Architecture, Bins, Hidden, Stage
from strandwise.models.binning import known_bins, middle
from strandwise.models.task_heads import HEADS, Heads, bin_heads
from strandwise.models.towers import (
    FIRST_ACTIVATION,
    FirstActivation,
    dense_block,
    hidden_of,
    residual_block,
    spread,
    tower,
    tower_stages,
)
from strandwise.schema import Settings
from strandwise.strand import StrandType

Three = tuple[PositiveInt, PositiveInt, PositiveInt]


class Sizes(NamedTuple):
    """What differs between what the paper says and what its software does.

    Attributes:
        pool_widths: of max pooling after each convolution.
        residual_layers: of the residual block after each convolution, and of the one along the bins.
        last_dropout: before the last block.
    """

    pool_widths: tuple[int, int, int]
    residual_layers: tuple[int, int, int, int]
    last_dropout: float


VARIANTS = {"paper": Sizes((4, 4, 4), (5, 5, 4, 5), 0.1), "task": Sizes((8, 4, 4), (5, 5, 3, 6), 0.2)}


class ResidualBind(Architecture):
    """The baseline with a block of dilated residual layers after each convolution, and one more along the bins.

    Every number of bins can be drawn from the bottleneck. The answer for a window is read from it directly.
    """

    class Options(Settings):
        """Sizes; defaults are the paper's."""

        variant: Literal["paper", "task"] = Field(
            default="paper",
            description="paper: max pooling 4, 4, 4 and blocks of 5, 5, 4 and 5 layers, as its text says; task: 8, 4, "
            "4 and 5, 5, 3 and 6, as its software builds the network with heads = per_task",
        )
        filters: Three = Field(
            default=(192, 256, 512), description="filters of each convolution; twice as many channels if shared"
        )
        kernel_sizes: Three = Field(
            default=(19, 7, 7), description="positions that the filters of each convolution read"
        )
        pool_widths: Three | None = Field(
            default=None, description="width of max pooling after each convolution; the variant's if not given"
        )
        residual_layers: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] | None = Field(
            default=None,
            description="layers of the residual block after each convolution, the one along the bins last; the "
            "variant's if not given",
        )
        bottleneck_units: PositiveInt = Field(default=512, description="units of the bottleneck")
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
        "filters": (2, 3, 3),
        "kernel_sizes": (5, 3, 3),
        "pool_widths": (4, 2, 2),
        "residual_layers": (2, 1, 1, 1),
        "bottleneck_units": 4,
        "bin_channels": 2,
        "last_filters": 2,
        "head_filters": 2,
        "heads": "per_task",
    }
    small_bins: ClassVar = (Bins(7, 4),)

    def stages(self) -> list[Stage]:
        """Return the convolutions with their residual blocks and pooling, and the bottleneck."""
        options, sizes = self.options, self._sizes()

        def bottleneck(features: Features, hidden: Hidden) -> TypedModule:
            return dense_block(features, hidden, options.bottleneck_units, dropout=0.3)

        towers = tower_stages(
            options.filters,
            options.kernel_sizes,
            sizes.pool_widths,
            options.first_activation,
            (0.1, 0.1, 0.2),
            sizes.residual_layers[:3],
        )
        return [*towers, Stage("bottleneck", bottleneck)]

    def readout(self, features: Features, out_type: StrandType, bins: Bins | None = None) -> TypedModule:
        """Return a dense layer for a window; for bins, a dense layer along them, convolutions and the heads.

        Raises:
            ConfigError: no bins are given for a head along them.
        """
        if not out_type.positions:
            return Dense(features.type, out_type)
        options, sizes, number = self.options, self._sizes(), known_bins(bins, "residualbind").number
        hidden = hidden_of(features.type)
        along = spread(features.type, hidden, options.bin_channels, number, dropout=0.1)
        kind = hidden(options.last_filters)
        conv = tower(Features(along.out_type, number), kind, 7, dropout=sizes.last_dropout)
        block = residual_block(kind, sizes.residual_layers[3])
        heads = bin_heads(Features(kind, number), out_type, options.heads, filters=options.head_filters)
        return Stack(along, conv, block, heads)

    def _sizes(self) -> Sizes:
        options, sizes = self.options, VARIANTS[self.options.variant]
        return sizes._replace(
            pool_widths=options.pool_widths or sizes.pool_widths,
            residual_layers=options.residual_layers or sizes.residual_layers,
        )


class ResidualBind32(Architecture):
    """ResidualBind without a bottleneck: the positions that max pooling leaves are the bins.

    A convolution (for heads of their own) or a dense layer at each position (for a shared one) stands before the
    heads. The answer for a window, which the paper does not ask of it, is the mean over positions and a dense layer.
    """

    class Options(Settings):
        """Sizes; defaults are the paper's, with the heads and the activation that it goes on with."""

        filters: Three = Field(
            default=(256, 512, 1024), description="filters of each convolution; twice as many channels if shared"
        )
        kernel_sizes: Three = Field(
            default=(19, 7, 7), description="positions that the filters of each convolution read"
        )
        pool_widths: Three = Field(
            default=(4, 4, 2), description="width of max pooling after each convolution; their product is a bin"
        )
        residual_layers: Three = Field(default=(5, 5, 3), description="layers of the residual block after each")
        last_filters: PositiveInt = Field(default=256, description="filters of the layer before the heads")
        head_filters: PositiveInt = Field(default=64, description="filters of the head of a task, for heads = per_task")
        heads: Heads = Field(default="per_task", description=HEADS)
        first_activation: FirstActivation = Field(default="exponential", description=FIRST_ACTIVATION)

    options: Options
    answers: ClassVar = ("bins", "window")
    usual_bp = 2048
    usual_bin_bp = 32
    small: ClassVar = {
        "filters": (2, 3, 3),
        "kernel_sizes": (5, 3, 3),
        "pool_widths": (2, 2, 1),
        "residual_layers": (2, 1, 1),
        "last_filters": 3,
        "head_filters": 2,
    }
    small_bins: ClassVar = (Bins(16, 4), Bins(10, 4))

    def stages(self) -> list[Stage]:
        """Return the convolutions with their residual blocks and pooling, and the last layer."""
        options = self.options
        width, dropout = (7, 0.2) if options.heads == "per_task" else (1, 0.3)

        def last(features: Features, hidden: Hidden) -> TypedModule:
            return tower(features, hidden(options.last_filters), width, dropout=dropout)

        towers = tower_stages(
            options.filters,
            options.kernel_sizes,
            options.pool_widths,
            options.first_activation,
            (0.2, 0.2, 0.5),
            options.residual_layers,
        )
        return [*towers, Stage("last", last)]

    def readout(self, features: Features, out_type: StrandType, bins: Bins | None = None) -> TypedModule:
        """Return the heads, cut to the bins; for a window, pooling and a dense layer.

        Raises:
            ConfigError: bins of another size than max pooling gives, or not in the middle of the window.
        """
        if not out_type.positions:
            pool = GlobalAveragePool(features.type)
            return Stack(pool, Dense(pool.out_type, out_type))
        heads = bin_heads(features, out_type, self.options.heads, filters=self.options.head_filters)
        margin = self._margin(features.length, bins) if bins else 0
        # Cut last: what lies beside the bins is read, too.
        return Stack(heads, Crop1d(out_type, margin)) if margin else heads

    def _margin(self, length: int, bins: Bins) -> int:
        widths = self.options.pool_widths
        position_bp = prod(widths)
        if bins.bin_bp != position_bp:
            raise ConfigError(
                f"bins of {bins.bin_bp} bp, and max pooling of {', '.join(map(str, widths))} leaves one position for "
                f"each {position_bp} bp: use bin_bp = {position_bp}, change model.pool_widths, or use model "
                "'residualbind', which takes any bins."
            )
        return middle(length, bins, 1, position_bp)
