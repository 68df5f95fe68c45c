"""How close predicted profiles come to measured ones."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d
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
    p, q = _usable(counts, shares)
    with np.errstate(invalid="ignore", divide="ignore"):
        p, q = p / p.sum(-1, keepdims=True), q / q.sum(-1, keepdims=True)
    m = (p + q) / 2
    divergence = (rel_entr(p, m).sum(-1) + rel_entr(q, m).sum(-1)) / 2 / np.log(2)
    return np.sqrt(np.clip(divergence, 0, 1))


def normalised_jensen_shannon(counts: ArrayLike, shares: ArrayLike) -> NDArray[np.float64]:
    """Return how far predicted profiles go from the flat one towards the measured: 1 is perfect, 0 as good as flat.

    It is 1 - JSD(measured, predicted) / JSD(measured, flat), with the distance of `jensen_shannon`; below 0 a profile
    is worse than a flat one. Arguments and errors are those of `jensen_shannon`.

    Returns:
        ``(...)``; nan where there is no count, or where the measured profile is flat itself.
    """
    p, q = _usable(counts, shares)
    flat = jensen_shannon(p, np.ones_like(p))
    with np.errstate(invalid="ignore", divide="ignore"):
        # Of a flat profile rounding leaves a little.
        return np.where(flat > 1e-6, 1 - jensen_shannon(p, q) / flat, np.nan)


def smoothed(values: ArrayLike, sigma: float = 3.0) -> NDArray[np.float64]:
    """Return profiles smoothed along their positions by a normal curve of `sigma` bases, cut off at 4 sigma.

    Zhou et al. 2022 smooth measured and predicted profiles by 3 bases before they compare them.

    Args:
        values: ``(..., positions)``.
        sigma: of the curve, above 0.

    Raises:
        InputError: sigma is not above 0.
    """
    if not sigma > 0:
        raise InputError(f"sigma {sigma}: give a width above 0, or leave profiles as they are.")
    return gaussian_filter1d(np.asarray(values, dtype=np.float64), sigma, axis=-1, mode="constant", truncate=4.0)


def in_bins(values: ArrayLike, bin_bp: int) -> NDArray[np.float64]:
    """Return sums over bins of positions; what is left over at the end is left out.

    Args:
        values: ``(..., positions)``.
        bin_bp: positions of a bin.

    Raises:
        InputError: a bin below 1 or longer than the profile.
    """
    given = np.asarray(values, dtype=np.float64)
    bins = given.shape[-1] // bin_bp if bin_bp >= 1 else 0
    if not bins:
        raise InputError(f"bins of {bin_bp} positions over {given.shape[-1]}: give a size from 1 to that.")
    return given[..., : bins * bin_bp].reshape(*given.shape[:-1], bins, bin_bp).sum(-1)


def _usable(counts: ArrayLike, shares: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    p, q = np.asarray(counts, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    if p.shape != q.shape or p.ndim < 1:
        raise InputError(f"counts of shape {p.shape} beside shares of shape {q.shape}: give one of each a position.")
    for what, values in (("counts", p), ("shares", q)):
        wrong = int((~np.isfinite(values) | (values < 0)).sum())
        if wrong:
            raise InputError(f"{what}: {wrong} of {values.size} are negative or not finite.")
    return p, q
