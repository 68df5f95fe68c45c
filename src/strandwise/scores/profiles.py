"""How close predicted profiles come to measured ones."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.special import rel_entr

from strandwise.errors import InputError
from strandwise.scores.profile_correlations import pearson_by_profile, spearman_by_profile

BIN_BP = (1, 5, 10)
"""Bins, in bases, over which the correlations of profiles are averaged (Zhou et al. 2022)."""

PROFILE_METRICS = (
    *("jsd", "normalised_jsd", "jsd_smoothed", "divergence_smoothed"),
    *("profile_pearson", "profile_spearman", "profile_mse"),
)
"""The entries of `profile_metrics`."""


def profile_metrics(counts: ArrayLike, shares: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """Return every measure of how close each predicted profile comes to the measured one.

    Args:
        counts: ``(..., positions)``, 0 or more.
        shares: ``(..., positions)``, 0 or more; scaled to sum to 1, as the counts are.

    Returns:
        By name ``(...)``, nan where there is no count. ``jsd`` and ``normalised_jsd``: see `jensen_shannon` and
        `normalised_jensen_shannon`. ``jsd_smoothed``: the distance of both after smoothing as Zhou et al. 2022 do, by
        a normal curve of 3 bases that is cut off after one of its widths, 7 bases in all, and mirrored at the ends;
        ``divergence_smoothed``: its square in natural logarithms, as they give it. ``profile_pearson``,
        ``profile_spearman`` and ``profile_mse``: of shares summed in bins of `BIN_BP`, the mean over those sizes of
        which there are two bins or more; correlations are nan where either profile is flat at one of these sizes.

    Raises:
        InputError: shapes differ, or a number is negative or not finite.
    """
    p, q = _usable(counts, shares)
    shape, positions = p.shape[:-1], p.shape[-1]
    known = (p.sum(-1) > 0) & (q.sum(-1) > 0)
    p, q = p[known], q[known]
    distance = _distance(p, q)
    near = _distance(*(smoothed(values, truncate=1.0, mode="reflect") for values in (p, q)))
    # Counts are added up as they are: divided first, equal bins would differ by rounding, and be ranked by it.
    pairs = [(in_bins(p, size), in_bins(q, size)) for size in BIN_BP if positions // size > 1]
    found = [distance, _share_of_flat(distance, p), near, np.log(2) * near**2]
    totals = p.sum(-1, keepdims=True), q.sum(-1, keepdims=True)
    errors = [np.mean((x / totals[0] - y / totals[1]) ** 2, axis=-1) for x, y in pairs]
    correlations = ([measure(x, y) for x, y in pairs] for measure in (pearson_by_profile, spearman_by_profile))
    unknown = np.full(len(p), np.nan)
    found += [np.mean(each, axis=0) if each else unknown for each in (*correlations, errors)]
    metrics = {name: np.full(shape, np.nan) for name in PROFILE_METRICS}
    for name, values in zip(PROFILE_METRICS, found, strict=True):
        metrics[name][known] = values
    return metrics


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
    return _distance(*_usable(counts, shares))


def normalised_jensen_shannon(counts: ArrayLike, shares: ArrayLike) -> NDArray[np.float64]:
    """Return how far predicted profiles go from the flat one towards the measured: 1 is perfect, 0 as good as flat.

    It is 1 - JSD(measured, predicted) / JSD(measured, flat), with the distance of `jensen_shannon`; below 0 a profile
    is worse than a flat one. Arguments and errors are those of `jensen_shannon`.

    Returns:
        ``(...)``; nan where there is no count, or where the measured profile is flat itself.
    """
    p, q = _usable(counts, shares)
    return _share_of_flat(_distance(p, q), p)


def smoothed(
    values: ArrayLike, sigma: float = 3.0, *, truncate: float = 4.0, mode: Literal["constant", "reflect"] = "constant"
) -> NDArray[np.float64]:
    """Return profiles smoothed along their positions by a normal curve of `sigma` bases.

    Zhou et al. 2022 smooth measured and predicted profiles by 3 bases before they compare them.

    Args:
        values: ``(..., positions)``.
        sigma: of the curve, above 0.
        truncate: where the curve is cut off on either side, in sigma.
        mode: what lies beyond the ends: nothing, or the profile mirrored.

    Raises:
        InputError: sigma is not above 0.
    """
    if not sigma > 0:
        raise InputError(f"sigma {sigma}: give a width above 0, or leave profiles as they are.")
    return gaussian_filter1d(np.asarray(values, dtype=np.float64), sigma, axis=-1, mode=mode, truncate=truncate)


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


def _distance(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    shape = p.shape[:-1]
    some = p > 0
    row = np.repeat(np.arange(np.prod(shape, dtype=int)), np.count_nonzero(some, axis=-1).ravel())
    total, predicted = p.sum(-1).ravel(), q.sum(-1).ravel()
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y = p[some] / total[row], q[some] / predicted[row]
        # Where nothing was counted, each share that is predicted adds itself: counts are sparse, and logarithms slow.
        alone = np.where(some, 0.0, q).sum(-1).ravel() / predicted
    middle = (x + y) / 2
    shared = np.bincount(row, rel_entr(x, middle) + rel_entr(y, middle), total.size) / np.log(2)
    divergence = np.where(total > 0, (shared + alone) / 2, np.nan)
    return np.sqrt(np.clip(divergence, 0, 1)).reshape(shape)[()]


def _share_of_flat(distance: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    flat = _distance(p, np.ones_like(p))
    with np.errstate(invalid="ignore", divide="ignore"):
        # Of a flat profile rounding leaves a little.
        return np.where(flat > 1e-6, 1 - distance / flat, np.nan)


def _usable(counts: ArrayLike, shares: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    p, q = np.asarray(counts, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    if p.shape != q.shape or p.ndim < 1:
        raise InputError(f"counts of shape {p.shape} beside shares of shape {q.shape}: give one of each a position.")
    for what, values in (("counts", p), ("shares", q)):
        wrong = int((~np.isfinite(values) | (values < 0)).sum())
        if wrong:
            raise InputError(f"{what}: {wrong} of {values.size} are negative or not finite.")
    return p, q
