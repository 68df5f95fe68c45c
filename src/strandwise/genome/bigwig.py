"""Signal along a genome, read from and written to bigWig files."""

import errno
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pybigtools
from numpy.typing import NDArray

from strandwise.errors import InputError, OutputError
from strandwise.files import atomic_path, existing_file
from strandwise.genome.bbi import Layout, check_bigwig, damaged
from strandwise.genome.handles import OwnHandle
from strandwise.genome.names import name_hint, unknown_chromosome
from strandwise.genome.runs import Runs, read_runs

_ENDINGS = (".bw", ".bigWig", ".bigwig")
_AT_ONCE = 1 << 18
# The library counts positions in 32 bits with a sign, and finds nothing at all on a longer chromosome.
_LONGEST = 2**31 - 1
_LARGEST = float(np.finfo(np.float32).max)

Interval = tuple[str, int | np.integer, int | np.integer, float | np.floating]


def _is_reading_error(error: BaseException) -> bool:
    """Return whether the library says that a file is not as it should be.

    Its exception is not among its typed names, and a damaged block may panic it with one outside
    Python's usual tree; so both are known by what they are called.
    """
    return isinstance(error, OSError | ValueError) or type(error).__name__ in {
        "BBIReadError",
        "PanicException",
    }


def _open_bigwig(path: Path) -> pybigtools.BBIReader:
    existing_file(path, "bigWig file")
    try:
        return pybigtools.open(str(path))
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            raise InputError(
                f"{path}: cannot be opened beside so many other files: raise the limit (`ulimit -n`), or have signal "
                "decoded first (signals.cache = true)."
            ) from error
        if not _is_reading_error(error):
            raise
        raise damaged(path) from error


