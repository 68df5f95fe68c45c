"""A yes or no for each bin of a window, served as signal is served: moved, binned and turned with its window."""

from collections.abc import Mapping, Sequence
from copy import copy

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from strandwise.data.labels import DenseLabels
from strandwise.data.readers import SignalBatch, turn_rows
from strandwise.data.signals import Signal
from strandwise.errors import InputError
from strandwise.strand import StrandType, unstranded


class DenseReader:
    """Reads, for each bin in the middle of windows, whether it is bound: more than half of its bases lie in peaks.

    With bins of 1 bp that is one label a base (Gupta & Rush 2017, Dataset 2). Past the ends of a chromosome nothing
    is bound. A track has weight 0 in a window that lies wholly off its chromosome, and on a chromosome without a peak
    of it, where it was perhaps never measured.

    Args:
        windows: chrom, start, end; all of one length.
        peaks: the peaks of each track, by name.
        sizes: chromosomes and their sizes in bp.
        output_bp: length of a window's middle that is labelled; all of it if not given.
        bin_bp: length of a bin.

    Attributes:
        type: the labels are the same from either strand, and their positions turn.
        signals: none: there is no file of signal behind it.
        notes: none.

    Raises:
        InputError: windows of several lengths, a peak past the end of its chromosome, or lengths that would not turn
            with their window: a middle that is not in the middle, or bins that do not fill it.
    """

    signals: Sequence[Signal] = ()
    notes: Sequence[str] = ()

    def __init__(
        self,
        windows: pd.DataFrame,
        peaks: Mapping[str, pd.DataFrame],
        sizes: Mapping[str, int],
        *,
        output_bp: int | None = None,
        bin_bp: int = 1,
    ) -> None:
        middles = middles_of(windows, output_bp, bin_bp)
        self._labels = DenseLabels(middles, peaks, sizes)
        self.bin_bp, self.output_bp = bin_bp, self._labels.length_bp
        self.type: StrandType = unstranded(len(peaks))
        size = middles["chrom"].map(sizes).to_numpy(dtype=np.int64)
        self._start, self._size = middles["start"].to_numpy(dtype=np.int64), size
        seen = [middles["chrom"].isin(pd.unique(frame["chrom"])) for frame in peaks.values()]
        self._measured = np.stack(seen, axis=1)

    def __len__(self) -> int:
        return len(self._start)

    def take(self, rows: NDArray[np.integer]) -> "DenseReader":
        """Return a reader of these windows only, in this order."""
        part = copy(self)
        part._labels = self._labels.take(rows)
        part._start, part._size, part._measured = self._start[rows], self._size[rows], self._measured[rows]
        return part

    def gather(
        self,
        rows: NDArray[np.integer],
        shifts: NDArray[np.integer] | None = None,
        turned: NDArray[np.bool_] | None = None,
    ) -> SignalBatch:
        """Return the labels ``(n, tracks, bins)`` of windows, 0 or 1.

        Args:
            rows: which windows; ``(n,)``.
            shifts: how far each is moved to the right, in bp; ``(n,)``.
            turned: which are read from the other strand, after they are moved; ``(n,)``.
        """
        bases = self._labels.gather(rows, shifts).transpose(0, 2, 1)
        if self.bin_bp > 1:
            shape = (*bases.shape[:2], self.output_bp // self.bin_bp, self.bin_bp)
            held = bases.reshape(shape).sum(-1, dtype=np.int32)
            bases = (2 * held > self.bin_bp).astype(np.uint8)
        values = torch.from_numpy(bases)
        start = self._start[rows] if shifts is None else self._start[rows] + shifts
        on = (start < self._size[rows]) & (start + self.output_bp > 0)
        weights = torch.from_numpy((self._measured[rows] & on[:, None]).astype(np.float32))
        if turned is not None:
            # A quarter of the bytes that they are once they are floating point.
            turn_rows(values, turned, self.type)
        return SignalBatch(values.float(), weights)


def middles_of(windows: pd.DataFrame, output_bp: int | None = None, bin_bp: int = 1) -> pd.DataFrame:
    """Return the middle of each window, if it turns with the window and is made of whole bins.

    Args:
        windows: chrom, start, end; all of one length.
        output_bp: length of a middle; the whole window if not given.
        bin_bp: length of a bin.

    Raises:
        InputError: windows of several lengths, a middle that is not in the middle, or bins that do not fill it.
    """
    lengths = pd.unique(windows["end"] - windows["start"])
    if len(lengths) != 1:
        raise InputError(f"windows of {len(lengths)} lengths: dense labels need windows of one length.")
    input_bp = int(lengths[0])
    output_bp = input_bp if output_bp is None else output_bp
    if not 1 <= output_bp <= input_bp or (input_bp - output_bp) % 2:
        raise InputError(
            f"output_bp {output_bp} does not lie in the middle of input_bp {input_bp}, so its labels would move when "
            "the window is turned: make both even or both odd, output_bp the smaller."
        )
    if bin_bp < 1 or output_bp % bin_bp:
        fits = max(output_bp // max(bin_bp, 1) * bin_bp, bin_bp)
        raise InputError(f"bins of {bin_bp} bp do not fill output_bp {output_bp}: use {fits} bp.")
    start = windows["start"].to_numpy() + (input_bp - output_bp) // 2
    return pd.DataFrame({"chrom": windows["chrom"].to_numpy(), "start": start, "end": start + output_bp})
