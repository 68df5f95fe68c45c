"""Genomes in UCSC's 2bit format, four bases to a byte, read straight into codes.

The format is described at https://genome.ucsc.edu/FAQ/FAQformat.html#format7. It is read here and not with
py2bit, which refuses files of the other byte order, reads T where a file was cut off, and ends the process on a
damaged table of N; letters, which it returns, would have to be turned into codes besides.
"""

import os
import struct
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from strandwise.errors import InputError
from strandwise.files import existing_file
from strandwise.genome.byte_ranges import PlainBytes
from strandwise.genome.handles import OwnHandle
from strandwise.sequence import Codes, N

_MAGIC = 0x1A412743
# A byte holds four bases from its highest bits on; T, C, A, G are 0, 1, 2, 3 in the file.
_BASES = np.array([3, 1, 0, 2], dtype=np.uint8)[np.arange(256)[:, None] >> np.array([6, 4, 2, 0]) & 3]
_FOUR_CODES = np.ascontiguousarray(_BASES).view(np.uint32)[:, 0]


@dataclass(frozen=True)
class _Record:
    """Where one sequence lies in a 2bit file.

    Attributes:
        size: its length in bp.
        offset: the place of its first packed byte.
        n_start: ``(blocks,)`` first positions of its stretches of N.
        n_end: ``(blocks,)`` the positions behind them.
    """

    size: int
    offset: int
    n_start: NDArray[np.int64]
    n_end: NDArray[np.int64]


def is_twobit(path: Path) -> bool:
    """Return whether a file is 2bit, whatever its name says."""
    with path.open("rb") as stream:
        return _order(stream.read(4)) is not None


def _order(start: bytes) -> str | None:
    return next((o for o in "<>" if len(start) == 4 and struct.unpack(f"{o}I", start)[0] == _MAGIC), None)


class TwoBitFile:
    """Read stretches of a genome from one 2bit file.

    Lower case, which marks repeats, is passed over. The tables are checked and the sequences must fill the
    file, so that one which is cut off is refused; bases carry no checksum. Each process and thread opens it for
    itself.

    Attributes:
        path: the file.
        sizes: sequences and their sizes in bp, in file order.

    Raises:
        InputError: the file is no 2bit, cut off or damaged, or has an empty sequence.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = existing_file(path, "genome 2bit")
        self._bytes = self.path.stat().st_size
        self._records = _read_records(self.path, self._bytes)
        self.sizes: dict[str, int] = {name: record.size for name, record in self._records.items()}
        self._file = OwnHandle(partial(_open, self.path, self._bytes))

    def read(self, chrom: str, start: int, end: int) -> Codes:
        """Return the codes ``(end - start,)`` of an interval that lies within its sequence.

        Raises:
            InputError: the size of the file has changed since it was opened.
        """
        record = self._records[chrom]
        first, last = start // 4, (end + 3) // 4
        packed = np.frombuffer(self._file.get().read(record.offset + first, last - first), dtype=np.uint8)
        if len(packed) != last - first:
            raise _changed(self.path)
        codes = _FOUR_CODES[packed].view(np.uint8)[start - 4 * first : end - 4 * first]
        blocks = slice(
            int(np.searchsorted(record.n_end, start, side="right")), int(np.searchsorted(record.n_start, end))
        )
        for n_start, n_end in zip(record.n_start[blocks].tolist(), record.n_end[blocks].tolist(), strict=True):
            codes[max(n_start - start, 0) : n_end - start] = N
        return codes


def _changed(path: Path) -> InputError:
    return InputError(f"{path}: the 2bit file has changed since it was opened. Start again.")


def _open(path: Path, size: int) -> PlainBytes:
    file = PlainBytes(path, "genome 2bit")
    if file.size != size:
        raise _changed(path)
    return file


class _Reader:
    """Reads numbers of a 2bit file in turn, and refuses to read past its end."""

    def __init__(self, path: Path, stream: BinaryIO, size: int) -> None:
        self.path, self.stream, self.size = path, stream, size
        start = stream.read(4)
        order = _order(start)
        if order is None:
            raise InputError(f"{path}: this is not a 2bit file; it begins with {start!r}.")
        self.order = order

    def bytes(self, count: int) -> bytes:
        data = self.stream.read(count) if count <= self.size else b""
        if len(data) < count:
            raise self.damaged("it ends too early")
        return data

    def numbers(self, count: int, kind: str = "u4") -> list[int]:
        dtype = np.dtype(f"{self.order}{kind}")
        return np.frombuffer(self.bytes(count * dtype.itemsize), dtype).tolist()

    def blocks(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where each of a list of stretches starts and ends."""
        (count,) = self.numbers(1)
        start = np.array(self.numbers(count), dtype=np.int64)
        return start, start + np.array(self.numbers(count), dtype=np.int64)

    def skip_blocks(self) -> None:
        (count,) = self.numbers(1)
        self.stream.seek(8 * count, os.SEEK_CUR)

    def damaged(self, why: str) -> InputError:
        return InputError(f"{self.path}: the 2bit file is damaged or cut off: {why}. Copy it again, or make it anew.")


def _read_records(path: Path, size: int) -> dict[str, _Record]:
    """Return the sequences of a 2bit file by name, after checking that they fill it without a gap."""
    with path.open("rb") as stream:
        reader = _Reader(path, stream, size)
        offsets = _read_index(reader)
        expected = stream.tell()
        records: dict[str, _Record] = {}
        for name, offset in sorted(offsets.items(), key=lambda item: item[1]):
            if offset != expected:
                raise reader.damaged(f"'{name}' does not begin where the sequence before it ends")
            stream.seek(offset)
            records[name] = _read_record(reader, name)
            expected = records[name].offset + (records[name].size + 3) // 4
        if expected != size:
            raise reader.damaged(f"its sequences end at byte {expected:,}, and the file at {size:,}")
    return {name: records[name] for name in offsets}


def _read_index(reader: _Reader) -> dict[str, int]:
    """Return the place of each sequence's record, in file order."""
    version, count, reserved = reader.numbers(3)
    if version not in (0, 1) or reserved:
        raise reader.damaged(f"its header gives version {version}, where 0 and 1 are known")
    offsets: dict[str, int] = {}
    for _ in range(count):
        (length,) = reader.bytes(1)
        raw = reader.bytes(length)
        name = raw.decode("utf-8", "replace")
        if not name or not name.isprintable() or " " in name or "\ufffd" in name:
            raise reader.damaged(f"{raw!r} is no sequence name")
        if name in offsets:
            raise reader.damaged(f"two sequences are named '{name}'")
        (offsets[name],) = reader.numbers(1, "u8" if version else "u4")
    if not offsets:
        raise InputError(f"{reader.path}: the 2bit file has no sequences.")
    return offsets


def _read_record(reader: _Reader, name: str) -> _Record:
    (size,) = reader.numbers(1)
    if size == 0:
        raise InputError(f"{reader.path}: sequence '{name}' is empty; make the file anew without it.")
    start, end = reader.blocks()
    if (start >= end).any() or (end > size).any() or (start[1:] < end[:-1]).any():
        raise reader.damaged(f"the stretches of N of '{name}' are out of order or outside of it")
    reader.skip_blocks()
    (reserved,) = reader.numbers(1)
    if reserved:
        raise reader.damaged(f"'{name}' has {reserved} where 0 should be")
    return _Record(size, reader.stream.tell(), start, end)
