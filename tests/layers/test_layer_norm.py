import pytest
import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers import GroupNorm, LayerNorm, freeze
from strandwise.strand import StrandType, dna, odd, plain, regular, stranded, unstranded
from strandwise.testing import random_input, randomise

EVEN = [plain(6), regular(3), stranded(3), unstranded(6), dna() + unstranded(2)]


def scaled(x: Tensor, layer: LayerNorm | GroupNorm) -> Tensor:
    along = (-1, 1) if x.ndim == 3 else (-1,)
    return x * layer.weight().view(along) + layer.bias().view(along)


@pytest.mark.parametrize("kind", [*EVEN, plain(6).pooled(), regular(3).pooled()], ids=str)
def test_even_channels_are_normalised_as_torch_does(kind: StrandType) -> None:
    layer, twin = LayerNorm(kind, eps=1e-2).double(), nn.LayerNorm(6, 1e-2).double()
    randomise(layer)
    twin.load_state_dict({"weight": layer.weight(), "bias": layer.bias()})
    x = random_input(kind, 7)
    expected = twin(x.transpose(1, -1)).transpose(1, -1)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    frozen = freeze(layer)
    assert isinstance(frozen, nn.LayerNorm)
    torch.testing.assert_close(frozen(x), expected, rtol=0, atol=1e-12)


def test_odd_channels_are_divided_by_the_root_mean_square() -> None:
    layer = LayerNorm(odd(3), eps=1e-3).double()
    assert layer.bias.free.numel() == 0
    x = random_input(odd(3), 5)
    torch.testing.assert_close(layer(x), nn.functional.rms_norm(x.transpose(1, 2), (3,), eps=1e-3).transpose(1, 2))


@pytest.mark.parametrize("pooled", [False, True])
def test_mixed_channels_are_a_loop(pooled: bool) -> None:
    kind = regular(2) + odd(2) + unstranded(1)
    kind = kind.pooled() if pooled else kind
    layer = LayerNorm(kind, eps=1e-2).double()
    randomise(layer)
    x = random_input(kind, 4)
    values = x if x.ndim == 3 else x.unsqueeze(2)
    expected = torch.zeros_like(values)
    even = [c for c in range(7) if kind.sign[c] > 0]
    for row in range(3):
        for i in range(values.shape[2]):
            column = values[row, :, i]
            mean = sum(column[c] for c in even) / 5
            centred = [column[c] - (mean if c in even else 0) for c in range(7)]
            variance = sum(value**2 for value in centred) / 7
            expected[row, :, i] = torch.stack(centred) / (variance + 1e-2) ** 0.5
    expected = scaled(expected if x.ndim == 3 else expected.squeeze(2), layer)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)


# Types and groups whose blocks hold their own partners.
ALONE = [(plain(6), 3), (unstranded(6), 2), (stranded(3), 3), (regular(3), 1), (plain(6).pooled(), 2)]


@pytest.mark.parametrize(("kind", "groups"), ALONE, ids=str)
def test_blocks_of_their_own_are_normalised_as_torch_does(kind: StrandType, groups: int) -> None:
    layer, twin = GroupNorm(kind, groups, eps=1e-2).double(), nn.GroupNorm(groups, 6, 1e-2).double()
    randomise(layer)
    twin.load_state_dict({"weight": layer.weight(), "bias": layer.bias()})
    x = random_input(kind, 7)
    torch.testing.assert_close(layer(x), twin(x), rtol=0, atol=1e-12)
    assert isinstance(freeze(layer), nn.GroupNorm)
    torch.testing.assert_close(freeze(layer)(x), twin(x), rtol=0, atol=1e-12)


PAIRED = [
    (regular(4), 2, [[0, 1, 2, 3, 4, 5, 6, 7]]),
    (regular(4), 4, [[0, 1, 6, 7], [2, 3, 4, 5]]),
    (stranded(2), 4, [[0, 1], [2, 3]]),
    (dna(), 4, [[0, 3], [1, 2]]),
    (regular(1) + odd(2), 2, [[0, 1], [2, 3]]),
    (unstranded(1) + odd(2) + unstranded(1), 2, [[0, 1], [2, 3]]),
]


@pytest.mark.parametrize(("kind", "groups", "together"), PAIRED, ids=str)
@pytest.mark.parametrize("pooled", [False, True])
def test_a_block_shares_statistics_with_its_partners(
    kind: StrandType, groups: int, together: list[list[int]], pooled: bool
) -> None:
    kind = kind.pooled() if pooled else kind
    layer = GroupNorm(kind, groups, eps=1e-2).double()
    randomise(layer)
    x = random_input(kind, 5)
    expected = torch.zeros_like(x)
    for row in range(3):
        for block in together:
            even = [c for c in block if kind.sign[c] > 0]
            mean = x[row, even].mean() if even else 0
            centred = {c: x[row, c] - (mean if c in even else 0) for c in block}
            variance = torch.stack(list(centred.values())).square().mean()
            for c in block:
                expected[row, c] = centred[c] / (variance + 1e-2) ** 0.5
    torch.testing.assert_close(layer(x), scaled(expected, layer), rtol=0, atol=1e-12)
    torch.testing.assert_close(freeze(layer)(x), layer(x), rtol=0, atol=1e-12)


def test_partners_share_their_scales() -> None:
    for layer in (LayerNorm(regular(5) + odd(2)), GroupNorm(regular(5) + odd(2), 1)):
        assert layer.weight.free.numel() == 7
        assert layer.bias.free.numel() == 5
        assert (layer.weight() == 1).all()


@pytest.mark.parametrize(
    ("kind", "groups", "words"),
    [
        (regular(3), 4, r"4 groups do not divide the 6 channels of regular\(3\): .* use one of \[1, 2, 3, 6\]"),
        (stranded(3), 2, r"2 groups part partners among the 6 channels .* use one of \[1, 3, 6\]"),
        (dna() + unstranded(2), 2, r"part partners .* use one of \[1, 3, 6\]"),
        (plain(6), 4, r"use one of \[1, 2, 3, 6\]"),
        (plain(6), 0, "0 groups do not divide"),
    ],
)
def test_groups_that_break_the_law_are_refused(kind: StrandType, groups: int, words: str) -> None:
    with pytest.raises(StrandLawError, match=words):
        GroupNorm(kind, groups)


def test_it_prints_its_groups() -> None:
    assert "regular(4), groups=4" in repr(GroupNorm(regular(4), 4))
