"""Writing files so that nothing half-made is ever seen, hashing them, and showing progress."""

import errno
import hashlib
import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

from strandwise.errors import InputError, OutputError, did_you_mean

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_WRITABLE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.ENOENT,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.ELOOP,
}

TEMPORARY = f".{'[0-9a-f]' * 8}.tmp.*"
"""A pattern of the names that `atomic_path` writes under; one that is left is of a process that was killed."""

Item = TypeVar("Item")


@contextmanager
def writing_errors(path: Path) -> Iterator[None]:
    """Turn the system's complaints about writing `path` into one clear `OutputError`."""
    try:
        yield
    except OSError as error:
        # Some libraries wrap the system's error and keep only its words.
        full = error.errno in _NO_SPACE or "No space left" in str(error) or "File too large" in str(error)
        if full:
            raise OutputError(
                f"{path}: the disk is full or the file too large for it; nothing was replaced. "
                "Free some space, or give another place, and run the same command again."
            ) from error
        if error.errno in _NOT_WRITABLE:
            raise OutputError(f"{path}: cannot be written ({error.strerror}). Give another place.") from error
        if error.errno is None:
            raise OutputError(
                f"{path}: could not be written whole ({error}); is the disk full? Nothing was replaced. "
                "Free some space, or give another place, and run the same command again."
            ) from error
        raise


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it takes the place of `path` only if the block succeeds.

    A process that dies in the block leaves `path` as it was. The temporary name ends as `path` does,
    since some writers choose their format by the ending.

    Raises:
        OutputError: the disk is full, or the place cannot be written; the latter before the block runs.
    """
    path = Path(path)
    mode = check_writable(path)
    temporary = _temporary(path)
    try:
        with writing_errors(path):
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            # Some writers make files that only their owner may read; a result is there to be shared.
            temporary.chmod(mode)
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> int:
    """Refuse a place that cannot be written, before the work whose result goes there; make its folder.

    Returns:
        The permissions that the user's umask gives a new file there.

    Raises:
        OutputError: naming the place and why.
    """
    with writing_errors(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary(path)
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode
        temporary.unlink()
        return mode


def _temporary(path: Path) -> Path:
    return path.with_name(f".{secrets.token_hex(4)}.tmp.{path.name}")


def is_free(folder: Path) -> bool:
    """Whether a folder does not exist, or holds nothing but what killed processes left."""
    if not folder.exists():
        return True
    return folder.is_dir() and all(fnmatchcase(entry.name, TEMPORARY) for entry in folder.iterdir())


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` in one step, so that a reader sees the old text or the new one."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def existing_file(path: str | Path, what: str) -> Path:
    """Return `path` if it is a readable file, or say plainly what is missing.

    Raises:
        InputError: naming the path and the nearest file beside it.
    """
    path = Path(path)
    try:
        if path.is_file():
            if not os.access(path, os.R_OK):
                raise InputError(f"{path}: {what} cannot be read (permission denied).")
            return path
        if path.is_dir():
            raise InputError(f"{path}: {what} is expected to be a file, and this is a folder.")
        beside = sorted(entry.name for entry in path.parent.iterdir()) if path.parent.is_dir() else []
        hint = f" The folder {path.parent} does not exist." if not path.parent.is_dir() else ""
    except OSError as error:
        raise InputError(f"{path}: {what} cannot be read ({error.strerror}).") from error
    raise InputError(f"{path}: no such file ({what}){did_you_mean(path.name, beside)}.{hint}")


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def progress(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Yield `items` behind a progress bar on standard error; quiet where that is not a terminal."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, description=what, total=total, console=Console(stderr=True), transient=True)
