"""The signal of many windows at once: read, filled, scaled, binned and turned without a loop over windows."""

from collections.abc import Sequence
from copy import copy
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from strandwise.data.readers import SignalBatch, turn_rows
from strandwise.data.signals.recipe import Recipe
from strandwise.data.signals.signal import Signal
from strandwise.data.signals.tracks import tracks_type
from strandwise.errors import InputError
from strandwise.genome.names import name_hint
from strandwise.strand import StrandType

_BLOCK_VALUES = 1 << 22
"""Values that are worked on at a time: a batch of the usual size, and never much memory."""

_FEW_BASES = 4
"""Bases of a bin up to which whole arrays are added rather than the bases of each bin."""


class Measured(Protocol):
    """Reads the signal of many windows at once."""

    type: StrandType

    @property
    def signals(self) -> Sequence[Signal]:
        """The tracks that it reads."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know of its tracks."""
        ...

    def gather(self, rows: NDArray, shifts: NDArray | None = None, turned: NDArray | None = None) -> SignalBatch:
        """Return the signal of windows, each moved right by its shift and then, where `turned`, read backwards."""
        ...

    def take(self, rows: NDArray) -> "Measured":
        """Return a reader of these windows only."""
        ...


class SignalReader:
    """Reads the signal in the middle of windows, in bins.

    Positions that a file says nothing about, or that lie past the end of a chromosome, are filled as their track
    says; a window on a chromosome that a track's file does not have is 0 there, with weight 0. It can be pickled:
    what is sent is where the signals lie.

    Args:
        signals: the tracks, from one `SignalCache` or `SignalStream`.
        chrom: chromosome of each window, as the genome calls it; ``(windows,)``.
        start: first position of each window, which may lie before the chromosome; ``(windows,)``.
        input_bp: length of a window.
        output_bp: length of its middle whose signal is read; all of it if not given, and more if that is wanted.
        bin_bp: length of a bin.
        bins: whether a bin is the "mean" or the "sum" of its base pairs.

    Attributes:
        tracks: the tracks, in the order of the channels.
        type: how the channels change under reverse complement.

    Raises:
        InputError: an unknown chromosome, tracks that do not fit together, or lengths that would not turn with
            their window: a middle that is not in the middle, or bins that do not fill it.
    """

    def __init__(
        self,
        signals: Sequence[Signal],
        chrom: ArrayLike,
        start: ArrayLike,
        *,
        input_bp: int,
        output_bp: int | None = None,
        bin_bp: int = 1,
        bins: Literal["mean", "sum"] = "mean",
    ) -> None:
        self.signals = tuple(signals)
        self.tracks = tuple(signal.track for signal in self.signals)
        self.type: StrandType = tracks_type(self.tracks)
        self.input_bp, self.bin_bp, self.bins = input_bp, bin_bp, bins
        self.output_bp = input_bp if output_bp is None else output_bp
        self._check_lengths()
        self.sizes = self.signals[0].sizes
        for signal in self.signals[1:]:
            if signal.sizes != self.sizes:
                raise InputError(
                    f"tracks '{self.tracks[0].name}' and '{signal.track.name}' were opened on different chromosomes: "
                    "open all tracks from one cache."
                )
        self._size = np.array(list(self.sizes.values()), dtype=np.int64)
        self._chrom = _numbers(np.asarray(chrom), list(self.sizes))
        self._start = np.asarray(start, dtype=np.int64) + (input_bp - self.output_bp) // 2
        if self._chrom.shape != self._start.shape or self._start.ndim != 1:
            raise InputError(f"windows with {self._chrom.shape} chromosomes and {self._start.shape} starts.")
        self._recipe = Recipe(self.signals)
        self._measured = np.stack([signal.measured for signal in self.signals], axis=1)

    def _check_lengths(self) -> None:
        if min(self.input_bp, self.output_bp, self.bin_bp) < 1:
            raise InputError(
                f"windows of {self.input_bp} bp with {self.output_bp} bp of signal in bins of {self.bin_bp} bp: "
                "give lengths of 1 or more."
            )
        if (self.input_bp - self.output_bp) % 2:
            raise InputError(
                f"output_bp {self.output_bp} does not lie in the middle of input_bp {self.input_bp}, so it would move "
                "when the window is turned: make both even or both odd."
            )
        if self.output_bp % self.bin_bp:
            raise InputError(
                f"bins of {self.bin_bp} bp do not fill output_bp {self.output_bp}: "
                f"use {self.output_bp // self.bin_bp * self.bin_bp or self.bin_bp} bp."
            )
        if self.bins not in ("mean", "sum"):
            raise InputError(f"bins {self.bins!r}: give 'mean' or 'sum'.")

    def __len__(self) -> int:
        return len(self._start)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the tracks, such as chromosome names that were reconciled."""
        return tuple(note for signal in self.signals for note in signal.notes)

    def take(self, rows: NDArray[np.integer]) -> "SignalReader":
        """Return a reader of these windows only, in this order."""
        part = copy(self)
        part._chrom, part._start = self._chrom[rows], self._start[rows]
        return part

    def gather(
        self,
        rows: NDArray[np.integer],
        shifts: NDArray[np.integer] | None = None,
        turned: NDArray[np.bool_] | None = None,
    ) -> SignalBatch:
        """Return the signal of windows.

        Args:
            rows: which windows; ``(n,)``.
            shifts: how far each is moved to the right, in bp; ``(n,)``.
            turned: which are read from the other strand, after they are moved; ``(n,)``.
        """
        chrom = self._chrom[rows]
        start = self._start[rows] if shifts is None else self._start[rows] + shifts
        values = torch.empty((len(rows), len(self.tracks), self.output_bp // self.bin_bp))
        block = max(1, _BLOCK_VALUES // (len(self.tracks) * self.output_bp))
        shape = min(block, len(rows)), len(self.tracks), self.output_bp
        scratch = torch.empty(shape) if self.bin_bp > 1 else None
        for first in range(0, len(rows), block):
            here = slice(first, first + block)
            self._read(chrom[here], start[here], scratch, values[here])
            if turned is not None:
                turn_rows(values[here], turned[here], self.type)
        on = (start < self._size[chrom]) & (start + self.output_bp > 0)
        weights = torch.from_numpy((self._measured[chrom] & on[:, None]).astype(np.float32))
        if turned is not None:
            turn_rows(weights, turned, self.type.pooled())
        return SignalBatch(values, weights)

    def _read(self, chrom: NDArray[np.int64], start: NDArray[np.int64], scratch: Tensor | None, out: Tensor) -> None:
        raw = out if scratch is None else scratch[: len(chrom)]
        holes = [signal.read(chrom, start, raw[:, index]) for index, signal in enumerate(self.signals)]
        self._recipe.bases(chrom, raw, holes)
        if scratch is not None:
            _add_up(raw, self.bin_bp, out)
            if self.bins == "mean":
                out.div_(self.bin_bp)
        self._recipe.bins(out)


def _add_up(raw: Tensor, bin_bp: int, out: Tensor) -> None:
    """Write the sum of each bin into `out`, in the same order of its bases however many windows there are."""
    parts, sums = raw.numpy().reshape(*out.shape, bin_bp), out.numpy()
    if bin_bp > _FEW_BASES:
        np.einsum("ntbp->ntb", parts, out=sums)
        return
    np.copyto(sums, parts[..., 0])
    for base in range(1, bin_bp):
        np.add(sums, parts[..., base], out=sums)


def _numbers(chrom: NDArray, known: list[str]) -> NDArray[np.int64]:
    names, inverse = np.unique(chrom.astype(str), return_inverse=True)
    place = {name: number for number, name in enumerate(known)}
    for name in names:
        if str(name) not in place:
            raise InputError(f"windows on chromosome '{name}', on which no signal was opened{name_hint(name, known)}.")
    return np.array([place[str(name)] for name in names], dtype=np.int64)[inverse]
