"""Control tracks as a model reads them: strands apart or added up, at one or several widths of smoothing."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from strandwise.data.readers import SignalBatch, turn_rows
from strandwise.data.signals.gather import SignalReader
from strandwise.data.signals.signal import Signal
from strandwise.errors import InputError
from strandwise.strand import StrandType, unstranded


def at_widths(kind: StrandType, widths: Sequence[int]) -> StrandType:
    """Return how channels change that hold a copy of all channels of `kind` for each width."""
    whole = kind
    for _ in widths[1:]:
        whole = whole + kind
    return whole


class SmoothedReader:
    """Reads signal as means over stretches of bases, at several widths side by side.

    Zhou et al. 2022 give BPNet its control at two widths, strands added up; their even width of 50 has no middle
    base and would break the strand law, so widths are odd here. A mean takes in the bases beside the window.

    Args:
        reader: of the tracks, in single bases, wider than what is wanted by `max(widths) - 1`.
        widths: in bp, odd; a copy of all channels for each.
        together: whether the tracks are added up first, so that one channel without strand is left.

    Attributes:
        type: how the channels change under reverse complement.

    Raises:
        InputError: an even width, or a reader of bins.
    """

    def __init__(self, reader: SignalReader, widths: Sequence[int] = (1,), *, together: bool = False) -> None:
        if not widths or any(width < 1 or width % 2 == 0 for width in widths):
            raise InputError(f"smoothing over {list(widths)} bp: give odd widths of 1 or more.")
        if reader.bin_bp != 1:
            raise InputError(f"smoothing reads single bases, not bins of {reader.bin_bp} bp.")
        self.reader, self.widths, self.together = reader, tuple(widths), together
        self.type: StrandType = at_widths(unstranded(1) if together else reader.type, self.widths)

    @property
    def signals(self) -> Sequence[Signal]:
        """The tracks that it reads."""
        return self.reader.signals

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the tracks."""
        return self.reader.notes

    def take(self, rows: NDArray[np.integer]) -> "SmoothedReader":
        """Return a reader of these windows only, in this order."""
        return SmoothedReader(self.reader.take(rows), self.widths, together=self.together)

    def gather(
        self,
        rows: NDArray[np.integer],
        shifts: NDArray[np.integer] | None = None,
        turned: NDArray[np.bool_] | None = None,
    ) -> SignalBatch:
        """Return the signal of windows; arguments are those of `SignalReader.gather`."""
        raw, weights = self.reader.gather(rows, shifts)
        if self.together:
            raw, weights = raw.sum(1, keepdim=True), weights.amin(1, keepdim=True)
        widest = max(self.widths)
        levels = []
        for width in self.widths:
            spare = (widest - width) // 2
            inner = raw[..., spare : raw.shape[-1] - spare]
            levels.append(functional.avg_pool1d(inner, width, stride=1) if width > 1 else inner)
        values, weights = torch.cat(levels, 1), weights.repeat(1, len(self.widths))
        if turned is not None:
            turn_rows(values, turned, self.type)
            turn_rows(weights, turned, self.type.pooled())
        return SignalBatch(values, weights)


class JoinedReader:
    """Reads several sets of signal for the same windows as the channels of one.

    Args:
        readers: of the same windows and lengths.

    Attributes:
        type: how the channels change under reverse complement.
    """

    def __init__(self, readers: Sequence[SmoothedReader]) -> None:
        self.readers = tuple(readers)
        self.type: StrandType = readers[0].type
        for reader in readers[1:]:
            self.type = self.type + reader.type

    @property
    def signals(self) -> Sequence[Signal]:
        """The tracks that it reads."""
        return [signal for reader in self.readers for signal in reader.signals]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the tracks."""
        return tuple(note for reader in self.readers for note in reader.notes)

    def take(self, rows: NDArray[np.integer]) -> "JoinedReader":
        """Return a reader of these windows only, in this order."""
        return JoinedReader([reader.take(rows) for reader in self.readers])

    def gather(
        self,
        rows: NDArray[np.integer],
        shifts: NDArray[np.integer] | None = None,
        turned: NDArray[np.bool_] | None = None,
    ) -> SignalBatch:
        """Return the signal of windows; arguments are those of `SignalReader.gather`."""
        values, weights = zip(*(reader.gather(rows, shifts, turned) for reader in self.readers), strict=True)
        return SignalBatch(torch.cat(values, 1), torch.cat(weights, 1))
