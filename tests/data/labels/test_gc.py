import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from strandwise.data.labels.gc import gc_content, gc_of_windows, match_gc
from strandwise.data.reading import SequenceReader
from strandwise.errors import InputError
from strandwise.sequence import encode

GC = st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=1, max_size=40)


def test_gc_content_is_that_of_known_bases() -> None:
    letters = ["GGCC", "GGAA", "GNNA", "NNNN"]
    codes = np.stack([encode(text) for text in letters])
    np.testing.assert_array_equal(gc_content(codes), [1, 0.5, 0.5, np.nan])
    many = np.random.default_rng(0).integers(0, 5, (5000, 12)).astype(np.uint8)
    np.testing.assert_array_equal(gc_of_windows(SequenceReader(many, 12), 5000), gc_content(many))


@settings(max_examples=60, deadline=None)
@given(GC, GC, st.sampled_from([0.5, 1.0, 2.2]), st.integers(1, 30), st.integers(0, 3))
def test_each_bin_gives_what_it_can(positives: list, candidates: list, ratio: float, bins: int, seed: int) -> None:
    asked = int(np.rint(len(positives) * ratio))
    if not asked:
        with pytest.raises(InputError, match="asks for none"):
            match_gc(positives, candidates, ratio, bins=bins, seed=seed)
        return
    match = match_gc(positives, candidates, ratio, bins=bins, seed=seed)
    rows = match.rows.tolist()
    assert len(set(rows)) == len(rows) == min(match.asked, len(candidates))
    assert match.asked == asked
    home = [min(int(value * bins), bins - 1) for value in positives]
    chosen = [min(int(candidates[row] * bins), bins - 1) for row in rows]
    have = [min(int(value * bins), bins - 1) for value in candidates]
    short = 0
    for place in range(bins):
        asked = home.count(place) * ratio
        assert chosen.count(place) >= min(int(asked), have.count(place)) - 1
        short += max(0, chosen.count(place) - int(np.ceil(asked)) - 1)
    assert short <= match.borrowed
    if match.borrowed == 0 and ratio == 1 and len(rows) == len(positives):
        assert sorted(chosen) == sorted(home)
        assert match.distance <= 1 / bins + 1e-12


def test_skewed_candidates_are_brought_to_the_positives() -> None:
    rng = np.random.default_rng(1)
    positives, candidates = rng.beta(16, 14, 2000), rng.beta(12, 16, 40_000)
    match = match_gc(positives, candidates, seed=3)
    assert len(match.rows) == match.asked == 2000
    assert match.distance < 0.003 < 0.1 < match.distance_before
    assert match.distance == wasserstein_distance(positives, candidates[match.rows])
    assert "2000 of 2000 negatives matched by GC" in match.note()
    assert match_gc(positives, candidates, seed=3).rows.tolist() == match.rows.tolist()
    assert match_gc(positives, candidates, seed=4).rows.tolist() != match.rows.tolist()


def test_a_bin_without_candidates_borrows_from_the_nearest() -> None:
    match = match_gc([0.9, 0.9, 0.1], [0.5, 0.11, 0.7, 0.12, np.nan], bins=10)
    assert match.borrowed == 2
    assert match.rows[0] == 0
    assert match.rows[-1] in (2, 3)
    assert 2 in match.rows
    assert len(match.rows) == 3


def test_choice_within_a_bin_is_by_chance() -> None:
    counts = np.zeros(10)
    for seed in range(400):
        counts[match_gc([0.5] * 3, [0.5] * 10, seed=seed).rows] += 1
    assert counts.min() > 80
    assert counts.max() < 160


def test_lawless_arguments_are_refused() -> None:
    with pytest.raises(InputError, match=r"GC of candidates: 41\.0 is no share"):
        match_gc([0.4], [41.0])
    with pytest.raises(InputError, match="per_positive = 0"):
        match_gc([0.4], [0.4], 0)
    with pytest.raises(InputError, match="0 positives and 1 candidates"):
        match_gc([np.nan], [0.4])
