import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.distance import jensenshannon

from strandwise.analysis.asking import MeanShape, compare_shapes, joined, profile_batch
from strandwise.layers import profile_heads
from strandwise.scores.profiles import PROFILE_METRICS
from strandwise.strand import unstranded

PROFILE, _ = profile_heads(("a", "b"), unstranded(2))


def test_shapes_are_compared_with_the_softmax_of_logits() -> None:
    rng = np.random.default_rng(0)
    counts, logits = rng.poisson(1, (4, 2, 25)), rng.normal(size=(4, 2, 25))
    counts[0, 1] = 0
    found = compare_shapes(PROFILE, torch.from_numpy(logits), torch.from_numpy(counts))
    assert set(found) == {*PROFILE_METRICS, "nll"}
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    for place in np.ndindex(4, 2):
        if place == (0, 1):
            assert all(np.isnan(values[place]) for values in found.values())
            continue
        x, y = counts[place], shares[place]
        assert found["jsd"][place] == pytest.approx(jensenshannon(x, y, 2))
        assert found["nll"][place] == pytest.approx(-stats.multinomial.logpmf(x, x.sum(), y))


def test_each_known_profile_counts_once_in_the_mean_shape() -> None:
    rng = np.random.default_rng(1)
    counts, weights = rng.poisson(1, (30, 2, 12)), rng.integers(0, 2, (30, 2))
    counts[:5, 0], counts[5] = 0, 100 * counts[5]
    weights[:, 1] = 0
    shape = MeanShape()
    assert shape.shares is None
    for at in (0, 13):
        rows = slice(at, at + 13 if at == 0 else 30)
        shape.add(torch.from_numpy(counts[rows]).float(), torch.from_numpy(weights[rows]).float())
    rows = [row / row.sum() for row, weight in zip(counts[:, 0], weights[:, 0], strict=True) if weight and row.any()]
    assert shape.shares is not None
    assert shape.shares[0] == pytest.approx(np.mean(rows, axis=0))
    assert (shape.shares[1] == 0).all()


def test_batches_are_joined_in_their_order() -> None:
    parts = [{"jsd": np.array([[1.0]])}, {"jsd": np.array([[2.0], [3.0]])}]
    assert joined(parts)["jsd"].tolist() == [[1], [2], [3]]
    assert joined([]) == {}


@pytest.mark.parametrize(("input_bp", "tracks", "windows"), [(1000, 2, 512), (1 << 20, 2, 2), (1 << 24, 8, 1)])
def test_few_long_windows_are_judged_at_a_time(input_bp: int, tracks: int, windows: int) -> None:
    assert profile_batch(input_bp, tracks) == windows
