"""The recurrent network of Gupta & Rush 2017 for dense labelling: an LSTM over steps of 100 bp."""

from typing import ClassVar

from pydantic import Field, PositiveInt

from strandwise.layers import Features, TypedModule
from strandwise.models.architecture import Hidden, Stage
from strandwise.models.danq import bidirectional_lstm
from strandwise.models.dense_labelling import DenseLabelling, DenseOptions, Resizing


class DenseBiLSTM(DenseLabelling):
    """A strided convolution, an LSTM in both directions over all of the window, and the way back to bases.

    As in the authors' code, nothing is forgotten or normalised right after the LSTM, whose states lie between -1
    and 1. They normalised nothing in this network; `batch_norm` is for the two convolutions.
    """

    class Options(DenseOptions):
        """Sizes; defaults are those of the authors' code."""

        filters: tuple[PositiveInt, PositiveInt] = Field(
            default=(128, 50), description="filters of the strided and of the transposed convolution"
        )
        kernel_size: PositiveInt = Field(default=100, description="bases that are one step of the LSTM")
        units: PositiveInt = Field(default=20, description="size of the LSTM's state in each direction")

    options: Options
    small: ClassVar = {"filters": (3, 3), "kernel_size": 4, "units": 2, "hidden": 4, "batch_norm": True}

    def trunk(self) -> list[Stage]:
        """Return the strided convolution, the LSTM and the transposed convolution."""
        options = self.options
        resizing = Resizing(options.kernel_size)

        def strided(features: Features, hidden: Hidden) -> TypedModule:
            return self.layer(resizing.down(features, hidden, options.filters[0]))

        def lstm(features: Features, hidden: Hidden) -> TypedModule:
            return bidirectional_lstm(features, hidden, options.units)

        def transposed(features: Features, hidden: Hidden) -> TypedModule:
            return self.layer(resizing.up(features, hidden, options.filters[1]))

        return [Stage("strided", strided), Stage("lstm", lstm), Stage("transposed", transposed)]
