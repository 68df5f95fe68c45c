from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.distance import jensenshannon

from strandwise.analysis import asking
from strandwise.analysis.mean_shape import ask_mean_shape
from strandwise.data.batches import TARGET
from strandwise.data.readers import SignalBatch
from strandwise.data.windows import LabelledWindows
from strandwise.layers import profile_heads
from strandwise.scores.profiles import PROFILE_METRICS
from strandwise.strand import StrandType, unstranded

KIND = unstranded(2)
PROFILE, _ = profile_heads(("a", "b"), KIND)


class Given:
    """Signal that lies in memory."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.type: StrandType = KIND

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: np.ndarray) -> "Given":
        return Given(self.values[rows])

    def gather(
        self, rows: np.ndarray, shifts: np.ndarray | None = None, turned: np.ndarray | None = None
    ) -> SignalBatch:
        assert shifts is None
        assert turned is None
        return SignalBatch(torch.from_numpy(self.values[rows]).float(), torch.ones(len(rows), 2))


@pytest.mark.parametrize("batch", [7, 512])
def test_one_shape_is_held_against_every_profile(
    planted: Callable[..., LabelledWindows], monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(asking, "BATCH", batch)
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.5 + 2 * np.exp(-(((np.arange(40) - 20) / 5) ** 2)), (20, 2, 40))
    # Where nothing is counted in any window, the shape is 0, and a count would be impossible.
    counts[..., 0], counts[3, 1] = 0, 0
    shape = np.stack(
        [np.mean([row / row.sum() for row in track if row.any()], axis=0) for track in counts.swapaxes(0, 1)]
    )
    windows = replace(planted(n=20), signals={TARGET: Given(counts)})
    found = ask_mean_shape(windows, PROFILE, shape)
    assert set(found) == {*PROFILE_METRICS, "nll"}
    for row, track in np.ndindex(20, 2):
        x, y = counts[row, track], shape[track]
        if not x.any():
            assert np.isnan(found["jsd"][row, track])
            continue
        assert found["jsd"][row, track] == pytest.approx(jensenshannon(x, y, 2), rel=1e-6)
        assert found["nll"][row, track] == pytest.approx(-stats.multinomial.logpmf(x, x.sum(), y), rel=1e-6)


def test_a_track_without_any_profile(planted: Callable[..., LabelledWindows]) -> None:
    windows = replace(planted(n=4), signals={TARGET: Given(np.zeros((4, 2, 40)))})
    found = ask_mean_shape(windows, PROFILE, np.zeros((2, 40)))
    assert all(values.shape == (4, 2) and np.isnan(values).all() for values in found.values())
