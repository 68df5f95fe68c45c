"""DanQ (Quang & Xie 2016) as Keras weights: as its authors trained it with Keras 0.2, and by Keras 1 and 2."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from strandwise.errors import InputError
from strandwise.models.foreign.keras2 import KerasFile, in_order, open_keras
from strandwise.models.foreign.published import Array, Published, Weights, chosen_length, in_our_order

Cells = Literal["torch", "keras", "keras_left"]

USUAL_BP, BASES = 1000, "AGCT"
DIRECTIONS, GATES = ("forward", "backward"), "ifco"
GATES_OF_OLD = "icfo"
"""The order in which Keras 0.2 lists gates; each has weights, weights of the state, and an offset."""

KEPT_OF_OLD = (0.8, 0.5)
"""What Keras 0.2 multiplies by where 0.2 and 0.5 are forgotten in training; later versions scale while training."""

KNOWN = {
    *("InputLayer", "Conv1D", "Convolution1D", "MaxPooling1D", "Dropout", "SpatialDropout1D", "Bidirectional", "LSTM"),
    *("Flatten", "Dense", "Activation"),
}


@dataclass(frozen=True)
class _Found:
    """The weights of a DanQ, in the layout of torch but for the dense layers, and what the file says of them."""

    layout: str
    conv: Weights
    lstm: Weights
    dense: tuple[Weights, ...]
    cells: Cells | None
    pool: int | None = None
    input_bp: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def states(self) -> int:
        """Channels of the two LSTMs together."""
        return 2 * self.lstm["bias"].shape[-1]


def read_danq(
    path: str | Path, *, input_bp: int | None = None, bases: str | None = None, cells: Cells | None = None
) -> Published:
    """Read the weights of a DanQ from Keras; nothing in the file is run.

    Args:
        path: HDF5, of a whole model or of its weights alone.
        input_bp: the length of its DNA, where that is not 1,000 and the file does not say.
        bases: the order of its letters, where that is not AGCT, as in the data of DeepSEA.
        cells: which LSTM it has, as option `cells` of architecture `danq`; as the file says if None.

    Raises:
        InputError: not such a file, of another network, or one that does not say which LSTM it has.
    """
    with open_keras(path) as file:
        path = file.path
        by_number = any(name.startswith("param_") for names in file.arrays.values() for name in names)
        found = _read_old(file) if by_number else _read(file)
    cells = cells or found.cells
    if cells is None:
        raise InputError(
            f"{path}: does not say whether the gates of its LSTM are hard sigmoids, as by default before Keras 2.3, or "
            "soft ones, as in TensorFlow 2: add --cells keras or --cells torch."
        )
    filters, _, width = found.conv["weight"].shape
    first, last = found.dense
    if first["weight"].shape[0] % found.states or last["weight"].shape[0] != first["weight"].shape[1]:
        raise InputError(
            f"{path}: dense layers of the shapes {first['weight'].shape} and {last['weight'].shape} do not read the "
            f"{found.states} states of the LSTM, and each other: not those of DanQ."
        )
    positions = first["weight"].shape[0] // found.states
    pool = found.pool or _pool(input_bp or USUAL_BP, width, positions, path)
    fits = range(positions * pool + width - 1, (positions + 1) * pool + width - 1)
    order = bases or BASES
    conv = {**found.conv, "weight": in_our_order(found.conv["weight"], order)}
    # Keras flattens position by position, with the channels of each together.
    flat = first["weight"].reshape(positions, found.states, -1).transpose(2, 1, 0)
    lstm = _in_torch(found.lstm) if cells == "torch" else found.lstm
    dense = ({**first, "weight": flat}, {**last, "weight": last["weight"].T})
    sizes = {"filters": filters, "kernel_size": width, "pool_width": pool, "units": found.states // 2}
    return Published(
        source=f"DanQ (Quang & Xie 2016), weights of {found.layout}",
        files=(path,),
        model="danq",
        options={**sizes, "hidden": first["weight"].shape[1], "cells": cells},
        input_bp=chosen_length(input_bp, found.input_bp or USUAL_BP, fits, str(path)),
        tracks=last["weight"].shape[1],
        layers=(conv, lstm, *dense),
        notes=(f"letters in the order {order.upper()}", *found.notes),
    )


def _read_old(file: KerasFile) -> _Found:
    """Read what Keras 0.2 wrote: layers and their arrays by number, filters to be read from the right."""
    layers = [name for name in in_order([*file.arrays]) if file.arrays[name]]
    if len(layers) != 4 or [len(file.arrays[name]) for name in layers] != [2, 24, 2, 2]:
        shown = ", ".join(f"{name} ({len(file.arrays[name])} arrays)" for name in layers[:10])
        raise InputError(
            f"{file.path}: holds {shown}; a DanQ of Keras 0.2 has a convolution of 2 arrays, an LSTM of 24, and two "
            "dense layers of 2."
        )
    conv, lstm, *dense = layers
    weight = file.read(conv, "param_0", 4)
    if weight.shape[3] != 1:
        raise InputError(f"{file.path}: '{conv}/param_0' has the shape {weight.shape}, not (filters, 4, width, 1).")
    arrays: dict[str, Array] = {}
    for part, (what, dimensions) in enumerate((("weight", 2), ("state", 2), ("bias", 1))):
        numbers = [12 * way + 3 * GATES_OF_OLD.index(gate) + part for way in range(2) for gate in GATES]
        each = _stacked([file.read(lstm, f"param_{number}", dimensions) for number in numbers], file.path)
        arrays[what] = each.reshape(2, len(GATES), *each.shape[1:])
    arrays = dict(_checked(arrays, weight.shape[0], file.path))
    kept = [np.float32(share) for share in KEPT_OF_OLD]
    first, last = (_dense(file, name, "param_0", "param_1") for name in dense)
    return _Found(
        "Keras 0.2",
        _conv(np.ascontiguousarray(weight[:, :, ::-1, 0]), file.read(conv, "param_1", 1), file.path),
        {**arrays, "weight": arrays["weight"] * kept[0]},
        ({**first, "weight": first["weight"] * kept[1]}, last),
        "keras_left",
        notes=(
            "by Keras 0.2: what dropout keeps (0.8 and 0.5) is multiplied in, as that version does when it predicts",
            "both LSTMs read from the left, since `Bidirectional` of the package seya turns round the batch, not the "
            "DNA; if these weights were trained with one that turns the DNA, import them with --cells keras",
        ),
    )


def _read(file: KerasFile) -> _Found:
    """Read what Keras 1, Keras 2 or TensorFlow wrote: layers by name."""
    told = _told(file)
    cells, groups = _sorted_out(file)
    conv = [group for group in groups if len(_kernel(file, group)) in (3, 4)]
    dense = [group for group in groups if len(_kernel(file, group)) == 2]
    if len(conv) != 1 or len(dense) != 2 or not all(cells.values()):
        shown = ", ".join(group.rsplit("/", 1)[-1] for group in in_order([*file.arrays])[:12])
        raise InputError(
            f"{file.path}: holds {shown or 'no layers'}, and a DanQ has one convolution, a bidirectional LSTM and two "
            "dense layers."
        )
    weight, bias = _pair(file, conv[0])
    kernel = file.read(conv[0], weight, len(_kernel(file, conv[0])))
    if kernel.ndim == 4:
        # Before Keras 1.1 filters came first; since then there is a dimension for the width of an image.
        kernel = kernel[..., 0].transpose(2, 1, 0) if kernel.shape[1:4:2] == (4, 1) else kernel[:, 0]
    theano = file.backend == "theano" or (not file.backend and not file.version.startswith(("2", "3")))
    # Theano turns filters round: what it stores last it reads first.
    kernel = kernel[::-1] if theano else kernel
    read = [_cell(file, cells[way]) for way in DIRECTIONS]
    lstm = {part: _stacked([way[part] for way in read], file.path) for part in ("weight", "state", "bias")}
    return replace(
        told,
        conv=_conv(np.ascontiguousarray(kernel.transpose(2, 1, 0)), file.read(conv[0], bias, 1), file.path),
        lstm=_checked(lstm, kernel.shape[2], file.path),
        dense=tuple(_dense(file, group, *_pair(file, group)) for group in dense),
        notes=("filters are read from the right, as Theano does",) if theano else (),
    )


Place = tuple[str, str]


def _sorted_out(file: KerasFile) -> tuple[dict[str, list[Place]], list[str]]:
    """Return the arrays of the LSTM of each direction, and the groups that hold anything else."""
    cells: dict[str, list[Place]] = {way: [] for way in DIRECTIONS}
    others: list[str] = []
    for group in in_order([*file.arrays]):
        for name in file.arrays[group]:
            parts = f"{group}/{name}".split("/")
            way = next((way for way in DIRECTIONS if any(part.startswith(f"{way}_") for part in parts)), None)
            if way is not None:
                cells[way].append((group, name))
            elif group not in others:
                others.append(group)
    return cells, others


def _pair(file: KerasFile, group: str) -> Place:
    """Return the names of the weights and the offsets of a layer."""
    names = file.arrays[group]
    weights = [name for name in names if name == "kernel" or name.endswith("_W")]
    offsets = [name for name in names if name == "bias" or name.endswith("_b")]
    if len(names) != 2 or len(weights) != 1 or len(offsets) != 1:
        raise InputError(f"{file.path}: '{group}' holds {', '.join(names)}: expected weights and offsets, as in DanQ.")
    return weights[0], offsets[0]


def _kernel(file: KerasFile, group: str) -> tuple[int, ...]:
    return file.shape(group, _pair(file, group)[0])


def _cell(file: KerasFile, places: Sequence[Place]) -> dict[str, Array]:
    """Return the weights of one direction by gate."""
    named = {"weight": ("W", "kernel"), "state": ("U", "recurrent_kernel"), "bias": ("b", "bias")}
    found: dict[str, Array] = {}
    for part, (letter, name) in named.items():
        dimensions = 1 if part == "bias" else 2
        whole = [place for place in places if place[1] == name]
        if whole:
            array = file.read(*whole[0], dimensions)
            if array.shape[-1] % len(GATES):
                raise InputError(f"{file.path}: '{'/'.join(whole[0])}' has {array.shape[-1]} columns for four gates.")
            found[part] = np.array(np.split(array, len(GATES), axis=-1))
            continue
        arrays = []
        for gate in GATES:
            of_gate = [place for place in places if place[1].endswith(f"_{letter}_{gate}")]
            if len(of_gate) != 1:
                raise InputError(f"{file.path}: an LSTM without one array '{letter}_{gate}': not those of DanQ.")
            arrays.append(file.read(*of_gate[0], dimensions))
        found[part] = _stacked(arrays, file.path)
    return found


def _stacked(arrays: Sequence[Array], path: Path) -> Array:
    if len({array.shape for array in arrays}) != 1:
        raise InputError(f"{path}: the gates of its LSTM have the shapes {[array.shape for array in arrays]}.")
    return np.array(arrays)


def _checked(lstm: Weights, filters: int, path: Path) -> Weights:
    """Refuse an LSTM that does not read the convolution, and its own states."""
    units = lstm["bias"].shape[-1]
    wanted = {"weight": (2, 4, filters, units), "state": (2, 4, units, units), "bias": (2, 4, units)}
    for part, shape in wanted.items():
        if lstm[part].shape != shape:
            raise InputError(
                f"{path}: the '{part}' of its LSTM has the shape {lstm[part].shape} (directions, gates, ...), and "
                f"{shape} fits {filters} filters and {units} units."
            )
    return lstm


def _conv(weight: Array, bias: Array, path: Path) -> Weights:
    if weight.shape[1] != 4 or bias.shape != weight.shape[:1]:
        raise InputError(
            f"{path}: a convolution of the shape {weight.shape} (filters, channels, width) with {bias.shape} offsets "
            "does not read DNA, which has 4 channels."
        )
    return {"weight": weight, "bias": bias}


def _dense(file: KerasFile, group: str, weight: str, bias: str) -> Weights:
    found = {"weight": file.read(group, weight, 2), "bias": file.read(group, bias, 1)}
    if found["bias"].shape != found["weight"].shape[1:]:
        raise InputError(
            f"{file.path}: '{group}' has weights of the shape {found['weight'].shape} and offsets of "
            f"{found['bias'].shape}."
        )
    return found


def _pool(length: int, width: int, positions: int, path: Path) -> int:
    """Return the width of pooling that leaves so many positions of so much DNA; weights do not tell it."""
    fits = [pool for pool in range(1, length) if (length - width + 1) // pool == positions]
    if len(fits) == 1:
        return fits[0]
    raise InputError(
        f"{path}: {f'poolings of {fits[0]} to {fits[-1]} leave' if fits else 'no pooling leaves'} {positions} "
        f"positions of {length:,} bp: give the length it was trained on with --input-bp, or a file of the whole model."
    )


def _in_torch(lstm: Weights) -> Weights:
    """Return the weights of an LSTM by the names and in the layout of `torch.nn.LSTM`, which has two offsets a gate."""
    found: dict[str, Array] = {}
    for number, ending in enumerate(("", "_reverse")):
        weight, state, bias = (lstm[part][number] for part in ("weight", "state", "bias"))
        found[f"weight_ih_l0{ending}"] = weight.transpose(0, 2, 1).reshape(-1, weight.shape[1])
        found[f"weight_hh_l0{ending}"] = state.transpose(0, 2, 1).reshape(-1, state.shape[1])
        found[f"bias_ih_l0{ending}"] = bias.ravel()
        found[f"bias_hh_l0{ending}"] = np.zeros_like(bias.ravel())
    return found


def _told(file: KerasFile) -> _Found:
    """Return what the file says beside the weights, once nothing of it is foreign to DanQ."""
    layout = f"Keras {file.version}" if file.version else "Keras"
    if not file.settings:
        return _Found(layout, {}, {}, (), _usual_cells(file.version))
    odd = [layer for layer in file.settings if layer.kind not in KNOWN]
    if odd:
        raise InputError(
            f"{file.path}: layer '{odd[0].name:.60}' is of the class {odd[0].kind!r:.60}, which DanQ does not have."
        )
    for layer in file.settings:
        for key, values in SETTINGS.get(layer.kind, {}).items():
            if key in layer.config and layer.config[key] not in values:
                raise InputError(
                    f"{file.path}: layer '{layer.name:.60}' has {key} {layer.config[key]!r:.60}, and DanQ has "
                    f"{values[0]!r}."
                )
    activations = [layer.config.get("activation") for layer in file.settings if layer.kind != "LSTM"]
    if (activations.count("relu"), activations.count("sigmoid")) != (2, 1):
        raise InputError(
            f"{file.path}: a DanQ has a ReLU after the convolution and after the first dense layer, and a sigmoid at "
            f"its end; this model has {', '.join(str(name)[:20] for name in activations if name) or 'none'}."
        )
    gates = [
        layer.config.get("recurrent_activation", layer.config.get("inner_activation"))
        for layer in file.settings
        if layer.kind == "LSTM"
    ]
    known: dict[object, Cells] = {"hard_sigmoid": "keras", "sigmoid": "torch"}
    cells = known.get(gates[0]) if len(gates) == 1 and isinstance(gates[0], str) else None
    if cells is None or (cells == "keras" and file.version.startswith("3")):
        raise InputError(
            f"{file.path}: the gates of its LSTM are {gates!r:.60}: only 'sigmoid', and 'hard_sigmoid' before Keras 3, "
            "can be imported."
        )
    pools = [layer.whole("pool_size", "pool_length") for layer in file.settings if layer.kind == "MaxPooling1D"]
    lengths = [length for layer in file.settings if (length := layer.length) is not None]
    return _Found(layout, {}, {}, (), cells, pools[0] if len(pools) == 1 else None, lengths[0] if lengths else None)


_CONV: dict[str, Sequence[object]] = {
    "padding": ("valid",),
    "border_mode": ("valid",),
    "dilation_rate": (1, [1]),
    "strides": (1, [1]),
    "subsample_length": (1,),
}
SETTINGS: dict[str, dict[str, Sequence[object]]] = {
    "Conv1D": _CONV,
    "Convolution1D": _CONV,
    "MaxPooling1D": {"padding": ("valid",), "border_mode": ("valid",)},
    "Bidirectional": {"merge_mode": ("concat",)},
    "LSTM": {"activation": ("tanh",), "go_backwards": (False,), "return_sequences": (True,)},
}
"""What layers of a DanQ must be set to, where they are set at all; by the names of all versions."""


def _usual_cells(version: str) -> Cells | None:
    """Return the LSTM that a version of Keras makes by default; None where that is not known."""
    parts = version.split(".")[:2]
    if version.endswith("-tf") or len(parts) < 2 or not all(part.isdigit() for part in parts):
        return None
    return "keras" if (int(parts[0]), int(parts[1])) < (2, 3) else "torch"
