"""How much of a metric is the choice of test set, of class balance, or of smoothing."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strandwise.analysis.comparison.contestants import Along, Contestant
from strandwise.analysis.comparison.judging import AMOUNT, COLUMNS, YES_NO, Measured, answered, correlations, judge
from strandwise.analysis.comparison.places import Places, with_coverage


def thresholds(
    contestants: Sequence[Contestant],
    measured: Measured,
    tiles: Places,
    highest: NDArray,
    levels: Sequence[float],
) -> pd.DataFrame:
    """Judge amounts in the windows that pass one threshold after another (GOPHER, the test-set study).

    Args:
        contestants: who is judged.
        measured: the coverage.
        tiles: of whole chromosomes.
        highest: the highest coverage in each.
        levels: thresholds.

    Returns:
        The rows of `judge`, without intervals, with the `threshold`; none for one that no window passes.
    """
    return _swept(
        {level: lambda level=level: with_coverage(tiles, highest, level) for level in levels},
        "threshold",
        contestants,
        measured,
    )


def imbalance(
    contestants: Sequence[Contestant],
    measured: Measured,
    balanced: Callable[[float], Places],
    ratios: Sequence[float],
) -> pd.DataFrame:
    """Judge yes/no labels with more and more windows without a peak for each with one.

    Args:
        contestants: who is judged.
        measured: the coverage.
        balanced: from windows without a peak for each with one to the test set.
        ratios: how many.

    Returns:
        The yes/no rows of `judge`, with the `ratio` that was there; fewer than asked for where the genome ends.
    """
    found = _swept(
        {ratio: lambda ratio=ratio: balanced(ratio) for ratio in ratios},
        "ratio",
        contestants,
        Measured(measured.landscape, ()),
    )
    found = found[found["scale"] == YES_NO].reset_index(drop=True)
    positives = found[found["metric"] == "positives"].groupby("ratio")["value"].first()
    share = found["n"].astype(float) / found["ratio"].map(positives).astype(float) - 1
    return found.assign(ratio=share.round(2)).drop_duplicates(["ratio", "contestant", "metric"], ignore_index=True)


def smoothing(contestants: Sequence[Along], measured: Measured, places: Places, widths: Sequence[int]) -> pd.DataFrame:
    """Judge predictions smoothed by a box at the resolution they have: what bins gain that averages alone would.

    Args:
        contestants: with bins of their own.
        measured: the coverage, which is not smoothed.
        places: where.
        widths: of the box, in bp.

    Returns:
        Rows as those of `judge` in the contestants' own bins, with the `width_bp`, 0 for none; Pearson alone.
    """
    rows = []
    for who in contestants:
        own = who.bin_bp
        if own is None or own >= places.length_bp or places.length_bp % own:
            continue
        truth = measured.landscape.means(places.frame, places.length_bp, own)
        for width in (0, *(width for width in widths if width > own)):
            said = who if not width else replace(who, landscape=who.landscape.smoothed(width))
            given = said.amounts(places, own)
            if given is not None:
                known = (places.name, who.name, who.role, AMOUNT, own)
                for metric, value in correlations(truth, given).items():
                    rows.append((*known, metric, value, math.nan, math.nan, given.size, width))
    return pd.DataFrame(rows, columns=[*COLUMNS, "width_bp"])


def _swept(
    tests: Mapping[float, Callable[[], Places]],
    name: str,
    contestants: Sequence[Contestant],
    measured: Measured,
) -> pd.DataFrame:
    parts = []
    for level, make in tests.items():
        places = answered(contestants, measured, make())
        if not len(places):
            continue
        rows = judge(contestants, measured, places, seed=0, resamples=0).rows
        parts.append(rows.assign(**{name: level}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*COLUMNS, name])


def levels_of(highest: NDArray, shares: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95)) -> list[float]:
    """Return thresholds that these shares of windows do not pass; the first lets all pass with any signal."""
    known = highest[~np.isnan(highest)]
    if not known.size:
        return []
    found = [0.0 if share == 0 else float(np.quantile(known, share)) for share in shares]
    return sorted({level for level in found if math.isfinite(level)})
