"""HDF5 files of any Keras: layers by their names, wherever they are nested, and nothing from outside the file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strandwise.errors import InputError
from strandwise.models.foreign import keras2
from strandwise.models.foreign.keras2 import in_order, open_keras

h5py = pytest.importorskip("h5py", reason="Keras files need h5py: pip install 'strandwise[import]'")

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def make(fill: Callable) -> Path:
        with h5py.File(tmp_path / "weights.h5", "w") as file:
            fill(file)
        return tmp_path / "weights.h5"

    return make


def read(path: Path) -> np.ndarray:
    with open_keras(path) as file:
        return file.read(file.group_of("dense_1"), "kernel", 2)


PLACES = [
    "dense_1/kernel:0",
    "dense_1/dense_1/kernel:0",
    "model_weights/dense_1/dense_1/kernel:0",
    "model_weights/dense_1/dense_1/kernel",
    "model_weights/model/dense_1/kernel:0",
]


@pytest.mark.parametrize("place", PLACES)
def test_layers_are_found_wherever_they_are(place: str, write: Callable) -> None:
    def fill(file: Any) -> None:
        file[place] = VALUES
        file["optimizer_weights/dense_1/kernel:0"] = -VALUES

    assert np.array_equal(read(write(fill)), VALUES)


def test_settings_are_listed_with_those_inside_others(write: Callable) -> None:
    inner = {"class_name": "LSTM", "config": {"name": "lstm", "units": 3}}
    layers = [
        {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 50, 4]}},
        {"class_name": "Bidirectional", "config": {"name": "both", "layer": inner}},
        {"class_name": "Functional", "config": {"layers": [{"class_name": "Lambda", "config": {"name": "f"}}]}},
    ]
    text = json.dumps({"class_name": "Functional", "config": {"layers": layers}})

    def fill(file: Any) -> None:
        file.attrs["model_config"] = text.encode()
        file.attrs["keras_version"] = "2.12.0"
        file.create_group("model_weights").attrs["backend"] = b"tensorflow"

    with open_keras(write(fill)) as file:
        assert [layer.kind for layer in file.settings] == ["InputLayer", "Bidirectional", "LSTM", "Lambda"]
        assert [layer.length for layer in file.settings] == [50, None, None, None]
        assert [layer.whole("output_dim", "units") for layer in file.settings] == [None, None, 3, None]
        assert (file.version, file.backend) == ("2.12.0", "tensorflow")


def linked(link: object) -> Callable:
    def fill(file: Any) -> None:
        file["elsewhere"] = VALUES
        file.create_group("dense_1")["kernel:0"] = link

    return fill


def external_storage(file: Any) -> None:
    file.create_dataset("dense_1/kernel:0", (2, 3), "f4", external=[("/etc/passwd", 0, 24)])


def cycle(file: Any) -> None:
    group = file.create_group("dense_1")
    group["again"] = group


def overflow(file: Any) -> None:
    # A product of 2**64 numbers is 0 in 64 bits.
    space = h5py.h5s.create_simple((2**32, 2**32))
    group = file.create_group("dense_1")
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
    plan.set_chunk((1, 1024))
    h5py.h5d.create(group.id, b"kernel:0", h5py.h5t.IEEE_F32LE, space, plan)


def twice(file: Any) -> None:
    file["a/dense_1/kernel:0"] = VALUES
    file["b/dense_1/kernel:0"] = VALUES


def told(text: str) -> Callable:
    def fill(file: Any) -> None:
        file["dense_1/kernel:0"] = VALUES
        file.attrs["model_config"] = text

    return fill


HOSTILE = {
    "a link to another file": (linked(h5py.ExternalLink("/etc/passwd", "/x")), "a link to somewhere else"),
    "a link in the file": (linked(h5py.SoftLink("/elsewhere")), "a link to somewhere else"),
    "numbers in another file": (external_storage, "keeps its numbers in another file"),
    "a group in itself": (cycle, "is nested too deeply"),
    "a product that overflows": (overflow, "in chunks or compressed"),
    "two of one name": (twice, "layer 'dense_1' is there twice"),
    "another name": (lambda file: file.create_dataset("dense_2/kernel:0", data=VALUES), "did you mean 'dense_2'"),
    "another array": (lambda file: file.create_dataset("dense_1/kern:0", data=VALUES), "'dense_1/kernel' is missing"),
    "other dimensions": (lambda file: file.create_dataset("dense_1/kernel:0", data=VALUES[0]), "2 dimensions are"),
    "whole numbers": (
        lambda file: file.create_dataset("dense_1/kernel:0", data=VALUES.astype(int)),
        "numbers of 32 or 64 bits are expected",
    ),
    "not a number": (
        lambda file: file.create_dataset("dense_1/kernel:0", data=VALUES * np.nan),
        "values that are not finite",
    ),
    "nothing": (lambda file: None, "layer 'dense_1' is missing"),
    "text for settings": (told("layers"), "description of its model is not JSON"),
    "nesting": (told("[" * 20_000), "description of its model is not JSON"),
    "a list for settings": (told("[]"), "description of its model is damaged"),
    "settings of layers that are none": (told('{"config": {"layers": [5]}}'), "description of its model is damaged"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_keras_is_refused(what: str, write: Callable) -> None:
    fill, said = HOSTILE[what]
    path = write(fill)
    with pytest.raises(InputError, match=said) as error:
        read(path)
    assert str(path) in str(error.value)
    assert len(str(error.value)) < 400


def test_files_that_hold_too_much_are_refused(write: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(lambda file: [file.create_group(f"g{number}") for number in range(20)])
    monkeypatch.setattr(keras2, "MOST_NODES", 10)
    with pytest.raises(InputError, match="holds too much"):
        read(path)
    monkeypatch.setattr(keras2, "JSON_BYTES", 10)
    with pytest.raises(InputError, match="'model_config' has 20 letters"):
        read(write(told(" " * 20)))


def test_numbers_in_names_count() -> None:
    assert in_order(["dense_10", "dense_2", "conv", "dense_2/b"]) == ["conv", "dense_2", "dense_2/b", "dense_10"]
