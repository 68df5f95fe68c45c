"""A label for every base of long windows (Dataset 2 of Gupta & Rush 2017), made when a batch asks for it."""

from collections.abc import Mapping
from copy import copy

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strandwise.data.labels.cover import Positions, interval_columns, merge_sorted
from strandwise.errors import InputError
from strandwise.genome import check_within
from strandwise.genome.names import name_hint


class DenseLabels:
    """Whether each base of each window lies in a peak of each track.

    Only the edges of the peaks are held. All tracks lie one behind the other on one line of positions, so that one
    search finds the peaks of every window and track.

    Args:
        windows: chrom, start, end; all of one length. They may reach past the ends of their chromosomes.
        peaks: the peaks of each track, by name.
        sizes: chromosomes and their sizes in bp.

    Raises:
        InputError: windows of several lengths or on an unknown chromosome, no track, or a peak past the end of its
            chromosome.
    """

    def __init__(self, windows: pd.DataFrame, peaks: Mapping[str, pd.DataFrame], sizes: Mapping[str, int]) -> None:
        chrom, start, end = interval_columns(windows, "windows")
        lengths = np.unique(end - start)
        if len(lengths) != 1 or lengths[0] < 1:
            raise InputError(f"windows of {len(lengths)} lengths: dense labels need windows of one length.")
        if not peaks:
            raise InputError("dense labels of no track: give the peaks of at least one.")
        unknown = [name for name in pd.unique(chrom) if name not in sizes]
        if unknown:
            raise InputError(f"windows: chromosome '{unknown[0]}' is not in the genome{name_hint(unknown[0], sizes)}.")
        self.tracks, self.length_bp = tuple(peaks), int(lengths[0])
        # One position between chromosomes, lest peaks at an end and at a beginning merge.
        room = np.array(list(sizes.values()), dtype=np.int64) + 1
        offset = dict(zip(sizes, (np.cumsum(room) - room).tolist(), strict=True))
        self._line = int(room.sum())
        self._low = _placed(chrom, offset)
        self._high = self._low + _placed(chrom, sizes)
        self._begin = self._low + start
        self._start, self._end = self._edges(peaks, sizes, offset)

    def __len__(self) -> int:
        return len(self._begin)

    def take(self, rows: NDArray[np.integer]) -> "DenseLabels":
        """Return the labels of these windows only, in this order."""
        part = copy(self)
        part._begin, part._low, part._high = self._begin[rows], self._low[rows], self._high[rows]
        return part

    def _edges(
        self, peaks: Mapping[str, pd.DataFrame], sizes: Mapping[str, int], offset: Mapping[str, int]
    ) -> tuple[Positions, Positions]:
        starts, ends = [], []
        for number, (name, frame) in enumerate(peaks.items()):
            chrom, start, end = interval_columns(frame, name)
            check_within(frame, sizes, name)
            place = number * self._line + _placed(chrom, offset)
            order = np.argsort(place + start, kind="stable")
            merged = merge_sorted((place + start)[order], (place + end)[order])
            starts.append(merged[0])
            ends.append(merged[1])
        return np.concatenate(starts), np.concatenate(ends)

    def gather(self, rows: NDArray[np.integer], shifts: NDArray[np.integer] | None = None) -> NDArray[np.uint8]:
        """Return the labels ``(len(rows), length_bp, tracks)`` uint8 of windows, each moved right by its shift.

        Past a chromosome's end all labels are 0. In memory a track's bases lie together, so that exchanging the
        last two axes, to ``(batch, channel, position)``, costs nothing.
        """
        begin = self._begin[rows] if shifts is None else self._begin[rows] + shifts
        low = np.clip(begin, self._low[rows], self._high[rows])
        high = np.clip(begin + self.length_bp, self._low[rows], self._high[rows])
        line = self._line * np.arange(len(self.tracks), dtype=np.int64)
        first = np.searchsorted(self._end, (low[:, None] + line).ravel(), side="right")
        last = np.searchsorted(self._start, (high[:, None] + line).ravel(), side="left")
        cell, peak = _expand(first, np.maximum(last - first, 0))
        window, track = np.divmod(cell, len(self.tracks))
        home = begin[window] + line[track]
        start = np.maximum(self._start[peak], low[window] + line[track]) - home
        end = np.minimum(self._end[peak], high[window] + line[track]) - home
        labels = np.zeros((len(begin), len(self.tracks), self.length_bp), dtype=np.uint8)
        flat = labels.reshape(-1)
        for a, b in zip((cell * self.length_bp + start).tolist(), (cell * self.length_bp + end).tolist(), strict=True):
            flat[a:b] = 1
        return labels.transpose(0, 2, 1)


def _placed(chrom: NDArray[np.object_], numbers: Mapping[str, int]) -> Positions:
    codes, names = pd.factorize(chrom)
    return np.array([numbers[str(name)] for name in names], dtype=np.int64)[codes]


def _expand(first: Positions, count: Positions) -> tuple[Positions, Positions]:
    """Return ``first[i], first[i] + 1, ...``, `count[i]` of them, for each i, and the i of each."""
    owner = np.repeat(np.arange(len(first)), count)
    before = np.cumsum(count) - count
    return owner, first[owner] + np.arange(len(owner)) - before[owner]
