"""The lines of a bedGraph as arrays: many at a time, and one by one where something is wrong with them."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from strandwise.errors import InputError

_BLOCK = 1 << 23
_LONGEST_LINE = 1 << 16
_LAST = 2**32 - 1
_LARGEST = float(np.finfo(np.float32).max)
_WHOLE = re.compile("[0-9]{1,10}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|nan|NA", re.IGNORECASE)
_COLUMNS = ["chrom", "start", "end", "value"]
_WIG = ("fixedStep", "variableStep")


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Runs:
    """Stretches of one chromosome with one value each: in order, without overlaps.

    Attributes:
        start: ``(stretches,)`` first positions.
        end: ``(stretches,)`` the positions behind them.
        value: ``(stretches,)`` their values, NaN where one is missing.
    """

    start: NDArray[np.uint32]
    end: NDArray[np.uint32]
    value: NDArray[np.float32]

    def spread(self, start: int, end: int, missing: float) -> NDArray[np.float32]:
        """Return one value for each position of an interval: ``(end - start,)``."""
        # Keys of another type would make searchsorted convert the whole arrays.
        low, high = np.uint32(min(start, _LAST)), np.uint32(min(end, _LAST))
        first = int(np.searchsorted(self.end, low, side="right"))
        last = int(np.searchsorted(self.start, high, side="left"))
        if first >= last:
            return np.full(end - start, missing, dtype=np.float32)
        # Between them lie stretches without a value, most of which are of length 0.
        edges = np.empty(2 * (last - first) + 2, dtype=np.int64)
        edges[0], edges[-1] = start, end
        edges[1:-1:2] = np.maximum(self.start[first:last], low)
        edges[2:-1:2] = np.minimum(self.end[first:last], high)
        values = np.full(len(edges) - 1, missing, dtype=np.float32)
        values[1::2] = self.value[first:last]
        values[np.isnan(values)] = missing
        return np.repeat(values, np.diff(edges))


@dataclass
class _Place:
    """How far the lines that were read reach: the chromosome, where its last one ends, and those that are done."""

    chrom: str = ""
    end: int = 0
    done: set[str] = field(default_factory=set)

    def go_on(self, chrom: str, end: int) -> None:
        if chrom != self.chrom:
            self.done.add(self.chrom)
        self.chrom, self.end = chrom, end

    def copy(self) -> "_Place":
        return _Place(self.chrom, self.end, set(self.done))


@dataclass
class _Rows:
    """Lines as columns; the chromosome as a number into `names`."""

    names: list[str]
    codes: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    value: NDArray[np.float64]

    def stretches(self) -> Iterator[tuple[str, slice]]:
        """Yield the rows of one chromosome after the other."""
        if len(self.codes):
            borders = np.flatnonzero(np.diff(self.codes)) + 1
            for low, high in pairwise([0, *borders.tolist(), len(self.codes)]):
                yield self.names[int(self.codes[low])], slice(low, high)


class _OddError(Exception):
    """Something about the lines is not as it usually is."""


def collect(blocks: Iterable[tuple[int, bytes]], where: Callable[[int], str]) -> dict[str, Runs]:
    """Return the stretches of each chromosome.

    Args:
        blocks: whole lines, with the number of the first of them.
        where: returns what an error message calls the line of a number.

    Raises:
        InputError: naming the first line that is malformed, out of order or overlaps the one before.
    """
    place = _Place()
    parts: dict[str, list[Runs]] = {}
    for first_line, block in blocks:
        try:
            rows = _parse(block)
            _check(rows, place)
        except (_OddError, pa.ArrowException):
            rows = _parse_lines(block, first_line, place.copy(), where)
        for name, here in rows.stretches():
            place.go_on(name, int(rows.end[here][-1]))
            parts.setdefault(name, []).append(
                Runs(
                    rows.start[here].astype(np.uint32),
                    rows.end[here].astype(np.uint32),
                    rows.value[here].astype(np.float32),
                )
            )
    # Each list is let go as it is joined, so that the lines are not there twice.
    return {name: _joined(parts.pop(name)) for name in list(parts)}


def _joined(parts: list[Runs]) -> Runs:
    return Runs(
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.end for part in parts]),
        np.concatenate([part.value for part in parts]),
    )


def line_blocks(stream: _Stream, where: Callable[[int], str]) -> Iterator[tuple[int, bytes]]:
    """Yield blocks of whole lines, each with the number of its first line.

    Raises:
        InputError: a line is so long that the file cannot be bedGraph.
    """
    number, rest = 1, b""
    while chunk := stream.read(_BLOCK):
        cut = chunk.rfind(b"\n") + 1
        if not cut and len(rest) + len(chunk) > _LONGEST_LINE:
            raise InputError(f"{where(number)}: the line is too long, so this is not bedGraph.")
        if not cut:
            rest += chunk
            continue
        block, rest = rest + chunk[:cut], chunk[cut:]
        yield number, block
        number += block.count(b"\n")
    if rest:
        yield number, rest


def _is_header(line: bytes) -> bool:
    """Return whether a line is a comment or one for a browser."""
    return line[:1] == b"#" or (line[:1] in b"tb" and line.split(maxsplit=1)[:1] in ([b"track"], [b"browser"]))


def _parse(block: bytes) -> _Rows:
    """Return lines as columns, all at once.

    Raises:
        _OddError, pa.ArrowException: they are better read one by one.
    """
    if any(sign in block for sign in (b"\r", b"\0", b"0x", b"0X", b"\xef\xbb\xbf")):
        raise _OddError
    if block[:1] in (b"#", b"t", b"b") or any(sign in block for sign in (b"\n#", b"\ntrack", b"\nbrowser")):
        block = b"\n".join(line for line in block.split(b"\n") if not _is_header(line))
    if not block.strip():
        raise _OddError
    if b"\t" not in block:
        block = re.sub(b" +", b"\t", block)
    table = csv.read_csv(
        pa.BufferReader(block),
        read_options=csv.ReadOptions(use_threads=False, column_names=_COLUMNS, block_size=len(block) + 1),
        parse_options=csv.ParseOptions(delimiter="\t", quote_char=False),
        convert_options=csv.ConvertOptions(
            column_types={
                "chrom": pa.dictionary(pa.int32(), pa.string()),
                "start": pa.int64(),
                "end": pa.int64(),
                "value": pa.float64(),
            },
            null_values=[],
        ),
    ).combine_chunks()
    chrom = table["chrom"].combine_chunks()
    start, end, value = (table[name].to_numpy() for name in _COLUMNS[1:])
    return _Rows(chrom.dictionary.to_pylist(), chrom.indices.to_numpy().astype(np.int64), start, end, value)


def _check(rows: _Rows, place: _Place) -> None:
    """Raise `_OddError` if a line is out of order, overlaps another, or has a value that cannot be."""
    same = rows.codes[1:] == rows.codes[:-1]
    blocks = [rows.names[code] for code in rows.codes[np.r_[True, ~same]].tolist()]
    fine = (
        bool((rows.start < rows.end).all())
        and int(rows.start.min()) >= 0
        and int(rows.end.max()) <= _LAST
        and bool((rows.start[1:] >= rows.end[:-1])[same].all())
        and not (np.abs(rows.value) > _LARGEST).any()
        and len(set(blocks)) == len(blocks)
        and place.done.isdisjoint(blocks)
        and place.chrom not in blocks[1:]
        and (blocks[0] != place.chrom or int(rows.start[0]) >= place.end)
        and all(name and not name.isspace() for name in blocks)
    )
    if not fine:
        raise _OddError


def _parse_lines(block: bytes, first_line: int, place: _Place, where: Callable[[int], str]) -> _Rows:
    """Return lines as columns, one by one; an error names the first that is wrong."""
    chroms: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    values: list[float] = []
    for number, line in enumerate(block.split(b"\n"), start=first_line):
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not line.strip(b" \t") or _is_header(line):
            continue
        try:
            chrom, start, end, value = _parse_line(line)
            _check_order(chrom, start, end, place)
        except _OddError as error:
            raise InputError(f"{where(number)}: {error}.") from None
        place.go_on(chrom, end)
        chroms.append(chrom)
        starts.append(start)
        ends.append(end)
        values.append(value)
    names = list(dict.fromkeys(chroms))
    codes = {name: code for code, name in enumerate(names)}
    return _Rows(
        names,
        np.array([codes[name] for name in chroms], dtype=np.int64),
        np.array(starts, dtype=np.int64),
        np.array(ends, dtype=np.int64),
        np.array(values, dtype=np.float64),
    )


def _parse_line(line: bytes) -> tuple[str, int, int, float]:
    text = _text(line)
    if text.startswith(_WIG):
        raise _OddError("this is wig, not bedGraph; make a bigWig of it with `wigToBigWig`, and read that")
    columns = text.split("\t") if "\t" in text else text.split()
    if len(columns) != 4:
        raise _OddError(
            f"{len(columns)} column{'' if len(columns) == 1 else 's'} where bedGraph has 4 (chromosome, start, end, "
            f"value): {text[:60]!r}"
        )
    chrom = columns[0]
    if not chrom.strip():
        raise _OddError("the chromosome is empty")
    start, end = (_position(columns[i].strip(" "), i) for i in (1, 2))
    if start >= end:
        raise _OddError(f"start {start} is not before end {end}")
    return chrom, start, end, _value(columns[3].strip(" "))


def _text(line: bytes) -> str:
    if b"\0" in line:
        raise _OddError("this is not text, so not bedGraph (a byte 0)")
    if b"\r" in line:
        raise _OddError("the line ends as on Windows (\\r); take it off each line with `sed 's/\\r$//'`")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = line[error.start]
        raise _OddError(f"byte {byte:#04x} is not text (UTF-8), so this is not bedGraph") from None


def _position(text: str, column: int) -> int:
    if not _WHOLE.fullmatch(text) or int(text) > _LAST:
        what = _COLUMNS[column]
        raise _OddError(f"{text!r} in column {column + 1} is not a whole number from 0 to 2**32 - 1; it is the {what}")
    return int(text)


def _value(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise _OddError(f"{text!r} in column 4 is not a number; write one, or leave out the line")
    value = float("nan" if text.upper() == "NA" else text)
    if abs(value) > _LARGEST:
        raise _OddError(f"the value {text} in column 4 is too large for 32 bits; give the signal in other units")
    return value


def _check_order(chrom: str, start: int, end: int, place: _Place) -> None:
    if chrom in place.done:
        raise _OddError(
            f"{chrom} comes again after {place.chrom}; sort the file by chromosome and start (`sort -k1,1 -k2,2n`)"
        )
    if chrom == place.chrom and start < place.end:
        raise _OddError(
            f"{chrom}:{start}-{end} begins before {place.end}, where the line before it ends; sort the file by "
            "chromosome and start (`sort -k1,1 -k2,2n`), and leave no overlaps"
        )
