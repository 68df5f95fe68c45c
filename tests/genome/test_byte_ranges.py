import random
import struct
from collections.abc import Callable
from pathlib import Path

import pysam
import pytest

from strandwise.errors import InputError
from strandwise.genome.byte_ranges import BgzipBytes, PlainBytes, gzi_path, open_bytes

TEXT = "".join(f"line {i}\n" for i in range(400))


@pytest.fixture
def bgzip(tmp_path: Path, write_bgzip: Callable[..., Path]) -> Path:
    """A bgzip file of many blocks, with the index that htslib makes of it."""
    path = write_bgzip(">s\n" + "ACGTGTCATG\n" * 300, name="g.fa.gz")
    pysam.faidx(str(path))
    return path


def test_any_range_equals_that_of_the_whole(tmp_path: Path, bgzip: Path) -> None:
    (tmp_path / "plain").write_text(TEXT)
    whole = {tmp_path / "plain": TEXT.encode(), bgzip: b">s\n" + b"ACGTGTCATG\n" * 300}
    rng = random.Random(0)  # noqa: S311
    for path, content in whole.items():
        file = open_bytes(path, "file")
        assert isinstance(file, BgzipBytes if path == bgzip else PlainBytes)
        assert file.read(0, 1 << 60) == content
        for _ in range(200):
            offset, size = rng.randrange(len(content) + 300), rng.choice([0, 1, rng.randrange(1000)])
            assert file.read(offset, size) == content[offset : offset + size], (offset, size)


def test_a_damaged_block_is_refused_only_where_it_is_read(bgzip: Path) -> None:
    content = bytearray(bgzip.read_bytes())
    _, start, _ = struct.unpack("<3Q", gzi_path(bgzip).read_bytes()[80:104])
    content[start + 20] ^= 1
    bgzip.write_bytes(content)
    file = open_bytes(bgzip, "file")
    assert file.read(0, 100) == (b">s\n" + b"ACGTGTCATG\n" * 10)[:100]
    with pytest.raises(InputError, match=r"g.fa.gz: the compressed file or its index g.fa.gz.gzi is damaged"):
        file.read(0, 4000)


def test_an_index_that_would_shift_what_is_read_is_refused(bgzip: Path) -> None:
    index = gzi_path(bgzip)
    numbers = list(struct.unpack(f"<{index.stat().st_size // 8}Q", index.read_bytes()))
    numbers[10] += 1
    index.write_bytes(struct.pack(f"<{len(numbers)}Q", *numbers))
    with pytest.raises(InputError, match=r"its block index g.fa.gz.gzi is not of this file"):
        open_bytes(bgzip, "file").read(0, 4000)


def test_what_is_no_index_is_refused(bgzip: Path) -> None:
    index = gzi_path(bgzip)
    whole = index.read_bytes()
    count = len(whole) // 16
    last = struct.pack("<Q", bgzip.stat().st_size + 1)
    for content, words in (
        (b"", "no block index"),
        (whole[:-1], "no block index"),
        (whole[:-16], "no block index"),
        (struct.pack("<Q", count + 1) + whole[8:], "no block index"),
        (whole[:8] + b"\xff" * 8 + whole[16:], "no block index"),
        (whole[:8] + struct.pack("<Q", 1 << 40) + whole[16:], "damaged or of another file"),
        (whole[:16] + struct.pack("<Q", 1 << 17) + whole[24:], "damaged or of another file"),
        (whole[:-16] + last + whole[-8:], "damaged or of another file"),
    ):
        index.write_bytes(content)
        with pytest.raises(InputError, match=words):
            open_bytes(bgzip, "file")
    index.unlink()
    with pytest.raises(InputError, match=r"g.fa.gz.gzi: the block index cannot be read \(No such file"):
        open_bytes(bgzip, "file")
    with pytest.raises(InputError, match="no such file"):
        open_bytes(bgzip.with_name("none"), "file")
