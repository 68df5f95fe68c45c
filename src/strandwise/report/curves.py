"""The points of ROC and precision-recall curves, few enough for a page and true to their shape."""

import numpy as np
from numpy.typing import NDArray

Points = tuple[NDArray[np.float64], NDArray[np.float64]]

MOST_POINTS = 400
TOLERANCE = 5e-4


def roc_points(labels: NDArray, predictions: NDArray) -> Points:
    """Return false and true positive rates, one point for each distinct prediction, from (0, 0).

    Args:
        labels: ``(n,)`` of 0 and 1, both present.
        predictions: ``(n,)`` that grow with confidence.
    """
    found, called = _calls(labels, predictions)
    wrong = called - found
    return np.append(0, wrong / wrong[-1]), np.append(0, found / found[-1])


def precision_recall_points(labels: NDArray, predictions: NDArray) -> Points:
    """Return recall and precision as corners of steps, whose area is the average precision.

    Arguments are those of `roc_points`.
    """
    found, called = _calls(labels, predictions)
    rises = np.diff(found, prepend=0) > 0
    recall = np.append(0, found[rises] / found[-1])
    precision = found[rises] / called[rises]
    return np.repeat(recall, 2)[1:-1], np.repeat(precision, 2)


def thin(points: Points, most: int = MOST_POINTS) -> Points:
    """Return at most `most` of a line's points, so chosen that the line keeps its shape.

    Drops points as long as none lies further than a tolerance from the line through those that stay
    (Ramer 1972; Douglas & Peucker 1973); the tolerance, 0.0005 of the axes at first, doubles until few
    enough are left.
    """
    line = np.stack(points, axis=1)
    tolerance = TOLERANCE
    kept = _simplified(line, tolerance)
    while kept.sum() > most:
        tolerance *= 2
        kept = _simplified(line, tolerance)
    return line[kept, 0], line[kept, 1]


def subsample(n: int, most: int, seed: int = 0) -> NDArray[np.intp]:
    """Return up to `most` of `n` row numbers, drawn by seed and in order."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, size=most, replace=False))


def _calls(labels: NDArray, predictions: NDArray) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return how many positives, and how many windows, lie at or above each distinct prediction."""
    order = np.argsort(-predictions, kind="stable")
    last_of_tie = np.append(np.diff(predictions[order]) != 0, True)
    return np.cumsum(labels[order])[last_of_tie], np.flatnonzero(last_of_tie) + 1


def _simplified(line: NDArray[np.float64], tolerance: float) -> NDArray[np.bool_]:
    kept = np.zeros(len(line), dtype=bool)
    kept[[0, -1]] = True
    stretches = [(0, len(line) - 1)]
    while stretches:
        first, last = stretches.pop()
        if last - first < 2:
            continue
        distances = _from_segment(line[first + 1 : last], line[first], line[last])
        furthest = int(distances.argmax())
        if distances[furthest] > tolerance:
            middle = first + 1 + furthest
            kept[middle] = True
            stretches += [(first, middle), (middle, last)]
    return kept


def _from_segment(points: NDArray, start: NDArray, end: NDArray) -> NDArray[np.float64]:
    """Return the distance of each point from the segment between two others."""
    along = end - start
    length = along @ along
    share = np.clip((points - start) @ along / length, 0, 1) if length else np.zeros(len(points))
    return np.hypot(*(points - start - share[:, None] * along).T)
