import torch
from torch import Tensor, nn

from strandwise.layers import Conv1d, ReLU, Stack, WeightedSum, penalties
from strandwise.strand import dna, regular
from strandwise.testing import randomise


def test_charges_are_added_wherever_they_are() -> None:
    one, other = (WeightedSum(regular(2), 6, smoothness=weight) for weight in (0.5, 2.0))
    model = nn.ModuleDict({"a": Stack(Conv1d(dna(), regular(2), 3), ReLU(regular(2)), one), "b": other, "again": one})
    randomise(model)
    torch.testing.assert_close(penalties(model), one.penalty() + other.penalty())
    penalties(model).backward()
    assert one.weight.free.grad is not None
    torch.testing.assert_close(penalties(one), one.penalty())


def test_layers_of_users_charge_too() -> None:
    class Charged(nn.Linear):
        def penalty(self) -> Tensor:
            return self.weight.abs().sum()

    layer = Charged(2, 3)
    torch.testing.assert_close(penalties(nn.Sequential(layer)), layer.weight.abs().sum())


def test_what_is_not_a_charge() -> None:
    class Keeps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.penalty = nn.L1Loss()
            self.inner = nn.Linear(2, 2)

    assert penalties(Keeps()) == 0
    loss = nn.Linear(2, 2)(torch.ones(1, 2)).sum() + penalties(nn.Linear(2, 2))
    assert loss.shape == ()
