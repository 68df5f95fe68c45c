"""Tracks decoded once, and kept where every later run finds them."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import compress
from pathlib import Path
from typing import get_args

from filelock import FileLock, Timeout

from strandwise.data.signals.entry import VERSION, Entry, SignalType, most_bytes, read_entry, write_entry
from strandwise.data.signals.signal import CachedSignal, Signal, StreamedSignal
from strandwise.data.signals.sources import Source, open_source
from strandwise.data.signals.tracks import Track
from strandwise.errors import InputError, OutputError
from strandwise.files import TEMPORARY, check_writable, sha256, writing_errors

_ENDING, _LOCK = ".signal", ".lock"
_SPARE_BYTES = 1 << 24

DECODING_PAYS, DECODING_DENSE_PAYS, DENSE = 1.25, 2.0, 1.5
"""How many times its genome's size must be read for a track to be decoded first, rather than read from its file; the
same for a dense track; and the bytes for each base from which on a file counts as dense.

To read each base once, count it and write it down takes about as long as to read windows that make up the genome
0.8 to 1.2 times, and up to 1.6 times where nearly each base has a value of its own, as `benchmarks/data.py` measures.
"""


def default_folder() -> Path:
    """Return where decoded signals are kept unless told otherwise: the user's cache (XDG Base Directory)."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(named) if Path(named).is_absolute() else Path.home() / ".cache"
    return base / "strandwise" / "signals"


@dataclass(frozen=True)
class Planned:
    """What opening a track will take.

    Attributes:
        track: the track.
        path: its file in the cache.
        present: whether it is there already.
        nbytes: its size on disk; for one that is not there yet, the most it can be.
    """

    track: Track
    path: Path
    present: bool
    nbytes: int


