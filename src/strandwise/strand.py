"""How a tensor looks when the same locus is read from the other strand.

A `StrandType` is a small value: for each channel its partner on the other strand, a sign, and whether
the last axis runs along the DNA and so reverses. Types sit on modules and heads, never on tensors.
`revcomp(x, type)` is the only code in the package that turns a tensor to the other strand.

The law that every typed module ``f`` obeys is
``f(revcomp(x, in_type)) == revcomp(f(x), out_type)``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import cast

import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError


@dataclass(frozen=True)
class StrandType:
    """How channels change under reverse complement: an involution with signs, and positions or none.

    Attributes:
        partner: for each channel, the channel it becomes; its own inverse.
        sign: for each channel, +1 or -1; partners share a sign.
        positions: whether the last axis is position along the DNA, which reverses.
        lawful: False for `plain` features, whose channels follow no law.
        name: how the type was written, for people; not part of its identity.
    """

    partner: tuple[int, ...]
    sign: tuple[int, ...]
    positions: bool = True
    lawful: bool = True
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        n = len(self.partner)
        if n == 0:
            raise StrandLawError("a StrandType needs at least one channel; give a count of 1 or more.")
        if len(self.sign) != n:
            raise StrandLawError(f"{n} partners but {len(self.sign)} signs: give one sign for each channel.")
        for channel, other in enumerate(self.partner):
            if not 0 <= other < n or self.partner[other] != channel:
                raise StrandLawError(
                    f"channel {channel} has partner {other}, which is not its own inverse: "
                    "the partner of a channel's partner must be the channel itself."
                )
            if self.sign[channel] not in (1, -1) or self.sign[channel] != self.sign[other]:
                raise StrandLawError(
                    f"channels {channel} and {other} have signs {self.sign[channel]} and {self.sign[other]}: "
                    "partners must share a sign, +1 or -1."
                )

    @property
    def channels(self) -> int:
        """The number of channels."""
        return len(self.partner)

    @property
    def mirrored(self) -> bool:
        """Whether reverse complement is channel order reversed, as in `dna` and `regular`."""
        return self.lawful and self.partner == tuple(range(self.channels))[::-1] and min(self.sign) == 1

    def pooled(self) -> "StrandType":
        """Return the same channels without a position axis: counts, scalar labels, metadata."""
        if not self.positions:
            return self
        inner = f"({self.name})" if " + " in self.name else self.name
        return replace(self, positions=False, name=f"{inner}.pooled()" if self.name else "")

    def __add__(self, other: "StrandType") -> "StrandType":
        """Return the direct sum: this type's channels, then the other's."""
        if self.positions != other.positions:
            raise StrandLawError(f"{self} has positions and {other} has none (or the reverse): pool both, or neither.")
        shifted = tuple(channel + self.channels for channel in other.partner)
        return StrandType(
            self.partner + shifted,
            self.sign + other.sign,
            self.positions,
            self.lawful and other.lawful,
            f"{self} + {other}",
        )

    def __str__(self) -> str:
        if self.name:
            return self.name
        pairs = sum(channel < other for channel, other in enumerate(self.partner))
        parts = [f"{pairs} pairs"] if pairs else []
        for sign, word in ((1, "fixed"), (-1, "odd")):
            count = sum(c == p and s == sign for c, (p, s) in enumerate(zip(self.partner, self.sign, strict=True)))
            parts += [f"{count} {word}"] if count else []
        return f"StrandType({' + '.join(parts)}, {'positions' if self.positions else 'no positions'})"

    __repr__ = __str__


def _identity(n: int) -> tuple[int, ...]:
    return tuple(range(n))


def _named(kind: str, partner: tuple[int, ...], sign: int = 1, lawful: bool = True, n: int = 0) -> StrandType:
    return StrandType(partner, (sign,) * len(partner), True, lawful, f"{kind}({n or ''})")


def _count(n: int, kind: str) -> int:
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise StrandLawError(f"{kind}({n!r}): the count must be a whole number of 1 or more.")
    return n


def dna() -> StrandType:
    """Return the type of one-hot DNA, channels A, C, G, T: A<->T, C<->G, positions reverse."""
    return _named("dna", (3, 2, 1, 0))


def regular(n: int) -> StrandType:
    """Return the type of n filters read on both strands, 2n channels: channel c <-> 2n-1-c.

    The order is that of Shrikumar et al. 2017: the first n channels are the filters, the last n their
    reverse complements, backwards.
    """
    return _named("regular", _identity(2 * _count(n, "regular"))[::-1], n=n)


def mirror(n: int) -> StrandType:
    """Return the type of n channels in reversed order: how the filters of `regular` stand to their complements."""
    return _named("mirror", _identity(_count(n, "mirror"))[::-1], n=n)


def stranded(n: int) -> StrandType:
    """Return the type of n stranded signals, 2n channels ``[+, -, +, -, ...]``: each pair swaps."""
    partner = tuple(channel ^ 1 for channel in range(2 * _count(n, "stranded")))
    return _named("stranded", partner, n=n)


def unstranded(n: int) -> StrandType:
    """Return the type of n signals without a strand: channels stay, positions reverse."""
    return _named("unstranded", _identity(_count(n, "unstranded")), n=n)


def odd(n: int) -> StrandType:
    """Return the type of n strand asymmetries: each changes sign (type "b" of Mallet & Vert 2021)."""
    return _named("odd", _identity(_count(n, "odd")), sign=-1, n=n)


def plain(n: int) -> StrandType:
    """Return the type of n ordinary hidden features, which follow no law: `revcomp` refuses them."""
    return _named("plain", _identity(_count(n, "plain")), lawful=False, n=n)


def revcomp(x: Tensor, strand_type: StrandType) -> Tensor:
    """Return what `x` would be, had the same locus been read from the other strand.

    Args:
        x: ``(..., channels, positions)``, or ``(..., channels)`` for a pooled type.
        strand_type: how the channels of `x` change.

    Raises:
        StrandLawError: the type is plain, or `x` does not have its channels.
    """
    if not strand_type.lawful:
        raise StrandLawError(
            f"{strand_type} features follow no reverse-complement law, so there is nothing to turn: "
            "give the module a lawful type, such as regular(n), or wrap it in PerStrand or Conjoined."
        )
    axis = x.ndim - (2 if strand_type.positions else 1)
    if axis < 0 or x.shape[axis] != strand_type.channels:
        raise StrandLawError(
            f"a tensor of shape {tuple(x.shape)} is not of type {strand_type}: expected "
            f"{strand_type.channels} channels on axis {'-2' if strand_type.positions else '-1'}."
        )
    along = (x.ndim - 1,) if strand_type.positions else ()
    if strand_type.mirrored:
        return x.flip(axis, *along)
    if strand_type.partner != _identity(strand_type.channels):
        x = x.index_select(axis, torch.tensor(strand_type.partner, device=x.device))
    if min(strand_type.sign) < 0:
        shape = (strand_type.channels, 1) if strand_type.positions else (strand_type.channels,)
        x = x * torch.tensor(strand_type.sign, dtype=x.dtype, device=x.device).view(shape)
    return x.flip(along) if along else x


def strand_deviation(forward: Tensor, reverse: Tensor, out_type: StrandType) -> float:
    """Return how far two strands disagree: max|d| / (1 + max|f|), 0 for a lawful model.

    Args:
        forward: f(x), on the scale before the link (logits).
        reverse: f(revcomp(x)), as the model gave it.
        out_type: how the output should have changed.
    """
    if forward.numel() == 0:
        return 0.0
    difference = (revcomp(reverse, out_type) - forward).abs().max()
    return float(difference / (1 + forward.abs().max()))


Sides = tuple[Mapping[str, StrandType], Mapping[str, StrandType]]


def declared_types(module: nn.Module) -> Sides:
    """Return the types a module declares for its inputs and outputs, by name.

    Raises:
        StrandLawError: it declares none.
    """
    if hasattr(module, "input_types") and hasattr(module, "output_types"):
        inputs, outputs = cast("Sides", (module.input_types, module.output_types))
        return dict(inputs), dict(outputs)
    if hasattr(module, "in_type") and hasattr(module, "out_type"):
        inside, outside = cast("tuple[StrandType, StrandType]", (module.in_type, module.out_type))
        return {"input": inside}, {"output": outside}
    raise StrandLawError(
        f"{type(module).__name__} declares no strand types: set in_type and out_type, "
        "or input_types and output_types (dicts by name)."
    )
