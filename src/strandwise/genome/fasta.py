"""Reading and writing sequences as FASTA, plain, gzip or bgzip."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from strandwise.errors import InputError
from strandwise.files import atomic_path, existing_file

_GZIP = b"\x1f\x8b"
# An empty block (SAM specification, 4.1.2).
_BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_LINE = 60


class _ByteStream(Protocol):
    def write(self, data: bytes, /) -> int: ...


@dataclass(frozen=True)
class FastaRecord:
    """One sequence of a FASTA file.

    Attributes:
        name: the header up to its first blank.
        description: the rest of the header, often empty.
        letters: the sequence as written.
    """

    name: str
    description: str
    letters: str


def is_gzip(path: Path) -> bool:
    """Return whether a file is compressed with gzip or bgzip, whatever its name says."""
    with path.open("rb") as stream:
        return stream.read(2) == _GZIP


def is_bgzip(path: Path) -> bool:
    """Return whether a file is compressed in blocks (bgzip), so that it can be read from the middle."""
    with path.open("rb") as stream:
        start = stream.read(18)
    # A BGZF block is a gzip member with an extra field that begins with BC (SAM specification, 4.1).
    return start[:2] == _GZIP and len(start) == 18 and bool(start[3] & 4) and start[12:14] == b"BC"


def check_bgzip_end(path: Path) -> None:
    """Refuse a bgzip file that lost its end, which may otherwise go unnoticed.

    Raises:
        InputError: the file is bgzip, and does not end with the empty block that bgzip writes last.
    """
    if is_bgzip(path):
        with path.open("rb") as stream:
            stream.seek(-min(len(_BGZIP_END), path.stat().st_size), 2)
            if stream.read() != _BGZIP_END:
                raise InputError(
                    f"{path}: the compressed file is cut off (it lacks the empty block at the end of every bgzip "
                    "file). Copy it again."
                )


def read_fasta(path: str | Path) -> Iterator[FastaRecord]:
    """Yield the sequences of a FASTA file one by one, in order; for sets of sequences, not for genomes.

    Args:
        path: plain, gzip or bgzip. Letters are not checked here; `sequence.encode` does so.

    Raises:
        InputError: the file is empty, damaged or no FASTA, or a sequence is empty, nameless or named twice.
    """
    path = existing_file(path, "FASTA file")
    check_bgzip_end(path)
    opened = gzip.open if is_gzip(path) else open
    seen: set[str] = set()
    try:
        with opened(path, "rt", encoding="utf-8") as stream:
            for number, header, letters in _headed_blocks(stream, path):
                name, _, description = header.partition(" ") if " " in header else header.partition("\t")
                _check_record(name, letters, seen, f"{path}, line {number}")
                yield FastaRecord(name, description.strip(), letters)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: this is not text, so not FASTA ({error.reason}).") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: the compressed file is damaged or cut off ({error}). Copy it again.") from error
    if not seen:
        raise InputError(f"{path}: the file has no sequences; a FASTA sequence begins with a '>' line.")


def _headed_blocks(lines: Iterable[str], path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield the line number, the header and the joined letters of each record."""
    header, at, parts = None, 0, []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text.startswith(">"):
            if header is not None:
                yield at, header, "".join(parts)
            header, at, parts = text[1:], number, []
        elif header is None and text:
            raise InputError(f"{path}, line {number}: letters before the first '>' line ({text[:20]!r}); not FASTA.")
        else:
            parts.append(text)
    if header is not None:
        yield at, header, "".join(parts)


def _check_record(name: str, letters: str, seen: set[str], where: str) -> None:
    """Refuse a nameless, empty or repeated record; remember its name."""
    if not name or any(letter.isspace() for letter in name):
        raise InputError(f"{where}: {name!r} is no sequence name; give one without blanks right after '>'.")
    if not letters:
        raise InputError(f"{where}: sequence '{name}' has no letters; remove it, or add them.")
    if name in seen:
        raise InputError(f"{where}: a second sequence is named '{name}'; names must differ.")
    seen.add(name)


def write_fasta(path: str | Path, records: Iterable[FastaRecord | tuple[str, str]], bgzip: bool = False) -> None:
    """Write sequences as FASTA, 60 letters to a line, in one step.

    Args:
        path: where to.
        records: records, or pairs of name and letters.
        bgzip: whether to compress in blocks, as an indexed genome is, and write the indexes besides.

    Raises:
        InputError: there are no sequences, or one is empty, nameless or named twice.
        OutputError: the place cannot be written.
    """
    path = Path(path)
    with atomic_path(path) as temporary:
        if bgzip:
            import pysam

            with pysam.BGZFile(str(temporary), "wb", None) as stream:
                _write_records(stream, records, path)
        else:
            with temporary.open("wb") as stream:
                _write_records(stream, records, path)
    if bgzip:
        from strandwise.genome.faidx import build_index

        build_index(path)


def _write_records(stream: _ByteStream, records: Iterable[FastaRecord | tuple[str, str]], path: Path) -> None:
    seen: set[str] = set()
    for record in records:
        full = record if isinstance(record, FastaRecord) else FastaRecord(record[0], "", record[1])
        _check_record(full.name, full.letters, seen, str(path))
        header = f">{full.name} {full.description}".rstrip()
        lines = (full.letters[i : i + _LINE] for i in range(0, len(full.letters), _LINE))
        stream.write("\n".join([header, *lines, ""]).encode())
    if not seen:
        raise InputError(f"{path}: there are no sequences to write.")
