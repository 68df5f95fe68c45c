import numpy as np
import pytest
import torch
from torch import Tensor

from strandwise.errors import StrandLawError
from strandwise.layers import LSTM, Conv1d, KerasLSTM, PerStrand, Stack
from strandwise.strand import dna, plain, regular
from strandwise.testing import random_input, randomise


def step_by_step(layer: KerasLSTM, x: Tensor) -> Tensor:
    """Read one position after the other, one direction after the other, with the gates written out."""
    halves = []
    for way in (0, 1):
        state = memory = torch.zeros(len(x), layer.units, dtype=x.dtype)
        states = []
        for t in range(x.shape[-1]) if way == 0 else reversed(range(x.shape[-1])):
            i, f, c, o = (
                x[..., t] @ layer.input_weight[way, gate]
                + state @ layer.state_weight[way, gate]
                + layer.bias[way, gate]
                for gate in range(4)
            )
            i, f, o = ((0.2 * gate + 0.5).clip(0, 1) for gate in (i, f, o))
            memory = f * memory + i * torch.tanh(c)
            state = o * torch.tanh(memory)
            states.append(state)
        halves.append(torch.stack(states if way == 0 else states[::-1], dim=-1))
    return torch.cat(halves, dim=1)


@pytest.mark.parametrize("length", [1, 2, 9])
def test_it_is_the_recurrence_of_keras(length: int) -> None:
    layer = KerasLSTM(dna(), 3).double()
    randomise(layer)
    # Far enough that some gates are shut.
    x = 6 * random_input(dna(), length)
    torch.testing.assert_close(layer(x), step_by_step(layer, x), rtol=0, atol=1e-12)
    assert layer(x).shape == (3, 6, length)
    assert (layer.out_type, layer.out_length(length)) == (plain(6), length)


def test_both_directions_may_read_from_the_left() -> None:
    layer, other = KerasLSTM(dna(), 3, both_ends=False).double(), KerasLSTM(dna(), 3).double()
    randomise(layer)
    other.load_state_dict(layer.state_dict())
    x = random_input(dna(), 9)
    ahead, again = layer(x).chunk(2, dim=1)
    torch.testing.assert_close(ahead, other(x).chunk(2, dim=1)[0], rtol=0, atol=0)
    # What the second reads from the left is what it reads of the turned sequence from the right, turned back.
    turned = other(x.flip(2)).chunk(2, dim=1)[1].flip(2)
    torch.testing.assert_close(again, turned, rtol=0, atol=1e-12)


def test_with_soft_gates_it_would_be_torchs() -> None:
    layer, other = KerasLSTM(plain(4), 3).double(), LSTM(plain(4), 3).double()
    randomise(layer)
    with torch.no_grad():
        for way, suffix in ((0, ""), (1, "_reverse")):
            for mine, theirs in (("input_weight", "weight_ih_l0"), ("state_weight", "weight_hh_l0")):
                stacked = getattr(layer, mine)[way].transpose(1, 2).reshape(12, -1)
                getattr(other.cells, theirs + suffix).copy_(stacked)
            getattr(other.cells, f"bias_ih_l0{suffix}").copy_(layer.bias[way].flatten())
            getattr(other.cells, f"bias_hh_l0{suffix}").zero_()
    # A hard sigmoid touches the soft one at 0 and leaves it by less than 0.05 up to 1.
    x = 0.1 * random_input(plain(4), 7)
    difference = (layer(x) - other(x)).abs().max()
    assert 0 < difference < 0.03


def test_it_starts_as_keras_does() -> None:
    torch.manual_seed(0)
    layer = KerasLSTM(dna(), 8)
    assert layer.bias[:, 1].eq(1).all()
    assert layer.bias[:, [0, 2, 3]].eq(0).all()
    for square in layer.state_weight.flatten(0, 1):
        torch.testing.assert_close(square @ square.T, torch.eye(8), rtol=0, atol=1e-5)
    limit = (6 / 12) ** 0.5
    assert 0.9 * limit < layer.input_weight.abs().max() <= limit


def test_dropout_forgets_the_same_at_every_position_and_is_made_up_for() -> None:
    layer = KerasLSTM(plain(4), 3, dropout=0.5).double()
    randomise(layer)
    with torch.no_grad():
        layer.state_weight.zero_()
        layer.bias.zero_()
    x = torch.ones(4000, 4, 1, dtype=torch.float64).expand(-1, -1, 3)
    torch.manual_seed(0)
    seen = layer.train()._given(x)
    assert all(torch.equal(seen[0], seen[t]) for t in (1, 2))
    # Each gate forgets for itself; on average nothing is lost.
    assert not torch.equal(seen[0, 0, 0] != 0, seen[0, 0, 1] != 0)
    torch.testing.assert_close(seen.mean(3), layer.eval()._given(x).mean(3), rtol=0, atol=0.03)
    assert torch.equal(layer(x), layer(x))


def test_states_are_forgotten_too() -> None:
    layer = KerasLSTM(plain(2), 3, dropout=0.5).double().train()
    randomise(layer)
    with torch.no_grad():
        layer.input_weight.zero_()
    x = torch.zeros(50, 2, 4, dtype=torch.float64)
    torch.manual_seed(0)
    found = layer(x)
    # The first state has none before it.
    assert np.ptp(found[:, 0, 0].detach().numpy()) == 0
    assert np.ptp(found[:, 0, 1].detach().numpy()) > 0.001


def test_it_fits_into_a_stack_to_be_lifted() -> None:
    inner = Stack(Conv1d(dna(), plain(5), 3), KerasLSTM(plain(5), 4))
    lifted = PerStrand(inner, dna())
    assert (lifted.out_type, lifted.out_length(12)) == (regular(8), 10)


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(StrandLawError, match="no positions to read one after the other: use Dense"):
        KerasLSTM(plain(4).pooled(), 3)
    with pytest.raises(StrandLawError, match="units 0 must be 1 or more"):
        KerasLSTM(plain(4), 0)
    with pytest.raises(StrandLawError, match="dropout 1 must be 0 or more and below 1"):
        KerasLSTM(plain(4), 3, dropout=1)
