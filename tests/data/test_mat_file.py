"""The .mat files of DeepSEA, written by h5py and scipy, and files that only pretend to be some."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from strandwise.data import mat_file
from strandwise.data.mat_file import read_mat
from strandwise.errors import InputError
from strandwise.sequence import decode, revcomp_codes

Write = Callable[..., Path]


def one_hot(letters: list[str]) -> np.ndarray:
    """DNA ``(sequences, 4, bases)`` as DeepSEA writes it, letter by letter."""
    made = np.zeros((len(letters), 4, len(letters[0])), np.uint8)
    for row, text in enumerate(letters):
        for place, letter in enumerate(text):
            if letter != "N":
                made[row, "AGCT".index(letter), place] = 1
    return made


@pytest.fixture
def dna() -> list[str]:
    rng = np.random.default_rng(0)
    return ["".join(rng.choice(list("ACGTN"), 21)) for _ in range(37)]


@pytest.fixture
def labels() -> np.ndarray:
    return (np.random.default_rng(1).random((37, 5)) < 0.3).astype(np.uint8)


def matlab73(path: Path, name: str, x: np.ndarray, y: np.ndarray, **options: Any) -> Path:
    """Write as MATLAB 7.3 does: 512 bytes of its own, then HDF5 with every axis the other way round."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset(f"{name}xdata", data=x.transpose(2, 1, 0), **options)
        file.create_dataset(f"{name}data", data=y.T)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5 schema 1.00".ljust(512))
    return path


def matlab5(path: Path, name: str, x: np.ndarray, y: np.ndarray, **options: Any) -> Path:
    savemat(path, {f"{name}xdata": x, f"{name}data": y}, **options)
    return path


@pytest.mark.parametrize(
    ("write", "name", "options"),
    [
        (matlab73, "train", {}),
        (matlab73, "train", {"chunks": (4, 4, 10), "compression": "gzip", "shuffle": True}),
        (matlab73, "test", {"chunks": (21, 1, 1), "fletcher32": True}),
        (matlab5, "valid", {}),
        (matlab5, "test", {"do_compression": True}),
    ],
)
@pytest.mark.parametrize("block_bytes", [1 << 26, 64])
def test_sequences_and_labels_are_read_as_they_were_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dna: list[str],
    labels: np.ndarray,
    write: Write,
    name: str,
    options: dict[str, Any],
    block_bytes: int,
) -> None:
    monkeypatch.setattr(mat_file, "_BLOCK_BYTES", block_bytes)
    path = write(tmp_path / "some.mat", name, one_hot(dna), labels, **options)
    for width in (21, 20, 6, 1):
        found = read_mat(path, width)
        start = (21 - width) // 2
        assert [decode(row) for row in found.codes] == [text[start : start + width] for text in dna]
        assert np.array_equal(found.labels, labels)
        assert (found.codes.dtype, found.labels.dtype) == (np.uint8, bool)
        assert found.labels.flags.c_contiguous


def test_the_order_of_bases_turns_as_dna_does(tmp_path: Path, dna: list[str], labels: np.ndarray) -> None:
    x = one_hot(dna)
    there, back = (
        read_mat(matlab5(tmp_path / f"{name}.mat", "test", array, labels), 21).codes
        for name, array in (("there", x), ("back", x[:, ::-1, ::-1]))
    )
    assert np.array_equal(revcomp_codes(there), back)


@pytest.mark.parametrize("kind", [np.float64, np.float32, bool, np.int16])
def test_numbers_of_any_kind_are_read(tmp_path: Path, dna: list[str], labels: np.ndarray, kind: type) -> None:
    expected = read_mat(matlab5(tmp_path / "a.mat", "test", one_hot(dna), labels), 21)
    for number, write in enumerate((matlab5, matlab73)):
        found = read_mat(write(tmp_path / f"{number}.mat", "test", one_hot(dna).astype(kind), labels.astype(kind)), 21)
        assert np.array_equal(found.codes, expected.codes)
        assert np.array_equal(found.labels, expected.labels)


@settings(max_examples=80, deadline=None)
@given(
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
    st.integers(0, 15),
    st.one_of(st.none(), st.tuples(st.integers(1, 12), st.just(4), st.integers(1, 12))),
    st.integers(1, 4),
    st.integers(1, 400),
)
def test_blocks_cover_everything_once_in_whole_chunks(
    shape: tuple[int, int], start: int, chunks: tuple[int, int, int] | None, deep: int, most: int
) -> None:
    before, mat_file._BLOCK_BYTES = mat_file._BLOCK_BYTES, most
    try:
        blocks = list(mat_file._blocks(shape, start, chunks, deep))
    finally:
        mat_file._BLOCK_BYTES = before
    seen = np.zeros(shape, dtype=int)
    first, last = (1, 1) if chunks is None else (chunks[0], chunks[2])
    for here, there in blocks:
        seen[here, there] += 1
        assert here.start == 0 or (start + here.start) % first == 0
        assert there.start % last == 0
        held = (here.stop - here.start) * (there.stop - there.start) * deep
        assert held <= max(most, first * last * deep)
    assert (seen == 1).all()


