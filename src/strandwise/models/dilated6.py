"""A reading of DILATED6, the dilated network of Gupta & Rush 2017 for the labels of 1 kb windows."""

from typing import ClassVar

from pydantic import Field, PositiveInt, model_validator

from strandwise.layers import BatchNorm1d, Dense, Dropout, Features, ReLU, Stack, TypedModule
from strandwise.models.architecture import Architecture, Bins, Hidden, Stage
from strandwise.models.danq import hidden_dense
from strandwise.models.dense_labelling import NORM, same_convolution
from strandwise.schema import Settings
from strandwise.strand import StrandType


class Dilated6(Architecture):
    """Six convolutions at base resolution, taps 1, 1, 3, 9, 27 and 81 apart, dense layer, labels.

    Neither the paper nor its code lists these layers. What is known: six convolutions by its name (as CNN3 has
    three), dropout and batch normalisation between every layer, and a fully connected layer at the end. The reading:
    a first convolution finds motifs, and the dilations 1, 3, 9, 27 and 81 of the paper follow, which together reach
    1,099 bp, just over a window. Filters, taps and hidden units are those of the authors' network for 25 kb.
    """

    class Options(Settings):
        """Sizes; defaults are a reading of the paper."""

        filters: tuple[PositiveInt, ...] = Field(
            default=(128, 240, 50, 50, 50, 50), min_length=1, description="filters of each convolution"
        )
        kernel_size: PositiveInt = Field(default=10, description="taps of each convolution")
        dilations: tuple[PositiveInt, ...] = Field(
            default=(1, 1, 3, 9, 27, 81), min_length=1, description="distance between the taps of each convolution"
        )
        hidden: PositiveInt = Field(default=125, description="units of the dense layer before the labels")
        dropout: float = Field(default=0.25, ge=0, lt=1, description="share of values that training forgets")
        batch_norm: bool = Field(default=True, description="normalise after each convolution")

        @model_validator(mode="after")
        def _as_many(self) -> "Dilated6.Options":
            if len(self.filters) != len(self.dilations):
                raise ValueError(
                    f"filters has {len(self.filters)} entries and dilations {len(self.dilations)}: give each "
                    "convolution one of both"
                )
            return self

    options: Options
    small: ClassVar = {"filters": (3, 3, 4), "kernel_size": 4, "dilations": (1, 2, 3), "hidden": 5}

    def stages(self) -> list[Stage]:
        """Return the convolutions, each a stage, and the dense layer."""
        options = self.options

        def conv(number: int) -> Stage:
            def build(features: Features, hidden: Hidden) -> TypedModule:
                filters, dilation = options.filters[number], options.dilations[number]
                operation = same_convolution(features, hidden, filters, options.kernel_size, dilation)
                out = operation.out_type
                norm = [BatchNorm1d(out, **NORM)] if options.batch_norm else []
                return Stack(operation, *norm, ReLU(out), Dropout(out, options.dropout))

            return Stage(f"conv{number + 1}", build)

        def dense(features: Features, hidden: Hidden) -> TypedModule:
            block = hidden_dense(features, hidden, options.hidden)
            return Stack(block, Dropout(block.out_type, options.dropout))

        return [*(conv(number) for number in range(len(options.filters))), Stage("dense", dense)]

    def readout(self, features: Features, out_type: StrandType, bins: Bins | None = None) -> TypedModule:
        """Return the dense layer to the labels."""
        return Dense(features.type, out_type)
