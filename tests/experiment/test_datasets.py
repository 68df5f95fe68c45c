from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from strandwise.data.simulation import SimulatedGenome
from strandwise.errors import InputError
from strandwise.experiment import Experiment
from strandwise.experiment.datasets import check_files, open_genome, read_windows
from strandwise.genome import Genome, write_fasta


def test_windows_of_a_genome_read_its_dna(small: Experiment, simulated: SimulatedGenome) -> None:
    windows = read_windows(small)
    genome = Genome(simulated.fasta)
    assert windows.tracks == ("CTCF", "REST")
    rows = np.arange(0, len(windows), 50)
    codes = windows.reader.gather(rows)
    for row, found in zip(rows, codes, strict=True):
        place = windows.frame.iloc[row]
        np.testing.assert_array_equal(found, genome.fetch(place["chrom"], int(place["start"]), int(place["end"])))


def test_each_split_lies_where_the_config_says(small: Experiment) -> None:
    windows = read_windows(small)
    places = {name: set(windows.split(name).frame["chrom"]) for name in ("train", "valid", "test")}
    assert places == {"train": {"chr1", "chr2", "chr5"}, "valid": {"chr3"}, "test": {"chr4"}}


def test_windows_follow_their_own_seed_and_not_that_of_training(small: Experiment) -> None:
    first = read_windows(small)
    same = read_windows(small.changed("training.seed=5"))
    other = read_windows(small.changed("windows.seed=5"))
    assert first.frame.equals(same.frame)
    assert not first.frame.equals(other.frame)
    before, after = (windows.frame[windows.frame["origin"] == "peak"] for windows in (first, other))
    pd.testing.assert_frame_equal(before, after)


def test_a_blacklist_is_kept_away_from(small: Experiment, tmp_path: Path) -> None:
    (tmp_path / "black.bed").write_text("chr1\t0\t20000\n")
    windows = read_windows(small.changed(f"genome.blacklist={tmp_path / 'black.bed'}"))
    inside = (windows.frame["chrom"] == "chr1") & (windows.frame["start"] < 20_000)
    assert not inside.any()
    assert windows.dropped["in the blacklist"] > 0


def test_sets_of_sequences_need_no_genome(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("bound", "unbound"):
        letters = ("".join(rng.choice(list("ACGT"), 30)) for _ in range(20))
        write_fasta(tmp_path / f"{name}.fa", [(f"{name}{i}", text) for i, text in enumerate(letters)])
    table = {
        "sequences": [{"name": "TF", "positives": "bound.fa", "negatives": "unbound.fa"}],
        "windows": {"input_bp": 20, "label_bp": 20},
        "split": {"valid_fraction": 0.3, "test_fraction": 0.3},
    }
    experiment = Experiment.from_table(table, folder=tmp_path)
    windows = read_windows(experiment)
    assert (windows.tracks, len(windows), windows.labels.sum()) == (("TF",), 40, 20)
    with pytest.raises(InputError, match="without a genome: name one with --genome FASTA"):
        open_genome(experiment)


def test_files_that_are_not_there_are_named_before_any_is_read(small: Experiment, tmp_path: Path) -> None:
    broken = small.changed(f"genome.blacklist={tmp_path / 'no.bed'}")
    with pytest.raises(InputError, match=r"no.bed: no such file \(named in the config\)"):
        check_files(broken)
    with pytest.raises(InputError, match=r"no.bed: no such file"):
        read_windows(broken)


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "\x1b[31m", "\u202e"])
def test_names_that_cannot_be_printed_are_refused(name: str, small: Experiment) -> None:
    table = small.model_dump(exclude_none=True, mode="json")
    table["targets"][1]["name"] = name
    with pytest.raises(InputError, match="the name of a track holds what cannot be printed: rename it"):
        read_windows(Experiment.from_table(table, folder=Path.cwd()))
