"""Lifting by one call: a torch module whose author never thought of the other strand, made lawful."""

from collections.abc import Mapping
from inspect import Parameter, signature

from torch import Tensor, nn

from strandwise.errors import StrandLawError, did_you_mean
from strandwise.layers import Conjoined, PerStrand
from strandwise.strand import StrandType, declared_types

Types = StrandType | Mapping[str, StrandType]


class Declared(nn.Module):
    """A torch module of anybody's with the types of what it reads and gives, which are checked at every call.

    Args:
        module: the module, untouched inside.
        in_types: the type of its only input, or types by the names of the arguments of its `forward`.
        out_types: the type of the tensor it returns, or types by the keys of the dict it returns.

    Raises:
        StrandLawError: names that its `forward` does not have or leaves without a type; when called, tensors of
            other shapes or names than declared, or a result that is neither a tensor nor a dict.
    """

    def __init__(self, module: nn.Module, in_types: Types, out_types: Types) -> None:
        super().__init__()
        self.by_name, self.named = isinstance(in_types, Mapping), isinstance(out_types, Mapping)
        self.input_types = dict(in_types) if isinstance(in_types, Mapping) else {"input": in_types}
        self.output_types = dict(out_types) if isinstance(out_types, Mapping) else {"output": out_types}
        if not self.input_types or not self.output_types:
            raise StrandLawError(f"{type(module).__name__} needs the type of at least one input and one output.")
        if self.by_name:
            _check_names(module, self.input_types)
        self.module = module

    def forward(self, *inputs: Tensor, **named: Tensor) -> Tensor | dict[str, Tensor]:
        """Call the module with inputs in the order of `input_types`, or by name."""
        given = dict(zip(self.input_types, inputs, strict=False)) | named
        if not given:
            raise StrandLawError(f"{type(self.module).__name__} reads {', '.join(self.input_types)}: give them.")
        rows = len(next(iter(given.values())))
        for name, x in given.items():
            self._check("reads", name, x, self.input_types[name], rows)
        result = self.module(**given) if self.by_name else self.module(*given.values())
        for name, x in self._outputs(result).items():
            self._check("gives", name, x, self.output_types[name], rows)
        return result

    def _outputs(self, result: object) -> Mapping[str, Tensor]:
        who, known = type(self.module).__name__, ", ".join(self.output_types)
        if isinstance(result, Tensor):
            if self.named:
                raise StrandLawError(f"{who} gives one tensor, and out_types names {known}: give the type alone.")
            return {"output": result}
        if not isinstance(result, Mapping):
            kind = type(result).__name__
            raise StrandLawError(
                f"{who} gives a {kind}, whose parts have no names to hang a strand type on: wrap it in a module whose "
                "forward returns one tensor, or a dict such as {'profile': result[0]}, and give out_types by name."
            )
        if not self.named:
            names = ", ".join(f"'{name}': ..." for name in result)
            raise StrandLawError(f"{who} gives a dict: give out_types by name, as {{{names}}}.")
        if set(result) != set(self.output_types):
            raise StrandLawError(
                f"{who} gives {', '.join(map(str, result))}, and out_types names {known}: name each output once."
            )
        return result

    def _check(self, verb: str, name: str, x: object, kind: StrandType, rows: int) -> None:
        axes = "(batch, channels, positions)" if kind.positions else "(batch, channels)"
        dims = 3 if kind.positions else 2
        if not isinstance(x, Tensor) or x.ndim != dims or x.shape[0] != rows or x.shape[1] != kind.channels:
            found = f"of shape {tuple(x.shape)}" if isinstance(x, Tensor) else f"that is a {type(x).__name__}"
            raise StrandLawError(
                f"{type(self.module).__name__} {verb} '{name}' {found} for a batch of {rows} rows, and {kind} is "
                f"{axes} with {kind.channels} channels: reshape it, or declare the type it has."
            )


