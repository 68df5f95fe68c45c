import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandwise.errors import InputError
from strandwise.genome.bigwig import BigWig, write_bigwig
from strandwise.genome.runs import Runs

SIZE = 4000
Block = tuple[int, int, bytes]


def block(order: str, kind: int, span: tuple[int, int], items: list[tuple], width=0, step=0, **other: int) -> Block:
    """Return a block of any kind and the positions it says it holds (Kent et al. 2010, Supplement)."""
    layout = order + {1: "IIf", 2: "If", 3: "f"}.get(kind, "f")
    count = other.get("count", len(items))
    head = struct.pack(f"{order}IIIIIBBH", other.get("chrom", 0), *span, step, width, kind, 0, count)
    return *span, head + b"".join(struct.pack(layout, *item) for item in items)


def write(path: Path, blocks: list[Block], order: str = "<", packed: bool = True, hole: bytes = b"") -> BigWig:
    """Write a bigWig of one chromosome of `SIZE` bp with these blocks, or what says so."""
    contents = [zlib.compress(content) if packed else content for *_, content in blocks]
    tree, largest = 64 + 40, 1 << 15 if packed else 0
    data = tree + 32 + 4 + 12
    at, items, body = data + 8, b"", b""
    for (start, end, _), content in zip(blocks, contents, strict=True):
        items += struct.pack(f"{order}IIIIQQ", 0, start, 0, end, at + len(body), len(content))
        body += content + hole
    index = at + len(body)
    parts = [
        struct.pack(f"{order}IHHQQQHHQQIQ", 0x888FFC26, 4, 0, tree, data, index, 0, 0, 0, 64, largest, 0),
        struct.pack(f"{order}Qdddd", 1, 0, 1, 1, 1),
        struct.pack(f"{order}IIIIQQBBH4sII", 0x78CA8C91, 1, 4, 8, 1, 0, 1, 0, 1, b"chrI", 0, SIZE),
        struct.pack(f"{order}Q", len(blocks)) + body,
        struct.pack(f"{order}IIQIIIIQII", 0x2468ACE0, 1, len(blocks), 0, 0, 0, SIZE, index, 1, 0),
        struct.pack(f"{order}BBH", 1, 0, len(blocks)) + items,
        struct.pack(f"{order}I", 0x888FFC26),
    ]
    path.write_bytes(b"".join(parts))
    return BigWig(path)


def good(order: str) -> list[Block]:
    """Blocks of each kind, two of one kind side by side, with gaps in them and between."""
    return [
        block(order, 3, (10, 32), [(1.5,), (2.5,), (-1.0,)], width=2, step=10),
        block(order, 1, (40, 70), [(40, 50, 3.0), (55, 70, np.nan)]),
        block(order, 1, (70, 90), [(70, 90, 4.0)]),
        block(order, 2, (100, 1007), [(100, 7.0), (1000, 8.0)], width=7),
        block(order, 3, (1007, 1009), [(0.25,), (0.5,)], width=1, step=1),
        block(order, 3, (1100, 1101), [(9.0,)], width=1, step=1),
    ]


def slowly(blocks: list[Block], order: str, missing: float) -> np.ndarray:
    values = np.full(SIZE, missing, np.float32)
    for *_, content in blocks:
        _, start, _, step, width, kind, _, count = struct.unpack(f"{order}IIIIIBBH", content[:24])
        items = list(struct.iter_unpack(order + {1: "IIf", 2: "If", 3: "f"}[kind], content[24:]))
        assert len(items) == count
        for number, item in enumerate(items):
            first = start + number * step if kind == 3 else item[0]
            values[first : item[1] if kind == 1 else first + width] = missing if np.isnan(item[-1]) else item[-1]
    return values


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("missing", [0.0, np.nan])
def test_blocks_of_every_kind(tmp_path: Path, order: str, packed: bool, missing: float) -> None:
    blocks = good(order)
    file, expected = write(tmp_path / "a.bw", blocks, order, packed), slowly(blocks, order, missing)
    for start, end in [(0, SIZE), (0, 10), (21, 22), (11, 1003), (31, 31), (90, 100), (1008, 1200), (1500, SIZE)]:
        runs = file.runs("chrI", start, end)
        assert runs is not None
        assert np.array_equal(runs.dense(start, end, missing), expected[start:end], equal_nan=True)
        assert np.array_equal(file.values("chrI", start, end, missing), expected[start:end], equal_nan=True)
    whole = file.runs("chrI", 0, SIZE)
    assert whole is not None
    assert (whole.start.dtype, whole.value.dtype, len(whole.start)) == (np.int64, np.float32, 10)


RUNS = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 6), st.floats(-9, 9, width=32)), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RUNS, st.booleans(), st.integers(0, 160), st.integers(0, 160))
def test_runs_are_the_values(tmp_path: Path, made: list, single: bool, start: int, end: int) -> None:
    intervals, position = [], 0
    for gap, length, value in made:
        first, position = position + gap, position + gap + (1 if single else length)
        intervals.append(("chrI", first, position, value))
    write_bigwig(tmp_path / "a.bw", {"chrI": 160}, intervals)
    file = BigWig(tmp_path / "a.bw")
    start, end = sorted((start, end))
    runs = file.runs("chrI", start, end)
    assert runs is not None
    assert (runs.start < runs.end).all()
    assert (runs.start[1:] >= runs.end[:-1]).all()
    assert np.array_equal(runs.dense(start, end, -7.5), file.values("chrI", start, end, -7.5))


