"""What simple models read in DNA, the same from either strand: composition, motif hits, counts of words."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import scipy.sparse
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from strandwise.errors import InputError
from strandwise.motifs import Motif
from strandwise.sequence import N, revcomp_codes

Codes = NDArray[np.uint8]
Matrix = NDArray[np.float64] | scipy.sparse.csr_matrix

LEAST_BITS = -10.0
"""What a base counts for that a motif never holds, so that one mismatch does not hide how good the rest is."""


class Feature(Protocol):
    """Numbers that are read in a stretch of DNA, and their weighted sum in every stretch along it."""

    @property
    def count(self) -> int:
        """How many numbers are read in a stretch."""
        ...

    def of(self, codes: Codes) -> Matrix:
        """Return the numbers ``(stretches, features)`` of stretches ``(stretches, bases)``."""
        ...

    def along(self, codes: Codes, width: int, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``of(stretch) @ weights`` for every stretch of `width` bases.

        Args:
            codes: ``(sequences, bases)``.
            width: bases of a stretch, at most those of a sequence.
            weights: ``(features,)``.

        Returns:
            ``(sequences, bases - width + 1)``, by the first base of each stretch.
        """
        ...


class Composition:
    """The share of G and C among the bases that are known; 0 where none is."""

    count = 1

    def of(self, codes: Codes) -> NDArray[np.float64]:
        """Return the share of each stretch, ``(stretches, 1)``."""
        return self.along(codes, codes.shape[1], np.ones(1))

    def along(self, codes: Codes, width: int, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weighted share of every stretch."""
        strong = _sums((codes == 1) | (codes == 2), width)
        return weights[0] * strong / np.maximum(_sums(codes != N, width), 1)


class Motifs:
    """The best hit of each motif on either strand, in bits over the background.

    Args:
        motifs: one or more.
        background: the probability of A, C, G and T outside of sites.
    """

    def __init__(self, motifs: Sequence[Motif], background: Sequence[float] = (0.25, 0.25, 0.25, 0.25)) -> None:
        self.motifs, self.count = tuple(motifs), len(motifs)
        self._tables = [
            tuple(np.maximum(turned.log_odds(background), LEAST_BITS) for turned in (motif, motif.revcomp()))
            for motif in self.motifs
        ]

    def of(self, codes: Codes) -> NDArray[np.float64]:
        """Return the best hits in each stretch, ``(stretches, motifs)``."""
        self._check(codes.shape[1])
        return np.stack([_hits(codes, tables).max(axis=1) for tables in self._tables], axis=1)

    def along(self, codes: Codes, width: int, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weighted sum of the best hits that lie wholly in every stretch."""
        self._check(width)
        total = np.zeros((len(codes), codes.shape[1] - width + 1))
        for tables, weight in zip(self._tables, weights, strict=True):
            sites = width - len(tables[0]) + 1
            best = maximum_filter1d(_hits(codes, tables), sites, axis=1, mode="nearest")
            total += weight * best[:, sites // 2 : sites // 2 + total.shape[1]]
        return total

    def _check(self, width: int) -> None:
        for motif in self.motifs:
            if len(motif) > width:
                raise InputError(
                    f"motif {motif.name} is {len(motif)} bp long, and no site of it lies in {width} bp: "
                    "leave it out, or trim it."
                )


class Words:
    """How often each word of k letters occurs, a word and its reverse complement counted as one.

    Args:
        k: letters of a word, 1 to 8.
    """

    def __init__(self, k: int = 6) -> None:
        if not 1 <= k <= 8:
            raise InputError(f"words of {k} letters: give 1 to 8.")
        every = np.stack(np.unravel_index(np.arange(4**k), (4,) * k), axis=1).astype(np.uint8)
        self.k, self._powers = k, 4 ** np.arange(k - 1, -1, -1)
        same = np.minimum(np.arange(4**k), revcomp_codes(every) @ self._powers)
        self._column = np.unique(same, return_inverse=True)[1]
        self.count = int(self._column.max()) + 1

    def of(self, codes: Codes) -> scipy.sparse.csr_matrix:
        """Return the counts of each stretch, ``(stretches, words)``; words with an N count for nothing."""
        column, known = self._columns(codes)
        row = np.broadcast_to(np.arange(len(codes))[:, None], column.shape)
        counts = np.ones(int(known.sum()))
        return scipy.sparse.csr_matrix((counts, (row[known], column[known])), shape=(len(codes), self.count))

    def along(self, codes: Codes, width: int, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weighted count of the words that lie wholly in every stretch."""
        if width < self.k:
            raise InputError(f"no word of {self.k} letters lies in {width} bp: use shorter words.")
        column, known = self._columns(codes)
        return _sums(np.where(known, weights[column], 0.0), width - self.k + 1)

    def _columns(self, codes: Codes) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        words = sliding_window_view(codes, self.k, axis=1)
        known = np.asarray(words.max(axis=2) < N)
        return self._column[np.minimum(words, N - 1) @ self._powers], known


def background_of(codes: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Return how frequent A, C, G and T are on both strands together; none is 0."""
    counts = sum(np.bincount(strand.ravel(), minlength=N + 1)[:N] + 1.0 for strand in (codes, revcomp_codes(codes)))
    both = counts / np.sum(counts)
    return float(both[0]), float(both[1]), float(both[2]), float(both[3])


def _hits(codes: Codes, tables: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the better strand's log-odds of the site that begins at each base, ``(sequences, sites)``."""
    length = len(tables[0])
    starts = codes.shape[1] - length + 1
    strands = []
    for table in tables:
        # An N says nothing.
        padded = np.pad(table, ((0, 0), (0, 1)))
        total = np.zeros((len(codes), starts))
        for position in range(length):
            total += padded[position][codes[:, position : position + starts]]
        strands.append(total)
    return np.maximum(*strands)


def _sums(values: NDArray, width: int) -> NDArray[np.float64]:
    """Return the sum of every `width` values in a row, ``(rows, values - width + 1)``."""
    before = np.pad(np.cumsum(values, axis=1, dtype=np.float64), ((0, 0), (1, 0)))
    return before[:, width:] - before[:, :-width]
