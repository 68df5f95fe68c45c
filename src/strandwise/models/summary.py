"""What a network of an architecture is like before any data are there: its size, its reach, its memory, its types."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from strandwise.errors import ConfigError, StrandwiseError
from strandwise.files import progress
from strandwise.layers import Conjoined, Head, Stack, binary_head, dense_head, profile_heads
from strandwise.models import MODELS, architecture_named
from strandwise.models.architecture import Answer, Architecture, Bins
from strandwise.models.assembly import SequenceModel, assemble
from strandwise.models.strategies import StrandSettings
from strandwise.schema import explain
from strandwise.strand import StrandType, dna, stranded

_BATCHES = (2, 3)


@dataclass(frozen=True)
class ModelSummary:
    """A network in numbers.

    Attributes:
        input_bp: length of the DNA that it reads.
        answers: what networks of its architecture can say of a window; the numbers are of one that says the first.
        parameters: numbers that are learned.
        receptive_bp: bases on which the middle position depends, in the last features that have positions.
        activation_bytes: what training keeps of each window, in single precision, until gradients are known.
        features: strand type of the last features.
        heads: strand types of what is predicted.
    """

    input_bp: int
    answers: tuple[Answer, ...]
    parameters: int
    receptive_bp: int
    activation_bytes: int
    features: StrandType
    heads: tuple[StrandType, ...]

    def row(self, name: str) -> dict[str, object]:
        """Return a row of a table for people."""
        return {
            "model": name,
            "answers": ", ".join(self.answers),
            "input bp": self.input_bp,
            "parameters": self.parameters,
            "reach bp": self.receptive_bp,
            "MB/window": f"{self.activation_bytes / 1e6:,.3g}",
            "features": str(self.features),
            "head": str(self.heads[0]),
        }


def summarize(
    architecture: Architecture, input_bp: int | None = None, strand: StrandSettings | None = None
) -> ModelSummary:
    """Return what a network of an architecture is like, for one track.

    Args:
        architecture: with its options.
        input_bp: length of the DNA that it reads; the architecture's usual length if not given.
        strand: the strategy; that of a config without a `[strand]` table if not given.

    Raises:
        StrandwiseError: a length that the architecture cannot read.
    """
    strand = strand or StrandSettings()
    input_bp = input_bp or architecture.usual_bp
    width = architecture.usual_bin_bp
    bins = None if width is None else Bins(input_bp // width, width)
    heads = _heads(architecture.answers[0])
    with torch.random.fork_rng(devices=[]):
        network = assemble(architecture, heads, input_bp, strand, bins=bins)
        reader = Conjoined(network, strand.answers) if strand.rules.conjoin_in_training else network
        memory = _activation_bytes(reader, input_bp)
        reach = reach_bp(network)
    return ModelSummary(
        input_bp,
        architecture.answers,
        sum(weight.numel() for weight in network.parameters() if weight.requires_grad),
        reach,
        memory,
        dna() if network.trunk is None else network.trunk.out_type,
        tuple(network.output_types.values()),
    )


def list_models(
    names: Sequence[str] = (), input_bp: int | None = None, strategy: str | None = None
) -> list[tuple[str, ModelSummary | str]]:
    """Return what networks of named architectures are like, with their own options, or why there can be none.

    Args:
        names: built-in ones, or package.module:Class; every built-in one if none is given.
        input_bp: length of the DNA; of each its usual length if not given.
        strategy: one of `STRATEGIES`; that of a config without a `[strand]` table if not given.

    Raises:
        ConfigError: an architecture or a strategy that there is not.
    """
    try:
        strand = StrandSettings() if strategy is None else StrandSettings(strategy=strategy)
    except ValidationError as error:
        raise ConfigError(f"{explain(error, StrandSettings)}.") from None
    try:
        kinds = [(name, architecture_named(name)) for name in names or MODELS]
    except ConfigError as error:
        raise ConfigError(f"{error}.") from error
    found: list[tuple[str, ModelSummary | str]] = []
    for name, kind in progress(kinds, "building models", len(kinds)):
        try:
            found.append((name, summarize(kind(kind.Options()), input_bp, strand)))
        except StrandwiseError as error:
            found.append((name, str(error)))
    return found


def _heads(answer: Answer) -> Sequence[Head]:
    if answer == "profile":
        return profile_heads(("plus", "minus"), stranded(1))
    return [(dense_head if answer == "bins" else binary_head)(("track",))]


def _activation_bytes(model: nn.Module, input_bp: int) -> int:
    """Return the bytes that training keeps for each window, once gradients are asked for.

    It is the difference between two sizes of batch, so that weights, which are there once, do not count.
    """
    few, many = (_kept(model, torch.zeros(rows, 4, input_bp)) for rows in _BATCHES)
    return (many - few) // (_BATCHES[1] - _BATCHES[0])


def _kept(model: nn.Module, x: Tensor) -> int:
    storages: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        # Held on to, so that no other tensor takes its place in memory.
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage
        return tensor

    with torch.enable_grad(), saved_tensors_hooks(keep, lambda tensor: tensor):
        said = model.train()(x.requires_grad_())
    del said
    return sum(storage.nbytes() for storage in storages.values())


def reach_bp(network: SequenceModel) -> int:
    """Return on how many bases the middle position depends, in the last features that have positions.

    What is not a number stays so wherever it enters, whatever the weights: the reach is found by blotting out
    the window from either end, and asking whether the middle position is blotted out too.
    """
    trunk = _with_positions(network)
    if trunk is None:
        return network.input_bp
    length = network.input_bp

    def blotted(start: int, end: int) -> bool:
        x = torch.zeros(1, 4, length)
        x[..., start:end] = torch.nan
        features = trunk(x)
        return bool(features[..., (features.shape[-1] - 1) // 2].isnan().any())

    was = trunk.training
    with torch.no_grad():
        trunk.eval()
        first = _smallest(length, lambda end: blotted(0, end)) - 1
        last = length - _smallest(length, lambda rest: blotted(length - rest, length))
        trunk.train(was)
    return last - first + 1


def _with_positions(network: SequenceModel) -> nn.Module | None:
    """Return the stages of a network up to the last one whose features have positions."""
    layers = [] if network.trunk is None else list(network.trunk.layers)
    while layers and not layers[-1].out_type.positions:  # pyright: ignore[reportAttributeAccessIssue]
        layers.pop()
    return Stack(*layers) if layers else None  # pyright: ignore[reportArgumentType]


def _smallest(most: int, holds: Callable[[int], bool]) -> int:
    """Return the smallest number from 1 to `most` for which something holds that holds for all larger ones."""
    if holds(1):
        return 1
    low, high = 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
