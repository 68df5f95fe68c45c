"""Bytes from the middle of a file, plain or bgzip, with every block of a bgzip file checked as it is read.

A bgzip file is a row of gzip members, each with a checksum; its .gzi index says where each begins, in the
file and in what it holds (SAM specification, 4.1; htslib, bgzip). A wrong index would shift what is read
without a word, so what a block holds is compared with what the index says.
"""

import gzip
import os
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from strandwise.errors import InputError
from strandwise.files import existing_file
from strandwise.genome.fasta import is_bgzip

# No block is larger than this, compressed or not.
_LARGEST_BLOCK = 1 << 16


class ByteRanges(Protocol):
    """An open file that is read by position."""

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes, fewer than `size` where the file ends.

        Raises:
            InputError: the file or its index is damaged.
        """
        ...


class PlainBytes:
    """An open file whose bytes are those on disk."""

    def __init__(self, path: Path, what: str) -> None:
        self.path = existing_file(path, what)
        self._stream = self.path.open("rb")
        self.size = os.fstat(self._stream.fileno()).st_size

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes, fewer than `size` where the file ends."""
        self._stream.seek(offset)
        # Memory is taken for what is asked for, however little there is.
        return self._stream.read(min(size, max(self.size - offset, 0)))

    def __del__(self) -> None:
        stream = getattr(self, "_stream", None)
        if stream is not None:
            stream.close()


class BgzipBytes:
    """An open bgzip file with its .gzi index; positions are those of what it holds.

    Raises:
        InputError: the file is missing, or its index is not one of it.
    """

    def __init__(self, path: Path, what: str) -> None:
        self._file = PlainBytes(path, what)
        self.path = path
        self._blocks = _read_gzi(gzi_path(path), self._file.size)

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes, fewer than `size` where the file ends.

        Raises:
            InputError: a block is damaged, or holds more or less than the index says.
        """
        packed, plain = self._blocks
        first = min(int(np.searchsorted(plain, offset, side="right")), len(plain) - 1) - 1
        last = max(int(np.searchsorted(plain[:-1], offset + size)), first + 1)
        raw = memoryview(self._file.read(int(packed[first]), int(packed[last] - packed[first])))
        cuts = (packed[first : last + 1] - packed[first]).tolist()
        parts = []
        for block, (low, high) in enumerate(pairwise(cuts), start=first):
            part = self._inflate(raw[low:high])
            if block < len(plain) - 2 and len(part) != plain[block + 1] - plain[block]:
                raise InputError(
                    f"{self.path}: its block index {gzi_path(self.path).name} is not of this file. Delete the index."
                )
            parts.append(part)
        skipped = offset - int(plain[first])
        return b"".join(parts)[skipped : skipped + size]

    def _inflate(self, raw: memoryview) -> bytes:
        try:
            return gzip.decompress(raw)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(
                f"{self.path}: the compressed file or its index {gzi_path(self.path).name} is damaged ({error}). "
                "Delete the index, and copy the file again if that does not help."
            ) from error


def open_bytes(path: Path, what: str) -> ByteRanges:
    """Open a file, plain or bgzip with its .gzi index beside it, by what it holds.

    Args:
        path: the file.
        what: how an error message calls it where it is missing.
    """
    return BgzipBytes(path, what) if is_bgzip(existing_file(path, what)) else PlainBytes(path, what)


def gzi_path(path: Path) -> Path:
    """Return where the block index of a bgzip file lies."""
    return path.with_name(path.name + ".gzi")


def _read_gzi(index: Path, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each block begins in the file and in what it holds, and behind them where the last one ends.

    The index does not say how much the last block holds, so the second of these ends is the most it can be.
    """
    try:
        numbers = np.fromfile(index, dtype="<u8")
    except OSError as error:
        raise InputError(f"{index}: the block index cannot be read ({error.strerror}).") from error
    whole = index.stat().st_size == 8 * len(numbers) and len(numbers) > 0 and len(numbers) == 2 * int(numbers[0]) + 1
    if not whole or (numbers >= 1 << 62).any():
        raise InputError(f"{index}: this is no block index, or it is cut off. Delete it.")
    starts = np.concatenate([[[0, 0]], numbers[1:].reshape(-1, 2).astype(np.int64)])
    packed = np.append(starts[:, 0], size)
    plain = np.append(starts[:, 1], starts[-1, 1] + _LARGEST_BLOCK)
    steps = np.diff(packed)[:-1], np.diff(plain)[:-1]
    if any((step < 0).any() or (step > _LARGEST_BLOCK).any() for step in steps) or packed[-2] > size:
        raise InputError(f"{index}: the block index is damaged or of another file. Delete it.")
    return packed, plain
