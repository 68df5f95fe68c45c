"""Where in a network the strand law breaks: each typed layer's output on sequences and on their other strand."""

import copy
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers import Conjoined, PerStrand
from strandwise.strand import StrandType, declared_types, revcomp, strand_deviation

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-10}
"""How far outputs may deviate by rounding alone."""

UNITS = (Conjoined, PerStrand)
"""Wrappers judged as one: what they hold follows no law on purpose."""


@dataclass(frozen=True)
class LayerSymmetry:
    """How well one output of one layer follows its type.

    Attributes:
        name: the layer's place, as `torch.nn.Module.get_submodule` takes it; empty for the network itself.
        layer: the name of its class.
        output: which of its outputs, where it names them.
        type: how the output ought to turn.
        deviation: max|d| / (1 + max|f|) between the output and what the other strand gives; None for a plain
            type, which follows no law.
    """

    name: str
    layer: str
    output: str
    type: StrandType
    deviation: float | None

    @property
    def place(self) -> str:
        """The layer's place for people, with the output where there may be several."""
        return f"{self.name or 'network'}{f', output {self.output}' if self.output else ''}"

    def keeps_law(self, tolerance: float) -> bool:
        """Whether the output has a law and deviates from it by no more than `tolerance`."""
        return self.deviation is not None and self.deviation <= tolerance


def trace_symmetry(
    module: nn.Module, inputs: Tensor | Mapping[str, Tensor], *, units: tuple[type[nn.Module], ...] = UNITS
) -> list[LayerSymmetry]:
    """Return how well every typed layer of a network follows the strand law, in the order in which they run.

    A layer is typed if it declares `in_type` and `out_type`, or `input_types` and `output_types`; other
    modules are looked into, and what they do shows in the next typed layer. An output handed on unchanged, as
    by a `Stack`, is listed once. A copy runs in eval mode, in one pass over each input and its other strand, so
    rows must not mix.

    Args:
        module: a network that declares its own types; its positional arguments are in the order of its inputs.
        inputs: a batch for each input, by name, or the one input ``(batch, channels[, positions])``.
        units: classes whose inside is left alone.

    Raises:
        StrandLawError: the network declares no types, an input is missing, or an output is not of its type.
    """
    records: list[LayerSymmetry] = []
    listed: list[tuple[weakref.ref[Tensor], int, StrandType]] = []

    def watch(name: str, layer: nn.Module, types: Mapping[str, StrandType]) -> None:
        def look(_module: nn.Module, _arguments: Any, result: Any) -> None:
            for output, value in _named_outputs(name, layer, result, types):
                kind, version = types[output], value._version
                if any(known() is value and rest == [version, kind] for known, *rest in listed):
                    continue
                listed.append((weakref.ref(value), version, kind))
                shown = "" if output == "output" else output
                records.append(
                    LayerSymmetry(name, type(layer).__name__, shown, kind, _deviation(name, layer, value, kind))
                )

        layer.register_forward_hook(look)

    # Versions tell a tensor that a layer changed in place from one handed on; inference mode keeps none.
    with torch.inference_mode(False), torch.no_grad():
        watched = copy.deepcopy(module).eval()
        both = _both_strands(module, inputs)
        for name, layer, types in _typed_layers(watched, units):
            watch(name, layer, types)
        watched(*both)
    return records


def first_break(records: Iterable[LayerSymmetry], tolerance: float) -> LayerSymmetry | None:
    """Return the first output that follows no law, or deviates from it by more than `tolerance`."""
    return next((record for record in records if not record.keeps_law(tolerance)), None)


def _both_strands(module: nn.Module, inputs: Tensor | Mapping[str, Tensor]) -> list[Tensor]:
    """Return each input with its other strand below it, in the order in which the network takes them."""
    types = declared_types(module)[0]
    given = {next(iter(types)): inputs} if isinstance(inputs, Tensor) else inputs
    if set(given) != set(types):
        raise StrandLawError(
            f"{type(module).__name__} reads {', '.join(types)}, and was given {', '.join(given) or 'nothing'}: "
            "give one batch for each."
        )
    return [torch.cat([given[name], revcomp(given[name], kind)]) for name, kind in types.items()]


def _typed_layers(
    module: nn.Module, units: tuple[type[nn.Module], ...], name: str = "", met: set[nn.Module] | None = None
) -> Iterator[tuple[str, nn.Module, Mapping[str, StrandType]]]:
    met = set() if met is None else met
    if module in met:
        return
    met.add(module)
    types = _output_types(module)
    if types is not None:
        yield name, module, types
    if isinstance(module, units):
        return
    for child_name, child in module.named_children():
        yield from _typed_layers(child, units, f"{name}.{child_name}" if name else child_name, met)


def _output_types(module: nn.Module) -> Mapping[str, StrandType] | None:
    try:
        return declared_types(module)[1]
    except StrandLawError:
        return None


def _named_outputs(
    name: str, layer: nn.Module, result: Any, types: Mapping[str, StrandType]
) -> Iterator[tuple[str, Tensor]]:
    found = result if isinstance(result, Mapping) else {next(iter(types)): result}
    for output in types:
        if not isinstance(found.get(output), Tensor):
            raise StrandLawError(
                f"{name or 'the network'} ({type(layer).__name__}) declares the output '{output}' and does not give "
                "it as a tensor: return one tensor, or a dict of tensors by the names in output_types."
            )
        yield output, found[output]


def _deviation(name: str, layer: nn.Module, value: Tensor, kind: StrandType) -> float | None:
    if not kind.lawful:
        return None
    if len(value) % 2:
        raise StrandLawError(
            f"{name or 'the network'} ({type(layer).__name__}) gives {len(value)} rows for an even number of "
            "sequences: put the batch on the first axis."
        )
    try:
        forward, reverse = value.chunk(2)
        return strand_deviation(forward, reverse, kind)
    except StrandLawError as error:
        raise StrandLawError(f"{name or 'the network'} ({type(layer).__name__}): {error}") from None
