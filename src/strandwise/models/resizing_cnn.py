"""The networks of Gupta & Rush 2017 without dilation: what they label a base by lies within 460 bp of it."""

from typing import ClassVar

from pydantic import Field, PositiveInt

from strandwise.layers import Features, TypedModule
from strandwise.models.architecture import Hidden, Stage
from strandwise.models.dense_labelling import DenseLabelling, DenseOptions, Resizing, same_convolution


class CNN1(DenseLabelling):
    """One convolution over the bases, and no resizing: each base is labelled by the 10 bp around it."""

    class Options(DenseOptions):
        """Sizes; defaults are those of the authors' code."""

        filters: PositiveInt = Field(default=128, description="filters; twice as many channels if shared")
        kernel_size: PositiveInt = Field(default=10, description="bases that a filter reads")

    options: Options
    small: ClassVar = {"filters": 3, "kernel_size": 4, "hidden": 4}

    def trunk(self) -> list[Stage]:
        """Return the convolution."""

        def build(features: Features, hidden: Hidden) -> TypedModule:
            return self.layer(same_convolution(features, hidden, self.options.filters, self.options.kernel_size))

        return [Stage("conv1", build)]


class CNN3(DenseLabelling):
    """Three convolutions: one strided, one between, one transposed back to bases."""

    class Options(DenseOptions):
        """Sizes; defaults are those of the authors' code."""

        filters: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
            default=(128, 240, 50), description="filters of the first and second convolution, and of all others"
        )
        kernel_size: PositiveInt = Field(
            default=10, description="taps of each convolution, and bases that are one position between first and last"
        )

    options: Options
    convolutions: ClassVar[int] = 3
    small: ClassVar = {"filters": (3, 4, 3), "kernel_size": 4, "hidden": 4}

    def trunk(self) -> list[Stage]:
        """Return the convolutions, each a stage."""
        options = self.options
        resizing = Resizing(options.kernel_size)
        first, second, others = options.filters

        def strided(features: Features, hidden: Hidden) -> TypedModule:
            return self.layer(resizing.down(features, hidden, first))

        def between(number: int) -> Stage:
            def build(features: Features, hidden: Hidden) -> TypedModule:
                filters = second if number == 2 else others
                return self.layer(same_convolution(features, hidden, filters, options.kernel_size))

            return Stage(f"conv{number}", build)

        def transposed(features: Features, hidden: Hidden) -> TypedModule:
            return self.layer(resizing.up(features, hidden, others))

        middle = [between(number) for number in range(2, self.convolutions)]
        return [Stage("strided", strided), *middle, Stage("transposed", transposed)]


class CNN7(CNN3):
    """Seven convolutions: one strided, five between, one transposed back to bases."""

    convolutions: ClassVar[int] = 7
