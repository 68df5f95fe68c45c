"""The weighted sum against loops, the counts and the options of Shrikumar et al. 2017 and of its authors' code."""

from typing import Any

import pytest
import torch
from torch import nn

from strandwise.errors import StrandLawError
from strandwise.layers import WeightedSum, freeze
from strandwise.strand import StrandType, odd, plain, regular, revcomp, stranded, unstranded
from strandwise.testing import random_input, randomise


@pytest.mark.parametrize("length", [6, 7])
@pytest.mark.parametrize("kind", [regular(2), stranded(2), unstranded(3), plain(3), odd(2)], ids=str)
def test_the_weighted_sum_is_a_loop(kind: StrandType, length: int) -> None:
    layer = WeightedSum(kind, length).double()
    randomise(layer)
    full = layer.weight()
    x = random_input(kind, length)
    expected = torch.zeros(3, kind.channels, dtype=torch.float64)
    for c in range(kind.channels):
        for i in range(length):
            expected[:, c] += full[c, i] * x[:, c, i]
            if kind.lawful:
                assert full[c, i] == full[kind.partner[c], length - 1 - i]
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(freeze(layer)(x), expected, rtol=0, atol=1e-12)
    if kind.lawful:
        torch.testing.assert_close(layer(revcomp(x, kind)), revcomp(expected, kind.pooled()), rtol=0, atol=1e-12)


def test_the_weighted_sum_has_the_weights_of_the_paper() -> None:
    # Shrikumar et al. 2017, 3.4.1: 20 filters over 9 positions share their weights with their partners.
    assert sum(weight.numel() for weight in WeightedSum(regular(20), 9).parameters()) == 20 * 9
    assert sum(weight.numel() for weight in WeightedSum(plain(20), 9).parameters()) == 20 * 9
    # A channel that is its own partner has as many as half its positions.
    assert sum(weight.numel() for weight in WeightedSum(unstranded(2), 9).parameters()) == 2 * 5


def test_the_weighted_sum_keeps_to_its_length() -> None:
    layer = WeightedSum(regular(2), 9)
    assert layer.out_length(9) == 0
    with pytest.raises(StrandLawError, match="made for 9 positions, got 8"):
        layer.out_length(8)


def test_it_starts_by_equation_3() -> None:
    # 40 channels over 9 positions: the learned matrix is 9 by 20, and s = sqrt(6 / (2 fan_in fan_out)).
    limit = (6 / (2 * 9 * 20)) ** 0.5
    weight = WeightedSum(regular(20), 9).weight.free
    assert 0.95 * limit < weight.abs().max() <= limit
    assert (weight.var() - limit**2 / 3).abs() < 0.2 * limit**2 / 3


@pytest.mark.parametrize("length", [1, 2, 7, 8])
@pytest.mark.parametrize("kind", [regular(2), stranded(1), unstranded(3), plain(3), odd(2)], ids=str)
def test_symmetric_weights_are_mirrored_about_the_centre(kind: StrandType, length: int) -> None:
    layer = WeightedSum(kind, length, symmetric=True).double()
    randomise(layer)
    full = layer.weights()
    assert full.shape == (kind.channels, length)
    for c in range(kind.channels):
        for i in range(length):
            assert full[c, i] == full[c, length - 1 - i]
            if kind.lawful:
                assert full[c, i] == full[kind.partner[c], i]
    # The middle position of an odd number is stored once.
    orbits = len({min(pair) for pair in enumerate(kind.partner)}) if kind.lawful else kind.channels
    assert layer.weight.free.numel() == orbits * ((length + 1) // 2)
    x = random_input(kind, length)
    torch.testing.assert_close(layer(x), (x * full).sum(2), rtol=0, atol=1e-12)
    torch.testing.assert_close(freeze(layer)(x), layer(x), rtol=0, atol=1e-12)


def test_symmetric_weights_start_by_the_learned_matrix() -> None:
    limit = (6 / (2 * 50 * 20)) ** 0.5
    assert 0.95 * limit < WeightedSum(regular(20), 100, symmetric=True).weight.free.abs().max() <= limit


@pytest.mark.parametrize(("symmetric", "learned"), [(False, 7), (True, 4)])
@pytest.mark.parametrize("kind", [regular(2), stranded(2), plain(2)], ids=str)
def test_rough_weights_are_charged(kind: StrandType, symmetric: bool, learned: int) -> None:
    layer = WeightedSum(kind, 7, symmetric=symmetric, smoothness=0.3).double()
    randomise(layer)
    # As the authors' code has it: over the learned matrix, which holds one of each pair of channels.
    rows = [c for c, other in enumerate(kind.partner) if not kind.lawful or c < other]
    steps = [abs(layer.weights()[c, i + 1] - layer.weights()[c, i]) for c in rows for i in range(learned - 1)]
    torch.testing.assert_close(layer.penalty(), 0.3 * sum(steps) / len(steps), rtol=0, atol=1e-12)
    layer.penalty().backward()
    assert layer.weight.free.grad is not None


def test_nothing_is_charged_without_smoothness_or_neighbours() -> None:
    assert WeightedSum(regular(2), 7).penalty() == 0
    assert WeightedSum(regular(2), 1, smoothness=1.0).penalty() == 0
    assert WeightedSum(regular(2), 2, symmetric=True, smoothness=1.0).penalty() == 0


def test_offset_and_nonlinearity() -> None:
    layer = WeightedSum(regular(2) + odd(1), 5, bias=True, nonlinearity="tanh").double()
    assert layer.bias is not None
    assert not layer.bias().any()
    randomise(layer)
    x = random_input(regular(2) + odd(1), 5)
    expected = torch.tanh((x * layer.weights()).sum(2) + layer.bias())
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(freeze(layer)(x), expected, rtol=0, atol=1e-12)
    assert layer.bias.free.numel() == 2
    assert [type(part) for part in freeze(layer).children()] == [nn.Conv1d, nn.Flatten, nn.Tanh]


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("length", [40, 41])
def test_a_start_that_favours_the_centre(length: int, symmetric: bool) -> None:
    even = WeightedSum(regular(200), length, symmetric=symmetric)
    centred = WeightedSum(regular(200), length, symmetric=symmetric, init="centre")
    size = centred.weights().square().mean(0).sqrt()
    assert size[length // 2] > 2 * size[0]
    assert size[length // 2] > 2 * size[-1]
    # The sums start as large as they would otherwise.
    assert abs(centred.weights().square().mean() / even.weights().square().mean() - 1) < 0.1


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        (regular(2), {"in_length": 0}, "over 0 positions"),
        (regular(2).pooled(), {}, "it needs 1 or more to sum"),
        (regular(2), {"smoothness": -1.0}, "use 0 or more"),
        (regular(2), {"init": "zeros"}, "use one of uniform, centre"),
        (regular(2), {"nonlinearity": "relo"}, "'relo' is not known: use one of elu"),
        (odd(2), {"nonlinearity": "relu"}, "use an odd function such as tanh"),
    ],
)
def test_refusals_say_what_to_do(kind: StrandType, options: dict[str, Any], words: str) -> None:
    with pytest.raises(StrandLawError, match=words):
        WeightedSum(kind, options.pop("in_length", 5), **options)