def test_stretches_of_one_base_and_none() -> None:
    single = Runs(np.array([5, 6, 9]), np.array([6, 7, 10]), np.array([1, 2, 3], np.float32))
    assert single.dense(5, 11, -1).tolist() == [1, 2, -1, -1, 3, -1]
    nothing = single.within(7, 9)
    assert len(nothing.start) == 0
    assert nothing.dense(7, 9).tolist() == [0, 0]


@pytest.mark.parametrize(
    "odd",
    [
        block("<", 1, (10, 40), [(10, 20, 1.0), (15, 40, 2.0)]),
        block("<", 1, (10, 40), [(30, 40, 1.0), (10, 20, 2.0)]),
        block("<", 1, (10, 40), [(10, 20, 1.0), (20, 41, 2.0)]),
        block("<", 1, (10, 40), [(9, 20, 1.0)]),
        block("<", 1, (10, 40), [(10, 10, 1.0)]),
        block("<", 1, (10, 40), [(10, 40, 1.0)], chrom=3),
        block("<", 1, (10, 40), [(10, 40, 1.0)], count=2),
        block("<", 1, (10, 40), [(10, 40, 1.0)], count=0),
        block("<", 4, (10, 40), [(1.0,)]),
        block("<", 0, (10, 40), []),
        block("<", 3, (10, 40), [(1.0,), (2.0,)], width=5, step=4),
        block("<", 3, (10, 40), [(1.0,), (2.0,)], width=5, step=2**32 - 1),
        block("<", 2, (10, 40), [(2**32 - 1, 1.0)], width=2**32 - 1),
        (10, 40, b"short"),
        (10, 40, b""),
    ],
    ids=lambda odd: odd[2].hex()[-24:] or "empty",
)
def test_what_is_not_as_usual_is_left_to_another_reader(tmp_path: Path, odd: Block) -> None:
    file = write(tmp_path / "a.bw", [odd, block("<", 1, (50, 60), [(50, 60, 1.0)])])
    assert file.runs("chrI", 0, SIZE) is None
    assert file.runs("chrI", 45, SIZE) is not None


def test_a_block_that_inflates_without_end_is_not_followed(tmp_path: Path) -> None:
    import tracemalloc

    bomb = block("<", 1, (10, 40), [(10, 40, 1.0)])
    file = write(tmp_path / "a.bw", [(10, 40, bomb[2] + bytes(1 << 24))])
    tracemalloc.start()
    assert file.runs("chrI", 0, SIZE) is None
    assert tracemalloc.get_traced_memory()[1] < 5 << 20
    tracemalloc.stop()
    with pytest.raises(InputError, match="damaged"):
        file.values("chrI", 0, SIZE)


def test_damaged_blocks_are_seen(tmp_path: Path) -> None:
    file = write(tmp_path / "a.bw", good("<"))
    content = file.path.read_bytes()
    data = struct.unpack("<Q", content[16:24])[0]
    seen = 0
    for place in range(data + 8, struct.unpack("<Q", content[24:32])[0], 3):
        file.path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        runs = file.runs("chrI", 0, SIZE)
        # A bit of a stream's head says nothing of its content.
        assert runs is None or np.array_equal(runs.dense(0, SIZE), slowly(good("<"), "<", 0), equal_nan=True)
        seen += runs is None
    assert seen > 40
    file.path.write_bytes(content[: data + 20])
    assert file.runs("chrI", 0, SIZE) is None


def test_blocks_that_lie_far_apart_or_crowded_are_left(tmp_path: Path) -> None:
    blocks = good("<")
    assert write(tmp_path / "a.bw", blocks, hole=bytes(10)).runs("chrI", 0, SIZE) is not None
    assert write(tmp_path / "a.bw", blocks, hole=bytes(200)).runs("chrI", 0, SIZE) is None
    file = write(tmp_path / "a.bw", blocks, packed=False)
    packed = sum(len(content) for *_, content in blocks)
    assert file.runs("chrI", 0, SIZE, packed) is not None
    assert file.runs("chrI", 0, SIZE, packed - 1) is None
    assert file.runs("chrI", 0, 35, packed - 1) is not None


def test_wrong_intervals_are_named(tmp_path: Path) -> None:
    file = write(tmp_path / "a.bw", good("<"))
    with pytest.raises(InputError, match=r"'chrX' is not in"):
        file.runs("chrX", 0, 1)
    with pytest.raises(InputError, match=rf"chrI:0-{SIZE + 1} is not an interval"):
        file.runs("chrI", 0, SIZE + 1)


def test_real_files(real_data: Path) -> None:
    files = sorted(real_data.glob("*/*/*.bw"))
    assert files
    for file in map(BigWig, files):
        chrom = min(file.sizes, key=file.sizes.__getitem__)
        runs = file.runs(chrom, 0, file.sizes[chrom])
        assert runs is not None
        expected = file.values(chrom, 0, file.sizes[chrom], np.nan)
        assert np.array_equal(runs.dense(0, file.sizes[chrom], np.nan), expected, equal_nan=True)
