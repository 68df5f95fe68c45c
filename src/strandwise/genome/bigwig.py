"""Signal along a genome, read from and written to bigWig files."""

import math
import struct
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pybigtools
from numpy.typing import NDArray

from strandwise.errors import InputError, OutputError
from strandwise.files import atomic_path, existing_file
from strandwise.genome.handles import OwnHandle
from strandwise.genome.names import name_hint

_ENDINGS = (".bw", ".bigWig", ".bigwig")
_MAGIC = 0x888FFC26
_HEADER = "HHQQQHHQQI"
_ZOOM = "IIQQ"
_LARGEST = float(np.finfo(np.float32).max)

Interval = tuple[str, int | np.integer, int | np.integer, float | np.floating]


def _damaged(path: Path) -> InputError:
    return InputError(f"{path}: the bigWig file is damaged or cut off. Copy it again, or make it anew.")


def _check_complete(path: Path) -> None:
    """Refuse what is not a whole bigWig, before a reader meets it (Kent et al. 2010, Supplement).

    A bigWig begins and ends with the same four bytes; writers that leave out the last four exist, so a
    file without them is refused only if a table named in its header lies behind its end.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(64)
        if len(start) < 4:
            raise InputError(f"{path}: the file is empty or cut off; a bigWig file is expected.")
        order = next((o for o in "<>" if struct.unpack(f"{o}I", start[:4])[0] == _MAGIC), None)
        if order is None:
            raise InputError(f"{path}: this is not a bigWig file; it begins with {start[:4]!r}.")
        if len(start) < 64:
            raise _damaged(path)
        _, zooms, tree, data, index, *_, summary, _ = struct.unpack(f"{order}{_HEADER}", start[4:56])
        levels = stream.read(24 * zooms)
        stream.seek(max(size - 4, 0))
        whole = struct.unpack(f"{order}I", stream.read(4))[0] == _MAGIC
    if len(levels) < 24 * zooms:
        raise _damaged(path)
    places = [tree, data, index, summary]
    for _, _, *offsets in struct.iter_unpack(f"{order}{_ZOOM}", levels):
        places += offsets
    if max(places) >= size or min(tree, data, index) == 0 or not (whole or zooms):
        raise _damaged(path)


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
    except Exception as error:
        if not _is_reading_error(error):
            raise
        raise _damaged(path) from error


class BigWig:
    """Read the signal of one bigWig file.

    The file is checked at once; each process and thread opens it for itself, so a BigWig can be
    pickled, forked and shared.

    Attributes:
        path: the file; its name ends with .bw or .bigWig.
        sizes: the chromosomes it names and their sizes in bp. Many writers leave out chromosomes
            without signal.

    Raises:
        InputError: the file is missing, not a bigWig, or cut off.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = existing_file(path, "bigWig file")
        _check_complete(self.path)
        if self.path.suffix not in _ENDINGS:
            raise InputError(
                f"{self.path}: the name of a bigWig file must end with .bw or .bigWig: "
                f"`mv {self.path} {self.path.with_suffix('.bw')}`."
            )
        self._file = OwnHandle(partial(_open_bigwig, self.path))
        self.sizes: dict[str, int] = dict(self._file.get().chroms())

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
        if chrom not in self.sizes:
            raise InputError(f"chromosome '{chrom}' is not in {self.path}{name_hint(chrom, self.sizes)}.")
        # The reader panics on a backward interval and pads an overhanging one.
        if not 0 <= start <= end <= self.sizes[chrom]:
            raise InputError(
                f"{chrom}:{start}-{end} is not an interval of {chrom}, which is {self.sizes[chrom]} bp in "
                f"{self.path}. Is it from another assembly?"
            )
        file = self._file.get()
        try:
            found = file.values(chrom, start, end, fillna=float(missing))
        except BaseException as error:
            if not _is_reading_error(error):
                raise
            raise _damaged(self.path) from error
        return found.astype(np.float32)

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
    path = Path(path)
    if path.suffix not in _ENDINGS:
        raise InputError(f"{path}: the name of a bigWig file must end with .bw or .bigWig.")
    for chrom, size in sizes.items():
        if not 0 < size < 2**32:
            raise InputError(f"{path}: chromosome '{chrom}' cannot be {size} bp in a bigWig file.")
    checked = _Checked(intervals, sizes, path)
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
        _check_complete(temporary)
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
