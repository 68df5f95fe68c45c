"""Basset, as GOPHER tuned it for yes/no labels of accessibility (Kelley et al. 2016; Toneyan et al. 2022)."""

from typing import ClassVar

from pydantic import Field, PositiveInt

from strandwise.errors import ConfigError
from strandwise.layers import Dense, Features, TypedModule
from strandwise.models.architecture import Architecture, Bins, Hidden, Stage
from strandwise.models.towers import FIRST_ACTIVATION, FirstActivation, dense_block, tower_stages
from strandwise.schema import Settings
from strandwise.strand import StrandType


class Basset(Architecture):
    """Three convolutions with max pooling, two dense layers, and one answer for a window.

    A head of any link stands on it: probabilities as in the paper, or coverage of the window.
    """

    class Options(Settings):
        """Sizes; defaults are those of GOPHER's software."""

        filters: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
            default=(300, 200, 200), description="filters of each convolution; twice as many channels if shared"
        )
        kernel_sizes: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
            default=(10, 11, 7), description="positions that the filters of each convolution read"
        )
        pool_widths: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
            default=(3, 4, 4), description="width of max pooling after each convolution"
        )
        dense_units: tuple[PositiveInt, PositiveInt] = Field(
            default=(1000, 1000), description="units of the two dense layers"
        )
        dropout: float = Field(default=0.3, ge=0, lt=1, description="after each dense layer, in training")
        first_activation: FirstActivation = Field(default="relu", description=FIRST_ACTIVATION)

    options: Options
    usual_bp = 600
    small: ClassVar = {"filters": (3, 3, 3), "kernel_sizes": (4, 3, 3), "pool_widths": (3, 2, 2), "dense_units": (4, 3)}

    def stages(self) -> list[Stage]:
        """Return the convolutions with their pooling, then the dense layers."""
        options = self.options

        def dense(number: int) -> Stage:
            def build(features: Features, hidden: Hidden) -> TypedModule:
                units = options.dense_units[number]
                return dense_block(features, hidden, units, dropout=options.dropout, normalised=False)

            return Stage(f"dense{number + 1}", build)

        towers = tower_stages(options.filters, options.kernel_sizes, options.pool_widths, options.first_activation)
        return [*towers, dense(0), dense(1)]

    def readout(self, features: Features, out_type: StrandType, bins: Bins | None = None) -> TypedModule:
        """Return a dense layer.

        Raises:
            ConfigError: a head along positions, of which none are left.
        """
        if out_type.positions:
            raise ConfigError(
                "model 'basset' gives one answer for a window, and bins are asked for: use one bin as long as the "
                "window, or a model that predicts bins, such as 'cnn_baseline'."
            )
        return Dense(features.type, out_type)
