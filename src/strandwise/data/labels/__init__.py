"""What windows are labelled by: the recipes of the published data sets, as functions of intervals and arrays."""

from strandwise.data.labels.annotation import FACTORNET_FEATURES, annotate, annotate_bins, promoters
from strandwise.data.labels.binding import BinState, bin_states, count_states, labels_and_weights
from strandwise.data.labels.chunks import highest_coverage, over_threshold
from strandwise.data.labels.cover import Cover
from strandwise.data.labels.dense import DenseLabels
from strandwise.data.labels.dinucleotides import (
    DinucleotideMatch,
    dinucleotide_frequencies,
    dinucleotides_of_windows,
    match_dinucleotides,
)
from strandwise.data.labels.gc import GcMatch, gc_content, gc_of_windows, match_gc
from strandwise.data.labels.grid import BinGrid
from strandwise.data.labels.leakage import Leaks, find_leaks
from strandwise.data.labels.measured import measured_on, unmeasured_notes
from strandwise.data.labels.middle import label_middle
from strandwise.data.labels.peak_centred import PeakWindows, background_windows, merge_peaks
from strandwise.data.labels.regions import away_from, drop_covered, unknown_runs
from strandwise.data.labels.single_task import FreshNegatives, PositiveBins, negative_candidates, positive_bins

__all__ = [
    "FACTORNET_FEATURES",
    "BinGrid",
    "BinState",
    "Cover",
    "DenseLabels",
    "DinucleotideMatch",
    "FreshNegatives",
    "GcMatch",
    "Leaks",
    "PeakWindows",
    "PositiveBins",
    "annotate",
    "annotate_bins",
    "away_from",
    "background_windows",
    "bin_states",
    "count_states",
    "dinucleotide_frequencies",
    "dinucleotides_of_windows",
    "drop_covered",
    "find_leaks",
    "gc_content",
    "gc_of_windows",
    "highest_coverage",
    "label_middle",
    "labels_and_weights",
    "match_dinucleotides",
    "match_gc",
    "measured_on",
    "merge_peaks",
    "negative_candidates",
    "over_threshold",
    "positive_bins",
    "promoters",
    "unknown_runs",
    "unmeasured_notes",
]
