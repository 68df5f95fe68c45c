"""Signals of a simulated genome: smooth accessibility, and the stranded 5' ends of ChIP-exo tags."""

import numpy as np
from numpy.typing import NDArray

BIN_BP = 10
"""Accessibility is constant within bins of this length."""
REACH_BP = 60
"""Tags fall at most this far from their site."""
_WIDTH_BP = 60
_REACH_BINS = 25


def accessibility(
    rng: np.random.Generator, length: int, centres: NDArray[np.int64], noise: float = 0.15
) -> NDArray[np.float64]:
    """Return smooth accessibility, one value per bin: a bump over each open region, over a noisy floor.

    Args:
        rng: where the heights and the noise come from.
        length: base pairs.
        centres: positions of open regions.
        noise: size of the floor; bumps are about 2 high.
    """
    bins = -(-length // BIN_BP)
    rough = rng.gamma(2.0, noise, bins + 4)
    signal = np.convolve(rough, np.full(5, 0.2), mode="valid")
    heights = rng.lognormal(np.log(2.0), 0.35, len(centres))
    reached = (centres // BIN_BP)[:, None] + np.arange(-_REACH_BINS, _REACH_BINS + 1)
    middle = reached * BIN_BP + (BIN_BP - 1) / 2
    bumps = heights[:, None] * np.exp(-0.5 * ((middle - centres[:, None]) / _WIDTH_BP) ** 2)
    inside = (reached >= 0) & (reached < bins)
    signal += np.bincount(reached[inside], bumps[inside], minlength=bins)
    return signal.round(3)


def tag_profile() -> NDArray[np.float64]:
    """Return where tags fall around a site on the plus strand, ``(2, 2 * REACH_BP + 1)``, each row sums to 1.

    Row 0 holds 5' ends on the plus strand, upstream; row 1 those on the minus strand, downstream, the
    mirror of row 0 but for a shoulder on the plus strand alone, which tells the orientation of the site.
    """
    offsets = np.arange(-REACH_BP, REACH_BP + 1)

    def peak(at: float, width: float) -> NDArray[np.float64]:
        return np.exp(-0.5 * ((offsets - at) / width) ** 2)

    rows = np.stack([peak(-15, 3) + 0.4 * peak(-32, 5), peak(15, 3)])
    return rows / rows.sum(axis=1, keepdims=True)


def tag_rates(
    length: int,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    strands: NDArray[np.int64],
    tags: NDArray[np.float64],
    background: float,
) -> NDArray[np.float64]:
    """Return the expected 5' tag counts per base, ``(2, length)``: plus strand, minus strand.

    A site on the minus strand gives the exact mirror, about the site, of one on the plus strand: positions
    reverse and strands swap.

    Args:
        length: base pairs of the genome.
        starts: first base of each site.
        ends: one past its last base.
        strands: 1 or -1.
        tags: expected tags of each site on each strand.
        background: expected tags per base and strand everywhere.
    """
    rates = np.full((2, length), background)
    # The anchor is the base before the middle as the site's own strand reads it.
    half = (ends - starts - 1) // 2
    anchors = np.where(strands == 1, starts + half, ends - 1 - half)
    reached = anchors[:, None] + strands[:, None] * np.arange(-REACH_BP, REACH_BP + 1)
    inside = (reached >= 0) & (reached < length)
    for row, profile in enumerate(tag_profile()):
        expected = tags[:, None] * profile
        for strand in (1, -1):
            chosen = inside & (strands == strand)[:, None]
            track = row if strand == 1 else 1 - row
            rates[track] += np.bincount(reached[chosen], expected[chosen], minlength=length)
    return rates
