"""The weights of one BPNet, whichever program wrote them, and the network here that they fill."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from strandwise.errors import InputError
from strandwise.models.foreign.profiles import BASES, TAPS, PublishedProfiles, Tower
from strandwise.models.foreign.published import Array, Published, Weights

WHOLE = f"{PublishedProfiles.__module__}:{PublishedProfiles.__name__}"
"""The name of the architecture in a config."""

INPUT_BP = 2114
"""The window of BPNet and ChromBPNet where a file does not say."""


@dataclass(frozen=True)
class TowerWeights:
    """The weights of a BPNet in the layout of torch.

    Attributes:
        file: for messages.
        stem: of the first convolution, ``(filters, 4, width)``.
        dilated: of the dilated ones, first to last.
        profile: of the convolution to profiles, which reads features, then control tracks.
        total: of the dense layer to the total, which reads features, and the controls as one number.
    """

    file: Path
    stem: Weights
    dilated: tuple[Weights, ...]
    profile: Weights
    total: Weights

    def __post_init__(self) -> None:
        filters, channels, width = self._shape("first convolution", self.stem, 3)
        if channels != BASES or width % 2 == 0:
            raise InputError(
                f"{self.file}: its first convolution has the shape {(filters, channels, width)}, not DNA's."
            )
        for number, layer in enumerate(self.dilated, 1):
            shape = self._shape(f"dilated convolution {number}", layer, 3)
            if shape != (filters, filters, TAPS):
                raise InputError(
                    f"{self.file}: dilated convolution {number} has the shape {shape}, and {(filters, filters, TAPS)} "
                    "fits the first convolution."
                )
        tracks, read, profile_width = self._shape("profile head", self.profile, 3)
        wanted = (1, filters + (read > filters))
        if read < filters or profile_width % 2 == 0 or self._shape("counts head", self.total, 2) != wanted:
            raise InputError(
                f"{self.file}: heads of the shapes {self.profile['weight'].shape} and {self.total['weight'].shape} do "
                f"not read {filters} filters, with control tracks or without: one total of all tracks is expected."
            )
        if not self.dilated or tracks < 1:
            raise InputError(f"{self.file}: has no dilated convolutions: not a BPNet.")

    def _shape(self, what: str, layer: Weights, dimensions: int) -> tuple[int, ...]:
        weight, bias = layer["weight"], layer["bias"]
        if weight.ndim != dimensions or not weight.size or bias.shape != weight.shape[:1]:
            raise InputError(
                f"{self.file}: the {what} has weights of the shape {weight.shape} and offsets of {bias.shape}: not "
                "those of a BPNet."
            )
        return weight.shape

    @property
    def sizes(self) -> Tower:
        """The sizes of the layers."""
        return Tower(
            filters=len(self.stem["weight"]),
            stem_width=self.stem["weight"].shape[2],
            dilated_layers=len(self.dilated),
            profile_width=self.profile["weight"].shape[2],
        )

    @property
    def tracks(self) -> int:
        """How many profiles it predicts."""
        return len(self.profile["weight"])

    @property
    def controls(self) -> int:
        """How many control tracks it reads."""
        return self.profile["weight"].shape[1] - self.sizes.filters

    @property
    def layers(self) -> tuple[Weights, ...]:
        """All weights in order."""
        return (self.stem, *self.dilated, self.profile, self.total)

    def predicted(self, input_bp: int) -> int:
        """Return how many bases of a window it sees whole.

        Raises:
            InputError: none.
        """
        found = input_bp - self.sizes.shortening - self.sizes.profile_width + 1
        if found < 1:
            raise InputError(
                f"{self.file}: its {len(self.dilated)} dilated convolutions do not fit into {input_bp:,} bp: give the "
                "length it was trained on with --input-bp."
            )
        return found


def with_bias(weight: Array, bias: Array | None) -> Weights:
    """Return the weights of a layer; one without offsets has offsets of zero."""
    return {"weight": weight, "bias": np.zeros(len(weight), np.float32) if bias is None else bias}


def published_profiles(
    source: str,
    files: Sequence[Path],
    network: TowerWeights,
    bias: TowerWeights | None = None,
    *,
    input_bp: int,
    profile_bp: int,
    counts_bp: int | None = None,
    notes: Sequence[str] = (),
) -> Published:
    """Return the network here that says what a BPNet does, beside its bias network if there is one.

    One profile from DNA alone is that of architecture `bpnet`, which can be trained on; all else is built as published.

    Args:
        source: what it is, and in whose layout.
        files: that were read.
        network: its weights.
        bias: those of the bias network.
        input_bp: length of its DNA.
        profile_bp: bases in the middle that it predicts.
        counts_bp: features in the middle that its total is predicted from; all if None.
        notes: what a person should know.

    Raises:
        InputError: lengths that do not fit, or a bias network of another kind.
    """
    for each in (network, *([bias] if bias else [])):
        spare = each.predicted(input_bp) - profile_bp
        if spare < 0 or spare % 2 or profile_bp < 1:
            raise InputError(
                f"{each.file}: of {input_bp:,} bp it sees {each.predicted(input_bp):,} whole, so it cannot predict "
                f"{profile_bp:,}: give as many with --output-bp, or fewer by an even number."
            )
    if bias is not None and (bias.tracks, bias.controls, network.tracks, network.controls) != (1, 0, 1, 0):
        raise InputError(
            f"{bias.file}: a bias network predicts one track from DNA alone, as does the one beside it, and these have "
            f"{bias.tracks} and {network.tracks} tracks, {bias.controls} and {network.controls} controls."
        )
    sizes = network.sizes.model_dump()
    alone = bias is None and counts_bp is None and (network.tracks, network.controls) == (1, 0)
    if alone:
        kept = {} if profile_bp == network.predicted(input_bp) else {"profile_bp": profile_bp}
        model, options = "bpnet", {**sizes, **kept}
    else:
        model = WHOLE
        options = {**sizes, "tracks": network.tracks, "controls": network.controls, "profile_bp": profile_bp}
        options |= {} if counts_bp is None else {"counts_bp": counts_bp}
        options |= {} if bias is None else {"bias": bias.sizes.model_dump()}
    controls = {0: (), 1: ("control",), 2: ("control+", "control-")}.get(network.controls)
    if controls is None:
        controls = tuple(f"control{number}" for number in range(1, network.controls + 1))
    return Published(
        source=source,
        files=tuple(files),
        model=model,
        options=options,
        input_bp=input_bp,
        tracks=network.tracks,
        layers=(*network.layers, *(bias.layers if bias else ())),
        answer="profile",
        inputs=controls,
        notes=tuple(notes),
    )
