"""Wrappers that make any module lawful: read both strands, then keep both answers or merge them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers.dropout import shared_masks
from strandwise.layers.head import LINKS, Head
from strandwise.layers.typed import TypedModule, freeze
from strandwise.strand import StrandType, declared_types, mirror, plain, regular, revcomp


class PerStrand(TypedModule):
    """Lift an ordinary module: run it on both strands and keep both answers, as type `regular(n)`.

    ``y = cat([g(x), mirror(g(revcomp(x)))])``, computed in one pass over twice the rows, so that batch
    statistics pool over both strands. Any module is lawful when lifted: its asymmetric padding, cropping or
    pooling is mirrored in the second half. With a single convolution inside this equals the tied convolution;
    with several layers inside it is the hybrid of Zhou et al. 2022. `Dropout` and `ChannelDropout` inside forget
    the same on both strands; other modules that draw random numbers are lawful in eval mode only.

    Args:
        module: g, from the channels of `in_type` to n plain channels.
        in_type: a lawful type; g reads all its channels.
        out_channels: n, where the module does not say it by an `out_type`.
        pooled: whether the module gives ``(batch, n)``, where it does not say it.
    """

    def __init__(
        self,
        module: nn.Module,
        in_type: StrandType,
        *,
        out_channels: int | None = None,
        pooled: bool = False,
    ) -> None:
        if not in_type.lawful:
            raise StrandLawError(f"{in_type} follows no law, so there is no other strand to read: lift from dna().")
        inner = getattr(module, "out_type", None) or (plain(out_channels) if out_channels else None)
        if inner is None:
            raise StrandLawError(
                f"{type(module).__name__} declares no out_type: give out_channels, the channels it returns."
            )
        if inner.lawful:
            raise StrandLawError(f"{type(module).__name__} gives {inner}, which is lawful already: do not lift it.")
        if pooled or not inner.positions:
            inner = inner.pooled()
        out_type = regular(inner.channels)
        super().__init__(in_type, out_type if inner.positions else out_type.pooled())
        self.module = module
        n = inner.channels
        self._mirror = mirror(n) if inner.positions else mirror(n).pooled()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channels, positions)`` to ``(batch, 2n[, positions])``."""
        with shared_masks(self.module):
            both = self.module(torch.cat([x, revcomp(x, self.in_type)]))
        forward, reverse = _strands(both)
        return torch.cat([forward, revcomp(reverse, self._mirror)], dim=1)

    def out_length(self, length: int) -> int:
        """Return what the module inside makes of `length`."""
        if not isinstance(self.module, TypedModule):
            raise StrandLawError(f"{type(self.module).__name__} does not say how it changes lengths.")
        return self.module.out_length(length)

    def frozen(self) -> nn.Module:
        """Return the same wrapper around the frozen module."""
        pooled = not self.out_type.positions
        n = self.out_type.channels // 2
        return PerStrand(freeze(self.module), self.in_type, out_channels=n, pooled=pooled)


@dataclass(frozen=True)
class Merge:
    """How the answers of both strands become one.

    Attributes:
        how: their mean, or their maximum.
        after_link: merge what people read (FactorNet averages probabilities) rather than logits.
    """

    how: Literal["mean", "max"] = "mean"
    after_link: bool = False

    def __post_init__(self) -> None:
        if self.how not in ("mean", "max"):
            raise StrandLawError(f"answers are merged by 'mean' or 'max', not '{self.how}'.")
        if self.how == "max" and self.after_link:
            raise StrandLawError(
                "the maximum after a link that rises is the maximum before it: merge by 'max' before the link."
            )

    def keeps_sign(self, link: str) -> bool:
        """Return whether merging minus two answers gives minus their merge."""
        return self.how == "mean" and (not self.after_link or link in ("identity", "logistic"))

    def __call__(self, a: Tensor, b: Tensor, link: str) -> Tensor:
        """Return the logits of both, given the link that follows them."""
        if self.how == "max":
            return torch.maximum(a, b)
        return LINKS[link].mean(a, b) if self.after_link else (a + b) / 2


class Conjoined(nn.Module):
    """Merge what a model says of both strands, head by head.

    The conjoined ("siamese") network of Zhou et al. 2022 when trained so; their post-hoc conjoined network
    when put around a trained model, also one that others trained. ``y = (f(x) + revcomp(f(revcomp(x)))) / 2``
    by default, in one pass over twice the rows.

    Args:
        model: any module that declares `input_types` and `output_types` (dicts by name; its positional
            arguments are in the order of `input_types`, its result a dict), or `in_type` and `out_type`.
        merge: mean or maximum, before the link or after it.
        links: the link of each output, for a merge after it; those of the model's `heads` if not given.

    Raises:
        StrandLawError: the model declares no types, types without a law, or no links where they are needed.
    """

    def __init__(self, model: nn.Module, merge: Merge | None = None, *, links: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.input_types, self.output_types = declared_types(model)
        for name, kind in [*self.input_types.items(), *self.output_types.items()]:
            if not kind.lawful:
                raise StrandLawError(
                    f"'{name}' is {kind}, which follows no law: a model can be conjoined only where its inputs "
                    "and outputs say how they look from the other strand."
                )
        self.model = model
        self.merge = merge or Merge()
        heads: Iterable[Head] = getattr(model, "heads", ())
        self.links = dict(links) if links is not None else {head.name: head.link for head in heads}
        for name, kind in self.output_types.items():
            if min(kind.sign) < 0 and not self.merge.keeps_sign(self.links.get(name, "identity")):
                raise StrandLawError(
                    f"'{name}' is {kind}, whose sign flips, and {self.merge} does not keep the law for it: merge such "
                    "outputs by the mean before the link."
                )
        missing = [name for name in self.output_types if name not in self.links]
        if self.merge.after_link and missing:
            raise StrandLawError(
                f"{type(model).__name__} does not say the link of '{missing[0]}': give links={{'{missing[0]}': ...}}, "
                f"one of {', '.join(LINKS)}, or merge before the link."
            )

    def forward(self, *inputs: Tensor, **named: Tensor) -> dict[str, Tensor]:
        """Return each output merged over both strands, on the scale the model gives it (logits)."""
        if len(inputs) > len(self.input_types) or not set(named) <= set(self.input_types):
            known = ", ".join(self.input_types)
            raise StrandLawError(f"{type(self.model).__name__} declares the inputs {known}: give those, in that order.")
        given = dict(zip(self.input_types, inputs, strict=False)) | named
        both = [torch.cat([x, revcomp(x, self.input_types[name])]) for name, x in given.items()]
        with shared_masks(self.model):
            result = self.model(**dict(zip(given, both, strict=True))) if named else self.model(*both)
        if not isinstance(result, Mapping):
            result = {"output": result}
        merged = {}
        for name, value in result.items():
            if name not in self.output_types:
                raise StrandLawError(
                    f"{type(self.model).__name__} gives '{name}', and its output_types do not say how it turns: add it."
                )
            forward, reverse = _strands(value)
            merged[name] = self.merge(
                forward, revcomp(reverse, self.output_types[name]), self.links.get(name, "identity")
            )
        return merged


def _strands(both: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two halves of a batch; not by `chunk`, which `torch.export` ties to one size of batch."""
    forward, reverse = both.unflatten(0, (2, -1)).unbind(0)
    return forward, reverse
