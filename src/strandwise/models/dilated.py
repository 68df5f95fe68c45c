"""The dilated network of Gupta & Rush 2017, which labels every base of 25 kb and sees 10.8 kb around each."""

from typing import ClassVar

from pydantic import Field, PositiveInt, field_validator

from strandwise.layers import Features, MaxPool1d, Stack, TypedModule
from strandwise.models.architecture import Hidden, Stage
from strandwise.models.dense_labelling import DenseLabelling, DenseOptions, Padded, Resizing, same_convolution

POOLED = (1, 2, 4)
"""Convolutions, counted from 1, that the authors' variant with pooling pools."""


class Dilated(DenseLabelling):
    """A strided convolution, convolutions with taps 3, 9, 27 and 81 positions apart, and the way back to bases.

    "DILATED" of the paper's second data set. With the strided convolution its dilations are the 1, 3, 9, 27 and 81
    of the text; they count positions of `kernel_size` bases.
    """

    class Options(DenseOptions):
        """Sizes; defaults are those of the authors' code."""

        filters: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
            default=(128, 240, 50), description="filters of the first and second convolution, and of all others"
        )
        kernel_size: PositiveInt = Field(
            default=10, description="taps of each convolution, and bases that are one position between first and last"
        )
        dilations: tuple[PositiveInt, ...] = Field(
            default=(3, 9, 27, 81), min_length=1, description="distances between taps after the first convolution"
        )
        pool_width: PositiveInt | None = Field(
            default=None,
            description="odd width of max pooling, step 1, after convolutions 1, 2 and 4; 5 in the authors' variant",
        )

        @field_validator("pool_width")
        @classmethod
        def _odd(cls, width: int | None) -> int | None:
            if width is not None and width % 2 == 0:
                raise ValueError(f"pool_width {width} has no middle: use {width - 1} or {width + 1}")
            return width

    options: Options
    small: ClassVar = {
        "filters": (3, 4, 3),
        "kernel_size": 4,
        "dilations": (1, 3),
        "hidden": 4,
        "pool_width": 3,
        "batch_norm": True,
    }

    def trunk(self) -> list[Stage]:
        """Return the strided, the dilated and the transposed convolution, each a stage."""
        options = self.options
        resizing = Resizing(options.kernel_size)
        first, second, others = options.filters

        def strided(features: Features, hidden: Hidden) -> TypedModule:
            return self._pooled(self.layer(resizing.down(features, hidden, first)), features, 1)

        def dilated(number: int, dilation: int) -> Stage:
            def build(features: Features, hidden: Hidden) -> TypedModule:
                filters = second if number == 2 else others
                conv = same_convolution(features, hidden, filters, options.kernel_size, dilation)
                return self._pooled(self.layer(conv), features, number)

            return Stage(f"dilated{number - 1}", build)

        def transposed(features: Features, hidden: Hidden) -> TypedModule:
            return self.layer(resizing.up(features, hidden, others))

        between = [dilated(number, dilation) for number, dilation in enumerate(options.dilations, 2)]
        return [Stage("strided", strided), *between, Stage("transposed", transposed)]

    def _pooled(self, block: Stack, features: Features, number: int) -> Stack:
        width = self.options.pool_width
        if width is None or number not in POOLED:
            return block
        length, around = block.out_length(features.length), width // 2
        # After ReLU, zeros beyond the ends never win.
        pool = MaxPool1d(block.out_type, width, 1, in_length=length + 2 * around)
        return Stack(*block.layers, Padded(pool, around, around))  # pyright: ignore[reportArgumentType]
