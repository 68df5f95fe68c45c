"""Tracks: which signal files a model learns, their strands, and what is done to their values."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from strandwise.errors import InputError, did_you_mean
from strandwise.strand import StrandType, stranded, unstranded

Strand = Literal["+", "-", "."]
Transform = Literal["none", "log1p", "asinh", "clip", "1x", "z"]

_NEED_STATISTICS = {"log1p", "clip", "1x", "z"}

CLIP_QUANTILE = 0.999
"""Where `clip` cuts unless told otherwise."""


@dataclass(frozen=True)
class Track:
    """One signal file and how it is read.

    `clip`, `1x` and `z` act on every base pair, before bins are formed; `log1p` and `asinh` act on the value of a
    bin, since it is the logarithm of a bin's signal that a model predicts. The statistics they need are those of
    both strands together where a track has a partner, so that the two stay comparable.

    Attributes:
        name: of the channel.
        path: a bigWig, or a bedGraph.
        strand: "+" or "-" for one of two stranded signals, "." for one without a strand.
        partner: name of the track of the other strand; it is enough if one of the two names the other.
        transform: "none"; "log1p" for counts; "asinh"; "clip" (values above a quantile become it); "1x" (divided by
            the mean over the genome); "z" (mean 0 and standard deviation 1 on each chromosome).
        clip_quantile: of "clip", above 0 and at most 1; 0.999 if not given.
        missing_quantile: positions that the file says nothing about take this quantile of what it says of their
            chromosome; if not given, they are 0 and count as 0 in every statistic.
        negate: whether to change the sign, for minus strands that are written as negative numbers.
    """

    name: str
    path: Path
    strand: Strand = "."
    partner: str | None = None
    transform: Transform = "none"
    clip_quantile: float | None = None
    missing_quantile: float | None = None
    negate: bool = False

    @property
    def zero_filled(self) -> bool:
        """Whether a position that the file says nothing about is the same as one with the value 0."""
        return self.missing_quantile is None

    @property
    def needs_statistics(self) -> bool:
        """Whether what is done to its values depends on all values of the file."""
        return self.transform in _NEED_STATISTICS or self.missing_quantile is not None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        what = f"track '{self.name}'"
        if not self.name:
            raise InputError(f"{self.path}: give its track a name.")
        if self.strand not in get_args(Strand):
            raise InputError(f"{what}: strand {self.strand!r} is not one of '+', '-' and '.'.")
        if self.transform not in get_args(Transform):
            hint = did_you_mean(str(self.transform), get_args(Transform))
            raise InputError(f"{what}: no transform is called {self.transform!r}{hint}.")
        if self.strand == "." and self.partner is not None:
            raise InputError(f"{what} has a partner, '{self.partner}', but no strand: set strand to '+' or '-'.")
        if self.partner == self.name:
            raise InputError(f"{what} cannot be its own partner: name the track of the other strand.")
        if self.clip_quantile is not None and self.transform != "clip":
            raise InputError(f"{what}: clip_quantile is for transform 'clip', not {self.transform!r}: drop one.")
        for key, least in (("clip_quantile", "above 0"), ("missing_quantile", "from 0")):
            value = getattr(self, key)
            if value is not None and (not 0 <= value <= 1 or (least == "above 0" and value == 0)):
                raise InputError(f"{what}: {key} = {value} is not a quantile: give a number {least} up to 1.")


def partners(tracks: Sequence[Track]) -> tuple[int, ...]:
    """Return, for each track, the place of the track of the other strand, or its own where it has no strand.

    Raises:
        InputError: a stranded track without its partner, or two that do not fit.
    """
    if not tracks:
        raise InputError("no tracks: name at least one signal file.")
    place: dict[str, int] = {}
    for index, track in enumerate(tracks):
        if place.setdefault(track.name, index) != index:
            raise InputError(f"two tracks are called '{track.name}': give each a name of its own.")
    named: dict[str, str] = {}
    for track in tracks:
        if track.partner is not None:
            if track.partner not in place:
                raise InputError(
                    f"track '{track.name}': its partner '{track.partner}' is not among the tracks"
                    f"{did_you_mean(track.partner, place)}; a strand cannot be read without the other."
                )
            for one, other in ((track.name, track.partner), (track.partner, track.name)):
                if named.setdefault(one, other) != other:
                    raise InputError(f"track '{one}' is the partner of both '{named[one]}' and '{other}': choose one.")
    found = []
    for index, track in enumerate(tracks):
        if track.name not in named:
            if track.strand != ".":
                raise InputError(
                    f"track '{track.name}' is of strand '{track.strand}' and has no partner: add the track of the "
                    "other strand and name it as `partner`, or set strand to '.'."
                )
            found.append(index)
            continue
        other = tracks[place[named[track.name]]]
        _check_pair(track, other)
        found.append(place[other.name])
    return tuple(found)


def _check_pair(track: Track, other: Track) -> None:
    if {track.strand, other.strand} != {"+", "-"}:
        raise InputError(
            f"tracks '{track.name}' and '{other.name}' are partners of strands '{track.strand}' and "
            f"'{other.strand}': one must be '+' and the other '-'."
        )
    for key in ("transform", "clip_quantile", "missing_quantile"):
        mine, theirs = getattr(track, key), getattr(other, key)
        if mine != theirs:
            raise InputError(
                f"tracks '{track.name}' and '{other.name}' are partners with {key} {mine} and {theirs}: "
                "give both strands the same."
            )


def tracks_type(tracks: Sequence[Track]) -> StrandType:
    """Return how the channels of tracks change under reverse complement: pairs swap, the others stay.

    Args:
        tracks: in the order of the channels; the two of a pair may stand anywhere, in either order.

    Raises:
        InputError: a stranded track without its partner, or two that do not fit.

    >>> plus, minus = Track("p", "p.bw", "+", partner="m"), Track("m", "m.bw", "-")
    >>> tracks_type([plus, minus, Track("atac", "a.bw")])
    stranded(1) + unstranded(1)
    >>> tracks_type([plus, Track("atac", "a.bw"), minus]).partner
    (2, 1, 0)
    """
    partner = partners(tracks)
    pieces: list[StrandType] = []
    index = 0
    while index < len(partner):
        single, run = partner[index] == index, 0
        step = 1 if single else 2
        while index < len(partner) and partner[index] == index + step - 1:
            index, run = index + step, run + 1
        if not run:
            return StrandType(partner, (1,) * len(partner))
        pieces.append(unstranded(run) if single else stranded(run))
    whole = pieces[0]
    for piece in pieces[1:]:
        whole = whole + piece
    return whole
