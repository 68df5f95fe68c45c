"""How much of a signal lies in peaks: what tells a clean experiment from a noisy one."""

import math
from collections.abc import Collection, Mapping

import numpy as np
import torch

from strandwise.data.labels.cover import Cover, paint
from strandwise.data.signals import sources
from strandwise.data.signals.signal import Signal
from strandwise.errors import InputError
from strandwise.genome.names import name_hint

UNEVEN = 2.0
"""How many times one cell type's share of signal in peaks may be another's before a person is warned.

With twice the share in peaks, a site stands about twice as high in a track of the same mean, whatever happens at the
site: as much as a true difference between cell types that a model should learn.
"""


def signal_in_peaks(signal: Signal, peaks: Cover, chromosomes: Collection[str] | None = None) -> float:
    """Return the share of a track's signal that lies in peaks, 0 to 1.

    Positions that the file says nothing about count as 0. The values are those of the file, before any transform.

    Args:
        signal: the track.
        peaks: intervals of the same genome.
        chromosomes: to look at, where peaks are known of some alone; all of the genome if not given.

    Returns:
        The sum of the signal in peaks over its sum everywhere; NaN for a track without signal, or one with values of
        both signs, of which there are no shares.

    Raises:
        InputError: no peak lies on a chromosome of the genome.
    """
    if len(peaks) and not set(peaks.chromosomes) & set(signal.sizes):
        name = peaks.chromosomes[0]
        raise InputError(f"no peak lies on a chromosome of the genome: '{name}'{name_hint(name, signal.sizes)}.")
    runs = dict(tuple(peaks.runs().groupby("chrom")))
    low, high, inside, total = 0.0, 0.0, 0.0, 0.0
    for number, (chrom, size) in enumerate(signal.sizes.items()):
        if not signal.measured[number] or (chromosomes is not None and chrom not in chromosomes):
            continue
        start, end = (
            runs[chrom][name].to_numpy(np.int64).clip(max=size) if chrom in runs else np.zeros(0, np.int64)
            for name in ("start", "end")
        )
        for first in range(0, size, sources.CHUNK_BP):
            last = min(first + sources.CHUNK_BP, size)
            out = torch.empty((1, last - first))
            signal.read(np.array([number]), np.array([first]), out)
            values = torch.nan_to_num_(out, nan=0.0).numpy()[0]
            low, high = min(low, float(values.min())), max(high, float(values.max()))
            total += float(values.sum(dtype=np.float64))
            painted = paint(start.clip(first, last) - first, end.clip(first, last) - first, last - first)
            inside += float(values.sum(dtype=np.float64, where=painted))
    return math.nan if low < 0 < high or not total else inside / total


def uneven_peaks(assay: str, shares: Mapping[str, float]) -> str | None:
    """Return a warning where the cell types of one assay differ in their share of signal in peaks.

    Args:
        assay: what was measured.
        shares: `signal_in_peaks` of each cell type; NaN is passed over.

    Returns:
        A sentence, or nothing if no share is more than `UNEVEN` times another.
    """
    known = {name: share for name, share in shares.items() if not math.isnan(share)}
    if not known:
        return None
    least, most = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    if known[most] <= UNEVEN * known[least]:
        return None
    return (
        f"{assay}: {known[least]:.1%} of the signal lies in peaks in {least} and {known[most]:.1%} in {most}, more "
        f"than {UNEVEN:g} times as much; a model may learn how clean the experiments are rather than what differs "
        "between the cell types. Take replicates of like quality, or leave one out."
    )
