from dataclasses import replace
from itertools import chain

import numpy as np
import pandas as pd
import pytest
import torch

from strandwise import sequence
from strandwise.data.batches import (
    EpochSampler,
    OrderedBatches,
    TrainingBatches,
    one_hot,
    ordered_loader,
    training_loader,
)
from strandwise.data.reading import GenomeReader, PackedGenome
from strandwise.data.windows import LabelledWindows
from strandwise.layers import Head, binary_head
from strandwise.sequence import revcomp_codes
from strandwise.strand import StrandType, dna, odd, revcomp, stranded, unstranded

BOUND = unstranded(1).pooled()


def head(kind: StrandType) -> Head:
    return Head("bound", kind, tuple(f"t{c}" for c in range(kind.channels)))


def batches(windows: LabelledWindows, size: int = 16, kind: StrandType = BOUND, **options) -> TrainingBatches:
    return TrainingBatches(windows, [head(kind)], batch_size=size, **options)


def same(a, b) -> bool:
    return all(torch.equal(a[part][name], b[part][name]) for part in range(3) for name in a[part])


def numbered(windows: LabelledWindows, codes: np.ndarray) -> list[int]:
    """Return which window each row of codes is, on either strand."""
    whole = windows.reader.gather(np.arange(len(windows)))
    known = {row.tobytes(): i for i, row in enumerate(whole)}
    known |= {row.tobytes(): i for i, row in enumerate(revcomp_codes(whole))}
    return [known[row.tobytes()] for row in codes]


