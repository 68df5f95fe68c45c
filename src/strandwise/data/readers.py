"""What reads the DNA and the signal of many windows at once, whatever lies behind it."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from torch import Tensor

from strandwise.strand import StrandType


class Reader(Protocol):
    """Reads the DNA of many windows at once."""

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


class Measured(Protocol):
    """Reads the signal of many windows at once."""

    type: StrandType

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know of its tracks."""
        ...

    def gather(
        self, rows: np.ndarray, shifts: np.ndarray | None = None, turned: np.ndarray | None = None
    ) -> SignalBatch:
        """Return the signal of windows, each moved right by its shift and then, where `turned`, read backwards."""
        ...

    def take(self, rows: np.ndarray) -> "Measured":
        """Return a reader of these windows only."""
        ...
