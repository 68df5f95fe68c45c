"""Signal along a genome, read from bedGraph files."""

import gzip
import struct
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import pysam
from numpy.typing import NDArray

from strandwise.errors import InputError
from strandwise.files import existing_file
from strandwise.genome.bedgraph_text import Runs, collect, line_blocks
from strandwise.genome.fasta import check_bgzip_end, is_bgzip, is_gzip
from strandwise.genome.handles import OwnHandle
from strandwise.genome.names import unknown_chromosome

_INDEXES = {".tbi": (b"TBI\1", 8), ".csi": (b"CSI\1", 16)}
# What `tabix -p bed` writes: positions from 0, in columns 1, 2 and 3 (tabix specification).
_BED_PRESET = (0x10000, 1, 2, 3)
_BIN = 1 << 14


class _Source(Protocol):
    @property
    def sizes(self) -> dict[str, int]: ...

    def runs(self, chrom: str, start: int, end: int) -> Runs: ...


class BedGraph:
    """Read the signal of one bedGraph file: plain, gzip, or bgzip with an index beside it.

    A file with an index that `tabix -p bed` made (.tbi or .csi, not older than the file) is read where it is
    asked for. Any other is read whole at once, and kept as 12 bytes a line.

    Lines that begin with ``track``, ``browser`` or ``#``, and empty ones, are passed over. The positions of
    lines with the value ``nan`` or ``NA`` are missing.

    Attributes:
        path: the file.
        sizes: the chromosomes it names, and the end of the last line of each; a bedGraph does not say how
            long they are.
        silent: none of these, as each has a line.

    Raises:
        InputError: the file is missing, damaged or no bedGraph, its lines are not in order or overlap, or a
            value does not fit 32 bits; naming the line.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = existing_file(path, "bedGraph file")
        check_bgzip_end(self.path)
        index = _index(self.path)
        self._source: _Source = _Loaded(self.path) if index is None else _Indexed(self.path, index)
        self.sizes: dict[str, int] = self._source.sizes
        self.silent: frozenset[str] = frozenset()
        if not self.sizes:
            raise InputError(f"{self.path}: the bedGraph file has no intervals.")

    def values(self, chrom: str, start: int, end: int, missing: float = 0.0) -> NDArray[np.float32]:
        """Return the signal of an interval, one value for each base pair.

        Args:
            chrom: a chromosome.
            start: its first position, 0-based.
            end: one past its last position; it may lie beyond the last line.
            missing: the value of positions the file says nothing about; may be NaN.

        Returns:
            ``(end - start,)`` values.

        Raises:
            InputError: there is no such chromosome, the interval is backwards, or the file is damaged.
        """
        if chrom not in self.sizes:
            raise unknown_chromosome(chrom, self.path, self.sizes)
        if not 0 <= start <= end:
            raise InputError(f"{chrom}:{start}-{end} is not an interval: give the smaller position first, from 0 on.")
        if start == end:
            return np.empty(0, dtype=np.float32)
        return self._source.runs(chrom, start, end).spread(start, end, missing)

    def __repr__(self) -> str:
        return f"BedGraph('{self.path}', {len(self.sizes)} chromosomes)"


class _Loaded:
    """A bedGraph that was read whole."""

    def __init__(self, path: Path) -> None:
        def where(line: int) -> str:
            return f"{path}, line {line}"

        try:
            with gzip.open(path, "rb") if is_gzip(path) else path.open("rb") as stream:
                self._runs = collect(line_blocks(stream, where), where)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{path}: the compressed file is damaged or cut off ({error}). Copy it again.") from error
        self.sizes = {name: int(runs.end[-1]) for name, runs in self._runs.items()}

    def runs(self, chrom: str, start: int, end: int) -> Runs:
        return self._runs[chrom]


class _Indexed:
    """A bedGraph that is read through its tabix index."""

    def __init__(self, path: Path, index: Path) -> None:
        self.path = path
        self._file = OwnHandle(partial(_open_tabix, path, index))
        self.sizes = {name: self._reach(name) for name in self._file.get().contigs}

    def runs(self, chrom: str, start: int, end: int | None) -> Runs:
        """Return the lines that overlap an interval, or all from its start on."""

        def where(line: int) -> str:
            return f"{self.path}, {chrom} from {start} on, line {line}"

        block = "\n".join(self._lines(chrom, start, end)).encode()
        found = collect([(1, block)], where) if block else {}
        none = np.empty(0, dtype=np.uint32)
        return found.get(chrom, Runs(none, none, none.astype(np.float32)))

    def _lines(self, chrom: str, start: int, end: int | None) -> Iterator[str]:
        try:
            yield from self._file.get().fetch(chrom, start, end)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.path}, {chrom} from {start} on: cannot be read ({error}); the file or its index is damaged. "
                f"{_again(self.path)}"
            ) from error

    def _reach(self, chrom: str) -> int:
        """Return the end of a chromosome's last line, looking behind ever closer positions for lines."""
        low, step = 0, _BIN
        while step >= _BIN:
            if any(True for _ in self._lines(chrom, low + step, None)):
                low, step = low + step, 2 * step
            else:
                step //= 2
        last = self.runs(chrom, low, None).end
        if not len(last):
            raise InputError(f"{self.path}: its index names {chrom}, and finds no lines of it. {_again(self.path)}")
        return int(last[-1])


def _open_tabix(path: Path, index: Path) -> pysam.TabixFile:
    existing_file(path, "bedGraph file")
    # htslib would write its complaints to standard error, where nobody connects them with this call.
    verbosity = pysam.set_verbosity(0)
    try:
        return pysam.TabixFile(str(path), index=str(index), encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be opened with {index.name} ({error}). {_again(path)}") from error
    finally:
        pysam.set_verbosity(verbosity)


def _again(path: Path) -> str:
    return f"Make the index again: `tabix -f -p bed {path}`."


def _index(path: Path) -> Path | None:
    """Return the tabix index beside a file, if it is whole, one for bedGraph and not older than the file."""
    for ending, (magic, offset) in _INDEXES.items():
        index = path.with_name(path.name + ending)
        if not is_bgzip(path) or not index.is_file() or index.stat().st_mtime < path.stat().st_mtime:
            continue
        try:
            # Read to its end, and so to its checksum: htslib trusts what an index says.
            content = gzip.decompress(index.read_bytes())
        except (OSError, EOFError, zlib.error):
            continue
        preset = content[offset : offset + 16]
        if content[:4] == magic and len(preset) == 16 and struct.unpack("<4i", preset) == _BED_PRESET:
            return index
    return None
