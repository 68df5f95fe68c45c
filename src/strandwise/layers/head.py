"""A named output of a model: its strand type, its tracks, its link and its loss."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from strandwise.errors import StrandLawError
from strandwise.strand import StrandType, unstranded

Link = Literal["identity", "logistic", "softmax", "softplus", "log1p"]
Target = Literal["labels", "signal", "total", "mean"]


_EXP_BELOW = -30.0
"""Below this softplus and the exponential differ by less than a part in 10^13."""


class LinkFunctions(NamedTuple):
    """A link, and how answers are averaged on its far side.

    Attributes:
        activate: from logits to what people read.
        mean: from two logits or more to the logits of the mean of what people would read, without leaving the scale
            on which numbers stay accurate.
    """

    activate: Callable[[Tensor], Tensor]
    mean: Callable[..., Tensor]


def mean_of(*answers: Tensor) -> Tensor:
    """Return the mean of tensors of one shape."""
    return sum(answers[1:], answers[0]) / len(answers)


def _log_mean_exp(*answers: Tensor) -> Tensor:
    return reduce(torch.logaddexp, answers) - math.log(len(answers))


def _logit_of_mean(*answers: Tensor) -> Tensor:
    yes = _log_mean_exp(*map(functional.logsigmoid, answers))
    return yes - _log_mean_exp(*(functional.logsigmoid(-answer) for answer in answers))


def _softplus_of_mean(*answers: Tensor) -> Tensor:
    # Far below 0 softplus is exp, and would leave the numbers that there are.
    small = reduce(torch.maximum, answers) < _EXP_BELOW
    y = mean_of(*map(functional.softplus, answers))
    y = torch.where(small, torch.ones_like(y), y)
    # log(exp(y) - 1), where exp(y) may be too large.
    return torch.where(small, _log_mean_exp(*answers), y + torch.log(-torch.expm1(-y)))


LINKS: dict[str, LinkFunctions] = {
    "identity": LinkFunctions(lambda x: x, mean_of),
    "logistic": LinkFunctions(torch.sigmoid, _logit_of_mean),
    "softmax": LinkFunctions(
        lambda x: torch.softmax(x, -1), lambda *answers: _log_mean_exp(*(torch.log_softmax(x, -1) for x in answers))
    ),
    "softplus": LinkFunctions(functional.softplus, _softplus_of_mean),
    "log1p": LinkFunctions(torch.expm1, _log_mean_exp),
}


@dataclass(frozen=True)
class Head:
    """What a model predicts under one name.

    Attributes:
        name: the key of its tensor among a model's outputs.
        type: how the tensor turns under reverse complement; one channel per track.
        tracks: the names of its channels.
        link: from what the network gives (logits) to what people read: "logistic" for probabilities,
            "softmax" for shares of each position, "softplus" for coverage of 0 or more, "log1p" for counts whose
            logarithm is learned.
        loss: the name of its loss in `strandwise.scores.losses`.
        loss_weight: what its loss counts for beside those of other heads.
        target: what of a window it is compared with: its "labels", the "signal" along it, or that signal's "total"
            or "mean".
    """

    name: str
    type: StrandType
    tracks: tuple[str, ...]
    link: Link = "identity"
    loss: str = "binary_cross_entropy"
    loss_weight: float = 1.0
    target: Target = "labels"

    def __post_init__(self) -> None:
        if len(self.tracks) != self.type.channels:
            raise StrandLawError(
                f"head '{self.name}' has {len(self.tracks)} tracks for the {self.type.channels} channels of "
                f"{self.type}: name each channel once."
            )

    def activate(self, logits: Tensor) -> Tensor:
        """Return predictions on the scale people read; counts are never below 0."""
        said = LINKS[self.link].activate(logits)
        return said.clamp(min=0) if self.link == "log1p" else said


def binary_head(tracks: tuple[str, ...]) -> Head:
    """Return the head of yes/no labels for a whole window, the same from either strand."""
    return Head("bound", unstranded(len(tracks)).pooled(), tracks, "logistic", "binary_cross_entropy")


def dense_head(tracks: tuple[str, ...]) -> Head:
    """Return the head of yes/no labels for each bin of a window (Gupta & Rush 2017)."""
    return Head("bound", unstranded(len(tracks)), tracks, "logistic", "binary_cross_entropy", target="signal")


def coverage_head(tracks: tuple[str, ...], kind: StrandType, loss: str = "poisson") -> Head:
    """Return the head of quantitative coverage (GOPHER, Toneyan et al. 2022): of each bin, or of a window as a whole.

    Args:
        tracks: a name for each channel.
        kind: `unstranded(n)` for n tracks without strands, `stranded(n)` for n with both, or a sum; pooled for the
            mean over a window.
        loss: its name in `strandwise.scores.losses`.
    """
    return Head("coverage", kind, tracks, "softplus", loss, target="signal" if kind.positions else "mean")


def profile_heads(tracks: tuple[str, ...], kind: StrandType, counts_weight: float = 1.0) -> tuple[Head, Head]:
    """Return the two heads of base-resolution profiles: the shape of each track, and its total.

    Args:
        tracks: a name for each channel.
        kind: `stranded(n)` for n assays read on both strands, `unstranded(n)` for n without strands, or a sum.
        counts_weight: what the loss of the totals counts for beside that of the shapes.
    """
    return (
        Head("profile", kind, tracks, "softmax", "multinomial_nll", target="signal"),
        Head("counts", kind.pooled(), tracks, "log1p", "log_counts_error", counts_weight, target="total"),
    )
