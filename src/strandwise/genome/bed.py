"""Reading peaks and other intervals from BED, narrowPeak and broadPeak files."""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strandwise.errors import InputError
from strandwise.files import existing_file
from strandwise.genome.fasta import is_gzip

_USED = 10
_POSITION = {1: "start", 2: "end"}
_WHOLE = "[0-9]{1,15}"


def read_bed(path: str | Path) -> pd.DataFrame:
    """Return the intervals of a BED, narrowPeak or broadPeak file, in file order.

    Args:
        path: plain or gzip; columns parted by tabs, or by blanks where the first interval has no tab.
            Lines that begin with ``track``, ``browser`` or ``#`` and empty ones are passed over.

    Returns:
        A frame with the columns

        * ``chrom``, ``start``, ``end``: 0-based, half-open;
        * ``name``: "." where the file has none;
        * ``score``: NaN where the file has none or says ".";
        * ``strand``: "+", "-" or "." (none);
        * ``summit``: the 0-based position of the peak's summit on the chromosome. From column 10 of a
          narrowPeak where it is 0 or more (the last base where it equals the width, as some peak
          callers write), else the middle, ``(start + end) // 2``. A file counts as narrowPeak by its
          name, by its track line, or by having ten columns, of which the last four begin as numbers.

    Raises:
        InputError: naming the file, the line, the value and the fix.
    """
    table = _Table(existing_file(path, "BED file"))
    start, end = table.positions(1), table.positions(2)
    table.refuse(
        start >= end,
        lambda row: (
            f"start {row[1]} is not before end {row[2]}; BED counts from 0, and the base at "
            "position p runs from p to p + 1"
        ),
    )
    summit = (start + end) // 2
    if table.is_narrow_peak():
        offset = table.summits(end - start)
        summit = np.where(offset >= 0, start + offset, summit)
    return pd.DataFrame(
        {
            "chrom": table.column(0),
            "start": start,
            "end": end,
            "name": table.column(3),
            "score": table.scores(),
            "strand": table.strands(),
            "summit": summit,
        }
    )


def _read_text(path: Path) -> str:
    try:
        raw = gzip.decompress(path.read_bytes()) if is_gzip(path) else path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: the compressed file is damaged or cut off ({error}). Copy it again.") from error
    binary = raw.find(b"\0")
    if binary >= 0:
        raise InputError(f"{path}: this is not text, so not BED (byte 0 at offset {binary}).")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: byte {raw[error.start]:#04x} is not text (UTF-8), so this is not BED."
        ) from error
    if "\r" in text:
        line = text.count("\n", 0, text.index("\r")) + 1
        place = " on the unpacked file" if is_gzip(path) else ""
        raise InputError(
            f"{path}, line {line}: the line ends as on Windows (\\r), which would become part of its last "
            f"column. Run `sed -i 's/\\r$//' {path}`{place}."
        )
    return text


def _data_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line that holds an interval, and its number."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line or line.isspace():
            continue
        if line[0] in "#tb" and (line[0] == "#" or line.split(maxsplit=1)[0] in {"track", "browser"}):
            continue
        yield number, line


def _numbers(column: Iterable[str]) -> NDArray[np.float64]:
    """Return texts as numbers, "." as NaN.

    Raises:
        ValueError: one is not a number.
    """
    return np.array([float("nan" if text == "." else text) for text in column], dtype=np.float64)


def _is_number(text: str) -> bool:
    try:
        return not np.isnan(_numbers([text])[0])
    except ValueError:
        return False


