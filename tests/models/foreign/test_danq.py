"""Weights of DanQ: what our network says of them, against Keras 0.2, 1 and 2 written out in NumPy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from strandwise.errors import InputError
from strandwise.models.foreign import read_danq

h5py = pytest.importorskip("h5py", reason="Keras files need h5py: pip install 'strandwise[import]'")

Array = NDArray[np.float64]
FILTERS, WIDTH, POOL, UNITS, HIDDEN, TRACKS, BP = 5, 6, 4, 3, 7, 2, 60
POSITIONS = (BP - WIDTH + 1) // POOL
GATES = "ifco"


def drawn() -> dict[str, Any]:
    """Return the weights of a DanQ: the LSTM by direction and gate, dense layers by what comes in first."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> NDArray[np.float32]:
        return rng.normal(0, 0.6, shape).astype(np.float32)

    return {
        "conv": (draw(WIDTH, 4, FILTERS), draw(FILTERS)),
        "lstm": [{gate: (draw(FILTERS, UNITS), draw(UNITS, UNITS), draw(UNITS)) for gate in GATES} for _ in range(2)],
        "dense": [(draw(POSITIONS * 2 * UNITS, HIDDEN), draw(HIDDEN)), (draw(HIDDEN, TRACKS), draw(TRACKS))],
    }


def by_hand(x: Array, kept: tuple[float, float] = (1, 1), left: bool = False, soft: bool = False) -> Array:
    """Return probabilities ``(rows, tracks)`` of DNA ``(rows, positions, 4)`` in the order AGCT."""
    weights = drawn()
    kernel, offset = weights["conv"]
    windows = np.lib.stride_tricks.sliding_window_view(x, WIDTH, axis=1)
    found = np.maximum(np.einsum("rpck,kcf->rpf", windows, kernel.astype(float)) + offset, 0)
    found = found[:, : POSITIONS * POOL].reshape(len(x), POSITIONS, POOL, -1).max(2) * kept[0]
    ahead = states(found, weights["lstm"][0], soft)
    back = (
        states(found, weights["lstm"][1], soft) if left else states(found[:, ::-1], weights["lstm"][1], soft)[:, ::-1]
    )
    flat = np.concatenate([ahead, back], axis=2).reshape(len(x), -1) * kept[1]
    for number, (weight, bias) in enumerate(weights["dense"]):
        flat = flat @ weight.astype(float) + bias
        flat = np.maximum(flat, 0) if number == 0 else 1 / (1 + np.exp(-flat))
    return flat


def states(x: Array, weights: dict, soft: bool) -> Array:
    def gate(z: Array) -> Array:
        return 1 / (1 + np.exp(-z)) if soft else np.clip(0.2 * z + 0.5, 0, 1)

    state = memory = np.zeros((len(x), UNITS))
    found = []
    for here in x.swapaxes(0, 1):
        at = {name: here @ w.astype(float) + state @ u.astype(float) + b for name, (w, u, b) in weights.items()}
        memory = gate(at["f"]) * memory + gate(at["i"]) * np.tanh(at["c"])
        state = gate(at["o"]) * np.tanh(memory)
        found.append(state)
    return np.stack(found, axis=1)


def keras0(file: Any) -> None:
    """Keras 0.2: arrays by number, filters first and turned round, gates in the order icfo."""
    weights = drawn()
    kernel, offset = weights["conv"]
    layers: dict[int, list] = {0: [kernel[::-1].transpose(2, 1, 0)[..., None], offset]}
    layers[3] = [array for way in weights["lstm"] for gate in "icfo" for array in way[gate]]
    layers |= {6: list(weights["dense"][0]), 8: list(weights["dense"][1])}
    file.attrs["nb_layers"] = 10
    for number in range(10):
        group = file.create_group(f"layer_{number}")
        for place, array in enumerate(layers.get(number, [])):
            group[f"param_{place}"] = array


