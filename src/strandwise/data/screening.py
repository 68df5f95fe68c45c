"""Which of the windows laid out along a genome are left: whole in a split, known, mappable, off the blacklist."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strandwise.data.labels import drop_covered, unknown_runs
from strandwise.data.splits import SplitSettings, assign_split, held_out_regions
from strandwise.errors import InputError, listing
from strandwise.genome import Genome, overlaps_any


class Screened(NamedTuple):
    """What is left of windows.

    Attributes:
        rows: which windows, in rising order.
        split: the split of each of them.
        dropped: how many others fell, by the first reason that holds.
    """

    rows: NDArray[np.int64]
    split: NDArray[np.object_]
    dropped: Counter[str]


@dataclass(frozen=True)
class Screen:
    """What keeps windows out.

    Attributes:
        genome: the genome.
        split: what is held out.
        max_n_fraction: the largest share of unknown bases that is kept.
        blacklist: regions that no window may overlap, if any.
        unmappable: regions to which reads cannot be traced, if any.
        max_unmappable: the share of a window that may lie in them.
        at_limit: what becomes of a window of which exactly this share does.
    """

    genome: Genome
    split: SplitSettings
    max_n_fraction: float
    blacklist: pd.DataFrame | None = None
    unmappable: pd.DataFrame | None = None
    max_unmappable: float = 0.1
    at_limit: Literal["keep", "drop"] = "keep"

    def apply(self, frame: pd.DataFrame, jitter_bp: int = 0) -> Screened:
        """Return which windows are left, and in which split each lies wherever training may shift it.

        Args:
            frame: chrom, start, end; each on its chromosome.
            jitter_bp: the largest shift either way.
        """
        dropped: Counter[str] = Counter()
        frame = frame[["chrom", "start", "end"]].assign(row=np.arange(len(frame)))
        if self.blacklist is not None:
            frame = _without(frame, overlaps_any(frame, self.blacklist), "in the blacklist", dropped)
        chrom, start, end = (frame[column].to_numpy() for column in ("chrom", "start", "end"))
        regions = held_out_regions(self.split, self.genome.sizes)
        frame = frame.assign(split=assign_split(chrom, start, end, regions, jitter_bp))
        frame = _without(frame, (frame["split"] == "").to_numpy(), "across the border of a split", dropped)
        unknown = unknown_runs(self.genome, pd.unique(chrom)) if len(chrom) else None
        if unknown is not None and len(unknown):
            frame, found = drop_covered(frame, {"too much unknown sequence": unknown}, self.max_n_fraction)
            dropped.update(found)
        if self.unmappable is not None:
            regions = {"too little of it mappable": self.unmappable}
            frame, found = drop_covered(frame, regions, self.max_unmappable, at_limit=self.at_limit)
            dropped.update(found)
        return Screened(frame["row"].to_numpy(), frame["split"].to_numpy(dtype=object), +dropped)


def _without(frame: pd.DataFrame, where: NDArray[np.bool_], reason: str, dropped: Counter[str]) -> pd.DataFrame:
    dropped[reason] += int(where.sum())
    return frame[~where].reset_index(drop=True)


def room_for(
    genome: Genome, measured: Sequence[str], length_bp: int, split: SplitSettings, what: str
) -> tuple[dict[str, int], list[str]]:
    """Return the measured chromosomes that are long enough, with their sizes, and notes on the others.

    Args:
        genome: the genome.
        measured: chromosomes on which something was found; on the others perhaps nothing was ever looked for.
        length_bp: what must fit.
        split: names what is excluded.
        what: what was found, for messages: "peaks", "signal".

    Raises:
        InputError: no chromosome is left.
    """
    seen = set(measured)
    used = {name: size for name, size in genome.sizes.items() if name in seen and name not in split.exclude}
    if not used:
        raise InputError(f"no {what} left: every chromosome that has any is in split.exclude.")
    idle = [name for name in genome.sizes if name not in seen and name not in split.exclude]
    short = [name for name, size in used.items() if size < length_bp]
    notes = [f"no {what} on {listing(idle)}: no windows there"] if idle else []
    if len(short) == len(used):
        raise InputError(
            f"{genome.path}: {length_bp} bp are longer than every chromosome that has {what} "
            f"({listing(f'{name} ({used[name]} bp)' for name in short)}): use shorter windows."
        )
    if short:
        notes.append(f"{listing(short)}: shorter than {length_bp} bp, so no windows there")
    return {name: size for name, size in used.items() if size >= length_bp}, notes