@pytest.mark.parametrize("shape", [(3, 7), (1, 1), (2, 0), (0, 5)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_one_hot_by_words_is_one_hot_by_comparing(shape: tuple[int, int], dtype: torch.dtype) -> None:
    codes = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    codes[:, ::2] %= 5
    found = one_hot(codes, dtype)
    # Codes of another type take the obvious way.
    assert torch.equal(found, one_hot(codes.long(), dtype))
    assert found.dtype == dtype
    # As a convolution on a CPU reads them, so that none copies its input first.
    assert found.transpose(1, 2).is_contiguous()


def test_one_hot_is_that_of_the_sequence_module() -> None:
    codes = np.random.default_rng(0).integers(0, 5, (7, 30)).astype(np.uint8)
    found = one_hot(torch.from_numpy(codes), torch.float64)
    assert found.dtype == torch.float64
    assert np.array_equal(found.numpy(), sequence.one_hot(codes, np.float64))


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_do_not_depend_on_workers(planted, workers: int) -> None:
    windows = planted(n=100)
    made = [
        training_loader(batches(windows, augment="coin", jitter_bp=3, seed=4), processes) for processes in (0, workers)
    ]
    for epoch in (0, 1, 5):
        for loader in made:
            assert isinstance(loader.sampler, EpochSampler)
            loader.sampler.set_epoch(epoch)
        few, many = (list(loader) for loader in made)
        assert len(few) == len(many) == 6
        assert all(same(a, b) for a, b in zip(few, many, strict=True))


def test_batches_do_not_depend_on_who_asked_before(planted) -> None:
    windows = planted(n=100)
    asked = [(3, 2), (0, 5), (3, 0), (1, 1), (0, 0), (3, 2)]
    in_order = {where: batches(windows, augment="coin", jitter_bp=3)[where] for where in sorted(asked)}
    made = batches(windows, augment="coin", jitter_bp=3)
    for where in asked:
        assert same(made[where], in_order[where])


def test_epochs_and_seeds_differ(planted) -> None:
    windows = planted(n=100)

    def rows(seed: int, epoch: int) -> list[int]:
        made = batches(windows, seed=seed)
        codes = [made[epoch, step].inputs["sequence"].numpy() for step in range(made.steps)]
        return numbered(windows, np.concatenate(codes))

    orders = [rows(0, 0), rows(0, 1), rows(1, 0), rows(1, 1)]
    assert len({tuple(order) for order in orders}) == 4
    assert rows(0, 1) == rows(0, 1)


def test_order_and_shifts_are_drawn_apart() -> None:
    """Seeds that differ by a zero at their end give numpy the same stream, which order and batches must not share."""
    from strandwise.data import batches as module

    for seed, epoch in ((0, 0), (3, 7)):
        order = np.random.default_rng([seed, module._ORDER, epoch]).random(5)
        assert not np.array_equal(order, np.random.default_rng([seed, module._BATCH, epoch, 0]).random(5))


@pytest.mark.parametrize(("n", "size"), [(100, 16), (96, 16), (10, 50)])
def test_each_window_is_seen_at_most_once_an_epoch(planted, n: int, size: int) -> None:
    windows = planted(n=n)
    made = batches(windows, size, augment="coin")
    for epoch in range(3):
        found = list(chain(*(numbered(windows, made[epoch, s].inputs["sequence"].numpy()) for s in range(made.steps))))
        assert len(found) == len(set(found)) == n // min(size, n) * min(size, n)


def test_jitter_stays_within_its_bounds(make_genome) -> None:
    genome = make_genome(chr1=600)
    start = np.arange(0, 600, 40)
    packed = PackedGenome(genome, ["chr1"], 45)
    chrom = np.array(["chr1"] * 15, dtype=object)
    reader = GenomeReader(packed, packed.origin(chrom, start), 40)
    frame = pd.DataFrame({"chrom": "chr1", "start": start, "end": start + 40, "name": ".", "split": "train"})
    labels = np.arange(15, dtype=np.float32)[:, None]
    windows = LabelledWindows(frame, labels, np.ones_like(labels), ("a",), reader, 40)
    made = batches(windows, 15, jitter_bp=5, seed=2)
    seen = set()
    for epoch in range(12):
        batch = made[epoch, 0]
        for codes, row in zip(
            batch.inputs["sequence"].numpy(), batch.targets["bound"][:, 0].int().tolist(), strict=True
        ):
            shifts = [
                shift
                for shift in range(-5, 6)
                if np.array_equal(codes, genome.fetch("chr1", start[row] + shift, start[row] + shift + 40, pad=True))
            ]
            assert len(shifts) == 1, "a window is not one of its eleven shifts"
            seen.add(shifts[0])
    assert seen == set(range(-5, 6))


def test_a_shift_past_the_end_of_a_sequence_reads_n(planted) -> None:
    windows = planted(n=30)
    codes = batches(windows, 30, jitter_bp=4)[0, 0].inputs["sequence"].numpy()
    outer = (codes == 4).sum(1)
    assert 0 < outer.max() <= 4
    assert (codes[:, 4:-4] < 4).all()
    assert (batches(windows, 30)[0, 0].inputs["sequence"].numpy() < 4).all()


@pytest.mark.parametrize("kind", [BOUND, unstranded(3).pooled(), stranded(2).pooled(), odd(3).pooled()], ids=str)
def test_augmentation_turns_labels_with_their_windows(planted, kind: StrandType) -> None:
    n, channels = 64, kind.channels
    rng = np.random.default_rng(1)
    windows = replace(
        planted(n=n),
        labels=rng.normal(size=(n, channels)).astype(np.float32),
        weights=rng.random((n, channels)).astype(np.float32),
    )
    plain, turned = batches(windows, n, kind)[2, 0], batches(windows, n, kind, augment="coin")[2, 0]
    before, after = (one_hot(batch.inputs["sequence"]) for batch in (plain, turned))
    flipped = [row for row in range(n) if not torch.equal(before[row], after[row])]
    assert 16 < len(flipped) < 48
    for row in range(n):
        x, y, w = before[row], plain.targets["bound"][row], plain.weights["bound"][row]
        if row in flipped:
            x, y, w = revcomp(x, dna()), revcomp(y, kind), revcomp(w, kind).abs()
        assert torch.equal(after[row], x)
        assert torch.equal(turned.targets["bound"][row], y)
        assert torch.equal(turned.weights["bound"][row], w)


@pytest.mark.parametrize("kind", [BOUND, stranded(2).pooled(), odd(3).pooled()], ids=str)
@pytest.mark.parametrize("jitter", [0, 3])
def test_doubled_batches_hold_each_window_and_then_its_other_strand(planted, kind: StrandType, jitter: int) -> None:
    n, size = 50, 16
    rng = np.random.default_rng(1)
    windows = replace(
        planted(n=n),
        labels=rng.normal(size=(n, kind.channels)).astype(np.float32),
        weights=rng.random((n, kind.channels)).astype(np.float32),
    )
    alone, doubled, coin = (
        batches(windows, size, kind, jitter_bp=jitter, seed=5, augment=augment) for augment in (None, "double", "coin")
    )
    assert alone.steps == doubled.steps == 3
    for where in ((0, 0), (0, 2), (4, 1)):
        plain, both, either = alone[where], doubled[where], coin[where]
        assert len(both.inputs["sequence"]) == 2 * size
        x = one_hot(both.inputs["sequence"])
        assert torch.equal(x[0::2], one_hot(plain.inputs["sequence"]))
        assert torch.equal(x[1::2], revcomp(x[0::2], dna()))
        y, w = both.targets["bound"], both.weights["bound"]
        assert torch.equal(y[0::2], plain.targets["bound"])
        assert torch.equal(w[0::2], plain.weights["bound"])
        assert torch.equal(y[1::2], revcomp(y[0::2], kind))
        assert torch.equal(w[1::2], revcomp(w[0::2], kind).abs())
        # A coin shows one of the two, with its labels.
        tossed = one_hot(either.inputs["sequence"])
        turned = [not torch.equal(tossed[row], x[2 * row]) for row in range(size)]
        for row, other in enumerate(turned):
            assert torch.equal(tossed[row], x[2 * row + other])
            assert torch.equal(either.targets["bound"][row], y[2 * row + other])
            assert torch.equal(either.weights["bound"][row], w[2 * row + other])
        assert 0 < sum(turned) < size


def test_doubled_batches_see_each_window_once_an_epoch(planted) -> None:
    windows = planted(n=100)
    made = batches(windows, 16, augment="double")
    for epoch in range(2):
        found = [numbered(windows, made[epoch, s].inputs["sequence"].numpy()) for s in range(made.steps)]
        assert all(rows[0::2] == rows[1::2] for rows in found)
        assert len({row for rows in found for row in rows}) == 96
    loaders = [training_loader(batches(windows, augment="double", jitter_bp=2), workers) for workers in (0, 1)]
    assert all(same(a, b) for a, b in zip(*loaders, strict=True))


def test_strands_are_drawn_anew_each_epoch(planted) -> None:
    windows = planted(n=64)
    made = batches(windows, 64, augment="coin")
    whole = windows.reader.gather(np.arange(64))
    strands = []
    for epoch in range(2):
        codes = made[epoch, 0].inputs["sequence"].numpy()
        rows = numbered(windows, codes)
        strands.append({row: np.array_equal(whole[row], codes[i]) for i, row in enumerate(rows)})
    assert strands[0] != strands[1]


def test_ordered_batches_are_the_windows_as_they_stand(planted) -> None:
    windows = planted(n=50, tracks=2, known=0.5)
    made = list(ordered_loader(windows, [binary_head(windows.tracks)], 16))
    assert [len(batch.inputs["sequence"]) for batch in made] == [16, 16, 16, 2]
    assert np.array_equal(torch.cat([batch.inputs["sequence"] for batch in made]), windows.reader.gather(np.arange(50)))
    assert np.array_equal(torch.cat([batch.targets["bound"] for batch in made]), windows.labels)
    assert np.array_equal(torch.cat([batch.weights["bound"] for batch in made]), windows.weights)
    with pytest.raises(IndexError):
        OrderedBatches(windows, [binary_head(windows.tracks)], 16)[4]
