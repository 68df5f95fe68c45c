import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from strandwise.analysis.baselines import Answered, compare

THEIRS = {"auroc": roc_auc_score, "aupr": average_precision_score}


def given(bins: int | None = None, n: int = 200) -> tuple[Answered, np.ndarray, np.ndarray]:
    """Labels of two tracks, the second known in some windows, a good model and a poor one."""
    rng = np.random.default_rng(0)
    shape = (n, 2) if bins is None else (n, 2, bins)
    labels = (rng.random(shape) < 0.3).astype(np.float32)
    noise = rng.normal(size=shape)
    weights = np.ones((n, 2), np.float32)
    weights[::3, 1] = 0
    poor = noise + 0.5 * labels
    return Answered(("a", "b"), labels, weights, np.arange(n) // 10), np.round(noise + 2 * labels, 1), np.round(poor, 1)


@pytest.mark.parametrize("bins", [None, 7])
def test_metrics_and_differences_are_those_of_scikit_learn(bins: int | None) -> None:
    answered, good, poor = given(bins)
    ours, rivals = compare(answered, good, {"poor": poor}, resamples=50)
    for c, track in enumerate(answered.tracks):
        known = answered.weights[:, c] > 0
        truth = answered.labels[known, c].ravel()
        for metric, measure in THEIRS.items():
            one, other = (measure(truth, said[known, c].ravel()) for said in (good, poor))
            assert ours["tracks"][track][metric] == pytest.approx(one, abs=1e-6)
            assert rivals["poor"]["tracks"][track][metric] == pytest.approx(other, abs=1e-6)
            gap, low, high = rivals["poor"]["ahead"]["tracks"][track][metric]
            assert gap == pytest.approx(one - other, abs=1e-6)
            assert 0 < low < gap < high
    for metric in THEIRS:
        mean = np.mean([ours["tracks"][track][metric] for track in answered.tracks])
        assert ours["mean"][metric] == pytest.approx(mean)


@pytest.mark.parametrize("bins", [None, 7])
def test_intervals_are_of_the_same_resamples_of_both(bins: int | None) -> None:
    answered, good, poor = given(bins)
    _, rivals = compare(answered, good, {"poor": poor}, seed=3, resamples=40)
    rng = np.random.default_rng(3)
    members = [np.flatnonzero(answered.blocks == block) for block in range(20)]
    gaps = []
    for _ in range(40):
        rows = np.concatenate([members[block] for block in rng.integers(20, size=20)])
        both = []
        for c in range(2):
            kept = rows[answered.weights[rows, c] > 0]
            truth = answered.labels[kept, c].ravel()
            one, other = (roc_auc_score(truth, said[kept, c].ravel()) for said in (good, poor))
            both.append(one - other)
        gaps.append(np.mean(both))
    _, low, high = rivals["poor"]["ahead"]["mean"]["auroc"]
    assert [low, high] == pytest.approx(np.quantile(gaps, [0.025, 0.975]), abs=1e-5)


def test_a_model_is_not_ahead_of_itself() -> None:
    answered, good, _ = given()
    _, rivals = compare(answered, good, {"itself": good}, resamples=20)
    assert rivals["itself"]["ahead"]["mean"]["auroc"] == [0, 0, 0]


def test_what_cannot_be_measured_is_none() -> None:
    answered, good, poor = given()
    answered.labels[:, 1] = 0
    ours, rivals = compare(answered, good, {"poor": poor}, resamples=20)
    assert ours["tracks"]["b"] == {"auroc": None, "aupr": None}
    assert rivals["poor"]["ahead"]["tracks"]["b"] == {"auroc": None, "aupr": None}
    assert rivals["poor"]["ahead"]["mean"]["auroc"][0] > 0
    one = Answered(answered.tracks, answered.labels, answered.weights, np.zeros(200, int))
    _, rivals = compare(one, good, {"poor": poor}, resamples=20)
    assert rivals["poor"]["ahead"]["mean"]["auroc"][1:] == [None, None]
