"""Fine-tuning: the stages of a new network begin with the weights of a trained run, and some of them keep these."""

from typing import Any

from torch import nn

from strandwise.errors import ConfigError
from strandwise.experiment.config import Experiment
from strandwise.experiment.records import other_weights
from strandwise.experiment.run import WEIGHTS, Run
from strandwise.files import sha256
from strandwise.layers import TypedModule
from strandwise.models import SequenceModel, WithBias


def take_over(network: SequenceModel | WithBias, experiment: Experiment) -> dict[str, Any]:
    """Give the stages of an untrained network the weights of the run of `model.init`, and hold those of `model.freeze`.

    The heads stay as they were drawn. Nothing is done where the config names no run.

    Args:
        network: as `new_network` makes it; changed in place.
        experiment: its config.

    Returns:
        What provenance should say of it.

    Raises:
        RunError: no such run, or a damaged one.
        ConfigError: a run whose stages are others, of other sizes, or of other strand types.
    """
    init = experiment.model.init
    if init is None:
        return {}
    run = Run.open(init)
    target, source = (_inner(each).stages for each in (network, run.network))
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
    for name, stage in target.items():
        stage.load_state_dict(source[name].state_dict())
    _inner(network).hold(experiment.model.freeze)
    return {"began_with": {"run": str(init), "sha256": sha256(run.path / WEIGHTS)}}


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
