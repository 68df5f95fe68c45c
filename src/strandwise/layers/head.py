"""A named output of a model: its strand type, its tracks, its link and its loss."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from strandwise.errors import StrandLawError
from strandwise.strand import StrandType, unstranded

Link = Literal["identity", "logistic"]


@dataclass(frozen=True)
class Head:
    """What a model predicts under one name.

    Attributes:
        name: the key of its tensor among a model's outputs.
        type: how the tensor turns under reverse complement; one channel per track.
        tracks: the names of its channels.
        link: from what the network gives (logits) to what people read: "logistic" for probabilities.
        loss: the name of its loss in `strandwise.scores.losses`.
    """

    name: str
    type: StrandType
    tracks: tuple[str, ...]
    link: Link = "identity"
    loss: str = "binary_cross_entropy"

    def __post_init__(self) -> None:
        if len(self.tracks) != self.type.channels:
            raise StrandLawError(
                f"head '{self.name}' has {len(self.tracks)} tracks for the {self.type.channels} channels of "
                f"{self.type}: name each channel once."
            )

    def activate(self, logits: Tensor) -> Tensor:
        """Return predictions on the scale people read."""
        return torch.sigmoid(logits) if self.link == "logistic" else logits


def binary_head(tracks: tuple[str, ...]) -> Head:
    """Return the head of yes/no labels for a whole window, the same from either strand."""
    return Head("bound", unstranded(len(tracks)).pooled(), tracks, "logistic", "binary_cross_entropy")
