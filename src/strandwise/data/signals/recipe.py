"""What is done to raw signal before a model learns it: gaps filled, values scaled, cut and compressed."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from strandwise.data.signals.signal import Numbers, Signal
from strandwise.data.signals.statistics import Statistics, together
from strandwise.data.signals.tracks import CLIP_QUANTILE, Track, partners
from strandwise.errors import InputError


class Recipe:
    """The numbers by which a list of tracks is filled, scaled and cut, and the steps that do it.

    Args:
        signals: the tracks, in the order of their channels.
    """

    def __init__(self, signals: Sequence[Signal]) -> None:
        self.tracks: list[Track] = [signal.track for signal in signals]
        shape = len(signals), len(signals[0].sizes)
        self.fill = np.zeros(shape, dtype=np.float32)
        self.centre = np.zeros(shape, dtype=np.float32)
        self.scale = np.ones(shape, dtype=np.float32)
        self.limit: dict[int, float] = {}
        partner = partners(self.tracks)
        for index, signal in enumerate(signals):
            if signal.track.needs_statistics:
                self._prepare(index, signal, signals[partner[index]])
        self._check_signs(signals, partner)
        self._zero_fill = not self.fill.any()
        self._affine = [bool(self.centre[t].any() or (self.scale[t] != 1).any()) for t in range(len(signals))]

    def _prepare(self, index: int, signal: Signal, partner: Signal) -> None:
        track, sizes = signal.track, list(signal.sizes.values())
        both = {id(one): one for one in (signal, partner)}.values()
        # A chromosome that only one strand has tells nothing of the other's zeros there.
        parts: list[Statistics] = []
        for chrom, size in enumerate(sizes):
            here = [_counted(one, chrom, size) for one in both if one.measured[chrom]]
            known = together(here)
            parts.append(known)
            if signal.measured[chrom] and track.missing_quantile is not None:
                self.fill[index, chrom] = known.quantile(track.missing_quantile)
            if signal.measured[chrom] and track.transform == "z":
                self.centre[index, chrom] = known.mean
                self.scale[index, chrom] = 1 / known.sd if known.sd > 0 else 1
        if track.transform == "z":
            return
        whole = together(parts)
        what = f"track '{track.name}' ({track.path})"
        if track.transform == "log1p" and whole.low < 0:
            raise InputError(f"{what} has values down to {whole.low:g}, and log1p is for counts: use asinh or negate.")
        if track.transform == "1x":
            if whole.mean <= 0:
                raise InputError(f"{what} has the mean {whole.mean:g}, which cannot be scaled to 1: use z or none.")
            self.scale[index] = np.where(signal.measured, np.float32(1 / whole.mean), 1)
        if track.transform == "clip":
            q = CLIP_QUANTILE if track.clip_quantile is None else track.clip_quantile
            self.limit[index] = whole.quantile(q)
            if self.limit[index] <= 0 < whole.high:
                raise InputError(
                    f"{what}: its {q} quantile is {self.limit[index]:g}, so clipping there would leave no signal: "
                    "raise clip_quantile."
                )

    def _check_signs(self, signals: Sequence[Signal], partner: tuple[int, ...]) -> None:
        for index, other in enumerate(partner):
            if index == other or not (signals[index].counted and signals[other].counted):
                continue
            one, two = _signed(signals[index]), _signed(signals[other])
            if one.low < 0 and one.high <= 0 <= two.low and two.high > 0:
                raise InputError(
                    f"track '{self.tracks[index].name}' is negative (down to {one.low:g}) and its partner "
                    f"'{self.tracks[other].name}' positive: set negate = true on the negative one."
                )

    def bases(self, chrom: Numbers, raw: Tensor, holes: Sequence[bool]) -> None:
        """Fill, cut and scale the values of base pairs in place.

        Args:
            chrom: chromosome of each window, by number; ``(n,)``.
            raw: ``(n, tracks, positions)``; NaN where nothing is known.
            holes: for each track, whether there may be NaN.
        """
        for index, track in enumerate(self.tracks):
            if track.negate:
                raw[:, index].neg_()
        if any(holes) and self._zero_fill:
            torch.nan_to_num_(raw, nan=0.0)
        for index, any_hole in enumerate(holes):
            values = raw[:, index]
            if any_hole and not self._zero_fill:
                values.copy_(torch.where(values.isnan(), _column(self.fill[index], chrom), values))
            if index in self.limit:
                values.clamp_(max=self.limit[index])
            if self._affine[index]:
                values.sub_(_column(self.centre[index], chrom)).mul_(_column(self.scale[index], chrom))

    def bins(self, values: Tensor) -> None:
        """Compress the values of bins in place; ``(n, tracks, bins)``."""
        for index, track in enumerate(self.tracks):
            if track.transform == "log1p":
                values[:, index].log1p_()
            elif track.transform == "asinh":
                values[:, index] = _asinh(values[:, index])


def _counted(signal: Signal, chrom: int, size: int) -> Statistics:
    """Return the statistics of a chromosome with the track's sign, and with its gaps as zeros if they are."""
    known = signal.statistics()[chrom]
    known = known.negated() if signal.track.negate else known
    if signal.track.missing_quantile is not None:
        return known
    return known + Statistics.constant(0.0, size - known.count)


def _signed(signal: Signal) -> Statistics:
    known = together(signal.statistics())
    return known.negated() if signal.track.negate else known


def _column(by_chromosome: NDArray[np.float32], chrom: Numbers) -> Tensor:
    return torch.from_numpy(by_chromosome[chrom]).unsqueeze(1)


def _asinh(x: Tensor) -> Tensor:
    """Return asinh by functions that torch computes on many numbers at once; the same to a few last bits."""
    size = x.abs()
    # For larger numbers the ratio is 1 all the same, and their squares would be infinite.
    ratio = size.clamp(max=1e18)
    ratio.div_((ratio * ratio).add_(1).sqrt_().add_(1))
    return ratio.mul_(size).add_(size).log1p_().copysign_(x)
