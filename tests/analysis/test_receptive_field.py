"""Receptive fields of networks whose field is known."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from strandwise.analysis.receptive_field import ReceptiveField, receptive_field
from strandwise.errors import InputError, StrandLawError
from strandwise.layers import Conv1d, Dense, Dropout, GlobalAveragePool, ReLU, Stack, binary_head, dense_head
from strandwise.models import MODELS, StrandSettings, assemble
from strandwise.strand import StrandType, dna, plain, unstranded


def filled(layer: Conv1d, value: float = 1.0) -> Conv1d:
    with torch.no_grad():
        layer.weight.free.fill_(value)
    return layer


def test_the_field_of_one_convolution_is_its_filter() -> None:
    conv = filled(Conv1d(dna(), plain(1), 5, dilation=3, padding="same"), 2.0)
    field = receptive_field(conv, 31)
    # Taps 3 apart around base 15; the gradient over four letters of weight 2 has the norm 4.
    expected = np.zeros(31)
    expected[[9, 12, 15, 18, 21]] = 4
    np.testing.assert_allclose(field.profile, expected)
    assert (field.first, field.last, field.span_bp) == (9, 21, 13)


@pytest.mark.parametrize(("width", "layers"), [(3, 1), (3, 4), (6, 3), (1, 2)])
def test_convolutions_one_after_the_other_add_their_reach(width: int, layers: int) -> None:
    kinds = [dna(), *[plain(4)] * layers]
    torch.manual_seed(0)
    blocks = [Stack(Conv1d(a, b, width, padding="same"), ReLU(b)) for a, b in pairwise(kinds)]
    assert receptive_field(Stack(*blocks), 60, sequences=20).span_bp == layers * (width - 1) + 1


def test_an_output_without_positions_sees_all() -> None:
    pool = Stack(Conv1d(dna(), plain(2), 3), GlobalAveragePool(plain(2)), Dense(plain(2).pooled(), plain(1).pooled()))
    field = receptive_field(pool, 20)
    assert (field.first, field.last, field.span_bp) == (0, 19, 20)


class Blind(nn.Module):
    """Says the same of every sequence, and beside it the base at a third of the window."""

    def __init__(self, kind: StrandType | None = None) -> None:
        super().__init__()
        self.input_types = {"sequence": kind or dna(), "signal": unstranded(1), "metadata": unstranded(2).pooled()}
        self.output_types = {"constant": unstranded(1).pooled(), "third": unstranded(1).pooled()}
        self.offset = nn.Parameter(torch.zeros(1))

    def forward(self, sequence: Tensor, signal: Tensor, metadata: Tensor) -> dict[str, Tensor]:
        """Read a window, and what is beside it."""
        assert signal.shape[1:] == (1, sequence.shape[2])
        assert metadata.shape[1:] == (2,)
        third = sequence[:, :1, sequence.shape[2] // 3] + metadata.sum(1, keepdim=True)
        return {"constant": self.offset.expand(len(sequence), 1), "third": third}


def shortest(profile: list[float], share: float) -> int:
    """Try every stretch."""
    ends = range(len(profile) + 1)
    whole = sum(profile)
    return min(end - start for end in ends for start in range(end) if sum(profile[start:end]) >= share * whole)


@pytest.mark.parametrize("length", [1, 2, 9, 10])
@pytest.mark.parametrize("share", [0.125, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_stretch_that_carries_a_share(length: int, share: float, seed: int) -> None:
    # Powers of two add up exactly in any order.
    profile = np.float64(0.5) ** np.random.default_rng(seed).integers(0, 9, length).astype(np.float64)
    assert ReceptiveField(profile, 0, length - 1).shortest_bp(share) == shortest(profile.tolist(), share)


def test_the_stretch_of_nothing_is_nothing() -> None:
    assert ReceptiveField(np.zeros(8), None, None).shortest_bp(0.5) == 0
    one = np.eye(9)[4]
    assert ReceptiveField(one, 4, 4).shortest_bp(1.0) == 1
    for share in (0.0, -1.0, 1.1, float("nan")):
        with pytest.raises(InputError, match=f"share {share} must be above 0 and at most 1"):
            ReceptiveField(one, 4, 4).shortest_bp(share)


def test_any_output_can_be_asked_and_what_is_unseen_has_no_span() -> None:
    field = receptive_field(Blind(), 30)
    assert (field.first, field.last, field.span_bp) == (None, None, 0)
    assert not field.profile.any()
    field = receptive_field(Blind(), 30, head="third")
    assert (field.first, field.last, field.span_bp) == (10, 10, 1)


def test_the_model_comes_back_as_it_was() -> None:
    model = Stack(Conv1d(dna(), plain(3), 5, padding="same"), ReLU(plain(3)), Dropout(plain(3), 0.5)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    with torch.inference_mode():
        first = receptive_field(model, 40, seed=3)
    assert torch.equal(torch.random.get_rng_state(), state)
    np.testing.assert_array_equal(first.profile, receptive_field(model, 40, seed=3).profile)
    assert (first.profile != receptive_field(model, 40, seed=4).profile).any()
    assert model.training
    assert all(weight.grad is None and weight.dtype == torch.float32 for weight in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("name", ["shrikumar_chip", "cnn3"])
def test_architectures_can_be_asked(name: str) -> None:
    kind = MODELS[name]
    architecture = kind(kind.Options.model_validate(kind.small))
    head = dense_head(("a",)) if "bins" in kind.answers else binary_head(("a",))
    network = assemble(architecture, [head], kind.small_bp, StrandSettings(strategy="rcps"))
    field = receptive_field(network, kind.small_bp, head="bound")
    assert field.profile.shape == (kind.small_bp,)
    assert 0 < field.span_bp <= kind.small_bp


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(InputError, match="no output 'middle': ask for one of constant, third"):
        receptive_field(Blind(), 30, head="middle")
    with pytest.raises(InputError, match="input_bp 0 and sequences 4 must both be 1 or more"):
        receptive_field(Blind(), 0)
    with pytest.raises(StrandLawError, match="the first input is unstranded"):
        receptive_field(Blind(unstranded(4)), 30)
    with pytest.raises(StrandLawError, match="declares no strand types"):
        receptive_field(nn.Conv1d(4, 1, 3), 30)
