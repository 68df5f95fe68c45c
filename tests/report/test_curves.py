import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from strandwise.report.curves import MOST_POINTS, precision_recall_points, roc_points, subsample, thin


@st.composite
def windows(draw):
    labels = draw(st.lists(st.integers(0, 1), min_size=2, max_size=40).filter(lambda y: len(set(y)) == 2))
    scores = draw(st.lists(st.integers(-3, 3), min_size=len(labels), max_size=len(labels)))
    return np.array(labels), np.array(scores, dtype=float)


def large(n=20_000):
    generator = np.random.default_rng(0)
    labels = (generator.random(n) < 0.05).astype(float)
    return labels, generator.normal(size=n) + 1.5 * labels


def distance_from_line(x, y, line_x, line_y):
    """The distance of each point from the nearest segment of a line, the slow way."""
    start = np.stack([line_x[:-1], line_y[:-1]], axis=1)
    along = np.stack([np.diff(line_x), np.diff(line_y)], axis=1)
    length = np.maximum((along**2).sum(axis=1), 1e-30)
    nearest = []
    for point in np.stack([x, y], axis=1):
        share = np.clip(((point - start) * along).sum(axis=1) / length, 0, 1)
        nearest.append(np.hypot(*(point - start - share[:, None] * along).T).min())
    return np.array(nearest)


@given(windows())
def test_areas_under_the_points_are_those_of_scikit_learn(case):
    labels, predictions = case
    false_rate, true_rate = roc_points(labels, predictions)
    assert np.trapezoid(true_rate, false_rate) == pytest.approx(roc_auc_score(labels, predictions))
    recall, precision = precision_recall_points(labels, predictions)
    assert np.trapezoid(precision, recall) == pytest.approx(average_precision_score(labels, predictions))


@given(windows())
def test_roc_points_are_those_of_scikit_learn(case):
    labels, predictions = case
    expected = roc_curve(labels, predictions, drop_intermediate=False)[:2]
    np.testing.assert_allclose(roc_points(labels, predictions), expected, atol=1e-12)


@pytest.mark.parametrize("points", [roc_points, precision_recall_points])
def test_thinned_curves_keep_their_shape_and_area(points):
    x, y = points(*large())
    thin_x, thin_y = thin((x, y))
    assert len(x) > 1000
    assert len(thin_x) <= MOST_POINTS
    assert (thin_x[0], thin_y[0], thin_x[-1], thin_y[-1]) == (x[0], y[0], x[-1], y[-1])
    assert distance_from_line(x, y, thin_x, thin_y).max() < 0.01
    assert np.trapezoid(thin_y, thin_x) == pytest.approx(np.trapezoid(y, x), abs=1e-3)


def test_a_straight_line_needs_two_points_and_a_corner_three():
    steps = np.linspace(0, 1, 50)
    assert thin((steps, steps))[0].tolist() == [0, 1]
    corner = (np.append(np.zeros(50), steps), np.append(steps, np.ones(50)))
    assert np.array(thin(corner)).T.tolist() == [[0, 0], [0, 1], [1, 1]]


def test_few_rows_are_all_kept_and_many_are_drawn_by_seed():
    assert subsample(5, 10).tolist() == [0, 1, 2, 3, 4]
    rows = subsample(1000, 100, seed=1)
    assert np.unique(rows).size == 100
    assert (np.diff(rows) > 0).all()
    assert (rows == subsample(1000, 100, seed=1)).all()
    assert (rows != subsample(1000, 100, seed=2)).any()
