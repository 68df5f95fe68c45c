import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from strandwise.errors import InputError
from strandwise.genome.bbi import check_bigwig, is_bigwig
from strandwise.genome.bigwig import BigWig, write_bigwig

INTERVALS = [("chrI", start, start + 2, start / 8) for start in range(0, 9000, 3)] + [("chrII", 100, 400, 0.125)]
MAGIC = 0x888FFC26


def swapped(order: str = ">") -> bytes:
    """Return a bigWig of one block and no zooms in either byte order (Kent et al. 2010, Supplement)."""
    values = [(3, 5, 1.5), (7, 8, -2.0)]
    block = struct.pack(f"{order}IIIIIBBH", 0, 3, 8, 0, 0, 1, 0, len(values))
    block = zlib.compress(block + b"".join(struct.pack(f"{order}IIf", *value) for value in values))
    summary = 64
    tree = summary + 40
    data = tree + 32 + 4 + 12
    index = data + 8 + len(block)
    level = index + 48 + 4 + 32
    parts = [
        struct.pack(f"{order}IHHQQQHHQQIQ", MAGIC, 4, 0, tree, data, index, 0, 0, 0, summary, 4096, 0),
        struct.pack(f"{order}Qdddd", 3, -2.0, 1.5, 1.0, 8.5),
        struct.pack(f"{order}IIIIQQ", 0x78CA8C91, 1, 4, 8, 1, 0),
        struct.pack(f"{order}BBH4sII", 1, 0, 1, b"chrI", 0, 10),
        struct.pack(f"{order}Q", 1) + block,
        struct.pack(f"{order}IIQIIIIQII", 0x2468ACE0, 1, 1, 0, 3, 0, 8, index, 1, 0),
        struct.pack(f"{order}BBHIIIIQQ", 1, 0, 1, 0, 3, 0, 8, data + 8, len(block)),
        struct.pack(f"{order}I", MAGIC),
    ]
    content = b"".join(parts)
    assert len(content) == level + 4
    return content


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "signal.bw"
    write_bigwig(path, {"chrI": 9000, "chrII": 500}, INTERVALS)
    return path


def change(path: Path, offset: int, layout: str, number: int) -> None:
    content = bytearray(path.read_bytes())
    struct.pack_into(layout, content, offset, number)
    path.write_bytes(content)


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_are_read(tmp_path: Path, order: str) -> None:
    path = tmp_path / "a.bw"
    path.write_bytes(swapped(order))
    check_bigwig(path)
    file = BigWig(path)
    assert file.sizes == {"chrI": 10}
    assert file.values("chrI", 0, 10).tolist() == [0, 0, 0, 1.5, 1.5, 0, 0, -2, 0, 0]


def test_bytes_that_say_bigwig() -> None:
    assert is_bigwig(struct.pack("<I", MAGIC))
    assert is_bigwig(struct.pack(">I", MAGIC) + b"more")
    assert not any(is_bigwig(start) for start in (b"", b"\x26\xfc\x8f", b"chrI\t0", b"\xeb\xf2\x89\x87"))


def test_a_file_that_was_cut_is_refused_unless_only_zooms_are_missing(path: Path, tmp_path: Path) -> None:
    whole, expected = path.read_bytes(), BigWig(path).values("chrI", 0, 9000)
    zooms = struct.unpack_from("<H", whole, 6)[0]
    last_table = max(struct.unpack_from("<IIQQ", whole, 64 + 24 * level)[3] for level in range(zooms))
    cut = tmp_path / "cut.bw"
    for size in [0, 1, 3, 4, 8, 60, 63, *range(64, last_table, 251), last_table]:
        cut.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"cut.bw: the .*cut off"):
            check_bigwig(cut)
    for size in (last_table + 1, len(whole) - 4, len(whole) - 1):
        cut.write_bytes(whole[:size])
        assert np.array_equal(BigWig(cut).values("chrI", 0, 9000), expected)


def test_other_files_are_named_by_how_they_begin(tmp_path: Path) -> None:
    path = tmp_path / "a.bw"
    for content in (b"chrI\t0\t10\t1.5\n" * 20, b"\xeb\xf2\x89\x87" * 20):
        path.write_bytes(content)
        with pytest.raises(InputError) as error:
            check_bigwig(path)
        assert str(error.value) == f"{path}: this is not a bigWig file; it begins with {content[:4]!r}."


def test_every_table_is_checked(path: Path) -> None:
    whole = path.read_bytes()
    tree, data, index = struct.unpack("<QQQ", whole[8:32])
    first_leaf = index + 48
    leaf = whole[first_leaf] == 1
    assert leaf, "this file's index has one node, whose items begin behind its first 4 bytes"
    item = first_leaf + 4
    for offset, layout, number in (
        (6, "<H", 60_000),  # levels of zoom
        (8, "<Q", len(whole) + 5),
        (16, "<Q", 0),
        (24, "<Q", 1 << 62),
        (44, "<Q", len(whole)),
        (52, "<I", 1 << 31),  # size of the largest block
        (tree, "<I", 7),
        (tree + 8, "<I", 0),  # bytes of a name
        (tree + 12, "<I", 9),
        (tree + 16, "<Q", 1 << 60),  # chromosomes
        (tree + 16, "<Q", 3),
        (tree + 32, "<B", 2),  # leaf or not
        (tree + 34, "<H", 1),
        (tree + 36, "<B", 0),  # the first name
        (index, "<I", 7),
        (index + 8, "<Q", 1 << 60),  # blocks
        (index + 8, "<Q", 1),
        (first_leaf, "<B", 0),
        (item, "<I", 9),  # chromosome of the first block
        (item + 4, "<I", 8999),  # its start
        (item + 12, "<I", 0),  # its end
        (item + 12, "<I", 9001),
        (item + 16, "<Q", data - 1),  # its place
        (item + 16, "<Q", len(whole)),
        (item + 24, "<Q", 0),  # its bytes
        (item + 24, "<Q", 1 << 63),
    ):
        path.write_bytes(whole)
        change(path, offset, layout, number)
        with pytest.raises(InputError, match=r"signal.bw: the bigWig file is damaged or cut off"):
            check_bigwig(path)
    path.write_bytes(whole)
    check_bigwig(path)


def test_an_index_of_many_nodes(tmp_path: Path) -> None:
    path = tmp_path / "a.bw"
    starts = np.arange(0, 560_000, 2)
    write_bigwig(path, {"chrI": 560_000}, (("chrI", s, s + 1, 1.0) for s in starts.tolist()))
    whole = path.read_bytes()
    (index,) = struct.unpack("<Q", whole[24:32])
    root = index + 48
    assert whole[root] == 0, "the root has nodes below it"
    for offset, layout, number in (
        (root + 4 + 16, "<Q", root),  # a node that leads to itself
        (root + 4 + 12, "<I", 5),  # a node that ends behind what its parent says
        (root + 2, "<H", 0),
    ):
        path.write_bytes(whole)
        change(path, offset, layout, number)
        with pytest.raises(InputError, match="damaged"):
            check_bigwig(path)


def test_real_files(real_data: Path) -> None:
    files = [*real_data.glob("*/*/*.bw"), *real_data.glob("*/*.bw"), *real_data.rglob("*.bigWig")]
    assert files
    for file in files:
        check_bigwig(file)
