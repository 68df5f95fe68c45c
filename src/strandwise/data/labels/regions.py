"""Which windows to leave out: those too much of which is unknown, multi-mapped or unmappable."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
import pandas as pd

from strandwise.data.labels.cover import Cover
from strandwise.errors import InputError
from strandwise.genome import Genome
from strandwise.sequence import N


def unknown_runs(genome: Genome, chromosomes: Iterable[str] | None = None) -> pd.DataFrame:
    """Return the stretches of N in a genome, by default in all of it: chrom, start, end."""
    pieces = [_runs_of_n(genome, chrom) for chrom in (genome.sizes if chromosomes is None else chromosomes)]
    if not pieces:
        raise InputError("no chromosome was named: name at least one.")
    return pd.concat(pieces, ignore_index=True)


def _runs_of_n(genome: Genome, chrom: str) -> pd.DataFrame:
    unknown = np.concatenate([[False], genome.load(chrom) == N, [False]])
    edges = np.flatnonzero(unknown[1:] != unknown[:-1])
    return pd.DataFrame(
        {"chrom": np.full(len(edges) // 2, chrom, dtype=object), "start": edges[::2], "end": edges[1::2]}
    )


def drop_covered(
    windows: pd.DataFrame,
    regions: Mapping[str, pd.DataFrame],
    limit: float = 0.1,
    *,
    at_limit: Literal["keep", "drop"] = "keep",
) -> tuple[pd.DataFrame, Counter[str]]:
    """Return the windows of which no kind of region covers more than a share, and how many fell to each.

    Gupta & Rush 2017 drop windows more than a tenth of which is N, and likewise multi-mapped: a limit of 0.1 that
    is itself kept. GOPHER (Toneyan et al. 2022) keeps those less than half unmappable: a limit of 0.5 that is
    itself dropped. Each kind is judged alone; a window that several kinds would drop counts for the first.

    Args:
        windows: chrom, start, end, and any other columns.
        regions: intervals of each kind, by the reason that `dropped` gives.
        limit: the share, 0 to 1.
        at_limit: what becomes of a window that is covered by exactly this share.

    Raises:
        InputError: a limit that is no share.
    """
    if not 0 <= limit <= 1:
        raise InputError(f"limit = {limit} is no share of a window: give 0 to 1.")
    dropped: Counter[str] = Counter()
    for reason, intervals in regions.items():
        chrom, start, end = windows["chrom"], windows["start"].to_numpy(), windows["end"].to_numpy()
        covered = Cover(intervals, what=reason).bases(chrom, start, end)
        most = limit * (end - start)
        # A tenth of 25,000 is a little more than 2,500 in binary, and 2,500 are meant.
        level = np.isclose(covered, most, rtol=1e-12, atol=1e-9)
        over = (covered > most) & ~level | (level if at_limit == "drop" else np.zeros_like(level))
        dropped[reason] = int(over.sum())
        windows = windows[~over].reset_index(drop=True)
    return windows, dropped


def away_from(windows: pd.DataFrame, intervals: pd.DataFrame, distance_bp: int) -> np.ndarray:
    """Return whether at least `distance_bp` bases lie between each window and every interval: ``(windows,)``.

    With a distance of 0, a window may touch an interval but not overlap it.
    """
    cover = Cover(intervals, distance_bp)
    return ~cover.touches(windows["chrom"], windows["start"], windows["end"])
