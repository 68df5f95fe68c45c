import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from strandwise.errors import InputError
from strandwise.genome.bed import read_bed

COLUMNS = ["chrom", "start", "end", "name", "score", "strand", "summit"]
PEAK = "chr1\t100\t200\tp\t50\t.\t2.5\t-1\t3\t{}\n"


def write(tmp_path: Path, text: str, name: str = "peaks.bed") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def rows(frame: pd.DataFrame) -> list[list]:
    return frame.astype(object).where(frame.notna(), None).to_numpy().tolist()


def test_bed_of_every_width(tmp_path: Path) -> None:
    bed6 = read_bed(write(tmp_path, "chr1\t0\t10\ta b\t7.5\t+\nchr2\t5\t6\tc\t.\t-\n"))
    assert list(bed6.columns) == COLUMNS
    assert rows(bed6) == [["chr1", 0, 10, "a b", 7.5, "+", 5], ["chr2", 5, 6, "c", None, "-", 5]]
    assert rows(read_bed(write(tmp_path, "chr1\t0\t10")))[0] == ["chr1", 0, 10, ".", None, ".", 5]
    assert rows(read_bed(write(tmp_path, "chr1\t0\t10\tx\n")))[0][3] == "x"
    bed12 = "chr1\t0\t90\tx\t0\t+\t10\t80\t0,0,0\t2\t10,10,\t0,80,\n"
    assert rows(read_bed(write(tmp_path, bed12)))[0] == ["chr1", 0, 90, "x", 0, "+", 45]
    for column in ("start", "end", "summit"):
        assert bed6[column].dtype == np.int64
    assert bed6["score"].dtype == np.float64


def test_headers_comments_blank_lines_and_blanks_between_columns(tmp_path: Path) -> None:
    text = "browser position chr1\ntrack name=x\n#chrom\tstart\tend\n\n  \ntrack2 1 5\nbrowser_7   3 9  \n# end\n"
    assert rows(read_bed(write(tmp_path, text)))[0][:3] == ["track2", 1, 5]
    assert rows(read_bed(write(tmp_path, text)))[1][:3] == ["browser_7", 3, 9]
    assert rows(read_bed(write(tmp_path, '\ufeffchr1\t1\t2\tthe "1st\n')))[0][3] == 'the "1st'


def test_gzip_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "peaks.bed"
    path.write_bytes(gzip.compress(b"chr1\t0\t10\n") + gzip.compress(b"chr1\t20\t30\n"))
    assert read_bed(path)["start"].tolist() == [0, 20]
    path.write_bytes(gzip.compress(b"chr1\t0\t10\n" * 1000)[:-9])
    with pytest.raises(InputError, match="damaged or cut off"):
        read_bed(path)


