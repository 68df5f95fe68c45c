"""Signal that some tracks have and others do not."""

from collections.abc import Sequence

import torch
from numpy.typing import NDArray

from strandwise.data.readers import SignalBatch
from strandwise.data.signals.gather import Measured
from strandwise.data.signals.signal import Signal
from strandwise.strand import StrandType


class SomeTracks:
    """Reads the signal of some of the tracks that there are; the others are 0, with weight 0.

    Args:
        reader: of the tracks that have signal.
        channels: where each of them stands among all.
        type: how all channels change under reverse complement; both strands of a track are there, or neither.

    Attributes:
        type: as given.
    """

    def __init__(self, reader: Measured, channels: Sequence[int], type: StrandType) -> None:  # noqa: A002
        self.type = type
        self._reader, self._channels = reader, list(channels)

    @property
    def signals(self) -> Sequence[Signal]:
        """The tracks that have signal."""
        return self._reader.signals

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know of them."""
        return self._reader.notes

    def take(self, rows: NDArray) -> "SomeTracks":
        """Return a reader of these windows only, in this order."""
        return SomeTracks(self._reader.take(rows), self._channels, self.type)

    def gather(self, rows: NDArray, shifts: NDArray | None = None, turned: NDArray | None = None) -> SignalBatch:
        """Return the signal of windows; arguments are those of `SignalReader.gather`."""
        found = self._reader.gather(rows, shifts, turned)
        values = torch.zeros((len(rows), self.type.channels, *found.values.shape[2:]))
        weights = torch.zeros((len(rows), self.type.channels))
        values[:, self._channels], weights[:, self._channels] = found.values, found.weights
        return SignalBatch(values, weights)
