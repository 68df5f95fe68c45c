"""Simple models that a network has to beat: composition, known motifs, words of six letters."""

from strandwise.analysis.baselines.comparison import Answered, compare
from strandwise.analysis.baselines.features import Composition, Feature, Matrix, Motifs, Words, background_of
from strandwise.analysis.baselines.fitting import Baseline, Examples, fit_baseline, read_features

__all__ = [
    "Answered",
    "Baseline",
    "Composition",
    "Examples",
    "Feature",
    "Matrix",
    "Motifs",
    "Words",
    "background_of",
    "compare",
    "fit_baseline",
    "read_features",
]