def keras1(file: Any, *, backend: str = "theano", by_filter: bool = False, version: str | None = "1.2.2") -> None:
    """Keras 1: an array for each gate, filters turned round by Theano; by filter before 1.1."""
    weights = drawn()
    kernel, offset = weights["conv"]
    kernel = kernel[::-1] if backend == "theano" else kernel
    kernel = kernel.transpose(2, 1, 0)[..., None] if by_filter else kernel[:, None]
    file["convolution1d_1/convolution1d_1_W"], file["convolution1d_1/convolution1d_1_b"] = kernel, offset
    for way, name in zip(weights["lstm"], ("forward", "backward"), strict=True):
        for gate, arrays in way.items():
            for part, array in zip("WUb", arrays, strict=True):
                file[f"bidirectional_1/{name}_lstm_1_{part}_{gate}"] = array
    for number, (weight, bias) in enumerate(weights["dense"], 1):
        file[f"dense_{number}/dense_{number}_W"], file[f"dense_{number}/dense_{number}_b"] = weight, bias
    if version:
        file.attrs["keras_version"], file.attrs["backend"] = version, backend


def keras2(file: Any, *, version: str = "2.2.4", inside: str = "", cell: str = "", config: dict | None = None) -> None:
    """Keras 2: kernels, gates side by side; of TensorFlow inside a cell of their own."""
    weights = drawn()

    def put(place: str, kernel: Array, bias: Array, recurrent: Array | None = None) -> None:
        file[f"{inside}{place}/kernel:0"], file[f"{inside}{place}/bias:0"] = kernel, bias
        if recurrent is not None:
            file[f"{inside}{place}/recurrent_kernel:0"] = recurrent

    put("conv1d_9/conv1d_9", *weights["conv"])
    for way, name in zip(weights["lstm"], ("forward", "backward"), strict=True):
        kernel, recurrent, bias = (np.concatenate([way[gate][part] for gate in GATES], -1) for part in range(3))
        put(f"bidirectional_3/bidirectional_3/{name}_lstm_3{cell}", kernel, bias, recurrent)
    # The tenth layer comes after the ninth.
    for number, (weight, bias) in zip((9, 10), weights["dense"], strict=True):
        put(f"dense_{number}/dense_{number}", weight, bias)
    file.attrs["keras_version"], file.attrs["backend"] = version, "tensorflow"
    if config is not None:
        file.attrs["model_config"] = json.dumps(config)


def model(cell: dict | None = None, **changes: dict) -> dict:
    """Return the description of a whole model; changes are by the class of a layer."""
    inner = {
        "class_name": "LSTM",
        "config": {"name": "lstm", "recurrent_activation": "sigmoid", **LSTM, **(cell or {})},
    }
    layers = [
        ("Conv1D", {"batch_input_shape": [None, BP, 4], "padding": "valid", "activation": "relu", "strides": [1]}),
        ("MaxPooling1D", {"pool_size": [POOL], "strides": [POOL], "padding": "valid"}),
        ("Dropout", {"rate": 0.2}),
        ("Bidirectional", {"layer": inner, "merge_mode": "concat"}),
        ("Flatten", {}),
        ("Dense", {"activation": "linear"}),
        ("Activation", {"activation": "relu"}),
        ("Dense", {"activation": "sigmoid"}),
    ]
    table = [
        {"class_name": kind, "config": {"name": kind.lower(), **config, **changes.get(kind, {})}}
        for kind, config in layers
    ]
    return {"class_name": "Sequential", "config": {"layers": table}}


LSTM = {"activation": "tanh", "return_sequences": True, "go_backwards": False, "units": UNITS}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def make(fill: Callable, **how: object) -> Path:
        with h5py.File(tmp_path / "danq.hdf5", "w") as file:
            fill(file, **how)
        return tmp_path / "danq.hdf5"

    return make


OLD = {"kept": (0.8, 0.5)}
FORMS = [
    (keras0, {}, {}, {**OLD, "left": True}),
    (keras0, {}, {"cells": "keras"}, OLD),
    (keras1, {}, {}, {}),
    (keras1, {"backend": "tensorflow"}, {}, {}),
    (keras1, {"by_filter": True, "version": None}, {"cells": "keras"}, {}),
    (keras2, {}, {}, {}),
    (keras2, {"version": "2.3.1"}, {}, {"soft": True}),
    (keras2, {"version": "2.12.0", "inside": "model_weights/", "cell": "/lstm_cell_1"}, {}, {"soft": True}),
    (keras2, {"version": "2.2.4-tf", "config": model()}, {}, {"soft": True}),
    (keras2, {"config": model({"recurrent_activation": "hard_sigmoid"})}, {}, {}),
    (keras2, {"version": "2.1.6-tf"}, {"cells": "torch"}, {"soft": True}),
]


