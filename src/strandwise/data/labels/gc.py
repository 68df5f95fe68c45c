"""Negatives that are as rich in G and C as the positives, so that a model cannot tell them apart by that alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import wasserstein_distance

from strandwise.data.readers import Reader
from strandwise.errors import InputError
from strandwise.sequence import N, as_codes

_BLOCK = 4096


@dataclass(frozen=True)
class GcMatch:
    """Negatives chosen by their GC content, and how well that went.

    Attributes:
        rows: the chosen candidates, in rising order, all different.
        asked: how many were asked for.
        borrowed: how many came from another bin of GC than asked, because their own had too few.
        distance: mean shift of GC between positives and chosen (Wasserstein distance, a share from 0 to 1).
        distance_before: the same for all candidates.
    """

    rows: NDArray[np.int64]
    asked: int
    borrowed: int
    distance: float
    distance_before: float

    def note(self) -> str:
        """Return what a person should know, in a sentence."""
        return (
            f"{len(self.rows)} of {self.asked} negatives matched by GC, {self.borrowed} of them from a neighbouring "
            f"bin: GC differs by {self.distance:.4f} on average, {self.distance_before:.4f} before"
        )


def gc_content(codes: ArrayLike) -> NDArray[np.float64]:
    """Return the share of G and C among the known bases of ``(..., L)`` codes: ``(...,)``, NaN where all are N.

    >>> gc_content([[1, 2, 0, 4], [4, 4, 4, 4]]).round(2).tolist()
    [0.67, nan]
    """
    checked = as_codes(codes)
    known = (checked != N).sum(axis=-1)
    strong = ((checked == 1) | (checked == 2)).sum(axis=-1)
    return np.divide(strong, known, out=np.full(known.shape, np.nan), where=known > 0)


def gc_of_windows(reader: Reader, n: int) -> NDArray[np.float64]:
    """Return the GC content of a reader's first `n` windows, read in blocks: ``(n,)``."""
    blocks = [gc_content(reader.gather(np.arange(low, min(low + _BLOCK, n)))) for low in range(0, n, _BLOCK)]
    return np.concatenate(blocks) if blocks else np.zeros(0)


def match_gc(
    positives: ArrayLike, candidates: ArrayLike, per_positive: float = 1.0, *, bins: int = 50, seed: int = 0
) -> GcMatch:
    """Choose negatives whose GC content is distributed as that of the positives, without replacement.

    The range 0 to 1 is cut into equal bins. Each bin gives as many random candidates as it has positives times
    `per_positive`. A bin that has too few takes the rest from the nearest bins that have some to spare.

    Args:
        positives: ``(positives,)`` GC content, 0 to 1; NaN does not count.
        candidates: ``(candidates,)`` likewise; NaN is never chosen.
        per_positive: negatives for each positive.
        bins: number of bins.
        seed: of the choice.

    Raises:
        InputError: values that are no share, no positive or no candidate, or a ratio that asks for none.
    """
    wanted, offered = _checked(positives, "positives"), _checked(candidates, "candidates")
    usable = np.flatnonzero(~np.isnan(offered))
    wanted = wanted[~np.isnan(wanted)]
    if per_positive <= 0 or bins < 1:
        raise InputError(f"per_positive = {per_positive} and bins = {bins}: both must be more than 0.")
    if not len(wanted) or not len(usable):
        raise InputError(f"GC of {len(wanted)} positives and {len(usable)} candidates: at least one of each is needed.")
    shuffled = np.random.default_rng(seed).permutation(usable)
    home = _bin(offered[shuffled], bins)
    order = np.argsort(home, kind="stable")
    have = np.bincount(home, minlength=bins)
    asked = _shares(np.bincount(_bin(wanted, bins), minlength=bins), per_positive)
    if not asked.any():
        raise InputError(f"per_positive = {per_positive} of {len(wanted)} positives asks for none: raise it.")
    taken, borrowed = _borrow(np.minimum(asked, have), asked, have)
    first = np.cumsum(have) - have
    rank = np.arange(len(order)) - first[home[order]]
    rows = np.sort(shuffled[order[rank < taken[home[order]]]])
    return GcMatch(
        rows=rows,
        asked=int(asked.sum()),
        borrowed=borrowed,
        distance=float(wasserstein_distance(wanted, offered[rows])),
        distance_before=float(wasserstein_distance(wanted, offered[usable])),
    )


def _checked(values: ArrayLike, what: str) -> NDArray[np.float64]:
    found = np.asarray(values, dtype=np.float64)
    if ((found < 0) | (found > 1)).any():
        worst = found[(found < 0) | (found > 1)][0]
        raise InputError(f"GC of {what}: {worst} is no share: give values from 0 to 1.")
    return found


def _bin(gc: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    return np.minimum((gc * bins).astype(np.int64), bins - 1)


def _shares(positives: NDArray[np.int64], per_positive: float) -> NDArray[np.int64]:
    """Return whole numbers in proportion to the positives of each bin, which sum to the rounded total."""
    edges = np.rint(np.cumsum(positives) * per_positive).astype(np.int64)
    return np.diff(edges, prepend=0)


def _borrow(
    taken: NDArray[np.int64], asked: NDArray[np.int64], have: NDArray[np.int64]
) -> tuple[NDArray[np.int64], int]:
    """Fill what bins lack from the nearest bins with some to spare; return what each gives, and how much moved."""
    taken, borrowed = taken.copy(), 0
    spare = have - taken
    for place in np.flatnonzero(asked > have):
        lack = int(asked[place] - have[place])
        for other in np.argsort(np.abs(np.arange(len(have)) - place), kind="stable"):
            moved = min(lack, int(spare[other]))
            taken[other] += moved
            spare[other] -= moved
            lack -= moved
            borrowed += moved
    return taken, borrowed
