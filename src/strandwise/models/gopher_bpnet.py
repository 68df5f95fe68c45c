"""BPNet as GOPHER uses it: one output for each track, averaged to bins (Toneyan et al. 2022)."""

from typing import ClassVar

from pydantic import Field, PositiveInt

from strandwise.layers import (
    Activation,
    Conv1d,
    Dense,
    DilatedBlock,
    Features,
    GlobalAveragePool,
    Stack,
    TypedModule,
)
from strandwise.models.architecture import Architecture, Bins, Hidden, Stage
from strandwise.models.binning import average_bins
from strandwise.models.task_heads import Heads
from strandwise.models.towers import ACTIVATIONS, FIRST_ACTIVATION, FirstActivation, same_convolution
from strandwise.schema import Settings
from strandwise.strand import StrandType


class GopherBPNet(Architecture):
    """A convolution, dilated convolutions with skip connections, and a convolution for each track.

    All lengths are kept, so every base of a window is predicted and then averaged to bins; without the second
    head for counts, control tracks, or a second strand.
    """

    class Options(Settings):
        """Sizes; defaults are those of the paper's search."""

        filters: PositiveInt = Field(default=256, description="filters of each layer; twice as many channels if shared")
        stem_width: PositiveInt = Field(default=25, description="bases that a filter of the first layer reads")
        dilated_layers: PositiveInt = Field(default=9, description="layers of 3 taps, 2, 4, 8, ... positions apart")
        profile_width: PositiveInt = Field(default=7, description="positions that the head of a track reads")
        heads: Heads = Field(
            default="per_task",
            description="per_task: each track has a filter of profile_width positions of its own; shared: one linear "
            "layer at each position for all",
        )
        first_activation: FirstActivation = Field(default="relu", description=FIRST_ACTIVATION)

    options: Options
    answers: ClassVar = ("bins", "window")
    usual_bp = 2048
    small: ClassVar = {"filters": 3, "stem_width": 5, "dilated_layers": 2, "profile_width": 5}
    small_bins: ClassVar = (Bins(64, 1), Bins(14, 4), Bins(3, 16))

    def stages(self) -> list[Stage]:
        """Return the first convolution, then each dilated one with its skip connection."""
        options = self.options

        def stem(features: Features, hidden: Hidden) -> TypedModule:
            out = hidden(options.filters)
            conv = same_convolution(features.type, out, options.stem_width)
            return Stack(conv, Activation(out, ACTIVATIONS[options.first_activation]))

        def dilated(dilation: int) -> Stage:
            def build(features: Features, hidden: Hidden) -> TypedModule:
                return DilatedBlock(hidden(options.filters), dilation, padding="same")

            return Stage(f"dilated{dilation}", build, skips=True)

        return [Stage("stem", stem), *(dilated(2**number) for number in range(1, options.dilated_layers + 1))]

    def readout(self, features: Features, out_type: StrandType, bins: Bins | None = None) -> TypedModule:
        """Return a convolution and average pooling to bins, or pooling over the window and a dense layer.

        Raises:
            ConfigError: bins that do not lie in the middle of the window.
        """
        if not out_type.positions:
            pool = GlobalAveragePool(features.type)
            return Stack(pool, Dense(pool.out_type, out_type))
        width = self.options.profile_width if self.options.heads == "per_task" else 1
        head = Conv1d(features.type, out_type, width, padding="same")
        after = Features(out_type, features.length)
        return Stack(head, *(average_bins(after, bins, 1) if bins else ()))
