"""The `[imported]` table of a config: what a network that was trained elsewhere reads and says."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from strandwise.data.peaks import TargetSettings
from strandwise.data.signals.settings import InputSettings, all_tracks
from strandwise.data.signals.tracks import Track, tracks_type
from strandwise.errors import listing
from strandwise.schema import Settings
from strandwise.strand import StrandType


class ImportedSettings(Settings):
    """A network that was trained elsewhere, by the names of what it reads and says.

    Of two names NAME+ and NAME- the first is the forward strand of an assay and the second its reverse strand.
    """

    source: str = Field(description="where it comes from; `strandwise import` writes it")
    targets: tuple[str, ...] = Field(min_length=1, description="names of what it predicts")
    answer: Literal["window", "profile"] = Field(
        default="window", description="whether it predicts labels of a window, or profiles and their totals"
    )
    inputs: tuple[str, ...] = Field(
        default=(), description="names of the signals it reads beside the DNA; their files are those of [[inputs]]"
    )
    metadata: tuple[str, ...] = Field(default=(), description="names of what it is told of each window as a whole")

    @model_validator(mode="after")
    def _names(self) -> "ImportedSettings":
        for key in ("targets", "inputs", "metadata"):
            names = getattr(self, key)
            odd = next((name for name in names if not name or not name.isprintable()), None)
            if odd is None and len(set(names)) < len(names):
                odd = next(name for name in names if names.count(name) > 1)
            if odd is not None:
                raise ValueError(f"{key} holds {odd!r}, which is no name, or stands there twice")
        return self

    @property
    def target_type(self) -> StrandType:
        """How its tracks turn, over positions."""
        return named_type(self.targets)

    @property
    def input_type(self) -> StrandType | None:
        """How the signals turn that it reads beside the DNA, if there are any."""
        return named_type(self.inputs) if self.inputs else None

    def check(self, inputs: Sequence[InputSettings], targets: Sequence[TargetSettings]) -> None:
        """Refuse signals that it does not read, and targets to judge it by that it does not predict.

        Raises:
            ValueError: naming both.
        """
        names = tuple(track.name for track in all_tracks(inputs))
        if inputs and names != self.inputs:
            raise ValueError(
                f"[[inputs]] are {', '.join(names)}, and [imported] reads {', '.join(self.inputs) or 'none'}: give "
                "the file of each as signal, in this order, and those of NAME+ and NAME- as plus and minus of one table"
            )
        profile = self.answer == "profile"
        judged = [track.name for track in all_tracks(targets)] if profile else [target.name for target in targets]
        along = [target.name for target in targets if target.given]
        if along and not profile:
            raise ValueError(f"[imported] predicts labels, and target '{along[0]}' has signal: give its peaks alone")
        if targets and tuple(judged) != self.targets:
            raise ValueError(
                f"[[targets]] are {listing(judged)}, and [imported] predicts {listing(self.targets)}: give those to "
                "judge it by, by the same names and in the same order"
            )


def named_type(names: Sequence[str]) -> StrandType:
    """Return how tracks turn that are known by their names: NAME+ and NAME- swap, all others stay."""
    there = set(names)

    def track(name: str) -> Track:
        stem, sign = name[:-1], name[-1]
        if sign == "+" and f"{stem}-" in there:
            return Track(name, Path(), "+", partner=f"{stem}-")
        return Track(name, Path(), "-" if sign == "-" and f"{stem}+" in there else ".")

    return tracks_type([track(name) for name in names])
