import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from torchmetrics.functional.classification import binary_calibration_error

from strandwise.errors import InputError
from strandwise.scores.calibration import brier_score, calibration_error, calibration_metrics, reliability


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0.001, 0.999)), min_size=2, max_size=50))
def test_scores_are_those_of_scikit_learn_and_torchmetrics(rows: list[tuple[int, float]]) -> None:
    labels, said = (np.array(column) for column in zip(*rows, strict=True))
    assert brier_score(labels, said) == pytest.approx(brier_score_loss(labels, said, pos_label=1))
    # Not at the ends of classes, which the libraries count otherwise.
    said = np.clip(np.round(said, 2) + 0.003, 0, 0.999)
    expected = binary_calibration_error(torch.tensor(said), torch.tensor(labels), n_bins=10)
    assert calibration_error(labels, said) == pytest.approx(float(expected), abs=1e-5)
    bound, predicted = calibration_curve(labels, said, n_bins=10)
    table = reliability(labels, said)
    assert table[:, 0] == pytest.approx(predicted)
    assert table[:, 1] == pytest.approx(bound)
    assert table[:, 2].sum() == len(labels)


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("said", [[0.25, 0.25, 0.25], [0.0, 0.4, 1.0], [1.0, 1.0, 1.0], [0.1, 0.2, 0.3]])
def test_one_class_and_constant_predictions_are_judged_too(label: int, said: list[float]) -> None:
    labels = [label] * 3
    found = calibration_metrics(labels, said)
    assert found["brier"] == pytest.approx(brier_score_loss(labels, said, pos_label=1, labels=[0, 1]))
    # With one label for all, each class lies as far off as its mean.
    table = reliability(labels, said)
    assert found["calibration_error"] == pytest.approx(abs(np.mean(said) - label))
    assert table[:, 1].tolist() == [label] * len(table)
    assert table[:, 2].sum() == 3


def test_the_ends_of_classes_belong_to_the_lower_one() -> None:
    assert reliability([0, 1, 1, 0], [0.0, 0.5, 0.50001, 1.0], 2)[:, 2].tolist() == [2, 2]
    assert reliability([], []).shape == (0, 3)


def test_what_is_sure_and_right_is_perfect() -> None:
    assert brier_score([0, 1], [0.0, 1.0]) == 0
    assert calibration_error([0, 1], [0.0, 1.0]) == 0
    assert calibration_error([1, 0], [0.0, 1.0]) == 1


def test_no_windows_have_no_score() -> None:
    assert math.isnan(brier_score([], []))
    assert math.isnan(calibration_error([], []))


@pytest.mark.parametrize(
    ("labels", "said", "message"),
    [
        ([0, 1], [0.5], "beside probabilities"),
        ([0, 2], [0.5, 0.5], "neither 0 nor 1"),
        ([0, math.nan], [0.5, 0.5], "neither 0 nor 1"),
        ([0, 1], [0.5, 1.5], "outside 0 to 1"),
        ([0, 1], [0.5, math.nan], "outside 0 to 1"),
    ],
)
def test_bad_input_is_named(labels: list[float], said: list[float], message: str) -> None:
    for measure in (brier_score, calibration_error, calibration_metrics, reliability):
        with pytest.raises(InputError, match=message):
            measure(labels, said)


def test_no_classes_are_refused() -> None:
    with pytest.raises(InputError, match="bins 0"):
        reliability([0, 1], [0.2, 0.3], 0)
