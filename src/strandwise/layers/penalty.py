"""What a network's own layers add to the loss that it is trained with."""

from typing import Protocol, cast

import torch
from torch import Tensor, nn


class Charging(Protocol):
    """A layer that charges for its weights."""

    def penalty(self) -> Tensor:
        """Return the charge, a scalar."""
        ...


def penalties(module: nn.Module) -> Tensor:
    """Return the sum of what the layers inside charge for their weights, to add to the training loss.

    A layer charges by a method `penalty()` that returns a scalar tensor, as the smoothness of `WeightedSum`.
    A layer used in several places charges once; where none charges, the sum is 0.
    """
    charges = [layer.penalty() for layer in charging_layers(module)]
    return torch.stack(charges).sum() if charges else torch.zeros(())


def charging_layers(module: nn.Module) -> list[Charging]:
    """Return the layers inside that charge for their weights, each once."""
    # Asked of the class: a loss module that somebody keeps under that name is no charge.
    layers = [layer for layer in module.modules() if callable(getattr(type(layer), "penalty", None))]
    return cast("list[Charging]", layers)
