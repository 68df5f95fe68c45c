import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare

from strandwise.data.simulation import simulate_sequences
from strandwise.data.simulation.sequences import draw_starts
from strandwise.errors import InputError
from strandwise.experiment import Experiment, train
from strandwise.genome.fasta import read_fasta
from strandwise.motifs import Motif, jaspar_motif
from strandwise.sequence import encode, revcomp_codes


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return simulate_sequences(tmp_path_factory.mktemp("sequences") / "sim", n=3001, seed=4, label_noise=0.2)


@pytest.fixture(scope="module")
def letters(made):
    return {record.name: record.letters for record in read_fasta(made.fasta)}


@pytest.fixture(scope="module")
def sites(made):
    return pd.read_csv(made.sites, sep="\t")


def test_names_lengths_and_gc(made, letters):
    assert list(letters) == [f"seq{i}" for i in range(3001)]
    assert {len(text) for text in letters.values()} == {200}
    assert pd.read_csv(made.labels, sep="\t")["name"].tolist() == list(letters)


def test_background_has_the_gc_content_outside_of_sites(letters, sites):
    masked = {name: bytearray(text, "ascii") for name, text in letters.items()}
    for name, start, end in zip(sites["name"], sites["start"], sites["end"], strict=True):
        masked[name][start:end] = b"-" * (end - start)
    counts = Counter(b"".join(masked.values()).decode())
    bases = sum(counts[base] for base in "ACGT")
    assert (counts["G"] + counts["C"]) / bases == pytest.approx(0.4, abs=0.005)


def test_sites_are_where_the_table_says(letters, sites):
    for row in sites.to_dict("records"):
        site = encode(letters[row["name"]][row["start"] : row["end"]])
        site = revcomp_codes(site) if row["strand"] == "-" else site
        score = jaspar_motif(row["accession"]).score(site, (0.3, 0.2, 0.2, 0.3))
        assert score == pytest.approx(row["score"], abs=1e-3)
    assert abs((sites["strand"] == "+").mean() - 0.5) < 0.03


def test_each_sequence_holds_one_to_three_sites_of_its_own_motif(made, sites):
    clean = pd.read_csv(made.labels_clean, sep="\t").set_index("name")
    assert list(clean.columns) == ["Gata1", "ELF1", "Rxra"]
    assert (clean.sum(axis=1) == 1).all()
    assert sorted(clean.sum()) == [1000, 1000, 1001]
    grouped = sites.groupby("name")
    assert (grouped["motif"].nunique() == 1).all()
    assert (grouped["motif"].first() == clean.idxmax(axis=1).loc[grouped.groups.keys()]).all()
    counts = grouped.size()
    assert len(counts) == 3001
    # Poisson with mean 2 given 1, 2 or 3: in proportion 2, 2, 4/3.
    expected = np.array([3, 3, 2]) / 8 * 3001
    assert chisquare(counts.value_counts().sort_index(), expected).pvalue > 1e-3


def test_sites_of_a_sequence_never_overlap(sites):
    ordered = sites.sort_values(["name", "start"])
    same = ordered["name"].to_numpy()[1:] == ordered["name"].to_numpy()[:-1]
    assert (ordered["start"].to_numpy()[1:] >= ordered["end"].to_numpy()[:-1])[same].all()


def test_noise_flips_a_fifth_of_the_labels(made):
    noisy, clean = (pd.read_csv(path, sep="\t").set_index("name") for path in (made.labels, made.labels_clean))
    assert (noisy != clean).to_numpy().mean() == pytest.approx(0.2, abs=0.02)


def test_noise_changes_labels_alone_and_none_leaves_no_second_table(made, tmp_path):
    quiet = simulate_sequences(tmp_path / "sim", n=3001, seed=4)
    assert quiet.labels_clean is None
    assert sorted(path.name for path in quiet.folder.iterdir()) == [
        "labels.tsv",
        "sequences.fa",
        "simulation.json",
        "sites.tsv",
    ]
    assert quiet.fasta.read_bytes() == made.fasta.read_bytes()
    assert quiet.labels.read_bytes() == made.labels_clean.read_bytes()


