from typing import Any

import numpy as np
import torch

from strandwise.data.readers import SignalBatch
from strandwise.data.signals import SomeTracks
from strandwise.strand import stranded, unstranded

KIND = unstranded(1) + stranded(2)


class Made:
    """Two strands of one assay in five windows of three bins."""

    type, signals, notes = stranded(1), ("plus", "minus"), ("said",)

    def __init__(self, values: torch.Tensor) -> None:
        self.values = values

    def gather(self, rows: np.ndarray, shifts: Any = None, turned: np.ndarray | None = None) -> SignalBatch:
        values = self.values[rows]
        if turned is not None:
            values = torch.where(torch.from_numpy(turned)[:, None, None], values.flip(1, 2), values)
        return SignalBatch(values, torch.ones(len(rows), 2))

    def take(self, rows: np.ndarray) -> "Made":
        return Made(self.values[rows])


def test_tracks_without_signal_have_no_weight() -> None:
    values = torch.from_numpy(np.random.default_rng(0).random((5, 2, 3), dtype=np.float32))
    reader = SomeTracks(Made(values), [3, 4], KIND)  # pyright: ignore[reportArgumentType]
    rows, turned = np.array([4, 0, 1]), np.array([False, True, False])
    found = reader.gather(rows, None, turned)
    assert found.weights.tolist() == [[0, 0, 0, 1, 1]] * 3
    assert not found.values[:, :3].any()
    assert torch.equal(found.values[:, 3:], torch.stack([values[4], values[0].flip(0, 1), values[1]]))
    assert torch.equal(reader.take(rows).gather(np.array([1])).values, reader.gather(rows[1:2]).values)
    assert (reader.type, reader.signals, reader.notes) == (KIND, ("plus", "minus"), ("said",))
