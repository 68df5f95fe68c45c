"""Landscapes, windows and measured coverage for tests of a comparison."""

import numpy as np
import pandas as pd
import pytest

from strandwise.analysis.comparison import Landscape, Measured, Places


def build_windows(starts, length, chrom="chr1", name="chromosomes", labels=None):
    starts = np.asarray(starts, dtype=np.int64)
    frame = pd.DataFrame({"chrom": chrom, "start": starts, "end": starts + length})
    known = np.full(len(frame), np.nan) if labels is None else np.asarray(labels)
    return Places(name, frame, length, known.astype(np.float32))


@pytest.fixture
def windows():
    """Return windows of one length, by their starts."""
    return build_windows


@pytest.fixture
def measured():
    """Coverage of 400 kb in bins of 10 bp."""
    values = np.random.default_rng(0).gamma(0.5, size=40_000).astype(np.float32)
    return Measured(Landscape(10, {"chr1": values}), (10, 20))
