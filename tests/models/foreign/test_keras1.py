"""Keras 1 files of strangers: what is right is read, and all else refused before it is touched."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strandwise.errors import InputError
from strandwise.models.foreign import keras1
from strandwise.models.foreign.keras1 import open_arrays, read_layers

h5py = pytest.importorskip("h5py", reason="Keras files need h5py: pip install 'strandwise[import]'")

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write an HDF5 file by a function that is given it open."""

    def make(fill: Callable, name: str = "weights.hdf5") -> Path:
        with h5py.File(tmp_path / name, "w") as file:
            fill(file)
        return tmp_path / name

    return make


def read(path: Path) -> np.ndarray:
    with open_arrays(path) as file:
        return file.read("dense_1", "dense_1_W", (2, 3))


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8"])
@pytest.mark.parametrize("inside", ["", "model_weights/"])
def test_arrays_are_read_from_weights_and_from_whole_models(dtype: str, inside: str, write: Callable) -> None:
    path = write(lambda file: file.create_dataset(f"{inside}dense_1/dense_1_W", data=VALUES.astype(dtype)))
    found = read(path)
    assert found.dtype == np.float32
    assert np.array_equal(found, VALUES)


class Payload:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("ran"),)


def external_storage(file: Any) -> None:
    file.create_dataset("dense_1/dense_1_W", (2, 3), "f4", external=[("/etc/passwd", 0, 24)])


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((2, 3), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (2, 3))
    file.create_group("dense_1").create_virtual_dataset("dense_1_W", layout)


def pickled(file: Any) -> None:
    kind = h5py.vlen_dtype(np.uint8)
    dataset = file.create_dataset("dense_1/dense_1_W", (2, 3), kind)
    dataset[0, 0] = np.frombuffer(pickle.dumps(Payload()), np.uint8)


def linked(link: object) -> Callable:
    def fill(file: Any) -> None:
        file["elsewhere"] = VALUES
        file.create_group("dense_1")["dense_1_W"] = link

    return fill


def never_written(file: Any) -> None:
    file.create_dataset("dense_1/dense_1_W", (2, 3), "f4", fillvalue=1.0)


def of(**settings: object) -> Callable:
    def fill(file: Any) -> None:
        file.create_dataset("dense_1/dense_1_W", **settings)

    return fill


def huge(file: Any) -> None:
    file.create_dataset("dense_1/dense_1_W", (2**40, 2**20), "f4", chunks=(1, 1024))


