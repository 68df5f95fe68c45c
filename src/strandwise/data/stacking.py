"""The windows of several cell types as one set: tracks of one name are one track, known where they were measured."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from strandwise.data.reading import stack_readers
from strandwise.data.signals import Measured
from strandwise.data.signals.cells import CellReader
from strandwise.data.splits import ELSEWHERE
from strandwise.data.windows import LabelledWindows, epochs_of
from strandwise.errors import InputError
from strandwise.strand import unstranded

CELL = "cell"
"""The column of a table of windows that names the cell type of each."""


def with_roles(windows: LabelledWindows, roles: Mapping[str, str] | None) -> LabelledWindows:
    """Return the windows of a cell that have a part in some split, with that split; see `roles_of_cell`.

    Args:
        windows: with the split of the place they lie in.
        roles: the split of windows by where they lie; all as they are if not given.
    """
    if roles is None:
        return windows
    place = windows.frame["split"]
    kept = place.isin(list(roles)).to_numpy()
    found = windows.take(np.flatnonzero(kept))
    dropped = Counter(windows.dropped)
    if not kept.all():
        dropped[ELSEWHERE] += int((~kept).sum())
    return replace(found, frame=found.frame.assign(split=found.frame["split"].map(roles)), dropped=dropped)


def stack_cells(parts: Mapping[str, LabelledWindows], tracks: Sequence[str]) -> LabelledWindows:
    """Return the windows of several cell types, one cell type after the other, with a column ``cell``.

    Args:
        parts: windows of each cell type; each has some of the tracks. Signal that comes with them has a channel
            a track, without strand, as dense labels do.
        tracks: the tracks of all cell types; one that a cell type does not have has weight 0 there.

    Raises:
        InputError: windows of different lengths, or nothing to stack.
    """
    if len({part.input_bp for part in parts.values()}) != 1:
        lengths = ", ".join(f"{cell} {part.input_bp}" for cell, part in parts.items())
        raise InputError(f"windows of cells must have one length, and they have {lengths or 'none'}.")
    sizes = [len(part) for part in parts.values()]
    dropped: Counter[str] = Counter()
    for part in parts.values():
        dropped.update(part.dropped)
    frames = [part.frame.assign(**{CELL: cell}) for cell, part in parts.items()]
    first = next(iter(parts.values()))
    return LabelledWindows(
        frame=pd.concat(frames, ignore_index=True),
        labels=np.concatenate([_columns(part.labels, part.tracks, tracks) for part in parts.values()]),
        weights=np.concatenate([_columns(part.weights, part.tracks, tracks) for part in parts.values()]),
        tracks=tuple(tracks),
        reader=stack_readers([part.reader for part in parts.values()], sizes),
        input_bp=first.input_bp,
        dropped=dropped,
        notes=_notes(parts),
        epochs=_filled([part.epochs for part in parts.values()], sizes, -1),
        # One cell may have negatives for fewer epochs than another, and then begins with its first again.
        turns=_filled([_turns(part) for part in parts.values()], sizes, 1),
        slack=_filled([part.slack for part in parts.values()], sizes, 0),
        signals=_signals(parts, sizes, tracks),
    )


def _signals(parts: Mapping[str, LabelledWindows], sizes: Sequence[int], tracks: Sequence[str]) -> dict[str, Measured]:
    cells = np.repeat(np.array(list(parts), dtype=object), sizes)
    places = {cell: [list(tracks).index(track) for track in part.tracks] for cell, part in parts.items()}
    names = dict.fromkeys(name for part in parts.values() for name in part.signals)
    return {
        name: CellReader(
            {cell: part.signals.get(name) for cell, part in parts.items()}, cells, unstranded(len(tracks)), places
        )
        for name in names
    }


def _columns(values: np.ndarray, mine: Sequence[str], tracks: Sequence[str]) -> np.ndarray:
    """Return values ``(windows, tracks, ...)`` of all tracks, 0 for those that are not among `mine`."""
    found = np.zeros((len(values), len(tracks), *values.shape[2:]), values.dtype)
    found[:, [list(tracks).index(track) for track in mine]] = values
    return found


def _filled(arrays: Sequence[np.ndarray | None], sizes: Sequence[int], empty: int) -> np.ndarray | None:
    some = next((array for array in arrays if array is not None), None)
    if some is None:
        return None
    shape, dtype = some.shape[1:], some.dtype
    pairs = zip(arrays, sizes, strict=True)
    return np.concatenate([np.full((n, *shape), empty, dtype) if a is None else a for a, n in pairs])


def _turns(part: LabelledWindows) -> np.ndarray | None:
    return None if part.epochs is None else np.full(len(part), epochs_of(part.epochs), np.int32)


def _notes(parts: Mapping[str, LabelledWindows]) -> tuple[str, ...]:
    """Return the notes of all cell types; one that all of them have stands once, without a name."""
    everywhere = set.intersection(*(set(part.notes) for part in parts.values()))
    said = [note for part in parts.values() for note in part.notes if note in everywhere]
    own = [f"{cell}: {note}" for cell, part in parts.items() for note in part.notes if note not in everywhere]
    return (*dict.fromkeys(said), *own)