def linked(path: Path, how: str) -> Path:
    """A file whose sequences lie elsewhere."""
    x, y = one_hot(["ACGT"] * 3).transpose(2, 1, 0), np.zeros((2, 3), np.uint8)
    other = path.with_name("other.h5")
    with h5py.File(other, "w") as file:
        file["x"] = x
    with h5py.File(path, "w") as file:
        file["traindata"] = y
        if how == "external link":
            file["trainxdata"] = h5py.ExternalLink(other, "/x")
        elif how == "soft link":
            file["elsewhere"] = x
            file["trainxdata"] = h5py.SoftLink("/elsewhere")
        elif how == "external values":
            raw = path.with_name("raw.bin")
            x.tofile(raw)
            file.create_dataset("trainxdata", x.shape, x.dtype, external=[(raw, 0, x.nbytes)])
        else:
            layout = h5py.VirtualLayout(x.shape, x.dtype)
            layout[:] = h5py.VirtualSource(other, "x", x.shape)
            file.create_virtual_dataset("trainxdata", layout)
    return path


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ("external link", "'trainxdata' is a link to another place"),
        ("soft link", "'trainxdata' is a link to another place"),
        ("external values", "the values of 'trainxdata' lie in other files"),
        ("virtual", "the values of 'trainxdata' lie in other files"),
    ],
)
def test_nothing_outside_the_file_is_read(tmp_path: Path, how: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        read_mat(linked(tmp_path / "train.mat", how), 4)


def test_arrays_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "objects.mat"
    with h5py.File(path, "w") as file:
        file.create_dataset("trainxdata", data=np.array([["ACGT"]], dtype=object), dtype=h5py.string_dtype())
        file.create_group("traindata")
    with pytest.raises(InputError, match="'trainxdata' is no array of numbers"):
        read_mat(path, 4)
    for what, value in (
        ("cell", np.array([["ACGT", 1]], dtype=object)),
        ("struct", {"a": 1}),
        ("char", "ACGT"),
    ):
        savemat(path, {"trainxdata": value, "traindata": np.zeros((2, 3))})
        with pytest.raises(InputError, match=f"'trainxdata' is a {what}, and no array of numbers"):
            read_mat(path, 4)


@pytest.mark.parametrize("write", [matlab5, matlab73])
def test_values_and_shapes_that_do_not_fit_are_refused(
    tmp_path: Path, dna: list[str], labels: np.ndarray, write: Write
) -> None:
    x, path = one_hot(dna), tmp_path / "a.mat"
    twice = x.copy()
    twice[3, :, 10] = [1, 1, 0, 0]
    with pytest.raises(InputError, match="a position holds more than one base"):
        read_mat(write(path, "train", twice, labels), 21)
    with pytest.raises(InputError, match=r"holds 0\.5: sequences and labels are 0 or 1"):
        read_mat(write(path, "train", x * 0.5, labels), 21)
    with pytest.raises(InputError, match="holds 2: sequences and labels are 0 or 1"):
        read_mat(write(path, "train", x, labels * 2), 21)
    with pytest.raises(InputError, match="holds nan"):
        read_mat(write(path, "train", x, np.where(labels, np.nan, 0)), 21)
    with pytest.raises(InputError, match=r"arrays of \(.*\) and \(.*\), and not .*: were they turned or cut"):
        read_mat(write(path, "train", x.transpose(0, 2, 1), labels), 21)
    with pytest.raises(InputError, match="were they turned or cut"):
        read_mat(write(path, "train", x, labels[:-1]), 21)
    with pytest.raises(InputError, match="were they turned or cut"):
        read_mat(write(path, "train", x[:0], labels[:0]), 21)
    with pytest.raises(InputError, match=r"sequences of 21 bp are shorter than the 22 bp that are read of each"):
        read_mat(write(path, "train", x, labels), 22)
    with pytest.raises(InputError, match="holds otherdata, otherxdata, and not one pair of arrays"):
        read_mat(write(path, "other", x, labels), 21)


def test_files_that_are_none_are_refused(tmp_path: Path, dna: list[str], labels: np.ndarray) -> None:
    path = tmp_path / "a.mat"
    with pytest.raises(InputError, match="no such file"):
        read_mat(path, 4)
    for content in (b"", b"hello", b"\x80\x04]q"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"not a .mat file: it begins with"):
            read_mat(path, 4)
    for write in (matlab5, matlab73):
        whole = write(path, "train", one_hot(dna), labels).read_bytes()
        for size in (130, 600, len(whole) // 2, len(whole) - 40):
            path.write_bytes(whole[:size])
            with pytest.raises(InputError, match=r"a\.mat: "):
                read_mat(path, 21)


def test_damage_of_any_byte_is_told_or_harmless(tmp_path: Path, dna: list[str], labels: np.ndarray) -> None:
    path, rng = tmp_path / "a.mat", np.random.default_rng(3)
    for write in (matlab5, matlab73):
        whole = write(path, "train", one_hot(dna), labels).read_bytes()
        for place in rng.integers(116, min(len(whole), 3000), 60):
            path.write_bytes(whole[:place] + bytes(rng.integers(0, 256, 4, dtype=np.uint8)) + whole[place + 4 :])
            try:
                found = read_mat(path, 21)
            except InputError:
                continue
            assert found.codes.max() <= 4
            assert found.labels.max() <= 1
