"""BPNet: base-resolution profiles from dilated convolutions, in the sizes of Zhou et al. 2022."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from strandwise.errors import ConfigError, StrandLawError
from strandwise.layers import (
    Conv1d,
    Crop1d,
    Dense,
    DilatedBlock,
    Features,
    GlobalAveragePool,
    ReLU,
    Stack,
    TypedModule,
)
from strandwise.models.architecture import Architecture, Bins, Hidden, Stage
from strandwise.schema import Settings
from strandwise.strand import StrandType, plain


class BPNet(Architecture):
    """A convolution, dilated convolutions with skip connections, and a head for each of profile and counts.

    Avsec et al. 2021, as Zhou et al. 2022 compare strand strategies on it: "valid" padding throughout, so
    1,346 bp give the profile of their middle 1,000.
    """

    class Options(Settings):
        """Sizes; defaults are those of Zhou et al. 2022."""

        filters: PositiveInt = Field(default=64, description="filters of each layer; twice as many channels if shared")
        stem_width: PositiveInt = Field(default=21, description="bases that a filter of the first layer reads")
        dilated_layers: PositiveInt = Field(default=6, description="layers of 3 taps, 2, 4, 8, ... positions apart")
        profile_width: PositiveInt = Field(default=75, description="positions that the profile head reads")
        padding: Literal["valid", "same"] = Field(
            default="valid", description="'valid' predicts the positions that all filters see whole, 'same' all"
        )
        average: bool = Field(default=False, description="halve the sum at each skip connection")
        profile_bp: PositiveInt | None = Field(
            default=None, description="positions in the middle that the profile keeps; all that there are if not given"
        )

    options: Options
    answers: ClassVar = ("profile", "window")
    small: ClassVar = {"filters": 3, "stem_width": 5, "dilated_layers": 2, "profile_width": 5}
    usual_bp = 1346

    def stages(self) -> list[Stage]:
        """Return the first convolution, then each dilated one with its skip connection."""
        options = self.options

        def stem(features: Features, hidden: Hidden) -> TypedModule:
            out = hidden(options.filters)
            return Stack(Conv1d(features.type, out, options.stem_width, padding=options.padding), ReLU(out))

        def dilated(dilation: int) -> Stage:
            def build(features: Features, hidden: Hidden) -> TypedModule:
                return DilatedBlock(hidden(options.filters), dilation, padding=options.padding, average=options.average)

            return Stage(f"dilated{dilation}", build, skips=True)

        return [Stage("stem", stem), *(dilated(2**number) for number in range(1, options.dilated_layers + 1))]

    def readout(self, features: Features, out_type: StrandType, bins: Bins | None = None) -> TypedModule:
        """Return a convolution for a head with positions, and pooling with a dense layer for one without."""
        if out_type.positions:
            return self._profile(features, out_type)
        pool = GlobalAveragePool(features.type)
        return Stack(pool, Dense(pool.out_type, out_type))

    def late_readout(
        self, features: Features, out_type: StrandType, late: Mapping[str, StrandType], bins: Bins | None = None
    ) -> nn.Module:
        """Return the same with control tracks: beside the raw profile, and their totals beside pooled features."""
        if set(late) != {"control"}:
            return super().late_readout(features, out_type, {"metadata": late["metadata"]})
        control = late["control"]
        if not out_type.positions:
            return ControlledCounts(features.type, out_type, control)
        # An ordinary network has ordinary features up to its last layer; only then are they the tracks.
        raw = out_type if features.type.lawful else plain(out_type.channels)
        return ControlledProfile(self._profile(features, raw), out_type, control)

    def _profile(self, features: Features, out_type: StrandType) -> TypedModule:
        conv = Conv1d(features.type, out_type, self.options.profile_width, padding=self.options.padding)
        found, kept = conv.out_length(features.length), self.options.profile_bp
        if kept in (None, found):
            return conv
        if kept > found or (found - kept) % 2:
            raise ConfigError(
                f"model.profile_bp = {kept}, and the filters see {found} positions whole: keep {found}, or fewer by an "
                "even number."
            )
        return Stack(conv, Crop1d(out_type, (found - kept) // 2))


class ControlledProfile(nn.Module):
    """Mix each position of a raw profile with the control tracks there.

    Args:
        raw: from features to the raw profile.
        out_type: of the profile.
        control: type of the control tracks.
    """

    def __init__(self, raw: TypedModule, out_type: StrandType, control: StrandType) -> None:
        super().__init__()
        self.input_types = {"features": raw.in_type, "control": control}
        self.output_types = {"output": out_type}
        self.raw = raw
        self.mix = Conv1d(raw.out_type + control, out_type, 1)

    def forward(self, features: Tensor, control: Tensor) -> Tensor:
        """Return the profile ``(batch, tracks, positions)``."""
        raw = self.raw(features)
        if control.shape[-1] != raw.shape[-1]:
            raise StrandLawError(
                f"control tracks of {control.shape[-1]} positions beside a profile of {raw.shape[-1]}: give them "
                "over the positions that are predicted, the middle of the window."
            )
        return self.mix(torch.cat([raw, control], dim=1))


class ControlledCounts(nn.Module):
    """Predict totals from pooled features and the totals of the control tracks, as log(1 + counts).

    Args:
        in_type: of the features.
        out_type: of the totals.
        control: type of the control tracks, which hold counts of 0 or more.
    """

    def __init__(self, in_type: StrandType, out_type: StrandType, control: StrandType) -> None:
        super().__init__()
        if min(control.sign) < 0:
            raise StrandLawError(f"control tracks of type {control} cannot be counts: odd channels change their sign.")
        self.input_types = {"features": in_type, "control": control}
        self.output_types = {"output": out_type}
        self.pool = GlobalAveragePool(in_type)
        self.dense = Dense(in_type.pooled() + control.pooled(), out_type)

    def forward(self, features: Tensor, control: Tensor) -> Tensor:
        """Return log(1 + counts) ``(batch, tracks)``."""
        totals = torch.log1p(control.clamp(min=0).sum(-1))
        return self.dense(torch.cat([self.pool(features), totals], dim=1))
