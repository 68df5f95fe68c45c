"""The mean shape: how well a profile does that is the same for every window, which needs no model."""

import numpy as np
import torch
from numpy.typing import NDArray

from strandwise.analysis.asking import compare_shapes, joined, profile_batch
from strandwise.data.batches import TARGET
from strandwise.data.windows import LabelledWindows
from strandwise.layers import Head

_LEAST_SHARE = 1e-300


def ask_mean_shape(
    windows: LabelledWindows, profile: Head, shares: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Return how close one shape comes to each measured profile, by name ``(windows, tracks)``, see `compare_shapes`.

    The mean over the windows themselves knows where in a window signal lies, and nothing of its DNA. It is the mean
    over these very windows, so of few it is too good.

    Args:
        windows: with the signal that is predicted.
        profile: the head that says how it is spread.
        shares: of each position, ``(tracks, positions)``.
    """
    # A position without a count in any window has a share of 0, whose logarithm no count is multiplied by.
    logits = torch.from_numpy(shares).clamp(min=_LEAST_SHARE).log()
    size = profile_batch(windows.input_bp, len(profile.tracks))
    parts = []
    for at in range(0, len(windows), size):
        rows = np.arange(at, min(at + size, len(windows)))
        counts = windows.signals[TARGET].gather(rows).values
        parts.append(compare_shapes(profile, logits.expand(len(rows), -1, -1), counts))
    return joined(parts)
