"""Motifs of the JASPAR database, release 2026, read from the copy inside the pyjaspar package."""

from contextlib import closing
from functools import lru_cache
from typing import Any

import numpy as np

from strandwise.errors import InputError, did_you_mean, listing
from strandwise.motifs.motif import Motif

RELEASE = "JASPAR2026"


@lru_cache(maxsize=256)
def jaspar_motif(accession: str, pseudocount: float = 1.0) -> Motif:
    """Return the JASPAR motif with this matrix ID, such as ``MA0139.2`` for human CTCF.

    A motif is chosen by ID with its version, never by name: the matrices called
    CTCF are of two species and of several lengths.

    Args:
        accession: a matrix ID with its version.
        pseudocount: counts added to each position, a quarter to each base, so that no base is impossible.

    Raises:
        InputError: pyjaspar is not installed, no motif has this ID, or the pseudocount is negative.
    """
    if not pseudocount >= 0:
        raise InputError(f"pseudocount {pseudocount}: give 0 or more.")
    database = _database()
    with closing(database.conn):
        # pyjaspar warns and returns nothing for an ID it does not know, so the IDs are asked first.
        names = {
            f"{base}.{version}": name
            for base, version, name in database.conn.execute("SELECT BASE_ID, VERSION, NAME FROM MATRIX")
        }
        if accession not in names:
            raise InputError(_unknown(accession, names))
        found = database.fetch_motif_by_id(accession)
    counts = np.array([found.counts[base] for base in "ACGT"], dtype=np.float64).T + pseudocount / 4
    return Motif(str(found.name), accession, counts / counts.sum(axis=1, keepdims=True))


def _database() -> Any:
    try:
        from pyjaspar import jaspardb
    except ImportError as error:
        raise InputError(
            "JASPAR motifs are read through the package pyjaspar, which is not installed: "
            "pip install 'strandwise[interpret]'"
        ) from error
    return jaspardb(release=RELEASE)


def _unknown(accession: str, names: dict[str, str]) -> str:
    """Say what is wrong with an ID, and offer what was probably meant."""
    versions = [known for known in names if known.split(".")[0] == accession.split(".")[0]]
    if versions:
        return f"{RELEASE} has no motif '{accession}'; its versions are {listing(versions)}. Give one of them."
    named = [known for known, name in names.items() if name.lower() == accession.lower()]
    if named:
        return (
            f"'{accession}' is a name, and names are not unique: {RELEASE} calls {listing(named)} so. "
            "Give one of these IDs."
        )
    return f"{RELEASE} has no motif '{accession}'{did_you_mean(accession, names)}; give a matrix ID such as MA0139.2."
