"""Simple rules of DNA that a comparison holds models against, fitted on chromosomes that are not judged."""

import importlib.util
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from strandwise.analysis.baselines import (
    Composition,
    Examples,
    Feature,
    Motifs,
    Words,
    background_of,
    fit_baseline,
    read_features,
)
from strandwise.analysis.comparison import Barred, Scored, around_peaks
from strandwise.errors import InputError
from strandwise.genome import Genome
from strandwise.motifs import Motif

LEARNED = 20_000
GC, MOTIFS, WORDS = RULES = ("GC", "motifs and GC", "6-letter words")
BASES = 1 << 22


def simple_rules(
    genome: Genome,
    peaks: pd.DataFrame,
    judged: Sequence[str],
    length_bp: int,
    motifs: Sequence[Motif] = (),
    *,
    seed: int = 0,
) -> tuple[list[Scored], list[str]]:
    """Return logistic regressions on GC, on motifs and GC, and on counts of 6-letter words.

    They learn to tell windows around peaks from as many random windows on the chromosomes that are not judged.

    Args:
        genome: the DNA.
        peaks: chrom, start, end, summit, in the names of the genome.
        judged: chromosomes to learn nothing from.
        length_bp: of windows.
        motifs: whose best hits are read; without them there is no rule of motifs.
        seed: of the random windows.

    Returns:
        The rules; and, where scikit-learn is not installed or there is nothing to learn from, why there are none.
    """
    if importlib.util.find_spec("sklearn") is None:
        return [], ["scikit-learn is not installed, so there are no baselines: pip install 'strandwise[baselines]'"]
    sizes = {chrom: size for chrom, size in genome.sizes.items() if chrom not in judged}
    try:
        # A grid as wide as windows, for a genome has billions of places to begin at.
        places = around_peaks(peaks, sizes, length_bp, 1, Barred(), seed=seed, grid_bp=length_bp)
    except InputError as error:
        return [], [f"there are no baselines, for want of windows to learn from: {error}"]
    if len(places) > LEARNED:
        places = places.take(np.sort(np.random.default_rng(seed).permutation(len(places))[:LEARNED]))
    learned, labels = _codes(genome, places.frame, length_bp), places.labels
    kinds: dict[str, list[Feature]] = {GC: [Composition()]}
    if motifs:
        kinds[MOTIFS] = [Composition(), Motifs(motifs, background_of(learned))]
    kinds[WORDS] = [Words()]
    found = []
    for name, features in kinds.items():
        baseline = fit_baseline(features, Examples(read_features(features, learned), labels.astype(np.int64)))
        found.append(Scored(name, _rule(genome, length_bp, baseline.score)))
    return found, []


def _rule(
    genome: Genome, length_bp: int, score: Callable[[NDArray[np.uint8]], NDArray[np.float64]]
) -> Callable[[pd.DataFrame], NDArray[np.float64]]:
    def rule(frame: pd.DataFrame) -> NDArray[np.float64]:
        size = max(1, BASES // length_bp)
        parts = (frame.iloc[at : at + size] for at in range(0, len(frame), size))
        return np.concatenate([np.empty(0), *(score(_codes(genome, part, length_bp)) for part in parts)])

    return rule


def _codes(genome: Genome, frame: pd.DataFrame, length_bp: int) -> NDArray[np.uint8]:
    """Return the DNA of windows, ``(windows, length_bp)``; one chromosome is held at a time."""
    chrom, start = frame["chrom"].to_numpy(), frame["start"].to_numpy()
    found = np.empty((len(frame), length_bp), dtype=np.uint8)
    for name in pd.unique(chrom):
        here = chrom == name
        found[here] = sliding_window_view(genome.load(name), length_bp)[start[here]]
    return found
