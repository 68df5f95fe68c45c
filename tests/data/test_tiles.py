"""Windows side by side: labels and drops against a look at each window by itself."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from strandwise.data.batches import TARGET, TrainingBatches
from strandwise.data.splits import SplitSettings
from strandwise.data.tiles import TileSettings, label_as_tiles, label_tiles, taken_peaks
from strandwise.data.windows import LabelledWindows, WindowSettings
from strandwise.errors import InputError
from strandwise.genome import Genome
from strandwise.layers import dense_head
from strandwise.sequence import revcomp_codes

SPLIT = SplitSettings(valid=("chr1:1000-1500",), test=("chr2",))
WINDOWS = WindowSettings(input_bp=100, label_bp=20)
ROWS = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(0, 700), st.integers(1, 45)).map(
        lambda t: (t[0], t[1], t[1] + t[2])
    ),
    min_size=1,
    max_size=8,
)


def frame(rows: list[tuple[str, int, int]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["chrom", "start", "end"]).astype({"start": "int64", "end": "int64"})
    return table.assign(summit=(table["start"] + table["end"]) // 2)


@pytest.fixture
def genome(make_genome: Callable[..., Genome]) -> Genome:
    return make_genome(chr1=2050, chr2=777, chr3=500)


@pytest.fixture
def peaks() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(5)

    def draw(chrom: str, number: int, most: int) -> list[tuple[str, int, int]]:
        start = rng.integers(0, most, number)
        return [(chrom, int(at), int(at + rng.integers(15, 50))) for at in start]

    return {"A": frame(draw("chr1", 12, 2000) + draw("chr2", 4, 700)), "B": frame(draw("chr1", 6, 2000))}


def painted(table: pd.DataFrame, sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Whether each base of each chromosome lies in any of the intervals."""
    bases = {name: np.zeros(size, dtype=bool) for name, size in sizes.items()}
    for chrom, start, end in table[["chrom", "start", "end"]].itertuples(index=False):
        bases[chrom][start:end] = True
    return bases


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, ROWS, st.sampled_from([None, 1, 5, 20]), st.sampled_from([10, 40, 130]))
def test_middles_are_bound_where_peaks_cover_enough(
    genome: Genome, one: list, two: list, least: int | None, step: int
) -> None:
    peaks = {"A": frame([*one, ("chr1", 300, 330)]), "B": frame(two)}
    if peaks["B"]["end"].sub(peaks["B"]["start"]).max() < (least or 11):
        peaks["B"] = frame([*two, ("chr1", 400, 430)])
    tiles = TileSettings(step_bp=step, least_bp=least, keep="all")
    every = label_tiles(genome, peaks, WINDOWS, tiles, SPLIT)
    used = [name for name in genome.sizes if any(name in set(each["chrom"]) for each in peaks.values())]
    laid = [(name, start) for name in used for start in range(0, genome.sizes[name] - 99, step)]
    kept = [(name, at) for name, at in laid if name != "chr1" or at + 100 <= 1000 or at >= 1500 or 1000 <= at <= 1400]
    assert list(zip(every.frame["chrom"], every.frame["start"], strict=True)) == kept
    assert every.dropped == ({"across the border of a split": len(laid) - len(kept)} if len(laid) > len(kept) else {})
    enough = 11 if least is None else least
    bases = [painted(table, genome.sizes) for table in peaks.values()]
    slow = [[each[name][at + 40 : at + 60].sum() >= enough for each in bases] for name, at in kept]
    assert every.labels.tolist() == slow
    seen = [set(table["chrom"]) for table in peaks.values()]
    assert every.weights.tolist() == [[float(name in chroms) for chroms in seen] for name, _ in kept]
    positive = np.flatnonzero(every.labels.any(1))
    if not len(positive):
        with pytest.raises(InputError, match="without a positive label"):
            label_tiles(genome, peaks, WINDOWS, tiles.model_copy(update={"keep": "peaks"}), SPLIT)
        return
    some = label_tiles(genome, peaks, WINDOWS, tiles.model_copy(update={"keep": "peaks"}), SPLIT)
    assert some.frame.equals(every.frame.iloc[positive].reset_index(drop=True))
    assert np.array_equal(some.labels, every.labels[positive])
    assert len(some) + sum(some.dropped.values()) == len(laid)