@pytest.mark.parametrize(("fill", "how", "given", "means"), FORMS, ids=lambda given: getattr(given, "__name__", None))
def test_a_tiny_network_says_what_keras_does(
    fill: Callable, how: dict, given: dict, means: dict, write: Callable, assembled: Callable, one_hot: Callable
) -> None:
    published = read_danq(write(fill, **how), input_bp=BP, **given)
    x = one_hot(8, BP)
    expected = by_hand(x[:, [0, 2, 1, 3]].transpose(1, 2).numpy(), **means)
    assert np.ptp(expected) > 0.05
    found = torch.sigmoid(assembled(published)(x)["bound"]).detach().numpy()
    # Shares that are kept are multiplied in with 32 bits.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 if "kept" in means else 1e-12)
    assert published.options["pool_width"] == POOL
    assert (published.tracks, published.answer, published.both_strands) == (TRACKS, "window", False)


def test_the_forms_differ(one_hot: Callable) -> None:
    x = one_hot(8, BP).transpose(1, 2).numpy()
    said = [by_hand(x), by_hand(x, soft=True), by_hand(x, left=True), by_hand(x, kept=(0.8, 0.5))]
    for number, one in enumerate(said):
        assert all(np.abs(one - other).max() > 0.01 for other in said[:number])


def test_what_was_guessed_is_told(write: Callable) -> None:
    notes = " ".join(read_danq(write(keras0), input_bp=BP).notes)
    assert "0.8 and 0.5" in notes
    assert "--cells keras" in notes
    assert "as Theano does" in " ".join(read_danq(write(keras1), input_bp=BP).notes)
    assert "Theano" not in " ".join(read_danq(write(keras2), input_bp=BP).notes)


def test_a_whole_model_tells_its_length(write: Callable) -> None:
    path = write(keras2, config=model())
    assert read_danq(path).input_bp == BP
    with pytest.raises(InputError, match="--input-bp 70 does not fit its weights, which read 57 to 60 bp"):
        read_danq(path, input_bp=70)
    with pytest.raises(InputError, match=r"no pooling leaves 13 positions of 20 bp|poolings of .* leave 13 positions"):
        read_danq(write(keras2), input_bp=20)


def test_the_order_of_letters_can_be_told(write: Callable, assembled: Callable, one_hot: Callable) -> None:
    x = one_hot(4, BP)
    found = assembled(read_danq(write(keras2), input_bp=BP, bases="ACGT"))(x)["bound"]
    expected = by_hand(x.transpose(1, 2).numpy())
    np.testing.assert_allclose(torch.sigmoid(found).detach().numpy(), expected, rtol=0, atol=1e-12)


FOREIGN = [
    ({"Conv1D": {"padding": "same"}}, "layer 'conv1d' has padding 'same', and DanQ has 'valid'"),
    ({"Conv1D": {"strides": [2]}}, r"has strides \[2\]"),
    ({"Conv1D": {"activation": "linear"}}, "a DanQ has a ReLU after the convolution"),
    ({"Bidirectional": {"merge_mode": "sum"}}, "has merge_mode 'sum'"),
    ({"cell": {"activation": "relu"}}, "has activation 'relu', and DanQ has 'tanh'"),
    ({"cell": {"go_backwards": True}}, "has go_backwards True"),
    ({"cell": {"recurrent_activation": "relu"}}, r"gates of its LSTM are \['relu'\]"),
    ({"MaxPooling1D": {"pool_size": [5]}}, "fits its weights|does not fit its weights"),
]


@pytest.mark.parametrize(("changes", "said"), FOREIGN, ids=lambda given: str(given)[:40])
def test_other_settings_are_refused(changes: dict, said: str, write: Callable) -> None:
    with pytest.raises(InputError, match=said):
        read_danq(write(keras2, config=model(**changes)))


