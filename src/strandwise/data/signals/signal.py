"""Windows of one track's raw signal, from a decoded file or straight from its own file."""

import warnings
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from strandwise.data.signals.entry import Entry, read_entry
from strandwise.data.signals.sources import Source
from strandwise.data.signals.statistics import NOTHING, Statistics, together
from strandwise.data.signals.tracks import Track
from strandwise.errors import InputError
from strandwise.files import progress

Numbers = NDArray[np.int64]


class Signal(Protocol):
    """The raw signal of one track along the chromosomes of a genome.

    Attributes:
        track: what it is.
        sizes: chromosomes and their sizes in bp; windows name a chromosome by its place in them.
        measured: for each chromosome, whether the file of the track has any value of it.
        counted: whether its statistics are at hand, rather than a pass over the whole file away.
        notes: what a person should know of it.
    """

    track: Track
    sizes: dict[str, int]
    measured: NDArray[np.bool_]
    counted: bool
    notes: tuple[str, ...]

    def statistics(self) -> list[Statistics]:
        """Return the statistics of each chromosome; positions the file says nothing about do not count."""
        ...

    def read(self, chrom: Numbers, start: Numbers, out: Tensor) -> bool:
        """Write the signal of windows into `out`, NaN where nothing is known or a chromosome has ended.

        A position that the file says nothing about is known to be 0 if the track counts it as that.

        Args:
            chrom: chromosome of each window, by number; ``(n,)``.
            start: its first position, which may lie before the chromosome; ``(n,)``.
            out: ``(n, length)`` float32.

        Returns:
            Whether there may be NaN in `out`.
        """
        ...


class CachedSignal:
    """A signal whose values lie decoded in a file, which each process maps into its memory for itself.

    Args:
        track: what it is.
        entry: the file.
        notes: what a person should know of it.
    """

    def __init__(self, track: Track, entry: Entry, notes: tuple[str, ...] = ()) -> None:
        self.track, self.path, self.length = track, entry.path, entry.length
        self.dtype = np.dtype(entry.dtype).newbyteorder("<")
        self.notes = (*notes, *entry.notes)
        self.sizes = {part.name: part.size for part in entry.chromosomes}
        self.counted = True
        self.measured = np.array([part.measured for part in entry.chromosomes])
        self._size = np.array([part.size for part in entry.chromosomes], dtype=np.int64)
        # Where a window must have ended to be read from the file: nowhere on a chromosome that is not in it.
        self._end = np.array([part.size if part.offset >= 0 else -1 for part in entry.chromosomes], dtype=np.int64)
        self._offset = np.array([part.offset for part in entry.chromosomes], dtype=np.int64)
        self._constant = np.array([part.constant for part in entry.chromosomes], dtype=np.float32)
        self._gaps = np.array([part.gaps for part in entry.chromosomes])
        self._statistics: list[Statistics] | None = [part.statistics for part in entry.chromosomes]
        self._data: Tensor | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_data": None, "_statistics": None}

    def statistics(self) -> list[Statistics]:
        """Return the statistics of each chromosome; positions the file says nothing about do not count."""
        if self._statistics is None:
            entry = read_entry(self.path)
            if entry is None:
                raise self._gone("it is not whole")
            self._statistics = [part.statistics for part in entry.chromosomes]
        return self._statistics

    def read(self, chrom: Numbers, start: Numbers, out: Tensor) -> bool:
        """Write the signal of windows into `out`, NaN where nothing is known or a chromosome has ended."""
        data, length = self._mapped(), out.shape[1]
        whole = (start >= 0) & (start + length <= self._end[chrom])
        if not whole.any():
            out.copy_(torch.from_numpy(self._pieces(data.numpy(), chrom, start, length)))
            return True
        everywhere = bool(whole.all())
        place = self._offset[chrom] + start
        if not everywhere:
            place[~whole] = 0
        windows = data.as_strided((len(data) - length + 1, length), (1, 1))
        if windows.dtype == out.dtype:
            torch.index_select(windows, 0, torch.from_numpy(place), out=out)
        else:
            out.copy_(windows.index_select(0, torch.from_numpy(place)))
        if everywhere:
            return bool(self._gaps[chrom].any())
        rest = np.flatnonzero(~whole)
        out[torch.from_numpy(rest)] = torch.from_numpy(self._pieces(data.numpy(), chrom[rest], start[rest], length))
        return True

    def _pieces(self, data: NDArray[np.floating], chrom: Numbers, start: Numbers, length: int) -> NDArray[np.float32]:
        """Return windows that leave their chromosome, or lie on one that takes no space."""
        positions = start[:, None] + np.arange(length)
        inside = (positions >= 0) & (positions < self._size[chrom, None])
        found = np.where(inside, self._constant[chrom, None], np.float32(np.nan))
        offset = self._offset[chrom, None]
        stored = inside & (offset >= 0)
        found[stored] = data[(positions + offset)[stored]]
        return found

    def _mapped(self) -> Tensor:
        if self._data is None:
            try:
                # An empty file cannot be mapped.
                mapped = np.memmap(self.path, self.dtype, "r", shape=(self.length,)) if self.length else np.zeros(0)
            except (OSError, ValueError) as error:
                raise self._gone(str(error)) from error
            self._data = _tensor(mapped)
        return self._data

    def _gone(self, why: str) -> InputError:
        return InputError(
            f"{self.path}: the decoded signal of track '{self.track.name}' is gone ({why}). Was the cache emptied? "
            "Run the same command again, and it is decoded anew."
        )


