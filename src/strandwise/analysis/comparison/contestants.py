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


class Contestant(Protocol):
    """What is judged.

    Attributes:
        name: on the table.
        role: a model, what an experiment reaches, or what a model has to beat.
        bin_bp: the finest bins it answers for; None where it says one number of a window.
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
        reads_bp: of a model that says one number of a window, the length of that window: each value is of the window
            around its bin. A window that is judged is then scored by the highest of those that lie wholly in it, and
            its amount is their mean; where none does, both are the one at its middle, as GOPHER holds logits against
            coverage. None for amounts in bins, whose mean is both.
        classifier_only: it is judged on yes/no labels alone: what was measured, as the rule for its own labels.
    """

    name: str
    landscape: Landscape
    role: Role = "model"
    reads_bp: int | None = None
    classifier_only: bool = False

    @property
    def bin_bp(self) -> int | None:
        """The finest bins it answers for, if any."""
        return None if self.reads_bp or self.classifier_only else self.landscape.bin_bp

    def scores(self, places: Places) -> NDArray[np.float64]:
        """Return the mean of each window, or the highest of what is said of windows in it."""
        if self.reads_bp is None:
            return self.landscape.means(places.frame, places.length_bp, places.length_bp)[:, 0].astype(np.float64)
        return self._inside(places).max(1).astype(np.float64)

    def amounts(self, places: Places, bin_bp: int) -> NDArray[np.float32] | None:
        """Return means over bins, where they are no finer than its own."""
        if self.classifier_only:
            return None
        if self.reads_bp is not None:
            return self._inside(places).mean(1, keepdims=True) if bin_bp == places.length_bp else None
        return None if bin_bp % self.landscape.bin_bp else self.landscape.means(places.frame, places.length_bp, bin_bp)

    def _inside(self, places: Places) -> NDArray[np.float32]:
        """Return what is said of the windows that lie in each one that is judged, ``(windows, at least 1)``."""
        step, length = self.landscape.bin_bp, places.length_bp
        said = self.landscape.means(places.frame, length, step)
        middle = np.arange(length // step) * step + step // 2
        first = middle - (self.reads_bp or 0) // 2
        inside = (first >= 0) & (first + (self.reads_bp or 0) <= length)
        return said[:, inside] if inside.any() else said[:, [length // step // 2]]


@dataclass(frozen=True)
class Scored:
    """A rule that reads the DNA of a window: composition, motifs, words.

    Attributes:
        name: what it is called.
        rule: from chrom, start and end of windows to a number for each.
    """

    name: str
    rule: Callable[[pd.DataFrame], NDArray[np.float64]]
    role: Role = "baseline"
    bin_bp: int | None = None
    _kept: dict[str, tuple[pd.DataFrame, NDArray[np.float64]]] = field(default_factory=dict, repr=False)

    def scores(self, places: Places) -> NDArray[np.float64]:
        """Return what the rule says of each window."""
        kept = self._kept.get(places.name)
        if kept is None or not kept[0].equals(places.frame):
            kept = self._kept[places.name] = (places.frame, self.rule(places.frame))
        return kept[1]

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

    def scores(self, places: Places) -> NDArray[np.float64]:
        """Return the value of each window; NaN of those that are not in the table."""
        keys = ["chrom", "start", "end"]
        known = self.table.drop_duplicates(keys)
        return places.frame[keys].merge(known, how="left", on=keys)["value"].to_numpy(np.float64)

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

    def scores(self, places: Places) -> None:
        """Say nothing: it is the same of all windows."""
        return

    def amounts(self, places: Places, bin_bp: int) -> NDArray[np.float32] | None:
        """Return the profile of each window around a peak."""
        if places.name != "peaks" or bin_bp % self.bin_bp or bin_bp == places.length_bp:
            return None
        binned = self.profile.reshape(-1, bin_bp // self.bin_bp).mean(-1)
        return np.broadcast_to(binned, (len(places), len(binned)))
