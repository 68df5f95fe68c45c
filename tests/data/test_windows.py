from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from strandwise.data import windows as windows_module
from strandwise.data.windows import WindowSettings, points_within


def test_counts_points_as_a_loop_would() -> None:
    rng = np.random.default_rng(0)
    names = np.array(["chr1", "chr2", "chr3"], dtype=object)
    points = pd.DataFrame({"chrom": names[rng.integers(0, 2, 60)], "summit": rng.integers(0, 300, 60)})
    chrom, start = names[rng.integers(0, 3, 200)], rng.integers(-20, 300, 200)
    end = start + rng.integers(0, 40, 200)
    expected = [
        sum(c == p and s <= at < e for p, at in zip(points["chrom"], points["summit"], strict=True))
        for c, s, e in zip(chrom, start, end, strict=True)
    ]
    assert points_within(chrom, start, end, points).tolist() == expected
    assert max(expected) > 1
    assert points_within(chrom, start, end, points.iloc[:0]).tolist() == [0] * 200


def test_the_end_of_an_interval_is_not_in_it() -> None:
    points = pd.DataFrame({"chrom": ["a", "a"], "summit": [10, 20]})
    chrom = np.array(["a"] * 3, dtype=object)
    assert points_within(chrom, np.array([10, 9, 11]), np.array([20, 10, 21]), points).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"input_bp": 100, "label_bp": 200}, "label_bp 200 is wider than input_bp 100"),
        ({"input_bp": 300, "label_bp": 200, "jitter_bp": 51}, "use at most 50"),
        ({"input_bp": 0}, "greater than 0"),
        ({"max_n_fraction": 1.1}, "less than or equal to 1"),
        ({"jitter": 3}, "Extra inputs"),
    ],
)
def test_settings_that_contradict_themselves(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        WindowSettings.model_validate(table)


def test_the_largest_jitter_keeps_the_label_inside() -> None:
    settings = WindowSettings(input_bp=301, label_bp=200, jitter_bp=50)
    first = settings.input_bp // 2 - settings.label_bp // 2
    assert first - settings.jitter_bp >= 0
    assert first + settings.label_bp + settings.jitter_bp <= settings.input_bp


def test_taking_and_splitting_keep_rows_together(planted) -> None:
    windows = planted(n=40, tracks=2, known=0.7)
    rows = np.array([5, 3, 30])
    taken = windows.take(rows)
    assert taken.frame["name"].tolist() == ["s5", "s3", "s30"]
    assert np.array_equal(taken.labels, windows.labels[rows])
    assert np.array_equal(taken.weights, windows.weights[rows])
    assert np.array_equal(taken.reader.gather(np.arange(3)), windows.reader.gather(rows))
    assert np.array_equal(taken.take(np.array([2])).reader.gather(np.array([0])), windows.reader.gather(rows[2:]))
    parts = [windows.split(name) for name in ("train", "valid", "test")]
    assert [len(part) for part in parts] == [20, 10, 10]
    assert set(parts[1].frame["split"]) == {"valid"}
    assert len(windows.split("none")) == 0


def test_the_summary_counts_known_positives(planted) -> None:
    windows = planted(n=40, tracks=2, known=0.7)
    for row in windows.summary():
        part = windows.split(str(row["split"]))
        assert row["windows"] == len(part)
        for column, track in enumerate(windows.tracks):
            known = [part.labels[i, column] for i in range(len(part)) if part.weights[i, column]]
            assert row[track] == sum(known)


@pytest.mark.parametrize("at_once", [1 << 24, 7])
def test_positives_and_negatives_are_counted_piece_by_piece(
    planted, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(windows_module, "_VALUES_AT_ONCE", at_once)
    made = planted(n=40, tracks=2, known=0.7)
    for windows in (made, replace(made, labels=made.labels > 0, weights=made.weights > 0), made.split("none")):
        known = windows.weights > 0
        positive, negative = windows.balance()
        assert positive.tolist() == (known & (windows.labels == 1)).sum(0).tolist()
        assert negative.tolist() == (known & (windows.labels == 0)).sum(0).tolist()
        assert windows.bound.tolist() == (known & (windows.labels == 1)).any(1).tolist()
