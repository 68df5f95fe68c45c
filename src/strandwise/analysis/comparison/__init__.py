"""One fair evaluation: whatever predicts, and at whatever resolution, judged at the same places by the same numbers."""

from strandwise.analysis.comparison.contestants import (
    Along,
    Contestant,
    Listed,
    MeanProfile,
    Role,
    Scored,
)
from strandwise.analysis.comparison.judging import Found, Measured, answered, judge, nobody_left
from strandwise.analysis.comparison.landscape import Landscape, resolution
from strandwise.analysis.comparison.places import (
    Barred,
    Places,
    around_peaks,
    labels_of,
    peak_windows,
    side_by_side,
    with_coverage,
)
from strandwise.analysis.comparison.sweeps import imbalance, levels_of, smoothing, thresholds

__all__ = [
    "Along",
    "Barred",
    "Contestant",
    "Found",
    "Landscape",
    "Listed",
    "MeanProfile",
    "Measured",
    "Places",
    "Role",
    "Scored",
    "answered",
    "around_peaks",
    "imbalance",
    "judge",
    "labels_of",
    "levels_of",
    "nobody_left",
    "peak_windows",
    "resolution",
    "side_by_side",
    "smoothing",
    "thresholds",
    "with_coverage",
]
