"""First filters that begin as known motifs, as FactorNet's option ``-mo`` has it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from pydantic import Field, model_validator
from torch import Tensor, nn

from strandwise.errors import InputError
from strandwise.layers import Conv1d, PerStrand
from strandwise.schema import Settings
from strandwise.strand import dna, revcomp

PSEUDO = 0.001
"""Added to each probability of a motif before it is divided by the sum, so that no base is impossible."""


class MotifSettings(Settings):
    """The `model.motifs` table of a config: known motifs that the first filters begin as."""

    file: Path | None = Field(default=None, description="motifs in MEME's format, or in that of the ENCODE collection")
    names: tuple[str, ...] = Field(default=(), description="which of the file, by either name; all if not given")
    jaspar: tuple[str, ...] = Field(default=(), description="matrix IDs of JASPAR, such as MA0139.2")

    @model_validator(mode="after")
    def _some(self) -> "MotifSettings":
        if self.file is None and not self.jaspar:
            raise ValueError("no motif is named: give file, with names, or jaspar")
        if self.names and self.file is None:
            raise ValueError("names are those of a file: give file, or remove them")
        return self


class FirstConvolution(NamedTuple):
    """The convolution over DNA that a network begins with.

    Attributes:
        conv: the layer.
        shared: whether one filter reads both strands, by its weights or because it is lifted alone.
    """

    conv: Conv1d
    shared: bool

    @property
    def room(self) -> int:
        """How many motifs it can begin as."""
        channels = self.conv.out_type.channels
        return channels if self.shared and not self.conv.out_type.lawful else channels // 2


def first_convolution(network: nn.Module) -> FirstConvolution:
    """Return the convolution over DNA, and signal beside it, that a network begins with.

    Args:
        network: as `assemble` makes it, or a layer of it.

    Raises:
        InputError: it begins with something else.
    """
    conv = next((module for module in network.modules() if isinstance(module, Conv1d)), None)
    if conv is None or conv.groups > 1 or conv.in_type.partner[:4] != dna().partner:
        raise InputError("the network does not begin with a convolution over DNA, which alone can hold motifs.")
    lifted = any(isinstance(module, PerStrand) and module.module is conv for module in network.modules())
    return FirstConvolution(conv, lifted or conv.out_type.lawful)


def initialise_with_motifs(network: nn.Module, motifs: Sequence[ArrayLike]) -> None:
    """Let the first filters of a network begin as known motifs, in place.

    Each motif stands as log2(p / 0.25) in the middle of a filter that is otherwise zero, offset included, and its
    reverse complement in the filter after it; where strands share weights, one filter is both (Quang & Xie 2019, the
    authors' code).

    Args:
        network: as `assemble` makes it, of any architecture that begins with a convolution over DNA.
        motifs: probabilities ``(length, 4)``, columns A, C, G, T, or counts, such as `Motif.probabilities`.

    Raises:
        InputError: no such convolution, more motifs than filters, or a motif of another shape or too long.
    """
    first = first_convolution(network)
    conv, each = first.conv, 1 if first.shared else 2
    if len(motifs) > first.room:
        what = "filters" if first.shared else "pairs of filters"
        raise InputError(
            f"{len(motifs)} motifs do not fit into the {first.room} {what} of the first convolution: give fewer, or "
            "more filters."
        )
    filters = [_filter(motif, number, conv) for number, motif in enumerate(motifs)]
    with torch.no_grad():
        weight = conv.weight().clone()
        for number, forward in enumerate(filters):
            weight[number * each] = forward
            # In a shared weight the partner follows from the filter.
            if not first.shared:
                weight[number * each + 1] = revcomp(forward, conv.in_type)
        conv.weight.assign(weight)
        if conv.bias is not None:
            bias = conv.bias().clone()
            bias[: each * len(filters)] = 0
            conv.bias.assign(bias)


def _filter(motif: ArrayLike, number: int, conv: Conv1d) -> Tensor:
    """Return the filter ``(channels, taps)`` of a motif; channels beside the DNA are zero."""
    matrix, taps = np.asarray(motif, dtype=np.float64), conv.kernel_size
    if matrix.ndim != 2 or matrix.shape[1] != 4 or not 1 <= len(matrix) <= taps:
        raise InputError(
            f"motif {number} has the shape {matrix.shape}: give (length, 4), columns A, C, G, T, of at most the {taps} "
            "bases that a filter reads."
        )
    if not (np.isfinite(matrix) & (matrix >= 0)).all():
        raise InputError(f"motif {number} holds what is no probability: give numbers of 0 or more.")
    share = matrix / np.maximum(matrix.sum(1, keepdims=True), np.finfo(float).tiny) + PSEUDO
    bits = np.log2(share / share.sum(1, keepdims=True) / 0.25)
    start = taps // 2 - len(matrix) // 2
    filled = torch.zeros(conv.in_type.channels, taps)
    filled[:4, start : start + len(matrix)] = torch.from_numpy(bits.T)
    return filled
