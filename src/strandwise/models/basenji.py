"""Basenji as GOPHER tuned it: dilated residual layers on pooled positions (Kelley et al. 2018; Toneyan et al. 2022)."""

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt
from torch import nn

from strandwise.layers import (
    Activation,
    BatchNorm1d,
    Conv1d,
    Dense,
    Dropout,
    Features,
    GlobalAveragePool,
    IrrepActivation,
    MaxPool1d,
    Residual,
    Stack,
    TypedModule,
)
from strandwise.models.architecture import Architecture, Bins, Hidden, Stage
from strandwise.models.binning import average_bins
from strandwise.models.task_heads import HEADS, Heads, bin_heads
from strandwise.models.towers import ACTIVATIONS, same_convolution
from strandwise.schema import Settings
from strandwise.strand import StrandType

# Basenji's own: Keras' momentum of 0.9, and the epsilon that Keras adds.
NORM = {"momentum": 0.1, "eps": 1e-3}
GELU = "sigmoid_gelu"


class Basenji(Architecture):
    """A convolution with max pooling, eleven dilated residual layers, and a wide last layer averaged to bins.

    GELU, convolution without offset and batch normalisation follow each other in this order, so that the first
    GELU stands before the first filters, on the sequence.
    """

    class Options(Settings):
        """Sizes; defaults are those of the paper's search."""

        filters: PositiveInt = Field(
            default=256, description="filters of the first and each residual layer; twice as many channels if shared"
        )
        stem_width: PositiveInt = Field(default=15, description="bases that a filter of the first layer reads")
        pool_width: PositiveInt = Field(
            default=2, description="width of max pooling after the first layer; 1 for bins of 1 bp"
        )
        dilated_layers: PositiveInt = Field(
            default=11, description="residual layers; their taps are 1.5 times as far apart from one to the next"
        )
        last_filters: PositiveInt = Field(default=2048, description="filters of the last layer")
        dropout: float = Field(default=0.3, ge=0, lt=1, description="in each residual layer, in training")
        last_dropout: float = Field(default=0.05, ge=0, lt=1, description="after the last layer, in training")
        heads: Heads = Field(default="shared", description=HEADS)
        first_activation: Literal["gelu", "relu", "exponential"] = Field(
            default="gelu",
            description="of the first layer: gelu, which the layer after it begins with, or relu or exponential before "
            "max pooling, with which its filters look more like motifs (Koo & Ploenzke 2021)",
        )

    options: Options
    answers: ClassVar = ("bins", "window")
    usual_bp = 2048
    small: ClassVar = {"filters": 4, "stem_width": 5, "dilated_layers": 2, "last_filters": 3, "heads": "per_task"}
    small_bins: ClassVar = (Bins(32, 2), Bins(8, 8), Bins(3, 16))

    def stages(self) -> list[Stage]:
        """Return the stem, each dilated layer with its skip connection, and the last layer."""
        dilations = [round(1.5**number) for number in range(self.options.dilated_layers)]
        body = [self._dilated(number, dilation) for number, dilation in enumerate(dilations, 1)]
        return [Stage("stem", self._stem), *body, Stage("last", self._last)]

    def readout(self, features: Features, out_type: StrandType, bins: Bins | None = None) -> TypedModule:
        """Return average pooling to bins, or over the window, and a dense layer or a head for each task.

        Raises:
            ConfigError: bins that are not whole positions of max pooling, or not in the middle of the window.
        """
        if not out_type.positions:
            pool = GlobalAveragePool(features.type)
            return Stack(pool, Dense(pool.out_type, out_type))
        width = self.options.pool_width
        fix = f", or model.pool_width = {1 if bins.bin_bp % 2 else 2}" if bins and bins.bin_bp % width else ""
        pools = average_bins(features, bins, width, fix) if bins else []
        return Stack(*pools, bin_heads(features, out_type, self.options.heads, norm=NORM))

    def _stem(self, features: Features, hidden: Hidden) -> TypedModule:
        options, out = self.options, hidden(self.options.filters)
        layers = [
            _gelu(features.type),
            same_convolution(features.type, out, options.stem_width, bias=False),
            BatchNorm1d(out, **NORM),
        ]
        if options.first_activation != "gelu":
            layers.append(Activation(out, ACTIVATIONS[options.first_activation]))
        if options.pool_width > 1:
            layers.append(MaxPool1d(out, options.pool_width, in_length=features.length, lifted=out.lawful))
        return Stack(*layers)

    def _dilated(self, number: int, dilation: int) -> Stage:
        options = self.options

        def build(features: Features, hidden: Hidden) -> TypedModule:
            wide, narrow = hidden(options.filters), hidden(max(options.filters // 2, 1))
            last = BatchNorm1d(wide, **NORM)
            # Each residual layer starts as doing nothing.
            nn.init.zeros_(last.weight.free)
            return Residual(
                Stack(
                    _gelu(wide),
                    Conv1d(wide, narrow, 3, dilation=dilation, padding="same", bias=False),
                    BatchNorm1d(narrow, **NORM),
                    _gelu(narrow),
                    Conv1d(narrow, wide, 1, bias=False),
                    last,
                    Dropout(wide, options.dropout),
                )
            )

        return Stage(f"dilated{number}", build, skips=True)

    def _last(self, features: Features, hidden: Hidden) -> TypedModule:
        out = hidden(self.options.last_filters)
        conv = Conv1d(features.type, out, 1, bias=False)
        return Stack(_gelu(features.type), conv, BatchNorm1d(out, **NORM), Dropout(out, self.options.last_dropout))


def _gelu(kind: StrandType) -> TypedModule:
    # Signal that changes its sign with the strand, beside the sequence, passes unchanged.
    return IrrepActivation(kind, GELU, "identity") if min(kind.sign) < 0 else Activation(kind, GELU)
