from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandwise.data.labels.annotation import FACTORNET_FEATURES, annotate, annotate_bins, promoters
from strandwise.data.labels.grid import BinGrid
from strandwise.errors import InputError
from strandwise.genome import read_bed

SIZES = {"a": 90, "b": 70}
ROWS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 60), st.integers(1, 10)), max_size=5)


def table(rows: list[tuple[str, int, int]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["chrom", "start", "end"]).astype({"start": "int64", "end": "int64"})
    return frame.assign(end=frame["start"] + frame["end"])


def test_a_promoter_lies_upstream_of_its_site_on_either_strand() -> None:
    sites = pd.DataFrame({"chrom": "a", "start": [1000, 1000, 50], "end": [1001, 2000, 60], "strand": ["+", "-", "+"]})
    assert promoters(sites)[["start", "end"]].to_numpy().tolist() == [[700, 1100], [1900, 2300], [0, 150]]


@given(
    st.lists(st.tuples(st.integers(500, 900), st.sampled_from("+-")), min_size=1),
    st.integers(0, 90),
    st.integers(1, 90),
)
def test_promoters_turn_with_the_chromosome(sites: list, upstream: int, downstream: int) -> None:
    frame = pd.DataFrame(
        {
            "chrom": "a",
            "start": [place for place, _ in sites],
            "end": [place + 1 for place, _ in sites],
            "strand": [strand for _, strand in sites],
        }
    )
    there = promoters(frame, upstream, downstream)
    turned = frame.assign(
        start=2000 - frame["end"], end=2000 - frame["start"], strand=frame["strand"].map({"+": "-", "-": "+"})
    )
    back = promoters(turned, upstream, downstream)
    assert (2000 - back["end"]).tolist() == there["start"].tolist()
    assert (2000 - back["start"]).tolist() == there["end"].tolist()
    assert (there["end"] - there["start"] == upstream + downstream).all()


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS, st.integers(1, 20), st.integers(1, 20))
def test_bins_are_annotated_as_windows_are(one: list, two: list, bin_bp: int, step_bp: int) -> None:
    grid = BinGrid(SIZES, bin_bp, step_bp)
    features = {"one": table(one), "two": table(two)}
    frame = grid.frame()
    slow = [
        [
            any(chrom == other and start < low + width and end > low for other, low, width in feature)
            for feature in (one, two)
        ]
        for chrom, start, end in frame.itertuples(index=False)
    ]
    assert annotate(frame["chrom"], frame["start"], frame["end"], features).tolist() == slow
    assert annotate_bins(grid, features).tolist() == slow


def test_a_site_without_strand_is_refused() -> None:
    with pytest.raises(InputError, match=r"a:5-6 has strand '\.'"):
        promoters(pd.DataFrame({"chrom": ["a"], "start": [5], "end": [6], "strand": ["."]}))
    with pytest.raises(InputError, match="needs '\\+' or '-'"):
        promoters(pd.DataFrame({"chrom": ["a"], "start": [5], "end": [6]}))
    with pytest.raises(InputError, match="give 0 or more"):
        promoters(table([]), 0, 0)


def test_peaks_of_max_lie_in_promoters_and_islands(hg19: Path, max_peaks: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    files = {name: f"wgEncodeGencodeBasicV19.{name}.merged.bed.gz" for name in FACTORNET_FEATURES}
    files["cpg"] = "cpgisland.bed.gz"
    features = {name: read_bed(hg19 / path) for name, path in files.items()}
    peaks = max_peaks[0]
    found = annotate(peaks["chrom"], peaks["start"], peaks["end"], features)
    rest = annotate(peaks["chrom"], peaks["start"] + 1_000_000, peaks["end"] + 1_000_000, features)
    share, chance = found.mean(axis=0), rest.mean(axis=0)
    column = {name: number for number, name in enumerate(FACTORNET_FEATURES)}
    for name in ("cpg", "promoter"):
        assert share[column[name]] > 5 * chance[column[name]]
    assert np.isin(found, [0, 1]).all()