def _tensor(data: NDArray[np.floating]) -> Tensor:
    with warnings.catch_warnings():
        # The map cannot be written, and nobody is given it to try.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(data)


class StreamedSignal:
    """A signal that is read from its own file window by window: slow, and without a copy on disk.

    Its values are those of a `CachedSignal` in float32. Transforms that need statistics read the whole file once;
    a strand that is written as negative numbers is noticed by them alone.

    Args:
        source: the open file.
    """

    def __init__(self, source: Source) -> None:
        self.source, self.track, self.sizes, self.notes = source, source.track, source.sizes, source.notes
        self.counted = False
        self.measured = np.array([name in source.names for name in source.sizes])
        self._names = list(source.sizes)
        self._size = np.array(list(source.sizes.values()), dtype=np.int64)
        self._statistics: list[Statistics] | None = None

    def statistics(self) -> list[Statistics]:
        """Return the statistics of each chromosome; positions the file says nothing about do not count."""
        if self._statistics is None:
            watched = progress(self._names, f"reading {self.track.name}", len(self._names))
            self._statistics = [
                together(known for _, known in self.source.chunks(name)) if name in self.source.names else NOTHING
                for name in watched
            ]
        return self._statistics

    def read(self, chrom: Numbers, start: Numbers, out: Tensor) -> bool:
        """Write the signal of windows into `out`, NaN where nothing is known or a chromosome has ended."""
        found, length = out.numpy(), out.shape[1]
        whole = (start >= 0) & (start + length <= self._size[chrom]) & self.measured[chrom]
        for row in np.flatnonzero(~whole):
            name, begin = self._names[chrom[row]], int(start[row])
            first, last = max(begin, 0), min(begin + length, self.sizes[name])
            found[row] = np.nan
            if name in self.source.names and first < last:
                found[row, first - begin : last - begin] = self.source.unchecked(name, first, last)
        # In the order of the genome, since the file is read in blocks.
        order = np.lexsort((start, chrom))
        order = order[whole[order]]
        for rows in np.split(order, np.flatnonzero(np.diff(chrom[order])) + 1) if len(order) else ():
            places = [found[row] for row in rows.tolist()]
            self.source.windows(self._names[chrom[rows[0]]], start[rows].tolist(), length, places)
        return self._check(found, chrom, start)

    def _check(self, found: NDArray[np.float32], chrom: Numbers, start: Numbers) -> bool:
        """Return whether any value is NaN, and refuse infinite ones."""
        odd = np.flatnonzero(~np.isfinite(found).all(axis=1))
        for row in odd[np.isinf(found[odd]).any(axis=1)]:
            name, begin = self._names[chrom[row]], int(start[row])
            self.source.values(name, max(begin, 0), min(begin + found.shape[1], self.sizes[name]))
        return len(odd) > 0
