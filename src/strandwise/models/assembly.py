"""From an architecture and a strand strategy to a network."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from strandwise.errors import ConfigError, StrandLawError
from strandwise.layers import Conjoined, Features, Head, PerStrand, Stack, TypedModule
from strandwise.layers.typed import after
from strandwise.models.architecture import LATE, Architecture, Bins, Stage
from strandwise.models.strategies import StrandSettings
from strandwise.strand import StrandType, dna, plain, regular


class Readouts(nn.Module):
    """The heads of a network: from shared features, and what is read beside them, to the logits of each, by name."""

    def __init__(
        self,
        heads: Sequence[Head],
        layers: Mapping[str, nn.Module],
        in_type: StrandType,
        late: Mapping[str, StrandType] | None = None,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.input_types = {"features": in_type, **(late or {})}
        self.output_types = {head.name: head.type for head in heads}
        self.layers = nn.ModuleDict(layers)

    def forward(self, features: Tensor, *late: Tensor) -> dict[str, Tensor]:
        """Return the logits of each head, ``(batch, tracks)`` or ``(batch, tracks, positions)``."""
        if self.scale != 1:
            features = features * self.scale
        return {name: layer(features, *late) for name, layer in self.layers.items()}


class Tail(nn.Module):
    """The last stages and the heads as one unit, to be conjoined together."""

    def __init__(self, stages: Stack, readouts: Readouts) -> None:
        super().__init__()
        self.input_types = readouts.input_types | {"features": stages.in_type}
        self.output_types = readouts.output_types
        self.stages, self.readouts = stages, readouts

    def forward(self, features: Tensor, *late: Tensor) -> dict[str, Tensor]:
        """Return the logits of each head."""
        return self.readouts(self.stages(features), *late)


class SequenceModel(nn.Module):
    """A network from DNA to named heads.

    Every model *declares* how its heads ought to turn (`output_types`), which is what augmentation and
    wrappers need; only tied or lifted features, or a wrapper, make it *obey*.

    Attributes:
        input_types: by name; "sequence" is `dna()`; then "signal", what is read beside it over the whole window,
            "control", control tracks over the positions that are predicted, and "metadata", what is known of the
            window as a whole, where the network was made for them.
        output_types: by head.
        heads: the heads, in order.
        input_bp: length of the DNA it reads.
        stages: the modules of the architecture's stages by name, wherever they stand.
    """

    def __init__(
        self,
        trunk: Stack | None,
        top: nn.Module,
        heads: Sequence[Head],
        input_bp: int,
        late: Mapping[str, StrandType] | None = None,
        signal: StrandType | None = None,
    ) -> None:
        super().__init__()
        self.input_types = {"sequence": dna()} | ({} if signal is None else {"signal": signal}) | dict(late or {})
        self._late = tuple(late or {})
        self.output_types = {head.name: head.type for head in heads}
        self.heads = tuple(heads)
        self.input_bp = input_bp
        self.trunk = trunk
        self.top = top
        self.stages: dict[str, nn.Module] = {}
        self._held: list[nn.Module] = []

    def hold(self, names: Iterable[str]) -> None:
        """Keep stages as they are: their weights do not learn, and their batch norms keep what they know."""
        self._held += [self.stages[name].requires_grad_(False) for name in names]
        self.train(self.training)

    def train(self, mode: bool = True) -> "SequenceModel":
        """Set the mode of the network; stages that are held stay in eval mode."""
        super().train(mode)
        for stage in self._held:
            stage.eval()
        return self

    def forward(self, sequence: Tensor, *beside: Tensor, **named: Tensor) -> dict[str, Tensor]:
        """Return logits by head for one-hot DNA ``(batch, 4, input_bp)`` and what is read beside it.

        What is beside is given in the order of `input_types`, or by name.

        Raises:
            StrandLawError: an input is missing, or one is given that the network was not made for.
        """
        names = [name for name in self.input_types if name != "sequence"]
        given = dict(zip(names, beside, strict=False)) | named
        if len(beside) > len(names) or given.keys() != set(names):
            raise StrandLawError(self._misfit(1 + len(beside), set(named)))
        features = torch.cat([sequence, given["signal"]], dim=1) if "signal" in given else sequence
        if self.trunk is not None:
            features = self.trunk(features)
        return self.top(features, *(given[name] for name in self._late))

    def _misfit(self, count: int, named: set[str]) -> str:
        missing = [name for name in [*self.input_types][count:] if name not in named]
        if missing:
            return f"this network reads {_BESIDE.get(missing[0], missing[0])}: give '{missing[0]}' too."
        extra = next(iter(sorted(named - set(self.input_types))), "control")
        return (
            f"this network was made without {_BESIDE.get(extra, extra)}: make it with {extra}=, or leave '{extra}' out."
        )


_BESIDE = {"control": "control tracks", "signal": "signal beside the sequence", "metadata": "metadata"}


def assemble(
    architecture: Architecture,
    heads: Sequence[Head],
    input_bp: int,
    strand: StrandSettings,
    control: StrandType | None = None,
    signal: StrandType | None = None,
    metadata: StrandType | None = None,
    bins: Bins | None = None,
) -> SequenceModel:
    """Build the network of an architecture under a strategy, not yet conjoined around the whole.

    Args:
        architecture: stages and readout.
        heads: what to predict.
        input_bp: length of the DNA that comes in.
        strand: the strategy; for `hybrid`, the groups of stages to lift, where the number after the last
            stage is the readout.
        control: the type of control tracks that enter the heads, such as `unstranded(2)`.
        signal: the type of signal that the first stage reads beside the DNA, over the whole window.
        metadata: the type of what is known of a window as a whole, such as `unstranded(8).pooled()`.
        bins: what heads with positions predict, where that is not the architecture's own choice.

    Raises:
        ConfigError: groups that the architecture does not have, `hybrid` where it has one stage, or a way to merge
            features where the readout is lifted with them.
        StrandLawError: sizes that do not fit.
    """
    given = {"control": control, "metadata": metadata}
    late = {name: kind for name in LATE if (kind := given[name]) is not None}
    stages = architecture.stages()
    names = [stage.name for stage in stages]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ConfigError(
            f"two stages of {type(architecture).__name__} are named '{twice[0]}': give each its own name."
        )
    units = _units(stages, strand)
    features, layers = Features(dna() if signal is None else dna() + signal, input_bp), []
    parts: list[nn.Module] = []
    for first, last in units:
        if last > len(stages):
            break
        layer, inside = _unit(stages[first - 1 : last], features, strand, lifted=last > first)
        layers.append(layer)
        parts += inside
        features = after(features, [layer])
    trunk = Stack(*layers) if layers else None
    first, last = units[-1]
    top: nn.Module
    if last > len(stages) and first <= len(stages):
        if strand.merge is not None:
            raise ConfigError(
                f"strand.merge '{strand.merge}' is for features of both strands, and strand.groups lifts the readout "
                "with them, so that answers are averaged instead: remove merge."
            )
        inner = _plain(stages[first - 1 :], features)
        parts += inner.layers
        readouts = _readouts(architecture, heads, after(features, [inner]), late, bins)
        top = Conjoined(Tail(inner, readouts))
    else:
        top = _readouts(architecture, heads, features, late, bins, strand.feature_scale)
    network = SequenceModel(trunk, top, heads, input_bp, late, signal)
    network.stages = dict(zip((stage.name for stage in stages), parts, strict=True))
    return network


def _units(stages: Sequence[Stage], strand: StrandSettings) -> list[tuple[int, int]]:
    """Return the first and last stage of each unit, counted from 1; the readout counts as the last one."""
    readout = len(stages) + 1
    if not strand.rules.grouped:
        return [(number, number) for number in range(1, readout + 1)]
    if len(stages) == 1 and strand.groups in (None, ((1,),)):
        raise ConfigError(
            "strand.strategy 'hybrid' lifts several stages as one, and this model has a single one, for which "
            "it is the same network as 'rcps': use strategy 'rcps'."
        )
    groups = strand.groups or (tuple(range(1, readout)),)
    highest = max(stage for group in groups for stage in group)
    if highest > readout:
        names = ", ".join(f"{number} {stage.name}" for number, stage in enumerate(stages, 1))
        raise ConfigError(
            f"strand.groups names stage {highest}, and this model has {names} and {readout} readout: "
            f"use numbers from 1 to {readout}."
        )
    for group in groups:
        if len(group) > 1 and 1 < group[0] < readout and stages[group[0] - 1].skips:
            raise ConfigError(
                f"strand.groups begins a group at stage {group[0]} ({stages[group[0] - 1].name}), which adds its input "
                "to its output: inside a group features are half as many as outside, so there is nothing to add. "
                "Begin the group at a stage without a skip connection."
            )
    starts = {group[0]: group[-1] for group in groups}
    units, number = [], 1
    while number <= readout:
        last = starts.get(number, number)
        units.append((number, last))
        number = last + 1
    return units


def _unit(
    stages: Sequence[Stage], features: Features, strand: StrandSettings, lifted: bool
) -> tuple[TypedModule, list[nn.Module]]:
    """Return the module of stages that are lifted as one, or of a single one, and that of each stage in it."""
    if lifted:
        inner = _plain(stages, features)
        return PerStrand(inner, features.type), [*inner.layers]
    layer = stages[0].build(features, regular if strand.rules.tied else plain)
    return layer, [layer]


def _plain(stages: Sequence[Stage], features: Features) -> Stack:
    layers: list[TypedModule] = []
    for stage in stages:
        layers.append(stage.build(after(features, layers), plain))
    return Stack(*layers)


def _readouts(
    architecture: Architecture,
    heads: Sequence[Head],
    features: Features,
    late: Mapping[str, StrandType],
    bins: Bins | None,
    scale: float = 1.0,
) -> Readouts:
    layers = {
        head.name: architecture.late_readout(features, head.type, late, bins)
        if late
        else architecture.readout(features, head.type, bins)
        for head in heads
    }
    return Readouts(heads, layers, features.type, late, scale)
