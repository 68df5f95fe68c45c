import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from strandwise.analysis.comparison import Along, Found, Landscape, Listed, Measured, Scored, answered, judge
from strandwise.analysis.comparison.judging import BLOCK_BP, correlations
from strandwise.errors import InputError

RNG = np.random.default_rng(1)


def value(found: Found, who: str, metric: str, bin_bp: int = 0) -> float:
    rows = found.rows
    (row,) = rows[(rows["contestant"] == who) & (rows["metric"] == metric) & (rows["bin_bp"] == bin_bp)]["value"]
    return float(row)


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    found: Any = stats.pearsonr(x, y)
    return float(found[0])


def noisy(measured: Measured, noise: float, seed: int, name: str = "model", **given: object) -> Along:
    values = measured.landscape.values["chr1"]
    said = values * np.random.default_rng(seed).gamma(1 / noise, noise, size=len(values))
    return Along(name, Landscape(10, {"chr1": said.astype(np.float32)}), **given)  # type: ignore[arg-type]


def test_yes_no_is_what_scikit_learn_says(measured: Measured, windows: Callable) -> None:
    starts = np.arange(0, 400_000, 400)
    labels = np.where(RNG.random(1000) < 0.2, np.nan, RNG.random(1000) < 0.3)
    who, places = noisy(measured, 1, 0), windows(starts, 100, labels=labels)
    found = judge([who], measured, places, resamples=0)
    known = ~np.isnan(labels)
    y, x = labels[known], who.scores(places)[known]
    assert value(found, "model", "auroc") == pytest.approx(roc_auc_score(y, x), abs=1e-6)
    assert value(found, "model", "aupr") == pytest.approx(average_precision_score(y, x), abs=1e-6)
    precision, recall, _ = precision_recall_curve(y, x)
    assert value(found, "model", "recall_at_10_fdr") == pytest.approx(recall[precision >= 0.9].max(), abs=1e-6)
    assert value(found, "model", "positives") == y.sum()
    assert set(found.rows[found.rows["scale"] == "yes/no"]["n"]) == {len(y)}


@pytest.mark.parametrize("bin_bp", [10, 20, 100])
def test_amounts_are_what_scipy_says(measured: Measured, windows: Callable, bin_bp: int) -> None:
    who, places = noisy(measured, 1, 0), windows(np.arange(0, 40_000, 100), 100)
    # A window without signal, and one in which what is said does not vary.
    measured.landscape.values["chr1"][:10], who.landscape.values["chr1"][10:20] = 0, 2
    found = judge([who], measured, places, resamples=0)
    truth = measured.landscape.means(places.frame, 100, bin_bp).astype(np.float64)
    given = who.landscape.means(places.frame, 100, bin_bp).astype(np.float64)
    x, y = truth.ravel(), given.ravel()
    scaled = y * x.sum() / y.sum()
    expected = {
        "pearson": correlation(x, y),
        "spearman": stats.spearmanr(x, y)[0],
        "mse": np.mean((x - y) ** 2),
        "r_squared": 1 - np.sum((x - y) ** 2) / np.sum((x - x.mean()) ** 2),
        "mse_scaled": np.mean((x - scaled) ** 2),
        "poisson_nll": np.mean(y - x * np.log(np.maximum(y, 1e-8))),
        "poisson_nll_scaled": np.mean(scaled - x * np.log(np.maximum(scaled, 1e-8))),
    }
    if bin_bp < 100:
        vary = (np.ptp(truth, axis=1) > 0) & (np.ptp(given, axis=1) > 0)
        assert vary.sum() == len(truth) - 2
        each = [correlation(a, b) for a, b in zip(truth[vary], given[vary], strict=True)]
        expected["pearson_per_window"] = np.mean(each)
        some = truth.sum(1) > 0
        expected["jsd_per_window"] = np.mean(
            [jensenshannon(a, b, 2) for a, b in zip(truth[some], given[some], strict=True)]
        )
    rows = found.rows[(found.rows["bin_bp"] == bin_bp) & (found.rows["scale"] == "amount")]
    assert set(rows["metric"]) == set(expected)
    for metric, number in expected.items():
        assert value(found, "model", metric, bin_bp) == pytest.approx(number, rel=1e-4), metric
    assert set(rows["n"]) == {x.size}


def test_logits_have_correlations_alone(measured: Measured, windows: Callable) -> None:
    places = windows(np.arange(0, 4000, 100), 100)
    logits = noisy(measured, 1, 0, about_bp=10, on_scale=False)
    rule = Scored("rule", lambda frame: frame["start"].to_numpy(float))
    found = judge([logits, rule], measured, places, resamples=0)
    assert set(found.rows["metric"]) == {"pearson", "spearman"}
    assert set(found.rows["bin_bp"]) == {100}
    below = replace(noisy(measured, 1, 0), name="below")
    below.landscape.values["chr1"][3] = -1
    rows = judge([below], measured, places, resamples=0).rows
    assert rows[rows["metric"] == "mse"]["bin_bp"].tolist() == [100]


