"""Motifs in the text format of the ENCODE motif collection (Kheradpour & Kellis 2014)."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from strandwise.errors import InputError, did_you_mean
from strandwise.motifs.motif import Motif
from strandwise.motifs.text import lines_of

PSEUDO = 0.001
"""Added to each probability before it is divided by the sum, so that no base is impossible."""


def encode_motifs(path: str | Path, names: Sequence[str] = ()) -> list[Motif]:
    """Return motifs of a file, plain or gzipped, in the order of `names`.

    A motif is a line ``>NAME ...`` and a line ``LETTER A C G T`` for each position.

    Args:
        path: the file.
        names: first words after ``>``, such as ``CTCF_known1``; all if none are given.

    Raises:
        InputError: no such file, another format, or a name it does not hold.
    """
    path, lines = Path(path), lines_of(path)
    rows: dict[str, list[list[float]]] = {}
    current: list[list[float]] = []
    for number, line in enumerate(lines, 1):
        if line.startswith(">"):
            words = line[1:].split()
            if not words:
                raise InputError(f"{path}: line {number}: a motif without a name: write it after '>'.")
            if words[0] in rows:
                raise InputError(f"{path}: line {number}: a second motif '{words[0]}': give each its own name.")
            current = rows[words[0]] = []
        elif line.strip() and not rows:
            raise InputError(f"{path}: line {number}: '{line.strip()[:60]}' is of no motif: begin with '>NAME'.")
        elif line.strip():
            current.append(_row(line, path, number))
    if not rows:
        raise InputError(f"{path}: holds no motif: expected lines '>NAME' and 'LETTER A C G T'.")
    names = names or [*rows]
    for name in names:
        if name not in rows:
            raise InputError(f"{path}: holds no motif '{name}'{did_you_mean(name, rows)}.")
        if not rows[name]:
            raise InputError(f"{path}: motif '{name}' has no positions: expected lines 'LETTER A C G T' under it.")
    return [_motif(name, rows[name]) for name in names]


def _row(line: str, path: Path, number: int) -> list[float]:
    words = line.split()
    try:
        values = [float(word) for word in words[1:]]
    except ValueError:
        values = []
    if len(values) != 4:
        raise InputError(f"{path}: line {number}: '{line.strip()[:60]}' is not 'LETTER A C G T'.")
    if not all(0 <= value < math.inf for value in values) or not any(values):
        raise InputError(
            f"{path}: line {number}: '{line.strip()[:60]}' holds no probabilities: they are 0 or more, and not all 0."
        )
    return values


def _motif(name: str, rows: list[list[float]]) -> Motif:
    matrix = np.array(rows, dtype=float).reshape(-1, 4) + PSEUDO
    return Motif(name, name, matrix / matrix.sum(axis=1, keepdims=True))
