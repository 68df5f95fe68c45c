import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from strandwise.errors import InputError
from strandwise.scores.profiles import jensen_shannon


@pytest.mark.parametrize("seed", range(5))
def test_as_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts, shares = rng.poisson(0.7, (4, 2, 30)), rng.dirichlet(np.ones(30), (4, 2))
    found = jensen_shannon(counts, shares)
    assert found.shape == (4, 2)
    for place in np.ndindex(4, 2):
        assert found[place] == pytest.approx(jensenshannon(counts[place], shares[place], 2))


def test_its_ends() -> None:
    same = np.array([0, 2, 2, 0])
    assert jensen_shannon(same, same) == 0
    assert jensen_shannon(same, [1, 0, 0, 3]) == 1
    assert np.isnan(jensen_shannon(np.zeros(4), same))


def test_bad_input() -> None:
    with pytest.raises(InputError, match=r"counts of shape \(2,\) beside shares of shape \(3,\)"):
        jensen_shannon([1, 2], [1, 2, 3])
    with pytest.raises(InputError, match="counts: 1 of 2 are negative or not finite"):
        jensen_shannon([1, -2], [1, 2])
    with pytest.raises(InputError, match="shares: 1 of 2 are negative or not finite"):
        jensen_shannon([1, 2], [1, np.nan])
