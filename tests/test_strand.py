"""Strand types and the one function that turns tensors."""

import pytest
import torch

from strandwise.errors import StrandLawError
from strandwise.strand import (
    StrandType,
    dna,
    mirror,
    odd,
    plain,
    regular,
    revcomp,
    strand_deviation,
    stranded,
    unstranded,
)
from strandwise.testing import assert_strand_law

TYPES = [dna(), regular(3), stranded(2), unstranded(3), odd(2), dna() + unstranded(1) + odd(1)]


def test_dna_is_the_reverse_complement_of_letters() -> None:
    letters = "ACGTN"
    x = torch.tensor([[float(base == letter) for letter in letters] for base in "ACGT"])
    expected = torch.tensor([[float(base == letter) for letter in "NACGT"] for base in "ACGT"])
    assert torch.equal(revcomp(x, dna()), expected)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (regular(2), [[8, 7], [6, 5], [4, 3], [2, 1]]),
        (stranded(2), [[4, 3], [2, 1], [8, 7], [6, 5]]),
        (unstranded(4), [[2, 1], [4, 3], [6, 5], [8, 7]]),
        (odd(4), [[-2, -1], [-4, -3], [-6, -5], [-8, -7]]),
        (stranded(1) + unstranded(1) + odd(1), [[4, 3], [2, 1], [6, 5], [-8, -7]]),
    ],
    ids=str,
)
def test_each_type_by_hand(kind: StrandType, expected: list[list[float]]) -> None:
    x = torch.arange(1.0, 9.0).view(4, 2)
    assert torch.equal(revcomp(x, kind), torch.tensor(expected))
    assert torch.equal(revcomp(x[:, 0], kind.pooled()), torch.tensor(expected)[:, 1])


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("length", [1, 6, 7])
def test_twice_is_once_more_the_same(kind: StrandType, length: int) -> None:
    x = torch.randn(2, 5, kind.channels, length)
    assert torch.equal(revcomp(revcomp(x, kind), kind), x)
    assert torch.equal(revcomp(revcomp(x[..., 0], kind.pooled()), kind.pooled()), x[..., 0])


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_the_fast_flip_equals_the_definition(kind: StrandType) -> None:
    x = torch.randn(3, kind.channels, 5)
    slow = torch.stack([x[:, p].flip(-1) * s for p, s in zip(kind.partner, kind.sign, strict=True)], dim=1)
    assert torch.equal(revcomp(x, kind), slow)


def test_types_compare_by_what_they_do_and_print_as_written() -> None:
    assert regular(2) == dna()
    assert stranded(1) == regular(1)
    assert stranded(2) != regular(2)
    assert dna() != dna().pooled()
    assert hash(dna() + unstranded(2)) == hash(dna() + unstranded(2))
    assert str(dna() + unstranded(2)) == "dna() + unstranded(2)"
    assert str((dna() + unstranded(2)).pooled()) == "(dna() + unstranded(2)).pooled()"
    assert repr(regular(16)) == "regular(16)"
    assert str(StrandType((1, 0, 2), (1, 1, -1))) == "StrandType(1 pairs + 1 odd, positions)"
    assert dna().pooled().pooled() == dna().pooled()


@pytest.mark.parametrize(
    ("partner", "sign", "message"),
    [
        ((), (), "at least one channel"),
        ((0, 1), (1,), "2 partners but 1 signs"),
        ((1, 2, 0), (1, 1, 1), "channel 0 has partner 1, which is not its own inverse"),
        ((5,), (1,), "channel 0 has partner 5"),
        ((1, 0), (1, -1), "partners must share a sign"),
        ((0,), (2,), r"\+1 or -1"),
    ],
)
def test_impossible_types_are_refused(partner: tuple[int, ...], sign: tuple[int, ...], message: str) -> None:
    with pytest.raises(StrandLawError, match=message):
        StrandType(partner, sign)


@pytest.mark.parametrize("make", [regular, mirror, stranded, unstranded, odd, plain])
@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2"])
def test_counts_are_whole_and_positive(make, count) -> None:
    with pytest.raises(StrandLawError, match="whole number of 1 or more"):
        make(count)


def test_plain_features_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(StrandLawError, match="wrap it in PerStrand or Conjoined"):
        revcomp(torch.zeros(1, 3, 4), plain(3))
    with pytest.raises(
        StrandLawError, match=r"shape \(2, 5, 7\) is not of type dna\(\): expected 4 channels on axis -2"
    ):
        revcomp(torch.zeros(2, 5, 7), dna())
    with pytest.raises(StrandLawError, match="on axis -1"):
        revcomp(torch.zeros(2, 5), dna().pooled())
    with pytest.raises(StrandLawError, match="pool both, or neither"):
        _ = dna() + unstranded(1).pooled()
    assert not (dna() + plain(1)).lawful


def test_gradients_flow_and_dtypes_stay() -> None:
    x = torch.randn(2, 4, 6, dtype=torch.float64, requires_grad=True)
    revcomp(x, odd(4)).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, -torch.ones_like(x))
    assert revcomp(torch.zeros(1, 4, 2, dtype=torch.float16), stranded(2)).dtype == torch.float16


def test_strand_deviation_by_hand() -> None:
    kind = unstranded(1).pooled()
    assert strand_deviation(torch.tensor([[1.0], [3.0]]), torch.tensor([[1.5], [3.0]]), kind) == pytest.approx(0.125)
    assert strand_deviation(torch.empty(0, 1), torch.empty(0, 1), kind) == 0.0


def test_modules_without_types_are_refused() -> None:
    with pytest.raises(StrandLawError, match="Linear declares no strand types: set in_type and out_type"):
        assert_strand_law(torch.nn.Linear(2, 2))
