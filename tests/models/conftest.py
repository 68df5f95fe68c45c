"""Networks of torch's own layers with the weights of ours."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from strandwise.layers import BatchNorm1d


@pytest.fixture
def same_weights() -> Callable[[nn.Module, nn.Module], nn.Module]:
    """Copy weights and statistics into a network whose layers were made in the order in which ours are called."""

    def copy(ours: nn.Module, reference: nn.Module) -> nn.Module:
        with torch.no_grad():
            for mine, theirs in zip(ours.parameters(), reference.parameters(), strict=True):
                theirs.copy_(mine.view(theirs.shape))
        norms = [[m for m in net.modules() if isinstance(m, BatchNorm1d | nn.BatchNorm1d)] for net in (ours, reference)]
        for mine, theirs in zip(*norms, strict=True):
            assert mine.eps == theirs.eps
            for name in ("running_mean", "running_var"):
                getattr(theirs, name).copy_(getattr(mine, name))
        return reference.eval()

    return copy
