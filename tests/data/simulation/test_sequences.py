from collections import Counter

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare

from strandwise.data.simulation import simulate_sequences
from strandwise.data.simulation.sequences import draw_starts
from strandwise.errors import InputError
from strandwise.genome.fasta import read_fasta
from strandwise.motifs import jaspar_motif
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
