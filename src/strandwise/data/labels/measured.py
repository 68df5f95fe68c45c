"""Where a track was measured: on chromosomes with a peak of it, since on the others perhaps nobody ever looked."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from strandwise.errors import listing


def measured_on(chrom: ArrayLike, peaks: Mapping[str, pd.DataFrame]) -> NDArray[np.bool_]:
    """Return whether each track has a peak anywhere on the chromosome of each window: ``(windows, tracks)``.

    Args:
        chrom: chromosome of each window.
        peaks: of each track, with `chrom`.
    """
    names = pd.Series(np.asarray(chrom, dtype=object))
    columns = [names.isin(pd.unique(frame["chrom"])).to_numpy() for frame in peaks.values()]
    return np.stack(columns, axis=1) if columns else np.zeros((len(names), 0), dtype=bool)


def unmeasured_notes(used: Iterable[str], peaks: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return a sentence, if any is needed, on the tracks that have no peak on chromosomes where windows lie.

    Args:
        used: the chromosomes.
        peaks: of each track, with `chrom`.
    """
    used, lacking = list(used), list[str]()
    for name, frame in peaks.items():
        seen = set(pd.unique(frame["chrom"]))
        without = [chrom for chrom in used if chrom not in seen]
        if without:
            lacking.append(f"of '{name}' on {listing(without)}")
    return [f"no peaks {listing(lacking)}: taken as not measured there (weight 0)"] if lacking else []
