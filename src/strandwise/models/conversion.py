"""From a network averaged over both strands to one on shared weights with the same predictions.

Zhou et al. 2022 prove that reverse-complement parameter sharing can represent whatever a conjoined network
has learned; this is that proof as code. Of the 2n channels of each hidden layer, the first n carry what the
ordinary network makes of the given strand and the last n what it makes of the other one. No weight leads
from one half to the other, and the readout takes the mean of the two halves.
"""

from collections.abc import Iterable
from functools import partial

import torch
from torch import nn

from strandwise.errors import StrandLawError
from strandwise.layers import (
    Branches,
    Conjoined,
    DilatedBlock,
    Features,
    Merge,
    PerStrand,
    Residual,
    Stack,
    SumChannels,
    TypedModule,
)
from strandwise.layers.typed import after
from strandwise.models.assembly import Readouts, SequenceModel, Tail
from strandwise.models.twins import same_sum, twin_of
from strandwise.strand import dna


def as_rcps(network: SequenceModel | Conjoined) -> SequenceModel:
    """Return the network on shared weights that predicts what a network predicts averaged over both strands.

    Predictions agree with ``Conjoined(network)`` in eval mode and, batch statistics included and dropout aside,
    in train mode; they part once trained on, since the new network may learn weights between the strands. A
    network that obeys the law already (hybrid, rcps) keeps its predictions; lifted groups become layers of their own.

    The result of one of our architectures is the one that `assemble` builds for strategy `rcps`, with
    ``readout="dense"`` where the ordinary network had a dense readout, so its weights can be loaded there. Its
    convolutions have up to twice the weights, and take up to twice the work of the conjoined network.

    Args:
        network: of any strategy, or conjoined (by the mean of logits); it is left as it is.

    Raises:
        StrandLawError: a layer that shared weights cannot imitate, named with its place, or another merge.
    """
    model = network.model if isinstance(network, Conjoined) else network
    if isinstance(network, Conjoined) and network.merge != Merge():
        raise StrandLawError(
            "only the mean of two strands' logits can be had from shared weights, and this network merges them by "
            f"{network.merge}: conjoin it without a merge."
        )
    if not isinstance(model, SequenceModel):
        raise StrandLawError(f"as_rcps takes a SequenceModel, conjoined or not, and got {type(model).__name__}.")
    if "control" in model.input_types:
        raise StrandLawError("as_rcps converts networks that read DNA alone, and this one reads control tracks.")
    # New layers draw first weights, which are overwritten: the caller's random stream stays untouched.
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        features = Features(dna(), model.input_bp)
        layers = [] if model.trunk is None else _walk(model.trunk.layers, features, "trunk.layers")
        top, place = model.top, "top"
        if isinstance(top, Conjoined) and isinstance(top.model, Tail) and top.merge == Merge():
            layers += _walk(top.model.stages.layers, after(features, layers), "top.model.stages.layers")
            top, place = top.model.readouts, "top.model.readouts"
        if type(top) is not Readouts:
            raise StrandLawError(f"{place} is {type(top).__name__}, and only readouts by head can be converted.")
        features = after(features, layers)
        readouts = {name: _twin(layer, features, f"{place}.layers.{name}") for name, layer in top.layers.items()}
        trunk = Stack(*layers) if layers else None
        twin = SequenceModel(
            trunk, Readouts(model.heads, readouts, features.type, scale=top.scale), model.heads, model.input_bp
        )
    return twin.to(next(model.parameters()).device).train(model.training)


def _walk(layers: Iterable[nn.Module], features: Features, place: str) -> list[TypedModule]:
    """Return the twins of layers that follow each other; a lifted group gives several."""
    twins: list[TypedModule] = []
    for number, layer in enumerate(layers):
        here = f"{place}.{number}"
        if type(layer) is PerStrand and type(layer.module) is Stack:
            twins += _walk(layer.module.layers, after(features, twins), f"{here}.module.layers")
        elif type(layer) is SumChannels and twins and (total := same_sum(layer, twins[-1])):
            twins.append(total)
        else:
            twins.append(_twin(layer, after(features, twins), here))
    return twins


def _twin(layer: nn.Module, features: Features, place: str) -> TypedModule:
    if type(layer) is PerStrand:
        return _twin(layer.module, features, f"{place}.module")
    if type(layer) is Stack:
        return Stack(*_walk(layer.layers, features, f"{place}.layers"))
    if type(layer) is Branches:
        return Branches(*(_twin(each, features, f"{place}.layers.{n}") for n, each in enumerate(layer.layers)))
    if type(layer) in (Residual, DilatedBlock):
        assert isinstance(layer, Residual)  # noqa: S101
        inner = _twin(layer.inner, features, f"{place}.inner")
        make = partial(Residual, inner, average=layer.average, in_length=layer.in_length)
    else:
        make = partial(twin_of, layer, features.length)
    try:
        twin = make()
    except StrandLawError as error:
        raise StrandLawError(f"{place} ({type(layer).__name__}): {error}") from None
    if twin.in_type != features.type:
        raise StrandLawError(
            f"{place} ({type(layer).__name__}) reads {twin.in_type} on shared weights, and {features.type} comes in: "
            "give the layer the type of what it reads, also where it is lifted."
        )
    return twin
