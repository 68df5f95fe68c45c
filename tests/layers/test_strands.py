import pytest
import torch

from strandwise.errors import StrandLawError
from strandwise.layers import Dense, PoolStrands
from strandwise.layers.strands import How
from strandwise.strand import StrandType, dna, odd, plain, regular, stranded, unstranded
from strandwise.testing import random_input, randomise

PAIRS = [
    (regular(2), [(0, 3), (1, 2)]),
    (stranded(2), [(0, 1), (2, 3)]),
    (dna() + unstranded(1), [(0, 3), (1, 2), (4, 4)]),
    (regular(2).pooled(), [(0, 3), (1, 2)]),
    ((unstranded(1) + regular(1)).pooled(), [(0, 0), (1, 2)]),
]


@pytest.mark.parametrize("how", ["sum", "mean", "max"])
@pytest.mark.parametrize(("kind", "pairs"), PAIRS, ids=str)
def test_partners_become_one(kind: StrandType, pairs: list[tuple[int, int]], how: How) -> None:
    layer = PoolStrands(kind, how)
    x = random_input(kind, 5)
    join = {"sum": torch.add, "mean": lambda a, b: (a + b) / 2, "max": torch.maximum}[how]
    columns = [x[:, a] if a == b else join(x[:, a], x[:, b]) for a, b in pairs]
    torch.testing.assert_close(layer(x), torch.stack(columns, dim=1), rtol=0, atol=1e-12)
    out = unstranded(len(pairs))
    assert layer.out_type == (out if kind.positions else out.pooled())
    assert layer.out_length(5) == 5


def test_zhous_pool_and_a_plain_dense_layer_are_the_tied_dense_layer() -> None:
    """The forward half plus the mirrored second half, under free weights, weight for weight."""
    tied = Dense(regular(3), unstranded(2).pooled(), in_length=7).double()
    randomise(tied)
    assert tied.bias is not None
    x = random_input(regular(3), 7)
    summed = x[:, :3] + x[:, 3:].flip(1, 2)
    free = torch.randn(2, 3, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    full = torch.cat([free, free.flip(1, 2)], dim=1)
    tied.weight.assign(full)
    assert torch.equal(tied.weight(), full)
    expected = torch.einsum("ocl,bcl->bo", free, summed) + tied.bias()
    torch.testing.assert_close(tied(x), expected, rtol=0, atol=1e-12)
    assert tied.weight.free.numel() == free.numel()


def test_zhous_pool_does_not_turn_with_the_sequence() -> None:
    x = random_input(regular(3), 7)
    turned = x.flip(1, 2)
    summed, from_the_other = (y[:, :3] + y[:, 3:].flip(1, 2) for y in (x, turned))
    torch.testing.assert_close(from_the_other, summed)
    torch.testing.assert_close(PoolStrands(regular(3))(turned), PoolStrands(regular(3))(x).flip(2))


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(StrandLawError, match="no partners to pool: use regular"):
        PoolStrands(plain(4))
    with pytest.raises(StrandLawError, match="map them with Conv1d first"):
        PoolStrands(regular(1) + odd(1))
    with pytest.raises(StrandLawError, match="by sum, mean, max, not 'median'"):
        PoolStrands(regular(2), "median")  # pyright: ignore[reportArgumentType]
