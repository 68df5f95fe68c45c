"""Bins in the middle of a window, from features along the whole of it."""

from strandwise.errors import ConfigError
from strandwise.layers import AveragePool1d, Crop1d, Features, TypedModule
from strandwise.models.architecture import Bins


def average_bins(features: Features, bins: Bins, position_bp: int, fix: str = "") -> list[TypedModule]:
    """Return the layers that cut features to the bins and average within each; none where there is nothing to do.

    Args:
        features: what comes in, along the whole window.
        bins: what is asked for.
        position_bp: bases for each position that comes in.
        fix: what else than another bin would help where bins are not whole positions.

    Raises:
        ConfigError: bins that are not whole positions, or that do not lie in the middle of them.
    """
    width, over = divmod(bins.bin_bp, position_bp)
    if over:
        sizes = " or ".join(str(count * position_bp) for count in (width, width + 1) if count)
        raise ConfigError(
            f"bins of {bins.bin_bp} bp are not whole positions of {position_bp} bp, which this model makes of a "
            f"window: use bin_bp = {sizes}{fix}."
        )
    kind, length = features
    margin = middle(length, bins, width, position_bp)
    layers: list[TypedModule] = [Crop1d(kind, margin)] if margin else []
    if width > 1:
        layers.append(AveragePool1d(kind, width, in_length=length - 2 * margin))
    return layers


def middle(length: int, bins: Bins, width: int, position_bp: int) -> int:
    """Return the positions to cut off each end, so that bins of `width` positions are left in the middle.

    Args:
        length: positions of the window.
        bins: what is asked for.
        width: positions of a bin.
        position_bp: bases of a position.

    Raises:
        ConfigError: the bins are too many, or leave an odd number of positions.
    """
    spare = length - bins.number * width
    if spare >= 0 and spare % 2 == 0:
        return spare // 2
    fitting = [number for number in range(1, length // width + 1) if (length - number * width) % 2 == 0]
    below = [number for number in fitting if number <= bins.number][-1:]
    above = [number for number in fitting if number > bins.number][:1]
    fix = f"use {' or '.join(map(str, below + above))} bins"
    if not fitting:
        fix = f"use windows of a multiple of {2 * position_bp} bp that are {bins.bin_bp} bp or longer"
    raise ConfigError(
        f"{bins.number} bins of {bins.bin_bp} bp do not lie in the middle of {length} positions of {position_bp} bp: "
        f"{fix}."
    )


def known_bins(bins: Bins | None, model: str) -> Bins:
    """Return the bins, where a network cannot be built without them.

    Args:
        bins: what is asked for, if anything.
        model: the name of the model.

    Raises:
        ConfigError: none are given.
    """
    if bins is None:
        raise ConfigError(
            f"model '{model}' is built for a number of bins, and none is given: give bins, as in "
            "Bins(number=64, bin_bp=32)."
        )
    return bins
