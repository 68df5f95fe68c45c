import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from strandwise.errors import InputError
from strandwise.scores.metrics import (
    aupr,
    auroc,
    classification_metrics,
    mean_over_tracks,
    recall_at_fdr,
)

SINGLE_PRECISION = 2e-6


@st.composite
def windows(draw):
    """Labels of both classes, and predictions with many ties, from minus to plus large logits."""
    labels = draw(st.lists(st.integers(0, 1), min_size=2, max_size=40).filter(lambda y: len(set(y)) == 2))
    scores = draw(st.lists(st.integers(-4, 4), min_size=len(labels), max_size=len(labels)))
    return np.array(labels), np.array(scores, dtype=float) * draw(st.sampled_from([0.01, 1.0, 100.0]))


def recall_by_enumeration(labels, predictions, percent):
    """Highest recall over thresholds, the rate compared in whole numbers."""
    recalls = [0.0]
    for threshold in np.unique(predictions):
        called = labels[predictions >= threshold]
        if 100 * int((called == 0).sum()) <= percent * called.size:
            recalls.append(called.sum() / labels.sum())
    return max(recalls)


@given(windows())
def test_areas_equal_those_of_scikit_learn(case):
    labels, predictions = case
    assert auroc(labels, predictions) == pytest.approx(roc_auc_score(labels, predictions), abs=SINGLE_PRECISION)
    assert aupr(labels, predictions) == pytest.approx(
        average_precision_score(labels, predictions), abs=SINGLE_PRECISION
    )


@given(windows(), st.integers(0, 100))
def test_recall_is_the_highest_among_thresholds_precise_enough(case, percent):
    labels, predictions = case
    expected = recall_by_enumeration(labels, predictions, percent)
    assert recall_at_fdr(labels, predictions, percent / 100) == pytest.approx(expected, abs=1e-12)


def test_a_large_test_set_matches_scikit_learn():
    generator = np.random.default_rng(0)
    labels = (generator.random(200_000) < 0.01).astype(int)
    predictions = np.round(generator.normal(size=200_000) + 2 * labels, 2)
    metrics = classification_metrics(labels, predictions)
    assert metrics["auroc"] == pytest.approx(roc_auc_score(labels, predictions), abs=SINGLE_PRECISION)
    assert metrics["aupr"] == pytest.approx(average_precision_score(labels, predictions), abs=SINGLE_PRECISION)
    precision, recall, _ = precision_recall_curve(labels, predictions)
    for fdr in (0.5, 0.25, 0.1, 0.05):
        expected = recall[precision >= 1 - fdr].max()
        assert metrics[f"recall_at_{round(100 * fdr)}_fdr"] == pytest.approx(expected, abs=1e-12)
    assert (metrics["n"], metrics["positives"]) == (200_000, labels.sum())


def test_one_wrong_call_in_twenty_is_within_five_percent():
    labels = np.array([1] * 19 + [0] + [0] * 30 + [1])
    predictions = np.array([2.0] * 20 + [1.0] * 31)
    assert recall_at_fdr(labels, predictions, 0.05) == 19 / 20
    assert recall_at_fdr(labels, predictions, 0.049) == 0


def test_confident_logits_are_not_tied_by_a_sigmoid():
    labels, predictions = np.array([0, 1] * 50), np.arange(100.0) + 100
    assert auroc(labels, predictions) == pytest.approx(roc_auc_score(labels, predictions), abs=1e-6)


def test_infinite_logits_rank_first_and_last():
    assert auroc([0, 1, 1], [-math.inf, 0.0, math.inf]) == 1


@given(windows())
def test_only_the_order_of_predictions_matters(case):
    labels, predictions = case
    assert classification_metrics(labels, predictions) == classification_metrics(labels, np.arctan(predictions))


@pytest.mark.parametrize("constant", [0.0, 0.3, -7.0, 1e300])
def test_constant_predictions_rank_nothing(constant):
    labels, predictions = [0, 1, 0, 0], [constant] * 4
    assert auroc(labels, predictions) == roc_auc_score(labels, predictions) == 0.5
    assert aupr(labels, predictions) == average_precision_score(labels, predictions) == 0.25
    assert recall_at_fdr(labels, predictions, 0.75) == 1
    assert recall_at_fdr(labels, predictions, 0.5) == 0


@pytest.mark.parametrize("scores", [[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone_has_no_metric(label, scores):
    metrics = classification_metrics([label] * 3, scores)
    assert all(math.isnan(value) for name, value in metrics.items() if name not in ("n", "positives"))
    assert (metrics["n"], metrics["positives"]) == (3, 3 * label)


def test_no_window_at_all_has_no_metric():
    metrics = classification_metrics([], [])
    assert math.isnan(metrics["auroc"])
    assert metrics["n"] == 0


@given(windows())
def test_windows_of_weight_zero_change_nothing_whatever_they_hold(case):
    labels, predictions = case
    with_ambiguous = classification_metrics(
        np.append(labels, [math.nan, -1, 0]),
        np.append(predictions, [math.nan, 5, math.nan]),
        np.append(np.ones(labels.size), [0, 0, 0]),
    )
    assert with_ambiguous == classification_metrics(labels, predictions)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [0.1, math.nan]), "predictions: 1 of 2 are NaN"),
        (([0, 0.5], [0.1, 0.2]), "labels: 1 are neither 0 nor 1.*0.5"),
        (([0, 1], [0.1, 0.2], [1, 2]), "weights: 1 are neither 0 nor 1.*2"),
        (([0, 1], [0.1, 0.2], [1, math.nan]), "weights: 1 are neither"),
        (([0, 1], [0.1]), "shapes"),
        (([[0, 1]], [[0.1, 0.2]]), "one track"),
    ],
)
def test_bad_input_is_named(arguments, message):
    for function in (auroc, aupr, classification_metrics):
        with pytest.raises(InputError, match=message):
            function(*arguments)


@pytest.mark.parametrize("fdr", [-0.1, 1.5, math.nan])
def test_a_rate_outside_zero_to_one_is_refused(fdr):
    with pytest.raises(InputError, match="not a rate"):
        recall_at_fdr([0, 1], [0.1, 0.2], fdr)


@given(st.lists(st.sampled_from([0.0, 0.25, 1.0, math.nan]), min_size=1, max_size=6))
def test_the_mean_skips_tracks_without_the_metric(values):
    tracks = {f"track{i}": {"auroc": value, "n": 4.0} for i, value in enumerate(values)}
    tracks["other"] = {"aupr": 0.5}
    means = mean_over_tracks(tracks)
    known = [value for value in values if not math.isnan(value)]
    expected = np.mean(known) if known else math.nan
    assert means["auroc"] == pytest.approx(expected, nan_ok=True)
    assert means["aupr"] == 0.5
    assert "n" not in means


def test_every_order_of_four_windows_is_ranked_exactly():
    for labels in product([0, 1], repeat=4):
        if 0 < sum(labels) < 4:
            for scores in product([0.0, 1.0, 2.0], repeat=4):
                won = [
                    (a > b) + (a == b) / 2
                    for a, y in zip(scores, labels, strict=True)
                    for b, z in zip(scores, labels, strict=True)
                    if y == 1 and z == 0
                ]
                assert auroc(labels, scores) == pytest.approx(np.mean(won), abs=1e-6)
