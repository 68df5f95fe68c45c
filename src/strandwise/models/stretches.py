"""Windows that overlap, read as one stretch of DNA: features that they share are computed once."""

import copy

import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers import Conjoined, Merge, Stack
from strandwise.layers.layout import cut_windows
from strandwise.layers.typed import TypedModule
from strandwise.models.assembly import SequenceModel
from strandwise.models.bias import WithBias
from strandwise.models.ensemble import Ensemble
from strandwise.strand import revcomp
from strandwise.testing import random_input

_PROBED = 3
_EXACT = 1e-9

Network = SequenceModel | WithBias | Ensemble


class Stretched(nn.Module):
    """Answers of a network for windows that follow each other at a fixed step, from the stretch that holds them.

    They are those of the network window by window, up to rounding. `stretched` makes it.

    Args:
        network: whose answers they are.
        asked: says of each window of a stretch what the network says.
        step_bp: bases from one window to the next.
    """

    def __init__(self, network: Network, asked: nn.Module, step_bp: int) -> None:
        super().__init__()
        self.asked, self.step_bp, self.input_bp = asked, step_bp, network.input_bp
        self.input_types, self.output_types, self.heads = network.input_types, network.output_types, network.heads

    def stretch_bp(self, windows: int) -> int:
        """Return the length of the DNA that holds a number of windows."""
        return (windows - 1) * self.step_bp + self.input_bp

    def windows_of(self, features: int) -> int:
        """Return how many windows of a stretch have so many features in all, at least one."""
        parts = [part for part in self.modules() if isinstance(part, Shared)]
        return max(1, features // max(part.positions * part.shared.out_type.channels for part in parts))

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Return the logits of each head for every window, stretch by stretch, in order along the DNA.

        Args:
            inputs: by name as the network reads them, ``(stretches, channels, stretch_bp)``.

        Returns:
            Logits by head, ``(stretches * windows, tracks[, positions])``.
        """
        length = inputs["sequence"].shape[-1]
        windows, over = divmod(length - self.input_bp, self.step_bp)
        if windows < 0 or over:
            raise StrandLawError(
                f"a stretch of {length} bp does not hold windows of {self.input_bp} bp every {self.step_bp} bp: give "
                f"it {self.stretch_bp(max(windows, 0) + 1)} bp."
            )
        return self.asked(**inputs)


class Shared(nn.Module):
    """A network whose layers run over the whole stretch as far as they may, and then on each window's features.

    Layers may that give at a position what the DNA around it says, wherever a window begins or ends.

    Args:
        network: the network; its layers are used as they are.
        shared: how many of its first layers run over the stretch.
        step_bp: bases from one window to the next.
    """

    def __init__(self, network: SequenceModel, shared: int, step_bp: int) -> None:
        super().__init__()
        layers = _layers(network.trunk)
        self.network, self.step_bp = network, step_bp
        self.shared = Stack(*layers[:shared])
        self.own = Stack(*layers[shared:]) if layers[shared:] else None
        self.positions = self.shared.out_length(network.input_bp)

    def forward(self, sequence: Tensor, **named: Tensor) -> dict[str, Tensor]:
        """Return the logits of each head for every window."""
        windows = (sequence.shape[-1] - self.network.input_bp) // self.step_bp
        features = self.shared(torch.cat([sequence, named["signal"]], dim=1) if "signal" in named else sequence)
        if windows:
            features = cut_windows(features, self.positions, (features.shape[-1] - self.positions) // windows)
        if self.own is not None:
            features = self.own(features)
        return self.network.top(features)


class _BothStrands(nn.Module):
    """What `Conjoined` says of each window of a stretch."""

    def __init__(self, asked: nn.Module, network: Network, merge: Merge) -> None:
        super().__init__()
        self.asked, self.merge = asked, merge
        self.input_types, self.output_types = network.input_types, network.output_types
        self.links = {head.name: head.link for head in network.heads}

    def forward(self, sequence: Tensor, **named: Tensor) -> dict[str, Tensor]:
        inputs = {"sequence": sequence, **named}
        forward = self.asked(**inputs)
        other = self.asked(**{name: revcomp(x, self.input_types[name]) for name, x in inputs.items()})
        stretches = len(sequence)
        merged = {}
        for name, said in forward.items():
            # The first window of a stretch is the last on its other strand.
            turned = other[name].unflatten(0, (stretches, -1)).flip(1).flatten(0, 1)
            merged[name] = self.merge(said, revcomp(turned, self.output_types[name]), self.links[name])
        return merged


def stretched(network: nn.Module, step_bp: int, merge: Merge | None = None) -> Stretched | None:
    """Return a network that reads windows every `step_bp` bases as one stretch, or None where that gains nothing.

    A layer runs over the stretch if in float64, on random DNA and with the weights it has, it gives at each position
    of three windows what it gives in each window alone; padding, recurrence, attention or a pooling that falls out of
    step do not. Networks with inputs of their own for each window are read window by window; so are ensembles, and
    networks beside a bias network, with a part that must be.

    Args:
        network: in eval mode; it is not changed.
        step_bp: bases from one window to the next.
        merge: merge what both strands say, as `Conjoined` does around the network; None reads one strand.
    """
    if not isinstance(network, SequenceModel | WithBias | Ensemble):
        return None
    asked = _asked(network, step_bp)
    if asked is None:
        return None
    return Stretched(network, asked if merge is None else _BothStrands(asked, network, merge), step_bp)


def _asked(network: nn.Module, step_bp: int) -> nn.Module | None:
    """Return what says of each window of a stretch what a network says of it, if there is such a thing."""
    if isinstance(network, SequenceModel):
        return _shared(network, step_bp)
    if isinstance(network, Conjoined) and isinstance(network.model, SequenceModel | WithBias):
        asked = _asked(network.model, step_bp)
        return None if asked is None else _BothStrands(asked, network.model, network.merge)
    if isinstance(network, WithBias):
        model, bias = _asked(network.model, step_bp), _asked(network.bias, step_bp)
        if model is None or bias is None:
            return None
        whole = copy.deepcopy(network)
        whole.model, whole.bias = model, bias  # pyright: ignore[reportAttributeAccessIssue]
        return whole
    if isinstance(network, Ensemble):
        members = [_asked(member, step_bp) for member in network.members]
        if None in members:
            return None
        whole = copy.deepcopy(network)
        whole.members = nn.ModuleList(member for member in members if member is not None)
        return whole
    return None


def _shared(network: SequenceModel, step_bp: int) -> Shared | None:
    if network.trunk is None or step_bp >= network.input_bp or not set(network.input_types) <= {"sequence", "signal"}:
        return None
    layers = _layers(copy.deepcopy(network).double().cpu().eval().trunk)
    shared = _shared_layers(layers, _probe(network, (_PROBED - 1) * step_bp), step_bp)
    return Shared(network, shared, step_bp) if shared else None


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
