"""Whether windows of one split give away those of another: shared bases, or the same sequence on either strand."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strandwise.data.labels.cover import Cover, interval_columns
from strandwise.data.readers import Reader
from strandwise.errors import InputError
from strandwise.sequence import N, revcomp_codes

_BLOCK = 4096
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Leaks:
    """What two splits share. Each pair of splits stands once either way.

    A window of one cell type and a window of another at the same place hold the same DNA, so they share bases like
    any two; but what a model should say of them was measured apart, which is what it is judged by across cell types.
    They are counted, and told from those in one cell type. Windows of one split are no leak, in whatever cells.

    Attributes:
        overlaps: split, other, windows, apart: how many windows of `split` share bases with a window of `other`,
            and how many of these do so in other cell types alone.
        duplicates: split, other, windows: how many have their sequence, on either strand, in `other`; empty
            where no sequence was read.
        examples: kind ("overlap" or "duplicate"), split, other, row, other_row, reversed: rows of the windows.
    """

    overlaps: pd.DataFrame
    duplicates: pd.DataFrame
    examples: pd.DataFrame

    @property
    def clean(self) -> bool:
        """Whether the splits share nothing."""
        return not (self.overlaps["windows"].sum() or self.duplicates["windows"].sum())

    def notes(self) -> list[str]:
        """Return a sentence for each kind of leak and pair of splits."""
        said = []
        for split, other, windows, apart in self.overlaps.itertuples(index=False):
            if windows > apart:
                said.append(f"{windows - apart} windows of {split} share bases with windows of {other}")
            if apart:
                said.append(f"{apart} windows of {split} share bases with windows of {other}, all in other cells")
        return said + [
            f"{windows} windows of {split} have their sequence, on either strand, in {other} too"
            for split, other, windows in self.duplicates.itertuples(index=False)
            if windows
        ]


def find_leaks(windows: pd.DataFrame, reader: Reader | None = None, examples: int = 5) -> Leaks:
    """Count the windows that splits share, and show some.

    Args:
        windows: chrom, start, end, split, and cell where there are several; those of the split "" are passed over.
        reader: reads their DNA, in the same order; without one only overlaps are sought. Sequences of nothing but
            N are no duplicates, and with several cells neither are those that share bases.
        examples: how many to show of each kind and pair of splits.

    Raises:
        InputError: no column split.
    """
    if "split" not in windows.columns:
        raise InputError("windows: no column split; say which windows train, choose and judge a model.")
    split = windows["split"].to_numpy(dtype=object)
    names = [str(name) for name in pd.unique(split) if name]
    chrom, start, end = interval_columns(windows, "windows")
    cells = windows["cell"].to_numpy(dtype=object) if "cell" in windows.columns else None
    hashes = sequence_hashes(reader, len(windows)) if reader is not None else None
    identity = hashes.identity() if hashes is not None else np.zeros(0, dtype=np.int64)
    overlaps, duplicates, shown = [], [], []
    for one, other in permutations(names, 2):
        mine, theirs = np.flatnonzero(split == one), np.flatnonzero(split == other)
        hit = mine[Cover(windows.iloc[theirs]).touches(chrom[mine], start[mine], end[mine])]
        overlaps.append((one, other, len(hit), len(hit) - _in_their_cell(windows, cells, hit, theirs)))
        if cells is not None:
            mine = np.setdiff1d(mine, hit)
        for row in hit[:examples].tolist():
            same = (chrom[theirs] == chrom[row]) & (start[theirs] < end[row]) & (end[theirs] > start[row])
            shown.append(("overlap", one, other, row, int(theirs[same.argmax()]), False))
        if hashes is not None:
            rows, partners = _same_sequence(identity, mine[hashes.known[mine]], theirs[hashes.known[theirs]])
            duplicates.append((one, other, len(rows)))
            turned = hashes.reversed[rows] != hashes.reversed[partners]
            found = zip(rows.tolist(), partners.tolist(), turned.tolist(), strict=True)
            shown += [("duplicate", one, other, *example) for example in list(found)[:examples]]
    columns = ["split", "other", "windows"]
    return Leaks(
        pd.DataFrame(overlaps, columns=[*columns, "apart"]),
        pd.DataFrame(duplicates, columns=columns),
        pd.DataFrame(shown, columns=["kind", "split", "other", "row", "other_row", "reversed"]),
    )


def _in_their_cell(
    windows: pd.DataFrame, cells: NDArray[np.object_] | None, hit: NDArray[np.int64], theirs: NDArray[np.int64]
) -> int:
    """Return how many of the windows `hit` share bases with one of `theirs` of the same cell."""
    if cells is None:
        return len(hit)
    found = 0
    for cell in pd.unique(cells[hit]):
        mine = windows.iloc[hit[cells[hit] == cell]]
        others = Cover(windows.iloc[theirs[cells[theirs] == cell]])
        found += int(others.touches(mine["chrom"], mine["start"], mine["end"]).sum())
    return found


@dataclass(frozen=True)
class SequenceHashes:
    """A number for each sequence that is the same on both strands.

    Attributes:
        values: ``(sequences, 2)`` uint64.
        reversed: ``(sequences,)``; whether the number is that of the other strand.
        known: ``(sequences,)``; whether there is a letter at all.
    """

    values: Hashes
    reversed: NDArray[np.bool_]
    known: NDArray[np.bool_]

    def identity(self) -> NDArray[np.int64]:
        """Return the same small number for equal sequences: ``(sequences,)``."""
        order = np.lexsort([self.values[:, 1], self.values[:, 0]])
        ordered = self.values[order]
        number = np.zeros(len(order), dtype=np.int64)
        number[order[1:]] = np.cumsum((ordered[1:] != ordered[:-1]).any(axis=1))
        return number


def sequence_hashes(reader: Reader, n: int) -> SequenceHashes:
    """Return the hashes of a reader's first `n` windows, read in blocks.

    A sequence is hashed by two sums of its codes, each times a random odd number of 64 bits, on both strands; the
    smaller pair counts. Two different sequences agree by chance with odds of about 2**-120.
    """
    values, turned, known = [], [], []
    weights = None
    for low in range(0, n, _BLOCK):
        codes = reader.gather(np.arange(low, min(low + _BLOCK, n)))
        if weights is None:
            weights = np.random.default_rng(0).integers(0, 2**64, (codes.shape[1], 2), dtype=np.uint64) | np.uint64(1)
        forward = codes.astype(np.uint64) @ weights
        backward = revcomp_codes(codes).astype(np.uint64) @ weights
        less = (backward[:, 0] < forward[:, 0]) | ((backward[:, 0] == forward[:, 0]) & (backward[:, 1] < forward[:, 1]))
        values.append(np.where(less[:, None], backward, forward))
        turned.append(less)
        known.append((codes != N).any(axis=1))
    if not values:
        return SequenceHashes(np.zeros((0, 2), np.uint64), np.zeros(0, bool), np.zeros(0, bool))
    return SequenceHashes(np.concatenate(values), np.concatenate(turned), np.concatenate(known))


def _same_sequence(
    identity: NDArray[np.int64], mine: NDArray[np.int64], theirs: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of one split that have a partner in the other, and the first partner of each."""
    found, first = np.unique(identity[theirs], return_index=True)
    place = np.minimum(np.searchsorted(found, identity[mine]), max(len(found) - 1, 0))
    hit = found[place] == identity[mine] if len(found) else np.zeros(len(mine), dtype=bool)
    return mine[hit], theirs[first[place[hit]]]
