"""Signal in 16 bits, refused where it would not be the same signal any more."""

import numpy as np
from numpy.typing import NDArray

from strandwise.errors import InputError

LARGEST = float(np.finfo(np.float16).max)


def as_float16(values: NDArray[np.float32], where: str) -> NDArray[np.float16]:
    """Return values in 16 bits, each within 1 part in 1,024 of what it was; NaN stays.

    Args:
        values: any number of them.
        where: which file and chromosome, for messages.

    Raises:
        InputError: a value is too large or too small for 16 bits.
    """
    size = np.abs(values)
    if (size > LARGEST).any():
        raise InputError(f"{where}: {np.nanmax(size):g} is too large for float16, which ends at 65,504: use float32.")
    halves = values.astype(np.float16)
    coarse = np.abs(halves.astype(np.float32) - values) > size / 1024
    if coarse.any():
        raise InputError(
            f"{where}: {values[coarse][0]:g} is too small for float16, which would make it "
            f"{float(halves[coarse][0]):g}: use float32."
        )
    return halves


def rounds(values: NDArray[np.float32], halves: NDArray[np.float16]) -> bool:
    """Return whether any value is another one in 16 bits."""
    return bool(((halves.astype(np.float32) != values) & ~np.isnan(values)).any())
