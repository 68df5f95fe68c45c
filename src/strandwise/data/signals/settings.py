"""The tables of a config that name files of signal: what to predict, what to read beside the DNA, and controls."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, PositiveInt, model_validator

from strandwise.data.signals.tracks import Track, Transform, tracks_type
from strandwise.schema import Settings
from strandwise.strand import StrandType


class SignalFiles(Settings):
    """One assay's signal: a file without strand, or one for each strand."""

    name: str = Field(min_length=1, description="name of the assay; its strands are called NAME+ and NAME-")
    cell: str | None = Field(
        default=None,
        min_length=1,
        description="the cell type it was measured in: in all tables, or in none; targets of one name in several cells "
        "are one track, and every cell has the same inputs",
    )
    signal: Path | None = Field(default=None, description="bigWig or bedGraph of a signal without strand")
    plus: Path | None = Field(default=None, description="bigWig or bedGraph of the forward strand")
    minus: Path | None = Field(default=None, description="bigWig or bedGraph of the reverse strand")
    negate_minus: bool = Field(default=False, description="the reverse strand is written as negative numbers")
    transform: Transform = Field(
        default="none",
        description="log1p, asinh, clip (at a quantile), 1x (mean of 1 over the genome), z (by chromosome) or none",
    )
    clip_quantile: float | None = Field(default=None, gt=0, le=1, description="of transform 'clip'; 0.999 if not given")
    missing_quantile: float | None = Field(
        default=None, ge=0, le=1, description="bases without a value take this quantile of their chromosome; else 0"
    )

    @model_validator(mode="after")
    def _one_or_two_strands(self) -> "SignalFiles":
        if self.signal is not None and (self.plus or self.minus):
            raise ValueError(f"'{self.name}': give signal, or plus and minus, not both")
        if (self.plus is None) != (self.minus is None):
            here, there = ("plus", "minus") if self.minus is None else ("minus", "plus")
            raise ValueError(f"'{self.name}' has {here} and no {there}: name the file of the other strand too")
        if self.plus is not None and self.plus == self.minus:
            raise ValueError(f"'{self.name}': plus and minus name one file, {self.plus}: give each strand its own")
        if self.negate_minus and self.minus is None:
            raise ValueError(f"'{self.name}': negate_minus is for a signal with plus and minus: remove it")
        if self.clip_quantile is not None and self.transform != "clip":
            raise ValueError(f"'{self.name}': clip_quantile is for transform 'clip', not '{self.transform}': drop one")
        return self

    @property
    def given(self) -> bool:
        """Whether any file of signal is named."""
        return self.signal is not None or self.plus is not None

    @property
    def changed(self) -> bool:
        """Whether its values are read as anything but what the files hold, 0 where there is nothing."""
        return self.transform != "none" or self.missing_quantile is not None

    def files(self) -> list[Path]:
        """Return the files this table names."""
        return [path for path in (self.signal, self.plus, self.minus) if path is not None]

    def tracks(self) -> list[Track]:
        """Return its tracks: none, one without strand, or one for each strand."""
        same = {
            "transform": self.transform,
            "clip_quantile": self.clip_quantile,
            "missing_quantile": self.missing_quantile,
        }
        if self.signal is not None:
            return [Track(self.name, self.signal, **same)]
        if self.plus is None or self.minus is None:
            return []
        plus, minus = f"{self.name}+", f"{self.name}-"
        return [
            Track(plus, self.plus, "+", partner=minus, **same),
            Track(minus, self.minus, "-", negate=self.negate_minus, **same),
        ]


_Table = TypeVar("_Table", bound=SignalFiles)


class InputSettings(SignalFiles):
    """One `[[inputs]]` table of a config: signal that a model reads beside the DNA, over the whole window."""

    @model_validator(mode="after")
    def _named(self) -> "InputSettings":
        return _with_files(self, "[[inputs]]")


class ControlSettings(SignalFiles):
    """One `[[controls]]` table of a config: a control experiment, read where a profile is predicted."""

    strands: Literal["apart", "together"] = Field(
        default="apart", description="'together' adds the two strands up, as the control of Zhou et al. 2022"
    )
    smooth_bp: tuple[PositiveInt, ...] = Field(
        default=(1,), min_length=1, description="read it as the mean over this many bases, once for each width; odd"
    )

    @model_validator(mode="after")
    def _lawful(self) -> "ControlSettings":
        _with_files(self, "[[controls]]")
        if self.strands == "together" and self.signal is not None:
            raise ValueError(f"control '{self.name}' has no strands to add up: remove strands = 'together'")
        if self.transform not in ("none", "1x", "clip"):
            raise ValueError(
                f"control '{self.name}': transform '{self.transform}' makes no counts, whose logarithm the model takes "
                "itself: use none, 1x or clip"
            )
        even = [width for width in self.smooth_bp if width % 2 == 0]
        if even:
            raise ValueError(
                f"control '{self.name}': smooth_bp {even[0]} has no middle base, so the signal would move when the "
                f"window is turned: use {even[0] + 1}"
            )
        return self


class SignalSettings(Settings):
    """The `[signals]` table of a config: how files of signal are read."""

    cache: bool = Field(default=True, description="decode each file once, and keep it; else read it window by window")
    folder: Path | None = Field(default=None, description="of the cache; the user's cache folder if not given")
    dtype: Literal["float32", "float16"] = Field(
        default="float32", description="of the cache; float16 takes half the space"
    )


def all_tracks(tables: Sequence[SignalFiles]) -> list[Track]:
    """Return the tracks of several tables, in their order."""
    return [track for table in tables for track in table.tracks()]


def type_of(tables: Sequence[SignalFiles]) -> StrandType:
    """Return how the channels of several tables turn under reverse complement.

    Raises:
        InputError: two tracks of one name.
    """
    return tracks_type(all_tracks(tables))


def _with_files(table: _Table, where: str) -> _Table:
    if not table.given:
        raise ValueError(f"{where} '{table.name}' names no file: give signal, or plus and minus")
    return table
