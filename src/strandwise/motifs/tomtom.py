"""Which known motif does a motif look like? Tomtom's question, with its p-values (Gupta et al. 2007)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from strandwise.errors import InputError
from strandwise.motifs.motif import Motif

STEPS = 100
"""Steps into which scores are divided (t in the paper)."""
FEWEST = 25
"""Known motifs below which p-values would say more about the choice of these than about likeness."""
COLUMNS = ("query", "target", "name", "p", "q", "offset", "overlap", "strand")

Scores = NDArray[np.int64]
Shares = NDArray[np.float64]


class Null(NamedTuple):
    """How scores of a stretch of a query are distributed when it lies on random positions of the known motifs.

    Attributes:
        lowest: the lowest score.
        shares: of each score from the lowest on.
    """

    lowest: int
    shares: Shares

    def above(self, scores: Scores) -> Shares:
        """Return the chance of each score or more; not from a sum that ends at 1, so that small ones stay exact."""
        tails = np.append(self.shares[::-1].cumsum()[::-1], 0.0)
        return tails[(scores - self.lowest).clip(0, len(self.shares))].clip(max=1.0)


def compare_motifs(queries: Sequence[Motif], database: Sequence[Motif]) -> pd.DataFrame:
    """Return how like each known motif each query is, as Tomtom measures it.

    Positions are compared by the Euclidean distance of their probabilities, less its median over all positions of the
    database, so that positions which do not overlap count as chance; the score of two motifs is the best over offsets
    and strands. A p-value is the chance of that score for as long a motif of random positions of the database, over
    all offsets and both strands. The q-values (Benjamini & Hochberg 1995) are those of each query over the database.

    Args:
        queries: motifs to name, such as those of filters.
        database: known motifs, a whole collection; their positions are what chance is judged by.

    Returns:
        A row for each pair, best first within each query: `query` and `target` (accessions), `name` of the target, `p`,
        `q`, `offset` (the position of the target, on its matched strand, at which the query begins; negative before
        it), `overlap` (positions), and `strand` of the target ("+" or "-").

    Raises:
        InputError: no queries, fewer than 25 known motifs, or two queries or targets of the same accession.
    """
    for what, motifs in (("queries", queries), ("database", database)):
        names = [motif.accession for motif in motifs]
        twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
        if twice is not None:
            raise InputError(f"{what}: two motifs have the accession '{twice}': give each its own.")
    if not queries:
        raise InputError("there is no motif to compare: give at least one.")
    if len(database) < FEWEST:
        raise InputError(
            f"{len(database)} known motifs are too few: p-values are judged by the positions of all of them; give a "
            f"whole collection, {FEWEST} or more, and choose from the result."
        )
    known = _Known(database)
    return pd.concat([_table(query, database, *known.compared(query)) for query in queries], ignore_index=True)


def _table(
    query: Motif, database: Sequence[Motif], p: Shares, offset: Scores, forward: NDArray[np.bool_]
) -> pd.DataFrame:
    lengths = np.array([len(motif) for motif in database])
    overlap = np.minimum(offset + len(query), lengths) - np.maximum(offset, 0)
    columns = {
        "query": query.accession,
        "target": [motif.accession for motif in database],
        "name": [motif.name for motif in database],
        "p": p,
        "q": false_discovery_control(p),
        "offset": offset,
        "overlap": overlap,
        "strand": np.where(forward, "+", "-"),
    }
    return pd.DataFrame(columns, columns=list(COLUMNS)).sort_values("p", kind="stable")


class _Known:
    """The positions of all known motifs on both strands, one after the other."""

    def __init__(self, database: Sequence[Motif]) -> None:
        self.n = len(database)
        matrices = [motif.probabilities for motif in database]
        matrices += [motif.revcomp().probabilities for motif in database]
        self.lengths = np.array([len(matrix) for matrix in matrices])
        self.positions = np.concatenate(matrices)

    def compared(self, query: Motif) -> tuple[Shares, Scores, NDArray[np.bool_]]:
        """Return p-value, offset and whether the forward strand fits better, for each known motif."""
        scores = self._integers(query.probabilities)
        best, offset = self._best(scores)
        nulls = _Nulls(scores)
        p = np.ones(2 * self.n)
        for length in np.unique(self.lengths):
            mine = self.lengths == length
            p[mine] = nulls.best_of_all_offsets(best[mine], int(length))
        forward = best[: self.n] >= best[self.n :]
        p = np.where(forward, p[: self.n], p[self.n :])
        # The better of two strands; written so that it does not round to 0.
        return p * (2 - p), np.where(forward, offset[: self.n], offset[self.n :]), forward

    def _integers(self, query: Shares) -> Scores:
        """Return the score of each position of the query with each known one, ``(query, known)`` whole numbers."""
        products = query @ self.positions.T
        squares = (query**2).sum(1)[:, None] + (self.positions**2).sum(1) - 2 * products
        likeness = -np.sqrt(squares.clip(min=0))
        likeness -= np.median(likeness, axis=1, keepdims=True)
        # As in Tomtom, so many whole steps from the lowest score, rounded down, to the highest.
        lowest = int(np.floor(likeness.min()))
        scale = int(STEPS / max(likeness.max() - lowest, 1.0))
        return np.floor(likeness * scale + 0.5).astype(np.int64)

    def _best(self, scores: Scores) -> tuple[Scores, Scores]:
        """Return the best score of each known motif over all offsets, and that offset."""
        spare = len(scores) - 1
        # Each motif stands between as much room as lets the query overlap by one position at either end.
        starts = np.concatenate([[0], np.cumsum(self.lengths + 2 * spare)])
        places = np.arange(len(self.positions)) + np.repeat(
            starts[:-1] - np.cumsum(self.lengths) + self.lengths, self.lengths
        )
        padded = np.zeros((len(scores), starts[-1] + spare), dtype=np.int64)
        padded[:, places + spare] = scores
        sums = np.zeros(starts[-1], dtype=np.int64)
        for row, along in enumerate(padded):
            sums += along[row : row + starts[-1]]
        best = np.empty(len(self.lengths), dtype=np.int64)
        offset = np.empty_like(best)
        for number, (start, length) in enumerate(zip(starts, self.lengths, strict=False)):
            here = sums[start : start + length + spare]
            offset[number] = here.argmax()
            best[number] = here[offset[number]]
        return best, offset - spare


class _Nulls:
    """Distributions of the scores of stretches of one query."""

    def __init__(self, scores: Scores) -> None:
        self.length = len(scores)
        self._of_one = [_null(row) for row in scores]
        self._kept: dict[tuple[int, int], Null] = {}

    def best_of_all_offsets(self, scores: Scores, length: int) -> Shares:
        """Return the chance of each score or more, as the best of all offsets to a random motif of a length."""
        missed = np.zeros(len(scores))
        for first, last in _stretches(self.length, length):
            missed += np.log1p(-self.of(first, last).above(scores).clip(max=1 - 1e-16))
        return -np.expm1(missed)

    def of(self, first: int, last: int) -> Null:
        """Return the distribution for positions first to last, the last not included."""
        if last - first == 1:
            return self._of_one[first]
        if (first, last) not in self._kept:
            shorter, one = self.of(first, last - 1), self._of_one[last - 1]
            shares = np.convolve(shorter.shares, one.shares)
            self._kept[first, last] = Null(shorter.lowest + one.lowest, shares)
        return self._kept[first, last]


def _null(scores: Scores) -> Null:
    lowest = int(scores.min())
    return Null(lowest, np.bincount(scores - lowest) / len(scores))


def _stretches(query: int, target: int) -> Iterator[tuple[int, int]]:
    """Yield the part of a query that overlaps a target, for each offset."""
    for offset in range(1 - query, target):
        yield max(0, -offset), min(query, target - offset)