def test_layers_of_other_classes_are_refused(write: Callable) -> None:
    config = model()
    config["config"]["layers"].append({"class_name": "Lambda", "config": {"name": "f", "function": ["4wEA"]}})
    with pytest.raises(InputError, match="layer 'f' is of the class 'Lambda', which DanQ does not have"):
        read_danq(write(keras2, config=config))
    with pytest.raises(InputError, match=r"gates of its LSTM are .*hard_sigmoid"):
        read_danq(write(keras2, version="3.1.0", config=model({"recurrent_activation": "hard_sigmoid"})))


def test_gates_that_no_file_tells_are_asked_for(write: Callable) -> None:
    with pytest.raises(InputError, match="add --cells keras or --cells torch"):
        read_danq(write(keras2, version="2.1.6-tf"), input_bp=BP)


def replaced(path: Path, name: str, shape: tuple[int, ...] | None) -> Path:
    with h5py.File(path, "r+") as file:
        del file[name]
        if shape is not None:
            file[name] = np.zeros(shape, np.float32)
    return path


WRONG = [
    (keras0, "layer_0", None, "a DanQ of Keras 0.2 has a convolution of 2 arrays"),
    (keras0, "layer_3/param_23", None, r"layer_3 \(23 arrays\).*an LSTM of 24"),
    (keras0, "layer_0/param_0", (5, 4, 6, 2), r"has the shape \(5, 4, 6, 2\), not \(filters, 4, width, 1\)"),
    (keras0, "layer_0/param_0", (5, 5, 6, 1), "does not read DNA"),
    (keras0, "layer_3/param_0", (5, 4), "gates of its LSTM have the shapes"),
    (keras0, "layer_6/param_0", (77, 7), "do not read the 6 states of the LSTM"),
    (keras0, "layer_8/param_1", (3,), r"weights of the shape \(7, 2\) and offsets of \(3,\)"),
    (keras1, "bidirectional_1/forward_lstm_1_U_f", None, "without one array 'U_f'"),
    (keras1, "bidirectional_1/forward_lstm_1_U_f", (3, 4), "gates of its LSTM have the shapes"),
    (keras2, "dense_10/dense_10", None, "a DanQ has one convolution, a bidirectional LSTM and two dense layers"),
    (keras2, "dense_10/dense_10/bias:0", None, "holds kernel: expected weights and offsets"),
    (keras2, "dense_10/dense_10/kernel:0", (8, 2), "do not read the 6 states of the LSTM, and each other"),
    (keras2, "conv1d_9/conv1d_9/kernel:0", (6, 4, 9), r"with \(5,\) offsets"),
    (keras2, "bidirectional_3/bidirectional_3/forward_lstm_3/kernel:0", (5, 13), "13 columns for four gates"),
    (keras2, "bidirectional_3/bidirectional_3/forward_lstm_3/kernel:0", (6, 12), "gates of its LSTM have the shapes"),
]


def short(given: object) -> str:
    return getattr(given, "__name__", str(given)[-30:])


@pytest.mark.parametrize(("fill", "name", "shape", "said"), WRONG, ids=short)
def test_arrays_that_do_not_fit_are_refused(
    fill: Callable, name: str, shape: tuple | None, said: str, write: Callable
) -> None:
    path = replaced(write(fill), name, shape)
    with pytest.raises(InputError, match=said) as error:
        read_danq(path, input_bp=BP)
    assert str(path) in str(error.value)
    assert len(str(error.value)) < 600


def test_a_damaged_file_ends_in_numbers_or_in_our_own_error(write: Callable) -> None:
    path = write(keras2, config=model())
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for turn in range(60):
        damaged = bytearray(whole)
        if turn % 3:
            for _ in range(20):
                damaged[int(rng.integers(len(whole)))] = int(rng.integers(256))
        else:
            del damaged[int(rng.integers(len(whole))) :]
        path.write_bytes(damaged)
        try:
            read_danq(path)
        except InputError:
            refused += 1
    assert refused > 15
