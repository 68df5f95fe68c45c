"""A head for each task equals a network of its own, and keeps the law on every type of tracks."""

import pytest
import torch
from torch import nn

from strandwise.layers import BatchNorm1d, Branches, Conv1d, Features, Stack
from strandwise.models.task_heads import bin_heads, repeated, tasks_of
from strandwise.strand import StrandType, odd, plain, regular, stranded, unstranded
from strandwise.testing import assert_strand_law, random_input, randomise

TRACKS = [
    unstranded(1),
    unstranded(3),
    stranded(2),
    odd(2),
    stranded(1) + unstranded(2),
    unstranded(1) + stranded(1) + unstranded(1) + odd(1),
    regular(2),
]


@pytest.mark.parametrize("heads", ["shared", "per_task"])
@pytest.mark.parametrize("tracks", TRACKS, ids=str)
def test_the_law(tracks: StrandType, heads) -> None:
    layer = bin_heads(Features(regular(3), 9), tracks, heads, filters=2, kernel_size=3)
    assert (layer.out_type, layer.out_length(9)) == (tracks, 9)
    assert_strand_law(layer, lengths=(9, 10))


def numbers(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


@pytest.mark.parametrize("count", [1, 3])
def test_ordinary_heads_are_separate_networks(count: int) -> None:
    layer = bin_heads(Features(plain(5), 9), unstranded(count), "per_task", filters=2, kernel_size=3).double().eval()
    randomise(layer)
    x = random_input(plain(5), 9)
    whole = layer(x)
    conv, norm, last = (layer.layers[at] for at in (0, 1, 4))  # pyright: ignore[reportIndexIssue]
    assert isinstance(conv, Conv1d)
    assert isinstance(norm, BatchNorm1d)
    assert isinstance(last, Conv1d)
    assert conv.bias is not None
    assert last.bias is not None
    for task in range(count):
        mine = slice(2 * task, 2 * task + 2)
        alone = nn.functional.conv1d(x, conv.weight()[mine], conv.bias()[mine], padding=1)
        mean, variance = norm.running_mean[mine], norm.running_var[mine]
        alone = nn.functional.batch_norm(alone, mean, variance, norm.weight()[mine], norm.bias()[mine], eps=1e-3)
        expected = torch.relu(alone).transpose(1, 2) @ last.weight()[task] + last.bias()[task]
        torch.testing.assert_close(whole[:, task], expected.squeeze(2), rtol=0, atol=1e-12)
    assert numbers(layer) == count * (2 * (5 * 3 + 1) + 2 * 2 + 2 + 1)


def test_no_task_reads_what_another_found() -> None:
    layer = bin_heads(Features(regular(3), 9), stranded(2) + unstranded(1), "per_task", filters=2).double().eval()
    assert isinstance(layer, Branches)
    randomise(layer)
    x = random_input(regular(3), 9)
    before = layer(x)
    first = layer.layers[0]
    assert isinstance(first, Stack)
    conv = next(iter(first))
    assert isinstance(conv, Conv1d)
    # Channels of the first pair of tracks: two filters on both strands.
    full = conv.weight().detach().clone()
    full[:4] = 0
    conv.weight.assign(full)
    changed = (layer(x) - before).abs().amax((0, 2)) > 1e-9
    assert changed.tolist() == [True, True, False, False, False]


def test_a_pair_of_tracks_is_one_task() -> None:
    pair = bin_heads(Features(regular(3), 9), stranded(1), "per_task", filters=2, kernel_size=3)
    single = bin_heads(Features(regular(3), 9), unstranded(1), "per_task", filters=2, kernel_size=3)
    # Filters of one strand, read on both; a pair of tracks tells the orientations apart, a single one does not.
    assert numbers(pair) == 2 * (6 * 3 + 1) + 2 * 2 + 4 + 1
    assert numbers(single) == 2 * (6 * 3 + 1) + 2 * 2 + 2 + 1


def test_every_head_starts_as_it_would_alone() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = bin_heads(Features(plain(8), 9), unstranded(50), "per_task", filters=4, kernel_size=3)
        assert isinstance(layer, Stack)
        conv = next(iter(layer))
        assert isinstance(conv, Conv1d)
        first = conv.weight.free
        assert 0.97 < first.abs().max() / (6 / (3 * (8 + 4))) ** 0.5 <= 1


def test_tasks_are_the_smallest_blocks_that_stay_together() -> None:
    assert list(tasks_of(unstranded(1) + stranded(2) + odd(1))) == [unstranded(1), stranded(1), stranded(1), odd(1)]
    assert list(tasks_of(regular(2))) == [regular(2)]
    assert repeated(stranded(1), 3) == stranded(3)
    assert repeated(regular(2), 2) == regular(2) + regular(2)
    assert str(repeated(regular(64), 15)) == "15 x regular(64)"
