"""What the first filters of a network look for: the bases under the places where each answers most."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv1d_weight

from strandwise.data.batches import SEQUENCE, SIGNAL, model_inputs
from strandwise.errors import InputError
from strandwise.layers import Activation, BatchNorm1d, ChannelDropout, Conv1d, Dropout, PerStrand, Stack
from strandwise.models import SequenceModel, WithBias
from strandwise.motifs import Motif
from strandwise.strand import revcomp

Batches = Callable[[], Iterable[Mapping[str, Tensor]]]
_ONE_BY_ONE = (Activation, BatchNorm1d, Dropout, ChannelDropout)
"""Layers that change values where they stand."""


@dataclass(frozen=True)
class FilterMotif:
    """What one filter looks for.

    Attributes:
        number: of the filter, from 0.
        motif: the shares of the bases under its sites; None where it answers nowhere.
        sites: on how many places these rest.
        maximum: its largest answer.
        signal: ``(channels, taps)`` the mean of the signal beside the DNA under its sites, if the network reads any.
    """

    number: int
    motif: Motif | None
    sites: int
    maximum: float
    signal: NDArray[np.float64]


def filter_motifs(
    network: SequenceModel | WithBias,
    batches: Batches,
    *,
    above: float = 0.5,
    sites: Literal["all", "best"] = "all",
    device: str = "cpu",
) -> list[FilterMotif]:
    """Return, for each filter of the first convolution, the motif of the places where it answers most.

    Both strands of each sequence are read. An answer is what follows the convolution position by position:
    normalisation and activation, as they are in prediction. Filters that share their weights with their reverse
    complements are one.

    Args:
        network: a trained network that begins with a convolution over DNA.
        batches: a function that yields what the network reads by name, such as ``lambda: gathered(windows)``; it is
            called twice and yields the same each time.
        above: the share of a filter's largest answer that makes a place one of its sites (Basset, GOPHER: one half).
        sites: all such places; or the best of each sequence and strand alone, which for ``above = 0`` is how FactorNet
            has it.
        device: where to run.

    Raises:
        InputError: another kind of network, a share outside [0, 1), or no sequences.
    """
    if not 0 <= above < 1:
        raise InputError(f"above = {above}: give a share of the largest answer, from 0 to less than 1.")
    reader = _Reader(network, device)
    top = torch.full((reader.filters,), -torch.inf)
    for _, answers in reader.read(batches()):
        top = torch.maximum(top, answers.amax((0, 2)).cpu())
    if torch.isinf(top).all():
        raise InputError("there are no sequences to read: give at least one batch.")
    least = (above * top.clamp(min=0)).to(device).view(-1, 1)
    sums = torch.zeros(reader.filters, reader.conv.in_type.channels, reader.conv.kernel_size, dtype=torch.float64)
    counts = torch.zeros(reader.filters, dtype=torch.long)
    for x, answers in reader.read(batches()):
        found = (answers > least) & (answers > 0)
        if sites == "best":
            found &= functional.one_hot(answers.argmax(2), answers.shape[2]).bool()
        sums += reader.beneath(x, found).cpu()
        counts += found.sum((0, 2)).cpu()
    return [_found(number, sums[number].numpy(), int(counts[number]), float(top[number])) for number in range(len(top))]


def _found(number: int, sums: NDArray[np.float64], sites: int, maximum: float) -> FilterMotif:
    bases, signal = sums[:4].T, sums[4:] / max(sites, 1)
    if not sites:
        return FilterMotif(number, None, 0, maximum, signal)
    # Under padding and Ns lies no base; where that is so at every site, nothing is preferred.
    seen = bases.sum(1, keepdims=True)
    shares = np.where(seen > 0, bases / np.maximum(seen, 1), 0.25)
    return FilterMotif(number, Motif(f"filter {number}", f"filter{number}", shares), sites, maximum, signal)


class _Reader:
    """The layers of a network up to the answers of its first filters."""

    def __init__(self, network: SequenceModel | WithBias, device: str) -> None:
        inner = network.model if isinstance(network, WithBias) else network
        layers = _first_layers(next(iter(inner.stages.values())))
        at = next((number for number, layer in enumerate(layers) if _convolution(layer) is not None), len(layers))
        conv = _convolution(layers[at]) if at < len(layers) else None
        if conv is None or conv.groups > 1 or not all(isinstance(layer, _ONE_BY_ONE) for layer in layers[:at]):
            raise InputError("the network does not begin with a convolution over DNA, whose filters could be shown.")
        last = at + 1
        while last < len(layers) and isinstance(layers[last], _ONE_BY_ONE):
            last += 1
        self.conv, self.device = conv, device
        # A copy is asked, so the network stays in the mode and place it is in.
        self._layers = copy.deepcopy(nn.Sequential(*layers[:last])).float().to(device).eval()
        self.filters = conv.out_type.channels // (2 if conv.out_type.lawful else 1)

    def read(self, batches: Iterable[Mapping[str, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield what comes in on either strand, and what each filter answers, ``(batch, filters, positions)``."""
        for batch in batches:
            with torch.inference_mode():
                inputs = model_inputs(batch, device=self.device)
                both = [inputs[name] for name in (SEQUENCE, SIGNAL) if name in inputs]
                x = torch.cat(both, dim=1)
                for strand in (x, revcomp(x, self.conv.in_type)):
                    yield strand, self._layers(strand)[:, : self.filters]

    def beneath(self, x: Tensor, found: Tensor) -> Tensor:
        """Return the sum of what lies under the sites of each filter, ``(filters, channels, taps)``."""
        conv = self.conv
        if conv.padding == "same":
            x = functional.pad(x, (conv.reach // 2, conv.reach - conv.reach // 2))
        shape = self.filters, x.shape[1], conv.kernel_size
        with torch.inference_mode():
            # A sum over sites is the gradient of a filter whose answers count at these sites alone.
            return conv1d_weight(x.double(), shape, found.double(), stride=conv.stride, dilation=conv.dilation)


def _first_layers(stage: nn.Module) -> list[nn.Module]:
    """Return the layers of a stage one by one, those of one strand where all of it is lifted."""
    if isinstance(stage, PerStrand) and not isinstance(stage.module, Conv1d):
        return _first_layers(stage.module)
    if not isinstance(stage, Stack):
        return [stage]
    return [layer for part in stage for layer in _first_layers(part)]


def _convolution(layer: nn.Module) -> Conv1d | None:
    inner = layer.module if isinstance(layer, PerStrand) else layer
    return inner if isinstance(inner, Conv1d) else None
