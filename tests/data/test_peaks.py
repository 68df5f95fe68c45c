import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from strandwise.data.labels import merge_peaks
from strandwise.data.peaks import NegativeSettings, TargetSettings, label_intervals, label_peaks, read_targets
from strandwise.data.simulation import SimulatedGenome
from strandwise.data.splits import SplitSettings
from strandwise.data.windows import LabelledWindows, WindowSettings
from strandwise.errors import InputError
from strandwise.genome import Genome, read_bed

SPLIT = {"valid": ["chr4"], "test": ["chr1:30000-", "chr5:0-9000"]}


def label(
    genome: Genome,
    files: dict[str, Path],
    windows: dict[str, Any] | None = None,
    split: dict[str, Any] | None = None,
    negatives: dict[str, Any] | None = None,
    blacklist: Path | None = None,
    seed: int = 0,
) -> LabelledWindows:
    held = SplitSettings.model_validate(split or {})
    targets = [TargetSettings(name=name, peaks=path) for name, path in files.items()]
    peaks, notes = read_targets(targets, genome, held.exclude)
    return label_peaks(
        genome,
        peaks,
        WindowSettings.model_validate(windows or {"input_bp": 300, "label_bp": 100}),
        held,
        NegativeSettings.model_validate(negatives or {}),
        blacklist=blacklist,
        seed=seed,
        notes=notes,
    )


