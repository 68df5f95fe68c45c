"""Windows that overlap, read as one stretch of DNA: features that they share are computed once."""

import copy

import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers import Merge, Stack
from strandwise.layers.typed import TypedModule
from strandwise.models.assembly import SequenceModel
from strandwise.strand import revcomp
from strandwise.testing import random_input

_PROBED = 3
_EXACT = 1e-9


class Stretched(nn.Module):
    """Answers of a network for windows that follow each other at a fixed step, from the stretch that holds them.

    Layers that give at a position what the DNA around it says, wherever a window begins or ends, run over the whole
    stretch; the others run on the features of each window. So the answers are those of the network window by window,
    up to rounding. `stretched` finds out which layers those are.

    Args:
        network: the network; its layers are used as they are.
        shared: how many of its first layers run over the stretch.
        step_bp: bases from one window to the next.
        merge: merge what both strands say, as `Conjoined` does around the network; None reads one strand.
    """

    def __init__(self, network: SequenceModel, shared: int, step_bp: int, merge: Merge | None = None) -> None:
        super().__init__()
        layers = _layers(network.trunk)
        self.network, self.step_bp, self.merge, self.input_bp = network, step_bp, merge, network.input_bp
        self.input_types, self.output_types, self.heads = network.input_types, network.output_types, network.heads
        self.shared = Stack(*layers[:shared])
        self.own = Stack(*layers[shared:]) if layers[shared:] else None
        self.positions = self.shared.out_length(network.input_bp)
        self.links = {head.name: head.link for head in network.heads}

    def stretch_bp(self, windows: int) -> int:
        """Return the length of the DNA that holds a number of windows."""
        return (windows - 1) * self.step_bp + self.input_bp

    def windows_of(self, features: int) -> int:
        """Return how many windows of a stretch have so many features in all, at least one."""
        return max(1, features // (self.positions * self.shared.out_type.channels))

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Return the logits of each head for every window, stretch by stretch, in order along the DNA.

        Args:
            inputs: by name as the network reads them, ``(stretches, channels, stretch_bp)``.

        Returns:
            Logits by head, ``(stretches * windows, tracks[, positions])``.
        """
        forward = self._strand(inputs)
        if self.merge is None:
            return forward
        kinds = self.network.input_types
        other = self._strand({name: revcomp(x, kinds[name]) for name, x in inputs.items()})
        stretches = len(inputs["sequence"])
        merged = {}
        for name, said in forward.items():
            # The first window of a stretch is the last on its other strand.
            turned = other[name].unflatten(0, (stretches, -1)).flip(1).flatten(0, 1)
            merged[name] = self.merge(said, revcomp(turned, self.network.output_types[name]), self.links[name])
        return merged

    def _strand(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        length = inputs["sequence"].shape[-1]
        windows, over = divmod(length - self.input_bp, self.step_bp)
        if windows < 0 or over:
            raise StrandLawError(
                f"a stretch of {length} bp does not hold windows of {self.input_bp} bp every {self.step_bp} bp: give "
                f"it {self.stretch_bp(max(windows, 0) + 1)} bp."
            )
        x = torch.cat([inputs["sequence"], inputs["signal"]], dim=1) if "signal" in inputs else inputs["sequence"]
        features = self.shared(x)
        if windows:
            step = (features.shape[-1] - self.positions) // windows
            parts = features.unfold(2, self.positions, step).transpose(1, 2)
            features = parts.reshape(-1, features.shape[1], self.positions)
        if self.own is not None:
            features = self.own(features)
        return self.network.top(features)


def stretched(network: nn.Module, step_bp: int, merge: Merge | None = None) -> Stretched | None:
    """Return a network that reads windows every `step_bp` bases as one stretch, or None where that gains nothing.

    A layer runs over the stretch if in float64, on random DNA and with the weights it has, it gives at each position
    of three windows what it gives in each window alone; padding, recurrence, attention or a pooling that falls out of
    step do not. Networks with inputs of their own for each window are read window by window.

    Args:
        network: in eval mode; it is not changed.
        step_bp: bases from one window to the next.
        merge: as `Stretched`.
    """
    if not isinstance(network, SequenceModel) or network.trunk is None or step_bp >= network.input_bp:
        return None
    if not set(network.input_types) <= {"sequence", "signal"}:
        return None
    layers = _layers(copy.deepcopy(network).double().cpu().eval().trunk)
    shared = _shared_layers(layers, _probe(network, (_PROBED - 1) * step_bp), step_bp)
    return Stretched(network, shared, step_bp, merge) if shared else None


def _probe(network: SequenceModel, more_bp: int) -> Tensor:
    length = network.input_bp + more_bp
    return torch.cat([random_input(kind, length, batch=1) for kind in network.input_types.values()], dim=1)


def _shared_layers(layers: list[TypedModule], stretch: Tensor, step_bp: int) -> int:
    """Return how many layers give over a stretch what they give in each of its windows."""
    length = stretch.shape[-1] - (_PROBED - 1) * step_bp
    windows = stretch.unfold(2, length, step_bp).transpose(1, 2).flatten(0, 1)
    for number, layer in enumerate(layers):
        try:
            with torch.no_grad():
                stretch, windows = layer(stretch), layer(windows)
        except StrandLawError:
            # Made for windows of one length.
            return number
        if stretch.ndim != 3 or not _same(stretch, windows):
            return number
    return len(layers)


def _same(stretch: Tensor, windows: Tensor) -> bool:
    length = windows.shape[-1]
    step, over = divmod(stretch.shape[-1] - length, _PROBED - 1)
    if over or step < 1:
        return False
    parts = stretch.unfold(2, length, step).transpose(1, 2).flatten(0, 1)
    return float((parts - windows).abs().max()) <= _EXACT * (1 + float(windows.abs().max()))


def _layers(module: nn.Module | None) -> list[TypedModule]:
    """Return the layers of a stack, those of stacks inside it too."""
    if type(module) is not Stack:
        return [] if module is None else [module]  # pyright: ignore[reportReturnType]
    return [layer for part in module for layer in _layers(part)]
