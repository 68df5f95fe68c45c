"""Names and numbers as a reader wants them: rounded, with units, and a reason where one is missing."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

STRATEGIES = {
    "standard": ("standard", "each sequence is read as given, on one strand"),
    "augmented": ("augmented", "trained on both orientations, predicting from the strand given"),
    "conjoined": ("conjoined", "the two strands are averaged in training and in prediction"),
    "posthoc": ("post-hoc conjoined", "trained on both orientations, the two strands averaged in prediction"),
    "rcps": ("RCPS", "reverse-complement parameter sharing: each filter reads both strands"),
    "hybrid": ("hybrid", "groups of layers read each strand, tied between the two"),
}

BESIDE = {
    "baseline": "what the mean of all measured profiles scores, the same for every window",
    "ceiling": "what the second replicate scores in the place of the prediction",
}
"""What stands beside a prediction, by its name in the metrics of a head."""

METRICS = {
    "auroc": "AUROC",
    "aupr": "AUPR",
    "recall_at_50_fdr": "Recall at 50% FDR",
    "recall_at_25_fdr": "Recall at 25% FDR",
    "recall_at_10_fdr": "Recall at 10% FDR",
    "recall_at_5_fdr": "Recall at 5% FDR",
    "n": "Windows",
    "positives": "Positives",
    "windows": "Windows",
    "brier": "Brier score",
    "calibration_error": "Calibration error",
    "pearson": "Pearson r",
    "spearman": "Spearman r",
    "mse": "Mean squared error",
    "r_squared": "R²",
    "poisson_nll": "Poisson loss",
    "mse_scaled": "Mean squared error, scaled",
    "poisson_nll_scaled": "Poisson loss, scaled",
    "pearson_per_window": "Pearson r per window",
    "jsd_per_window": "Jensen-Shannon distance per window",
    "jsd_concatenated": "Jensen-Shannon distance of all as one",
    "jsd": "Jensen-Shannon distance",
    "normalised_jsd": "Gain over a flat profile (1 is perfect)",
    "jsd_smoothed": "Jensen-Shannon distance, smoothed",
    "divergence_smoothed": "Jensen-Shannon divergence, smoothed",
    "profile_pearson": "Pearson r of profiles",
    "profile_spearman": "Spearman r of profiles",
    "profile_mse": "Mean squared error of profiles",
    "nll": "Multinomial loss",
}

_LOWER_IS_BETTER = ("loss", "mse", "mae", "error", "nll", "deviation", "divergence", "jsd", "brier")
_YET_HIGHER = ("normalised_jsd",)


@dataclass(frozen=True)
class Cell:
    """A cell of a table: what is shown, the exact number behind it, and why there is none."""

    text: str
    exact: str = ""
    why: str = ""
    best: bool = False
    numeric: bool = True


def metric_name(metric: str) -> str:
    """Return a metric's name for people.

    >>> metric_name("recall_at_5_fdr")
    'Recall at 5% FDR'
    """
    return METRICS.get(metric, metric.replace("_", " "))


def higher_is_better(metric: str) -> bool:
    """Whether a larger value of a metric is the better one."""
    return metric in _YET_HIGHER or not any(part in metric.lower() for part in _LOWER_IS_BETTER)


def strategy_name(strategy: str) -> str:
    """Return a strand strategy's name for people, or the strategy itself if it is a user's own."""
    return STRATEGIES.get(strategy, (strategy, ""))[0]


def known(value: Any) -> bool:
    """Whether a value is a number: not None, not NaN."""
    return isinstance(value, Real) and not math.isnan(value)


def decimal(value: float) -> str:
    """Return a number with three decimals, in powers of ten where those would all be zero.

    >>> decimal(0.8765), decimal(3.14e-7), decimal(0)
    ('0.876', '3.1e-07', '0')
    """
    if value == 0:
        return "0"
    return f"{value:.3f}" if 1e-3 <= abs(value) < 1e6 else f"{value:.1e}"


def number_cell(
    value: Any, why: str = "not computed", best: bool = False, interval: tuple[float, float] | None = None
) -> Cell:
    """Return a cell for a metric, with its interval where it has one; ``n/a`` with the reason where it is no number."""
    if not known(value):
        return Cell("n/a", why=why)
    ends = "" if interval is None else f" ({decimal(interval[0])} to {decimal(interval[1])})"
    return Cell(f"{decimal(float(value))}{ends}", exact=repr(float(value)), best=best)


def count_cell(value: Any, of: Any = None) -> Cell:
    """Return a cell for a count, with its share of a total where one is given."""
    if not known(value):
        return Cell("n/a", why="not counted")
    share = f" ({value / of:.1%})" if known(of) and of else ""
    return Cell(f"{value:,.0f}{share}", exact=repr(int(value)))


def any_cell(value: Any) -> Cell:
    """Return a cell for whatever a summary holds: counts, numbers, text."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Cell("n/a", why="not given")
    if isinstance(value, Integral) and not isinstance(value, bool):
        return count_cell(int(value))
    if isinstance(value, Real) and not isinstance(value, bool):
        return number_cell(value)
    return Cell(str(value), numeric=False)


def why_missing(metrics: Mapping[str, Any]) -> str:
    """Say why a track has no metric, from its counts of windows."""
    n, positives = metrics.get("n"), metrics.get("positives")
    if n == 0:
        return "no window has a label"
    if positives == 0:
        return "one class only: no positive window"
    if known(n) and positives == n:
        return "one class only: no negative window"
    return "not computed"


def joined(names: Iterable[str], most: int = 4) -> str:
    """Return names as they stand in a sentence, with a count where there are too many.

    >>> joined(["CTCF", "SPI1", "MAX"]), joined(["a", "b", "c"], most=2)
    ('CTCF, SPI1 and MAX', '3 tracks (a, b and 1 more)')
    """
    shown = list(names)
    if len(shown) > most:
        return f"{len(shown)} tracks ({', '.join(shown[:most])} and {len(shown) - most} more)"
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]])) if shown else "no track"


def flattened(table: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Return a nested table as rows of a name and a text."""
    rows = []
    for key, value in table.items():
        name = f"{above} / {key}" if above else str(key)
        if isinstance(value, Mapping):
            rows += flattened(value, name)
        elif isinstance(value, list | tuple):
            rows.append((name, ", ".join(map(str, value))))
        else:
            rows.append((name, f"{value:,}" if isinstance(value, int) and key == "parameters" else str(value)))
    return rows
