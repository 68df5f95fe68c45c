"""What the reader of a published file hands on: a network of ours in words, and the weights to fill it with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from strandwise.errors import InputError
from strandwise.layers import LSTM, Conv1d, Dense, KerasLSTM

Array = NDArray[np.float32]
Weights = Mapping[str, Array]
"""The weights of one layer by name: "weight" and "bias", and "state" of an LSTM."""

BASES = "ACGT"


@dataclass(frozen=True)
class Published:
    """A network that other programs trained.

    Attributes:
        source: what it is, and in whose layout.
        files: that were read.
        model: name of the architecture here that computes the same.
        options: of that architecture.
        input_bp: length of the DNA it reads.
        tracks: how many it predicts.
        layers: weights of the layers in the order in which the network holds them, in the layout of torch.
        answer: what it says of a window.
        inputs: names of the signals it reads beside the DNA.
        both_strands: whether the program that it comes from averages its answers over both strands.
        notes: what a person should know.
    """

    source: str
    files: tuple[Path, ...]
    model: str
    options: Mapping[str, object]
    input_bp: int
    tracks: int
    layers: tuple[Weights, ...]
    answer: Literal["window", "profile"] = "window"
    inputs: tuple[str, ...] = ()
    both_strands: bool = False
    notes: tuple[str, ...] = ()

    def fill(self, network: nn.Module) -> None:
        """Write the weights into a network that was built with these options, on ordinary features.

        Raises:
            InputError: a network of other layers or sizes.
        """
        found = [module for module in network.modules() if isinstance(module, Conv1d | Dense | KerasLSTM | LSTM)]
        if len(found) != len(self.layers):
            raise InputError(f"the network has {len(found)} layers with weights, and {self._name} {len(self.layers)}.")
        with torch.no_grad():
            for layer, weights in zip(found, self.layers, strict=True):
                for name, place in _places(layer).items():
                    self._put(weights[name], place, f"'{name}' of {type(layer).__name__}")

    def _put(self, array: Array, place: Tensor, what: str) -> None:
        given = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
        if given.shape != place.shape:
            raise InputError(f"the network has {tuple(place.shape)} for {what}, and {self._name} {tuple(given.shape)}.")
        place.copy_(given)

    @property
    def _name(self) -> str:
        return " and ".join(path.name for path in self.files)


def _places(layer: Conv1d | Dense | KerasLSTM | LSTM) -> dict[str, Tensor]:
    if isinstance(layer, KerasLSTM):
        return {"weight": layer.input_weight, "state": layer.state_weight, "bias": layer.bias}
    if isinstance(layer, LSTM):
        return dict(layer.cells.named_parameters())
    assert layer.bias is not None  # noqa: S101
    return {"weight": layer.weight.free, "bias": layer.bias.free}


def in_our_order(weight: Array, bases: str) -> Array:
    """Return filters ``(filters, bases, positions)`` over another alphabet, such as AGCT, in the order A, C, G, T.

    Raises:
        InputError: no order of these four letters.
    """
    if sorted(bases.upper()) != sorted(BASES):
        raise InputError(f"--bases {bases}: expected the four letters A, C, G and T in the order of the file: AGCT.")
    return weight[:, [bases.upper().index(base) for base in BASES]]


def chosen_length(given: int | None, usual: int, fits: range, what: str) -> int:
    """Return how much DNA a network reads, of which its weights tell a range.

    Args:
        given: by the user.
        usual: for networks of its kind.
        fits: the lengths that its weights allow.
        what: the files, for messages.

    Raises:
        InputError: a length that does not fit, or none was given and the usual one does not.
    """
    if not fits or fits[-1] < 1:
        raise InputError(f"{what}: no length of DNA fits its dense layer: these are not the weights of such a network.")
    low, high = max(fits[0], 1), fits[-1]
    length = usual if given is None else given
    if low <= length <= high:
        return length
    said = f"--input-bp {given}" if given is not None else f"the usual {usual:,} bp"
    raise InputError(
        f"{what}: {said} does not fit its weights, which read {low:,} to {high:,} bp: give the length it was trained "
        "on with --input-bp."
    )
