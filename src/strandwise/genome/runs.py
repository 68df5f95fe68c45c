"""Stretches of one value along a chromosome, as bigWig blocks hold them: many blocks at once.

A block is compressed by itself: a head that says of what kind it is, and items (Kent et al. 2010, Supplement). What is
not plainly as the format says is left to a reader that judges it.
"""

import os
import zlib
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strandwise.genome.bbi import Layout

Positions = NDArray[np.int64]

_HEAD = [("chrom", "u4"), ("start", "u4"), ("end", "u4"), ("step", "u4"), ("span", "u4"), ("kind", "u1")]
_HEAD += [("reserved", "u1"), ("items", "u2")]
_HEAD_BYTES, _MOST_ITEMS = 24, 65535
_BEDGRAPH, _VARIABLE_STEP, _FIXED_STEP = 1, 2, 3
_ITEMS = {
    _BEDGRAPH: [("start", "u4"), ("end", "u4"), ("value", "f4")],
    _VARIABLE_STEP: [("start", "u4"), ("value", "f4")],
    _FIXED_STEP: [("value", "f4")],
}
_ITEM_BYTES = np.array([0, 12, 8, 4])


class Runs(NamedTuple):
    """Stretches of one value each, from left to right, none over another.

    Attributes:
        start: first positions; ``(n,)``.
        end: one past the last positions; ``(n,)``.
        value: ``(n,)`` float32.
    """

    start: Positions
    end: Positions
    value: NDArray[np.float32]

    def within(self, start: int, end: int) -> "Runs":
        """Return what lies in an interval, cut to it."""
        here = slice(np.searchsorted(self.end, start, "right"), np.searchsorted(self.start, end, "left"))
        return Runs(self.start[here].clip(min=start), self.end[here].clip(max=end), self.value[here])

    def dense(self, start: int, end: int, missing: float = 0.0) -> NDArray[np.float32]:
        """Return a value for each position of an interval that holds all of the stretches.

        Args:
            start: its first position.
            end: one past its last position.
            missing: the value between stretches.
        """
        if (self.end - self.start == 1).all():
            found = np.full(end - start, missing, dtype=np.float32)
            found[self.start - start] = self.value
            return found
        edges = np.empty(2 * len(self.start) + 2, dtype=np.int64)
        edges[0], edges[1:-1:2], edges[2:-1:2], edges[-1] = start, self.start, self.end, end
        values = np.full(len(edges) - 1, missing, dtype=np.float32)
        values[1::2] = self.value
        return np.repeat(values, np.diff(edges))


class _UnusualError(Exception):
    """A block is damaged, or not as files of this format usually are."""


def read_runs(
    path: Path, layout: Layout, chrom: str, start: int, end: int, most_bytes: int | None = None
) -> Runs | None:
    """Return the stretches of an interval of a chromosome, or nothing where a block is damaged or unusual.

    Args:
        path: the bigWig.
        layout: where its data lie.
        chrom: a chromosome.
        start: first position.
        end: one past the last position.
        most_bytes: to give up, and return nothing, where the blocks take more than these in the file.
    """
    number = layout.chromosomes.get(chrom, -1)
    first, last = np.searchsorted(layout.blocks["chrom"], [number, number + 1])
    blocks = layout.blocks[first:last]
    blocks = blocks[np.searchsorted(blocks["end"], start, "right") : np.searchsorted(blocks["start"], end, "left")]
    if not len(blocks):
        return Runs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    if most_bytes is not None and blocks["bytes"].sum() > most_bytes:
        return None
    try:
        return _decoded(_inflated(path, layout, blocks), layout.order, blocks).within(start, end)
    except (_UnusualError, OSError, zlib.error):
        return None


def _require(holds: object) -> None:
    if not holds:
        raise _UnusualError


