"""Labels of bins against a count of bases one by one, moved and turned as their windows are."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strandwise.data.dense_reader import DenseReader, middles_of
from strandwise.errors import InputError
from strandwise.strand import revcomp, unstranded

SIZES = {"chr1": 120, "chr2": 70, "chr3": 90}
PEAKS = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(0, 60), st.integers(1, 25)).map(
        lambda t: (t[0], t[1], min(t[1] + t[2], SIZES[t[0]]))
    ),
    max_size=5,
)


def table(rows: list[tuple[str, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chrom", "start", "end"]).astype({"start": "int64", "end": "int64"})


def bound(peaks: list[tuple[str, int, int]], chrom: str, start: int, bin_bp: int) -> bool:
    """Whether more than half of a bin lies in peaks, base by base."""
    inside = sum(
        any(chrom == name and low <= at < high for name, low, high in peaks) for at in range(start, start + bin_bp)
    )
    return inside > bin_bp / 2


@settings(max_examples=60, deadline=None)
@given(
    PEAKS,
    PEAKS,
    st.sampled_from([(12, 1), (12, 2), (12, 3), (8, 4), (6, 6)]),
    st.lists(st.integers(-40, 40), min_size=3, max_size=3),
)
def test_bins_are_those_of_every_base(one: list, two: list, lengths: tuple[int, int], shifts: list[int]) -> None:
    output_bp, bin_bp = lengths
    windows = table([("chr1", -5, 15), ("chr2", 45, 65), ("chr3", 10, 30), ("chr1", 50, 70)])
    reader = DenseReader(windows, {"one": table(one), "two": table(two)}, SIZES, output_bp=output_bp, bin_bp=bin_bp)
    rows, moved = np.array([3, 1, 0]), np.array(shifts)
    found = reader.gather(rows, moved)
    assert found.values.dtype == torch.float32
    for i, (row, shift) in enumerate(zip(rows, shifts, strict=True)):
        chrom = windows["chrom"][row]
        start = int(windows["start"][row]) + shift + (20 - output_bp) // 2
        slow = [[bound(peaks, chrom, start + at, bin_bp) for at in range(0, output_bp, bin_bp)] for peaks in (one, two)]
        assert found.values[i].tolist() == slow
        on = start < SIZES[chrom] and start + output_bp > 0
        measured = [chrom in {name for name, _, _ in peaks} for peaks in (one, two)]
        assert found.weights[i].tolist() == [each and on for each in measured]
    turned = np.array([True, False, True])
    back = reader.gather(rows, moved, turned).values
    flipped = revcomp(found.values, unstranded(2))
    assert torch.equal(back, torch.where(torch.from_numpy(turned)[:, None, None], flipped, found.values))


def test_rows_are_taken_and_sent_to_other_processes() -> None:
    windows = table([("chr1", 0, 20), ("chr1", 30, 50), ("chr2", 10, 30)])
    reader = DenseReader(windows, {"t": table([("chr1", 5, 40)])}, SIZES, bin_bp=5)
    part = pickle.loads(pickle.dumps(reader.take(np.array([2, 0]))))  # noqa: S301
    assert len(part) == 2
    assert part.type == unstranded(1)
    assert not part.signals
    assert not part.notes
    assert part.gather(np.array([1, 0])).values.tolist() == [[[0, 1, 1, 1]], [[0, 0, 0, 0]]]
    assert part.gather(np.array([1, 0])).weights.tolist() == [[1], [0]]
    assert part.gather(np.zeros(0, int)).values.shape == (0, 1, 4)


def test_lengths_that_would_not_turn_are_refused() -> None:
    windows = table([("chr1", 0, 20)])
    with pytest.raises(InputError, match="output_bp 11 does not lie in the middle of input_bp 20"):
        middles_of(windows, 11)
    with pytest.raises(InputError, match="output_bp 22 does not lie in the middle"):
        middles_of(windows, 22)
    with pytest.raises(InputError, match="bins of 8 bp do not fill output_bp 20: use 16 bp"):
        middles_of(windows, None, 8)
    with pytest.raises(InputError, match="bins of 8 bp do not fill output_bp 4: use 8 bp"):
        middles_of(windows, 4, 8)
    with pytest.raises(InputError, match="2 lengths"):
        middles_of(table([("chr1", 0, 20), ("chr1", 0, 21)]))
