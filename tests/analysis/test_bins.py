import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import average_precision_score, brier_score_loss, mean_squared_error, r2_score, roc_auc_score
from torchmetrics.functional.classification import binary_calibration_error

from strandwise.analysis.bins import LEVELS, BinAnswers, judge_coverage, judge_labels, pearson_of_sums, sums_by_window
from strandwise.layers import coverage_head, dense_head
from strandwise.strand import unstranded

WINDOWS, BINS = 40, 30


def answers(kind: str, *, steps: int | None = None) -> BinAnswers:
    """Made-up truth and predictions of two tracks; the second is known in half of the windows."""
    rng = np.random.default_rng(3)
    truth = rng.gamma(0.7, size=(WINDOWS, 2, BINS))
    said = truth * rng.gamma(2, size=truth.shape) + 0.1
    if kind == "labels":
        truth, said = (truth > 1.2).astype(float), said / (1 + said)
    if steps:
        said = np.round(said * steps) / steps
    weights = np.ones((WINDOWS, 2), np.float32)
    weights[::2, 1] = 0
    head = dense_head(("a", "b")) if kind == "labels" else coverage_head(("a", "b"), unstranded(2))
    means = said.mean(-1).astype(np.float32)
    return BinAnswers(head, truth.astype(np.float32), said.astype(np.float32), means, weights, 0.0, 0.0)


@pytest.mark.parametrize("column", [0, 1])
def test_labels_are_judged_over_all_bins_of_known_windows(column: int) -> None:
    given = answers("labels")
    known = given.weights[:, column] > 0
    truth, said = given.measured[known, column].ravel(), given.predicted[known, column].ravel()
    metrics, _ = judge_labels(given, column)
    assert metrics["auroc"] == pytest.approx(roc_auc_score(truth, said))
    assert metrics["aupr"] == pytest.approx(average_precision_score(truth, said))
    assert metrics["brier"] == pytest.approx(brier_score_loss(truth, said))
    expected = binary_calibration_error(torch.from_numpy(said), torch.from_numpy(truth).long(), n_bins=10)
    assert metrics["calibration_error"] == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize(("steps", "tolerance"), [(50, 1e-12), (None, 0.01)])
def test_resampled_labels_count_windows_as_often_as_they_are_drawn(steps: int | None, tolerance: float) -> None:
    # Exact where there are fewer distinct predictions than steps that resampling tells apart.
    given = answers("labels", steps=steps)
    assert steps is None or steps < LEVELS
    rows = np.random.default_rng(0).integers(0, WINDOWS, WINDOWS)
    _, statistics = judge_labels(given, 0)
    truth, said = given.measured[rows, 0].ravel(), given.predicted[rows, 0].ravel()
    assert statistics["auroc"](rows) == pytest.approx(roc_auc_score(truth, said), abs=tolerance)
    assert statistics["aupr"](rows) == pytest.approx(average_precision_score(truth, said), abs=tolerance)


@pytest.mark.parametrize("column", [0, 1])
def test_coverage_is_judged_over_all_bins_of_known_windows(column: int) -> None:
    given = answers("coverage")
    known = given.weights[:, column] > 0
    truth, said = given.measured[known, column].astype(float), given.predicted[known, column].astype(float)
    metrics, _ = judge_coverage(given, column)
    assert metrics["pearson"] == pytest.approx(stats.pearsonr(truth.ravel(), said.ravel())[0], rel=1e-5)
    assert metrics["spearman"] == pytest.approx(stats.spearmanr(truth.ravel(), said.ravel())[0], rel=1e-5)
    each = [np.corrcoef(x, y)[0, 1] for x, y in zip(truth, said, strict=True)]
    assert metrics["pearson_per_window"] == pytest.approx(np.mean(each), rel=1e-4)
    assert metrics["n"] == known.sum()
    assert metrics["r_squared"] == pytest.approx(r2_score(truth.ravel(), said.ravel()), rel=1e-5)
    scaled = said * truth.sum() / said.sum()
    assert metrics["mse_scaled"] == pytest.approx(mean_squared_error(truth, scaled), rel=1e-5)
    expected = np.mean(scaled - truth * np.log(scaled))
    assert metrics["poisson_nll_scaled"] == pytest.approx(expected, rel=1e-5)
    each = [jensenshannon(x, y, 2) for x, y in zip(truth, said, strict=True)]
    assert metrics["jsd_per_window"] == pytest.approx(np.mean(each), rel=1e-5)
    assert metrics["jsd_concatenated"] == pytest.approx(jensenshannon(truth.ravel(), said.ravel(), 2), rel=1e-5)