def _inflated(path: Path, layout: Layout, blocks: NDArray[np.void]) -> list[bytes]:
    """Return the bytes of blocks that lie one after the other, in memory that their number bounds."""
    offset, size = blocks["offset"].astype(np.int64), blocks["bytes"].astype(np.int64)
    ends = offset + size
    _require((offset[1:] >= ends[:-1]).all())
    # A hole between blocks, as of another chromosome's, would be read for nothing.
    _require(ends[-1] - offset[0] <= 2 * size.sum())
    with path.open("rb") as stream:
        packed = os.pread(stream.fileno(), int(ends[-1] - offset[0]), int(offset[0]))
    _require(len(packed) == ends[-1] - offset[0])
    view, begin = memoryview(packed), int(offset[0])
    # What a file says of its blocks' sizes is not believed: a block has no more items than positions.
    items = np.minimum(blocks["end"].astype(np.int64) - blocks["start"], _MOST_ITEMS)
    most = (_HEAD_BYTES + _ITEM_BYTES.max() * items).tolist()
    pieces = [view[at - begin : to - begin] for at, to in zip(offset.tolist(), ends.tolist(), strict=True)]
    if not layout.most:
        return [bytes(piece) for piece in pieces]
    return [_inflate(piece, bound) for piece, bound in zip(pieces, most, strict=True)]


def _inflate(packed: memoryview, most: int) -> bytes:
    stream = zlib.decompressobj()
    # One more, so that what is just as long as it may be reaches its checksum.
    content = stream.decompress(packed, most + 1)
    _require(stream.eof and len(content) <= most)
    return content


def _decoded(contents: list[bytes], order: str, blocks: NDArray[np.void]) -> Runs:
    lengths = np.array([len(content) for content in contents])
    _require((lengths >= _HEAD_BYTES).all())
    heads = np.frombuffer(b"".join([content[:_HEAD_BYTES] for content in contents]), _dtype(_HEAD, order))
    kind, items = heads["kind"], heads["items"].astype(np.int64)
    _require((heads["chrom"] == blocks["chrom"]).all() and np.isin(kind, list(_ITEMS)).all() and (items > 0).all())
    _require((_HEAD_BYTES + items * _ITEM_BYTES[kind] == lengths).all())
    parts: list[Runs] = []
    for one, group in groupby(range(len(contents)), kind.tolist().__getitem__):
        here = list(group)
        joined = b"".join([memoryview(contents[block])[_HEAD_BYTES:] for block in here])
        parts.append(_runs(np.frombuffer(joined, _dtype(_ITEMS[one], order)), heads[here[0] : here[-1] + 1], one))
    runs = parts[0] if len(parts) == 1 else Runs(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    last = np.cumsum(items) - 1
    _require((runs.start < runs.end).all() and (runs.start[1:] >= runs.end[:-1]).all())
    _require((runs.start[last - items + 1] >= blocks["start"]).all() and (runs.end[last] <= blocks["end"]).all())
    # A stretch that is not a number is one the file says nothing about.
    known = ~np.isnan(runs.value)
    return runs if known.all() else Runs(runs.start[known], runs.end[known], runs.value[known])


def _runs(table: NDArray[np.void], heads: NDArray[np.void], kind: int) -> Runs:
    """Return the runs of blocks of one kind.

    Args:
        table: their items.
        heads: of the blocks.
        kind: one of `_ITEMS`.
    """
    value = table["value"].astype(np.float32)
    if kind == _BEDGRAPH:
        return Runs(table["start"].astype(np.int64), table["end"].astype(np.int64), value)
    items = heads["items"]
    if kind == _VARIABLE_STEP:
        start = table["start"].astype(np.int64)
    else:
        begin, step = (heads[name].astype(np.int64).repeat(items) for name in ("start", "step"))
        first = np.cumsum(items, dtype=np.int64) - items
        start = begin + step * (np.arange(len(value)) - first.repeat(items))
    return Runs(start, start + heads["span"].astype(np.int64).repeat(items), value)


def _dtype(columns: list[tuple[str, str]], order: str) -> np.dtype[np.void]:
    return np.dtype([(name, order + kind) for name, kind in columns])
