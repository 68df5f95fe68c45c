"""The signal of windows that lie in several cell types: each window is read from the files of its own."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from strandwise.data.readers import SignalBatch
from strandwise.data.signals.gather import Measured
from strandwise.data.signals.signal import Signal
from strandwise.errors import InputError, listing
from strandwise.strand import StrandType


class CellReader:
    """Reads the signal of windows of several cell types, which hold the same channels or some of them.

    A batch is read once for each cell type in it, never window by window. Channels that a cell type lacks are 0
    there, with weight 0.

    Args:
        readers: of each cell type, for its own windows in their order; None where it has none of the channels.
        channels: of each cell type: where the channels of its reader stand among all; not given, all in their order.
        cells: the cell type of each window, of all windows; ``(windows,)``.
        type: how all channels change under reverse complement.

    Attributes:
        type: as given.

    Raises:
        InputError: a cell type without a reader, a reader that has another number of windows or channels than its
            cell type, or channels that turn otherwise than all of them do.
    """

    def __init__(
        self,
        readers: Mapping[str, Measured | None],
        cells: ArrayLike,
        type: StrandType,  # noqa: A002
        channels: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        names, self.type = list(readers), type
        given = np.asarray(cells, dtype=object)
        numbers = {name: number for number, name in enumerate(names)}
        missing = [str(name) for name in np.unique(given.astype(str)) if name not in numbers]
        if missing:
            raise InputError(f"windows in {listing(missing)}, of which there is no signal: give a reader of each.")
        cell = np.array([numbers[str(name)] for name in given], dtype=np.int64)
        place = np.zeros(len(cell), dtype=np.int64)
        for number in range(len(names)):
            here = cell == number
            place[here] = np.arange(np.count_nonzero(here))
        whole = range(type.channels)
        self._names, self._cell, self._place = names, cell, place
        self._readers = tuple(readers[name] for name in names)
        self._channels = tuple(
            np.array(whole if channels is None else channels[name], dtype=np.int64) for name in names
        )
        for name, reader, places in zip(names, self._readers, self._channels, strict=True):
            if reader is not None:
                _check_fits(name, reader, places, type)
        self._shape = _shape(self._readers)

    def __len__(self) -> int:
        return len(self._cell)

    @property
    def by_cell(self) -> dict[str, Measured]:
        """The reader of each cell type that has one."""
        found = zip(self._names, self._readers, strict=True)
        return {name: reader for name, reader in found if reader is not None}

    @property
    def signals(self) -> Sequence[Signal]:
        """The tracks that it reads, cell type after cell type."""
        return [signal for reader in self.by_cell.values() for signal in reader.signals]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the tracks, each once."""
        return tuple(dict.fromkeys(note for reader in self.by_cell.values() for note in reader.notes))

    def take(self, rows: NDArray[np.integer]) -> "CellReader":
        """Return a reader of these windows only, in this order."""
        cell, place = self._cell[rows], self._place[rows]
        readers = {
            name: None if reader is None else reader.take(place[cell == number])
            for number, (name, reader) in enumerate(zip(self._names, self._readers, strict=True))
        }
        channels = {name: places.tolist() for name, places in zip(self._names, self._channels, strict=True)}
        return CellReader(readers, np.array(self._names, dtype=object)[cell], self.type, channels)

    def gather(
        self,
        rows: NDArray[np.integer],
        shifts: NDArray[np.integer] | None = None,
        turned: NDArray[np.bool_] | None = None,
    ) -> SignalBatch:
        """Return the signal of windows; arguments are those of `SignalReader.gather`."""
        cell, place = self._cell[rows], self._place[rows]
        values = torch.zeros((len(rows), self.type.channels, *self._shape))
        weights = torch.zeros((len(rows), self.type.channels))
        for number in np.unique(cell):
            reader, here = self._readers[number], np.flatnonzero(cell == number)
            if reader is None:
                continue
            found = reader.gather(
                place[here], None if shifts is None else shifts[here], None if turned is None else turned[here]
            )
            into, channels = torch.from_numpy(here), self._channels[number]
            if len(channels) < self.type.channels:
                places = into[:, None], torch.from_numpy(channels)
                values[places], weights[places] = found.values, found.weights
                continue
            order = np.argsort(channels)
            if (order != np.arange(len(order))).any():
                found = SignalBatch(found.values[:, order], found.weights[:, order])
            if len(here) == len(rows):
                return found
            values.index_copy_(0, into, found.values)
            weights.index_copy_(0, into, found.weights)
        return SignalBatch(values, weights)


def _check_fits(name: str, reader: Measured, places: NDArray[np.int64], kind: StrandType) -> None:
    if reader.type.channels != len(places):
        raise InputError(f"cell '{name}': {reader.type.channels} channels of signal for {len(places)} places.")
    partner, sign = np.array(kind.partner), np.array(kind.sign)
    mine, signs = np.array(reader.type.partner), np.array(reader.type.sign)
    if (partner[places] != places[mine]).any() or (sign[places] != signs).any():
        raise InputError(
            f"cell '{name}': its signal turns as {reader.type} at {places.tolist()} of {kind}: give its tracks the "
            "strands they have in the other cells."
        )


def _shape(readers: Sequence[Measured | None]) -> tuple[int, ...]:
    """Return the positions of a window, of readers that agree on them."""
    nothing = np.zeros(0, dtype=np.int64)
    shapes = {tuple(reader.gather(nothing).values.shape[2:]) for reader in readers if reader is not None}
    if len(shapes) > 1:
        raise InputError(f"the signal of cells has different lengths: {listing(sorted(shapes))}.")
    return next(iter(shapes), (0,))
