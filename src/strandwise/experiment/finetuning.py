"""Fine-tuning: a new network begins with the weights of a trained run, and some of its stages keep these."""

from pathlib import Path
from typing import Any

from torch import nn

from strandwise.errors import ConfigError, listing
from strandwise.experiment.config import Experiment
from strandwise.experiment.folder import WEIGHTS
from strandwise.experiment.records import other_weights
from strandwise.experiment.run import Run
from strandwise.files import sha256
from strandwise.layers import TypedModule
from strandwise.models import Ensemble, SequenceModel, WithBias
from strandwise.models.assembly import Readouts


def take_over(network: SequenceModel | WithBias, experiment: Experiment) -> dict[str, Any]:
    """Give the stages of an untrained network the weights of the run of `model.init`, and hold those of `model.freeze`.

    The heads stay as they were drawn, unless `model.init_heads` asks for the run's. Nothing is taken where the config
    names no run.

    Args:
        network: as `new_network` makes it; changed in place.
        experiment: its config.

    Returns:
        What provenance should say of it.

    Raises:
        RunError: no such run, or a damaged one.
        ConfigError: a run whose stages, or heads where they are asked for, are others, of other sizes, or of other
            strand types.
    """
    init = experiment.model.init
    if init is None:
        _inner(network).hold(experiment.model.freeze)
        return {}
    run = Run.open(init)
    trained = run.network
    if isinstance(trained, Ensemble):
        raise ConfigError(
            f"model.init = {init}: the run is an ensemble: name one of its members, such as {init}/members/0."
        )
    target, source = (_inner(each).stages for each in (network, trained))
    if [*target] != [*source]:
        raise ConfigError(
            f"model.init = {init}: the run has the stages {', '.join(source)}, and model '{experiment.model.name}' "
            f"{', '.join(target)}: use the same model, with as many layers."
        )
    for name, stage in target.items():
        difference = _difference(stage, source[name])
        if difference:
            raise ConfigError(
                f"model.init = {init}: stage '{name}' of the run is another ({difference}): use the same sizes and "
                f"inputs, and a strategy that builds the same layers as its '{run.experiment.strand.strategy}'."
            )
    parts = [(stage, source[name]) for name, stage in target.items()]
    if experiment.model.init_heads:
        parts += _heads(_inner(network), _inner(trained), init)
    for mine, theirs in parts:
        mine.load_state_dict(theirs.state_dict())
    _inner(network).hold(experiment.model.freeze)
    return {"began_with": {"run": str(init), "sha256": sha256(run.path / WEIGHTS)}}


def _heads(network: SequenceModel, trained: SequenceModel, init: Path) -> list[tuple[nn.Module, nn.Module]]:
    """Return each head of a network with that of the run it begins with."""
    if network.heads != trained.heads:
        mine, theirs = (
            ", ".join(f"{head.name} of {listing(head.tracks)}" for head in each.heads) for each in (network, trained)
        )
        raise ConfigError(
            f"model.init_heads: the run {init} predicts {theirs}, and this config {mine}: give the same targets, in "
            "the same order, or remove init_heads."
        )
    parts = [*zip(_readouts(network), _readouts(trained), strict=True)]
    for (mine, theirs), head in zip(parts, network.heads, strict=True):
        difference = _difference(mine, theirs)
        if difference:
            raise ConfigError(
                f"model.init_heads: head '{head.name}' of the run {init} is another ({difference}): use the same "
                "inputs and sizes, or remove init_heads."
            )
    return parts


def _readouts(network: SequenceModel) -> list[nn.Module]:
    found = next(module for module in network.modules() if isinstance(module, Readouts))
    return [found.layers[head.name] for head in network.heads]


def _inner(network: SequenceModel | WithBias) -> SequenceModel:
    return network.model if isinstance(network, WithBias) else network


def _difference(stage: nn.Module, other: nn.Module) -> str:
    """Return how the strand types or the weights of two stages differ; nothing if they do not."""
    here, there = _types(stage), _types(other)
    for name in [*here, *there]:
        if here.get(name) != there.get(name):
            return f"{name or 'it'} is {there.get(name, 'missing')} there and {here.get(name, 'missing')} here"
    return other_weights(stage.state_dict(), other.state_dict())


def _types(stage: nn.Module) -> dict[str, str]:
    layers = ((name, layer) for name, layer in stage.named_modules() if isinstance(layer, TypedModule))
    return {name: f"{type(layer).__name__} {layer.in_type} -> {layer.out_type}" for name, layer in layers}
