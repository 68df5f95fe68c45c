"""What is done with tables of intervals: other chromosome names, checks against a genome, overlaps."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strandwise.errors import InputError
from strandwise.genome.names import NameMatch, name_hint

_REGION = re.compile(r"(?P<chrom>.+):(?P<start>[0-9][0-9,]*)-(?P<end>([0-9][0-9,]*)?)")


def rename_chromosomes(frame: pd.DataFrame, match: NameMatch) -> pd.DataFrame:
    """Return the intervals with their chromosomes called as the other file calls them.

    Args:
        frame: intervals, with a column ``chrom``.
        match: what `names.match_names` found.

    Raises:
        InputError: a chromosome was not found (drop its intervals first to go on without).
    """
    unknown = set(frame["chrom"]).difference(match.mapping)
    if unknown:
        match.require()
        raise InputError(f"{match.what}: no match was sought for chromosome '{min(unknown)}'.")
    return frame.assign(chrom=[match.mapping[chrom] for chrom in frame["chrom"]])


def check_within(frame: pd.DataFrame, sizes: Mapping[str, int], path: object) -> None:
    """Refuse intervals that reach past the end of their chromosome, as those of another assembly do.

    Args:
        frame: intervals, with columns ``chrom``, ``start`` and ``end``.
        sizes: chromosomes and their sizes in bp.
        path: the file of the intervals, for messages.

    Raises:
        InputError: naming the first such interval and how many there are.
    """
    size = np.array([sizes.get(chrom, -1) for chrom in frame["chrom"]], dtype=np.int64)
    if (size < 0).any():
        chrom = str(frame["chrom"].iloc[int((size < 0).argmax())])
        raise InputError(f"{path}: chromosome '{chrom}' is not in the genome{name_hint(chrom, sizes)}.")
    outside = frame[(frame["end"].to_numpy() > size) | (frame["start"].to_numpy() < 0)]
    if len(outside):
        first = outside.iloc[0]
        chrom = str(first["chrom"])
        others = f", and {len(outside) - 1} more like it" if len(outside) > 1 else ""
        raise InputError(
            f"{path}: {chrom}:{first['start']}-{first['end']} reaches past the end of {chrom}, which is "
            f"{sizes[chrom]} bp{others}. The intervals are likely from another assembly than the genome."
        )


def overlaps_any(frame: pd.DataFrame, other: pd.DataFrame) -> NDArray[np.bool_]:
    """Return, for each interval, whether it shares at least one base with any interval of another table.

    Args:
        frame: N intervals, with columns ``chrom``, ``start`` and ``end``.
        other: the intervals to meet, with the same columns.

    Returns:
        ``(N,)`` booleans, in the order of `frame`.
    """
    found = np.zeros(len(frame), dtype=bool)
    if frame.empty or other.empty:
        return found
    # Half a second to import, which those who never ask for overlaps should not wait.
    import bioframe

    columns = ["chrom", "start", "end"]
    apart = bioframe.setdiff(frame[columns].reset_index(drop=True), other[columns].reset_index(drop=True))
    found[:] = True
    found[apart.index.to_numpy()] = False
    return found


def parse_region(text: str, sizes: Mapping[str, int]) -> tuple[str, int, int]:
    """Return the chromosome, start and end of a region written as ``chrII:1000-2,000``.

    Positions are 0-based and half-open, as in BED; ``chrII`` is the whole chromosome, and
    ``chrII:3000-`` runs to its end.

    Args:
        text: the region.
        sizes: chromosomes and their sizes in bp.

    Raises:
        InputError: the chromosome is unknown, or the region is backwards, empty or past the end.

    >>> parse_region("chrII:1000-2,000", {"chrII": 813184})
    ('chrII', 1000, 2000)
    """
    text = text.strip()
    if text in sizes:
        return text, 0, sizes[text]
    match = _REGION.fullmatch(text)
    chrom = match["chrom"] if match else text
    if match is None and text.rpartition(":")[0] in sizes:
        raise InputError(f"region '{text}': write it as CHROM, CHROM:START-END or CHROM:START-.")
    if match is None or chrom not in sizes:
        raise InputError(f"region '{text}': chromosome '{chrom}' is not in the genome{name_hint(chrom, sizes)}.")
    size, given_end = sizes[chrom], match["end"].replace(",", "")
    start = int(match["start"].replace(",", ""))
    end = int(given_end) if given_end else size
    if end > size:
        raise InputError(f"region '{text}': {end} is past the end of {chrom}, which is {size} bp.")
    if start >= end:
        raise InputError(
            f"region '{text}': the start, {start}, is not before the end, {end}"
            + (" (the end of the chromosome)" if not given_end else "")
            + "; positions count from 0 and the end is not included."
        )
    return chrom, start, end
