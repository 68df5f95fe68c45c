import math
import time

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from strandwise.errors import InputError
from strandwise.scores.bootstrap import (
    block_bootstrap,
    genomic_blocks,
    paired_difference,
    resampled_aupr,
    resampled_auroc,
    resampled_spearman,
)
from strandwise.scores.metrics import aupr, auroc
from strandwise.scores.regression import spearman


def mean_of(values):
    return lambda rows: float(values[rows].mean())


def correlated(generator, n_blocks, block_size):
    """Draws whose true mean is 0, alike within a block."""
    shared = np.repeat(generator.normal(size=n_blocks), block_size)
    return shared + 0.5 * generator.normal(size=n_blocks * block_size)


def test_single_rows_as_blocks_agree_with_scipy():
    values = np.random.default_rng(0).exponential(size=80)
    ours = block_bootstrap(mean_of(values), np.arange(80), n_resamples=10_000, seed=1)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(2)
    )
    assert ours.estimate == pytest.approx(values.mean())
    error = float(theirs.standard_error)
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.15 * error)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.15 * error)
    assert (ours.n_resamples, ours.n_blocks, ours.n_dropped) == (10_000, 80, 0)


def test_blocks_hold_the_truth_as_often_as_promised_and_single_rows_do_not():
    generator = np.random.default_rng(0)
    blocks = np.repeat(np.arange(40), 10)
    held = {"blocks": 0, "rows": 0}
    replicates = 200
    for seed in range(replicates):
        statistic = mean_of(correlated(generator, 40, 10))
        for way, groups in (("blocks", blocks), ("rows", np.arange(400))):
            interval = block_bootstrap(statistic, groups, n_resamples=150, seed=seed)
            held[way] += interval.low <= 0 <= interval.high
    assert 0.89 <= held["blocks"] / replicates <= 0.98
    assert held["rows"] / replicates < 0.75


def test_every_resample_is_made_of_whole_blocks():
    generator = np.random.default_rng(3)
    blocks = generator.integers(-5, 5, size=60)
    sizes = {block: np.flatnonzero(blocks == block) for block in np.unique(blocks)}

    def statistic(rows):
        times = np.bincount(rows, minlength=60)
        drawn = [times[members] for members in sizes.values()]
        assert all(len(set(counts)) == 1 for counts in drawn)
        assert sum(counts[0] for counts in drawn) == len(sizes)
        return 0.0

    block_bootstrap(statistic, blocks, n_resamples=50)


def test_a_seed_fixes_the_interval():
    values = np.random.default_rng(0).normal(size=50)
    first, again, other = (
        block_bootstrap(mean_of(values), np.arange(50) // 5, n_resamples=100, seed=seed)
        for seed in (7, np.random.default_rng(7), 8)
    )
    assert first == again
    assert first != other


def test_two_models_are_compared_on_the_same_rows():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, size=600)
    noise = generator.normal(size=600)
    better, worse = (resampled_auroc(labels, noise + gain * labels) for gain in (1.0, 0.8))
    blocks = np.arange(600) // 6
    paired = block_bootstrap(paired_difference(better, worse), blocks, n_resamples=300)
    alone = block_bootstrap(better, blocks, n_resamples=300)
    assert paired.low > 0
    assert paired.high - paired.low < (alone.high - alone.low) / 2


def test_paired_differences_agree_with_scipy():
    generator = np.random.default_rng(0)
    first = generator.exponential(size=80)
    second = first + generator.normal(0.2, 0.3, size=80)
    gap = paired_difference(mean_of(second), mean_of(first))
    ours = block_bootstrap(gap, np.arange(80), n_resamples=10_000, seed=1)
    theirs = scipy.stats.bootstrap(
        (second, first),
        lambda x, y, axis: np.mean(x, axis=axis) - np.mean(y, axis=axis),
        paired=True,
        n_resamples=10_000,
        method="percentile",
        rng=np.random.default_rng(2),
    )
    error = float(theirs.standard_error)
    assert ours.estimate == pytest.approx((second - first).mean())
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.15 * error)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.15 * error)


