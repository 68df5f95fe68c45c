import pytest
import torch
from torch import nn

from strandwise.errors import StrandLawError
from strandwise.layers import GRU, LSTM, Conv1d, PerStrand, Stack
from strandwise.layers.recurrent import Recurrent
from strandwise.strand import dna, plain, regular
from strandwise.testing import random_input


@pytest.mark.parametrize(("kind", "own"), [(LSTM, nn.LSTM), (GRU, nn.GRU)])
@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
def test_it_is_torchs_over_positions(kind: type[Recurrent], own: type[nn.RNNBase], both: bool, layers: int) -> None:
    layer = kind(dna(), 3, bidirectional=both, layers=layers).double()
    twin = own(4, 3, layers, batch_first=True, bidirectional=both).double()  # pyright: ignore[reportArgumentType, reportCallIssue]
    twin.load_state_dict(layer.cells.state_dict())
    x = random_input(dna(), 8)
    assert torch.equal(layer(x), twin(x.transpose(1, 2))[0].transpose(1, 2))
    assert layer(x).shape == (3, layer.out_type.channels, layer.out_length(8))
    assert layer.out_type == plain(6 if both else 3)


def test_it_fits_into_a_stack_to_be_lifted() -> None:
    inner = Stack(Conv1d(dna(), plain(5), 3), LSTM(plain(5), 4), GRU(plain(8), 2))
    lifted = PerStrand(inner, dna())
    assert (lifted.out_type, lifted.out_length(12)) == (regular(4), 10)
    assert lifted(random_input(dna(), 12).float()).shape == (3, 8, 10)


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(StrandLawError, match="no positions to read one after the other: use Dense"):
        LSTM(plain(4).pooled(), 3)
    for units, layers in ((0, 1), (3, 0)):
        with pytest.raises(StrandLawError, match="must both be 1 or more"):
            GRU(plain(4), units, layers=layers)
