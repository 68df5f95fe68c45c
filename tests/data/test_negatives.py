"""Negatives that match the positives: nearest in composition, or the positives' own DNA shuffled."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from strandwise.data.batches import TrainingBatches
from strandwise.data.labels import dinucleotide_frequencies
from strandwise.data.negatives import SHUFFLED, NegativeSettings
from strandwise.data.peaks import TargetSettings, label_peaks, read_targets
from strandwise.data.splits import SplitSettings
from strandwise.data.windows import LabelledWindows, WindowSettings
from strandwise.genome import Genome
from strandwise.layers import binary_head
from strandwise.sequence import decode


@pytest.fixture
def make(make_genome: Callable[..., Genome], tmp_path: Path) -> Callable[..., LabelledWindows]:
    """Peaks in islands of CpG, in a genome that is poor in C and G elsewhere."""
    rng = np.random.default_rng(0)

    def letters(seed: int) -> str:
        poor = "".join(rng.choice(list("ACGT"), 20_000, p=[0.35, 0.15, 0.15, 0.35]))
        for start in range(200, 20_000, 400):
            poor = poor[:start] + "".join(rng.choice(["CG", "GC", "A", "T", "ACG"], 100))[:100] + poor[start + 100 :]
        return poor

    genome = make_genome(chr1=letters(0), chr2=letters(1))
    rows = [f"{chrom}\t{at}\t{at + 1}\n" for chrom in ("chr1", "chr2") for at in range(250, 19_000, 2_000)]
    (tmp_path / "p.bed").write_text("".join(rows))

    def label(jitter_bp: int = 0, **negatives) -> LabelledWindows:
        peaks, _ = read_targets([TargetSettings(name="a", peaks=tmp_path / "p.bed")], genome)
        windows = WindowSettings(input_bp=100, label_bp=20, jitter_bp=jitter_bp)
        settings = NegativeSettings.model_validate(negatives)
        return label_peaks(genome, peaks, windows, SplitSettings(test=("chr2",)), settings)

    return label


def composition(found: LabelledWindows) -> np.ndarray:
    codes = found.reader.gather(np.arange(len(found)))
    return dinucleotide_frequencies(codes)


def test_dinucleotides_of_random_windows_are_near_those_of_peaks(make: Callable[..., LabelledWindows]) -> None:
    gap = {}
    for kind in ("random", "dinucleotide"):
        found = make(kind=kind, per_peak=1).split("train")
        bound = found.labels[:, 0] > 0
        both = composition(found)
        gap[kind] = np.abs(both[bound].mean(0) - both[~bound].mean(0)).max()
        assert bound.mean() == 0.5
    assert gap["dinucleotide"] < gap["random"] / 2
    notes = make(kind="dinucleotide", per_peak=1).notes
    assert [note.split(":")[0] for note in notes if "matched by dinucleotides" in note] == ["test", "train"]


@pytest.mark.parametrize("per_peak", [0.5, 1, 2.3])
def test_shuffled_negatives_keep_every_count_of_their_window(
    make: Callable[..., LabelledWindows], per_peak: float
) -> None:
    found = make(kind="shuffled", per_peak=per_peak)
    codes = found.reader.gather(np.arange(len(found)))
    origin = found.frame["origin"].to_numpy()
    assert set(origin) == {"peak", SHUFFLED}
    assert np.array_equal(found.labels[:, 0] > 0, origin == "peak")
    place = list(zip(found.frame["chrom"], found.frame["start"], strict=True))
    own = {place[row]: codes[row] for row in np.flatnonzero(origin == "peak")}
    copies: Counter = Counter()
    for row in np.flatnonzero(origin == SHUFFLED):
        original = own[place[row]]
        pairs = [Counter(zip(decode(each), decode(each)[1:], strict=False)) for each in (original, codes[row])]
        assert pairs[0] == pairs[1]
        assert not np.array_equal(original, codes[row])
        copies[place[row]] += 1
    for split in ("train", "test"):
        here = found.frame["split"] == split
        peaks, shuffled = (here & (origin == "peak")).sum(), (here & (origin == SHUFFLED)).sum()
        assert shuffled == int(np.ceil(round(peaks * per_peak, 9)))
    assert max(copies.values()) - min([copies[key] for key in own]) <= 1
    assert any("shuffled windows around peaks" in note and "bases are as before" in note for note in found.notes)


def test_shuffled_negatives_can_be_shifted(make: Callable[..., LabelledWindows]) -> None:
    found = make(kind="shuffled", per_peak=1, jitter_bp=7).split("train")
    rows = np.flatnonzero(found.frame["origin"] == SHUFFLED)
    still, moved = found.reader.gather(rows), found.reader.gather(rows, np.full(len(rows), 7))
    assert np.array_equal(still[:, 7:], moved[:, :-7])
    assert (moved < 4).all()
    batch = TrainingBatches(found, [binary_head(("a",))], batch_size=8, jitter_bp=7)[0, 0]
    assert batch.inputs["sequence"].shape == (8, 100)


def test_the_seed_decides(make: Callable[..., LabelledWindows]) -> None:
    for kind in ("dinucleotide", "shuffled"):
        one, same = (make(kind=kind) for _ in range(2))
        assert one.frame.equals(same.frame)
        rows = np.arange(len(one))
        assert np.array_equal(one.reader.gather(rows), same.reader.gather(rows))
