import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from strandwise.analysis.bins import LEVELS, BinAnswers, judge_coverage, judge_labels
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
        assert np.isnan(statistics["pearson"](np.arange(WINDOWS if column == 0 else 0)))
    labels = answers("labels")
    labels.weights[:, 0] = 0
    metrics, statistics = judge_labels(labels, 0)
    assert np.isnan(metrics["auroc"])
    assert np.isnan(statistics["aupr"](np.arange(0)))
