"""Windows around the peaks of many tracks, merged where they overlap (Basset: Kelley et al. 2016; GOPHER: 2022)."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strandwise.data.labels.cover import Cover, Positions
from strandwise.errors import InputError, listing
from strandwise.genome import check_within


@dataclass(frozen=True)
class PeakWindows:
    """Windows of one length around merged peaks, and which tracks are active in each.

    Attributes:
        frame: chrom, start, end, by chromosome and start.
        labels: ``(windows, tracks)`` uint8; 1 where a peak of the track went into the window.
        tracks: names of the tracks.
    """

    frame: pd.DataFrame
    labels: NDArray[np.uint8]
    tracks: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.frame)


def merge_peaks(
    peaks: Mapping[str, pd.DataFrame],
    sizes: Mapping[str, int],
    length_bp: int,
    overlap_bp: int = 200,
    *,
    centre: Literal["middle", "summit"] = "middle",
) -> PeakWindows:
    """Return windows around the peaks of all tracks, with neighbours merged that overlap much.

    Every peak is made `length_bp` long around its centre, moved inwards where it would leave its chromosome. Then,
    as long as neighbours overlap by `overlap_bp` or more, those two that overlap most (of equals, the first) become
    one: around the mean of their centres, each weighted by one more than the number of its tracks, and with the
    tracks of both. Windows may still overlap by less. Strands do not count.

    Args:
        peaks: the peaks of each track.
        sizes: chromosomes and their sizes in bp; the order of the result.
        length_bp: length of a window (GOPHER: 3,072).
        overlap_bp: least overlap of windows to merge (200 for coverage, 500 for binary labels in GOPHER).
        centre: "middle" of the peak, as in Basset, or its "summit".

    Raises:
        InputError: a peak on an unknown chromosome or past its end, a window longer than a chromosome with peaks,
            or an overlap that no two windows have or all have.
    """
    if not 1 <= overlap_bp <= length_bp:
        raise InputError(f"overlap_bp = {overlap_bp} of windows of {length_bp} bp: give 1 to {length_bp}.")
    for name, frame in peaks.items():
        check_within(frame, sizes, name)
    number = {chrom: row for row, chrom in enumerate(sizes)}
    chrom = np.concatenate([[], *(frame["chrom"].map(number).to_numpy() for frame in peaks.values())]).astype(np.int64)
    middle = np.concatenate([[], *(_centres(frame, centre) for frame in peaks.values())]).astype(np.int64)
    track = np.repeat(np.arange(len(peaks)), [len(frame) for frame in peaks.values()])
    size = np.array(list(sizes.values()), dtype=np.int64)
    short = sorted({list(sizes)[row] for row in np.unique(chrom) if size[row] < length_bp})
    if short:
        raise InputError(f"windows of {length_bp} bp are longer than {listing(short)}: leave out its peaks.")

    start = np.clip(middle - length_bp // 2, 0, size[chrom] - length_bp)
    order = np.lexsort([middle, start, chrom])
    chrom, start, track = chrom[order], start[order], track[order]
    apart = (np.diff(chrom) != 0) | (np.diff(start) > length_bp - overlap_bp)
    bounds = np.concatenate([[0], np.flatnonzero(apart) + 1, [len(start)]])
    into = np.arange(len(start))
    for first, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if stop - first > 1:
            room = int(size[chrom[first]]) - length_bp
            moved, joined = _merge_greedily(start[first:stop], track[first:stop], length_bp, overlap_bp, room)
            start[first:stop], into[first:stop] = moved, first + joined
    kept = np.unique(into)
    labels = np.zeros((len(kept), len(peaks)), dtype=np.uint8)
    labels[np.searchsorted(kept, into), track] = 1
    names = np.array(list(sizes), dtype=object)
    frame = pd.DataFrame({"chrom": names[chrom[kept]], "start": start[kept], "end": start[kept] + length_bp})
    return PeakWindows(frame, labels, tuple(peaks))


def background_windows(
    windows: pd.DataFrame, sizes: Mapping[str, int], length_bp: int, *, distance_bp: int = 0
) -> pd.DataFrame:
    """Return the windows that fit side by side into what is left of a genome without other windows.

    Args:
        windows: what to keep away from: peaks, or the windows around them.
        sizes: chromosomes and their sizes in bp.
        length_bp: length of a window.
        distance_bp: least distance from what is kept away from.

    Returns:
        chrom, start, end; each stretch is filled from its left.
    """
    if length_bp < 1:
        raise InputError(f"length_bp = {length_bp}: give at least 1.")
    gaps = Cover(windows, distance_bp, "windows").gaps(sizes)
    count = ((gaps["end"] - gaps["start"]) // length_bp).to_numpy(dtype=np.int64)
    owner = np.repeat(np.arange(len(gaps)), count)
    place = np.arange(len(owner)) - (np.cumsum(count) - count)[owner]
    start = gaps["start"].to_numpy(dtype=np.int64)[owner] + place * length_bp
    return pd.DataFrame(
        {"chrom": gaps["chrom"].to_numpy(dtype=object)[owner], "start": start, "end": start + length_bp}
    )


def _centres(frame: pd.DataFrame, centre: str) -> Positions:
    if centre == "summit":
        return frame["summit"].to_numpy(dtype=np.int64)
    return (frame["start"].to_numpy(dtype=np.int64) + frame["end"].to_numpy(dtype=np.int64)) // 2


def _merge_greedily(
    start: Positions, track: Positions, length_bp: int, overlap_bp: int, room: int
) -> tuple[Positions, Positions]:
    """Merge one chain of neighbours; return each window's start, and which window each went into.

    A merged window keeps the place of its left part. The best pair waits on top of a heap; a pair one of whose
    windows has changed since is passed over, known by the changes both had seen.
    """
    places = start.tolist()
    tracks = [{one} for one in track.tolist()]
    n = len(places)
    after, before = [*range(1, n), -1], list(range(-1, n - 1))
    changes = [0] * n
    into = list(range(n))
    pairs: list[tuple[int, int, int, int, int]] = []

    def offer(left: int, right: int) -> None:
        overlap = places[left] + length_bp - places[right]
        if overlap >= overlap_bp:
            heapq.heappush(pairs, (-overlap, left, right, changes[left], changes[right]))

    for left in range(n - 1):
        offer(left, left + 1)
    while pairs:
        _, left, right, *seen = heapq.heappop(pairs)
        if seen != [changes[left], changes[right]]:
            continue
        weights = 1 + len(tracks[left]), 1 + len(tracks[right])
        half = length_bp // 2
        both = sum(weights)
        weighted = weights[0] * (places[left] + half) + weights[1] * (places[right] + half)
        places[left] = min(max((2 * weighted + both) // (2 * both) - half, 0), room)
        tracks[left] |= tracks[right]
        into[right] = left
        changes[left] += 1
        changes[right] += 1
        after[left] = after[right]
        if after[left] >= 0:
            before[after[left]] = left
            offer(left, after[left])
        if before[left] >= 0:
            offer(before[left], left)
    for row in range(n):
        into[row] = into[into[row]]
    return np.array(places, dtype=np.int64), np.array(into, dtype=np.int64)
