"""The numbers by which contestants are judged at the same places, on both scales: yes or no, and how much."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strandwise.analysis.bins import pearson_of_sums, sums_by_window
from strandwise.analysis.comparison.contestants import Contestant
from strandwise.analysis.comparison.landscape import Landscape
from strandwise.analysis.comparison.places import Places
from strandwise.errors import InputError
from strandwise.scores.bootstrap import Statistic, block_resamples, genomic_blocks, resampled_aupr, resampled_auroc
from strandwise.scores.metrics import aupr, auroc, mean_of_known, recall_at_fdr
from strandwise.scores.profiles import jensen_shannon
from strandwise.scores.regression import (
    mean_squared_error,
    pearson,
    poisson_nll,
    r_squared,
    scaled_metrics,
    spearman,
)

BLOCK_BP = 100_000
YES_NO, AMOUNT = "yes/no", "amount"

COLUMNS = ("places", "contestant", "role", "scale", "bin_bp", "metric", "value", "low", "high", "n")


@dataclass(frozen=True)
class Measured:
    """What an experiment found.

    Attributes:
        landscape: coverage, in bins that all others are multiples of.
        bins: the lengths of bins to judge amounts in, each a multiple of the landscape's own.
    """

    landscape: Landscape
    bins: tuple[int, ...]


@dataclass(frozen=True)
class Found:
    """What was found at some places.

    Attributes:
        places: the windows, those alone of which everybody says something.
        rows: a row for each contestant, scale, bin and metric, of the columns `COLUMNS`.
        pairs: a row for each two contestants of whom both have a metric with an interval: `difference` of the first
            from the second, `low`, `high`, from the same resamples.
        scores: what each contestant says of each window, ``(windows,)`` by name.
        amounts: what was measured in each window, ``(windows,)``.
        blocks: stretches of genome that intervals rest on; fewer than two give none.
    """

    places: Places
    rows: pd.DataFrame
    pairs: pd.DataFrame
    scores: Mapping[str, NDArray[np.float64]]
    amounts: NDArray[np.float64]
    blocks: int


@dataclass
class _Sheet:
    """Rows as they are found, and the statistics that are resampled once for all."""

    places: Places
    rows: list[tuple] = field(default_factory=list)
    statistics: list[Statistic] = field(default_factory=list)
    resampled: list[int] = field(default_factory=list)

    def add(self, who: Contestant, scale: str, bin_bp: int, metrics: Mapping[str, float], n: int) -> None:
        for metric, value in metrics.items():
            row = (self.places.name, who.name, who.role, scale, bin_bp, metric, value, math.nan, math.nan, n)
            self.rows.append(row)

    def resample(self, metric: str, statistic: Statistic) -> None:
        """Resample one metric of those that were added last."""
        place = next(i for i in range(len(self.rows) - 1, -1, -1) if self.rows[i][5] == metric)
        self.statistics.append(statistic)
        self.resampled.append(place)


def judge(
    contestants: Sequence[Contestant], measured: Measured, places: Places, *, seed: int = 0, resamples: int = 1000
) -> Found:
    """Judge contestants at the same windows.

    Yes or no: the score of each window against its label, where both kinds are there. How much: the mean coverage of
    each bin of each window against what was measured, for the bins of `measured` and for windows as a whole; a
    contestant that is coarser, or says one number of a window, is judged at what it says. Correlations are over the
    bins of all windows, and `pearson_per_window` the mean over windows in which both vary; `mse` and `poisson_nll` are
    of amounts as they are, and of amounts times one factor that makes their sum that of the measured ones (GOPHER's
    global scaling). Logits, scores, and what is below 0 in a bin of some length have correlations alone there.

    Windows of which any contestant says nothing are left out for all. Intervals are 95 % percentile intervals from
    a bootstrap over stretches of 100 kb; all are resampled together, so that differences are paired.

    Args:
        contestants: who is judged; names are distinct.
        measured: the coverage.
        places: where.
        seed: of the bootstrap.
        resamples: of the bootstrap; 0 for no intervals.

    Raises:
        InputError: no window is left of which everybody says something.
    """
    asked, places = places, answered(contestants, measured, places)
    if not len(places):
        raise InputError(nobody_left(asked, places))
    sheet, scores = _Sheet(places), dict[str, NDArray[np.float64]]()
    bins = [*dict.fromkeys((*sorted(measured.bins), places.length_bp))]
    truths = {bin_bp: measured.landscape.means(places.frame, places.length_bp, bin_bp) for bin_bp in bins}
    for who in contestants:
        said = who.scores(places)
        if said is not None:
            scores[who.name] = said
            _judge_labels(sheet, who, said)
        for bin_bp, truth in truths.items():
            given = who.amounts(places, bin_bp)
            if given is not None:
                _judge_amounts(sheet, who, bin_bp, truth, given)
    rows = pd.DataFrame(sheet.rows, columns=list(COLUMNS))
    blocks = genomic_blocks(places.frame["chrom"], places.frame["start"], BLOCK_BP)
    n_blocks = int(blocks.max()) + 1
    pairs = _with_intervals(sheet, rows, blocks, seed, resamples if n_blocks > 1 else 0)
    return Found(places, rows, pairs, scores, truths[places.length_bp][:, 0].astype(np.float64), n_blocks)


def answered(contestants: Sequence[Contestant], measured: Measured, places: Places) -> Places:
    """Return the windows of which everybody says something, and say how many of the others each left out."""
    known = measured.landscape.means(places.frame, places.length_bp, places.length_bp)[:, 0]
    reasons = {"not measured": ~np.isfinite(known)}
    for who in contestants:
        said = who.scores(places)
        if said is not None:
            reasons[f"nothing said by {who.name}"] = ~np.isfinite(said)
    return places.without(reasons)


def nobody_left(asked: Places, left: Places) -> str:
    """Say why no window can be judged.

    Args:
        asked: the windows.
        left: what `answered` gave of them: none.
    """
    new = {reason: n - asked.dropped.get(reason, 0) for reason, n in left.dropped.items()}
    worst = max(new, key=lambda reason: new[reason])
    return (
        f"{asked.name}: no window is left of which all say something: {worst} of {new[worst]:,} of {len(asked):,}. "
        "Give predictions of all of the chromosomes that are judged, or name others with --chrom; where a file leaves "
        "out zeros, say so with --missing 0."
    )


def _judge_labels(sheet: _Sheet, who: Contestant, said: NDArray[np.float64]) -> None:
    labels = sheet.places.labels
    known = ~np.isnan(labels)
    y, x = labels[known].astype(np.int64), said[known]
    if not y.size or y.min() == y.max():
        return
    found = {"auroc": auroc(y, x), "aupr": aupr(y, x), "recall_at_10_fdr": recall_at_fdr(y, x, 0.1)}
    sheet.add(who, YES_NO, 0, found | {"positives": float(y.sum())}, len(y))
    rank = np.cumsum(known) - 1
    for metric, resampled in (("auroc", resampled_auroc(y, x)), ("aupr", resampled_aupr(y, x))):

        def of_rows(rows: NDArray[np.intp], statistic: Statistic = resampled) -> float:
            return statistic(rank[rows[known[rows]]])

        sheet.resample(metric, of_rows)


def _judge_amounts(sheet: _Sheet, who: Contestant, bin_bp: int, truth: NDArray, given: NDArray) -> None:
    x, y = truth.ravel().astype(np.float64), given.ravel().astype(np.float64)
    found = {"pearson": pearson(x, y), "spearman": spearman(x, y)}
    sums = sums_by_window(truth, given)
    each, fine = pearson_of_sums(sums), truth.shape[1] > 1
    if fine:
        found["pearson_per_window"] = mean_of_known(each)
    if who.on_scale and (y >= 0).all() and (x >= 0).all():
        found |= {"r_squared": r_squared(x, y), "mse": mean_squared_error(x, y), "poisson_nll": poisson_nll(x, y)}
        found |= scaled_metrics(x, y)
        if fine:
            found["jsd_per_window"] = mean_of_known(jensen_shannon(truth, given))
    sheet.add(who, AMOUNT, bin_bp, found, x.size)
    sheet.resample("pearson", lambda rows: float(pearson_of_sums(np.bincount(rows, minlength=len(sums)) @ sums)))
    if fine:
        sheet.resample("pearson_per_window", lambda rows: mean_of_known(each[rows]))


def correlations(truth: NDArray, given: NDArray) -> dict[str, float]:
    """Return Pearson's r over all bins, and its mean over windows in which both vary; ``(windows, bins)`` of each."""
    each = pearson_of_sums(sums_by_window(truth, given))
    pooled = pearson(truth.ravel().astype(np.float64), given.ravel().astype(np.float64))
    return {"pearson": pooled, "pearson_per_window": mean_of_known(each)}


