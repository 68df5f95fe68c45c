"""Windows around bins: labels against a count of bases one by one, and what each epoch sees."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from strandwise.data.batches import TrainingBatches
from strandwise.data.dream import BinSettings, Peaks, label_bins, labels_of_bins
from strandwise.data.splits import SplitSettings, held_out_regions
from strandwise.data.windows import LabelledWindows, WindowSettings
from strandwise.errors import InputError
from strandwise.genome import Genome
from strandwise.layers import binary_head

SPLIT = SplitSettings(valid=("chr2",), test=("chr3",))
WINDOWS = WindowSettings(input_bp=120)
BINS = BinSettings(bin_bp=40, step_bp=10, distance_bp=40, overlap_bp=15)


def frame(*rows: tuple[str, int, int]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["chrom", "start", "end"])
    return table.assign(summit=(table["start"] + table["end"]) // 2)


@pytest.fixture
def genome(make_genome: Callable[..., Genome]) -> Genome:
    return make_genome(chr1=6000, chr2=3000, chr3=3000, chr4=500)


@pytest.fixture
def peaks() -> dict[str, Peaks]:
    rng = np.random.default_rng(3)

    def draw(chroms: tuple[str, ...], number: int) -> pd.DataFrame:
        rows = []
        for chrom in chroms:
            start = np.sort(rng.choice(np.arange(200, 2600), number, replace=False))
            rows += [(chrom, int(s), int(s) + int(rng.integers(25, 70))) for s in start]
        return frame(*rows)

    everywhere = ("chr1", "chr2", "chr3")
    relaxed = frame(("chr1", 3000, 3100), ("chr2", 2750, 2800), ("chr3", 2800, 2830))
    return {"A": Peaks(draw(everywhere, 8), relaxed), "B": Peaks(draw(everywhere[1:], 6))}


def label(genome: Genome, peaks: dict[str, Peaks], bins: BinSettings = BINS, **options) -> LabelledWindows:
    return label_bins(
        genome, peaks, WINDOWS, bins, SPLIT, **{"per_peak": 1.0 if len(peaks) == 1 else 0.2, "epochs": 3, **options}
    )


def slow(peaks: Peaks, chrom: str, start: int, bins: BinSettings) -> tuple[int, int]:
    """The label and weight of a bin, by counting its bases one by one."""
    if chrom not in set(peaks.conservative["chrom"]):
        return 0, 0
    bases = set(range(start, start + bins.bin_bp))

    def covered(table: pd.DataFrame | None) -> int:
        rows = [] if table is None else table.loc[table["chrom"] == chrom, ["start", "end"]].to_numpy().tolist()
        return len(bases & set().union(*(range(low, high) for low, high in rows)))

    bound = covered(peaks.conservative) > bins.bin_bp // 2
    touched = covered(peaks.conservative) > 0 or covered(peaks.relaxed) > 0
    return int(bound), int(bound or not touched)


def test_several_factors_are_labelled_bin_by_bin(genome: Genome, peaks: dict[str, Peaks]) -> None:
    found = label(genome, peaks)
    start = found.frame["start"].to_numpy() + 60 - 20
    for row, chrom in enumerate(found.frame["chrom"]):
        for column, name in enumerate(found.tracks):
            value, weight = slow(peaks[name], chrom, int(start[row]), BINS)
            assert found.weights[row, column] == weight
            assert not weight or found.labels[row, column] == value
    again = labels_of_bins(found.frame["chrom"].to_numpy(), start, peaks, BINS)
    assert np.array_equal(again[1], found.weights)
    assert np.array_equal(again[0] * again[1], found.labels * found.weights)


def test_the_test_holds_every_bin_that_is_known(genome: Genome, peaks: dict[str, Peaks]) -> None:
    found = label(genome, peaks).split("test")
    start = found.frame["start"].to_numpy() + 40
    known = [at for at in range(0, 3000 - 39, 10) if any(slow(each, "chr3", at, BINS)[1] for each in peaks.values())]
    assert start.tolist() == known
    drawn = label(genome, peaks, BINS.model_copy(update={"all_of_test": False})).split("test")
    assert set(drawn.frame["origin"]) == {"peak", "random"}


def test_negatives_lie_apart_and_away_from_every_peak(genome: Genome, peaks: dict[str, Peaks]) -> None:
    found = label(genome, peaks)
    negatives = found.frame[found.frame["origin"] == "random"]
    start = negatives["start"].to_numpy() + 40
    for chrom, at in zip(negatives["chrom"], start, strict=True):
        for each in peaks.values():
            here = each.widest.loc[each.widest["chrom"] == chrom, ["start", "end"]].to_numpy()
            assert not ((here[:, 0] < at + 80) & (here[:, 1] > at - 40)).any()
    for chrom in ("chr1", "chr2"):
        places = np.sort(start[(negatives["chrom"] == chrom).to_numpy()])
        assert (np.diff(places) >= 40).all()


def test_each_epoch_sees_every_positive_and_negatives_of_its_own(genome: Genome, peaks: dict[str, Peaks]) -> None:
    found = label(genome, {"A": peaks["A"]}).split("train")
    positives = set(np.flatnonzero(found.frame["origin"] == "peak"))
    assert len(positives) == 8
    seen = [set(found.rows_of_epoch(epoch)) for epoch in range(4)]
    for rows in seen:
        assert positives <= rows
        assert len(rows) == 16
    for one in range(3):
        for other in range(one):
            assert seen[one] & seen[other] == positives
    assert seen[3] == seen[0]
    batches = TrainingBatches(found, [binary_head(found.tracks)], batch_size=16)
    assert batches.steps == 1
    for epoch in range(4):
        assert float(batches[epoch, 0].targets["bound"].sum()) == 8


def test_one_factor_has_a_window_a_peak_that_keeps_it_when_shifted(genome: Genome, peaks: dict[str, Peaks]) -> None:
    found = label(genome, {"A": peaks["A"]}).split("train")
    assert found.slack is not None
    table = peaks["A"].conservative
    table = table[table["chrom"] == "chr1"]
    rows = np.flatnonzero(found.frame["origin"] == "peak")
    middles = (table["start"] + table["end"]).to_numpy() // 2
    assert (found.frame["start"].to_numpy()[rows] + 60).tolist() == middles.tolist()
    for row, (low, high) in zip(rows, table[["start", "end"]].to_numpy(), strict=True):
        first = int(found.frame["start"].iloc[row]) + 40
        for shift in (-found.slack[row, 0], found.slack[row, 1]):
            overlap = min(first + shift + 40, high) - max(first + shift, low)
            assert overlap >= min(15, high - low)
    others = np.setdiff1d(np.arange(len(found)), rows)
    assert not found.slack[others].any()
    # Shifts are drawn within what each window allows.
    batches, genome_codes = TrainingBatches(found, [binary_head(found.tracks)], batch_size=16), genome.load("chr1")
    for epoch in range(3):
        order = batches._rows(epoch)
        for row, codes in zip(order, batches[epoch, 0].inputs["sequence"].numpy(), strict=True):
            at = int(found.frame["start"].iloc[row])
            low, high = at - int(found.slack[row, 0]), at + int(found.slack[row, 1])
            assert any(np.array_equal(codes, genome_codes[s : s + 120]) for s in range(low, high + 1))


def test_one_factor_of_a_model_of_several_is_labelled_bin_by_bin(genome: Genome, peaks: dict[str, Peaks]) -> None:
    one = {"A": peaks["A"]}
    shares = []
    for single in (True, False):
        found = label(genome, one, per_peak=0.2, single=single).split("train")
        starts = found.frame.loc[found.frame["origin"] == "peak", "start"] + 40
        shares.append((starts % BINS.step_bp == 0).mean())
        assert found.slack is not None
        assert found.slack.any() == single
    assert shares[0] < shares[1] == 1


def test_a_blacklist_bars_training_and_is_unbound_in_the_test(genome: Genome, peaks: dict[str, Peaks]) -> None:
    black = frame(("chr1", 1000, 3000), ("chr3", 1000, 1500))
    found = label(genome, peaks, blacklist=black)
    train = found.split("train").frame
    bins = train["start"] + 40
    assert not ((bins < 3000) & (bins + 40 > 1000)).any()
    test = found.split("test")
    start = test.frame["start"].to_numpy() + 40
    inside = (start < 1500) & (start + 40 > 1000)
    assert inside.sum() > 40
    assert not test.labels[inside].any()
    assert test.weights[inside].all()


def test_a_bed_has_the_labels_of_the_grid_in_the_blacklist_too(genome: Genome, peaks: dict[str, Peaks]) -> None:
    low, high = peaks["A"].conservative.loc[peaks["A"].conservative["chrom"] == "chr3", ["start", "end"]].iloc[0]
    black = frame(("chr3", int(low), int(high)), ("chr3", 1000, 1300), ("chr4", 0, 400))
    test = label(genome, peaks, blacklist=black).split("test")
    start = test.frame["start"].to_numpy() + 40
    labels, weights = labels_of_bins(test.frame["chrom"].to_numpy(), start, peaks, BINS, black)
    assert np.array_equal(weights, test.weights)
    assert np.array_equal(labels * weights, test.labels * test.weights)
    plain = labels_of_bins(test.frame["chrom"].to_numpy(), start, peaks, BINS)
    assert (plain[0] > labels).any()
    unmeasured = labels_of_bins(np.array(["chr4"]), np.array([10]), peaks, BINS, black)
    assert not unmeasured[1].any()


@pytest.mark.parametrize("held", [SPLIT, SplitSettings(test=("chr3:105-1507", "chr1:0-1000", "chr3:1507-2000"))])
@pytest.mark.parametrize("place", ["test", "train"])
def test_every_bin_of_a_place_is_judged(
    genome: Genome, peaks: dict[str, Peaks], held: SplitSettings, place: str
) -> None:
    found = label_bins(genome, peaks, WINDOWS, BINS, held, per_peak=0, roles={place: "test"}).frame
    assert set(found["split"]) == {"test"}
    regions = list(held_out_regions(held, genome.sizes).itertuples(index=False))
    expected = set()
    for chrom, size in genome.sizes.items():
        starts = np.arange(0, size - 39, 10)
        known = labels_of_bins(np.full(len(starts), chrom), starts, peaks, BINS)[1].any(1)
        for at in starts[known].tolist():
            inside = [split for name, low, high, split in regions if name == chrom and low <= at and at + 40 <= high]
            apart = not any(name == chrom and low < at + 40 and at < high for name, low, high, _ in regions)
            if inside[:1] == [place] or (place == "train" and apart):
                expected.add((chrom, at - 40))
    assert set(zip(found["chrom"], found["start"], strict=True)) == expected
    assert len(found) == len(expected) > 50


def test_the_same_seed_draws_the_same(genome: Genome, peaks: dict[str, Peaks]) -> None:
    one, same, other = (label(genome, peaks, seed=seed).frame for seed in (1, 1, 2))
    assert one.equals(same)
    assert not one.equals(other)


def test_what_cannot_be_drawn_is_refused(genome: Genome, peaks: dict[str, Peaks]) -> None:
    with pytest.raises(InputError, match=r"unbound bins are left for the \d+ negatives of split 'train'"):
        label(genome, peaks, per_peak=100)
    points = {"A": Peaks(frame(("chr1", 500, 501), ("chr2", 400, 401)))}
    with pytest.raises(
        InputError, match=r"its longest peak has 1 bp, and .* cover 21 of its 40 bp: set bins.peak_bp = 40"
    ):
        label(genome, points)
    widened = {"A": points["A"].resized(40, genome.sizes)}
    assert widened["A"].conservative[["start", "end"]].to_numpy().tolist() == [[480, 520], [380, 420]]
    with pytest.raises(ValidationError, match="least_bp 300 is more than a bin of 200 bp"):
        BinSettings(least_bp=300)


def test_peaks_near_a_chromosome_end_stay_on_it() -> None:
    found = Peaks(frame(("chr1", 2, 3), ("chr1", 97, 98))).resized(20, {"chr1": 100})
    assert found.conservative[["start", "end"]].to_numpy().tolist() == [[0, 12], [87, 100]]
