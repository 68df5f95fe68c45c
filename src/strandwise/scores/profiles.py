"""How close predicted profiles come to measured ones."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr

from strandwise.errors import InputError


def jensen_shannon(counts: ArrayLike, shares: ArrayLike) -> NDArray[np.float64]:
    """Return the Jensen-Shannon distance of each measured profile from a predicted one.

    It is the square root of the divergence with logarithms of base 2, so 0 for the same shape and 1 for shapes
    that nowhere overlap. Sparse counts keep even a perfect prediction well above 0: set it beside that of a
    replicate or of the mean profile.

    Args:
        counts: ``(..., positions)``, 0 or more.
        shares: ``(..., positions)``, 0 or more; scaled to sum to 1.

    Returns:
        ``(...)``; nan where there is no count.

    Raises:
        InputError: shapes differ, or a number is negative or not finite.
    """
    p, q = np.asarray(counts, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    if p.shape != q.shape or p.ndim < 1:
        raise InputError(f"counts of shape {p.shape} beside shares of shape {q.shape}: give one of each a position.")
    for what, values in (("counts", p), ("shares", q)):
        wrong = int((~np.isfinite(values) | (values < 0)).sum())
        if wrong:
            raise InputError(f"{what}: {wrong} of {values.size} are negative or not finite.")
    with np.errstate(invalid="ignore", divide="ignore"):
        p, q = p / p.sum(-1, keepdims=True), q / q.sum(-1, keepdims=True)
    m = (p + q) / 2
    divergence = (rel_entr(p, m).sum(-1) + rel_entr(q, m).sum(-1)) / 2 / np.log(2)
    return np.sqrt(np.clip(divergence, 0, 1))
