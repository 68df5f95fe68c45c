"""Sequences with labels from the .mat files of DeepSEA (Zhou & Troyanskaya 2015), read by DanQ and others too."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strandwise.errors import InputError, listing
from strandwise.files import existing_file
from strandwise.sequence import N

_NEITHER = 255
_CODES = np.full(16, _NEITHER, dtype=np.uint8)
"""Code of a base by its four rows read as the bits of a number: DeepSEA's order of bases is A, G, C, T."""
_CODES[[0, 1, 2, 4, 8]] = N, 0, 2, 1, 3

_BLOCK_BYTES = 1 << 26
_PLAIN_FILTERS = {1, 2, 3, 32000}
"""Deflate, shuffle, checksums, LZF: filters that come with HDF5 or h5py and load nothing from elsewhere."""

_NUMBERS = {"logical", "double", "single", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}


class MatSet(NamedTuple):
    """The sequences of one file.

    Attributes:
        codes: ``(sequences, bases)`` uint8.
        labels: ``(sequences, tracks)``.
    """

    codes: NDArray[np.uint8]
    labels: NDArray[np.bool_]


def read_mat(path: Path, width: int) -> MatSet:
    """Return the middle of each sequence of a file, and its labels.

    A file holds one pair of arrays, called ``trainxdata`` and ``traindata``, or ``valid...`` or ``test...``: one-hot
    DNA with rows in the order A, G, C, T, where an unknown base is all zero, and labels of 0 or 1. As MATLAB 7.3 (an
    HDF5 file, read in pieces) they are ``(bases, 4, sequences)`` and ``(tracks, sequences)``, as older MATLAB
    ``(sequences, 4, bases)`` and ``(sequences, tracks)``. Nothing in the file is run, and nothing outside it is read.

    Args:
        path: the file.
        width: bases to read of the middle of each.

    Raises:
        InputError: the file is damaged, is none of the two kinds, holds other arrays or other values, points to
            other files, or has shorter sequences; or h5py is not installed.
    """
    existing_file(path, "a .mat file of sequences")
    with path.open("rb") as file:
        start = file.read(520)
    if start[:8] == b"\x89HDF\r\n\x1a\n" or start[512:] == b"\x89HDF\r\n\x1a\n":
        return _read_hdf5(path, width)
    if not start.startswith(b"MATLAB 5.0 MAT-file"):
        raise InputError(f"{path}: not a .mat file: it begins with {start[:8]!r}, and not as MATLAB 5 or 7.3 do.")
    return _read_matlab5(path, width)


def _read_hdf5(path: Path, width: int) -> MatSet:
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            f"{path}: files of MATLAB 7.3 are read through h5py, which is not installed: "
            "pip install 'strandwise[import]'."
        ) from error
    try:
        with h5py.File(path, "r", locking=False) as file:
            sequences, labels = (_plain(file, name, path) for name in _pair(path, list(file)))
            bases, four, count = _shape(path, sequences.shape, 0, 1, labels.shape, labels_of=1)
            start = _middle(path, bases, width)
            codes = _empty(path, count, width)
            for here, there in _blocks((width, count), start, sequences.chunks, four):
                codes[there, here] = _decoded(path, sequences[start + here.start : start + here.stop, :, there]).T
            marks = _empty(path, count, len(labels), "labels").view(np.bool_)
            for tracks, here in _blocks(labels.shape, 0, labels.chunks, 1):
                marks[here, tracks] = _zeros_and_ones(path, labels[tracks, here]).T
            return MatSet(codes, marks)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise error if isinstance(error, InputError) else _damaged(path, error) from error


def _plain(file: Any, name: str, path: Path) -> Any:
    """Return an array of numbers that lies in the file itself."""
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise InputError(f"{path}: '{name}' is a link to another place: copy the array itself into the file.")
    array = file[name]
    if not isinstance(array, h5py.Dataset) or array.dtype.kind not in "uifb":
        raise InputError(f"{path}: '{name}' is no array of numbers: give the files of DeepSEA as they were published.")
    if array.external or array.is_virtual:
        raise InputError(f"{path}: the values of '{name}' lie in other files: copy them into this one.")
    made = array.id.get_create_plist()
    filters = {made.get_filter(number)[0] for number in range(made.get_nfilters())}
    if filters - _PLAIN_FILTERS:
        raise InputError(f"{path}: '{name}' is compressed by a plugin (filter {max(filters)}): save it with gzip.")
    return array