class SignalCache:
    """Decoded signals in a folder, one file for each content: a file that changes is decoded anew.

    Several processes may open a track at once; one decodes it and the others wait. A track takes 4 bytes (float32)
    or 2 (float16) for each base pair of the chromosomes that its file has; a chromosome whose values are all the
    same takes none. No entry is ever deleted: the folder may be emptied whenever no run uses it.

    Args:
        sizes: chromosomes of the genome and their sizes in bp.
        folder: where the files lie; `default_folder()` if not given.
        dtype: "float32", or "float16" for half the space, refused for a track with values that it cannot hold.
        check: whether to read each file whole when it is opened, and to decode it anew where it is damaged.
        say: is told what is decoded, how large it becomes and where, before that is done.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        folder: str | Path | None = None,
        dtype: SignalType = "float32",
        *,
        check: bool = False,
        say: Callable[[str], object] | None = None,
    ) -> None:
        if dtype not in get_args(SignalType):
            raise InputError(f"dtype {dtype!r} of the signal cache: give 'float32' or 'float16'.")
        self.sizes = _checked(sizes)
        self.folder = Path(folder) if folder is not None else default_folder()
        self.dtype: SignalType = dtype
        self.check = check
        self._say = say or (lambda line: None)

    def plan(self, tracks: Sequence[Track]) -> list[Planned]:
        """Return what opening tracks will take, without decoding any."""
        return [self._plan(source, self._path(source)) for source in self._sources(tracks)]

    def open(self, tracks: Sequence[Track]) -> list[CachedSignal]:
        """Return the signals of tracks, decoding those that are not in the cache yet.

        Raises:
            InputError: a file cannot be read or does not fit the genome, or has values that float16 cannot hold.
            OutputError: there is not enough space for all of them, or the folder cannot be written.
        """
        return self._open(self._sources(tracks))

    def _open(self, sources: Sequence[Source]) -> list[CachedSignal]:
        self._tidy()
        paths = [self._path(source) for source in sources]
        self._check_space([self._plan(source, path) for source, path in zip(sources, paths, strict=True)])
        return [
            CachedSignal(source.track, self._entry(source, path), source.notes)
            for source, path in zip(sources, paths, strict=True)
        ]

    def open_for(self, tracks: Sequence[Track], read_bp: int) -> list[Signal]:
        """Return the signals of tracks, each in the way that makes the first pass over windows fastest.

        A track that is in the cache is read from there. Any other is decoded if the pass reads the genome several
        times (`DECODING_PAYS`) or if its transform needs statistics of the whole file, and else read straight from its
        file. In float16 every track is decoded, lest its values depend on what the cache held.

        Args:
            tracks: what to open.
            read_bp: bases of each track that the pass reads: the number of windows times their length.

        Raises:
            InputError: a file cannot be read or does not fit the genome, or has values that float16 cannot hold.
            OutputError: there is not enough space for those to be decoded, or the folder cannot be written.
        """
        sources = self._sources(tracks)
        genome_bp = sum(self.sizes.values())
        # A file is read whole to know its entry, which is for nothing where there is none of any.
        entries = any(self.folder.glob(f"*{_ENDING}"))
        ready = [
            self.dtype == "float16"
            or source.track.needs_statistics
            or read_bp >= _pays(source, genome_bp) * genome_bp
            or (entries and self._whole(self._path(source)) is not None)
            for source in sources
        ]
        cached = iter(self._open(list(compress(sources, ready))))
        return [next(cached) if is_ready else StreamedSignal(s) for s, is_ready in zip(sources, ready, strict=True)]

    def _tidy(self) -> None:
        """Remove what processes left that were killed while they decoded."""
        for left in self.folder.glob(f"*{_ENDING}") if self.folder.is_dir() else ():
            if fnmatchcase(left.name, TEMPORARY):
                entry = left.with_name(left.name.split(".tmp.", 1)[1])
                # Whoever decodes an entry holds its lock; so what can be locked is nobody's any more.
                with suppress(Timeout, OSError), FileLock(entry.with_suffix(_LOCK), timeout=0):
                    left.unlink()

    def _sources(self, tracks: Sequence[Track]) -> list[Source]:
        return [open_source(track, self.sizes) for track in tracks]

    def _path(self, source: Source) -> Path:
        content = [VERSION, sha256(source.file.path), self.dtype, source.track.zero_filled, list(self.sizes.items())]
        return self.folder / f"{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]}{_ENDING}"

    def _plan(self, source: Source, path: Path) -> Planned:
        if read_entry(path) is not None:
            return Planned(source.track, path, True, path.stat().st_size)
        return Planned(source.track, path, False, self._most(source))

    def _most(self, source: Source) -> int:
        return most_bytes([source.sizes[name] for name in source.names], self.dtype)

    def _check_space(self, planned: list[Planned]) -> None:
        needed = {plan.path: plan.nbytes for plan in planned if not plan.present}
        if not needed:
            return
        # By the name of its lock, since what is named as an entry may be tidied away by another process.
        check_writable(next(iter(needed)).with_suffix(_LOCK))
        free = shutil.disk_usage(self.folder).free
        if sum(needed.values()) + _SPARE_BYTES > free:
            raise OutputError(
                f"{self.folder}: decoding {len(needed)} of {len(planned)} tracks takes up to "
                f"{_size(sum(needed.values()))}, and {_size(free)} is free; nothing was written. Free some space, give "
                f"another folder, or read the files without a cache{self._smaller()}."
            )

    def _smaller(self) -> str:
        return "; float16 takes half the space" if self.dtype == "float32" else ""

    def _entry(self, source: Source, path: Path) -> Entry:
        found = self._whole(path)
        if found is not None:
            return found
        lock = FileLock(path.with_suffix(_LOCK))
        with writing_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                self._say(f"track '{source.track.name}': waiting for another process that decodes it")
                lock.acquire()
        try:
            # Another process may have made it while this one waited.
            found = self._whole(path)
            return found if found is not None else self._decode(source, path)
        finally:
            lock.release()

    def _whole(self, path: Path) -> Entry | None:
        """Return the entry if it is there and whole."""
        entry = read_entry(path)
        return None if entry is None or (self.check and entry.damaged()) else entry

    def _decode(self, source: Source, path: Path) -> Entry:
        if path.exists():
            self._say(f"{path}: the decoded signal is damaged; it is decoded anew")
        self._say(
            f"track '{source.track.name}': decoding {source.file.path} once, up to {_size(self._most(source))} "
            f"in {path.parent}"
        )
        write_entry(path, source, self.dtype)
        entry = read_entry(path)
        if entry is None:
            path.unlink(missing_ok=True)
            raise OutputError(f"{path}: what was written cannot be read back. Is the disk sound?")
        return entry


class SignalStream:
    """Signals read straight from their files, window by window: slow, and without a copy on disk.

    What is read is the same as from a `SignalCache` in float32.

    Args:
        sizes: chromosomes of the genome and their sizes in bp.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = _checked(sizes)

    def open(self, tracks: Sequence[Track]) -> list[StreamedSignal]:
        """Return the signals of tracks.

        Raises:
            InputError: a file cannot be read or does not fit the genome.
        """
        return [StreamedSignal(open_source(track, self.sizes)) for track in tracks]


def _pays(source: Source, genome_bp: int) -> float:
    dense = source.file.path.stat().st_size > DENSE * genome_bp
    return DECODING_DENSE_PAYS if dense else DECODING_PAYS


def _checked(sizes: Mapping[str, int]) -> dict[str, int]:
    if not sizes:
        raise InputError("no chromosomes: name at least one, with its size.")
    return {name: int(size) for name, size in sizes.items()}


def _size(nbytes: int) -> str:
    unit, word = next(((n, w) for n, w in ((10**9, "GB"), (10**6, "MB")) if nbytes >= n), (1000, "kB"))
    return f"{nbytes / unit:,.1f} {word}"