class BigWig:
    """Read the signal of one bigWig file.

    The file is checked at once; each process and thread opens it for itself, so a BigWig can be
    pickled, forked and shared.

    Attributes:
        path: the file; its name ends with .bw or .bigWig.
        sizes: the chromosomes it names and their sizes in bp. Many writers leave out chromosomes
            without signal.
        silent: those that it names and holds no value of.

    Raises:
        InputError: the file is missing, not a bigWig, damaged or cut off, or has a chromosome of 2**31 bp or more.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = existing_file(path, "bigWig file")
        self.silent = check_bigwig(self.path).silent
        if self.path.suffix not in _ENDINGS:
            raise InputError(
                f"{self.path}: the name of a bigWig file must end with .bw or .bigWig: "
                f"`mv {self.path} {self.path.with_suffix('.bw')}`."
            )
        self._layout: Layout | None = None
        self._file = OwnHandle(partial(_open_bigwig, self.path))
        self.sizes: dict[str, int] = dict(self._file.get().chroms())
        for chrom, size in self.sizes.items():
            if size > _LONGEST:
                raise InputError(
                    f"{self.path}: chromosome '{chrom}' is {size} bp, and {_LONGEST} is the most that can be read. "
                    "If it is not that long, the file is damaged: copy it again."
                )

    def _check_within(self, chrom: str, start: int, end: int) -> None:
        if chrom not in self.sizes:
            raise unknown_chromosome(chrom, self.path, self.sizes)
        # The reader panics on a backward interval and pads an overhanging one.
        if not 0 <= start <= end <= self.sizes[chrom]:
            raise InputError(
                f"{chrom}:{start}-{end} is not an interval of {chrom}, which is {self.sizes[chrom]} bp in "
                f"{self.path}. Is it from another assembly?"
            )

    def values(self, chrom: str, start: int, end: int, missing: float = 0.0) -> NDArray[np.float32]:
        """Return the signal of an interval, one value for each base pair.

        Args:
            chrom: a chromosome.
            start: its first position, 0-based.
            end: one past its last position.
            missing: the value of positions the file says nothing about; may be NaN.

        Returns:
            ``(end - start,)`` values.

        Raises:
            InputError: there is no such chromosome, the interval leaves it, or the file is damaged.
        """
        self._check_within(chrom, start, end)
        found = np.empty(end - start, dtype=np.float32)
        # The reader works in 64 bits; a chromosome at once would take three times the memory, and longer.
        for first in range(start, end, _AT_ONCE):
            last = min(first + _AT_ONCE, end)
            self._read(chrom, [first], last - first, [found[first - start : last - start]], missing)
        return found

    def windows(
        self, chrom: str, start: Sequence[int], length: int, out: Sequence[NDArray[np.float32]], missing: float = 0.0
    ) -> None:
        """Write the signal of many windows of one length.

        Args:
            chrom: a chromosome.
            start: first position of each window, 0-based; quickest where they rise.
            length: of a window.
            out: where each goes; ``(length,)``.
            missing: the value of positions the file says nothing about; may be NaN.

        Raises:
            InputError: there is no such chromosome, a window leaves it, or the file is damaged.
        """
        if len(start):
            for outermost in (min(start), max(start)):
                self._check_within(chrom, outermost, outermost + length)
            self._read(chrom, start, length, out, missing)

    def _read(
        self, chrom: str, start: Sequence[int], length: int, out: Sequence[NDArray[np.float32]], missing: float
    ) -> None:
        read, fill = self._file.get().values, float(missing)
        wide = np.empty(length, dtype=np.float64)
        try:
            for first, place in zip(start, out, strict=True):
                read(chrom, first, first + length, fillna=fill, arr=wide)
                place[...] = wide
        except BaseException as error:
            if not _is_reading_error(error):
                raise
            raise damaged(self.path) from error

    def runs(self, chrom: str, start: int, end: int, most_bytes: int | None = None) -> Runs | None:
        """Return the stretches of one value in a long interval; faster than `values` by what need not be written out.

        Args:
            chrom: a chromosome.
            start: its first position, 0-based.
            end: one past its last position.
            most_bytes: to give up, and return nothing, where the interval's blocks take more than these in the file.

        Returns:
            Nothing, too, where the file is damaged or unusual there, and only `values` can tell.

        Raises:
            InputError: there is no such chromosome, or the interval leaves it.
        """
        self._check_within(chrom, start, end)
        if self._layout is None:
            self._layout = check_bigwig(self.path)
        return read_runs(self.path, self._layout, chrom, start, end, most_bytes)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_layout": None}

    def __repr__(self) -> str:
        return f"BigWig('{self.path}', {len(self.sizes)} chromosomes)"


class _Checked:
    """Intervals on their way to the writer, which prints an error in them and carries on.

    So an error ends the iteration quietly, and `error` holds it for the caller to raise.
    """

    def __init__(self, intervals: Iterable[Interval], sizes: dict[str, int], path: Path) -> None:
        self.intervals, self.sizes, self.path = intervals, sizes, path
        self.covered = 0
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[Interval]:
        before: tuple[str, int] = ("", 0)
        try:
            for chrom, start, end, value in self.intervals:
                self._check(chrom, int(start), int(end), float(value), before)
                before = (chrom, int(end))
                self.covered += int(end) - int(start)
                yield chrom, int(start), int(end), float(value)
        except Exception as error:
            self.error = error

    def _check(self, chrom: str, start: int, end: int, value: float, before: tuple[str, int]) -> None:
        where = f"{self.path}: interval {chrom}:{start}-{end}"
        if chrom not in self.sizes:
            raise InputError(f"{where}: the chromosome is not among the sizes{name_hint(chrom, self.sizes)}.")
        if not 0 <= start < end <= self.sizes[chrom]:
            raise InputError(f"{where} is empty, backwards or past the end of {chrom} ({self.sizes[chrom]} bp).")
        if (chrom, start) < before:
            raise InputError(
                f"{where} follows {before[0]}, up to {before[1]}, and should not: sort by chromosome name "
                "and start, as `LC_ALL=C sort -k1,1 -k2,2n` does, and leave no overlaps."
            )
        if not math.isfinite(value) or abs(value) > _LARGEST:
            raise InputError(f"{where} has the value {value}: leave out intervals without a finite value.")


class Steps(NamedTuple):
    """Values of bases side by side.

    Attributes:
        chrom: the chromosome.
        start: the first position, 0-based.
        span: bases of each value; the last one of a chromosome ends with it.
        values: ``(values,)``, all finite.
    """

    chrom: str
    start: int
    span: int
    values: NDArray[np.float32]


class _CheckedSteps(_Checked):
    """The same for values side by side, checked by arrays: one by one would take longer than to write them."""

    def __init__(self, blocks: Iterable[Steps], sizes: dict[str, int], path: Path) -> None:
        super().__init__((), sizes, path)
        self.blocks = blocks

    def __iter__(self) -> Iterator[Interval]:
        before: tuple[str, int] = ("", 0)
        try:
            for chrom, start, span, values in self.blocks:
                if not len(values):
                    continue
                size = self.sizes.get(chrom, 0)
                first = np.arange(start, start + span * len(values), span)
                last = np.minimum(first + span, size)
                for at in (0, -1):
                    self._check(chrom, int(first[at]), int(last[at]), float(values[at]), before)
                odd = np.flatnonzero(~(np.abs(values) <= _LARGEST))
                if len(odd):
                    at = odd[0]
                    self._check(chrom, int(first[at]), int(last[at]), float(values[at]), before)
                before = (chrom, int(last[-1]))
                self.covered += int(last[-1]) - start
                yield from zip(repeat(chrom), first.tolist(), last.tolist(), values.tolist(), strict=False)
        except Exception as error:
            self.error = error


def write_steps(path: str | Path, sizes: dict[str, int], blocks: Iterable[Steps]) -> None:
    """Write values of bases side by side as a bigWig file, in one step; as `write_bigwig`, and faster.

    Args:
        path: where to; the name ends with .bw or .bigWig.
        sizes: chromosomes and their sizes in bp; those without a value are left out of the file.
        blocks: of values, sorted by chromosome name and start, no overlaps.

    Raises:
        InputError: a block is malformed or out of order, a value is not finite, or there is none.
        OutputError: the place cannot be written.
    """
    _write(Path(path), sizes, _CheckedSteps(blocks, sizes, Path(path)))


def write_bigwig(path: str | Path, sizes: dict[str, int], intervals: Iterable[Interval]) -> None:
    """Write a signal as a bigWig file, in one step.

    Args:
        path: where to; the name ends with .bw or .bigWig.
        sizes: chromosomes and their sizes in bp; those without an interval are left out of the file.
        intervals: (chromosome, start, end, value), sorted by chromosome name and start, no overlaps.
            Positions in no interval are missing from the file.

    Raises:
        InputError: an interval is malformed or out of order, or there is none.
        OutputError: the place cannot be written.
    """
    _write(Path(path), sizes, _Checked(intervals, sizes, Path(path)))


def _write(path: Path, sizes: dict[str, int], checked: _Checked) -> None:
    if path.suffix not in _ENDINGS:
        raise InputError(f"{path}: the name of a bigWig file must end with .bw or .bigWig.")
    for chrom, size in sizes.items():
        if not 0 < size <= _LONGEST:
            raise InputError(f"{path}: chromosome '{chrom}' cannot be {size} bp in a bigWig file.")
    with atomic_path(path) as temporary:
        # Opened here first, because the writer's own error does not say why it cannot.
        temporary.touch()
        try:
            pybigtools.open(str(temporary), "w").write(
                {chrom: int(size) for chrom, size in sizes.items()}, iter(checked)
            )
        except BaseException as error:
            # So the library ends, outside Python's usual exceptions, where the disk fills as it writes.
            if type(error).__name__ != "PanicException":
                raise
            raise _incomplete(path) from error
        if checked.error is not None:
            raise checked.error
        if not checked.covered:
            raise InputError(f"{path}: there are no intervals to write.")
        _check_written(temporary, path, checked.covered)


def _check_written(temporary: Path, path: Path, covered: int) -> None:
    """Refuse a file that the writer left half-made, as on a full disk, which it does not report."""
    try:
        check_bigwig(temporary)
        complete = _open_bigwig(temporary).info()["summary"]["basesCovered"] == covered
    except InputError:
        complete = False
    if not complete:
        raise _incomplete(path)


def _incomplete(path: Path) -> OutputError:
    return OutputError(
        f"{path}: the bigWig could not be written whole; is the disk full? Nothing was replaced. "
        "Free some space, or give another place, and run the same command again."
    )