def _read_matlab5(path: Path, width: int) -> MatSet:
    from scipy.io import loadmat, whosmat

    try:
        held = {name: (shape, kind) for name, shape, kind in whosmat(path)}
        names = _pair(path, list(held))
        for name in names:
            if held[name][1] not in _NUMBERS:
                raise InputError(
                    f"{path}: '{name}' is a {held[name][1]}, and no array of numbers: give the files of DeepSEA as "
                    "they were published."
                )
        shapes = [held[name][0] for name in names]
        bases, _, count = _shape(path, shapes[0], 2, 1, shapes[1], labels_of=0)
        start = _middle(path, bases, width)
        found = loadmat(path, variable_names=names)
        sequences, labels = (np.asarray(found[name]) for name in names)
    except InputError:
        raise
    # The reader meets a damaged file with whatever its bytes lead to.
    except Exception as error:
        raise _damaged(path, error) from error
    if (sequences.shape, labels.shape) != tuple(map(tuple, shapes)) or {sequences.dtype.kind, labels.dtype.kind} - set(
        "uifb"
    ):
        raise InputError(f"{path}: its arrays are not as its headers say: copy it again.")
    codes = _empty(path, count, width)
    step = max(1, _BLOCK_BYTES // (4 * bases))
    for first in range(0, count, step):
        here = slice(first, first + step)
        codes[here] = _decoded(path, sequences[here, :, start : start + width])
    # MATLAB keeps columns together, and a batch reads rows.
    return MatSet(codes, np.ascontiguousarray(_zeros_and_ones(path, labels)).view(np.bool_))


def _pair(path: Path, names: list[str]) -> tuple[str, str]:
    """Return the names of the sequences and of their labels."""
    found = [(f"{kind}xdata", f"{kind}data") for kind in ("train", "valid", "test") if f"{kind}xdata" in names]
    if len(found) != 1 or found[0][1] not in names:
        raise InputError(
            f"{path}: holds {listing(sorted(names)) or 'nothing'}, and not one pair of arrays such as 'trainxdata' and "
            "'traindata': give the files of DeepSEA as they were published."
        )
    return found[0]


def _shape(
    path: Path, shape: tuple[int, ...], bases: int, rows: int, labels: tuple[int, ...], *, labels_of: int
) -> tuple[int, int, int]:
    """Return the number of bases, of rows (4) and of sequences, once the two arrays fit each other.

    Args:
        path: the file, for messages.
        shape: of the sequences.
        bases: the axis of their bases.
        rows: the axis of the four bases.
        labels: shape of the labels.
        labels_of: the axis of the labels that counts sequences.
    """
    count = 2 - bases
    if (
        len(shape) != 3
        or shape[rows] != 4
        or len(labels) != 2
        or labels[labels_of] != shape[count]
        or 0 in (*shape, *labels)
    ):
        wanted = (
            "(bases, 4, sequences) and (tracks, sequences)"
            if bases == 0
            else "(sequences, 4, bases) and (sequences, tracks)"
        )
        raise InputError(f"{path}: arrays of {shape} and {labels}, and not {wanted}: were they turned or cut?")
    return shape[bases], shape[rows], shape[count]


def _middle(path: Path, bases: int, width: int) -> int:
    if bases < width:
        raise InputError(
            f"{path}: sequences of {bases} bp are shorter than the {width} bp that are read of each: lower "
            "windows.input_bp or windows.jitter_bp."
        )
    return (bases - width) // 2


def _empty(path: Path, count: int, width: int, what: str = "bp") -> NDArray[np.uint8]:
    try:
        return np.empty((count, width), dtype=np.uint8)
    except MemoryError:
        raise InputError(f"{path}: {count} sequences of {width} {what} do not fit into memory.") from None


def _blocks(
    shape: tuple[int, ...], start: int, chunks: tuple[int, ...] | None, deep: int
) -> Iterator[tuple[slice, slice]]:
    """Yield pieces of an array, whole chunks of it wherever they fit, so that each chunk is unpacked about once.

    Args:
        shape: of what is read: the first and the last axis.
        start: where the first axis begins.
        chunks: of the file; None where it has none.
        deep: values between the two axes.
    """
    first, last = (1, 1) if chunks is None else (chunks[0], chunks[-1])
    last *= max(1, _BLOCK_BYTES // (first * deep * last))
    first *= max(1, _BLOCK_BYTES // (min(last, shape[1]) * deep * first))
    edges = sorted({0, shape[0], *range(-start % first, shape[0], first)})
    for low, high in pairwise(edges):
        for begin in range(0, shape[1], last):
            yield slice(low, high), slice(begin, min(begin + last, shape[1]))


def _decoded(path: Path, one_hot: NDArray) -> NDArray[np.uint8]:
    """Return the codes of one-hot DNA, whose four rows lie along the second axis."""
    rows = _zeros_and_ones(path, one_hot)
    codes = _CODES[rows[:, 0] | rows[:, 1] << 1 | rows[:, 2] << 2 | rows[:, 3] << 3]
    if (codes == _NEITHER).any():
        raise InputError(f"{path}: a position holds more than one base: the sequences are not one-hot.")
    return codes


def _zeros_and_ones(path: Path, values: NDArray) -> NDArray[np.uint8]:
    if values.dtype == np.uint8 and values.max(initial=0) <= 1:
        return values
    wrong = (values != 0) & (values != 1)
    if wrong.any():
        raise InputError(f"{path}: holds {values[wrong].flat[0]:g}: sequences and labels are 0 or 1.")
    return values.astype(np.uint8)


def _damaged(path: Path, error: BaseException) -> InputError:
    return InputError(f"{path}: damaged or not a .mat file ({error}): copy it again.")
