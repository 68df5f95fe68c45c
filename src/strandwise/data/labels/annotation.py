"""What genes and islands a window meets: promoters, coding sequence, introns, UTRs, CpG islands."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from strandwise.data.labels.cover import Cover, interval_columns
from strandwise.data.labels.grid import BinGrid
from strandwise.errors import InputError

FACTORNET_FEATURES = ("cpg", "cds", "intron", "promoter", "utr5", "utr3")
"""The order in which FactorNet's networks read their gene features."""


def promoters(sites: pd.DataFrame, upstream_bp: int = 300, downstream_bp: int = 100) -> pd.DataFrame:
    """Return the promoter of each transcription start site: `upstream_bp` before it, `downstream_bp` from it on.

    The start site is the 5' end of an interval: its first base on "+", its last on "-". It is the first of the
    downstream bases, so a promoter holds upstream_bp + downstream_bp bases, fewer only at position 0.

    Args:
        sites: intervals with a strand, such as start sites or transcripts.
        upstream_bp: bases before the start site (Quang & Xie 2019: 300).
        downstream_bp: bases from the start site on (100).

    Returns:
        One row a site: chrom, start, end, strand.

    Raises:
        InputError: a site without a strand, or lengths that leave no promoter.
    """
    if upstream_bp < 0 or downstream_bp < 0 or upstream_bp + downstream_bp == 0:
        raise InputError(f"a promoter of {upstream_bp} bp upstream and {downstream_bp} bp downstream: give 0 or more.")
    chrom, start, end = interval_columns(sites, "transcription start sites")
    strand = sites["strand"].to_numpy(dtype=object) if "strand" in sites.columns else np.full(len(sites), ".")
    unknown = ~np.isin(strand, ["+", "-"])
    if unknown.any():
        row = int(unknown.argmax())
        raise InputError(
            f"transcription start sites: {chrom[row]}:{start[row]}-{end[row]} has strand '{strand[row]}', and a "
            "promoter needs '+' or '-' (column 6 of BED)."
        )
    forward = strand == "+"
    low = np.where(forward, start - upstream_bp, end - downstream_bp)
    high = np.where(forward, start + downstream_bp, end + upstream_bp)
    return pd.DataFrame({"chrom": chrom, "start": np.maximum(low, 0), "end": high, "strand": strand})


def annotate(
    chrom: ArrayLike, start: ArrayLike, end: ArrayLike, features: Mapping[str, pd.DataFrame]
) -> NDArray[np.bool_]:
    """Return whether each window shares at least one base with each feature: ``(windows, features)``.

    Args:
        chrom: chromosomes of the windows.
        start: their first positions.
        end: one past their last positions.
        features: intervals of each feature, by name; strands do not count.
    """
    names = np.asarray(chrom, dtype=object)
    columns = [Cover(frame, what=name).touches(names, start, end) for name, frame in features.items()]
    return np.stack(columns, axis=1) if columns else np.zeros((len(names), 0), dtype=bool)


def annotate_bins(grid: BinGrid, features: Mapping[str, pd.DataFrame]) -> NDArray[np.bool_]:
    """Return whether each bin of a grid shares at least one base with each feature: ``(bins, features)``.

    The same as `annotate` of all bins, without ever writing them down.
    """
    found = np.zeros((len(grid), len(features)), dtype=bool, order="F")
    for column, (name, frame) in enumerate(features.items()):
        found[:, column] = grid.touched(Cover(frame, what=name))
    return found
