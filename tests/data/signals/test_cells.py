"""Signal of several cell types, against reading it window by window."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from strandwise.data.readers import SignalBatch
from strandwise.data.signals import SignalCache, SignalReader, Track, tracks_type
from strandwise.data.signals.cells import CellReader
from strandwise.errors import InputError
from strandwise.strand import StrandType, revcomp

CELLS = np.array(["x", "y", "x", "z", "y", "x", "none", "z"], dtype=object)
CHROM = np.array(["chr1", "chr1", "chr2", "chr3", "chr4", "chr1", "chr1", "chr1"])
START = np.array([-10, 200, 270, 5, 5, 300, 40, 41])
LENGTH = 20
PLUS, MINUS, ATAC = "plus", "minus", "atac"
# "z" has another order than the others, and "y" lacks a track.
ORDER = {"x": (PLUS, MINUS, ATAC), "y": (PLUS, MINUS), "z": (ATAC, PLUS, MINUS)}
WHOLE = ORDER["x"]


@pytest.fixture
def track(files: dict[str, Path]) -> Callable[..., Track]:
    def make(name: str) -> Track:
        if name == PLUS:
            return Track(name, files["plus"], "+", partner=MINUS)
        return Track(name, files[name], "-" if name == MINUS else ".")

    return make


@pytest.fixture
def reader(track: Callable[..., Track], sizes: dict[str, int], tmp_path: Path) -> CellReader:
    cache = SignalCache(sizes, tmp_path)
    parts = {}
    for cell, names in ORDER.items():
        here = cell == CELLS
        signals = cache.open([track(name) for name in names])
        parts[cell] = SignalReader(signals, CHROM[here], START[here], input_bp=LENGTH)
    places = {cell: [WHOLE.index(name) for name in names] for cell, names in ORDER.items()} | {"none": []}
    kind = tracks_type([track(name) for name in WHOLE])
    return CellReader(parts | {"none": None}, CELLS, kind, places)


def slow(reader: CellReader, kind: StrandType, rows: np.ndarray, shifts: np.ndarray, turned: np.ndarray) -> SignalBatch:
    """One window and one track at a time, from the reader of its cell."""
    values = torch.zeros(len(rows), len(WHOLE), LENGTH)
    weights = torch.zeros(len(rows), len(WHOLE))
    for index, row in enumerate(rows):
        cell = str(CELLS[row])
        if cell == "none":
            continue
        place = int((CELLS[:row] == cell).sum())
        found = reader.by_cell[cell].gather(np.array([place]), shifts[index : index + 1])
        for channel, name in enumerate(ORDER[cell]):
            values[index, WHOLE.index(name)] = found.values[0, channel]
            weights[index, WHOLE.index(name)] = found.weights[0, channel]
        if turned[index]:
            values[index] = revcomp(values[index : index + 1], kind)[0]
            weights[index] = revcomp(weights[index : index + 1], kind.pooled())[0]
    return SignalBatch(values, weights)


@pytest.mark.parametrize("seed", range(6))
def test_a_batch_is_that_of_its_windows_one_by_one(reader: CellReader, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(CELLS), 12)
    shifts, turned = rng.integers(-9, 10, 12), rng.random(12) < 0.5
    expected = slow(reader, reader.type, rows, shifts, turned)
    for found in (reader.gather(rows, shifts, turned), reader.take(rows).gather(np.arange(12), shifts, turned)):
        assert torch.equal(found.values, expected.values)
        assert torch.equal(found.weights, expected.weights)
    assert expected.values.any()
    assert (expected.weights == 0).any()


@pytest.mark.parametrize("cell", ["x", "y", "z", "none"])
def test_batches_of_one_cell(reader: CellReader, cell: str) -> None:
    rows = np.flatnonzero(cell == CELLS)
    still = np.zeros(len(rows), dtype=int)
    expected = slow(reader, reader.type, rows, still, still > 0)
    found = reader.gather(rows)
    assert torch.equal(found.values, expected.values)
    assert torch.equal(found.weights, expected.weights)


def test_no_windows_and_all_of_it(reader: CellReader) -> None:
    assert reader.gather(np.zeros(0, dtype=int)).values.shape == (0, 3, LENGTH)
    assert reader.take(np.zeros(0, dtype=int)).gather(np.zeros(0, dtype=int)).weights.shape == (0, 3)
    assert len(reader) == len(CELLS)
    assert [signal.track.name for signal in reader.signals] == [*ORDER["x"], *ORDER["y"], *ORDER["z"]]
    assert len(set(reader.notes)) == len(reader.notes)


def test_what_does_not_fit_is_refused(reader: CellReader, track: Callable[..., Track]) -> None:
    parts = reader.by_cell
    with pytest.raises(InputError, match="windows in none, of which there is no signal"):
        CellReader(parts, CELLS, reader.type)
    x = np.array(["x"] * 3, dtype=object)
    with pytest.raises(InputError, match="cell 'x': 3 channels of signal for 2 places"):
        CellReader({"x": parts["x"]}, x, reader.type, {"x": [0, 1]})
    with pytest.raises(InputError, match="cell 'x': its signal turns as"):
        CellReader({"x": parts["x"]}, x, reader.type, {"x": [0, 2, 1]})
