"""Motifs of a file, whichever of the formats it is in."""

from collections.abc import Sequence
from pathlib import Path

from strandwise.motifs.encode import encode_motifs
from strandwise.motifs.meme import meme_motifs
from strandwise.motifs.motif import Motif
from strandwise.motifs.text import lines_of


def read_motifs(path: str | Path, names: Sequence[str] = ()) -> list[Motif]:
    """Return motifs of a file in MEME's format, or in that of the ENCODE collection, whose motifs begin with ``>``.

    Args:
        path: the file, plain or gzipped.
        names: which, in this order; all if none are given.

    Raises:
        InputError: as `meme_motifs` and `encode_motifs`.
    """
    first = next((line for line in lines_of(path) if line.strip()), "")
    return (encode_motifs if first.startswith(">") else meme_motifs)(path, names)
