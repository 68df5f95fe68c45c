"""A number for every stretch of a chromosome: what was measured there, or what a model says of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from strandwise.errors import InputError
from strandwise.genome import BedGraph, BigWig

_PIECE = 1 << 20
_LOOKED = 1 << 22


@dataclass(frozen=True)
class Landscape:
    """Values in bins side by side, from the first base of each chromosome.

    Attributes:
        bin_bp: length of a bin.
        values: ``(ceil(size / bin_bp),)`` float32 by chromosome, NaN where nothing is known; may be memory-mapped.
    """

    bin_bp: int
    values: Mapping[str, NDArray[np.float32]]

    @classmethod
    def of_signal(
        cls, signal: BigWig | BedGraph, names: Mapping[str, str], bin_bp: int, missing: float = math.nan
    ) -> "Landscape":
        """Return the means of a signal file over bins, read piece by piece.

        Args:
            signal: the file.
            names: the chromosomes to read, and what the file calls each.
            bin_bp: length of a bin.
            missing: the value of bases that the file says nothing about; a bin with a NaN in it is NaN.

        Raises:
            InputError: the file is damaged.
        """
        piece = max(1, _PIECE // bin_bp) * bin_bp
        found = {}
        for name, theirs in names.items():
            size = signal.sizes[theirs]
            means = np.empty(-(-size // bin_bp), dtype=np.float32)
            for start in range(0, size, piece):
                end = min(start + piece, size)
                values = signal.values(theirs, start, end, missing)
                means[start // bin_bp : -(-end // bin_bp)] = _means(values, bin_bp)
            found[name] = means
        return cls(bin_bp, found)

    def means(self, frame: pd.DataFrame, length_bp: int, bin_bp: int) -> NDArray[np.float32]:
        """Return means over bins of windows, ``(windows, length_bp // bin_bp)``.

        Args:
            frame: chrom and start of windows, which begin where a bin of the landscape begins.
            length_bp: of a window, a multiple of `bin_bp`.
            bin_bp: a multiple of the landscape's own.
        """
        width, fold = length_bp // self.bin_bp, bin_bp // self.bin_bp
        found = np.empty((len(frame), width), dtype=np.float32)
        chrom, first = frame["chrom"].to_numpy(), frame["start"].to_numpy() // self.bin_bp
        for name in pd.unique(chrom):
            here = chrom == name
            found[here] = sliding_window_view(self.values[name], width)[first[here]]
        return found if fold == 1 else found.reshape(len(frame), -1, fold).mean(-1, dtype=np.float64).astype(np.float32)

    def smoothed(self, width_bp: int) -> "Landscape":
        """Return the running means over boxes of about `width_bp`, of an odd number of bins, as wide as the bins.

        Beyond the ends of a chromosome nothing counts.
        """
        bins = max(1, round(width_bp / self.bin_bp)) // 2 * 2 + 1
        box = np.ones(bins)
        return Landscape(
            self.bin_bp,
            {
                name: (np.convolve(values, box, "same") / np.convolve(np.ones(len(values)), box, "same")).astype(
                    np.float32
                )
                for name, values in self.values.items()
            },
        )


def resolution(signal: BigWig | BedGraph, names: Mapping[str, str]) -> int:
    """Return the length of the bins in which a signal file gives its values: all changes fall between them.

    Args:
        signal: the file.
        names: its chromosomes, by other names; the first stretch of them that changes decides.

    Raises:
        InputError: it is the same everywhere.
    """
    for theirs in names.values():
        size = signal.sizes[theirs]
        for start in range(0, size, _LOOKED):
            values = signal.values(theirs, start, min(start + _LOOKED, size), math.nan)
            before, after = values[:-1], values[1:]
            changes = np.flatnonzero((before != after) & ~(np.isnan(before) & np.isnan(after))) + 1 + start
            if changes.size:
                return int(np.gcd.reduce(changes))
    raise InputError(f"{signal.path}: the signal is the same everywhere it is judged, so it predicts nothing.")


def _means(values: NDArray[np.float32], bin_bp: int) -> NDArray[np.float64]:
    whole = len(values) // bin_bp * bin_bp
    means = values[:whole].reshape(-1, bin_bp).mean(-1, dtype=np.float64)
    # The last bin of a chromosome may be a part of one.
    return np.append(means, values[whole:].mean(dtype=np.float64)) if whole < len(values) else means
