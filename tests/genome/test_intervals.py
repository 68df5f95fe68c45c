from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandwise.errors import InputError
from strandwise.genome.bed import read_bed
from strandwise.genome.bigwig import BigWig
from strandwise.genome.intervals import check_within, overlaps_any, parse_region, rename_chromosomes
from strandwise.genome.names import match_names
from strandwise.genome.reference import Genome

SIZES = {"chrI": 1000, "chrII": 500, "HLA-A*01:01": 300}


def table(*rows: tuple[str, int, int]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["chrom", "start", "end"]).astype({"start": "int64", "end": "int64"})


def test_rename_chromosomes() -> None:
    frame = table(("I", 0, 5), ("II", 3, 9), ("I", 7, 8))
    renamed = rename_chromosomes(frame, match_names(frame["chrom"], SIZES, "a.bed", "g.fa"))
    assert renamed["chrom"].tolist() == ["chrI", "chrII", "chrI"]
    assert renamed[["start", "end"]].equals(frame[["start", "end"]])
    assert frame["chrom"].tolist() == ["I", "II", "I"]


def test_rename_refuses_what_was_not_found() -> None:
    frame = table(("I", 0, 5), ("chrX", 3, 9))
    with pytest.raises(InputError, match=r"a.bed: chromosome 'chrX' is not in g.fa"):
        rename_chromosomes(frame, match_names(frame["chrom"], SIZES, "a.bed", "g.fa"))
    with pytest.raises(InputError, match="no match was sought for chromosome 'chrX'"):
        rename_chromosomes(frame, match_names(["I"], SIZES, "a.bed", "g.fa"))


def test_check_within() -> None:
    check_within(table(("chrI", 0, 1000), ("chrII", 499, 500)), SIZES, "a.bed")
    check_within(table(), SIZES, "a.bed")
    outside = table(("chrI", 0, 5), ("chrII", 490, 501), ("chrI", 900, 1001))
    with pytest.raises(InputError, match=r"a.bed: chrII:490-501 .* 500 bp, and 1 more .* another assembly"):
        check_within(outside, SIZES, "a.bed")
    with pytest.raises(InputError, match=r"'II' is not in the genome \(did you mean 'chrII'"):
        check_within(table(("II", 0, 5)), SIZES, "a.bed")


INTERVALS = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2", "chr3"]), st.integers(0, 30), st.integers(1, 8)).map(
        lambda t: (t[0], t[1], t[1] + t[2])
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(INTERVALS, INTERVALS)
def test_overlaps_any_against_every_pair(ours: list, theirs: list) -> None:
    expected = [any(c == d and s < f and t < e for d, t, f in theirs) for c, s, e in ours]
    frame = table(*ours)
    frame.index = pd.Index(range(100, 100 + len(ours)))
    assert overlaps_any(frame, table(*theirs)).tolist() == expected


EDGES = st.lists(
    st.tuples(st.sampled_from(["chrI", "chrII"]), st.integers(-2, 1002), st.integers(0, 600)).map(
        lambda t: (t[0], t[1], t[1] + t[2])
    ),
    max_size=6,
)


@settings(max_examples=80, deadline=None)
@given(EDGES)
def test_check_within_against_every_interval(rows: list) -> None:
    outside = [(chrom, start, end) for chrom, start, end in rows if start < 0 or end > SIZES[chrom]]
    if not outside:
        check_within(table(*rows), SIZES, "a.bed")
        return
    chrom, start, end = outside[0]
    with pytest.raises(InputError) as error:
        check_within(table(*rows), SIZES, "a.bed")
    assert f"a.bed: {chrom}:{start}-{end} " in str(error.value)
    assert (f"and {len(outside) - 1} more" in str(error.value)) == (len(outside) > 1)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(sorted(SIZES)), st.integers(0, 1002), st.integers(0, 1002), st.sampled_from(["", ","]))
def test_a_region_that_is_written_is_read_back(chrom: str, start: int, end: int, thousands: str) -> None:
    text = f"{chrom}:{start:{thousands}}-{end:{thousands}}"
    if start < end <= SIZES[chrom]:
        assert parse_region(text, SIZES) == (chrom, start, end)
    else:
        with pytest.raises(InputError, match="region '"):
            parse_region(text, SIZES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("chrII", ("chrII", 0, 500)),
        (" chrI:100-200 ", ("chrI", 100, 200)),
        ("chrI:0-1,000", ("chrI", 0, 1000)),
        ("chrI:1,0-", ("chrI", 10, 1000)),
        ("HLA-A*01:01", ("HLA-A*01:01", 0, 300)),
        ("HLA-A*01:01:5-10", ("HLA-A*01:01", 5, 10)),
    ],
)
def test_parse_region(text: str, expected: tuple[str, int, int]) -> None:
    assert parse_region(text, SIZES) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("chrX", "chromosome 'chrX' is not in the genome"),
        ("I:5-9", "did you mean 'chrI'"),
        ("", "chromosome ''"),
        ("chrI:9-5", "the start, 9, is not before the end, 5"),
        ("chrI:5-5", "not before"),
        ("chrII:0-501", "501 is past the end of chrII, which is 500 bp"),
        ("chrII:500-", "the end of the chromosome"),
        ("chrI:5", "write it as"),
        ("chrI:-5-9", "write it as"),
        ("chrI:", "write it as"),
        ("chrI:,-9", "write it as"),
    ],
)
def test_wrong_regions_are_named(text: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        parse_region(text, SIZES)
    assert words in str(error.value)


def test_real_yeast_files_agree(real_data: Path) -> None:
    genome = Genome(real_data / "yeast" / "genome.fa.gz")
    peaks = read_bed(real_data / "yeast" / "peaks" / "Abf1.bed")
    check_within(peaks, genome.sizes, "Abf1.bed")
    assert overlaps_any(peaks, peaks.iloc[::2])[::2].all()
    signal = BigWig(real_data / "yeast" / "stripeseq" / "WT_1.plus.bw")
    match = match_names(signal.sizes, genome.sizes, "WT_1.plus.bw", "genome.fa.gz").require()
    assert len(match.renamed) == 16
    assert all(genome.sizes[match.mapping[name]] == size for name, size in signal.sizes.items())
    regions = read_bed(real_data / "yeast" / "stripeseq" / "WT_1.tsr.bed")
    renamed = rename_chromosomes(regions, match_names(regions["chrom"], genome.sizes, "tsr", "genome"))
    check_within(renamed, genome.sizes, "WT_1.tsr.bed")
    assert not np.isin(renamed["chrom"], list(signal.sizes)).any()


def test_peaks_of_another_assembly_are_caught(real_data: Path) -> None:
    peaks = read_bed(real_data / "hg19" / "GM12878.GABPA.conservative.train.narrowPeak.gz")
    genome = Genome(real_data / "yeast" / "genome.fa.gz")
    with pytest.raises(InputError, match="not in the genome"):
        check_within(peaks, genome.sizes, "GABPA.narrowPeak.gz")
