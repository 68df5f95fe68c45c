"""Random DNA with the GC content and the rare CG of a mammalian genome, alike on both strands."""

from math import isqrt

import numpy as np
from numpy.typing import NDArray


def base_frequencies(gc: float) -> NDArray[np.float64]:
    """Return the frequencies of A, C, G and T at this GC content."""
    return np.array([1 - gc, gc, gc, 1 - gc]) / 2


def transition_matrix(gc: float, cpg: float) -> NDArray[np.float64]:
    """Return ``(4, 4)`` probabilities of the next base given this one.

    A dinucleotide and its reverse complement are equally frequent, so no model can tell the strands of
    the background apart.

    Args:
        gc: GC content.
        cpg: how often CG stands, against what its bases alone would give.
    """
    frequencies = base_frequencies(gc)
    pairs = np.outer(frequencies, frequencies)
    pairs[1, 2] *= cpg
    # A base as the first of a pair is its complement as the second: both take one factor. In the order A, C, G, T the
    # reverse of a table of bases is that of their complements; no sequence is turned here.
    for _ in range(200):
        scale = np.sqrt(frequencies / pairs.sum(axis=1))
        pairs *= np.outer(scale, scale[::-1])
    return pairs / pairs.sum(axis=1, keepdims=True)


def markov_codes(rng: np.random.Generator, length: int, gc: float, cpg: float) -> NDArray[np.uint8]:
    """Draw a first-order Markov chain of bases, codes ``(length,)``.

    The chain is cut into rows that advance side by side, each from all four possible entries; which entry
    it was is known once the row before it is.
    """
    rows = max(1, isqrt(length))
    columns = -(-length // rows)
    thresholds = transition_matrix(gc, cpg).cumsum(axis=1)[:, :3]
    draws = rng.random((columns, rows, 1, 1))
    paths = np.empty((columns, rows, 4), dtype=np.uint8)
    state = np.broadcast_to(np.arange(4, dtype=np.uint8), (rows, 4))
    for column in range(columns):
        state = (draws[column] >= thresholds[state]).sum(axis=-1, dtype=np.uint8)
        paths[column] = state
    entries = np.empty(rows, dtype=np.intp)
    entry = int(rng.choice(4, p=base_frequencies(gc)))
    for row in range(rows):
        entries[row] = entry
        entry = paths[-1, row, entry]
    codes = np.take_along_axis(paths, entries[None, :, None], axis=2)[..., 0]
    return codes.T.reshape(-1)[:length]
