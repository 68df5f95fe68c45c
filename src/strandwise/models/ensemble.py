"""Several trained networks asked as one: the mean of what they say."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field, field_validator
from torch import Tensor, nn

from strandwise.errors import InputError, StrandLawError
from strandwise.layers import Conjoined, Head, Merge
from strandwise.layers.head import LINKS, mean_of
from strandwise.models.assembly import SequenceModel
from strandwise.models.bias import WithBias
from strandwise.schema import Settings
from strandwise.strand import StrandType

Scale = Literal["predictions", "logits"]


class EnsembleSettings(Settings):
    """The `[ensemble]` table of a config: the runs whose answers are averaged."""

    members: tuple[str, ...] = Field(
        min_length=2,
        description="names of the runs it is made of, whose copies lie in members/0, members/1 and so on; "
        "`strandwise ensemble` writes it, and the other tables are those of one of them",
    )
    on: Scale = Field(
        default="predictions",
        description="average what people read (probabilities, counts, shapes of profiles), or the 'logits' before",
    )

    @field_validator("members")
    @classmethod
    def _names(cls, members: tuple[str, ...]) -> tuple[str, ...]:
        odd = [name for name in members if not name.isprintable()]
        if odd:
            raise ValueError(f"members holds {odd[0]!r}, which cannot be printed")
        return members


class Ensemble(nn.Module):
    """Average what several networks say of a window, each asked in its own way.

    The mean of predictions is returned as the logits that give it, so that metrics and files need not know of it. The
    strand law holds where every member obeys it, since one permutation turns them all.

    Args:
        members: two networks or more, conjoined or not, with the same heads and inputs; those that read shorter
            windows read the middle.
        on: average what people read, or logits.
        names: of the members, for messages.

    Raises:
        InputError: fewer than two members, or heads, inputs or lengths that do not fit, naming the member.
        StrandLawError: a head whose sign flips, on predictions that do not flip with it.
    """

    def __init__(
        self, members: Sequence[nn.Module], on: Scale = "predictions", *, names: Sequence[str] | None = None
    ) -> None:
        super().__init__()
        if len(members) < 2:
            raise InputError(f"an ensemble of {len(members)} has nothing to average: give two members or more.")
        called = [f"member {number}" for number in range(len(members))] if names is None else names
        networks = dict(zip(called, map(_inner, members), strict=True))
        first, *others = networks
        for name in others:
            _check_fit(name, networks[name], first, networks[first])
        self.members = nn.ModuleList(members)
        self.on: Scale = on
        self.input_types, self.heads = networks[first].input_types, networks[first].heads
        self.output_types = {head.name: head.type for head in self.heads}
        self.lengths = [network.input_bp for network in networks.values()]
        self.input_bp = max(self.lengths)
        for name, length in zip(networks, self.lengths, strict=True):
            if (self.input_bp - length) % 2:
                raise InputError(
                    f"{name} reads {length} bp and another member {self.input_bp}, which leaves no middle to read: "
                    "combine tables of their predictions instead."
                )
        for head in self.heads:
            if on == "predictions" and min(head.type.sign) < 0 and not Merge(after_link=True).keeps_sign(head.link):
                raise StrandLawError(
                    f"'{head.name}' is {head.type}, whose sign flips, and the mean after its link does not: average "
                    "logits instead."
                )

    def forward(self, *inputs: Tensor, **named: Tensor) -> dict[str, Tensor]:
        """Return logits by head; inputs are those of the members, in the order of `input_types` or by name."""
        if len(inputs) > len(self.input_types):
            raise StrandLawError(f"this ensemble reads {', '.join(self.input_types)}: give those, in that order.")
        given = dict(zip(self.input_types, inputs, strict=False)) | named
        said = [
            member(**{name: self._middle(name, x, length) for name, x in given.items()})
            for member, length in zip(self.members, self.lengths, strict=True)
        ]
        return {head.name: self._mean(head, [answers[head.name] for answers in said]) for head in self.heads}

    def _middle(self, name: str, x: Tensor, length: int) -> Tensor:
        # Controls lie along what is predicted, which is as long for all; the rest, along what is read.
        cut = (self.input_bp - length) // 2
        # Cut off both ends, of a stretch of several windows too.
        return x[..., cut : x.shape[-1] - cut] if cut and name in ("sequence", "signal") else x

    def _mean(self, head: Head, answers: Sequence[Tensor]) -> Tensor:
        shapes = list(dict.fromkeys(tuple(answer.shape[1:]) for answer in answers))
        if len(shapes) > 1:
            raise InputError(
                f"members of the ensemble give '{head.name}' of {' and '.join(map(str, shapes))} tracks and positions: "
                "give members that predict the same positions."
            )
        if self.on == "logits":
            return mean_of(*answers)
        # Counts are read as never below 0, by each member for itself.
        read = [answer.clamp(min=0) for answer in answers] if head.link == "log1p" else answers
        return LINKS[head.link].mean(*read)


def _inner(member: nn.Module) -> SequenceModel | WithBias:
    network = member.model if isinstance(member, Conjoined) else member
    if not isinstance(network, SequenceModel | WithBias):
        raise InputError(
            f"{type(network).__name__} cannot be a member of an ensemble: give networks that `assemble` made, "
            "conjoined or not, and the members of an ensemble instead of the ensemble."
        )
    return network


def _check_fit(name: str, network: SequenceModel | WithBias, first_name: str, first: SequenceModel | WithBias) -> None:
    apart = "combine tables of their predictions instead."
    if network.input_types != first.input_types:
        raise InputError(
            f"{name} reads {_listed(network.input_types)}, and {first_name} {_listed(first.input_types)}: {apart}"
        )
    for here, there in zip(network.heads, first.heads, strict=False):
        if here.name == there.name and here.tracks != there.tracks:
            raise InputError(
                f"{name} predicts {', '.join(here.tracks)}, and {first_name} {', '.join(there.tracks)}: give members "
                "with the same targets, in the same order."
            )
    mine, wanted = (
        [(head.name, head.type, head.link, head.target) for head in each.heads] for each in (network, first)
    )
    if mine != wanted:
        answers = [", ".join(f"'{head.name}' of {head.type}" for head in each.heads) for each in (network, first)]
        raise InputError(
            f"{name} answers by {answers[0]}, and {first_name} by {answers[1]}: give members that answer the same."
        )


def _listed(types: Mapping[str, StrandType]) -> str:
    return ", ".join(f"'{name}' of {kind}" for name, kind in types.items())
