"""Motif files as lines of text."""

import gzip
import zlib
from pathlib import Path

from strandwise.errors import InputError
from strandwise.files import existing_file

_MOST = 1 << 28
"""Characters of the largest file that is read: far more than any collection of motifs has."""


def lines_of(path: str | Path) -> list[str]:
    """Return the lines of a motif file, plain or gzipped.

    Raises:
        InputError: no such file, not text, or too large to be one of motifs.
    """
    path = existing_file(path, "motifs")
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as stream:
            text = stream.read(_MOST + 1)
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: cannot be read as text ({error}): give the motif file, plain or gzipped.") from None
    if len(text) > _MOST:
        raise InputError(f"{path}: is too large to be a collection of motifs: give the motif file.")
    return text.splitlines()
