"""Changes that evolution makes to DNA, made to training windows at random (EvoAug, Lee et al. 2023)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from strandwise.errors import InputError
from strandwise.schema import Settings
from strandwise.sequence import Codes, N, one_hot

Whole = NDArray[np.int64]
Integers = NDArray[np.int32]
_COMPLEMENT = np.array([3, 2, 1, 0, N], dtype=np.uint8)
MOVING = ("delete_bp", "insert_bp", "translocate_bp", "invert_bp")
"""Kinds after which bases stand elsewhere than they did."""
KINDS = (*MOVING, "mutate", "noise")
"""All kinds, in the order in which a window gets them."""


class AugmentationSettings(Settings):
    """The `[augmentation]` table of a config: how training windows are changed, each time they are read."""

    delete_bp: NonNegativeInt = Field(
        default=0, description="the longest stretch to delete; random bases at both ends keep the length"
    )
    insert_bp: NonNegativeInt = Field(
        default=0, description="the longest stretch of random bases to insert; as many fall off at both ends"
    )
    translocate_bp: NonNegativeInt = Field(
        default=0, description="how far a window is rolled at most: what leaves at one end comes back at the other"
    )
    invert_bp: NonNegativeInt = Field(default=0, description="the longest stretch to replace by its reverse complement")
    mutate: float = Field(default=0.0, ge=0, lt=1, description="the chance of each base to become another")
    noise: NonNegativeFloat = Field(default=0.0, description="standard deviation of what is added to one-hot DNA")
    max_number: PositiveInt = Field(default=2, description="the most kinds of change that one window gets")
    draw: Literal["hard", "soft"] = Field(
        default="hard", description="'hard' gives each window max_number kinds, 'soft' 1 to max_number by chance"
    )

    @model_validator(mode="after")
    def _some(self) -> "AugmentationSettings":
        if not self.kinds:
            raise ValueError(f"no kind of change has an amount: give one of {', '.join(KINDS)}, or remove the table")
        return self

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that have an amount."""
        return tuple(kind for kind in KINDS if getattr(self, kind))


def check_augmentation(settings: AugmentationSettings, input_bp: int, along: str | None) -> None:
    """Refuse changes that do not fit the windows, or that would part the DNA from what is measured along it.

    Args:
        settings: the changes.
        input_bp: length of the windows.
        along: what is read or predicted along windows, if anything, for the message.

    Raises:
        InputError: naming the key and the fix.
    """
    for kind in MOVING:
        amount = getattr(settings, kind)
        if amount and along is not None:
            raise InputError(
                f"augmentation.{kind} = {amount} moves bases of a window, and {along} would stay where it is: remove "
                f"it, and keep mutate and noise"
            )
        if amount >= input_bp:
            raise InputError(f"augmentation.{kind} = {amount} is not shorter than a window of {input_bp} bp: reduce it")


@dataclass(frozen=True)
class Stretch:
    """A stretch of each window.

    Attributes:
        start: ``(windows,)`` where it begins.
        length: ``(windows,)`` bases; 0 leaves the window as it is.
        left: ``(windows,)`` how much of the change in length the left end takes: half, rounded by chance.
    """

    start: Whole
    length: Whole
    left: Whole

    def columns(self) -> tuple[Whole, Integers, Integers, Integers]:
        """Return the windows where there is something to do, and for them start, length and left as columns."""
        rows = np.flatnonzero(self.length)
        start, length, left = (each[rows, None].astype(np.int32) for each in (self.start, self.length, self.left))
        return rows, start, length, left


@dataclass(frozen=True)
class Edits:
    """What happens to each window of a batch; None for kinds that are not asked for.

    Every draw is as likely as its mirror image, so that the changed windows of one strand are distributed as the
    reverse complements of those of the other.

    Attributes:
        deleted: stretches that go.
        ends: ``(windows, bases)`` random codes, for the ends of windows that lost a stretch.
        inserted: stretches that come, between the base before `start` and that at it.
        new: ``(windows, bases)`` random codes, for what comes.
        rolled: ``(windows,)`` steps to the right.
        inverted: stretches that turn to the other strand.
        mutated: ``(windows, bases)`` steps through the alphabet, 0 to 3.
        noise: ``(windows, 4, bases)`` float32, added to one-hot DNA.
    """

    deleted: Stretch | None = None
    ends: Codes | None = None
    inserted: Stretch | None = None
    new: Codes | None = None
    rolled: Whole | None = None
    inverted: Stretch | None = None
    mutated: Codes | None = None
    noise: NDArray[np.float32] | None = None

    def letters(self, codes: Codes) -> Codes:
        """Return the changed codes ``(windows, bases)``, all but the noise."""
        codes, bases = codes.copy(), codes.shape[1]
        places = np.arange(bases, dtype=np.int32)
        if self.deleted is not None and self.ends is not None:
            rows, start, length, left = self.deleted.columns()
            # Places in the shortened window.
            at = places - left
            kept = (at >= 0) & (at < bases - length)
            codes[rows] = np.where(kept, _taken(codes[rows], np.where(at < start, at, at + length)), self.ends[rows])
        if self.inserted is not None and self.new is not None:
            rows, start, length, left = self.inserted.columns()
            # Places in the lengthened window.
            at = places + left
            before, behind = at < start, at >= start + length
            old = _taken(codes[rows], np.where(before, at, at - length))
            codes[rows] = np.where(before | behind, old, self.new[rows])
        if self.rolled is not None:
            rows = np.flatnonzero(self.rolled)
            codes[rows] = _taken(codes[rows], (places - self.rolled[rows, None]) % bases)
        if self.inverted is not None:
            rows, start, length, _ = self.inverted.columns()
            inside = (places >= start) & (places < start + length)
            turned = _COMPLEMENT[_taken(codes[rows], 2 * start + length - 1 - places)]
            codes[rows] = np.where(inside, turned, codes[rows])
        if self.mutated is not None:
            codes = np.where(codes == N, codes, (codes + self.mutated) % 4)
        return codes


