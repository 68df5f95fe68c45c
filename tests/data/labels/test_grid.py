import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandwise.data.labels.cover import Cover
from strandwise.data.labels.grid import BinGrid
from strandwise.errors import InputError

SIZES = {"b": 61, "tiny": 3, "a": 47}
INTERVALS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "tiny", "z"]), st.integers(0, 46), st.integers(0, 20)),
    max_size=6,
)


def table(rows: list[tuple[str, int, int]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["chrom", "start", "end"]).astype({"start": "int64", "end": "int64"})
    return frame.assign(end=frame["start"] + frame["end"])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 47), st.integers(1, 60))
def test_bins_are_those_that_fit(bin_bp: int, step_bp: int) -> None:
    grid = BinGrid(SIZES, bin_bp, step_bp)
    expected = [
        (chrom, start, start + bin_bp)
        for chrom, size in SIZES.items()
        for start in range(0, size, step_bp)
        if start + bin_bp <= size
    ]
    assert list(grid.frame().itertuples(index=False, name=None)) == expected
    assert len(grid) == len(expected)
    for chrom in SIZES:
        assert [row[0] for row in expected[grid.rows_of(chrom)]] == [row[0] for row in expected if row[0] == chrom]


@settings(max_examples=60, deadline=None)
@given(INTERVALS, st.integers(1, 40), st.integers(1, 50))
def test_touched_bins_are_those_with_covered_bases(rows: list, bin_bp: int, step_bp: int) -> None:
    grid, cover = BinGrid(SIZES, bin_bp, step_bp), Cover(table(rows))
    frame = grid.frame()
    covered = cover.bases(frame["chrom"], frame["start"], frame["end"])
    assert grid.touched(cover).tolist() == (covered > 0).tolist()
    some = np.arange(0, len(grid), 3)
    assert grid.bases(cover, some).tolist() == covered[some].tolist()


def test_the_human_genome_has_sixty_million_bins(hg19_sizes: dict[str, int]) -> None:
    # The number of bins that DREAM's 200 bp every 50 bp give on autosomes and X, by hand for chromosome 1.
    grid = BinGrid(hg19_sizes)
    assert len(grid) == 60_725_996
    rows = grid.rows_of("chr1")
    assert rows.stop - rows.start == (249_250_621 - 200) // 50 + 1


def test_lawless_grids_are_refused() -> None:
    with pytest.raises(InputError, match="step_bp = 0"):
        BinGrid(SIZES, 10, 0)
    with pytest.raises(InputError, match="longer than every chromosome"):
        BinGrid(SIZES, 100)
    with pytest.raises(InputError, match="chromosome 'B' is not among the bins"):
        BinGrid(SIZES, 10, 5).rows_of("B")
