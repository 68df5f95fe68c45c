"""Where predictions are judged: windows around peaks and away from them, chunks with signal, whole chromosomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strandwise.data.labels import Cover, merge_peaks
from strandwise.errors import InputError, listing

MERGED_BP = 200
"""Windows around neighbouring peaks that overlap by this become one, as in Basset and GOPHER."""


@dataclass(frozen=True)
class Barred:
    """What keeps a window out.

    Attributes:
        excluded: no window touches these.
        unmappable: reads cannot be traced to these; a window may hold less than `most` of them.
        unknown: stretches of N, of which a window may hold up to a tenth.
        most: of unmappable bases.
    """

    excluded: Cover | None = None
    unmappable: Cover | None = None
    unknown: Cover | None = None
    most: float = 0.5

    def reasons(self, frame: pd.DataFrame) -> dict[str, NDArray[np.bool_]]:
        """Return for each reason which windows it keeps out."""
        where = (frame["chrom"], frame["start"], frame["end"])
        found = {}
        if self.excluded is not None:
            found["excluded"] = self.excluded.touches(*where)
        if self.unmappable is not None:
            found["unmappable"] = self.unmappable.fraction(*where) >= self.most
        if self.unknown is not None:
            found["N-rich"] = self.unknown.fraction(*where) > 0.1
        return found


@dataclass(frozen=True)
class Places:
    """Windows of one length at which predictions are judged.

    Attributes:
        name: "peaks", "coverage", "chromosomes", or "table" of windows that a table of predictions lists.
        frame: chrom, start, end; each begins at a multiple of what it was asked for.
        length_bp: of each.
        labels: 1 with a peak, 0 without, NaN where that is not clear or no peaks are known; ``(windows,)``.
        dropped: how many windows were left out, by reason.
    """

    name: str
    frame: pd.DataFrame
    length_bp: int
    labels: NDArray[np.float32]
    dropped: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: NDArray, name: str | None = None) -> "Places":
        """Return some of the windows: their numbers, or booleans."""
        frame = self.frame[rows] if rows.dtype == bool else self.frame.iloc[rows]
        return replace(self, name=name or self.name, frame=frame.reset_index(drop=True), labels=self.labels[rows])

    def without(self, reasons: Mapping[str, NDArray[np.bool_]]) -> "Places":
        """Return the windows that nothing keeps out; each of the others counts for the first reason it has."""
        kept, dropped = np.ones(len(self), dtype=bool), dict(self.dropped)
        for reason, out in reasons.items():
            dropped[reason] = dropped.get(reason, 0) + int((kept & out).sum())
            kept &= ~out
        return replace(self.take(kept), dropped={reason: n for reason, n in dropped.items() if n})


def side_by_side(sizes: Mapping[str, int], length_bp: int, barred: Barred, peaks: pd.DataFrame | None = None) -> Places:
    """Return windows that lie side by side along whole chromosomes, but for those that are kept out.

    A window is labelled 1 that holds the summit of a peak, 0 that touches none, and not at all between the two.

    Args:
        sizes: chromosomes and their sizes in bp; what is left over at an end is left out.
        length_bp: of a window.
        barred: what keeps a window out.
        peaks: chrom, start, end, summit.

    Raises:
        InputError: no chromosome holds a window, or none is left.
    """
    frame = _every(sizes, length_bp, length_bp)
    if not len(frame):
        raise InputError(f"no chromosome to judge is as long as a window of {length_bp} bp: give shorter windows.")
    found = Places("chromosomes", frame, length_bp, labels_of(frame, peaks)).without(barred.reasons(frame))
    if not len(found):
        raise InputError(f"every window is kept out: {found.dropped}. Give other chromosomes, or bar less.")
    return found


def with_coverage(tiles: Places, highest: NDArray, threshold: float) -> Places:
    """Return the windows whose highest coverage is more than a threshold: GOPHER's test sets.

    Args:
        tiles: of whole chromosomes.
        highest: the highest value in each; of a replicate, where there is one, lest windows be chosen for chance.
        threshold: to be passed.
    """
    return replace(tiles.without({"below the threshold": ~(highest > threshold)}), name="coverage")


def around_peaks(
    peaks: pd.DataFrame,
    sizes: Mapping[str, int],
    length_bp: int,
    unit_bp: int,
    barred: Barred,
    *,
    per_peak: float = 1.0,
    seed: int = 0,
    grid_bp: int | None = None,
) -> Places:
    """Return windows around peaks, merged where they overlap much, and random windows that touch no peak.

    All begin at multiples of `unit_bp`, so a summit may lie up to half of it from the middle. The random windows of a
    smaller number are among those of a larger, by the same seed.

    Args:
        peaks: chrom, start, end, summit.
        sizes: the chromosomes to judge.
        length_bp: of a window.
        unit_bp: the bins of all contestants fit into it; at most `length_bp`.
        barred: what keeps a window out.
        per_peak: random windows for each one around a peak; infinity takes all there are.
        seed: which.
        grid_bp: random windows begin at multiples of it; `unit_bp` if not given.

    Raises:
        InputError: no peak, or no room for a random window.
    """
    if not peaks["chrom"].isin(list(sizes)).any():
        raise InputError(
            f"no peak lies on the chromosomes to judge ({listing(sizes)}): name others, or give other peaks."
        )
    frame = peak_windows(peaks, sizes, length_bp, unit_bp)
    positive = Places("peaks", frame, length_bp, np.ones(len(frame), np.float32))
    positive = positive.without(barred.reasons(positive.frame))
    grid = grid_bp or unit_bp
    frame = _every(sizes, length_bp, grid)
    away = ~Cover(peaks).touches(frame["chrom"], frame["start"], frame["end"])
    frame = frame[away].reset_index(drop=True)
    negative = Places("peaks", frame, length_bp, np.zeros(len(frame), np.float32))
    negative = replace(negative.without(barred.reasons(frame)), dropped={})
    if not len(negative) or not len(positive):
        raise InputError(
            f"{len(positive)} windows around peaks and {len(negative)} without one can be judged: both are needed. "
            "Give other chromosomes, or shorter windows."
        )
    wanted = len(negative) if np.isinf(per_peak) else min(len(negative), round(per_peak * len(positive)))
    drawn = np.random.default_rng(seed).permutation(len(negative))[: max(1, wanted)]
    negative = negative.take(np.sort(drawn))
    return Places(
        "peaks",
        pd.concat([positive.frame, negative.frame], ignore_index=True),
        length_bp,
        np.concatenate([positive.labels, negative.labels]),
        positive.dropped,
    )


def peak_windows(peaks: pd.DataFrame, sizes: Mapping[str, int], length_bp: int, unit_bp: int) -> pd.DataFrame:
    """Return windows around peaks, merged where they overlap by `MERGED_BP`: chrom, start, end.

    Args:
        peaks: chrom, start, end, summit; those of other chromosomes, or of such as hold no window, are left out.
        sizes: chromosomes.
        length_bp: of a window.
        unit_bp: windows begin at the multiple of it that is nearest.
    """
    roomy = {chrom: size for chrom, size in sizes.items() if size >= length_bp}
    here = peaks[peaks["chrom"].isin(list(roomy))]
    if not len(here):
        return pd.DataFrame({"chrom": [], "start": np.empty(0, np.int64), "end": np.empty(0, np.int64)})
    merged = merge_peaks({"peaks": here}, roomy, length_bp, min(MERGED_BP, length_bp), centre="summit").frame
    most = merged["chrom"].map(roomy).to_numpy(np.int64) - length_bp
    start = np.minimum((merged["start"].to_numpy() + unit_bp // 2) // unit_bp, most // unit_bp) * unit_bp
    return merged.assign(start=start, end=start + length_bp)[["chrom", "start", "end"]].drop_duplicates(
        ignore_index=True
    )


def _every(sizes: Mapping[str, int], length_bp: int, grid_bp: int) -> pd.DataFrame:
    """Return all windows that begin at multiples of a grid and lie wholly on their chromosomes."""
    starts = {chrom: grid_bp * np.arange(max(0, (size - length_bp) // grid_bp + 1)) for chrom, size in sizes.items()}
    frame = pd.DataFrame(
        {
            "chrom": np.repeat(np.array(list(starts), dtype=object), [len(each) for each in starts.values()]),
            "start": np.concatenate([np.empty(0, np.int64), *starts.values()]).astype(np.int64),
        }
    )
    return frame.assign(end=frame["start"] + length_bp)


def labels_of(frame: pd.DataFrame, peaks: pd.DataFrame | None) -> NDArray[np.float32]:
    """Return 1 for windows that hold the summit of a peak, 0 for those that touch none, NaN between the two.

    Args:
        frame: chrom, start, end of windows.
        peaks: chrom, start, end, summit; all is NaN without them.
    """
    if peaks is None:
        return np.full(len(frame), np.nan, dtype=np.float32)
    where = (frame["chrom"], frame["start"], frame["end"])
    summits = peaks[["chrom"]].assign(start=peaks["summit"], end=peaks["summit"] + 1)
    labels = np.where(Cover(peaks).touches(*where), np.nan, 0.0)
    labels[Cover(summits).touches(*where)] = 1.0
    return labels.astype(np.float32)