def draw_edits(settings: AugmentationSettings, rng: np.random.Generator, windows: int, bases: int) -> Edits:
    """Draw what happens to each window.

    Args:
        settings: the kinds and their amounts.
        rng: a numpy Generator.
        windows: how many.
        bases: of each.
    """
    kinds = settings.kinds
    most = min(settings.max_number, len(kinds))
    number = np.full(windows, most) if settings.draw == "hard" else rng.integers(1, most + 1, windows)
    rank = rng.random((windows, len(kinds))).argsort(axis=1).argsort(axis=1)
    drawn: dict[str, Any] = {}
    for column, kind in enumerate(kinds):
        chosen = rank[:, column] < number
        drawn |= _DRAWN[kind](getattr(settings, kind), rng, chosen, bases)
    return Edits(**drawn)


def evolved(codes: Codes, settings: AugmentationSettings, rng: np.random.Generator) -> Codes | NDArray[np.float32]:
    """Return windows ``(windows, bases)`` as evolution might have left them.

    Returns:
        Codes of the same shape; with noise, what came of one-hot DNA, ``(windows, 4, bases)`` float32.
    """
    edits = draw_edits(settings, rng, *codes.shape)
    changed = edits.letters(codes)
    return changed if edits.noise is None else one_hot(changed) + edits.noise


def _taken(codes: Codes, source: NDArray[np.integer]) -> Codes:
    return np.take_along_axis(codes, source.clip(0, codes.shape[1] - 1), axis=1)


def _stretch(most: int, rng: np.random.Generator, chosen: NDArray[np.bool_], bases: int, within: bool) -> Stretch:
    length = rng.integers(0, most + 1, len(chosen)) * chosen
    # A new stretch may begin at any base, or behind the last.
    start = rng.integers(0, bases - length + 1 if within else np.full(len(chosen), bases + 1))
    return Stretch(start, length, (length + rng.integers(0, 2, len(chosen))) // 2)


def _random_bases(rng: np.random.Generator, windows: int, bases: int) -> Codes:
    return rng.integers(0, 4, (windows, bases), dtype=np.uint8)


def _deletion(most: int, rng: np.random.Generator, chosen: NDArray[np.bool_], bases: int) -> dict[str, Any]:
    return {
        "deleted": _stretch(most, rng, chosen, bases, within=True),
        "ends": _random_bases(rng, len(chosen), bases),
    }


def _insertion(most: int, rng: np.random.Generator, chosen: NDArray[np.bool_], bases: int) -> dict[str, Any]:
    return {
        "inserted": _stretch(most, rng, chosen, bases, within=False),
        "new": _random_bases(rng, len(chosen), bases),
    }


def _translocation(most: int, rng: np.random.Generator, chosen: NDArray[np.bool_], bases: int) -> dict[str, Any]:
    return {"rolled": rng.integers(-most, most + 1, len(chosen)) * chosen}


def _inversion(most: int, rng: np.random.Generator, chosen: NDArray[np.bool_], bases: int) -> dict[str, Any]:
    return {"inverted": _stretch(most, rng, chosen, bases, within=True)}


def _mutation(chance: float, rng: np.random.Generator, chosen: NDArray[np.bool_], bases: int) -> dict[str, Any]:
    shape = len(chosen), bases
    hit = (rng.random(shape, dtype=np.float32) < chance) & chosen[:, None]
    return {"mutated": rng.integers(1, 4, shape, dtype=np.uint8) * hit}


def _noise(deviation: float, rng: np.random.Generator, chosen: NDArray[np.bool_], bases: int) -> dict[str, Any]:
    noise = np.zeros((len(chosen), 4, bases), dtype=np.float32)
    noise[chosen] = deviation * rng.standard_normal((int(chosen.sum()), 4, bases), dtype=np.float32)
    return {"noise": noise}


_DRAWN: dict[str, Callable[[Any, np.random.Generator, NDArray[np.bool_], int], dict[str, Any]]] = {
    "delete_bp": _deletion,
    "insert_bp": _insertion,
    "translocate_bp": _translocation,
    "invert_bp": _inversion,
    "mutate": _mutation,
    "noise": _noise,
}
