"""FactorNet: a convolutional-recurrent network that reads DNA, signal beside it and what is known of a cell type."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn

from strandwise.layers import (
    Conv1d,
    Dense,
    Dropout,
    Features,
    GlobalMaxPool,
    KerasLSTM,
    MaxPool1d,
    PerStrand,
    ReLU,
    Stack,
    TypedModule,
)
from strandwise.models.architecture import Architecture, Bins, Hidden, Stage
from strandwise.schema import Settings
from strandwise.strand import StrandType, plain, regular

EARLY_DROPOUT = 0.1
"""Of filters, of what the LSTM reads and keeps, and of metadata (the authors' code)."""


class FactorNet(Architecture):
    """A convolution, a dense layer at each position, max pooling, a bidirectional LSTM, and dense layers.

    Quang & Xie 2019. Signal enters with the DNA, over the whole window, and metadata before a second dense layer.
    The authors' network is strategy ``conjoined`` with ``merge_after_link = true``.
    """

    class Options(Settings):
        """Sizes; defaults are those of the paper's table S1."""

        filters: PositiveInt = Field(default=32, description="filters; twice as many channels where strands share")
        kernel_size: PositiveInt = Field(default=26, description="bases that a filter reads")
        pooling: Literal["windows", "global"] = Field(
            default="windows", description="'global' takes the maximum over all positions, and leaves the LSTM out"
        )
        pool_width: PositiveInt | None = Field(
            default=None, description="width and stride of max pooling; half of kernel_size if not given"
        )
        recurrent: NonNegativeInt = Field(default=32, description="units of the LSTM in each direction; 0 for none")
        dense: PositiveInt = Field(default=128, description="units of the dense layers before the last")
        dropout: float = Field(default=0.5, ge=0, lt=1, description="around the dense layers; 0.1 before the LSTM")

        @model_validator(mode="after")
        def _pooling_fits(self) -> "FactorNet.Options":
            given = [name for name in ("pool_width", "recurrent") if name in self.model_fields_set]
            if self.pooling == "global" and any(getattr(self, name) for name in given):
                raise ValueError(f"pooling 'global' leaves no positions for {given[0]}: remove it")
            return self

    options: Options
    small: ClassVar = {"filters": 3, "kernel_size": 5, "pool_width": 9, "recurrent": 2, "dense": 4}

    def stages(self) -> list[Stage]:
        """Return the convolution, the dense layer with max pooling, and the LSTM where there is one."""
        options = self.options
        stages = [Stage("conv", self._convolution), Stage("dense", self._dense)]
        if options.recurrent and options.pooling == "windows":
            stages.append(Stage("lstm", self._lstm))
        return stages

    def readout(self, features: Features, out_type: StrandType, bins: Bins | None = None) -> TypedModule:
        """Return the dense layer, and that of the answers."""
        first = self._first(features)
        return Stack(first, Dropout(first.out_type, self.options.dropout), Dense(first.out_type, out_type))

    def late_readout(
        self, features: Features, out_type: StrandType, late: Mapping[str, StrandType], bins: Bins | None = None
    ) -> nn.Module:
        """Return the dense layer, and a second one that reads metadata beside it."""
        if set(late) != {"metadata"}:
            return super().late_readout(features, out_type, {"control": late["control"]})
        first = self._first(features)
        both = first.out_type + late["metadata"]
        hidden = _units(self.options.dense, features.type)
        second = Stack(
            Dropout(both, EARLY_DROPOUT),
            Dense(both, hidden),
            ReLU(hidden),
            Dropout(hidden, self.options.dropout),
            Dense(hidden, out_type),
        )
        return WithMetadata(first, second, late["metadata"])

    def _convolution(self, features: Features, hidden: Hidden) -> Stack:
        out = hidden(self.options.filters)
        conv = Conv1d(features.type, out, self.options.kernel_size)
        conv.out_length(features.length)
        return Stack(conv, ReLU(out), Dropout(out, EARLY_DROPOUT))

    def _dense(self, features: Features, hidden: Hidden) -> Stack:
        out, options = hidden(self.options.filters), self.options
        block = [Conv1d(features.type, out, 1), ReLU(out)]
        if options.pooling == "global":
            return Stack(*block)
        width = options.pool_width or max(options.kernel_size // 2, 1)
        return Stack(*block, MaxPool1d(out, width, in_length=features.length, lifted=out.lawful))

    def _lstm(self, features: Features, hidden: Hidden) -> TypedModule:
        lstm = KerasLSTM(features.type, self.options.recurrent, dropout=EARLY_DROPOUT)
        return PerStrand(lstm, features.type) if hidden(1).lawful else lstm

    def _first(self, features: Features) -> Stack:
        """Return the layers from features to those of the first dense layer."""
        kind, length = features
        hidden = _units(self.options.dense, kind)
        if self.options.pooling == "global":
            pool = GlobalMaxPool(kind)
            return Stack(pool, Dropout(pool.out_type, self.options.dropout), Dense(pool.out_type, hidden), ReLU(hidden))
        return Stack(Dropout(kind, self.options.dropout), Dense(kind, hidden, in_length=length), ReLU(hidden))


class WithMetadata(nn.Module):
    """Read metadata beside the features of a dense layer, and say what follows from both.

    Args:
        first: from the features to those of the dense layer.
        second: from these and the metadata to the answers.
        metadata: type of what is known of a window as a whole.
    """

    def __init__(self, first: TypedModule, second: TypedModule, metadata: StrandType) -> None:
        super().__init__()
        self.input_types = {"features": first.in_type, "metadata": metadata}
        self.output_types = {"output": second.out_type}
        self.first, self.second = first, second

    def forward(self, features: Tensor, metadata: Tensor) -> Tensor:
        """Return the logits ``(batch, tracks)``."""
        return self.second(torch.cat([self.first(features), metadata], dim=1))


def _units(number: int, features: StrandType) -> StrandType:
    """Return the type of hidden units over features: shared between strands where these are."""
    return (regular(number) if features.lawful else plain(number)).pooled()