def bed(path: Path, *rows: str) -> Path:
    path.write_text("".join(row.replace(" ", "\t") + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def factors(simulated: SimulatedGenome) -> dict[str, Path]:
    return {name: simulated.peaks(name, "alpha") for name in ("CTCF", "MAX", "GATA4")}


@pytest.fixture(scope="module")
def windows(simulated: SimulatedGenome, factors: dict[str, Path]) -> LabelledWindows:
    return label(Genome(simulated.fasta), factors, split=SPLIT)


def summits(factors: dict[str, Path]) -> pd.DataFrame:
    """Every peak, read without the package: 1-bp points."""
    frames = [
        pd.read_csv(path, sep="\t", usecols=[0, 1], names=["chrom", "summit"]).assign(track=track)
        for track, path in factors.items()
    ]
    return pd.concat(frames, ignore_index=True)


def test_labels_are_those_of_a_loop_over_peaks(windows: LabelledWindows, factors: dict[str, Path]) -> None:
    peaks = summits(factors)
    expected = np.zeros((len(windows), 3))
    for row, (chrom, start, end) in enumerate(windows.frame[["chrom", "start", "end"]].itertuples(index=False)):
        low, high = start + 100, end - 100
        for name, at, track in peaks.itertuples(index=False):
            if name == chrom and low <= at < high:
                expected[row, windows.tracks.index(track)] = 1
    assert windows.tracks == ("CTCF", "MAX", "GATA4")
    assert np.array_equal(windows.labels, expected)
    assert np.array_equal(windows.weights, np.ones_like(expected))
    assert (expected.sum(1) > 1).any()


def test_windows_around_peaks_are_centred_and_accounted_for(
    windows: LabelledWindows, factors: dict[str, Path], simulated: SimulatedGenome
) -> None:
    sizes = Genome(simulated.fasta).sizes
    found = windows.frame[windows.frame["origin"] == "peak"]
    assert (found["end"] - found["start"] == 300).all()
    here = set(zip(found["chrom"], found["start"] + 150, strict=True))
    assert len(here) == len(found)
    wanted, past, across = set(), 0, 0
    for chrom, at in {(chrom, at) for chrom, at, _ in summits(factors).itertuples(index=False)}:
        low, high = at - 150, at + 150
        if low < 0 or high > sizes[chrom]:
            past += 1
        elif (chrom == "chr1" and low < 30000 < high) or (chrom == "chr5" and low < 9000 < high):
            across += 1
        else:
            wanted.add((chrom, at))
    assert here == wanted
    assert windows.dropped.get("past a chromosome's end", 0) == past
    assert windows.dropped.get("across the border of a split", 0) == across


def test_every_window_lies_whole_in_its_split(windows: LabelledWindows) -> None:
    for row in windows.frame.to_dict("records"):
        chrom, start, end = row["chrom"], row["start"], row["end"]
        if chrom == "chr4":
            assert row["split"] == "valid"
        elif (chrom == "chr1" and start >= 30000) or (chrom == "chr5" and end <= 9000):
            assert row["split"] == "test"
        else:
            assert row["split"] == "train"
            assert not (chrom == "chr1" and end > 30000)
            assert not (chrom == "chr5" and start < 9000)


def test_border_straddlers_are_dropped_and_counted(make_genome: Callable[..., Genome], tmp_path: Path) -> None:
    genome = make_genome(chr1=5000)
    path = bed(tmp_path / "p.bed", *(f"chr1 {at} {at + 1}" for at in (20, 500, 1900, 2040, 2500, 4990)))
    found = label(genome, {"a": path}, {"input_bp": 100, "label_bp": 20}, {"test": ["chr1:2000-"]})
    peaks = found.frame[found.frame["origin"] == "peak"]
    assert peaks[["start", "split"]].to_numpy().tolist() == [[450, "train"], [1850, "train"], [2450, "test"]]
    assert found.dropped == {"past a chromosome's end": 2, "across the border of a split": 1}


@pytest.mark.parametrize("per_peak", [0.5, 1.0, 2.3, 3.0])
def test_random_windows_per_split(simulated: SimulatedGenome, factors: dict[str, Path], per_peak: float) -> None:
    found = label(Genome(simulated.fasta), factors, split=SPLIT, negatives={"per_peak": per_peak})
    counts = found.frame.groupby(["split", "origin"]).size().unstack()
    for row in counts.to_dict("records"):
        assert row["random"] == math.ceil(round(per_peak * row["peak"], 6))
    assert set(counts.index) == {"train", "valid", "test"}


def test_fifty_five_are_fifty_five(make_genome: Callable[..., Genome], tmp_path: Path) -> None:
    # In binary, 25 * 2.2 is a little more than 55.
    path = bed(tmp_path / "p.bed", *(f"chr1 {at} {at + 1}" for at in range(500, 3000, 100)))
    found = label(make_genome(chr1=9000), {"a": path}, {"input_bp": 100, "label_bp": 20}, negatives={"per_peak": 2.2})
    assert found.frame["origin"].value_counts().to_dict() == {"random": 55, "peak": 25}


@pytest.mark.parametrize("distance", [None, 0, 400])
def test_random_windows_keep_their_distance(
    simulated: SimulatedGenome, factors: dict[str, Path], distance: int | None, tmp_path: Path
) -> None:
    genome = Genome(simulated.fasta)
    barred = bed(tmp_path / "blacklist.bed", "chr1 1000 9000", "chr2 0 100", "chr4 20000 25000")
    negatives = {} if distance is None else {"distance_bp": distance}
    found = label(genome, factors, split=SPLIT, negatives=negatives, blacklist=barred)
    frame = found.frame[found.frame["origin"] == "random"]
    assert not frame.duplicated(["chrom", "start"]).any()
    assert ((frame["start"] >= 0) & (frame["end"] <= frame["chrom"].map(genome.sizes))).all()
    least = 150 if distance is None else distance
    peaks = summits(factors)
    nearest = [
        abs(peaks["summit"][peaks["chrom"] == chrom] - (start + 150)).min()
        for chrom, start in frame[["chrom", "start"]].itertuples(index=False)
    ]
    assert min(nearest) > least
    assert min(nearest) < least + 100
    for chrom, low, high in (("chr1", 1000, 9000), ("chr2", 0, 100), ("chr4", 20000, 25000)):
        all_of = found.frame[found.frame["chrom"] == chrom]
        assert not ((all_of["start"] < high) & (all_of["end"] > low)).any()
    assert found.dropped["in the blacklist"] > 0


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_random_windows_have_few_n(make_genome: Callable[..., Genome], tmp_path: Path, share: float) -> None:
    genome = make_genome(chr1=("ACGT" * 50 + "N" * 100) * 30)
    path = bed(tmp_path / "p.bed", *(f"chr1 {at} {at + 1}" for at in range(100, 3000, 300)))
    found = label(
        genome, {"a": path}, {"input_bp": 100, "label_bp": 20, "max_n_fraction": share}, negatives={"per_peak": 20}
    )
    rows = np.flatnonzero(found.frame["origin"] == "random")
    unknown = [
        (genome.fetch("chr1", start, start + 100) == 4).mean() for start in found.frame["start"].to_numpy()[rows]
    ]
    assert len(rows) == 200
    assert max(unknown) <= share
    assert share == 0 or max(unknown) > share - 0.1


def test_the_dna_is_that_of_the_genome(windows: LabelledWindows, simulated: SimulatedGenome) -> None:
    genome = Genome(simulated.fasta)
    rows = np.arange(0, len(windows), 11)
    places = windows.frame.iloc[rows][["chrom", "start", "end"]].to_numpy()
    expected = [genome.fetch(*place) for place in places]
    assert np.array_equal(windows.reader.gather(rows), expected)


def test_the_seed_decides(simulated: SimulatedGenome, factors: dict[str, Path], windows: LabelledWindows) -> None:
    genome = Genome(simulated.fasta)
    again, other = (label(genome, factors, split=SPLIT, seed=seed) for seed in (0, 1))
    pd.testing.assert_frame_equal(again.frame, windows.frame)
    assert np.array_equal(again.labels, windows.labels)
    peaks = windows.frame["origin"] == "peak"
    pd.testing.assert_frame_equal(other.frame[peaks], windows.frame[peaks])
    assert not other.frame[~peaks].equals(windows.frame[~peaks])


@pytest.mark.parametrize("label_bp", [1, 2, 3, 100, 101])
@pytest.mark.parametrize("input_bp", [100, 101])
def test_a_window_is_positive_by_its_own_peak(
    make_genome: Callable[..., Genome], tmp_path: Path, input_bp: int, label_bp: int
) -> None:
    if label_bp > input_bp:
        return
    path = bed(tmp_path / "p.bed", "chr1 1000 1001", "chr1 3000 3001")
    found = label(make_genome(chr1=5000), {"a": path}, {"input_bp": input_bp, "label_bp": label_bp})
    assert found.labels.ravel().tolist() == [1, 1, 0, 0, 0, 0, 0, 0]


def test_narrow_peaks_count_by_their_summits(make_genome: Callable[..., Genome], tmp_path: Path) -> None:
    rows = ["chr1 1000 1400 a 0 . 5 5 5 30", "chr1 3000 3100 b 0 . 5 5 5 -1"]
    path = bed(tmp_path / "p.narrowPeak", *rows)
    found = label(make_genome(chr1=5000), {"a": path}, {"input_bp": 200, "label_bp": 20})
    assert found.frame["start"][found.frame["origin"] == "peak"].tolist() == [930, 2950]


def test_a_shared_summit_gives_one_window(make_genome: Callable[..., Genome], tmp_path: Path) -> None:
    one = bed(tmp_path / "a.bed", "chr1 1000 1001", "chr1 1000 1001", "chr1 2000 2001")
    two = bed(tmp_path / "b.bed", "chr1 1000 1001", "chr1 2005 2006")
    found = label(make_genome(chr1=9000), {"a": one, "b": two}, {"input_bp": 200, "label_bp": 20})
    peaks = found.frame["origin"] == "peak"
    assert found.frame["start"][peaks].tolist() == [900, 1900, 1905]
    assert found.labels[peaks].tolist() == [[1, 1], [1, 1], [1, 1]]
    assert found.labels[~peaks].sum() == 0


def test_names_are_reconciled_and_noted(make_genome: Callable[..., Genome], tmp_path: Path) -> None:
    genome = make_genome(chr1=3000, chr2=3000, chrM=900)
    path = bed(tmp_path / "p.bed", "1 1000 1001", "2 1000 1001")
    barred = bed(tmp_path / "b.bed", "2 0 1500")
    found = label(genome, {"a": path}, {"input_bp": 100, "label_bp": 20}, blacklist=barred)
    assert set(found.frame["chrom"]) == {"chr1", "chr2"}
    assert (found.frame["start"][found.frame["chrom"] == "chr2"] >= 1500).all()
    notes = "\n".join(found.notes)
    assert "p.bed: 2 chromosome names read under other names in" in notes
    assert "'1' as 'chr1'" in notes
    assert "b.bed: 1 chromosome name read under other names" in notes
    assert "no peaks on chrM: no windows there" in notes


def test_chromosomes_without_peaks_give_no_windows(make_genome: Callable[..., Genome], tmp_path: Path) -> None:
    genome = make_genome(chr1=3000, chr2=3000, chr3=50, chr4=3000)
    path = bed(tmp_path / "p.bed", "chr1 1000 1001", "chr4 1000 1001")
    found = label(genome, {"a": path}, {"input_bp": 100, "label_bp": 20}, {"exclude": ["chr4", "chr_4"]})
    assert set(found.frame["chrom"]) == {"chr1"}
    assert found.notes[0] == "no peaks on chr2, chr3: no windows there"
    assert "split.exclude names 'chr_4', which is not in" in found.notes[1]
    assert "(did you mean 'chr4'?)" in found.notes[1]


def test_excluded_names_need_not_be_in_the_genome(make_genome: Callable[..., Genome], tmp_path: Path) -> None:
    path = bed(tmp_path / "p.bed", "chr1 1000 1001", "chrUn_7 5 6", "chrM 99999 100000")
    genome = make_genome(chr1=3000, chrM=100)
    found = label(genome, {"a": path}, {"input_bp": 100, "label_bp": 20}, {"exclude": ["chrUn_7", "chrM"]})
    assert found.frame["origin"].value_counts().to_dict() == {"peak": 1, "random": 3}


@pytest.mark.parametrize(
    ("rows", "settings", "split", "words"),
    [
        (["chr1 2999 3001"], {}, {}, r"p.bed: chr1:2999-3001 reaches past the end of chr1, which is 3000 bp"),
        (["chr1 9 10", "chrX 9 10"], {}, {}, r"p.bed: chromosome 'chrX' is not in .*genome.fa.gz"),
        (
            ["chr1 9 10"],
            {"input_bp": 4000},
            {},
            r"input_bp = 4000 is longer than chr1 \(3000 bp\): use shorter windows",
        ),
        ([], {}, {}, "p.bed"),
        (["chr1 9 10"], {}, {"exclude": ["chr1"]}, "every chromosome that has any is in split.exclude"),
        (["chr1 900 901"], {}, {"test": ["chr7"]}, r"chromosome 'chr7' is not in the genome"),
        (["chr1 ten 901"], {}, {}, r"p.bed, line 1: 'ten' is not a whole number"),
    ],
)
def test_input_that_cannot_be_used(
    make_genome: Callable[..., Genome],
    tmp_path: Path,
    rows: list[str],
    settings: dict[str, Any],
    split: dict[str, Any],
    words: str,
) -> None:
    genome = make_genome(chr1=3000, chr2=50)
    with pytest.raises(InputError, match=words):
        label(genome, {"a": bed(tmp_path / "p.bed", *rows)}, {"input_bp": 100, "label_bp": 20} | settings, split)


def test_too_little_room_for_random_windows(make_genome: Callable[..., Genome], tmp_path: Path) -> None:
    path = bed(tmp_path / "p.bed", *(f"chr1 {at} {at + 1}" for at in range(100, 3000, 100)))
    with pytest.raises(InputError, match=r"only 0 of 87 random windows .* split 'train' .* lower negatives.per_peak"):
        label(make_genome(chr1=3000), {"a": path}, {"input_bp": 100, "label_bp": 20})


def test_a_sliver_held_out_still_gets_its_random_windows(make_genome: Callable[..., Genome], tmp_path: Path) -> None:
    genome = make_genome(chr1=400_000, chr2=3000)
    path = bed(tmp_path / "p.bed", "chr1 5000 5001", "chr1 200200 200201", "chr2 1500 1501")
    split = {"valid": ["chr1:200000-200420"], "test": ["chr2"]}
    found = label(genome, {"a": path}, {"input_bp": 100, "label_bp": 20}, split)
    assert found.frame.groupby("split")["origin"].value_counts().unstack().to_numpy().tolist() == [[1, 3]] * 3


def test_intervals_given_by_hand(make_genome: Callable[..., Genome], tmp_path: Path) -> None:
    genome = make_genome(chr1=1000, chr2=800)
    given = read_bed(bed(tmp_path / "i.bed", "chr2 0 10 left", "chr1 500 520 middle", "chr2 790 800 right"))
    peaks = {"a": read_bed(bed(tmp_path / "p.bed", "chr1 505 506", "chr2 700 701"))}
    found = label_intervals(genome, given, peaks, WindowSettings(input_bp=100, label_bp=20))
    assert found.frame[["chrom", "start", "end", "name"]].to_numpy().tolist() == [
        ["chr2", -45, 55, "left"],
        ["chr1", 460, 560, "middle"],
        ["chr2", 745, 845, "right"],
    ]
    assert found.labels.ravel().tolist() == [0, 1, 0]
    assert found.notes == ("2 windows reach past a chromosome's end and read N there",)
    codes = found.reader.gather(np.arange(3))
    assert np.array_equal(codes[0], genome.fetch("chr2", -45, 55, pad=True))
    assert np.array_equal(codes[2], genome.fetch("chr2", 745, 845, pad=True))
    assert (codes[0][:45] == 4).all()
    assert (codes[2][55:] == 4).all()


def test_intervals_of_another_assembly_are_refused(make_genome: Callable[..., Genome], tmp_path: Path) -> None:
    # Far past the end lies the next chromosome in memory, which must not be read for it.
    genome = make_genome(chr1=1000, chr2=800)
    given = read_bed(bed(tmp_path / "i.bed", "chr2 5 10", "chr1 1300 1310"))
    with pytest.raises(InputError, match=r"i.bed: chr1:1300-1310 reaches past the end of chr1, which is 1000 bp"):
        label_intervals(genome, given, {}, WindowSettings(input_bp=100, label_bp=20), tmp_path / "i.bed")


def test_one_chromosome_held_out_by_region(real_data: Path) -> None:
    genome = Genome(real_data / "ecoli" / "genome.fa.gz")
    path = real_data / "ecoli" / "peaks" / "RpoN_30C.bed"
    split = {"valid": ["NC_007779.1:3000000-3600000"], "test": ["NC_007779.1:3600000-"]}
    found = label(genome, {"RpoN": path}, {"input_bp": 500, "label_bp": 200}, split)
    at = pd.read_csv(path, sep="\t", skiprows=1, header=None)[1].drop_duplicates()
    low, high = at - 250, at + 250
    expected = {
        "train": int(((low >= 0) & (high <= 3_000_000)).sum()),
        "valid": int(((low >= 3_000_000) & (high <= 3_600_000)).sum()),
        "test": int(((low >= 3_600_000) & (high <= 4_646_332)).sum()),
    }
    peaks = found.frame[found.frame["origin"] == "peak"]
    assert peaks["split"].value_counts().to_dict() == expected
    assert sum(expected.values()) + sum(found.dropped.values()) == len(at)
    random = found.frame[found.frame["origin"] == "random"]
    assert random["split"].value_counts().to_dict() == {split: 3 * count for split, count in expected.items()}
    valid = random[random["split"] == "valid"]
    assert valid["start"].min() >= 3_000_000
    assert valid["end"].max() <= 3_600_000


def test_yeast_factors(real_data: Path) -> None:
    genome = Genome(real_data / "yeast" / "genome.fa.gz")
    files = {name: real_data / "yeast" / "peaks" / f"{name}.bed" for name in ("Reb1", "Abf1", "Rap1", "Mcm1")}
    split = {"valid": ["chrII"], "test": ["chrIV", "chrXVI"], "exclude": ["chrM"]}
    found = label(genome, files, {"input_bp": 500, "label_bp": 200}, split)
    points = {name: pd.read_csv(path, sep="\t", usecols=[0, 1], names=["chrom", "at"]) for name, path in files.items()}
    centres = pd.concat(points.values()).drop_duplicates()
    centres = centres[centres["chrom"] != "chrM"]
    inside = (centres["at"] >= 250) & (centres["at"] + 250 <= centres["chrom"].map(genome.sizes))
    assert (found.frame["origin"] == "peak").sum() == inside.sum()
    assert found.dropped.get("past a chromosome's end", 0) == (~inside).sum()
    role = centres[inside]["chrom"].map({"chrII": "valid", "chrIV": "test", "chrXVI": "test"}).fillna("train")
    peaks = found.frame["origin"] == "peak"
    assert found.frame["split"][peaks].value_counts().to_dict() == role.value_counts().to_dict()
    for column, points_of in enumerate(points.values()):
        by_chrom = {chrom: np.sort(group["at"].to_numpy()) for chrom, group in points_of.groupby("chrom")}
        expected = []
        for chrom, start in found.frame[["chrom", "start"]].itertuples(index=False):
            at = by_chrom.get(chrom, np.array([]))
            expected.append(((at >= start + 150) & (at < start + 350)).any())
        assert np.array_equal(found.labels[:, column], np.array(expected, dtype=np.float32))
    assert found.labels[~peaks].sum() == 0


def test_negatives_may_have_the_gc_of_the_positives(make_genome: Callable[..., Genome], tmp_path: Path) -> None:
    """Peaks in a stretch that is rich in G and C, in a genome that is half so."""
    rng = np.random.default_rng(0)
    rich, poor = (
        "".join(rng.choice(list("ACGT"), 40_000, p=p)) for p in ([0.2, 0.3, 0.3, 0.2], [0.35, 0.15, 0.15, 0.35])
    )
    genome = make_genome(chr1=rich + poor)
    files = {"A": bed(tmp_path / "a.bed", *(f"chr1 {at} {at + 1}" for at in range(2000, 12_000, 250)))}
    gaps = {}
    for kind in ("random", "gc"):
        windows = label(genome, files, negatives={"kind": kind, "per_peak": 2})
        frame, codes = windows.frame, windows.reader.gather(np.arange(len(windows)))
        gc = np.isin(codes, (1, 2)).mean(1)
        negative = (frame["origin"] == "random").to_numpy()
        assert negative.sum() == 2 * (~negative).sum()
        assert not frame[negative].duplicated(["chrom", "start"]).any()
        gaps[kind] = abs(gc[negative].mean() - gc[~negative].mean())
        assert any("negatives matched by GC" in note for note in windows.notes) == (kind == "gc")
    assert gaps["random"] > 0.1
    assert gaps["gc"] < 0.01
    again = label(genome, files, negatives={"kind": "gc", "per_peak": 2})
    assert again.frame.equals(frame)


def test_peaks_of_all_targets_are_merged_as_in_basset(make_genome: Callable[..., Genome], tmp_path: Path) -> None:
    one = bed(tmp_path / "one.bed", "chr1 1000 1001", "chr1 3000 3001", "chr1 20 21", "chr1 7000 7001")
    two = bed(tmp_path / "two.bed", "chr1 1040 1041", "chr1 3150 3151")
    lengths = {"input_bp": 200, "label_bp": 20, "merge_overlap_bp": 100}
    found = label(make_genome(chr1=9000), {"a": one, "b": two}, lengths, negatives={"per_peak": 2})
    around = found.frame["origin"] == "peak"
    # The first two become one window between them; the next two overlap by too little; one is moved inwards.
    assert found.frame["start"][around].tolist() == [0, 920, 2900, 3050, 6900]
    assert found.labels[around].tolist() == [[1, 0], [1, 1], [1, 0], [0, 1], [1, 0]]
    assert not found.labels[~around].any()
    assert len(found) == 15
    assert "merged" not in found.frame
    assert "6 peaks merged into 5 windows" in found.notes
    apart = label(make_genome(chr1=9000), {"a": one, "b": two}, {**lengths, "merge_overlap_bp": 200})
    assert (apart.frame["origin"] == "peak").sum() == 6


def test_merged_windows_are_those_of_the_published_recipe(simulated: SimulatedGenome, factors: dict[str, Path]) -> None:
    lengths = {"input_bp": 300, "label_bp": 100, "merge_overlap_bp": 50}
    genome = Genome(simulated.fasta)
    found = label(genome, factors, lengths, negatives={"per_peak": 0})
    peaks = {name: read_bed(path) for name, path in factors.items()}
    merged = merge_peaks(peaks, genome.sizes, 300, 50, centre="summit")
    assert 0 < len(merged) < sum(map(len, peaks.values()))
    assert found.frame[["chrom", "start", "end"]].equals(merged.frame[["chrom", "start", "end"]])
    assert (found.labels >= merged.labels).all()
    centres = merged.frame.assign(summit=merged.frame["start"] + 150, name=".")
    middle = label_intervals(genome, centres, peaks, WindowSettings(input_bp=300, label_bp=100))
    assert np.array_equal(found.labels, np.maximum(middle.labels, merged.labels))
    with pytest.raises(ValidationError, match="merge_overlap_bp 301: no two windows of input_bp 300 overlap"):
        WindowSettings(input_bp=300, merge_overlap_bp=301)


def test_a_target_is_not_known_on_chromosomes_without_a_peak_of_it(
    make_genome: Callable[..., Genome], tmp_path: Path
) -> None:
    one = bed(tmp_path / "one.bed", "chr1 1000 1001", "chr2 1000 1001")
    two = bed(tmp_path / "two.bed", "chr1 2000 2001")
    files, lengths = {"a": one, "b": two}, {"input_bp": 100, "label_bp": 20}
    found = label(make_genome(chr1=6000, chr2=6000), files, lengths, negatives={"per_peak": 4})
    there = (found.frame["chrom"] == "chr2").to_numpy()
    assert there.sum() > 1
    assert (found.weights[:, 0] == 1).all()
    assert (found.weights[:, 1] == ~there).all()
    assert "no peaks of 'b' on chr2: taken as not measured there (weight 0)" in found.notes
    alone = label(make_genome(chr1=6000, chr2=6000), {"a": one}, lengths)
    assert (alone.weights == 1).all()
    assert not any("not measured" in note for note in alone.notes)


def test_shuffled_dna_is_bound_by_nothing_wherever_it_comes_from(
    make_genome: Callable[..., Genome], tmp_path: Path
) -> None:
    files = {"a": bed(tmp_path / "a.bed", "chr1 1000 1001"), "b": bed(tmp_path / "b.bed", "chr2 1000 1001")}
    lengths, shuffled = {"input_bp": 100, "label_bp": 20}, {"kind": "shuffled", "per_peak": 2}
    found = label(make_genome(chr1=3000, chr2=3000), files, lengths, negatives=shuffled)
    assert found.frame["origin"].tolist() == ["peak"] * 2 + ["shuffled"] * 4
    assert found.labels.tolist() == [[1, 0], [0, 1]] + [[0, 0]] * 4
    assert found.weights.tolist() == [[1, 0], [0, 1]] + [[1, 1]] * 4


TWO = {"plus": "p.bw", "minus": "m.bw"}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"replicate": "r.bw"}, "replicate is a second measurement of signal, which is not given"),
        ({**TWO, "replicate": "r.bw"}, "replicate is a second measurement of signal, which is not given"),
        ({"signal": "s.bw", "replicate_plus": "r.bw"}, "replicate_plus is a second measurement of plus"),
        ({**TWO, "replicate_plus": "r.bw"}, "a replicate of one strand: give replicate_plus and replicate_minus"),
        ({**TWO, "replicate_plus": "r.bw", "replicate_minus": "r.bw"}, "name one file: give each its own"),
        ({"signal": "s.bw", "replicate": "s.bw"}, "replicate names a file that is trained on"),
        ({**TWO, "replicate_plus": "m.bw", "replicate_minus": "q.bw"}, "replicate_plus names a file that is trained"),
    ],
)
def test_replicates_that_are_none(table: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TargetSettings.model_validate({"name": "t", **table})


def test_a_replicate_is_read_as_its_target_is() -> None:
    second = {"replicate_plus": "q.bw", "replicate_minus": "n.bw"}
    target = TargetSettings.model_validate({"name": "t", **TWO, **second, "negate_minus": True, "transform": "1x"})
    again = target.of_replicate()
    assert again is not None
    assert [track.path.name for track in again.tracks()] == ["q.bw", "n.bw"]
    assert [replace(track, path=Path()) for track in again.tracks()] == [
        replace(track, path=Path()) for track in target.tracks()
    ]
    assert {path.name for path in target.files()} == {"p.bw", "m.bw", "q.bw", "n.bw"}
    assert TargetSettings.model_validate({"name": "t", **TWO}).of_replicate() is None
