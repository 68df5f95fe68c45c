"""A number for every stretch of a chromosome: what was measured there, or what a model says of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from strandwise.errors import InputError, listing
from strandwise.genome import BedGraph, BigWig
from strandwise.genome.signal import infinite_value

_PIECE = 1 << 20
_LOOKED = 1 << 22
_AT_ONCE = 1 << 24


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
            InputError: the file is damaged, or a value in it infinite.
        """
        piece = max(1, _PIECE // bin_bp) * bin_bp
        found = {}
        for name, theirs in names.items():
            size = signal.sizes[theirs]
            means = np.empty(-(-size // bin_bp), dtype=np.float32)
            for start in range(0, size, piece):
                end = min(start + piece, size)
                values = signal.values(theirs, start, end, missing)
                infinite = np.isinf(values)
                if infinite.any():
                    raise infinite_value(signal.path, theirs, start + int(infinite.argmax()))
                means[start // bin_bp : -(-end // bin_bp)] = _means(values, bin_bp)
            found[name] = means
        return cls(bin_bp, found)

    def means(self, frame: pd.DataFrame, length_bp: int, bin_bp: int) -> NDArray[np.float32]:
        """Return means over bins of windows, ``(windows, length_bp // bin_bp)``; NaN where a base is NaN.

        Windows and bins may begin anywhere: all bases of a bin of the landscape have its value.

        Args:
            frame: chrom and start of windows that lie wholly on their chromosomes.
            length_bp: of a window, a multiple of `bin_bp`.
            bin_bp: length of a bin.
        """
        chrom, start = frame["chrom"].to_numpy(), frame["start"].to_numpy(np.int64)
        grain = math.gcd(self.bin_bp, bin_bp, int(np.gcd.reduce(start, initial=0)))
        width, fold = length_bp // grain, bin_bp // grain
        found = np.empty((len(frame), length_bp // bin_bp), dtype=np.float32)
        for name in pd.unique(chrom):
            values, here = self.values[name], np.flatnonzero(chrom == name)
            for rows in np.array_split(here, len(here) * width // _AT_ONCE + 1):
                if grain == self.bin_bp:
                    said = sliding_window_view(values, width)[start[rows] // grain]
                else:
                    said = values[(start[rows, None] + grain * np.arange(width)) // self.bin_bp]
                found[rows] = said if fold == 1 else said.reshape(len(rows), -1, fold).mean(-1, dtype=np.float64)
        return found

    def smoothed(self, width_bp: int) -> "Landscape":
        """Return the running means over boxes of about `width_bp`, of an odd number of bins, as wide as the bins.

        What is not known, or lies beyond the ends of a chromosome, does not count; what is not known stays so.
        """
        half = max(1, round(width_bp / self.bin_bp)) // 2
        return Landscape(self.bin_bp, {name: _boxed(values, half) for name, values in self.values.items()})


def resolution(signal: BigWig | BedGraph, names: Mapping[str, str]) -> int:
    """Return the length of the bins in which a signal file gives its values: all changes fall between them.

    Where a file says nothing at all counts as a value too, so bins that do not begin at the first base of a
    chromosome, or that lie in stretches here and there, are found as the coarsest bins that do and hold them.

    Args:
        signal: the file.
        names: chromosomes, and what the file calls each; all of them are read.

    Raises:
        InputError: it is the same everywhere.
    """
    found, some = 0, False
    for theirs in names.values():
        size = signal.sizes[theirs]
        for start in range(0, size, _LOOKED):
            first = max(start - 1, 0)
            values = signal.values(theirs, first, min(start + _LOOKED, size), math.nan)
            silent = np.isnan(values)
            some = some or not silent.all()
            changes = (values[:-1] != values[1:]) & ~(silent[:-1] & silent[1:])
            found = math.gcd(found, int(np.gcd.reduce(np.flatnonzero(changes) + 1 + first, initial=0)))
            if found == 1:
                return found
    if not found:
        what = "the signal is the same everywhere" if some else "the file says nothing"
        raise InputError(f"{signal.path}: {what} on {listing(names)}, so it predicts nothing there: judge elsewhere.")
    return found


def _means(values: NDArray[np.float32], bin_bp: int) -> NDArray[np.float64]:
    whole = len(values) // bin_bp * bin_bp
    means = values[:whole].reshape(-1, bin_bp).mean(-1, dtype=np.float64)
    # The last bin of a chromosome may be a part of one.
    return np.append(means, values[whole:].mean(dtype=np.float64)) if whole < len(values) else means


def _boxed(values: NDArray[np.float32], half: int) -> NDArray[np.float32]:
    found = np.empty(len(values), dtype=np.float32)
    for start in range(0, len(values), _PIECE):
        end = min(start + _PIECE, len(values))
        low, high = max(start - half, 0), min(end + half, len(values))
        part = np.asarray(values[low:high], dtype=np.float64)
        known = ~np.isnan(part)
        total, count = (np.append(0, np.cumsum(each)) for each in (np.where(known, part, 0), known))
        place = np.arange(start, end)
        first, last = np.maximum(place - half, low) - low, np.minimum(place + half + 1, high) - low
        means = (total[last] - total[first]) / np.maximum(count[last] - count[first], 1)
        found[start:end] = np.where(known[place - low], means, np.nan)
    return found
