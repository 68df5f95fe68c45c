"""The file that holds one decoded track: the values of its chromosomes end to end, and at its end what they are.

A process that is killed leaves no end, and a file without one is not taken for whole. Numbers are little-endian.
"""

import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from strandwise.data.signals.halves import as_float16, rounds
from strandwise.data.signals.sources import Chunk, Source
from strandwise.data.signals.statistics import DIFFERENT, NOTHING, Statistics, together
from strandwise.files import atomic_path, progress

SignalType = Literal["float32", "float16"]

VERSION = 2
_MAGIC = b"strandw1"
_TAIL = 4 + 8 + len(_MAGIC)
_READ = 1 << 24
_TEXT = 1 << 10
_TOGETHER = 16


@dataclass(frozen=True)
class ChromosomeEntry:
    """Where one chromosome lies in an entry.

    Attributes:
        name: as the genome calls it.
        size: in bp.
        measured: whether the file of the track has any value of it.
        offset: place of its first value, counted in values; -1 where it takes no space.
        constant: the value of every position where it takes no space; NaN where the file says nothing.
        gaps: whether any position is NaN.
        checksum: CRC-32 of its values.
        statistics: of what the file says; positions that are NaN do not count.
    """

    name: str
    size: int
    measured: bool
    offset: int
    constant: float
    gaps: bool
    checksum: int
    statistics: Statistics


@dataclass(frozen=True)
class Entry:
    """One decoded track.

    Attributes:
        path: the file.
        dtype: of its values.
        length: how many values it holds.
        chromosomes: in the order of the genome.
        notes: what a person should know.
    """

    path: Path
    dtype: SignalType
    length: int
    chromosomes: tuple[ChromosomeEntry, ...]
    notes: tuple[str, ...]

    def damaged(self) -> list[str]:
        """Return the chromosomes whose values are not those that were written; reads the whole file."""
        itemsize = np.dtype(self.dtype).itemsize
        found = []
        with self.path.open("rb") as stream:
            for part in self.chromosomes:
                if part.offset >= 0:
                    stream.seek(part.offset * itemsize)
                    if _checksum(stream, part.size * itemsize) != part.checksum:
                        found.append(part.name)
        return found


def _checksum(stream: IO[bytes], size: int) -> int:
    crc = 0
    for start in range(0, size, _READ):
        crc = zlib.crc32(stream.read(min(_READ, size - start)), crc)
    return crc


def most_bytes(sizes: Iterable[int], dtype: SignalType) -> int:
    """Return the most that an entry of chromosomes of some sizes can take on disk."""
    return _TEXT + sum(size * np.dtype(dtype).itemsize + 12 * min(size, DIFFERENT) + _TEXT for size in sizes)


def write_entry(path: Path, source: Source, dtype: SignalType) -> None:
    """Decode a track into a file, in one step.

    Args:
        path: the file.
        source: the track.
        dtype: of the values.

    Raises:
        InputError: a value cannot be held, or the signal file is damaged.
        OutputError: the disk is full, or the place cannot be written.
    """
    length, rounded = 0, False
    parts: list[ChromosomeEntry] = []
    # Closed at once where the writing fails, since it reads ahead.
    chunks = source.chunks(*(name for name in source.sizes if name in source.names))
    with closing(chunks), atomic_path(path) as temporary, temporary.open("wb") as stream:
        for name in progress(source.sizes, f"decoding {source.track.name}", len(source.sizes)):
            part, changed = _write_chromosome(stream, source, name, dtype, length, chunks)
            parts.append(part)
            rounded |= changed
            length += part.size if part.offset >= 0 else 0
        notes = (f"track '{source.track.name}': float16 keeps 11 bits of each value",) if rounded else ()
        stream.write(_end(parts, dtype, length, notes))
        source.check_unchanged()


