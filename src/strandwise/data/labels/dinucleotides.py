"""Negatives of the same dinucleotides as the positives, so that a model cannot tell them apart by CpGs or runs of A."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

from strandwise.data.readers import Reader
from strandwise.errors import InputError
from strandwise.sequence import N, as_codes

_BLOCK = 4096
_NEAREST = 8
"""Candidates that are looked at for each positive before their tree is built anew."""

Frequencies = NDArray[np.float64]

_OTHER_STRAND = np.array([4 * (3 - pair % 4) + 3 - pair // 4 for pair in range(16)])
_ONE_OF_TWO = np.flatnonzero(np.arange(16) <= _OTHER_STRAND)


@dataclass(frozen=True)
class DinucleotideMatch:
    """Negatives chosen by their dinucleotides, and how well that went.

    Attributes:
        rows: the chosen candidates, in rising order, all different.
        asked: how many were asked for.
        distance: mean Euclidean distance of a chosen one from the positive it was chosen for.
        distance_before: the same, had candidates been taken as they came.
        difference: the largest difference between the mean frequencies of positives and chosen.
        difference_before: the same for all candidates.
    """

    rows: NDArray[np.int64]
    asked: int
    distance: float
    distance_before: float
    difference: float
    difference_before: float

    def note(self) -> str:
        """Return what a person should know, in a sentence."""
        return (
            f"{len(self.rows)} of {self.asked} negatives matched by dinucleotides: mean frequencies differ by at most "
            f"{self.difference:.4f}, {self.difference_before:.4f} before, and a negative lies {self.distance:.4f} from "
            f"its positive, {self.distance_before:.4f} before"
        )


def dinucleotide_frequencies(codes: ArrayLike) -> Frequencies:
    """Return how often each dinucleotide occurs on both strands together: ``(n, 16)``, AA, AC, ... TT.

    Dinucleotides with N do not count; a sequence of nothing but N has zeros.

    Args:
        codes: ``(n, bases)``.

    >>> dinucleotide_frequencies([[0, 0, 0, 1]])[0, [0, 1, 11, 15]].round(2).tolist()
    [0.33, 0.17, 0.17, 0.33]
    """
    checked = as_codes(codes).astype(np.int64)
    first, second = checked[:, :-1], checked[:, 1:]
    pair = np.where((first == N) | (second == N), 16, 4 * first + second)
    rows = np.arange(len(pair))[:, None]
    counts = np.bincount((17 * rows + pair).ravel(), minlength=17 * len(pair)).reshape(len(pair), 17)[:, :16]
    found = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return (found + found[:, _OTHER_STRAND]) / 2


def dinucleotides_of_windows(reader: Reader, n: int) -> Frequencies:
    """Return the dinucleotide frequencies of a reader's first `n` windows, read in blocks: ``(n, 16)``."""
    blocks = [
        dinucleotide_frequencies(reader.gather(np.arange(low, min(low + _BLOCK, n)))) for low in range(0, n, _BLOCK)
    ]
    return np.concatenate(blocks) if blocks else np.zeros((0, 16))


def match_dinucleotides(
    positives: Frequencies, candidates: Frequencies, count: int, *, seed: int = 0
) -> DinucleotideMatch:
    """Choose the candidates whose dinucleotides are nearest to those of the positives, without replacement.

    Each positive has its turn, in random order, and further turns where more negatives are asked for than there are
    positives. In a turn all positives claim their nearest candidate that is free; the nearest claimant has it, and
    the others claim the next.

    Args:
        positives: ``(positives, 16)``.
        candidates: ``(candidates, 16)``.
        count: how many to choose.
        seed: of the order of turns.

    Raises:
        InputError: no positive, or fewer candidates than are asked for.
    """
    if not len(positives) or not 1 <= count <= len(candidates):
        raise InputError(f"{count} negatives for {len(positives)} positives out of {len(candidates)} candidates.")
    order = np.random.default_rng(seed).permutation(len(positives))
    wanted = positives[np.resize(order, count)]
    used = np.zeros(len(candidates), dtype=bool)
    chosen = np.full(count, -1, dtype=np.int64)
    for low in range(0, count, len(positives)):
        turn = np.arange(low, min(low + len(positives), count))
        chosen[turn] = _nearest_free(wanted[turn], candidates, used)
    as_they_came = candidates[:count]
    return DinucleotideMatch(
        rows=np.sort(chosen),
        asked=count,
        distance=float(np.linalg.norm(wanted - candidates[chosen], axis=1).mean()),
        distance_before=float(np.linalg.norm(wanted - as_they_came, axis=1).mean()),
        difference=float(np.abs(positives.mean(0) - candidates[chosen].mean(0)).max()),
        difference_before=float(np.abs(positives.mean(0) - candidates.mean(0)).max()),
    )


def _apart(frequencies: Frequencies) -> Frequencies:
    """Return the ten columns that both strands leave of sixteen, with the same distances: trees are faster on few."""
    other = _OTHER_STRAND[_ONE_OF_TWO]
    return frequencies[:, _ONE_OF_TWO] * np.where(other == _ONE_OF_TWO, 1, np.sqrt(2))


def _nearest_free(wanted: Frequencies, candidates: Frequencies, used: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return a free candidate for each of `wanted`, and mark it as used."""
    chosen, waiting, neighbours = np.full(len(wanted), -1, dtype=np.int64), np.arange(len(wanted)), _NEAREST
    while len(waiting):
        free = np.flatnonzero(~used)
        near = min(neighbours, len(free))
        distance, index = KDTree(_apart(candidates[free])).query(_apart(wanted[waiting]), k=near)
        distance, place = np.reshape(distance, (-1, near)), free[np.reshape(index, (-1, near))]
        while len(waiting):
            claims = np.where(used[place], np.inf, distance)
            first = claims.argmin(1)
            rows = np.arange(len(waiting))
            best, target = claims[rows, first], place[rows, first]
            by_claim = np.lexsort([best, target])
            ahead = np.ones(len(by_claim), dtype=bool)
            ahead[1:] = target[by_claim][1:] != target[by_claim][:-1]
            winners = by_claim[ahead]
            winners = winners[np.isfinite(best[winners])]
            if not len(winners):
                break
            chosen[waiting[winners]] = target[winners]
            used[target[winners]] = True
            left = np.setdiff1d(rows, winners)
            waiting, distance, place = waiting[left], distance[left], place[left]
        neighbours *= 2
    return chosen
