import math

import numpy as np
import pytest

from strandwise.analysis.ceiling import CEILINGS
from strandwise.report.words import (
    METRICS,
    any_cell,
    count_cell,
    decimal,
    flattened,
    higher_is_better,
    joined,
    number_cell,
    strategy_name,
    why_missing,
)
from strandwise.scores.calibration import calibration_metrics
from strandwise.scores.profiles import PROFILE_METRICS
from strandwise.scores.regression import scaled_metrics


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.8765, "0.876"), (0.001, "0.001"), (0.0009, "9.0e-04"), (-2.5, "-2.500"), (1, "1.000"), (math.inf, "inf")],
)
def test_numbers_have_three_decimals_or_an_exponent(value, text):
    assert decimal(value) == text


@pytest.mark.parametrize("missing", [None, math.nan, np.float32("nan")])
def test_a_missing_number_is_na_with_its_reason_never_zero(missing):
    cell = number_cell(missing, "one class only")
    assert (cell.text, cell.why, cell.exact) == ("n/a", "one class only", "")


def test_a_cell_keeps_the_exact_number():
    assert number_cell(0.123456789).exact == "0.123456789"
    assert number_cell(np.float64(0.5)).exact == "0.5"
    assert count_cell(1234.0, of=12340).text == "1,234 (10.0%)"


def test_any_cell_tells_counts_numbers_and_text_apart():
    shown = [any_cell(value).text for value in (12345, np.int64(7), 0.25, "chrI", None, True)]
    assert shown == ["12,345", "7", "0.250", "chrI", "n/a", "True"]


@pytest.mark.parametrize(
    ("metrics", "reason"),
    [
        ({"n": 0, "positives": 0}, "no window has a label"),
        ({"n": 5, "positives": 0}, "one class only: no positive window"),
        ({"n": 5.0, "positives": 5}, "one class only: no negative window"),
        ({"n": 5, "positives": 2}, "not computed"),
        ({}, "not computed"),
    ],
)
def test_the_reason_follows_from_the_counts(metrics, reason):
    assert why_missing(metrics) == reason


def test_names_in_a_sentence():
    assert joined([]) == "no track"
    assert joined(["a"]) == "a"
    assert joined(["a", "b"]) == "a and b"
    assert joined("abcdef") == "6 tracks (a, b, c, d and 2 more)"


def test_strategies_have_names_and_a_users_own_keeps_its_own():
    assert strategy_name("posthoc") == "post-hoc conjoined"
    assert strategy_name("mine") == "mine"


def test_losses_and_deviations_are_better_when_low():
    assert [higher_is_better(name) for name in ("auroc", "mse", "valid_loss", "deviation")] == [
        True,
        False,
        False,
        False,
    ]


def test_every_metric_that_is_computed_has_a_name_and_a_better_end():
    ends = {name: higher_is_better(name) for name in [*PROFILE_METRICS, *CEILINGS]}
    lower = {"jsd", "jsd_smoothed", "divergence_smoothed", "profile_mse", "mse", "mse_scaled"}
    assert {name for name, higher in ends.items() if not higher} == lower | {"jsd_per_window", "jsd_concatenated"}
    names = [*ends, *calibration_metrics([0, 1], [0.1, 0.9]), *scaled_metrics([1, 2], [1, 3])]
    assert [name for name in names if name not in METRICS] == []
    assert not any(map(higher_is_better, ("brier", "calibration_error", "poisson_nll_scaled")))


def test_nested_tables_become_rows():
    table = {"seed": 0, "versions": {"torch": "2.13"}, "tracks": ["a", "b"], "parameters": 12345}
    assert flattened(table) == [
        ("seed", "0"),
        ("versions / torch", "2.13"),
        ("tracks", "a, b"),
        ("parameters", "12,345"),
    ]


def test_every_strategy_of_the_models_has_a_name_for_people():
    from strandwise.models import STRATEGIES as OF_MODELS
    from strandwise.report.words import STRATEGIES as IN_WORDS

    assert set(IN_WORDS) == set(OF_MODELS)
