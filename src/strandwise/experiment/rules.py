"""Simple rules of DNA that a comparison holds models against, fitted on chromosomes that are not judged."""

import importlib.util
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
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
from strandwise.data.reading import GenomeReader, PackedGenome
from strandwise.errors import InputError
from strandwise.genome import Genome
from strandwise.motifs import Motif

LEARNED = 20_000
BASES = 1 << 22


def simple_rules(
    genome: Genome,
    peaks: pd.DataFrame,
    judged: Sequence[str],
    length_bp: int,
    motifs: Sequence[Motif] = (),
    *,
    excluded: Sequence[str] = (),
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
        excluded: chromosomes to leave out.
        seed: of the random windows.

    Returns:
        The rules; and, where scikit-learn is not installed or there is nothing to learn from, why there are none.
    """
    if importlib.util.find_spec("sklearn") is None:
        return [], ["scikit-learn is not installed, so there are no baselines: pip install 'strandwise[baselines]'"]
    sizes = {chrom: size for chrom, size in genome.sizes.items() if chrom not in judged and chrom not in excluded}
    try:
        places = around_peaks(peaks, sizes, length_bp, 1, Barred(), seed=seed)
    except InputError as error:
        return [], [f"there are no baselines, for want of windows to learn from: {error}"]
    if len(places) > LEARNED:
        places = places.take(np.sort(np.random.default_rng(seed).permutation(len(places))[:LEARNED]))
    learned, labels = _reader(genome, places.frame, length_bp).gather(np.arange(len(places))), places.labels
    kinds: dict[str, list[Feature]] = {"GC": [Composition()]}
    if motifs:
        kinds["motifs and GC"] = [Composition(), Motifs(motifs, background_of(learned))]
    kinds["6-letter words"] = [Words()]
    found = []
    for name, features in kinds.items():
        baseline = fit_baseline(features, Examples(read_features(features, learned), labels.astype(np.int64)))
        found.append(Scored(name, _rule(genome, length_bp, baseline.score)))
    return found, []


def _rule(
    genome: Genome, length_bp: int, score: Callable[[NDArray[np.uint8]], NDArray[np.float64]]
) -> Callable[[pd.DataFrame], NDArray[np.float64]]:
    def rule(frame: pd.DataFrame) -> NDArray[np.float64]:
        reader, size = _reader(genome, frame, length_bp), max(1, BASES // length_bp)
        rows = (np.arange(at, min(at + size, len(frame))) for at in range(0, len(frame), size))
        return np.concatenate([score(reader.gather(part)) for part in rows])

    return rule


def _reader(genome: Genome, frame: pd.DataFrame, length_bp: int) -> GenomeReader:
    packed = PackedGenome(genome, pd.unique(frame["chrom"]), length_bp)
    return GenomeReader(packed, packed.origin(frame["chrom"].to_numpy(), frame["start"].to_numpy()), length_bp)