def _with_intervals(
    sheet: _Sheet, rows: pd.DataFrame, blocks: NDArray[np.intp], seed: int, resamples: int
) -> pd.DataFrame:
    columns = ["places", "scale", "bin_bp", "metric", "one", "other", "difference", "low", "high"]
    if not resamples or not sheet.statistics:
        return pd.DataFrame(columns=columns)
    drawn = block_resamples(sheet.statistics, blocks, resamples, seed)
    kept = {}
    for place, values in zip(sheet.resampled, drawn.T, strict=True):
        if 2 * np.isnan(values).sum() <= resamples:
            rows.loc[place, ["low", "high"]] = np.nanquantile(values, [0.025, 0.975])
            kept[place] = values
    alike: dict[tuple, list[int]] = {}
    for place in kept:
        alike.setdefault(sheet.rows[place][3:6], []).append(place)
    found = []
    for (scale, bin_bp, metric), rivals in alike.items():
        for one, other in combinations(rivals, 2):
            gap = kept[one] - kept[other]
            if 2 * np.isnan(gap).sum() > resamples:
                continue
            first, second = sheet.rows[one], sheet.rows[other]
            same = (sheet.places.name, scale, bin_bp, metric, first[1], second[1])
            found.append((*same, first[6] - second[6], *np.nanquantile(gap, [0.025, 0.975])))
    return pd.DataFrame(found, columns=columns)
