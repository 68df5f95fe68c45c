"""DeepSEA (Zhou & Troyanskaya 2015) as PyTorch weights: as Kipoi gives it out, and as Selene trains it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from strandwise.errors import InputError
from strandwise.models.foreign.published import Array, Published, Weights, chosen_length, in_our_order
from strandwise.models.foreign.state import State, read_state

POOL = 4
USUAL_BP = 1000

KIPOI_FLOOR = 1e-6
"""What its layers say where a ReLU says 0: they are `Threshold(0, 1e-6)`."""

SELENE_NORM, EPSILON = 0.9, 1e-5
"""The longest a filter may be where Selene normalises after each layer, and what torch adds to a variance."""


class _Layout(NamedTuple):
    """How a program names the layers: three convolutions and two dense ones, and what normalises after the first four.

    Attributes:
        name: of the program.
        layers: names, first to last.
        norms: names of batch norms, if any.
        bases: the order of its letters.
        floor: what its layers say where a ReLU says 0.
    """

    name: str
    layers: tuple[str, ...]
    norms: tuple[str, ...]
    bases: str
    floor: float = 0.0


_SELENE = ("conv_net.0", "conv_net.4", "conv_net.8", "classifier.0", "classifier.2")
_SELENE_NORMED = ("conv_net.0", "conv_net.4", "conv_net.9", "classifier.0", "classifier.3")
LAYOUTS = (
    _Layout("Kipoi", ("0", "4", "8", "12.1", "14.1"), (), "AGCT", KIPOI_FLOOR),
    _Layout("Selene", _SELENE, (), "ACGT"),
    _Layout("Selene", _SELENE_NORMED, ("conv_net.3", "conv_net.7", "conv_net.11", "classifier.2"), "ACGT"),
)


def read_deepsea(path: str | Path, *, input_bp: int | None = None, bases: str | None = None) -> Published:
    """Read the weights of a DeepSEA from PyTorch, in the layout of Kipoi or of Selene; nothing in the file is run.

    Kipoi's network says 1e-6 where a ReLU says 0, and Selene's normalises after pooling: both are written into the
    weights and offsets of the layers that follow, where they mean the same.

    Args:
        path: a PyTorch or safetensors file.
        input_bp: the length of its DNA, where that is not 1,000.
        bases: the order of its letters, where that is not AGCT for Kipoi and ACGT for Selene.

    Raises:
        InputError: not such a file, or of another network.
    """
    path, state = Path(path), read_state(path)
    layout, prefix = _layout_of(state, path)
    kernels, offsets = zip(*(_layer(state, f"{prefix}{name}", path) for name in layout.layers), strict=True)
    _check_chain(kernels, path)
    positions = kernels[3].shape[1] // kernels[2].shape[0]
    width = kernels[0].shape[2]
    order = bases or layout.bases
    scaled, shifted = _folded(kernels, offsets, state, layout, prefix, path)
    weights: list[Array] = [kernel.astype(np.float32) for kernel in scaled]
    weights[0] = in_our_order(weights[0], order)
    weights[3] = weights[3].reshape(len(weights[3]), -1, positions)
    layers: list[Weights] = [
        {"weight": weight, "bias": offset.astype(np.float32)} for weight, offset in zip(weights, shifted, strict=True)
    ]
    both = prefix == "2." if layout.name == "Kipoi" else prefix == "model."
    notes = [f"letters in the order {order.upper()}"]
    if layout.name == "Selene" and both:
        notes.append("Selene's NonStrandSpecific is taken to average its two strands, and not to take the higher one")
    options = {
        "filters": [kernel.shape[0] for kernel in kernels[:3]],
        "kernel_size": width,
        "pool_width": POOL,
        "hidden": kernels[3].shape[0],
    }
    return Published(
        source=f"DeepSEA (Zhou & Troyanskaya 2015), PyTorch weights in the layout of {layout.name}",
        files=(path,),
        model="deepsea",
        options=options,
        input_bp=chosen_length(input_bp, USUAL_BP, _lengths(positions, width), str(path)),
        tracks=kernels[4].shape[0],
        layers=tuple(layers),
        both_strands=both,
        notes=tuple(notes),
    )


def _layout_of(state: State, path: Path) -> tuple[_Layout, str]:
    """Return the layout that the names of the arrays fit, and what stands before all of them."""
    for layout in LAYOUTS:
        wanted = {f"{name}.{part}" for name in layout.layers for part in ("weight", "bias")}
        wanted |= {f"{name}.{part}" for name in layout.norms for part in ("weight", "running_mean", "running_var")}
        for name in state:
            prefix, found, rest = name.partition(f"{layout.layers[0]}.weight")
            extra = {each for each in state if each.startswith(prefix)} - {f"{prefix}{each}" for each in wanted}
            extra -= {f"{prefix}{each}.bias" for each in layout.norms}
            named = found and not rest and re.fullmatch(r"(\w+\.)*", prefix)
            if named and not extra and wanted <= _without(prefix, state):
                return layout, prefix
    shown = ", ".join(f"{name} {tuple(array.shape)}" for name, array in list(state.items())[:12])
    known = "; ".join(f"{layout.name}: {', '.join(layout.layers)}" for layout in LAYOUTS)
    raise InputError(
        f"{path}: no DeepSEA in a layout that is known ({known}, each with weight and bias, after any prefix). It "
        f"holds {shown}. Networks with other layers, such as DeeperDeepSEA and Beluga, cannot be imported."
    )


def _without(prefix: str, state: Mapping[str, object]) -> set[str]:
    return {name.removeprefix(prefix) for name in state if name.startswith(prefix)}


def _layer(state: State, name: str, path: Path) -> tuple[Array, Array]:
    """Return weight and offset of a layer; a filter of two dimensions has one row."""
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    if weight.ndim == 4 and weight.shape[2] == 1:
        weight = weight[:, :, 0]
    if weight.ndim not in (2, 3) or bias.shape != weight.shape[:1] or not weight.size:
        raise InputError(
            f"{path}: '{name}' has weights of the shape {tuple(state[f'{name}.weight'].shape)} and offsets of "
            f"{tuple(bias.shape)}: not those of DeepSEA."
        )
    return weight, bias


def _check_chain(kernels: tuple[Array, ...], path: Path) -> None:
    """Refuse layers that do not read each other."""
    first, second, third, dense, last = kernels
    reads = [kernel.ndim == 3 for kernel in kernels] == [True, True, True, False, False]
    fits = (
        reads
        and first.shape[1] == 4
        and (second.shape[1], third.shape[1]) == (first.shape[0], second.shape[0])
        and len({kernel.shape[2] for kernel in kernels[:3]}) == 1
        and dense.shape[1] % third.shape[0] == 0
        and last.shape[1] == dense.shape[0]
    )
    if not fits:
        shapes = ", ".join(str(tuple(kernel.shape)) for kernel in kernels)
        raise InputError(
            f"{path}: layers of the shapes {shapes} do not read each other as those of DeepSEA do: three convolutions "
            "of one width, the first over 4 bases, and two dense layers."
        )


def _lengths(positions: int, width: int) -> range:
    """Return the lengths of DNA of which three convolutions and two poolings leave so many positions."""
    low = ((positions + width - 1) * POOL + width - 1) * POOL + width - 1
    return range(low, low + POOL * POOL)


_Wide = list[NDArray[np.float64]]


def _folded(
    kernels: tuple[Array, ...], offsets: tuple[Array, ...], state: State, layout: _Layout, prefix: str, path: Path
) -> tuple[_Wide, _Wide]:
    """Return weights and offsets of a network with nothing but ReLU between its layers that says the same.

    What stands between two layers scales and shifts each channel, and the next layer reads channels through sums alone:
    a scale goes into its weights, and a shift into its offset. That max(x, e) = max(x - e, 0) + e lets a floor be a
    shift too.
    """
    weights: _Wide = [kernel.astype(np.float64) for kernel in kernels]
    biases: _Wide = [offset.astype(np.float64) for offset in offsets]
    if layout.norms:
        weights = [torch.renorm(torch.from_numpy(weight), 2, 0, SELENE_NORM).numpy() for weight in weights]
    for number in range(len(weights) - 1):
        channels = len(weights[number])
        scale, shift = np.ones(channels), np.full(channels, layout.floor)
        biases[number] = biases[number] - layout.floor
        if layout.norms:
            scale, shift = _norm(state, f"{prefix}{layout.norms[number]}", channels, path)
        # Behind the flattened positions each channel stands once for every position.
        after = weights[number + 1].reshape(len(weights[number + 1]), channels, -1)
        biases[number + 1] = biases[number + 1] + np.einsum("ock,c->o", after, shift)
        weights[number + 1] = (after * scale[:, None]).reshape(weights[number + 1].shape)
    return weights, biases


def _norm(state: State, name: str, channels: int, path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a batch norm multiplies each channel by, and what it adds."""
    parts = ("weight", "bias", "running_mean", "running_var")
    missing = [part for part in parts if f"{name}.{part}" not in state]
    arrays = [state[f"{name}.{part}"].astype(np.float64) for part in parts if part not in missing]
    if missing or any(array.shape != (channels,) for array in arrays) or (arrays[3] < 0).any():
        raise InputError(f"{path}: '{name}' is no batch norm of {channels} channels.")
    weight, bias, mean, variance = arrays
    scale = weight / np.sqrt(variance + EPSILON)
    return scale, bias - mean * scale