def test_resamples_of_one_class_are_dropped_and_counted():
    labels, predictions = np.array([1, 0, 0, 0, 0]), np.arange(5.0)
    interval = block_bootstrap(resampled_auroc(labels, predictions), np.arange(5), n_resamples=500)
    expected = (4 / 5) ** 5 + (1 / 5) ** 5
    assert interval.n_dropped / 500 == pytest.approx(expected, abs=0.08)
    assert interval.n_resamples == 500 - interval.n_dropped
    assert not math.isnan(interval.low)


def test_an_interval_that_rests_on_too_little_is_refused():
    with pytest.raises(InputError, match="1 block of windows"):
        block_bootstrap(mean_of(np.zeros(5)), np.zeros(5, dtype=int))
    with pytest.raises(InputError, match="100 of 100 resamples gave no number"):
        block_bootstrap(lambda rows: math.nan, np.arange(5), n_resamples=100)
    with pytest.raises(InputError, match="one whole number for each row"):
        block_bootstrap(mean_of(np.zeros(5)), np.zeros(5))
    with pytest.raises(InputError, match="level 95"):
        block_bootstrap(mean_of(np.zeros(5)), np.arange(5), level=95)


@given(st.data())
def test_fast_areas_equal_the_slow_ones_on_any_rows(data):
    n = data.draw(st.integers(2, 30))
    labels = np.array(data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    predictions = np.array(data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))) / 3 - 1
    rows = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=40)), dtype=np.intp)
    for fast, slow in ((resampled_auroc, auroc), (resampled_aupr, aupr)):
        expected = slow(labels[rows], predictions[rows])
        assert fast(labels, predictions)(rows) == pytest.approx(expected, abs=2e-6, nan_ok=True)


def test_a_thousand_resamples_of_four_tracks_take_seconds():
    generator = np.random.default_rng(0)
    labels = (generator.random((4, 3000)) < 0.1).astype(int)
    predictions = generator.normal(size=(4, 3000)) + labels
    tracks = [resampled_auroc(y, p) for y, p in zip(labels, predictions, strict=True)]
    started = time.process_time()
    block_bootstrap(lambda rows: float(np.mean([track(rows) for track in tracks])), np.arange(3000) // 10)
    assert time.process_time() - started < 5


@pytest.mark.parametrize("function", [resampled_auroc, resampled_aupr])
def test_bad_labels_and_predictions_are_refused(function):
    for labels, predictions in (([0, 2], [0.1, 0.2]), ([0, 1], [0.1, math.nan])):
        with pytest.raises(InputError, match="labels must be 0 or 1"):
            function(labels, predictions)
    with pytest.raises(InputError, match="shapes"):
        function([0, 1], [0.1])


def test_windows_share_a_block_where_they_start_in_the_same_stretch():
    chrom = ["chrII", "chrII", "chrI", "chrII", "chrI"]
    start = np.array([0, 99_999, 0, 100_000, 50])
    assert genomic_blocks(chrom, start).tolist() == [0, 0, 1, 2, 1]
    assert genomic_blocks(chrom, start, block_bp=10).tolist() == [0, 1, 2, 3, 4]
    assert genomic_blocks([], np.array([], dtype=int)).size == 0
    with pytest.raises(InputError, match="block_bp 0"):
        genomic_blocks(chrom, start, block_bp=0)


@given(st.integers(1, 30), st.integers(1, 4), st.integers(0, 1000))
def test_resampled_ranks_are_those_of_the_rows_drawn(n, steps, seed):
    generator = np.random.default_rng(seed)
    x, y = generator.integers(0, steps, n) / 3, generator.normal(size=n).round(1)
    rows = generator.integers(0, n, size=n)
    expected = spearman(x[rows], y[rows])
    found = resampled_spearman(x, y)(rows)
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)
    if not math.isnan(found):
        assert found == pytest.approx(scipy.stats.spearmanr(x[rows], y[rows])[0], abs=1e-12)
