import pytest
import torch

from strandwise.layers import tying
from strandwise.layers.tying import (
    TiedParameter,
    carried_groups,
    channels,
    glorot_uniform,
    grouped_weight,
    positions,
    tied_bias,
    tied_scale,
    tied_weight,
)
from strandwise.strand import StrandType, dna, odd, plain, regular, stranded, unstranded


def free(out_type: StrandType, in_type: StrandType, *taps: int) -> int:
    return tied_weight(out_type, in_type, *(positions(n) for n in taps)).free.numel()


@pytest.mark.parametrize("taps", [1, 4, 15])
@pytest.mark.parametrize("n", [1, 3])
def test_counts_by_hand(n: int, taps: int) -> None:
    # Each filter of a reverse-complement convolution is free, and its partner follows.
    assert free(regular(n), dna(), taps) == n * 4 * taps
    assert free(regular(n), regular(2), taps) == n * 4 * taps
    assert free(stranded(n), dna(), taps) == n * 4 * taps
    # An unstranded filter on DNA is its own reverse complement: half of 4 x taps entries.
    assert free(unstranded(n), dna(), taps) == n * 2 * taps
    # From one fixed channel to another the taps are a palindrome.
    assert free(unstranded(n), unstranded(1), taps) == n * ((taps + 1) // 2)
    # Between fixed and odd channels they are an antipalindrome, whose middle can only be 0.
    assert free(odd(n), unstranded(1), taps) == n * (taps // 2)
    assert free(odd(n), odd(1), taps) == n * ((taps + 1) // 2)
    assert free(plain(n), dna(), taps) == n * 4 * taps
    assert free(regular(n), plain(3), taps) == 2 * n * 3 * taps


def test_weights_without_positions() -> None:
    assert free(unstranded(3), regular(20)) == 60
    assert free(odd(2), unstranded(5)) == 0
    assert free(odd(2), regular(5)) == 10
    assert tied_bias(regular(7)).free.numel() == 7
    assert tied_bias(regular(2) + odd(3)).free.numel() == 2


TYPES = [dna(), regular(2), stranded(2), unstranded(2), odd(2), regular(1) + odd(2)]


@pytest.mark.parametrize("taps", [4, 5])
@pytest.mark.parametrize("out_type", TYPES, ids=str)
@pytest.mark.parametrize("in_type", TYPES, ids=str)
def test_every_entry_is_its_image(out_type: StrandType, in_type: StrandType, taps: int) -> None:
    weight = tied_weight(out_type, in_type, positions(taps))
    torch.nn.init.uniform_(weight.free, 0.5, 1.0)
    full = weight()
    orbits = set()
    for o in range(out_type.channels):
        for i in range(in_type.channels):
            for k in range(taps):
                image = (out_type.partner[o], in_type.partner[i], taps - 1 - k)
                sign = out_type.sign[o] * in_type.sign[i]
                assert full[o, i, k] == sign * full[image]
                if image == (o, i, k) and sign < 0:
                    assert full[o, i, k] == 0
                else:
                    orbits.add(frozenset([(o, i, k), image]))
    assert weight.free.numel() == len(orbits)
    # The free entries are those the full array holds, each in two places but for its fixed points.
    assert sorted(weight.free.tolist()) == sorted(abs(full[min(orbit)].item()) for orbit in orbits)


def entries(weight: TiedParameter, gradients: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """All that a weight of free entries 1, 2, 3, ... says of itself."""
    weight.free.data = 1 + torch.arange(weight.free.numel(), dtype=torch.float32)
    full = weight()
    (full * gradients).sum().backward()
    assert weight.free.grad is not None
    weight.free.data.zero_()
    weight.assign(full.detach())
    return full.detach(), weight.free.detach(), weight.free.grad, weight.index.long(), weight.first.long()


@pytest.mark.parametrize("taps", [1, 4, 5])
@pytest.mark.parametrize("out_type", [*TYPES, unstranded(1)], ids=str)
@pytest.mark.parametrize("in_type", [*TYPES, unstranded(1)], ids=str)
def test_a_mirror_image_is_what_the_index_says(
    out_type: StrandType, in_type: StrandType, taps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_index = tied_weight(out_type, in_type, positions(taps))
    assert not by_index.mirrored
    monkeypatch.setattr(tying, "_LARGE", 0)
    gradients = torch.randn(by_index.shape)
    expected = entries(by_index, gradients) if by_index.free.numel() else None
    for weight in (tied_weight(out_type, in_type, positions(taps)), grouped_weight(out_type, in_type, 1, taps)):
        turned = all(min(kind.sign) > 0 and kind.partner[0] == kind.channels - 1 for kind in (out_type, in_type))
        assert weight.mirrored == turned
        assert weight.free.shape == by_index.free.shape
        if expected is not None:
            assert all(torch.equal(a, b) for a, b in zip(entries(weight, gradients), expected, strict=True))


def test_tables_of_large_weights_take_little_memory() -> None:
    mirrored, indexed = (
        tied_weight(regular(64), regular(64), positions(3)),
        tied_weight(stranded(64), dna(), positions(60)),
    )
    assert mirrored.mirrored
    assert not [*mirrored.buffers()]
    # Four bytes for each entry, and for each that is free.
    assert sum(table.nbytes for table in indexed.buffers()) == 4 * (indexed().numel() + indexed.free.numel())
    # What is saved is what is learned.
    assert [[*weight.state_dict()] for weight in (mirrored, indexed)] == [["free"], ["free"]]


def test_assigning_a_full_array_gives_it_back() -> None:
    weight, other = (tied_weight(regular(2) + odd(1), dna(), positions(3)) for _ in range(2))
    torch.nn.init.normal_(weight.free)
    other.assign(weight())
    assert torch.equal(other(), weight())
    untied = TiedParameter([channels(plain(2)), positions(3)], tied=False)
    given = torch.arange(6.0).view(2, 3)
    untied.assign(given)
    assert torch.equal(untied(), given)


def test_gradients_add_up_over_the_places_of_an_entry() -> None:
    weight = tied_weight(unstranded(1), odd(1), positions(3))
    weight.free.data.fill_(2.0)
    assert weight().flatten().tolist() == [2.0, 0.0, -2.0]
    (weight() * torch.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert weight.free.grad is not None
    assert weight.free.grad.tolist() == [1.0 - 100.0]


@pytest.mark.parametrize(
    ("kind", "groups", "expected"),
    [
        (regular(3), 3, (2, 1, 0)),
        (regular(3), 2, (1, 0)),
        (dna(), 2, (1, 0)),
        (stranded(2), 2, (0, 1)),
        (stranded(2), 4, (1, 0, 3, 2)),
        (stranded(3), 2, None),
        (unstranded(4), 2, (0, 1)),
        (regular(1) + odd(2), 2, (0, 1)),
        (dna() + unstranded(2), 3, (1, 0, 2)),
        (dna() + unstranded(2), 2, None),
        (regular(3), 4, None),
        (regular(3), 0, None),
    ],
    ids=str,
)
def test_where_groups_are_carried(kind: StrandType, groups: int, expected: tuple[int, ...] | None) -> None:
    assert carried_groups(kind, groups) == expected


@pytest.mark.parametrize("taps", [1, 4])
@pytest.mark.parametrize("out_type", TYPES, ids=str)
@pytest.mark.parametrize("in_type", TYPES, ids=str)
def test_one_group_is_the_full_weight(out_type: StrandType, in_type: StrandType, taps: int) -> None:
    one, full = grouped_weight(out_type, in_type, 1, taps), tied_weight(out_type, in_type, positions(taps))
    assert one.free.shape == full.free.shape
    torch.nn.init.normal_(full.free)
    one.load_state_dict(full.state_dict())
    assert torch.equal(one(), full())


def test_scales_do_not_change_sign() -> None:
    scale = tied_scale(regular(2) + odd(1))
    assert scale.free.tolist() == [1.0, 1.0, 1.0]
    torch.nn.init.normal_(scale.free)
    assert scale().tolist() == [scale.free.tolist()[i] for i in (0, 1, 1, 0, 2)]


def test_an_array_that_can_only_be_zero() -> None:
    weight = tied_weight(odd(2), unstranded(3))
    assert weight().shape == (2, 3)
    assert not weight().any()


def test_the_start_is_within_glorots_bounds() -> None:
    weight = tied_weight(regular(50), dna(), positions(20))
    glorot_uniform(weight, 80, 2000)
    limit = (6 / 2080) ** 0.5
    assert 0.98 * limit < weight.free.abs().max() <= limit
    assert weight.free.mean().abs() < 0.05 * limit