def test_same_seed_same_bytes(tmp_path):
    first, second, other = (
        simulate_sequences(tmp_path / name, n=100, length=60, seed=seed)
        for name, seed in (("first", 1), ("second", 1), ("other", 2))
    )
    for name in ("sequences.fa", "labels.tsv", "sites.tsv"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()
        assert (first.folder / name).read_bytes() != (other.folder / name).read_bytes()


def test_two_matrices_of_one_name_are_labelled_by_id(tmp_path):
    made = simulate_sequences(tmp_path / "sim", n=10, accessions=("MA0139.2", "MA1929.2"))
    assert made.motifs == ("MA0139.2", "MA1929.2")
    assert pd.read_csv(made.labels, sep="\t").columns.tolist() == ["name", "MA0139.2", "MA1929.2"]


@pytest.mark.parametrize("length", [6, 7, 20])
def test_every_arrangement_is_as_likely(length):
    drawn = draw_starts(np.random.default_rng(0), 4_000, 2, 3, length)
    assert (np.diff(drawn, axis=1) >= 3).all()
    assert drawn.min() >= 0
    assert drawn.max() + 3 <= length
    every = [(a, b) for a in range(length - 2) for b in range(a + 3, length - 2)]
    counts = Counter(map(tuple, drawn.tolist()))
    assert set(counts) == set(every)
    if len(every) > 1:
        assert chisquare([counts[arrangement] for arrangement in every]).pvalue > 1e-3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0}, "n=0"),
        ({"gc": 1.0}, "gc=1"),
        ({"label_noise": 1.5}, "label_noise=1"),
        ({"accessions": ()}, "at least one accession"),
        ({"accessions": ("MA0139.2", "MA0139.2")}, "each motif once"),
        ({"length": 41}, "3 sites of Rxra take 42 bp"),
        ({"accessions": ("CTCF",)}, "is a name"),
    ],
)
def test_bad_arguments_leave_nothing(tmp_path, arguments, words):
    with pytest.raises(InputError, match=words):
        simulate_sequences(tmp_path / "sim", **{"n": 10, **arguments})
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="was not written by 'strandwise simulate sequences'"):
        simulate_sequences(tmp_path, n=10, overwrite=True)
    simulate_sequences(tmp_path / "sim", n=10)
    with pytest.raises(InputError, match="exists already"):
        simulate_sequences(tmp_path / "sim", n=10)
    again = simulate_sequences(tmp_path / "sim", n=12, overwrite=True)
    assert len(pd.read_csv(again.labels, sep="\t")) == 12


def motif(name: str, *rows: list[float]) -> Motif:
    return Motif(name, name, np.array(rows))


# Sites that chance would not make: AAAAAAAA and CGCGCGCG.
TWO = [motif("A8", *[[1.0, 0, 0, 0]] * 8), motif("CG4", *[[0, 1.0, 0, 0], [0, 0, 1.0, 0]] * 4)]


@pytest.fixture(scope="module")
def parted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parted") / "sim"
    return simulate_sequences(folder, n=2000, length=60, motifs=TWO, split=(0.5, 0.2, 0.3), label_noise=0.2, seed=3)


def test_motifs_may_be_given(parted):
    assert parted.motifs == ("A8", "CG4")
    letters = {record.name: record.letters for record in read_fasta(parted.fasta)}
    clean = pd.read_csv(parted.labels_clean, sep="\t").set_index("name")
    sites = {"A8": ("AAAAAAAA", "TTTTTTTT"), "CG4": ("CGCGCGCG", "CGCGCGCG")}
    for track, (forward, reverse) in sites.items():
        held = clean.index[clean[track] == 1]
        assert len(held) == 1000
        assert all(forward in letters[name] or reverse in letters[name] for name in held)
    table = pd.read_csv(parted.sites, sep="\t")
    assert set(table["motif"]) == set(table["accession"]) == {"A8", "CG4"}


