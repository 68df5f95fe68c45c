"""What comes of reading many windows at once, whatever lies behind it, and turning some of them to the other strand."""

from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from strandwise.strand import StrandType, revcomp, unstranded

_TURNED_VALUES = 1 << 17
"""Values that are turned at a time: few enough to stay in a processor's cache."""


def turn_rows(values: Tensor, turned: np.ndarray, kind: StrandType) -> None:
    """Turn some of the windows to the other strand, in place.

    Args:
        values: ``(windows, channels[, positions])``.
        turned: which windows.
        kind: how the channels change.
    """
    if not kind.positions and kind == unstranded(kind.channels).pooled():
        return
    rows = torch.from_numpy(np.flatnonzero(turned))
    for part in rows.split(max(1, _TURNED_VALUES // values[:1].numel())) if len(rows) else ():
        values.index_copy_(0, part, revcomp(values.index_select(0, part), kind))


def rows_of(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return rows of an array, without a copy of them where they lie one after the other or are all the same.

    Args:
        values: ``(n, ...)``.
        rows: which, by number, none of them negative.
    """
    if not len(rows):
        return values[:0]
    if len(values) > 1 and not values.strides[0]:
        return np.broadcast_to(values[:1], (len(rows), *values.shape[1:]))
    first = int(rows[0])
    together = rows[-1] - first == len(rows) - 1 and bool((np.diff(rows) == 1).all())
    return values[first : first + len(rows)] if together else values[rows]


class Reader(Protocol):
    """Reads the DNA of many windows at once."""

    @property
    def nbytes(self) -> int:
        """Bytes of the DNA that it holds in memory."""
        ...

    def gather(self, rows: np.ndarray, shifts: np.ndarray | None = None) -> np.ndarray:
        """Return the codes ``(len(rows), input_bp)`` of windows, each moved right by its shift, as a new array."""
        ...

    def take(self, rows: np.ndarray) -> "Reader":
        """Return a reader of these windows only."""
        ...


class SignalBatch(NamedTuple):
    """Signal of windows.

    Attributes:
        values: ``(windows, tracks, bins)`` float32.
        weights: ``(windows, tracks)`` float32; 0 where a track's file does not have the window's chromosome or the
            window lies wholly off it, else 1.
    """

    values: Tensor
    weights: Tensor
