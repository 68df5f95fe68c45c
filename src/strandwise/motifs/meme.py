"""Motifs in MEME's text format, version 4 or later: read and written."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from strandwise.errors import InputError, did_you_mean, listing
from strandwise.files import write_text
from strandwise.motifs.motif import UNIFORM, Motif
from strandwise.motifs.text import lines_of

_MATRIX = "letter-probability matrix:"
_HEAD = 20
_VERSION = re.compile(r"\ufeff?MEME version ([4-9]|[1-9]\d)\b")
_SAID = re.compile(r"(\w+)\s*=\s*(\S+)")
_NUMBER = re.compile(r"\s*([\d.]|[+-][\d.])")
_NEAR_ONE = 0.01
"""How far the sum of a row may be from 1: files round, and some leave a pseudocount in."""


def meme_motifs(path: str | Path, names: Sequence[str] = ()) -> list[Motif]:
    """Return motifs of a file in MEME's format, plain or gzipped.

    What is read: ``MEME version 4`` or later, the alphabet if it is given, and of each ``MOTIF ID NAME`` the
    ``letter-probability matrix``, whose rows are A, C, G, T at each position. The rest is read over. Matrices stay as
    they are in the file, zeros included; rows are divided by their sum where rounding left another.

    Args:
        path: the file.
        names: which, in this order, by ID or by the name behind it where only one motif has it; all if none are given.

    Raises:
        InputError: no such file, another format or alphabet, or a name it does not hold.
    """
    motifs = _parsed(Path(path), lines_of(path))
    known = {motif.accession: motif for motif in motifs}
    return [_named(name, known, Path(path)) for name in names] if names else motifs


def write_meme(path: str | Path, motifs: Sequence[Motif], background: ArrayLike = UNIFORM) -> None:
    """Write motifs in MEME's minimal format, version 4, in one step.

    Args:
        path: the file.
        motifs: one or more; their accessions become IDs, and spaces in names underscores.
        background: the probability of A, C, G and T outside of sites.

    Raises:
        InputError: no motifs, two of the same accession, or an accession that cannot be an ID.
        OutputError: the place cannot be written.
    """
    seen: set[str] = set()
    for motif in motifs:
        ids = motif.accession
        if not ids or not ids.isprintable() or len(ids.split()) != 1 or ids in seen:
            raise InputError(
                f"{path}: a motif with the accession {ids!r} cannot be written: each needs one of its own, without "
                "spaces."
            )
        seen.add(ids)
    if not motifs:
        raise InputError(f"{path}: no motifs to write: give at least one.")
    base = " ".join(f"{letter} {share:.5f}" for letter, share in zip("ACGT", np.asarray(background), strict=True))
    parts = [f"MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\nBackground letter frequencies\n{base}\n"]
    for motif in motifs:
        rows = "\n".join(" ".join(f"{share:9.6f}" for share in row) for row in motif.probabilities)
        name = "_".join(motif.name.split())
        parts.append(
            f"MOTIF {motif.accession} {name}\n\n{_MATRIX} alength= 4 w= {len(motif)} nsites= 20 E= 0\n{rows}\n"
        )
    write_text(path, "\n".join(parts))


def _parsed(path: Path, lines: Sequence[str]) -> list[Motif]:
    version = next((found for line in lines[:_HEAD] if (found := _VERSION.match(line))), None)
    if version is None:
        first = next((line for line in lines if line.strip()), "")
        raise InputError(
            f"{path}: begins with '{first.strip()[:60]}', and holds no line 'MEME version 4' or later among its first "
            f"{_HEAD}: give motifs in MEME's text format."
        )
    motifs: dict[str, Motif] = {}
    open_motif: tuple[str, str, int] | None = None
    at = 0
    while at < len(lines):
        line, number = lines[at].strip(), at + 1
        at += 1
        if line.startswith("ALPHABET"):
            _check_alphabet(line, path, number)
        elif line.split(maxsplit=1)[:1] == ["MOTIF"]:
            _check_closed(open_motif, path)
            name, *rest = line.split()[1:] or [""]
            if not name or name in motifs:
                raise InputError(f"{path}: line {number}: a motif without a name, or a second '{name}': rename it.")
            open_motif = name, rest[0] if rest else name, number
        elif line.startswith(_MATRIX):
            if open_motif is None:
                raise InputError(f"{path}: line {number}: a matrix of no motif: begin each with 'MOTIF NAME'.")
            rows, at = _rows(lines, at, path, line, number)
            motifs[open_motif[0]] = Motif(open_motif[1], open_motif[0], rows)
            open_motif = None
    _check_closed(open_motif, path)
    if not motifs:
        raise InputError(f"{path}: holds no motif: expected 'MOTIF NAME' and '{_MATRIX}'.")
    return [*motifs.values()]


def _check_alphabet(line: str, path: Path, number: int) -> None:
    written = line.removeprefix("ALPHABET").removeprefix("=").strip()
    if written != "ACGT" and not written.startswith(('"DNA"', "DNA")):
        raise InputError(f"{path}: line {number}: the alphabet '{written[:60]}' is not DNA's ACGT: give motifs of DNA.")


def _check_closed(open_motif: tuple[str, str, int] | None, path: Path) -> None:
    if open_motif is not None:
        raise InputError(
            f"{path}: line {open_motif[2]}: motif '{open_motif[0]}' has no '{_MATRIX}': MEME's log-odds alone do not "
            "tell the probabilities."
        )


def _rows(lines: Sequence[str], at: int, path: Path, header: str, number: int) -> tuple[np.ndarray, int]:
    """Return the matrix that begins at a line, and the line behind it."""
    said = dict(_SAID.findall(header))
    if said.get("alength", "4") != "4":
        letters = said["alength"][:20]
        raise InputError(f"{path}: line {number}: 'alength= {letters}' is not DNA's 4: give motifs of DNA.")
    rows: list[list[float]] = []
    # A row is whatever begins as a number does, so that a damaged one is not taken for the end of the matrix.
    while at < len(lines) and _NUMBER.match(lines[at]):
        rows.append(_row(lines[at], path, at + 1))
        at += 1
    width = said.get("w", str(len(rows)))
    if not rows or width != str(len(rows)):
        raise InputError(
            f"{path}: line {number}: {len(rows)} rows of numbers follow, and the header says w= {width[:20]}: the file "
            "is damaged, or cut short."
        )
    matrix = np.array(rows)
    return matrix / matrix.sum(axis=1, keepdims=True), at


def _row(line: str, path: Path, number: int) -> list[float]:
    try:
        values = [float(word) for word in line.split()]
    except ValueError:
        values = []
    if len(values) != 4 or not all(0 <= value < math.inf for value in values) or abs(sum(values) - 1) > _NEAR_ONE:
        raise InputError(
            f"{path}: line {number}: '{line.strip()[:60]}' is not four probabilities, of A, C, G and T, that sum to 1."
        )
    return values


def _named(name: str, known: dict[str, Motif], path: Path) -> Motif:
    if name in known:
        return known[name]
    found = [motif for motif in known.values() if motif.name == name]
    if len(found) > 1:
        ids = listing(motif.accession for motif in found)
        raise InputError(f"{path}: '{name}' is the name of {len(found)} motifs, {ids}: give one of these IDs.")
    if not found:
        hint = did_you_mean(name, [*known, *(motif.name for motif in known.values())])
        raise InputError(f"{path}: holds no motif '{name}'{hint}.")
    return found[0]