def test_summits(tmp_path: Path) -> None:
    text = "".join(PEAK.format(summit) for summit in (0, 99, 100, -1))
    for name in ("a.narrowPeak", "a.bed", "a.narrowPeak.gz"):
        assert read_bed(write(tmp_path, text, name))["summit"].tolist() == [100, 199, 199, 150]
    wider = text.replace("\n", "\t1\t2\n")
    assert read_bed(write(tmp_path, wider))["summit"].tolist() == [150] * 4
    assert read_bed(write(tmp_path, wider, "a.narrowPeak"))["summit"].tolist() == [100, 199, 199, 150]
    tracked = 'track type="narrowPeak" name=x\n' + wider
    assert read_bed(write(tmp_path, tracked))["summit"].tolist() == [100, 199, 199, 150]
    broad = "chr1\t100\t201\tp\t50\t.\t2.5\t-1\t3\n"
    assert read_bed(write(tmp_path, broad, "a.broadPeak"))["summit"].tolist() == [150]
    other = "chr1\t100\t200\tp\t50\t.\t2.5\t-1\tword\t3\n"
    assert read_bed(write(tmp_path, other))["summit"].tolist() == [150]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no intervals"),
        ("track name=x\n\n#\n", "has no intervals"),
        ("chrom\tstart\tend\nchr1\t0\t1\n", "line 1: 'start' is not a whole number. If the line is the column header"),
        ("#x\nchr1\t0\t1\nchr1\tx7\t9\n", "line 3: 'x7' is not a whole number; column 2 of BED is the start"),
        ("chr1\t0\t1\nchr1\t5\t9.0\n", "line 2: '9.0' is not a whole number; column 3 of BED is the end"),
        ("chr1\t0\t1_0\n", "'1_0' is not a whole number"),
        ("chr1\t0\t\n", "'' is not a whole number"),
        ("chr1\t 5\t9\n", "' 5' is not a whole number"),
        ("chr1\t0\t1\nchr1\t-5\t9\n", "line 2: start -5 is negative"),
        ("chr1\t0\t99999999999999999999\n", "too large"),
        ("chr1\t5\t5\n", "line 1: start 5 is not before end 5"),
        ("\nchr1\t9\t5\n", "line 2: start 9 is not before end 5"),
        ("chr1\t0\t1\r\nchr1\t5\t9\r\n", r"line 1: the line ends as on Windows (\r)"),
        ("chr1\t0\t1\nchr1\t5\t9\r\n", r"line 2: the line ends as on Windows (\r)"),
        ("chr1\t0\n", "line 1: 2 columns where BED has at least 3"),
        ("chr1 0\n", "line 1: 2 columns where BED has at least 3"),
        ("chr1:5-9\n", "line 1: 1 column where BED has at least 3"),
        ("chr1\t0\t1\tx\nchr1\t5\t9\n", "line 2: 3 columns, but the first interval has 4"),
        ("\t0\t1\n", "line 1: the chromosome is empty"),
        ("chr1\t0\t1\tx\t0\t*\n", "strand '*' is none of"),
        ("chr1\t0\t1\tx\t0\t+\nchr1\t0\t1\tx\thigh\t+\n", "line 2: score 'high' is not a number"),
        (PEAK.format(5) + PEAK.format(101), "line 2: summit 101 lies outside the peak 100-200"),
        (PEAK.format(5) + PEAK.format(-2), "line 2: summit '-2' is neither"),
        (PEAK.format(5) + PEAK.format(1.5), "summit '1.5'"),
        ("chr1\t0\t1\nchr1\0\t5\t9\n", "not text"),
    ],
)
def test_errors_name_file_line_value_and_fix(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text, "a.narrowPeak" if "2.5" in text else "peaks.bed")
    with pytest.raises(InputError) as error:
        read_bed(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)


def test_windows_line_ends_name_the_command(tmp_path: Path) -> None:
    path = write(tmp_path, "chr1\t0\t1\r\n")
    with pytest.raises(InputError) as error:
        read_bed(path)
    assert f"`sed -i 's/\\r$//' {path}`" in str(error.value)


def test_bytes_that_are_not_text(tmp_path: Path) -> None:
    path = tmp_path / "peaks.bed"
    path.write_bytes(b"chr1\t0\t1\nchr1\t5\t9\t\xe9\n")
    with pytest.raises(InputError, match="line 2: byte 0xe9 is not text"):
        read_bed(path)
    path.write_text("chr1\t0\t1\n", encoding="utf-16")
    with pytest.raises(InputError, match="not text"):
        read_bed(path)
    with pytest.raises(InputError, match="this is a folder"):
        read_bed(tmp_path)


def by_hand(path: Path) -> list[tuple[str, int, int, int]]:
    """Read a peak file line by line, the slow and obvious way."""
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    found = []
    for line in text.splitlines():
        if line.startswith("track"):
            continue
        columns = line.split("\t")
        start, end = int(columns[1]), int(columns[2])
        summit = (start + end) // 2
        if "narrowPeak" in path.name and int(columns[9]) >= 0:
            summit = min(start + int(columns[9]), end - 1)
        found.append((columns[0], start, end, summit))
    return found


@pytest.mark.parametrize(
    "pattern",
    ["yeast/peaks/A*.bed", "ecoli/peaks/*.bed", "yeast/atac/*.narrowPeak", "yeast/*/*.tsr.bed", "hg19/*.bed.gz"],
)
def test_real_files(real_data: Path, pattern: str) -> None:
    paths = sorted(real_data.glob(pattern), key=lambda path: path.stat().st_size)[:5]
    assert paths
    for path in paths:
        frame = read_bed(path)
        assert list(frame[["chrom", "start", "end", "summit"]].itertuples(index=False, name=None)) == by_hand(path)


def test_real_narrow_peaks(real_data: Path) -> None:
    for name in ("GM12878.GABPA.conservative.train", "HeLa-S3.CTCF.conservative.train", "GM12878.MAX.relaxed"):
        path = real_data / "hg19" / f"{name}.narrowPeak.gz"
        frame = read_bed(path)
        assert list(frame[["chrom", "start", "end", "summit"]].itertuples(index=False, name=None)) == by_hand(path)