def test_coverage_below_zero_or_of_empty_windows_has_a_distance_still() -> None:
    given = answers("coverage")
    given.measured[0, 0], given.measured[1, 0, :3] = 0, -5
    metrics, _ = judge_coverage(given, 0)
    truth, said = given.measured[:, 0].astype(float).clip(0), given.predicted[:, 0].astype(float)
    each = [jensenshannon(x, y, 2) for x, y in zip(truth[1:], said[1:], strict=True)]
    assert metrics["jsd_per_window"] == pytest.approx(np.mean(each), rel=1e-5)
    assert metrics["jsd_concatenated"] == pytest.approx(jensenshannon(truth.ravel(), said.ravel(), 2), rel=1e-5)


@pytest.mark.parametrize("kind", ["random", "far from zero", "constant", "one bin", "none"])
def test_sums_of_any_windows_give_their_correlation(kind: str) -> None:
    rng = np.random.default_rng(0)
    shape = {"one bin": (1, 1), "none": (0, 5)}.get(kind, (6, 5))
    x, y = rng.normal(size=shape), rng.normal(size=shape)
    if kind == "far from zero":
        x, y = x + 1e4, y - 1e4
    if kind == "constant":
        x[:] = 0.1
    sums = sums_by_window(x, y)
    assert sums.shape == (len(x), 6)
    for rows in ([0, 1, 1, 4], [2]) if len(x) > 1 else (list(range(len(x))),):
        a, b = x[rows].ravel(), y[rows].ravel()
        expected = np.nan if a.size < 2 or not np.ptp(a) else stats.pearsonr(a, b)[0]
        assert float(pearson_of_sums(sums[rows].sum(0))) == pytest.approx(expected, rel=1e-7, nan_ok=True)
    # Of all windows at once as of each by itself.
    alone = [float(pearson_of_sums(each)) for each in sums]
    assert pearson_of_sums(sums).tolist() == pytest.approx(alone, nan_ok=True)


def test_resampled_coverage_counts_windows_as_often_as_they_are_drawn() -> None:
    given = answers("coverage")
    rows = np.random.default_rng(0).integers(0, WINDOWS, WINDOWS)
    _, statistics = judge_coverage(given, 0)
    truth, said = given.measured[rows, 0].ravel(), given.predicted[rows, 0].ravel()
    assert statistics["pearson"](rows) == pytest.approx(stats.pearsonr(truth, said)[0], rel=1e-5)


def test_a_track_that_is_known_nowhere_or_does_not_vary_has_no_numbers() -> None:
    given = answers("coverage")
    given.weights[:, 1] = 0
    given.measured[:, 0] = 2.0
    for column in (0, 1):
        metrics, statistics = judge_coverage(given, column)
        assert np.isnan(metrics["pearson"])
        assert np.isnan(metrics["pearson_per_window"])
        assert np.isnan(metrics["r_squared"])
        assert np.isnan(metrics["jsd_concatenated"]) == (column == 1)
        assert np.isnan(metrics["mse_scaled"]) == (column == 1)
        assert np.isnan(statistics["pearson"](np.arange(WINDOWS if column == 0 else 0)))
    labels = answers("labels")
    labels.weights[:, 0] = 0
    metrics, statistics = judge_labels(labels, 0)
    assert np.isnan(metrics["auroc"])
    assert np.isnan(metrics["brier"])
    assert np.isnan(metrics["calibration_error"])
    assert np.isnan(statistics["aupr"](np.arange(0)))