def test_defaults_are_those_of_the_two_data_sets(genome: Genome, peaks: dict[str, pd.DataFrame]) -> None:
    middle = label_tiles(genome, peaks, WINDOWS, TileSettings(), SPLIT)
    assert middle.labels.any(1).all()
    assert (middle.frame["start"] % 200 == 0).all()
    dense = label_tiles(genome, peaks, WINDOWS, TileSettings(labels="dense"), SPLIT)
    assert (dense.frame["start"] % 100 == 0).all()
    assert dense.frame.groupby("chrom").size().to_dict() == {"chr1": 20, "chr2": 7}
    assert not dense.labels.any(1).all()
    assert "no peaks on chr3: no windows there" in dense.notes


def dense_windows(
    genome: Genome, peaks: dict[str, pd.DataFrame], windows: WindowSettings, **options
) -> LabelledWindows:
    return label_tiles(genome, peaks, windows, TileSettings(labels="dense", **options), SPLIT)


@pytest.mark.parametrize(("output_bp", "bin_bp"), [(None, 1), (60, 1), (60, 5), (None, 4)])
def test_dense_labels_are_those_of_each_bin(
    genome: Genome, peaks: dict[str, pd.DataFrame], output_bp: int | None, bin_bp: int
) -> None:
    windows = WindowSettings(input_bp=100, label_bp=20, output_bp=output_bp, bin_bp=bin_bp)
    found = dense_windows(genome, peaks, windows)
    length = output_bp or 100
    batch = found.signals[TARGET].gather(np.arange(len(found)))
    assert batch.values.shape == (len(found), 2, length // bin_bp)
    seen = [set(table["chrom"]) for table in peaks.values()]
    assert batch.weights.tolist() == [[float(name in chroms) for chroms in seen] for name in found.frame["chrom"]]
    for column, table in enumerate(peaks.values()):
        bases = painted(table, genome.sizes)
        for row, (chrom, at) in enumerate(zip(found.frame["chrom"], found.frame["start"], strict=True)):
            first = int(at) + (100 - length) // 2
            bins = [bases[chrom][low : low + bin_bp].sum() > bin_bp / 2 for low in range(first, first + length, bin_bp)]
            assert batch.values[row, column].tolist() == bins
            assert found.labels[row, column] == bases[chrom][first : first + length].any()
    summary = found.summary()
    assert [row["windows"] for row in summary] == found.frame.groupby("split").size().reindex(
        ["train", "valid", "test"]
    ).tolist()
    assert sum(int(str(row["A"])) for row in summary) == found.labels[:, 0].sum()
    only = dense_windows(genome, peaks, windows, keep="peaks")
    assert np.array_equal(only.labels, found.labels[found.labels.any(1)])


def test_training_moves_and_turns_dense_labels_with_their_dna(genome: Genome, peaks: dict[str, pd.DataFrame]) -> None:
    windows = WindowSettings(input_bp=100, label_bp=20, output_bp=60, bin_bp=5, jitter_bp=30)
    train = dense_windows(genome, peaks, windows).split("train")
    batches = TrainingBatches(train, [dense_head(train.tracks)], batch_size=8, jitter_bp=30, augment="double", seed=2)
    codes = {name: genome.load(name) for name in genome.sizes}
    bases = [
        {name: np.pad(line, (0, 100)) for name, line in painted(each, genome.sizes).items()} for each in peaks.values()
    ]
    seen = 0
    for step in range(batches.steps):
        batch, rows = batches[0, step], batches._rows(0)[step * 8 : step * 8 + 8]
        for i, row in enumerate(rows):
            chrom, at = train.frame["chrom"].iloc[row], int(train.frame["start"].iloc[row])
            read, back = batch.inputs["sequence"][2 * i].numpy(), batch.inputs["sequence"][2 * i + 1].numpy()
            assert np.array_equal(revcomp_codes(read), back)
            padded = np.pad(codes[chrom], 100, constant_values=4)
            (shift,) = [s for s in range(-30, 31) if np.array_equal(padded[at + s + 100 : at + s + 200], read)]
            first = at + shift + 20
            slow = [[each[chrom][low : low + 5].sum() > 2.5 for low in range(first, first + 60, 5)] for each in bases]
            assert batch.targets["bound"][2 * i].tolist() == slow
            assert batch.targets["bound"][2 * i + 1].tolist() == [bins[::-1] for bins in slow]
            seen += sum(map(sum, slow))
    assert seen > 10


def test_an_event_of_fifty_bases_on_either_side_is_101_wide() -> None:
    table = frame([("chr1", 300, 400), ("chr1", 10, 11), ("chr1", 2040, 2050)])
    sizes = {"chr1": 2050}
    taken = taken_peaks({"A": table}, TileSettings(peak_bp=101), sizes)["A"]
    assert taken[["start", "end"]].to_numpy().tolist() == [[300, 401], [0, 61], [1995, 2050]]
    assert taken_peaks({"A": table}, TileSettings(peak_bp=100), sizes)["A"]["end"].tolist() == [400, 60, 2050]
    assert taken_peaks({"A": table}, TileSettings(), sizes)["A"].equals(table)
    # From the other strand the same bases are bound.
    turned = frame([("chr1", 2050 - 351, 2050 - 350)])
    assert taken_peaks({"A": turned}, TileSettings(peak_bp=101), sizes)["A"]["start"].tolist() == [2050 - 401]


def test_what_keeps_windows_out_is_counted(make_genome: Callable[..., Genome]) -> None:
    genome = make_genome(chr1="ACGT" * 25 + "N" * 11 + "ACGT" * 100, chr2=250)
    peaks = {"A": frame([("chr1", 0, 500), ("chr2", 0, 250)]), "B": frame([("chr1", 0, 40)])}
    black = frame([("chr1", 299, 301)])
    unmappable = frame([("chr1", 400, 411), ("chr2", 0, 10)])
    split, dense = SplitSettings(test=("chr2",)), TileSettings(labels="dense")
    found = label_tiles(genome, peaks, WINDOWS, dense, split, blacklist=black, unmappable=unmappable)
    # A tenth is kept, more is not.
    assert found.frame[["chrom", "start"]].to_numpy().tolist() == [["chr1", 0], ["chr2", 0], ["chr2", 100]]
    assert found.dropped == {"in the blacklist": 2, "too much unknown sequence": 1, "too little of it mappable": 1}
    assert found.frame["split"].tolist() == ["train", "test", "test"]
    everywhere = frame([("chr1", 0, 500), ("chr2", 0, 250)])
    with pytest.raises(InputError, match=r"leaves no window of 7 \(7 in the blacklist\): loosen what drops them"):
        label_tiles(genome, peaks, WINDOWS, dense, split, blacklist=everywhere)


def test_windows_anywhere_are_labelled_by_the_same_rule(genome: Genome, peaks: dict[str, pd.DataFrame]) -> None:
    tiles = TileSettings(labels="dense", keep="all")
    laid = label_tiles(genome, peaks, WINDOWS, tiles, SPLIT)
    at = laid.frame.assign(start=laid.frame["start"] - 63, end=laid.frame["end"] - 63)
    blank = LabelledWindows(at, laid.labels, laid.weights, laid.tracks, laid.reader, 100)
    found = label_as_tiles(blank, peaks, genome.sizes, WINDOWS, tiles)
    for row in (1, 3, 21):
        chrom, start = at["chrom"][row], int(at["start"][row])
        slow = [painted(table, genome.sizes)[chrom][start : start + 100].tolist() for table in peaks.values()]
        assert found.signals[TARGET].gather(np.array([row])).values[0].tolist() == slow
        assert found.labels[row].tolist() == [any(bins) for bins in slow]


def test_what_does_not_fit_is_refused(genome: Genome, peaks: dict[str, pd.DataFrame]) -> None:
    points = {"A": frame([("chr1", 500, 501)])}
    with pytest.raises(
        InputError, match=r"its longest peak has 1 bp, and a middle of 20 bp .*set tiles.peak_bp = 20 .*least_bp"
    ):
        label_tiles(genome, points, WINDOWS, TileSettings(), SPLIT)
    binned = WindowSettings(input_bp=100, label_bp=20, bin_bp=10)
    with pytest.raises(InputError, match=r"a bin of 10 bp .*cover 6 of it: set tiles.peak_bp = 10 .*summits\.$"):
        label_tiles(genome, points, binned, TileSettings(labels="dense"), SPLIT)
    assert label_tiles(genome, points, WINDOWS, TileSettings(step_bp=10, peak_bp=20), SPLIT).labels.sum() == 1
    with pytest.raises(InputError, match="2100 bp are longer than every chromosome"):
        label_tiles(genome, peaks, WindowSettings(input_bp=2100), TileSettings(), SPLIT)
    with pytest.raises(ValidationError, match="least_bp is for labels = 'middle'"):
        TileSettings(labels="dense", least_bp=3)
