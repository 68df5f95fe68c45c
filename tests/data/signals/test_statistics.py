import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strandwise.data.signals.statistics import NOTHING, Statistics, rounded, together

numbers = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
values = arrays(np.float32, st.integers(1, 60), elements=numbers)


def test_what_is_known_of_a_few_numbers() -> None:
    found = Statistics.of(np.array([3, np.nan, -1, 3, 0, np.nan, -0.0, 7], np.float32))
    assert (found.count, found.mean, found.low, found.high) == (6, 2.0, -1.0, 7.0)
    assert found.sd == pytest.approx(np.std([3, -1, 3, 0, 0, 7]))
    assert found.values.tolist() == [-1, 0, 3, 7]
    assert found.counts.tolist() == [1, 2, 2, 1]
    assert [found.quantile(q) for q in (0, 1 / 6, 0.17, 0.5, 0.51, 5 / 6, 0.84, 1)] == [-1, -1, 0, 0, 3, 3, 7, 7]
    assert Statistics.of(np.full(3, np.nan, np.float32)) is NOTHING
    assert (NOTHING.sd, NOTHING.quantile(0.5)) == (0, 0)
    assert [Statistics.of(np.arange(1, 101, dtype=np.float32)).quantile(q) for q in (0.07, 0.29)] == [7, 29]


@settings(deadline=None)
@given(values, st.floats(0, 1))
def test_statistics_are_those_of_numpy(array: np.ndarray, q: float) -> None:
    found = Statistics.of(array)
    wide = array.astype(np.float64)
    assert found.mean == pytest.approx(wide.mean(), rel=1e-6, abs=1e-6)
    assert found.sd == pytest.approx(wide.std(), rel=1e-6, abs=1e-6)
    assert (found.low, found.high) == (array.min(), array.max())
    order = np.sort(rounded(array))
    at = next(n for n in range(1, len(order) + 1) if n >= q * len(order) * (1 - 1e-12))
    assert found.quantile(q) == order[at - 1]
    turned = found.negated()
    expected = Statistics.of(-array)
    assert (turned.mean, turned.low, turned.high) == (-found.mean, expected.low, expected.high)
    assert np.array_equal(turned.values, expected.values)
    assert np.array_equal(turned.counts, expected.counts)


@settings(deadline=None)
@given(st.lists(values, min_size=1, max_size=4))
def test_parts_add_up_to_the_whole(parts: list[np.ndarray]) -> None:
    nothing = [np.full(2, np.nan, np.float32)]
    found, whole = together(map(Statistics.of, parts + nothing)), Statistics.of(np.concatenate(parts))
    assert (found.count, found.low, found.high) == (whole.count, whole.low, whole.high)
    assert found.mean == pytest.approx(whole.mean, rel=1e-6, abs=1e-6)
    assert found.sd == pytest.approx(whole.sd, rel=1e-6, abs=1e-5)
    assert np.array_equal(found.values, whole.values)
    assert np.array_equal(found.counts, whole.counts)


def test_many_numbers_are_counted_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.random.default_rng(0).normal(size=5000).astype(np.float32)
    few = Statistics.of(array)
    monkeypatch.setattr("strandwise.data.signals.statistics._MANY", 1)
    many = Statistics.of(array)
    assert np.array_equal(few.values, many.values)
    assert np.array_equal(few.counts, many.counts)


def test_rounding_keeps_twelve_bits() -> None:
    whole = np.arange(-4096, 4097, dtype=np.float32)
    assert np.array_equal(rounded(whole), whole)
    assert rounded(np.array([4097, -4097], np.float32)).tolist() == [4096, -4096]
    array = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    error = array - rounded(array)
    assert (np.abs(error) <= np.abs(array) / 2048).all()
    assert (np.sign(error) * np.sign(array) >= 0).all()


def test_a_constant_is_many_of_one() -> None:
    found, expected = Statistics.constant(0.0, 4), Statistics.of(np.zeros(4, np.float32))
    assert (found.count, found.mean, found.m2) == (expected.count, expected.mean, expected.m2)
    assert found.values.tolist() == expected.values.tolist() == [0]
    assert found.counts.tolist() == expected.counts.tolist() == [4]
    assert Statistics.constant(1.0, 0) is NOTHING


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, -0.0, 1.5, -3.0, np.nan]), st.integers(1, 40)), min_size=1, max_size=9))
def test_runs_count_as_their_values_one_by_one(runs: list[tuple[float, int]]) -> None:
    array = np.concatenate([np.full(length, value, np.float32) for value, length in runs])
    found, known = Statistics.of(array), array[~np.isnan(array)].astype(np.float64)
    assert found.count == known.size
    lengths = np.array([length for _, length in runs])
    stretches = Statistics.of_runs(np.array([value for value, _ in runs], np.float32), lengths)
    assert (stretches.count, stretches.low, stretches.high) == (found.count, found.low, found.high)
    assert (stretches.mean, stretches.m2) == pytest.approx((found.mean, found.m2))
    assert np.array_equal(stretches.values, found.values)
    assert np.array_equal(stretches.counts, found.counts)
    if known.size:
        assert (found.low, found.high) == (known.min(), known.max())
        assert found.mean == pytest.approx(known.mean(), abs=1e-12)
        assert found.m2 == pytest.approx(((known - known.mean()) ** 2).sum(), abs=1e-9)
        values, counts = np.unique(known + 0.0, return_counts=True)
        assert found.values.tolist() == values.tolist()
        assert found.counts.tolist() == counts.tolist()