def test_degenerate_input_gives_no_number_and_no_error(measured: Measured, windows: Callable) -> None:
    constant = Along("flat", Landscape(10, {"chr1": np.full(40_000, 0.5, np.float32)}))
    places = windows(np.arange(0, 400_000, 1000), 100, labels=np.arange(400) % 2)
    found = judge([constant], measured, places, resamples=20)
    assert value(found, "flat", "auroc") == 0.5
    for metric, bin_bp in (("pearson", 10), ("spearman", 10), ("pearson_per_window", 10), ("pearson", 100)):
        assert math.isnan(value(found, "flat", metric, bin_bp))
    assert found.rows[found.rows["metric"] == "pearson"][["low", "high"]].isna().all().all()
    one_class = windows(np.arange(0, 4000, 100), 100, labels=np.ones(40))
    assert set(judge([constant], measured, one_class, resamples=0).rows["scale"]) == {"amount"}
    nothing = Measured(Landscape(10, {"chr1": np.zeros(40_000, np.float32)}), (10,))
    found = judge([noisy(measured, 1, 0)], nothing, places, resamples=0)
    assert math.isnan(value(found, "model", "pearson", 10))
    assert math.isnan(value(found, "model", "jsd_per_window", 10))


def test_windows_of_which_one_says_nothing_are_left_out_for_all(measured: Measured, windows: Callable) -> None:
    silent = noisy(measured, 1, 0, "silent")
    silent.landscape.values["chr1"][[3, 14]] = np.nan
    silent.landscape.values["chr1"][25] = np.inf
    measured.landscape.values["chr1"][35] = np.nan
    places = windows(np.arange(0, 1000, 100), 100)
    table = windows([0, 500, 600, 700], 100).frame.assign(value=[1.0, 2.0, np.nan, 4.0])
    found = judge([noisy(measured, 1, 1), silent, Listed("table", table)], measured, places, resamples=0)
    assert found.places.frame["start"].tolist() == [500, 700]
    assert found.places.dropped == {"not measured": 1, "nothing said by silent": 3, "nothing said by table": 4}
    assert {len(said) for said in found.scores.values()} == {2} == {len(found.amounts)}
    assert len(answered([silent], measured, windows([0, 100], 100))) == 0
    with pytest.raises(InputError, match=r"nothing said by silent of 2 of 2\. .*--chrom.*--missing 0"):
        judge([silent], measured, windows([0, 100], 100))


def test_intervals_and_differences_are_of_the_same_resamples(measured: Measured, windows: Callable) -> None:
    """Against ten lines that resample blocks one by one."""
    starts = np.arange(0, 400_000, 1000)
    labels = (measured.landscape.means(windows(starts, 100).frame, 100, 100)[:, 0] > 0.5).astype(float)
    labels[::7] = np.nan
    places = windows(starts, 100, labels=labels)
    better, worse = noisy(measured, 0.5, 0, "better"), noisy(measured, 3, 1, "worse")
    found = judge([better, worse], measured, places, seed=5, resamples=60)
    assert found.blocks == 4
    truth = measured.landscape.means(places.frame, 100, 10)
    block, rng = starts // BLOCK_BP, np.random.default_rng(5)
    values: dict[tuple[str, str], list[float]] = {}
    for _ in range(60):
        rows = np.concatenate([np.flatnonzero(block == b) for b in rng.integers(4, size=4)])
        known = rows[~np.isnan(labels[rows])]
        for who in (better, worse):
            given = who.landscape.means(places.frame, 100, 10)
            score = who.scores(places)
            values.setdefault((who.name, "auroc"), []).append(float(roc_auc_score(labels[known], score[known])))
            r = correlation(truth[rows].ravel(), given[rows].ravel())
            values.setdefault((who.name, "pearson"), []).append(r)
    for metric, bin_bp in (("auroc", 0), ("pearson", 10)):
        for who in ("better", "worse"):
            rows = found.rows[(found.rows["contestant"] == who) & (found.rows["metric"] == metric)]
            (row,) = rows[rows["bin_bp"] == bin_bp].to_dict("records")
            expected = np.quantile(values[who, metric], [0.025, 0.975])
            assert (row["low"], row["high"]) == pytest.approx(expected, rel=1e-4)
            assert row["low"] < row["value"] < row["high"]
        gap = np.array(values["better", metric]) - values["worse", metric]
        pairs = found.pairs[(found.pairs["metric"] == metric) & (found.pairs["bin_bp"] == bin_bp)]
        (pair,) = pairs.to_dict("records")
        assert (pair["one"], pair["other"]) == ("better", "worse")
        ahead = value(found, "better", metric, bin_bp) - value(found, "worse", metric, bin_bp)
        assert pair["difference"] == pytest.approx(ahead)
        assert (pair["low"], pair["high"]) == pytest.approx(np.quantile(gap, [0.025, 0.975]), rel=1e-3)


def test_one_stretch_of_genome_gives_no_interval(measured: Measured, windows: Callable) -> None:
    found = judge([noisy(measured, 1, 0)], measured, windows([0, 500], 100))
    assert (found.blocks, len(found.pairs)) == (1, 0)
    assert found.rows["low"].isna().all()


def test_correlations_are_over_all_bins_and_of_windows(measured: Measured, windows: Callable) -> None:
    places = windows(np.arange(0, 4000, 100), 100)
    truth = measured.landscape.means(places.frame, 100, 10)
    given = noisy(measured, 1, 0).landscape.means(places.frame, 100, 10)
    found = correlations(truth, given)
    assert found["pearson"] == pytest.approx(correlation(truth.ravel(), given.ravel()), rel=1e-5)
    each = [correlation(a, b) for a, b in zip(truth, given, strict=True)]
    assert found["pearson_per_window"] == pytest.approx(np.mean(each), rel=1e-5)
