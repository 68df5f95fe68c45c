"""Writers of genome files that are slow, obvious and not those of the package."""

import struct
import zlib
from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path

import pytest


def twobit_bytes(sequences: Mapping[str, str], order: str = "<", version: int = 0) -> bytes:
    """Return a 2bit file as https://genome.ucsc.edu/FAQ/FAQformat.html#format7 describes it; lower case is masked."""

    def blocks(letters: str, inside: Callable[[str], bool]) -> bytes:
        found, position = [], 0
        for hit, run in groupby(letters, inside):
            length = len(list(run))
            found += [(position, length)] if hit else []
            position += length
        starts, lengths = [start for start, _ in found], [length for _, length in found]
        return struct.pack(f"{order}I{2 * len(found)}I", len(found), *starts, *lengths)

    def record(letters: str) -> bytes:
        numbers = ["TCAG".find(letter) % 4 if letter in "TCAG" else 0 for letter in letters.upper()]
        numbers += [0] * (-len(numbers) % 4)
        packed = bytes(
            numbers[i] << 6 | numbers[i + 1] << 4 | numbers[i + 2] << 2 | numbers[i + 3]
            for i in range(0, len(numbers), 4)
        )
        masks = blocks(letters, lambda letter: letter in "Nn") + blocks(letters, str.islower)
        return struct.pack(f"{order}I", len(letters)) + masks + struct.pack(f"{order}I", 0) + packed

    place = "Q" if version else "I"
    records = [record(letters) for letters in sequences.values()]
    offset = 16 + sum(1 + len(name.encode()) + struct.calcsize(place) for name in sequences)
    index = b""
    for name, content in zip(sequences, records, strict=True):
        index += bytes([len(name.encode())]) + name.encode() + struct.pack(f"{order}{place}", offset)
        offset += len(content)
    return struct.pack(f"{order}4I", 0x1A412743, version, len(sequences), 0) + index + b"".join(records)


def bgzip_bytes(content: bytes, block: int) -> bytes:
    """Return content as bgzip with blocks of a given size and an empty one behind them (SAM specification, 4.1)."""
    parts = []
    for start in [*range(0, len(content), block), len(content)]:
        plain = content[start : start + block]
        packer = zlib.compressobj(wbits=-15)
        packed = packer.compress(plain) + packer.flush()
        head = b"\x1f\x8b\x08\4\0\0\0\0\0\xff\6\0BC\2\0" + struct.pack("<H", len(packed) + 25)
        parts.append(head + packed + struct.pack("<II", zlib.crc32(plain), len(plain)))
    return b"".join(parts)


@pytest.fixture
def write_twobit(tmp_path: Path) -> Callable[..., Path]:
    """Write a 2bit file (see `twobit_bytes`)."""

    def write(sequences: Mapping[str, str], order: str = "<", version: int = 0, name: str = "genome.2bit") -> Path:
        path = tmp_path / name
        path.write_bytes(twobit_bytes(sequences, order, version))
        return path

    return write


@pytest.fixture
def write_bgzip(tmp_path: Path) -> Callable[..., Path]:
    """Write a bgzip file of small blocks."""

    def write(content: str, block: int = 100, name: str = "file.gz") -> Path:
        path = tmp_path / name
        path.write_bytes(bgzip_bytes(content.encode(), block))
        return path

    return write
