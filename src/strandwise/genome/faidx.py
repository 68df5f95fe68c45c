"""The index of a genome FASTA (.fai, and .gzi beside bgzip): built where missing, checked before use."""

import gzip
import os
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysam
from filelock import FileLock

from strandwise.errors import InputError
from strandwise.files import atomic_path, existing_file, writing_errors
from strandwise.genome.byte_ranges import gzi_path, open_bytes
from strandwise.genome.fasta import check_bgzip_end, is_bgzip, is_gzip

# Enough of a header to hold its name.
_HEADER = 8192
_SAMPLED = 100
_LARGEST = 1 << 48


@dataclass(frozen=True)
class IndexEntry:
    """One line of a .fai file: where a sequence of `length` letters lies, all counts in bytes."""

    name: str
    length: int
    offset: int
    line_letters: int
    line_bytes: int

    @property
    def end(self) -> int:
        """The place just behind the last letter."""
        full_lines, rest = divmod(self.length, self.line_letters)
        if rest == 0:
            full_lines, rest = full_lines - 1, self.line_letters
        return self.offset + full_lines * self.line_bytes + rest


def fai_path(fasta: Path) -> Path:
    """Return where the index of a FASTA file lies."""
    return fasta.with_name(fasta.name + ".fai")


def indexed(fasta: str | Path) -> dict[str, IndexEntry]:
    """Return where each chromosome of a genome lies, in file order, by an index that fits.

    An index that is missing, older than the FASTA or at odds with it is built anew where the folder can
    be written.

    Raises:
        InputError: the file is no FASTA that can be indexed, or its index is missing or stale in a
            folder that cannot be written.
    """
    path = existing_file(fasta, "genome FASTA")
    _refuse_other_formats(path)
    reason = _why_unusable(path)
    if reason is not None or _older(path):
        if os.access(path.parent, os.W_OK):
            build_index(path)
        elif reason is not None:
            raise InputError(
                f"{path}: {reason}, and the folder cannot be written. Run `samtools faidx {path}` "
                "where it can, or copy the genome to another folder."
            )
    return {entry.name: entry for entry in _read_fai(path)}


def indexed_sizes(fasta: str | Path) -> dict[str, int]:
    """Return the chromosomes of a genome and their sizes in bp, in file order (see `indexed`)."""
    return {name: entry.length for name, entry in indexed(fasta).items()}


def build_index(path: Path) -> None:
    """Build the index of a FASTA file beside it, in one step, though several processes may try at once.

    Raises:
        InputError: the FASTA cannot be indexed, with the reason as far as it is known.
        OutputError: the folder cannot be written.
    """
    lock = path.with_name(f".{path.name}.fai.lock")
    try:
        with writing_errors(lock), FileLock(lock):
            # Another process may have built it while this one waited.
            if _older(path) or _why_unusable(path) is not None:
                _build(path)
    finally:
        with suppress(OSError):
            lock.unlink(missing_ok=True)


def _build(path: Path) -> None:
    # htslib would write its complaints to standard error, where nobody connects them with this call.
    verbosity = pysam.set_verbosity(0)
    try:
        with atomic_path(fai_path(path)) as fai:
            if is_bgzip(path):
                with atomic_path(gzi_path(path)) as gzi:
                    pysam.faidx("--fai-idx", str(fai), "--gzi-idx", str(gzi), str(path))
            else:
                pysam.faidx("--fai-idx", str(fai), str(path))
    except pysam.SamtoolsError as error:
        raise InputError(
            f"{path}: the FASTA cannot be indexed. All lines of a sequence but the last must be equally "
            f"long, and the file complete; `samtools faidx {path}` says which line is not."
        ) from error
    finally:
        pysam.set_verbosity(verbosity)
    misfit = _misfit(path, _read_fai(path), every=True)
    if misfit is not None:
        fai_path(path).unlink(missing_ok=True)
        raise InputError(f"{path}: the FASTA cannot be indexed: {misfit}. Is a sequence empty or a name used twice?")


def _refuse_other_formats(path: Path) -> None:
    if is_gzip(path) and not is_bgzip(path):
        bare = path.with_suffix("")
        raise InputError(
            f"{path}: compressed with gzip, which cannot be read from the middle. "
            f"Compress it with bgzip instead: `gunzip {path} && bgzip {bare}`."
        )
    check_bgzip_end(path)
    try:
        with gzip.open(path) if is_gzip(path) else path.open("rb") as stream:
            start = stream.read(1024).lstrip()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: the compressed file is damaged ({error}). Copy it again.") from error
    if not start:
        raise InputError(f"{path}: the file is empty; a genome FASTA is expected.")
    if not start.startswith(b">"):
        raise InputError(f"{path}: this is not a FASTA file: it begins with {start[:12]!r} in place of '>'.")


def _older(path: Path) -> bool:
    indexes = [fai_path(path), gzi_path(path)] if is_bgzip(path) else [fai_path(path)]
    return any(index.stat().st_mtime < path.stat().st_mtime for index in indexes if index.exists())


def _why_unusable(path: Path) -> str | None:
    """Return why the index beside a FASTA cannot be used, or nothing if it can."""
    if not fai_path(path).exists():
        return f"its index {fai_path(path).name} is missing"
    if is_bgzip(path) and not gzi_path(path).exists():
        return f"its block index {gzi_path(path).name} is missing"
    try:
        misfit = _misfit(path, _read_fai(path), every=False)
    except (InputError, OSError) as error:
        return f"its index cannot be read ({error})"
    return f"its index {fai_path(path).name} does not fit it ({misfit})" if misfit else None


def _read_fai(path: Path) -> list[IndexEntry]:
    entries = []
    try:
        for line in fai_path(path).read_text(encoding="utf-8").splitlines():
            name, *numbers = line.split("\t")
            entry = IndexEntry(name, *(int(number) for number in numbers))
            if max(entry.length, entry.offset, entry.line_bytes) > _LARGEST:
                raise ValueError(line)
            if min(entry.length, entry.offset, entry.line_letters) < 1 or entry.line_bytes <= entry.line_letters:
                raise ValueError(line)
            entries.append(entry)
    except (TypeError, ValueError) as error:
        raise InputError(f"{fai_path(path)}: this is not a FASTA index.") from error
    if not entries:
        raise InputError(f"{fai_path(path)}: the index is empty.")
    return entries


def _misfit(path: Path, entries: list[IndexEntry], every: bool) -> str | None:
    """Return where a FASTA is not as its index says, looking between sequences: at all, or at a sample."""
    file, count = open_bytes(path, "genome FASTA"), len(entries)
    looked_at = range(count) if every else np.unique(np.linspace(0, count - 1, _SAMPLED).astype(int)).tolist()
    for i in looked_at:
        entry = entries[i]
        # From the end of the sequence before to the first letter there is one header and nothing else.
        before = entries[i - 1].end if i else 0
        header = file.read(before, min(_HEADER, max(entry.offset - before, 0))).strip()
        if header[:1] != b">" or header[1:].split(maxsplit=1)[:1] != [entry.name.encode()]:
            return f"the header of '{entry.name}' is not where it should be"
        if b"\n" in header or file.read(entry.offset - 1, 1) != b"\n":
            return f"'{entry.name}' does not begin where it should"
        if len(file.read(entry.end - 1, 1).strip()) != 1:
            return f"'{entry.name}' ends before its {entry.length} letters"
    if file.read(entries[-1].end, _HEADER).strip():
        return f"something follows the last sequence, '{entries[-1].name}'"
    return None