class Lifted(nn.Module):
    """A model averaged over both strands, with inputs and outputs as its author made them.

    Args:
        model: what reads one strand, and declares its types.
        named: whether it gives a dict rather than a tensor.
    """

    def __init__(self, model: nn.Module, named: bool) -> None:
        super().__init__()
        self.strands = Conjoined(model)
        self.input_types, self.output_types = self.strands.input_types, self.strands.output_types
        self.named = named

    def forward(self, *inputs: Tensor, **named: Tensor) -> Tensor | dict[str, Tensor]:
        """Return the mean over both strands: a tensor where the model gives one, else a dict."""
        result = self.strands(*inputs, **named)
        return result if self.named else result["output"]


def lift(module: nn.Module, in_types: Types | None = None, out_types: Types | None = None) -> Lifted | PerStrand:
    """Make any torch module treat both strands alike, by reading both with it.

    What becomes of the two answers follows from what the module gives:

    - tensors of lawful types, such as ``stranded(1)`` or ``unstranded(3).pooled()``: a whole model. The result
      takes and gives the same tensors, averaged over both strands.
    - ordinary features, ``plain(n)`` or ``plain(n).pooled()``: a part of a network. The result is a layer that
      keeps both answers, of type ``regular(n)``, for typed layers to follow (see `PerStrand`).

    Outputs are averaged on the scale the module gives them, so it should give logits. The law holds in eval
    mode for every module whose rows do not depend on each other, and in train mode for those that draw no
    random numbers; `torch.nn.Dropout` inside breaks it while training, and only then.

    >>> from torch import nn
    >>> from strandwise import dna, plain, unstranded
    >>> trunk = lift(nn.Conv1d(4, 8, 5), dna(), plain(8))
    >>> trunk.out_type
    regular(8)
    >>> model = lift(nn.Sequential(nn.Flatten(), nn.Linear(4 * 50, 1)), dna(), unstranded(1).pooled())

    Args:
        module: any `torch.nn.Module`; it is held, not copied.
        in_types: the type of its input ``(batch, channels, positions)``, or types by the argument names of its
            `forward` where it has several (a control track is ``stranded(1)``, a cell type
            ``unstranded(k).pooled()``). Those it declares if not given.
        out_types: the type of the tensor it returns, or types by the keys of the dict it returns. Those it
            declares if not given.

    Raises:
        StrandLawError: inputs without a law, features among several inputs or outputs, names that do not match;
            when called, tensors that do not have the declared shapes.
    """
    if in_types is None or out_types is None:
        if in_types is not None or out_types is not None:
            raise StrandLawError("give both in_types and out_types, or neither for a module that declares its own.")
        return _lift_declared(module)
    model = Declared(module, in_types, out_types)
    features = [kind for kind in model.output_types.values() if not kind.lawful]
    if not features:
        return Lifted(model, model.named)
    if model.named or len(model.input_types) > 1:
        raise StrandLawError(
            f"{type(module).__name__} gives {features[0]}, ordinary features, which are lifted from one input to one "
            "tensor: join inputs along channels (their type is dna() + stranded(1), say), or lift the whole model."
        )
    (kind,), (in_type,) = features, model.input_types.values()
    return PerStrand(model, in_type, out_channels=kind.channels, pooled=not kind.positions)


def _lift_declared(module: nn.Module) -> Lifted | PerStrand:
    inputs, outputs = declared_types(module)
    if hasattr(module, "input_types"):
        return Lifted(module, named=True)
    if outputs["output"].lawful:
        return Lifted(module, named=False)
    return PerStrand(module, inputs["input"])


def _check_names(module: nn.Module, names: Mapping[str, StrandType]) -> None:
    parameters = signature(module.forward).parameters.values()
    if any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters):
        return
    named = [p for p in parameters if p.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)]
    known, who = [p.name for p in named], type(module).__name__
    for name in names:
        if name not in known:
            raise StrandLawError(
                f"in_types names '{name}', and the forward of {who} takes {', '.join(known)}"
                f"{did_you_mean(name, known)}: use its names."
            )
    for parameter in named:
        if parameter.name not in names and parameter.default is Parameter.empty:
            raise StrandLawError(
                f"the forward of {who} needs '{parameter.name}', and in_types does not say how it turns: give its "
                "type, unstranded(k) for what is the same from either strand."
            )