def _write_chromosome(
    stream: IO[bytes], source: Source, name: str, dtype: SignalType, offset: int, chunks: Iterator[Chunk]
) -> tuple[ChromosomeEntry, bool]:
    size = source.sizes[name]
    if name not in source.names:
        return ChromosomeEntry(name, size, False, -1, np.nan, True, 0, NOTHING), False
    statistics: list[Statistics] = []
    checksum, gaps, rounded, begin = 0, False, False, stream.tell()
    for values, known in islice(chunks, source.parts(name)):
        statistics.append(known)
        if len(statistics) == _TOGETHER:
            statistics = [together(statistics)]
        gaps = gaps or known.count < values.size
        held: NDArray[np.floating] = values
        if dtype == "float16":
            halves = as_float16(values, f"{source.file.path}, {name}")
            rounded = rounded or rounds(values, halves)
            held = halves
        content = held.astype(f"<f{held.itemsize}", copy=False).data
        checksum = zlib.crc32(content, checksum)
        stream.write(content)
    whole = together(statistics)
    nothing, constant = not whole.count, whole.low == whole.high and not gaps
    if nothing or constant:
        stream.seek(begin)
        stream.truncate()
        value = np.nan if nothing else float(np.dtype(dtype).type(whole.low))
        return ChromosomeEntry(name, size, True, -1, value, nothing, 0, whole), rounded
    return ChromosomeEntry(name, size, True, offset, np.nan, gaps, checksum, whole), rounded


def _end(parts: list[ChromosomeEntry], dtype: SignalType, length: int, notes: tuple[str, ...]) -> bytes:
    """Return the end of an entry: distributions, then their description, then its checksum, length and a mark."""
    described: dict[str, Any] = {"version": VERSION, "dtype": dtype, "length": length, "notes": notes}
    described["chromosomes"] = []
    values, counts = [], []
    for part in parts:
        statistics = dict(vars(part.statistics))
        values.append(statistics.pop("values"))
        counts.append(statistics.pop("counts"))
        described["chromosomes"].append(vars(part) | {"statistics": statistics, "different": len(values[-1])})
    arrays = np.concatenate(values).astype("<f4").tobytes() + np.concatenate(counts).astype("<i8").tobytes()
    text = json.dumps(described).encode()
    body = arrays + text
    return body + zlib.crc32(body).to_bytes(4, "little") + len(text).to_bytes(8, "little") + _MAGIC


def read_entry(path: Path) -> Entry | None:
    """Return the entry in a file, or nothing if it is not whole."""
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            return _read(path, stream, size)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read(path: Path, stream: IO[bytes], size: int) -> Entry | None:
    stream.seek(max(size - _TAIL, 0))
    tail = stream.read(_TAIL)
    if len(tail) < _TAIL or tail[12:] != _MAGIC:
        return None
    text_bytes = int.from_bytes(tail[4:12], "little")
    if text_bytes > size - _TAIL:
        return None
    stream.seek(size - _TAIL - text_bytes)
    text = stream.read(text_bytes)
    described = json.loads(text)
    different = [part.pop("different") for part in described["chromosomes"]]
    data_bytes = described["length"] * np.dtype(described["dtype"]).itemsize
    if described["version"] != VERSION or data_bytes + 12 * sum(different) + text_bytes + _TAIL != size:
        return None
    stream.seek(data_bytes)
    arrays = stream.read(12 * sum(different))
    if zlib.crc32(text, zlib.crc32(arrays)) != int.from_bytes(tail[:4], "little"):
        return None
    values = np.frombuffer(arrays, "<f4", sum(different))
    counts = np.frombuffer(arrays, "<i8", sum(different), 4 * sum(different))
    parts = tuple(_chromosomes(described["chromosomes"], different, values, counts))
    return Entry(path, described["dtype"], described["length"], parts, tuple(described["notes"]))


def _chromosomes(
    described: list[dict[str, Any]], different: list[int], values: NDArray, counts: NDArray
) -> Iterator[ChromosomeEntry]:
    names = {field.name for field in fields(ChromosomeEntry)} - {"statistics"}
    start = 0
    for numbers, many in zip(described, different, strict=True):
        here = slice(start, start + many)
        statistics = Statistics(**numbers["statistics"], values=values[here], counts=counts[here])
        yield ChromosomeEntry(**{name: numbers[name] for name in names}, statistics=statistics)
        start += many
