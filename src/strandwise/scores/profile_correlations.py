"""How well the heights of predicted profiles follow those of measured ones, profile by profile."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strandwise.errors import InputError


def pearson_by_profile(measured: ArrayLike, predicted: ArrayLike) -> NDArray[np.float64]:
    """Return the correlation of each measured profile with the one that is predicted.

    Args:
        measured: ``(..., positions)``.
        predicted: ``(..., positions)``.

    Returns:
        ``(...)`` from -1 to 1; nan for fewer than two positions, or where either profile is flat.

    Raises:
        InputError: shapes differ, or a number is not finite.
    """
    x, y = _usable(measured, predicted)
    if x.shape[-1] < 2:
        return np.full(x.shape[:-1], np.nan)
    flat = (np.ptp(x, axis=-1) == 0) | (np.ptp(y, axis=-1) == 0)
    x, y = (values - values.mean(-1, keepdims=True) for values in (x, y))
    joint, of_x, of_y = (np.einsum("...i,...i->...", a, b) for a, b in ((x, y), (x, x), (y, y)))
    return _ratio(joint, np.sqrt(of_x) * np.sqrt(of_y), flat)


def spearman_by_profile(measured: ArrayLike, predicted: ArrayLike) -> NDArray[np.float64]:
    """Return the correlation of ranks of each measured profile with the one that is predicted, ties at their mean rank.

    Exact, and fast for sparse counts: only positions above the lowest of a profile, which all others share, are ranked.
    Arguments, result and errors are those of `pearson_by_profile`.
    """
    x, y = _usable(measured, predicted)
    shape, n = x.shape[:-1], x.shape[-1]
    if n < 2:
        return np.full(shape, np.nan)
    x, y = x.reshape(-1, n), y.reshape(-1, n)
    raised = x > x.min(-1, keepdims=True)
    row = np.nonzero(raised)[0]
    above = np.bincount(row, minlength=len(x))
    lowest, middle = (n - above + 1) / 2, (n + 1) / 2
    of_x = _ranks_within(row, x[raised], above) + (n - above)[row]
    of_y, spread_y = _ranks_among(y, row, y[raised])
    # Ranks lie about their mean, so positions that share a rank add nothing beyond what is taken from the others here.
    joint = np.bincount(row, (of_x - lowest[row]) * (of_y - middle), len(x)).astype(np.float64)
    spread_x = (n - above) * (lowest - middle) ** 2 + np.bincount(row, (of_x - middle) ** 2, len(x))
    return _ratio(joint, np.sqrt(spread_x * spread_y), (above == 0) | (spread_y == 0)).reshape(shape)


def _ranks_within(row: NDArray[np.intp], values: NDArray[np.float64], sizes: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the rank of each value, from 1, among those of its row; `sizes` says how many each row has."""
    if not values.size:
        return values
    order = np.lexsort((values, row))
    sorted_row, sorted_values = row[order], values[order]
    begins = np.append(True, (np.diff(sorted_row) != 0) | (sorted_values[1:] != sorted_values[:-1]))
    first = np.flatnonzero(begins)
    tied = np.diff(np.append(first, len(values)))
    start = (np.cumsum(sizes) - sizes)[sorted_row[first]]
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(first - start + (tied + 1) / 2, tied)
    return ranks


def _ranks_among(
    profiles: NDArray[np.float64], row: NDArray[np.intp], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rank of each value among all of its profile, from 1, and the spread of all ranks of each profile."""
    rows, n = profiles.shape
    ordered = np.sort(profiles, axis=-1)
    # Complex numbers are ordered by the real part first, so that one search serves all profiles.
    along = np.empty(ordered.shape, dtype=np.complex128)
    along.real, along.imag = np.arange(rows)[:, None], ordered
    sought = row + 1j * values
    first = along.ravel().searchsorted(sought)
    begins = np.ones(ordered.shape, dtype=bool)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    spread = np.full(rows, (n**3 - n) / 12)
    if begins.all():
        return first - row * n + 1.0, spread
    starts = np.flatnonzero(begins)
    tied = np.diff(np.append(starts, ordered.size)).astype(np.float64)
    spread -= np.bincount(starts // n, tied**3 - tied, rows) / 12
    last = along.ravel().searchsorted(sought, "right")
    return (first + last + 1) / 2 - row * n, spread


def _ratio(joint: NDArray[np.float64], spread: NDArray[np.float64], without: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.where(without, np.nan, np.clip(joint / np.where(without, 1.0, spread), -1, 1))


def _usable(measured: ArrayLike, predicted: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(measured, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if x.shape != y.shape or x.ndim < 1:
        raise InputError(
            f"measured profiles of shape {x.shape} beside predicted ones of {y.shape}: give one of each a position."
        )
    for what, values in (("measured", x), ("predicted", y)):
        wrong = int((~np.isfinite(values)).sum())
        if wrong:
            raise InputError(f"{what} profiles: {wrong} of {values.size} numbers are not finite.")
    return x, y
