"""Which windows train a model, which choose it, and which judge it."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from strandwise.errors import ConfigError
from strandwise.genome import parse_region
from strandwise.schema import Settings


class SplitSettings(Settings):
    """The `[split]` table of a config: chromosomes or regions held out; the rest trains.

    A region is written ``chrII`` or ``chrI:3000000-3600000`` (0-based, half-open; an open end is the end of
    the chromosome). Fractions serve sequence sets without coordinates.
    """

    valid: tuple[str, ...] = Field(default=(), description="chromosomes or regions that choose the best epoch")
    test: tuple[str, ...] = Field(default=(), description="chromosomes or regions that judge the model")
    exclude: tuple[str, ...] = Field(default=(), description="chromosomes to leave out, such as chrM")
    valid_fraction: float = Field(default=0.0, ge=0, lt=1, description="for sequence sets: share drawn for validation")
    test_fraction: float = Field(default=0.0, ge=0, lt=1, description="for sequence sets: share drawn for the test")

    @model_validator(mode="after")
    def _apart(self) -> "SplitSettings":
        both = set(self.valid) & set(self.test)
        if both:
            raise ValueError(f"{', '.join(sorted(both))} is in valid and in test: keep it in one of them")
        for region in (*self.valid, *self.test):
            if region in self.exclude or region.rpartition(":")[0] in self.exclude:
                raise ValueError(f"{region} is held out and its chromosome is in exclude: take it out of one of them")
        if self.valid_fraction + self.test_fraction >= 1:
            raise ValueError(
                f"valid_fraction {self.valid_fraction} and test_fraction {self.test_fraction} leave nothing to "
                "train on: make their sum smaller than 1"
            )
        return self


def held_out_regions(settings: SplitSettings, sizes: Mapping[str, int]) -> pd.DataFrame:
    """Return a frame of the held-out regions: chrom, start, end, split.

    Raises:
        InputError: a chromosome that the genome does not have, or a region past its end.
        ConfigError: regions of valid and test that overlap.
    """
    rows = [(*parse_region(text, sizes), split) for split in ("valid", "test") for text in getattr(settings, split)]
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
