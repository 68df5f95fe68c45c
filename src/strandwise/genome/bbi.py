"""The frame of a bigWig file: its header and its two trees, checked before a reader follows them.

Readers trust what a header or a tree says, and a damaged one makes them end the process, or pass over
data without a word. The format is that of Kent et al. 2010 (Supplement).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from strandwise.errors import InputError

MAGIC = 0x888FFC26
_TREE_MAGIC = 0x78CA8C91
_INDEX_MAGIC = 0x2468ACE0
_HEADER = "HHQQQHHQQI"
_ZOOM = "IIQQ"
_LARGEST_BLOCK = 1 << 26
_SPAN = [("chrom", "u4"), ("start", "u4"), ("end_chrom", "u4"), ("end", "u4"), ("offset", "u8")]


class _DamagedError(Exception):
    """Something in the frame cannot be as it is."""


@dataclass
class _Frame:
    """An open file, and how to read numbers from it."""

    stream: BinaryIO
    size: int
    order: str

    def read(self, offset: int, count: int) -> bytes:
        if count < 0 or offset + count > self.size:
            raise _DamagedError
        self.stream.seek(offset)
        return self.stream.read(count)

    def numbers(self, layout: str, offset: int) -> tuple[int, ...]:
        layout = self.order + layout
        return struct.unpack(layout, self.read(offset, struct.calcsize(layout)))

    def table(self, columns: list[tuple[str, str]], offset: int, rows: int) -> NDArray[np.void]:
        dtype = np.dtype([(name, self.order + kind if kind[0] == "u" else kind) for name, kind in columns])
        return np.frombuffer(self.read(offset, rows * dtype.itemsize), dtype)


@dataclass(frozen=True)
class Layout:
    """Where the data of a bigWig lie.

    Attributes:
        order: of bytes, as `struct` writes it.
        most: bytes that a block takes at most once it is inflated; 0 where blocks are not compressed.
        chromosomes: their numbers in the file.
        blocks: "chrom", "start", "end", "offset" and "bytes" of each data block, in the order of the genome.
    """

    order: str
    most: int
    chromosomes: dict[str, int]
    blocks: NDArray[np.void]

    @property
    def silent(self) -> frozenset[str]:
        """The chromosomes of which no block holds a value."""
        begun = np.zeros(len(self.chromosomes) + 1, dtype=np.int64)
        np.add.at(begun, self.blocks["chrom"], 1)
        np.subtract.at(begun, self.blocks["end_chrom"] + 1, 1)
        covered = np.cumsum(begun) > 0
        return frozenset(name for name, number in self.chromosomes.items() if not covered[number])


def damaged(path: Path) -> InputError:
    """Return the error of a bigWig that is not as it should be."""
    return InputError(f"{path}: the bigWig file is damaged or cut off. Copy it again, or make it anew.")


def is_bigwig(start: bytes) -> bool:
    """Return whether a file that begins with these bytes says that it is a bigWig."""
    return _order(start) is not None


def check_bigwig(path: Path) -> Layout:
    """Refuse what is not a whole bigWig, before a reader meets it, and return where its data lie.

    Data blocks carry checksums of their own and are not looked at; nor is what lies in the zoom levels, so
    that a file which lost the end of its last one is taken.

    Raises:
        InputError: the file is no bigWig, cut off, or its header or one of its trees is damaged.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(64)
        if len(start) < 4:
            raise InputError(f"{path}: the file is empty or cut off; a bigWig file is expected.")
        order = _order(start)
        if order is None:
            raise InputError(f"{path}: this is not a bigWig file; it begins with {start[:4]!r}.")
        try:
            return _check(_Frame(stream, size, order))
        except _DamagedError:
            raise damaged(path) from None


def _order(start: bytes) -> str | None:
    return next((o for o in "<>" if len(start) >= 4 and struct.unpack(f"{o}I", start[:4])[0] == MAGIC), None)


def _require(holds: object) -> None:
    if not holds:
        raise _DamagedError


def _check(frame: _Frame) -> Layout:
    # The file begins and ends with the same four bytes; some writers leave out the last, and then at
    # least the tables that the header names must be inside.
    whole = frame.numbers("I", frame.size - 4)[0] == MAGIC
    _, zooms, tree, data, index, *_, summary, largest = frame.numbers(_HEADER, 4)
    places = [tree, data, index, summary]
    for level in range(zooms):
        places += frame.numbers(_ZOOM, 64 + 24 * level)[2:]
    _require(max(places) < frame.size and min(tree, data, index) > 0 and (whole or zooms))
    _require(largest <= _LARGEST_BLOCK)
    names, sizes = _chromosomes(frame, tree)
    blocks = _read_index(frame, index, data, sizes)
    return Layout(frame.order, largest, {name: number for number, name in enumerate(names)}, blocks)


