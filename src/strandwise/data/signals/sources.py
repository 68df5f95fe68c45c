"""Signal files, opened and matched to the chromosomes of a genome."""

from collections import deque
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from strandwise.data.signals.statistics import Statistics
from strandwise.data.signals.tracks import Track
from strandwise.errors import InputError, listing
from strandwise.genome import BedGraph, BigWig, match_names, open_signal
from strandwise.genome.runs import Runs
from strandwise.genome.signal import infinite_value

CHUNK_BP = 1 << 21
"""Bases that are decoded at once."""

_AHEAD = 2
"""Parts that are decoded beside the one that is written."""

_SMALL_BP = 1 << 16

_DENSE = 1.0
"""Bytes for each base from which on a file is read base by base: it has few stretches longer than one."""


Chunk = tuple[NDArray[np.float32], Statistics]


class SignalFile(Protocol):
    """What a file of signal can do, as `BigWig` and `BedGraph` do."""

    path: Path
    sizes: dict[str, int]
    silent: frozenset[str]

    def values(self, chrom: str, start: int, end: int, missing: float = 0.0) -> NDArray[np.float32]:
        """Return the signal of an interval, `missing` where the file says nothing."""
        ...


@dataclass(frozen=True)
class Source:
    """An open signal file, by the chromosome names of a genome.

    Attributes:
        track: what it is.
        file: the open file.
        sizes: chromosomes of the genome and their sizes in bp.
        names: what the file calls each chromosome that it has values of.
        notes: what a person should know: names read under others, chromosomes it does not have.
        identity: of the file on disk when it was opened.
    """

    track: Track
    file: SignalFile
    sizes: dict[str, int]
    names: dict[str, str]
    notes: tuple[str, ...]
    identity: tuple[int, ...]

    def unchecked(self, chrom: str, start: int, end: int) -> NDArray[np.float32]:
        """Return what `values` returns, without a look for infinite ones."""
        return self.file.values(self.names[chrom], start, end, 0.0 if self.track.zero_filled else np.nan)

    def windows(self, chrom: str, start: Sequence[int], length: int, out: Sequence[NDArray[np.float32]]) -> None:
        """Write what `values` returns of windows of one length, without a look for infinite ones."""
        if isinstance(self.file, BigWig):
            self.file.windows(self.names[chrom], start, length, out, 0.0 if self.track.zero_filled else np.nan)
            return
        for first, place in zip(start, out, strict=True):
            place[...] = self.unchecked(chrom, first, first + length)

    def values(self, chrom: str, start: int, end: int) -> NDArray[np.float32]:
        """Return the signal of an interval of a chromosome that the file has.

        Where the file says nothing it is 0 if the track counts that as 0, else NaN.

        Raises:
            InputError: a value is infinite.
        """
        values = self.unchecked(chrom, start, end)
        infinite = np.isinf(values)
        if infinite.any():
            raise self._infinite(chrom, start + int(infinite.argmax()))
        return values

    def _infinite(self, chrom: str, position: int) -> InputError:
        return infinite_value(self.file.path, self.names[chrom], position)

    def parts(self, chrom: str) -> int:
        """Return how many chunks a chromosome comes in."""
        return -(-self.sizes[chrom] // CHUNK_BP)

    def chunks(self, *chroms: str) -> Generator[Chunk]:
        """Yield the signal of chromosomes that the file has, and what it is.

        Each comes from its beginning to its end, in parts of `CHUNK_BP` and a last, shorter one.
        """
        places = [
            (chrom, start, min(start + CHUNK_BP, self.sizes[chrom]))
            for chrom in chroms
            for start in range(0, self.sizes[chrom], CHUNK_BP)
        ]
        if len(places) <= 1:
            yield from (self._part(*place) for place in places)
            return
        # The next parts are read and counted while their reader works on this one.
        with ThreadPoolExecutor(_AHEAD) as readers:
            waiting = deque(readers.submit(self._part, *place) for place in places[:_AHEAD])
            for place in places[_AHEAD:]:
                yield waiting.popleft().result()
                waiting.append(readers.submit(self._part, *place))
            for last in waiting:
                yield last.result()

    def _part(self, chrom: str, start: int, end: int) -> Chunk:
        runs = self._runs(chrom, start, end)
        if runs is None:
            values = self.values(chrom, start, end)
            return values, Statistics.of(values)
        infinite = np.isinf(runs.value)
        if infinite.any():
            raise self._infinite(chrom, int(runs.start[infinite.argmax()]))
        lengths = runs.end - runs.start
        if not self.track.zero_filled:
            return runs.dense(start, end, np.nan), Statistics.of_runs(runs.value, lengths)
        gaps = end - start - lengths.sum()
        known = Statistics.of_runs(np.append(runs.value, np.float32(0)), np.append(lengths, gaps))
        return runs.dense(start, end), known

    def _runs(self, chrom: str, start: int, end: int) -> Runs | None:
        if not isinstance(self.file, BigWig):
            return None
        return self.file.runs(self.names[chrom], start, end, int(_DENSE * max(end - start, _SMALL_BP)))

    def check_unchanged(self) -> None:
        """Refuse a file that is not the one that was opened.

        Raises:
            InputError: it was written meanwhile.
        """
        if _identity(self.file.path) != self.identity:
            raise InputError(f"{self.file.path}: changed while it was read. Run the same command again.")


def _identity(path: Path) -> tuple[int, ...]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def open_source(track: Track, sizes: Mapping[str, int]) -> Source:
    """Open the file of a track and find the genome's chromosomes in it.

    A chromosome that the file does not name, or has no value of, is missing from the track; it is not taken for one
    without signal.

    Args:
        track: the track.
        sizes: chromosomes of the genome and their sizes in bp.

    Raises:
        InputError: the file cannot be read, has none of the chromosomes, or has one of another size.
    """
    file: SignalFile = open_signal(track.path)
    identity = _identity(file.path)
    match = match_names(sizes, file.sizes, f"track '{track.name}'", str(file.path))
    if not match.mapping:
        match.require()
    for name, other in match.mapping.items():
        # A bedGraph knows only where its last line ends.
        fits = file.sizes[other] <= sizes[name] if isinstance(file, BedGraph) else file.sizes[other] == sizes[name]
        if not fits:
            raise InputError(
                f"{file.path}: {other} is {file.sizes[other]} bp there and {sizes[name]} bp in the genome "
                f"(track '{track.name}'). Is it from another assembly?"
            )
    # Worded alike for all files, so that those of which the same is to be said can be listed.
    notes, unmeasured = replace(match, what=str(file.path), where="it").notes(), "; taken as not measured (weight 0)"
    if match.missing:
        notes[-1] += unmeasured
    names = {name: other for name, other in match.mapping.items() if other not in file.silent}
    if not names:
        raise InputError(f"{file.path}: says nothing of any chromosome of the genome (track '{track.name}').")
    if len(names) < len(match.mapping):
        left = [name for name in match.mapping if name not in names]
        notes.append(f"{file.path}: no value of {listing(left)}, which it names{unmeasured}")
    return Source(track, file, dict(sizes), names, tuple(notes), identity)