class _Table:
    """The columns of a file as text, checked as they become numbers; an error names the first bad line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = _read_text(path)
        lines = [line for _, line in _data_lines(self.text)]
        if not lines:
            raise InputError(f"{path}: the file has no intervals.")
        self.tabs = "\t" in lines[0]
        if not self.tabs:
            lines = ["\t".join(line.split()) for line in lines]
        self.n = len(lines)
        self.width = lines[0].count("\t") + 1
        self._check_widths(np.fromiter((line.count("\t") + 1 for line in lines), np.int64, self.n))
        frame = pd.read_csv(
            io.StringIO("\n".join(lines)),
            sep="\t",
            header=None,
            usecols=list(range(min(self.width, _USED))),
            dtype=str,
            na_filter=False,
            quoting=csv.QUOTE_NONE,
            lineterminator="\n",
        )
        self.columns: list[pd.Series] = [column for _, column in frame.items()]
        self.refuse((self.columns[0].str.strip() == "").to_numpy(bool), lambda row: "the chromosome is empty")

    def refuse(self, bad: NDArray[np.bool_], why: Callable[[list[str]], str]) -> None:
        """Raise for the first bad row, with the reason that `why` gives for its columns."""
        if bad.any():
            number, line = next(islice(_data_lines(self.text), int(bad.argmax()), None))
            row = line.split("\t" if self.tabs else None)
            said = why(row)
            raise InputError(f"{self.path}, line {number}: {said}{'' if said.endswith('?') else '.'}")

    def _check_widths(self, widths: NDArray[np.int64]) -> None:
        self.refuse(
            widths < 3,
            lambda row: (
                f"{_columns(len(row))} where BED has at least 3 (chromosome, start, end), parted by "
                f"tabs: {' '.join(row)!r}"
            ),
        )
        self.refuse(
            widths != self.width,
            lambda row: (
                f"{_columns(len(row))}, but the first interval has {self.width}. "
                "Is the file cut off, or put together from two?"
            ),
        )

    def column(self, index: int) -> pd.Series:
        """Return a column as text, "." where the file has no such column."""
        return self.columns[index] if index < self.width else pd.Series(["."] * self.n, dtype="str")

    def positions(self, index: int) -> NDArray[np.int64]:
        """Return a column of whole numbers of 0 or more."""
        bad = ~self.column(index).str.fullmatch(_WHOLE).to_numpy(dtype=bool)
        first = bool(bad[0])
        self.refuse(bad, lambda row: _why_no_position(row[index], _POSITION[index], index + 1, first))
        return self.column(index).to_numpy(dtype=np.int64)

    def scores(self) -> NDArray[np.float64]:
        """Return the scores, NaN where there are none."""
        column = self.column(4).tolist()
        try:
            return _numbers(column)
        except ValueError:
            bad = np.array([text != "." and not _is_number(text) for text in column])
            self.refuse(bad, lambda row: f"score {row[4]!r} is not a number; write one, or '.', in column 5")
            raise

    def strands(self) -> pd.Series:
        """Return the strands, "." where there are none."""
        column = self.column(5)
        self.refuse(
            ~column.isin(["+", "-", "."]).to_numpy(dtype=bool),
            lambda row: (
                f"strand {row[5]!r} is none of '+', '-' and '.'; correct column 6, or keep only "
                "the columns before it (`cut -f1-5`)"
            ),
        )
        return column

    def is_narrow_peak(self) -> bool:
        """Return whether column 10 is the summit's distance from the start."""
        if self.width < _USED:
            return False
        head = self.text[:4096].replace('"', "").split("\n")
        named = ".narrowpeak" in self.path.name.lower()
        if named or any(line.startswith("track") and "type=narrowPeak" in line for line in head):
            return True
        # Those first to come tell; if a later line disagrees, `summits` refuses it by number.
        shown = [self.columns[index].head(1000) for index in range(6, _USED)]
        return self.width == _USED and all(_is_number(text) for column in shown for text in column)

    def summits(self, width: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how far each summit lies behind its start, or -1."""
        column = self.columns[9]
        self.refuse(
            ~column.str.fullmatch(f"-1|{_WHOLE}").to_numpy(dtype=bool),
            lambda row: (
                f"summit {row[9]!r} is neither a whole number nor -1; column 10 of narrowPeak is "
                "the summit's distance from the start"
            ),
        )
        offset = column.to_numpy(dtype=np.int64)
        self.refuse(
            offset > width,
            lambda row: (
                f"summit {row[9]} lies outside the peak {row[1]}-{row[2]}; column 10 of narrowPeak "
                "is its distance from the start. If this is not narrowPeak, keep six columns (`cut -f1-6`)"
            ),
        )
        return np.minimum(offset, width - 1)


def _columns(n: int) -> str:
    return f"{n} column{'' if n == 1 else 's'}"


def _why_no_position(value: str, what: str, column: int, first: bool) -> str:
    if value.removeprefix("-").isdecimal():
        negative = value.startswith("-")
        return f"{what} {value} is " + ("negative; positions count from 0" if negative else "too large")
    if first and not any(letter.isdigit() for letter in value):
        return f"{value!r} is not a whole number. If the line is the column header, remove it or begin it with #"
    return f"{value!r} is not a whole number; column {column} of BED is the {what}"
