"""Labels of a whole window by what covers its middle (DeepSEA's rule, for Dataset 1 of Gupta & Rush 2017)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strandwise.data.labels.cover import Cover, interval_columns
from strandwise.errors import InputError


def label_middle(
    windows: pd.DataFrame, peaks: Mapping[str, pd.DataFrame], middle_bp: int = 200, share: float = 0.5
) -> NDArray[np.uint8]:
    """Return whether the peaks of each track cover more than a share of each window's middle.

    Args:
        windows: chrom, start, end.
        peaks: the peaks of each track; together they cover, so that two halves of a peak count as one.
        middle_bp: length of the middle; the odd base of an uneven rest lies on the left.
        share: what must be exceeded; 0 asks for one base.

    Returns:
        ``(windows, tracks)`` uint8, 0 or 1.

    Raises:
        InputError: a window shorter than its middle, or a share that is not at least 0 and below 1.
    """
    if not 0 <= share < 1:
        raise InputError(f"share = {share}: give at least 0 and less than 1.")
    chrom, start, end = interval_columns(windows, "windows")
    length = end - start
    if middle_bp < 1 or (length < middle_bp).any():
        shortest = int(length.min()) if len(length) else 0
        raise InputError(f"middle_bp = {middle_bp} of windows of {shortest} bp: give 1 to {shortest}.")
    first = start + length // 2 - middle_bp // 2
    columns = [
        Cover(frame, what=name).bases(chrom, first, first + middle_bp) > share * middle_bp
        for name, frame in peaks.items()
    ]
    return np.stack(columns, axis=1).astype(np.uint8) if columns else np.zeros((len(start), 0), dtype=np.uint8)