def test_parts_hold_every_sequence_once_and_in_order(parted):
    whole = [(record.name, record.letters) for record in read_fasta(parted.fasta)]
    parts = {part: list(read_fasta(parted.folder / f"{part}.fa")) for part in ("train", "valid", "test")}
    assert [len(records) for records in parts.values()] == [1000, 400, 600]
    assert [(record.name, record.letters) for records in parts.values() for record in records] == whole
    for part, records in parts.items():
        labels = pd.read_csv(parted.folder / f"{part}.tsv", sep="\t")
        assert labels["name"].tolist() == [record.name for record in records]
        # Each motif has its share of each part.
        clean = pd.read_csv(parted.labels_clean, sep="\t").set_index("name").loc[labels["name"]]
        assert abs(clean["A8"].mean() - 0.5) < 0.1


def test_only_training_labels_are_flipped(parted):
    clean = pd.read_csv(parted.labels_clean, sep="\t").set_index("name")
    shown = pd.read_csv(parted.labels, sep="\t").set_index("name")
    for part, share in (("train", 0.2), ("valid", 0.0), ("test", 0.0)):
        labels = pd.read_csv(parted.folder / f"{part}.tsv", sep="\t").set_index("name")
        pd.testing.assert_frame_equal(labels, shown.loc[labels.index])
        wrong = (labels != clean.loc[labels.index]).to_numpy().mean()
        assert wrong == pytest.approx(share, abs=0.03 if share else 0)


def test_a_split_changes_no_sequence(parted, tmp_path):
    whole = simulate_sequences(tmp_path / "sim", n=2000, length=60, motifs=TWO, seed=3)
    assert whole.fasta.read_bytes() == parted.fasta.read_bytes()
    assert whole.labels.read_bytes() == parted.labels_clean.read_bytes()
    assert whole.config is None
    quiet = simulate_sequences(tmp_path / "quiet", n=20, length=60, motifs=TWO, split=(0.4, 0.3, 0.3))
    assert quiet.labels_clean is None


def test_the_config_trains(parted, tmp_path, one_thread):
    assert parted.config == parted.folder / "config.toml"
    changes = ["model.filters=2", "training.epochs=1", "training.accelerator=cpu", "training.batch_size=200"]
    experiment = Experiment.load(parted.config, changes)
    run = train(experiment, tmp_path / "run")
    windows = {row["split"]: row["windows"] for row in run.provenance["windows"]}
    assert windows == {"train": 1000, "valid": 400, "test": 600}
    assert tuple(run.provenance["tracks"]) == parted.motifs


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"split": (0.5, 0.5)}, "give three shares above 0 that sum to 1"),
        ({"split": (0.5, 0.5, 0.5)}, "give three shares above 0 that sum to 1"),
        ({"split": (1.0, 0.0, 0.0)}, "give three shares above 0 that sum to 1"),
        ({"split": (1.2, -0.1, -0.1)}, "give three shares above 0 that sum to 1"),
        ({"split": (float("nan"), 0.5, 0.5)}, "give three shares above 0 that sum to 1"),
        ({"split": (0.9, 0.05, 0.05)}, "of n=9 sequences leaves none for test: make n or its share larger"),
        ({"motifs": []}, "at least one accession or motif"),
        ({"motifs": [*TWO, TWO[0]]}, "each motif once"),
        ({"length": 23}, "3 sites of A8 take 24 bp"),
    ],
)
def test_bad_parts_and_motifs_leave_nothing(tmp_path, arguments, words):
    with pytest.raises(InputError, match=words):
        simulate_sequences(tmp_path / "sim", **{"n": 9, "length": 60, "motifs": TWO, **arguments})
    assert list(tmp_path.iterdir()) == []


def test_what_was_asked_for_is_kept_with_the_files(parted):
    record = json.loads((parted.folder / "simulation.json").read_text())
    assert record["seed"] == 3
    assert record["settings"]["split"] == [0.5, 0.2, 0.3]
    assert record["settings"]["accessions"] == ["A8", "CG4"]
