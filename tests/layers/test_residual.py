import pytest
import torch

from strandwise.errors import StrandLawError
from strandwise.layers import (
    Conv1d,
    ConvTranspose1d,
    Dense,
    DilatedBlock,
    MaxPool1d,
    PerStrand,
    ReLU,
    Residual,
    Stack,
    TypedModule,
    freeze,
)
from strandwise.strand import StrandType, dna, odd, plain, regular, unstranded
from strandwise.testing import random_input, randomise


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize(("taps", "dilation", "cut"), [(3, 4, 4), (5, 1, 2), (1, 1, 0), (4, 2, 3)])
@pytest.mark.parametrize("kind", [regular(2), plain(3), odd(2)], ids=str)
def test_the_input_is_cut_about_its_centre(kind: StrandType, taps: int, dilation: int, cut: int, average: bool) -> None:
    inner = Conv1d(kind, kind, taps, dilation=dilation)
    layer = Residual(inner, average=average).double()
    randomise(layer)
    x = random_input(kind, 20)
    expected = x[..., cut : 20 - cut] + inner(x)
    expected = expected / 2 if average else expected
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(freeze(layer)(x), expected, rtol=0, atol=1e-12)
    assert not any(isinstance(part, TypedModule) for part in freeze(layer).modules())
    assert layer.out_length(20) == expected.shape[-1]


def test_plain_types_may_be_cut_unequally() -> None:
    inner = Conv1d(plain(2), plain(2), 4)
    x = random_input(plain(2), 9).float()
    torch.testing.assert_close(Residual(inner)(x), x[..., 1:7] + inner(x))


def test_without_positions_there_is_nothing_to_cut() -> None:
    inner = Dense(regular(2).pooled(), regular(2).pooled())
    x = random_input(regular(2).pooled(), 1).float()
    torch.testing.assert_close(Residual(inner)(x), x + inner(x))
    assert Residual(inner).out_length(0) == 0


def test_layers_of_one_length() -> None:
    inner = Stack(MaxPool1d(regular(2), 3, 1, in_length=12), Conv1d(regular(2), regular(2), 3))
    layer = Residual(inner, in_length=12)
    assert layer.out_length(12) == 8
    with pytest.raises(StrandLawError, match="made for 12 positions, got 13"):
        layer.out_length(13)
    with pytest.raises(StrandLawError, match="needs in_length: max pooling"):
        Residual(inner)
    with pytest.raises(StrandLawError, match="with a stride needs in_length"):
        Residual(MaxPool1d(plain(2), 3, 2))
    assert Residual(MaxPool1d(plain(2), 3, 2), in_length=9).shortening == 5


def convolution(block: DilatedBlock) -> Conv1d:
    (conv,) = (part for part in block.modules() if isinstance(part, Conv1d))
    return conv


def test_the_body_of_zhous_profile_network() -> None:
    # 1346 bp, first convolution 21 wide, six blocks of dilations 2 to 64: 1074 positions.
    first = Conv1d(dna(), regular(2), 21)
    blocks = [DilatedBlock(regular(2), 2**i) for i in range(1, 7)]
    body = Stack(first, *blocks)
    assert body.out_length(1346) == 1074
    x = random_input(dna(), 300).float()
    expected = first(x)
    for i, block in enumerate(blocks, 1):
        expected = expected[..., 2**i : -(2**i)] + torch.relu(convolution(block)(expected))
    torch.testing.assert_close(body(x), expected)


def test_a_block_that_keeps_its_length() -> None:
    block = DilatedBlock(plain(3), 4, kernel_size=5, padding="same", average=True, activation="gelu")
    assert block.out_length(30) == 30
    x = random_input(plain(3), 30).float()
    torch.testing.assert_close(block(x), (x + torch.nn.functional.gelu(convolution(block)(x))) / 2)
    assert "average" in repr(block)


@pytest.mark.parametrize("function", ["relu", "identity", "gelu"])
@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_without_gradients_a_block_gives_the_same_bits_and_leaves_its_input_alone(
    function: str, average: bool, padding: str
) -> None:
    block = DilatedBlock(regular(3), 2, padding=padding, average=average, activation=function)
    randomise(block)
    x = random_input(regular(3), 30).float()
    before, expected = x.clone(), block(x).detach()
    with torch.no_grad():
        found = block(x)
    assert torch.equal(found, expected)
    assert torch.equal(x, before)


def test_what_a_hook_has_seen_is_not_changed() -> None:
    block = DilatedBlock(regular(3), 2)
    assert isinstance(block.inner, Stack)
    seen: list[torch.Tensor] = []
    with torch.no_grad():
        x = random_input(regular(3), 30).float()
        expected = block(x)
        for part in (block.inner, *block.inner):
            handle = part.register_forward_hook(lambda *told: seen.append(told[-1]))  # pyright: ignore[reportArgumentType]
            assert torch.equal(block(x), expected)
            handle.remove()
        raw = convolution(block)(x)
        assert torch.equal(seen[0], torch.relu(raw))
        assert torch.equal(seen[1], raw)
        assert torch.equal(seen[2], torch.relu(raw))


def test_a_block_keeps_the_precision_of_its_sum() -> None:
    block, x = DilatedBlock(regular(3), 2), random_input(regular(3), 30).float()
    with torch.autocast("cpu", torch.bfloat16):
        expected = block(x).detach()
        with torch.no_grad():
            found = block(x)
    assert found.dtype == expected.dtype == torch.float32
    assert torch.equal(found, expected)


def test_a_block_that_was_changed_is_asked_as_it_is() -> None:
    block, x = DilatedBlock(plain(2), 1), random_input(plain(2), 9).float()
    block.inner = Conv1d(plain(2), plain(2), 3)
    with torch.no_grad():
        torch.testing.assert_close(block(x), x[..., 1:8] + block.inner(x))


def test_too_short_for_a_block() -> None:
    with torch.no_grad(), pytest.raises(StrandLawError, match="fewer than the 5"):
        DilatedBlock(plain(2), 2)(torch.zeros(1, 2, 4))


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(StrandLawError, match="adds two types: make the two equal, or project"):
        Residual(Conv1d(dna(), regular(3), 3))
    with pytest.raises(StrandLawError, match=r"shorten regular\(2\) by 3 positions cannot be centred .* an odd kernel"):
        Residual(Stack(Conv1d(regular(2), regular(2), 4), ReLU(regular(2))))
    with pytest.raises(StrandLawError, match="by 1 positions cannot be centred"):
        Residual(PerStrand(Conv1d(regular(2), plain(2), 2), regular(2)))
    with pytest.raises(StrandLawError, match=r"lengthen their input by 4 positions .* cut them off with Crop1d"):
        Residual(ConvTranspose1d(regular(2), regular(2), 5))
    with pytest.raises(StrandLawError, match="use an odd function"):
        DilatedBlock(odd(2) + unstranded(1), 2)
