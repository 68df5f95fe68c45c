"""DeepSEA (Zhou & Troyanskaya 2015): three convolutions over 1 kb and a dense layer for the labels of its middle."""

from typing import ClassVar

from pydantic import Field, PositiveInt

from strandwise.layers import BatchNorm1d, Conv1d, Dense, Dropout, Features, ReLU, Stack, TypedModule
from strandwise.models.architecture import Architecture, Bins, Hidden, Stage
from strandwise.models.danq import hidden_dense
from strandwise.models.dense_labelling import NORM
from strandwise.models.shrikumar import with_pooling
from strandwise.schema import Settings
from strandwise.strand import StrandType


class DeepSEA(Architecture):
    """Convolutions of 320, 480 and 960 filters, max pooling after the first two, dense layer, labels.

    It is the "CNN3" of Gupta & Rush 2017 for windows of 1 kb, who normalised between layers (`batch_norm`).
    """

    class Options(Settings):
        """Sizes; defaults are those of the original."""

        filters: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
            default=(320, 480, 960), description="filters of each convolution; twice as many channels if shared"
        )
        kernel_size: PositiveInt = Field(default=8, description="positions that the filters of each convolution read")
        pool_width: PositiveInt = Field(default=4, description="width and stride of max pooling")
        hidden: PositiveInt = Field(default=925, description="units of the dense layer before the labels")
        dropouts: tuple[float, float, float] = Field(
            default=(0.2, 0.2, 0.5), description="share that training forgets after each convolution"
        )
        batch_norm: bool = Field(default=False, description="normalise after each convolution")

    options: Options
    small: ClassVar = {"filters": (3, 4, 5), "kernel_size": 4, "pool_width": 3, "hidden": 5}

    def stages(self) -> list[Stage]:
        """Return the three convolutions, pooling with the first two, and the dense layer."""
        options = self.options

        def conv(number: int) -> Stage:
            def build(features: Features, hidden: Hidden) -> TypedModule:
                out = hidden(options.filters[number])
                norm = [BatchNorm1d(out, **NORM)] if options.batch_norm else []
                block = Stack(Conv1d(features.type, out, options.kernel_size), *norm, ReLU(out))
                if number < 2:
                    block = with_pooling(block, features, options.pool_width, options.pool_width)
                return Stack(block, Dropout(out, options.dropouts[number]))

            return Stage(f"conv{number + 1}", build)

        def dense(features: Features, hidden: Hidden) -> TypedModule:
            return hidden_dense(features, hidden, options.hidden)

        return [*(conv(number) for number in range(3)), Stage("dense", dense)]

    def readout(self, features: Features, out_type: StrandType, bins: Bins | None = None) -> TypedModule:
        """Return the dense layer to the labels."""
        return Dense(features.type, out_type)
