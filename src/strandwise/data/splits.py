"""Which windows train a model, which choose it, and which judge it."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from strandwise.data.folds import chromosome_folds, held_out_folds
from strandwise.errors import ConfigError
from strandwise.genome import parse_region
from strandwise.schema import Settings

ELSEWHERE = "of a cell that is not judged there, or does not train there"
"""Why windows of a cell are left out where other cells have a part."""


class SplitSettings(Settings):
    """The `[split]` table of a config: chromosomes or regions held out; the rest trains.

    A region is written ``chrII`` or ``chrI:3000000-3600000`` (0-based, half-open; an open end is the end of
    the chromosome). Fractions serve sequence sets without coordinates.
    """

    valid: tuple[str, ...] = Field(default=(), description="chromosomes or regions that choose the best epoch")
    test: tuple[str, ...] = Field(default=(), description="chromosomes or regions that judge the model")
    exclude: tuple[str, ...] = Field(default=(), description="chromosomes to leave out, such as chrM")
    valid_cells: tuple[str, ...] = Field(
        default=(),
        description="cells that choose the best epoch, none of which trains; where valid is given too, on its "
        "chromosomes alone, else on those that are not held out",
    )
    test_cells: tuple[str, ...] = Field(
        default=(),
        description="cells that judge the model, none of which trains; where test is given too, on its chromosomes "
        "alone, else on those that are not held out. With chromosomes and cells of both kinds, a model trains on some "
        "cells and chromosomes, and is chosen and judged on others (Quang & Xie 2019); one cell may do both, on "
        "chromosomes of its own for each",
    )
    folds: PositiveInt | None = Field(
        default=None, ge=3, description="instead of valid and test: chromosomes in this many groups of equal size"
    )
    fold: NonNegativeInt = Field(default=0, description="the group that judges the model; the next chooses the epoch")
    valid_fraction: float = Field(default=0.0, ge=0, lt=1, description="for sequence sets: share drawn for validation")
    test_fraction: float = Field(default=0.0, ge=0, lt=1, description="for sequence sets: share drawn for the test")

    @model_validator(mode="after")
    def _apart(self) -> "SplitSettings":
        both = set(self.valid_cells) & set(self.test_cells)
        if both and not (self.folds or (self.valid and self.test)):
            raise ValueError(
                f"cell {', '.join(sorted(both))} is in valid_cells and in test_cells: keep it in one of them, or hold "
                "out chromosomes for each, in valid and in test"
            )
        both = set(self.valid) & set(self.test)
        if both:
            raise ValueError(f"{', '.join(sorted(both))} is in valid and in test: keep it in one of them")
        for region in (*self.valid, *self.test):
            if region in self.exclude or region.rpartition(":")[0] in self.exclude:
                raise ValueError(f"{region} is held out and its chromosome is in exclude: take it out of one of them")
        if self.folds is not None and (self.valid or self.test or self.valid_fraction or self.test_fraction):
            raise ValueError("folds say what is held out, and so do valid and test: give one or the other")
        if self.fold and (self.folds is None or self.fold >= self.folds):
            raise ValueError(f"fold {self.fold} of {self.folds or 0} folds: count from 0, and give folds")
        if self.valid_fraction + self.test_fraction >= 1:
            raise ValueError(
                f"valid_fraction {self.valid_fraction} and test_fraction {self.test_fraction} leave nothing to "
                "train on: make their sum smaller than 1"
            )
        return self


def roles_of_cell(settings: SplitSettings, cell: str | None = None) -> dict[str, str]:
    """Return the split of a cell's windows by where they lie: of some places "train", "valid" and "test".

    Windows of this cell that lie elsewhere have no part, such as those of a cell that trains on chromosomes that
    another cell is judged on.

    Args:
        settings: what is held out.
        cell: the cell; if not given, cells play no part.

    >>> held = SplitSettings(valid=("chr11",), test=("chr1",), test_cells=("liver",))
    >>> roles_of_cell(held, "K562"), roles_of_cell(held, "liver")
    ({'train': 'train', 'valid': 'valid'}, {'test': 'test'})
    """
    places = {"valid": bool(settings.valid or settings.folds), "test": bool(settings.test or settings.folds)}
    cells = {"valid": settings.valid_cells, "test": settings.test_cells}
    held_out = {split if places[split] else "train": split for split, held in cells.items() if cell in held}
    if held_out:
        return held_out
    here = {split: split for split, held in cells.items() if places[split] and not (held and cell is not None)}
    return {"train": "train", **here}


def held_out_regions(settings: SplitSettings, sizes: Mapping[str, int]) -> pd.DataFrame:
    """Return a frame of the held-out regions: chrom, start, end, split.

    Raises:
        InputError: a chromosome that the genome does not have, or a region past its end.
        ConfigError: regions of valid and test that overlap.
    """
    held = {"valid": settings.valid, "test": settings.test}
    if settings.folds is not None:
        used = {name: size for name, size in sizes.items() if name not in settings.exclude}
        held["valid"], held["test"] = held_out_folds(chromosome_folds(used, settings.folds), settings.fold)
    rows = [(*parse_region(text, sizes), split) for split, regions in held.items() for text in regions]
    for (chrom, start, end, split), (other, begin, stop, role) in pairwise(sorted(rows)):
        if chrom == other and begin < end:
            raise ConfigError(
                f"split: {chrom}:{start}-{end} ({split}) and {other}:{begin}-{stop} ({role}) overlap: keep them apart."
            )
    return pd.DataFrame(rows, columns=["chrom", "start", "end", "split"])


def assign_split(
    chrom: np.ndarray, start: np.ndarray, end: np.ndarray, regions: pd.DataFrame, jitter_bp: int = 0
) -> np.ndarray:
    """Return the split of each window: "train", "valid", "test", or "" where it straddles a border.

    A window belongs to a held-out region if it lies in it whole, and trains if it touches none, wherever within
    `jitter_bp` training may shift it.
    """
    split = np.full(len(chrom), "train", dtype=object)
    for name, low, high, role in regions.itertuples(index=False):
        here = (chrom == name) & (start - jitter_bp < high) & (end + jitter_bp > low)
        whole = (chrom == name) & (start >= low) & (end <= high)
        split[here & (split == "train")] = ""
        split[whole] = role
    return split
