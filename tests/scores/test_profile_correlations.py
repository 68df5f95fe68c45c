import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from strandwise.errors import InputError
from strandwise.scores.profile_correlations import pearson_by_profile, spearman_by_profile


@st.composite
def profiles(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A few short profiles with many ties, some of them flat."""
    rows, positions = draw(st.integers(1, 4)), draw(st.integers(2, 8))
    heights = st.lists(st.integers(0, 3), min_size=rows * positions, max_size=rows * positions)
    x, y = (np.array(draw(heights), float).reshape(rows, positions) for _ in range(2))
    return x, y / draw(st.sampled_from([1, 7, 1e5]))


@given(profiles())
def test_each_profile_has_the_correlations_of_scipy(case: tuple[np.ndarray, np.ndarray]) -> None:
    for measure, oracle in ((pearson_by_profile, stats.pearsonr), (spearman_by_profile, stats.spearmanr)):
        found = measure(*case)
        assert found.shape == case[0].shape[:1]
        for value, x, y in zip(found, *case, strict=True):
            flat = np.ptp(x) == 0 or np.ptp(y) == 0
            expected = np.nan if flat else oracle(x, y)[0]
            assert value == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("kind", ["sparse counts", "dense", "negative", "tied predictions"])
def test_long_profiles_too(kind: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.poisson(0.1, (3, 2, 300)).astype(float), rng.random((3, 2, 300))
    if kind != "sparse counts":
        x = rng.normal(size=x.shape) - (10 if kind == "negative" else 0)
    if kind == "tied predictions":
        y = np.round(y, 1)
    y += 0.1 * x
    for measure, oracle in ((pearson_by_profile, stats.pearsonr), (spearman_by_profile, stats.spearmanr)):
        found = measure(x, y)
        assert found.shape == (3, 2)
        for place in np.ndindex(3, 2):
            assert found[place] == pytest.approx(oracle(x[place], y[place])[0], abs=1e-12)


@pytest.mark.parametrize("measure", [pearson_by_profile, spearman_by_profile])
def test_what_has_no_correlation(measure) -> None:
    assert np.isnan(measure([[1, 1, 1], [1, 2, 3]], [[1, 2, 3], [0.1, 0.1, 0.1]])).all()
    assert np.isnan(measure([[1.0], [2.0]], [[1.0], [3.0]])).all()
    assert measure(np.zeros((0, 5)), np.zeros((0, 5))).shape == (0,)
    assert measure(np.zeros((2, 0)), np.zeros((2, 0))).shape == (2,)
    assert measure([1, 2, 4], [2, 4, 8]) == pytest.approx(1)


@pytest.mark.parametrize("measure", [pearson_by_profile, spearman_by_profile])
def test_bad_input(measure) -> None:
    with pytest.raises(InputError, match=r"measured profiles of shape \(2,\) beside predicted ones of \(3,\)"):
        measure([1, 2], [1, 2, 3])
    with pytest.raises(InputError, match="measured profiles: 1 of 2 numbers are not finite"):
        measure([1, np.nan], [1, 2])
    with pytest.raises(InputError, match="predicted profiles: 1 of 2 numbers are not finite"):
        measure([1, 2], [np.inf, 2])
