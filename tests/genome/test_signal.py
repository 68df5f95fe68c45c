import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from strandwise.errors import InputError
from strandwise.genome.bedgraph import BedGraph
from strandwise.genome.bigwig import BigWig, write_bigwig
from strandwise.genome.signal import open_signal

LINES = "chrI\t3\t5\t1.5\nchrI\t7\t8\t-2\n"


@pytest.fixture
def bigwig(tmp_path: Path) -> Path:
    write_bigwig(tmp_path / "signal.bw", {"chrI": 10}, [("chrI", 3, 5, 1.5), ("chrI", 7, 8, -2.0)])
    return tmp_path / "signal.bw"


def test_what_the_file_holds_decides(tmp_path: Path, bigwig: Path, write_bgzip: Callable[..., Path]) -> None:
    plain, packed = tmp_path / "plain.bw", tmp_path / "packed.bigWig"
    plain.write_text(LINES)
    packed.write_bytes(gzip.compress(LINES.encode()))
    for path, kind in ((bigwig, BigWig), (plain, BedGraph), (packed, BedGraph), (write_bgzip(LINES), BedGraph)):
        file = open_signal(str(path))
        assert isinstance(file, kind)
        assert file.path == path
        assert file.values("chrI", 0, 8, missing=-1).tolist() == [-1, -1, -1, 1.5, 1.5, -1, -1, -2]


@pytest.mark.parametrize("order", ["<", ">"])
def test_bigbed_holds_no_signal(tmp_path: Path, order: str) -> None:
    path = tmp_path / "peaks.bw"
    path.write_bytes(struct.pack(f"{order}I", 0x8789F2EB) + bytes(100))
    with pytest.raises(InputError, match=r"peaks.bw: this is bigBed, which holds no signal"):
        open_signal(path)


def test_what_is_no_signal_is_refused(tmp_path: Path, bigwig: Path) -> None:
    path = tmp_path / "a.bw"
    for content, words in (
        (b"", "the file is empty; a bigWig or a bedGraph file is expected"),
        (b"\x26\xfc\x8f", "line 1: "),
        (bigwig.read_bytes()[:-1], "the bigWig file is damaged or cut off"),
        (bigwig.read_bytes()[:40], "the bigWig file is damaged or cut off"),
        (b">chrI\nACGT\n", "line 1: 1 column where bedGraph has 4"),
        (b"fixedStep chrom=chrI start=1\n1.5\n", "this is wig, not bedGraph; .*wigToBigWig"),
        (bytes(100), "line 1: this is not text"),
        (gzip.compress(bigwig.read_bytes()), "line 1: this is not text"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=words) as error:
            open_signal(path)
        assert str(path) in str(error.value)
    with pytest.raises(InputError, match="no such file"):
        open_signal(tmp_path / "none.bw")
    with pytest.raises(InputError, match="this is a folder"):
        open_signal(tmp_path)
