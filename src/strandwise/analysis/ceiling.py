"""The experimental ceiling: how well a second replicate says what the first one measured, which needs no model."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strandwise.analysis.asking import joined
from strandwise.data.batches import TARGET, signal_of
from strandwise.data.windows import REPLICATE, LabelledWindows
from strandwise.errors import InputError
from strandwise.layers import Head
from strandwise.scores.profiles import PROFILE_METRICS, profile_metrics

CEILINGS = (
    *PROFILE_METRICS,
    *("pearson", "spearman", "mse", "r_squared", "mse_scaled"),
    *("pearson_per_window", "jsd_per_window", "jsd_concatenated", "n"),
)
"""Metrics that a replicate has as a prediction; no likelihood, by which nothing may be where it holds nothing."""

_VALUES = 1 << 22


@dataclass(frozen=True)
class Replicate:
    """What a second replicate measured in windows.

    Attributes:
        amounts: total counts or means ``(windows, tracks)``, or means of bins ``(windows, tracks, bins)``.
        weights: 0 where a track is not known in both replicates; ``(windows, tracks)``.
        shapes: by name how close its profile comes to that of the first, ``(windows, tracks)``, see `profile_metrics`;
            nan where either has no count, empty without profiles.
    """

    amounts: NDArray[np.float64]
    weights: NDArray[np.float32]
    shapes: dict[str, NDArray[np.float64]]


def ask_replicate(windows: LabelledWindows, head: Head, *, profiles: bool) -> Replicate | None:
    """Return what a second replicate says where a model is asked, if there is one.

    Args:
        windows: at least one, with the signal that is predicted.
        head: that says numbers of a window, or of its bins.
        profiles: whether the model says how signal is spread, too.

    Raises:
        InputError: a replicate that holds no counts, where counts are predicted.
    """
    reader = windows.signals.get(REPLICATE)
    if reader is None:
        return None
    size = max(1, _VALUES // (windows.input_bp * len(head.tracks)))
    amounts, weights, shapes = [], [], []
    for at in range(0, len(windows), size):
        rows = np.arange(at, min(at + size, len(windows)))
        first, second = windows.signals[TARGET].gather(rows), reader.gather(rows)
        low = float(second.values.min())
        if low < 0 and head.target == "total":
            raise InputError(
                f"a replicate has values down to {low:g}, and counts are 0 or more: give its signal before it is "
                "normalised, or negate_minus = true where both replicates write a strand as negative numbers."
            )
        amounts.append(signal_of(second.values, head).double().numpy())
        weights.append((first.weights * second.weights).numpy())
        if profiles:
            shapes.append(profile_metrics(first.values.numpy(), second.values.numpy()))
    return Replicate(np.concatenate(amounts), np.concatenate(weights), joined(shapes))
