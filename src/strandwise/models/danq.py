"""DanQ (Quang & Xie 2016): convolution for motifs and a bidirectional LSTM for their grammar, in windows of 1 kb."""

from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveInt

from strandwise.layers import LSTM, Conv1d, Dense, Dropout, Features, KerasLSTM, PerStrand, ReLU, Stack, TypedModule
from strandwise.models.architecture import Architecture, Bins, Hidden, Stage
from strandwise.models.shrikumar import with_pooling
from strandwise.schema import Settings
from strandwise.strand import StrandType, plain


class DanQ(Architecture):
    """Convolution 26, max pooling 13, LSTM over positions in both directions, dense layer, labels.

    `torch.nn.LSTM` has two offsets for each gate where the original has one, so each direction has 4 x `units` more
    weights; their sums do what the one did.
    """

    class Options(Settings):
        """Sizes; defaults are those of the paper."""

        filters: PositiveInt = Field(default=320, description="filters; twice as many channels if shared")
        kernel_size: PositiveInt = Field(default=26, description="bases that a filter reads")
        pool_width: PositiveInt = Field(default=13, description="width and stride of max pooling")
        units: PositiveInt = Field(default=320, description="size of the LSTM's state in each direction")
        hidden: PositiveInt = Field(default=925, description="units of the dense layer before the labels")
        conv_dropout: float = Field(default=0.2, ge=0, lt=1, description="share that training forgets after pooling")
        lstm_dropout: float = Field(default=0.5, ge=0, lt=1, description="share that training forgets after the LSTM")
        cells: Literal["torch", "keras", "keras_left"] = Field(
            default="torch",
            description="the LSTM: 'torch'; 'keras', with the hard gates of Keras 1; or 'keras_left', where both "
            "directions read from the left, as in the weights that the authors published",
        )

    options: Options
    small: ClassVar = {"filters": 3, "kernel_size": 5, "pool_width": 4, "units": 3, "hidden": 5}

    def stages(self) -> list[Stage]:
        """Return the convolution with its pooling, the LSTM and the dense layer."""
        options = self.options

        def conv(features: Features, hidden: Hidden) -> TypedModule:
            out = hidden(options.filters)
            block = Stack(Conv1d(features.type, out, options.kernel_size), ReLU(out))
            pooled = with_pooling(block, features, options.pool_width, options.pool_width)
            return Stack(pooled, Dropout(out, options.conv_dropout))

        def lstm(features: Features, hidden: Hidden) -> TypedModule:
            layer = _lstm(features, hidden, options)
            return Stack(layer, Dropout(layer.out_type, options.lstm_dropout))

        def dense(features: Features, hidden: Hidden) -> TypedModule:
            return hidden_dense(features, hidden, options.hidden)

        return [Stage("conv1", conv), Stage("lstm", lstm), Stage("dense", dense)]

    def readout(self, features: Features, out_type: StrandType, bins: Bins | None = None) -> TypedModule:
        """Return the dense layer to the labels."""
        return Dense(features.type, out_type)


def _lstm(features: Features, hidden: Hidden, options: DanQ.Options) -> TypedModule:
    if options.cells == "torch":
        return bidirectional_lstm(features, hidden, options.units)
    layer = KerasLSTM(features.type, options.units, both_ends=options.cells == "keras")
    return PerStrand(layer, features.type) if hidden(1).lawful else layer


def bidirectional_lstm(features: Features, hidden: Hidden, units: int) -> TypedModule:
    """Return an LSTM in both directions, 2 x `units` features, lifted where strands share weights.

    It begins by remembering, as in the libraries of the papers: the forget gates' offsets start at 1, all others at 0.
    """
    lstm = LSTM(features.type, units)
    with torch.no_grad():
        for name, weight in lstm.cells.named_parameters():
            if "bias" in name:
                weight.zero_()
                if "bias_ih" in name:
                    weight[units : 2 * units] = 1
    return PerStrand(lstm, features.type) if hidden(1).lawful else lstm


def hidden_dense(features: Features, hidden: Hidden, units: int) -> Stack:
    """Return a dense layer with ReLU from all channels and positions, lifted where strands share weights.

    Lifted, it has the weights of the tied layer without the index that spreads them, which has twice as many entries.
    """
    out = hidden(units).pooled()
    kind, length = features
    inside = Dense(kind, plain(units).pooled(), in_length=length)
    return Stack(PerStrand(inside, kind) if out.lawful else inside, ReLU(out))
