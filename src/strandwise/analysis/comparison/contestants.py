"""Whatever can be asked for a number of a window, or for numbers along it: models, files, replicates, baselines."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strandwise.analysis.comparison.landscape import Landscape
from strandwise.analysis.comparison.places import Places

Role = Literal["model", "ceiling", "baseline"]

PLACE = ("chrom", "start", "end")
AT_ONCE = 1 << 22


class Contestant(Protocol):
    """What is judged.

    Attributes:
        name: on the table.
        role: a model, what an experiment reaches, or what a model has to beat.
        bin_bp: the finest bins it answers for; None where it says one number of a window.
        on_scale: what it says are amounts, not logits or scores, so that errors have a meaning beside correlations.
    """

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def role(self) -> Role:
        """What it stands for."""
        ...

    @property
    def bin_bp(self) -> int | None:
        """The finest bins it answers for, if any."""
        ...

    @property
    def on_scale(self) -> bool:
        """Whether it says amounts."""
        ...

    def scores(self, places: Places) -> NDArray[np.float64] | None:
        """Return a number for each window that grows with confidence in a peak, ``(windows,)``; None if it has none."""
        ...

    def amounts(self, places: Places, bin_bp: int) -> NDArray[np.float32] | None:
        """Return what it expects in bins of windows, ``(windows, bins)``; None where it says nothing so fine."""
        ...


@dataclass(frozen=True)
class Along:
    """Values along chromosomes: of a run, of a file of predictions, of a replicate.

    Attributes:
        name: what it is called.
        landscape: its values.
        role: what it stands for.
        about_bp: of a model that says one number of what it reads, the bases that it is about, around the bin of its
            value: those in which a peak makes it yes, or all that it reads. A window that is judged is then scored by
            the highest number that is about bases wholly in it, and its amount is their mean; where none is, both are
            of the nearest to its middle, as GOPHER holds logits against coverage. None for values of bins.
        highest: of values of bins, a window is scored by the highest, as of a model that says yes or no of each;
            else by the mean.
        classifier_only: it is judged on yes/no labels alone: what was measured, as the rule for its own labels.
        on_scale: its values are amounts, not logits.
    """

    name: str
    landscape: Landscape
    role: Role = "model"
    about_bp: int | None = None
    highest: bool = False
    classifier_only: bool = False
    on_scale: bool = True

    @property
    def bin_bp(self) -> int | None:
        """The finest bins it answers for, if any."""
        return None if self.about_bp or self.classifier_only else self.landscape.bin_bp

    def scores(self, places: Places) -> NDArray[np.float64]:
        """Return the mean of each window, or the highest of what is said of windows or bins in it."""
        if self.about_bp is not None or self.highest:
            return self._inside(places)[0]
        return self.landscape.means(places.frame, places.length_bp, places.length_bp)[:, 0].astype(np.float64)

    def amounts(self, places: Places, bin_bp: int) -> NDArray[np.float32] | None:
        """Return means over bins, where they are no finer than its own and begin where its own do."""
        if self.classifier_only:
            return None
        whole, own = bin_bp == places.length_bp, self.landscape.bin_bp
        if self.about_bp is not None:
            return self._inside(places)[1][:, None].astype(np.float32) if whole else None
        if not whole and (bin_bp % own or (places.frame["start"].to_numpy() % own).any()):
            return None
        return self.landscape.means(places.frame, places.length_bp, bin_bp)

    def _inside(self, places: Places) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the highest and the mean of what is said of the windows that lie in each one that is judged."""
        step, length = self.landscape.bin_bp, places.length_bp
        about = self.about_bp or step
        chrom, start = places.frame["chrom"].to_numpy(), places.frame["start"].to_numpy(np.int64)
        lead = step // 2 - about // 2
        first, last = -((lead - start) // step), (start + length - about - lead) // step
        none, (middle, rest) = last < first, np.divmod(2 * start + length, 2 * step)
        # On the border of two bins the middle belongs to both, from either strand.
        first, last = np.where(none, middle - (rest == 0), first), np.where(none, middle, last)
        highest, mean = np.empty(len(start)), np.empty(len(start))
        width = int((last - first).max(initial=0)) + 1
        for name in pd.unique(chrom):
            values, here = self.landscape.values[name], np.flatnonzero(chrom == name)
            for rows in np.array_split(here, len(here) * width // AT_ONCE + 1):
                bins = first[rows, None] + np.arange(width)
                inside = bins <= last[rows, None]
                said = values[bins.clip(0, len(values) - 1)].astype(np.float64)
                highest[rows] = np.where(inside, said, -np.inf).max(1)
                mean[rows] = np.where(inside, said, 0).sum(1) / inside.sum(1)
        return highest, mean


@dataclass(frozen=True)
class Scored:
    """A rule that reads the DNA of a window: composition, motifs, words. Each window is read once.

    Attributes:
        name: what it is called.
        rule: from chrom, start and end of windows to a number for each.
    """

    name: str
    rule: Callable[[pd.DataFrame], NDArray[np.float64]]
    role: Role = "baseline"
    bin_bp: int | None = None
    on_scale: bool = False
    _said: list[pd.Series] = field(default_factory=list, repr=False, compare=False)

    def scores(self, places: Places) -> NDArray[np.float64]:
        """Return what the rule says of each window."""
        index = pd.MultiIndex.from_frame(places.frame[[*PLACE]])
        known = self._said[0] if self._said else None
        new = np.ones(len(index), dtype=bool) if known is None else ~index.isin(known.index)
        if new.any():
            windows = places.frame[new].drop_duplicates([*PLACE], ignore_index=True)
            said = pd.Series(self.rule(windows), pd.MultiIndex.from_frame(windows[[*PLACE]]))
            known = said if known is None else pd.concat([known, said])
            self._said[:] = [known]
        if known is None:
            return np.empty(0)
        return np.asarray(known.reindex(index), dtype=np.float64)

    def amounts(self, places: Places, bin_bp: int) -> NDArray[np.float32] | None:
        """Return the score as the amount of the window as a whole."""
        return self.scores(places)[:, None].astype(np.float32) if bin_bp == places.length_bp else None


@dataclass(frozen=True)
class Listed:
    """A number for each of the windows of a table, and of no others.

    Attributes:
        name: what it is called.
        table: chrom, start, end and value.
    """

    name: str
    table: pd.DataFrame
    role: Role = "model"
    bin_bp: int | None = None
    on_scale: bool = True

    def scores(self, places: Places) -> NDArray[np.float64]:
        """Return the value of each window; NaN of those that are not in the table."""
        known = self.table[[*PLACE, "value"]].drop_duplicates([*PLACE])
        return places.frame[[*PLACE]].merge(known, how="left", on=[*PLACE])["value"].to_numpy(np.float64)

    def amounts(self, places: Places, bin_bp: int) -> NDArray[np.float32] | None:
        """Return the value as the amount of the window as a whole."""
        return self.scores(places)[:, None].astype(np.float32) if bin_bp == places.length_bp else None


@dataclass(frozen=True)
class MeanProfile:
    """The mean of what was measured around other peaks, said of every peak: what a model of shapes has to beat.

    Attributes:
        profile: ``(length_bp // bin_bp,)``.
        bin_bp: its bins.
    """

    profile: NDArray[np.float32]
    bin_bp: int
    name: str = "mean profile"
    role: Role = "baseline"
    on_scale: bool = True

    def scores(self, places: Places) -> None:
        """Say nothing: it is the same of all windows."""
        return

    def amounts(self, places: Places, bin_bp: int) -> NDArray[np.float32] | None:
        """Return the profile of each window around a peak."""
        if places.name != "peaks" or bin_bp % self.bin_bp or bin_bp == places.length_bp:
            return None
        binned = self.profile.reshape(-1, bin_bp // self.bin_bp).mean(-1)
        return np.broadcast_to(binned, (len(places), len(binned)))
