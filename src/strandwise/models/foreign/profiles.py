"""Published networks of profiles that are no `bpnet` of ours: BPNet with controls or two strands, and ChromBPNet.

They are built as their authors built them, and so know no law of the strands: both strands are averaged around them.
"""

from typing import ClassVar

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor

from strandwise.errors import ConfigError
from strandwise.layers import Conv1d, Dense, DilatedBlock, Features, ReLU, Stack, TypedModule
from strandwise.models.architecture import Architecture, Bins, Hidden, Stage
from strandwise.schema import Settings
from strandwise.strand import StrandType, plain

BASES, TAPS = 4, 3


class Tower(Settings):
    """The sizes of one BPNet: a convolution, dilated ones with skip connections, one for profiles, a dense layer."""

    filters: PositiveInt = Field(default=64, description="filters of each layer")
    stem_width: PositiveInt = Field(default=21, description="bases that a filter of the first layer reads")
    dilated_layers: PositiveInt = Field(default=8, description="layers of 3 taps, 2, 4, 8, ... positions apart")
    profile_width: PositiveInt = Field(default=75, description="positions that the profile head reads")

    @property
    def shortening(self) -> int:
        """Positions that the features lose."""
        return self.stem_width - 1 + sum((TAPS - 1) * 2**number for number in range(1, self.dilated_layers + 1))


class PublishedProfiles(Architecture):
    """BPNet as bpnet-lite has it, beside a second one that knows the assay's bias where there is one (ChromBPNet).

    Control tracks come in as signal beside the DNA: the profile's convolution reads them among the features, and their
    logarithm stands beside the pooled features. One total is predicted for all tracks, and one softmax over all of them
    says which share of it each track has. Profiles of the two networks add up on the scale of logits, their totals on
    that of counts (`Pampari et al. 2025`): log(exp(a) + exp(b)).
    """

    class Options(Tower):
        """Sizes; the bias network has its own."""

        tracks: PositiveInt = Field(default=1, description="profiles")
        controls: NonNegativeInt = Field(default=0, description="control tracks, the signal beside the DNA")
        profile_bp: PositiveInt = Field(default=1000, description="positions in the middle that the profile keeps")
        counts_bp: PositiveInt | None = Field(
            default=None, description="features in the middle that totals are predicted from; all if not given"
        )
        bias: Tower | None = Field(default=None, description="sizes of the bias network, if there is one")

        @model_validator(mode="after")
        def _one_kind(self) -> "PublishedProfiles.Options":
            if self.bias is not None and (self.controls or self.tracks > 1):
                raise ValueError("a bias network stands beside one track without controls: remove it, or them")
            return self

    options: Options
    answers: ClassVar = ("profile",)
    small: ClassVar = {"filters": 3, "stem_width": 5, "dilated_layers": 2, "profile_width": 5, "profile_bp": 30}
    usual_bp = 2114

    def stages(self) -> list[Stage]:
        """Return the whole network as one stage."""

        def build(features: Features, hidden: Hidden) -> TypedModule:
            if hidden(1).lawful:
                raise ConfigError(
                    "published weights are those of an ordinary network: set strand.strategy to 'posthoc', or to "
                    "another one without shared weights"
                )
            return WholeProfiles(features, self.options)

        return [Stage("published", build)]

    def readout(self, features: Features, out_type: StrandType, bins: Bins | None = None) -> TypedModule:
        """Return what the network says of a head: its first channels are profiles, the others totals."""
        if out_type.channels != self.options.tracks:
            raise ConfigError(f"the network has {self.options.tracks} tracks, and the head {out_type.channels}.")
        return Said(features.type, out_type, 0 if out_type.positions else out_type.channels)