def _chromosomes(frame: _Frame, offset: int) -> tuple[list[str], NDArray[np.uint32]]:
    """Return the names and sizes of the chromosomes, by their number in the file."""
    magic, _, key, value, count, _ = frame.numbers("IIIIQQ", offset)
    # Eight bytes is the least that a chromosome takes up.
    _require(magic == _TREE_MAGIC and value == 8 and 0 < key < 65536 and 0 < 8 * count < frame.size)
    found: list[NDArray[np.void]] = []
    left = count
    for is_leaf, at, rows in _nodes(frame, offset + 32, key + 8):
        if is_leaf:
            found.append(frame.table([("name", f"S{key}"), ("id", "u4"), ("size", "u4")], at, rows))
            left -= rows
            _require(left >= 0)
    _require(left == 0)
    entries = np.concatenate(found)
    names = [name.decode("utf-8", "replace") for name in entries["name"].tolist()]
    _require(all(name and name.isprintable() for name in names) and len(set(names)) == count)
    order = np.argsort(entries["id"])
    _require(np.array_equal(entries["id"][order], np.arange(count)) and entries["size"].min() > 0)
    return [names[number] for number in order.tolist()], entries["size"][order].astype(np.uint32)


def _nodes(frame: _Frame, root: int, inner_bytes: int) -> Iterator[tuple[bool, int, int]]:
    """Yield whether a node is a leaf, where its items lie and how many there are, from the first to the last.

    Args:
        frame: the file.
        root: where the first node lies.
        inner_bytes: size of an inner node's item, whose last eight bytes say where its child lies.
    """
    waiting, seen = [root], {root}
    while waiting:
        offset = waiting.pop()
        is_leaf, _, rows = frame.numbers("BBH", offset)
        _require(is_leaf in (0, 1))
        yield bool(is_leaf), offset + 4, rows
        if not is_leaf:
            _require(rows > 0)
            items = frame.table([("skipped", f"V{inner_bytes - 8}"), ("child", "u8")], offset + 4, rows)
            children = items["child"].tolist()
            _require(seen.isdisjoint(children) and len(set(children)) == rows)
            seen.update(children)
            waiting += reversed(children)


def _read_index(frame: _Frame, offset: int, data: int, sizes: NDArray[np.uint32]) -> NDArray[np.void]:
    """Return the index of the data blocks, and refuse one that would lead a reader astray."""
    magic, _, count = frame.numbers("IIQ", offset)
    _require(magic == _INDEX_MAGIC and 32 * count < frame.size)
    leaves: list[NDArray[np.void]] = []
    left = count
    spans: dict[int, tuple[tuple[int, int], tuple[int, int]]] = {}
    for is_leaf, at, rows in _nodes(frame, offset + 48, 24):
        items = frame.table([*_SPAN, ("bytes", "u8")] if is_leaf else _SPAN, at, rows)
        span = spans.pop(at - 4, None)
        if span is not None and rows:
            # A reader does not go down to a node whose parent says that it lies elsewhere.
            first, last = (items[i].tolist() for i in (0, -1))
            _require(span[0] <= (first[0], first[1]) and (last[2], last[3]) <= span[1])
        if is_leaf:
            leaves.append(items)
            left -= rows
            _require(left >= 0)
        else:
            for chrom, start, end_chrom, end, child in items.tolist():
                spans[child] = ((chrom, start), (end_chrom, end))
    _require(left == 0)
    blocks = np.concatenate(leaves) if leaves else frame.table([*_SPAN, ("bytes", "u8")], offset, 0)
    if count:
        _check_blocks(blocks, data, frame.size, sizes)
    return blocks


def _check_blocks(blocks: NDArray[np.void], data: int, file_size: int, sizes: NDArray[np.uint32]) -> None:
    """Refuse data blocks outside the file or their chromosome, or out of order."""
    chrom, end_chrom = (blocks[name].astype(np.int64) for name in ("chrom", "end_chrom"))
    start, end = (blocks[name].astype(np.int64) for name in ("start", "end"))
    _require((chrom == end_chrom).all() and chrom.max() < len(sizes))
    _require((start < end).all() and (end <= sizes[chrom]).all())
    same = chrom[1:] == chrom[:-1]
    _require((chrom[1:] >= chrom[:-1]).all() and (start[1:] >= end[:-1])[same].all())
    offset, size = blocks["offset"], blocks["bytes"]
    _require((offset >= data).all() and (size > 0).all() and (size <= file_size).all())
    _require((offset <= file_size - size).all())