HOSTILE = {
    "a link to another file": (linked(h5py.ExternalLink("/etc/passwd", "/x")), "a link to somewhere else"),
    "a link in the file": (linked(h5py.SoftLink("/elsewhere")), "a link to somewhere else"),
    "numbers in another file": (external_storage, "keeps its numbers in another file"),
    "a view of another file": (virtual, "keeps its numbers in another file"),
    "pickled bytes": (pickled, "holds object, and numbers of 32 or 64 bits are expected"),
    "strings": (of(data=np.full((2, 3), b"abcd")), "numbers of 32 or 64 bits are expected"),
    "whole numbers": (of(data=VALUES.astype(int)), "numbers of 32 or 64 bits are expected"),
    "half precision": (of(data=VALUES.astype("f2")), "numbers of 32 or 64 bits are expected"),
    "another shape": (of(data=VALUES.T), r"has the shape \(3, 2\), and the model needs \(2, 3\)"),
    "a flat array": (of(data=VALUES.ravel()), r"has the shape \(6,\)"),
    "a single number": (of(data=1.0), r"has the shape \(\)"),
    "no shape": (of(data=h5py.Empty("f4")), "damaged|has the shape"),
    "a huge shape": (huge, "in chunks or compressed"),
    "compressed": (of(data=VALUES, compression="gzip"), "in chunks or compressed"),
    "never written": (never_written, "holds 0 bytes, not those of its shape"),
    "not a number": (of(data=VALUES * np.nan), "values that are not finite"),
    "a group": (lambda file: file.create_group("dense_1/dense_1_W"), "is a group, and an array is expected"),
    "an array for a group": (lambda file: file.create_dataset("dense_1", data=VALUES), "its parent is an array"),
    "nothing": (lambda file: None, "'dense_1' is missing"),
    "no such array": (lambda file: file.create_group("dense_1"), "'dense_1/dense_1_W' is missing"),
    "no group of weights": (lambda file: file.create_dataset("model_weights", data=VALUES), "its parent is an array"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_plain_array_is_refused(
    what: str, write: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fill, said = HOSTILE[what]
    path = write(fill)
    with pytest.raises(InputError, match=said) as error:
        read(path)
    assert str(path) in str(error.value)
    assert not Path("ran").exists()


def test_what_is_no_hdf5_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for content in (pickle.dumps(Payload()), b"", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + b"\xff" * 200):
        Path("weights.hdf5").write_bytes(content)
        with pytest.raises(InputError, match=r"weights.hdf5: not HDF5, or damaged"):
            read(Path("weights.hdf5"))
    assert not Path("ran").exists()


def test_a_damaged_file_ends_in_numbers_or_in_our_own_error(write: Callable) -> None:
    path = write(lambda file: file.create_dataset("dense_1/dense_1_W", data=VALUES))
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for turn in range(300):
        damaged = bytearray(whole)
        if turn % 3:
            damaged[int(rng.integers(len(whole)))] = int(rng.integers(256))
        else:
            del damaged[int(rng.integers(len(whole))) :]
        path.write_bytes(damaged)
        try:
            assert read(path).shape == (2, 3)
        except InputError:
            refused += 1
    assert refused > 50


def test_a_file_too_small_for_its_model_is_refused(write: Callable) -> None:
    path = write(lambda file: file.create_dataset("dense_1/dense_1_W", data=VALUES))
    with open_arrays(path) as file:
        file.check_room(6)
        with pytest.raises(InputError, match="bytes cannot hold the 1,000,000 weights"):
            file.check_room(1_000_000)


def test_without_h5py_the_package_is_named(write: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(lambda file: None)
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(InputError, match=r"pip install 'strandwise\[import\]'"):
        read(path)


LAYER = {"class_name": "Dense", "name": "dense_1", "config": {"units": 3}, "inbound_nodes": [[["input_1", 0, 0]]]}


def model(**changes: object) -> dict:
    return {"class_name": "Model", "keras_version": "1.1.1", "config": {"layers": [LAYER]}} | changes


def test_layers_are_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(json.dumps(model(config={"layers": [LAYER, LAYER | {"name": "dense_2"}]})))
    first, second = read_layers(path)
    assert (first.kind, first.name, first.inbound, second.name) == ("Dense", "dense_1", ((("input_1", 0),),), "dense_2")
    assert first.size("units") == 3


WRONG = {
    "another version": (
        json.dumps(model(keras_version="2.0.8")),
        "written by Keras '2.0.8', and only models of Keras 1",
    ),
    "no version": (json.dumps(model(keras_version=None)), "written by Keras None"),
    "a sequential model": (json.dumps(model(class_name="Sequential")), "not a Keras model"),
    "no layers": (json.dumps(model(config={})), "holds no list of layers"),
    "too many layers": (json.dumps(model(config={"layers": [LAYER] * 2000})), "holds no list of layers"),
    "two of one name": (json.dumps(model(config={"layers": [LAYER] * 2})), "two layers have the same name"),
    "a layer that is none": (json.dumps(model(config={"layers": [5]})), "no table with 'class_name' and 'config'"),
    "no class": (json.dumps(model(config={"layers": [LAYER | {"class_name": 5}]})), "no table with 'class_name'"),
    "a path for a name": (json.dumps(model(config={"layers": [LAYER | {"name": "../x"}]})), "is no name for a layer"),
    "a list": ("[]", "not a Keras model"),
    "nesting": ("[" * 100_000, "not JSON"),
    "another text": ("import os", "not JSON"),
    "other bytes": ("\udc80", "not JSON"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_model_is_refused(what: str, tmp_path: Path) -> None:
    text, said = WRONG[what]
    path = tmp_path / "model.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError) as error:
        read_layers(path)
    assert said in str(error.value)
    assert len(str(error.value)) < 400


def test_a_model_of_many_megabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras1, "JSON_BYTES", 100)
    (tmp_path / "model.json").write_text(json.dumps(model()))
    with pytest.raises(InputError, match="bytes are too many for the description of a model"):
        read_layers(tmp_path / "model.json")