class WholeProfiles(TypedModule):
    """A published network of profiles from end to end.

    Its output ``(batch, 2 x tracks, positions)`` holds the logits of profiles, then log(1 + counts) of each track, the
    same at every position.

    Args:
        features: the DNA with its control tracks.
        options: sizes.

    Raises:
        ConfigError: control tracks that the network was not made for, or a window that it does not fit.
    """

    def __init__(self, features: Features, options: PublishedProfiles.Options) -> None:
        if features.type.channels != BASES + options.controls:
            raise ConfigError(
                f"the network reads {options.controls} control tracks, and {features.type.channels - BASES} are given."
            )
        super().__init__(features.type, plain(2 * options.tracks))
        self.options = options
        self.network = OneTower(features.length, options, options, options.counts_bp)
        self.bias = None if options.bias is None else OneTower(features.length, options.bias, options, None)

    def forward(self, x: Tensor) -> Tensor:
        """Read ``(batch, 4 + controls, positions)``."""
        profile, total = self.network(x)
        if self.bias is not None:
            beside, added = self.bias(x)
            profile, total = profile + beside, torch.logaddexp(total, added)
        counts = total
        if profile.shape[1] > 1:
            share = torch.softmax(profile.flatten(1), 1).view_as(profile).sum(2)
            counts = torch.log1p(torch.expm1(total) * share)
        return torch.cat([profile, counts.unsqueeze(2).expand_as(profile)], dim=1)

    def out_length(self, length: int) -> int:
        """Return the positions that the profile keeps."""
        return self.options.profile_bp


class OneTower(torch.nn.Module):
    """One BPNet: the logits of profiles, and the logarithm of their total.

    Args:
        input_bp: length of the window.
        sizes: of its layers.
        options: tracks, controls and positions.
        counts_bp: features in the middle that are pooled; all if None.

    Raises:
        ConfigError: a window that it does not fit.
    """

    def __init__(self, input_bp: int, sizes: Tower, options: PublishedProfiles.Options, counts_bp: int | None) -> None:
        super().__init__()
        hidden, seen = plain(sizes.filters), input_bp - sizes.shortening
        self.profile_bp, self.counts_bp = options.profile_bp, counts_bp or seen
        spare = [seen - sizes.profile_width + 1 - options.profile_bp, seen - self.counts_bp]
        if min(spare) < 0 or any(each % 2 for each in spare):
            raise ConfigError(
                f"of {input_bp:,} bp the network sees {seen - sizes.profile_width + 1:,} whole: profile_bp = "
                f"{options.profile_bp:,} must be as many, or fewer by an even number, and counts_bp fit too."
            )
        self.stem = Stack(Conv1d(plain(BASES), hidden, sizes.stem_width), ReLU(hidden))
        self.dilated = Stack(*(DilatedBlock(hidden, 2**number) for number in range(1, sizes.dilated_layers + 1)))
        self.profile = Conv1d(plain(sizes.filters + options.controls), plain(options.tracks), sizes.profile_width)
        self.total = Dense(plain(sizes.filters + (options.controls > 0)).pooled(), plain(1).pooled())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return profiles ``(batch, tracks, positions)`` and the log of their total ``(batch, 1)``."""
        features = self.dilated(self.stem(x[:, :BASES]))
        control = _middle(x[:, BASES:], features.shape[2])
        profile = _middle(self.profile(torch.cat([features, control], dim=1)), self.profile_bp)
        pooled = _middle(features, self.counts_bp).mean(2)
        if control.shape[1]:
            # Counts are 0 or more, and what a file says below that has no logarithm.
            measured = _middle(control, self.counts_bp).sum((1, 2)).clamp(min=0)
            pooled = torch.cat([pooled, torch.log1p(measured).unsqueeze(1)], dim=1)
        return profile, self.total(pooled)


class Said(TypedModule):
    """Take some channels of what a whole network says; without positions, at the first of them.

    Args:
        in_type: what it says.
        out_type: of a head.
        first: the first channel.
    """

    def __init__(self, in_type: StrandType, out_type: StrandType, first: int) -> None:
        super().__init__(in_type, out_type)
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, tracks, positions)`` or ``(batch, tracks)``."""
        said = x[:, self.first : self.first + self.out_type.channels]
        return said if self.out_type.positions else said[:, :, 0]

    def out_length(self, length: int) -> int:
        """Return the positions of the output."""
        return length if self.out_type.positions else 0


def _middle(x: Tensor, length: int) -> Tensor:
    return x.narrow(2, (x.shape[2] - length) // 2, length)
