from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.io import savemat

from strandwise.data.sequences import SequenceSettings, read_records, read_sequence_sets
from strandwise.data.splits import SplitSettings
from strandwise.data.windows import LabelledWindows
from strandwise.errors import ConfigError, InputError
from strandwise.sequence import decode, encode


def fasta(path: Path, records: dict[str, str]) -> Path:
    path.write_text("".join(f">{name}\n{letters}\n" for name, letters in records.items()))
    return path


def letters(n: int, length: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [decode(row) for row in rng.integers(0, 4, (n, length)).astype(np.uint8)]


def read(
    *tables: dict[str, Any], input_bp: int = 10, split: dict[str, Any] | None = None, seed: int = 0
) -> LabelledWindows:
    settings = [SequenceSettings.model_validate(table) for table in tables]
    return read_sequence_sets(settings, input_bp, SplitSettings.model_validate(split or {}), seed=seed)


@pytest.fixture
def positives(tmp_path: Path) -> Path:
    return fasta(tmp_path / "pos.fa", {f"p{i}": text for i, text in enumerate(letters(40, 30))})


@pytest.fixture
def negatives(tmp_path: Path) -> Path:
    return fasta(tmp_path / "neg.fa", {f"n{i}": text for i, text in enumerate(letters(50, 30, seed=1))})


def test_positives_and_negatives(positives: Path, negatives: Path) -> None:
    found = read({"positives": positives, "negatives": negatives, "name": "CTCF"}, input_bp=30)
    assert found.tracks == ("CTCF",)
    assert found.labels.ravel().tolist() == [1] * 40 + [0] * 50
    assert (found.weights == 1).all()
    assert found.frame["name"].tolist() == [f"p{i}" for i in range(40)] + [f"n{i}" for i in range(50)]
    assert found.frame["origin"].tolist() == ["positive"] * 40 + ["negative"] * 50
    expected = letters(40, 30) + letters(50, 30, seed=1)
    assert [decode(row) for row in found.reader.gather(np.arange(90))] == expected
    assert set(found.frame["split"]) == {"train"}


def test_longer_sequences_give_their_middle(tmp_path: Path) -> None:
    path = fasta(tmp_path / "a.fa", {"even": "AACCCCGG", "odd": "ACGTACG", "fits": "TTTT"})
    records, codes = read_records(path, 4)
    assert [record.name for record in records] == ["even", "odd", "fits"]
    assert [decode(row) for row in codes] == ["CCCC", "CGTA", "TTTT"]
    found = read({"positives": path, "negatives": path}, input_bp=4)
    assert np.array_equal(found.reader.gather(np.arange(3)), codes)


@pytest.mark.parametrize("kind", ["mononucleotide", "dinucleotide"])
def test_shuffled_negatives_keep_their_counts_and_their_split(positives: Path, kind: str) -> None:
    table = {"positives": positives, "shuffled": kind, "per_positive": 3}
    found = read(table, input_bp=30, split={"valid_fraction": 0.3, "test_fraction": 0.3})
    codes = [decode(row) for row in found.reader.gather(np.arange(len(found)))]
    assert found.labels.ravel().tolist() == [1] * 40 + [0] * 120
    names = found.frame["name"].tolist()
    assert names[40:] == [name for name in names[:40] for _ in range(3)]
    width = 2 if kind == "dinucleotide" else 1
    for i, text in enumerate(codes[40:]):
        original = codes[i // 3]
        counts = [Counter(s[at : at + width] for at in range(30 - width + 1)) for s in (text, original)]
        assert counts[0] == counts[1]
    assert sum(text != codes[i // 3] for i, text in enumerate(codes[40:])) > 100
    roles = found.frame.groupby("name")["split"].nunique()
    assert roles.max() == 1
    assert set(found.frame["split"]) == {"train", "valid", "test"}
    again = read(table, input_bp=30, split={"valid_fraction": 0.3, "test_fraction": 0.3})
    assert found.frame.equals(again.frame)
    assert np.array_equal(again.reader.gather(np.arange(160)), found.reader.gather(np.arange(160)))
    other = read(table, input_bp=30, split={"valid_fraction": 0.3, "test_fraction": 0.3}, seed=1)
    assert not np.array_equal(other.reader.gather(np.arange(160)), found.reader.gather(np.arange(160)))


def test_fractions_are_about_as_asked(tmp_path: Path) -> None:
    path = fasta(tmp_path / "many.fa", {f"s{i}": "ACGTACGTAC" for i in range(3000)})
    found = read(
        {"positives": path, "negatives": path, "name": "a"}, split={"valid_fraction": 0.1, "test_fraction": 0.2}
    )
    share = found.frame["split"].value_counts(normalize=True)
    # Four standard errors of 3,000 draws.
    assert share["valid"] == pytest.approx(0.1, abs=0.022)
    assert share["test"] == pytest.approx(0.2, abs=0.03)


def test_one_name_has_one_split_across_tables(tmp_path: Path) -> None:
    one = fasta(tmp_path / "one.fa", {f"s{i}": "ACGTACGTAC" for i in range(60)})
    two = fasta(tmp_path / "two.fa", {f"s{59 - i}": "ACGTACGTAC" for i in range(60)})
    tables = [{"positives": path, "shuffled": "mononucleotide", "name": path.stem} for path in (one, two)]
    found = read(*tables, split={"valid_fraction": 0.4})
    assert found.frame.groupby("name")["split"].nunique().max() == 1
    assert found.frame["split"].value_counts().min() > 40


def labelled(tmp_path: Path, table: str, records: dict[str, str] | None = None) -> dict[str, Path]:
    path = tmp_path / "labels.tsv"
    path.write_text(table)
    records = records or {"a": "ACGTACGTAC", "b": "CCCCCCCCCC", "NA": "GGGGGGGGGG"}
    return {"fasta": fasta(tmp_path / "set.fa", records), "labels": path}


def test_a_table_of_labels(tmp_path: Path) -> None:
    # In another order than the FASTA, with a row too many, and a sequence with an unlucky name.
    table = "name\tCTCF\tMAX\nNA\t1\t0\nother\t1\t1\na\t0\t1.0\nb\t0\t0\n"
    found = read(labelled(tmp_path, table))
    assert found.tracks == ("CTCF", "MAX")
    assert found.frame["name"].tolist() == ["a", "b", "NA"]
    assert found.labels.tolist() == [[0, 1], [0, 0], [1, 0]]
    assert found.weights.tolist() == [[1, 1]] * 3
    assert set(found.frame["origin"]) == {"labelled"}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("name\tx\na\t1\n", r"labels.tsv: no labels for 2 sequences of .*set.fa: b, NA"),
        ("name\tx\na\t1\nb\t2\nNA\t0\n", r"labels.tsv: column 'x' holds '2' for 'b': labels are 0 or 1"),
        ("name\tx\na\t1\nb\t\nNA\t0\n", r"column 'x' holds '' for 'b'"),
        ("name\tx\na\t1\nb\tyes\nNA\t0\n", r"column 'x' holds 'yes' for 'b'"),
        ("name\tx\na\t1\na\t0\nb\t1\nNA\t0\n", r"'a' is named twice"),
        ("Name\tx\na\t1\nb\t1\nNA\t0\n", r"needs a column 'name' .*found Name, x \(did you mean 'Name'\?\)"),
        ("name\na\nb\nNA\n", r"needs a column 'name' and a column for each track"),
        ("", r"labels.tsv: not a tab-separated table"),
    ],
)
def test_tables_that_do_not_fit(tmp_path: Path, table: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(labelled(tmp_path, table))


def test_what_a_table_does_not_say_has_no_weight(tmp_path: Path, positives: Path, negatives: Path) -> None:
    tables = [
        {"positives": positives, "negatives": negatives, "name": "MAX"},
        labelled(tmp_path, "name\tCTCF\tMAX\na\t1\t0\nb\t0\t1\nNA\t1\t1\n"),
    ]
    found = read(*tables)
    assert found.tracks == ("MAX", "CTCF")
    assert found.weights[:90].tolist() == [[1, 0]] * 90
    assert found.weights[90:].tolist() == [[1, 1]] * 3
    assert found.labels[90:].tolist() == [[0, 1], [1, 0], [1, 1]]
    assert found.labels[:90, 1].sum() == 0


def test_a_table_names_its_own_split(positives: Path, negatives: Path) -> None:
    tables = [
        {"positives": positives, "shuffled": "dinucleotide", "split": "train"},
        {"positives": negatives, "shuffled": "dinucleotide", "split": "valid"},
    ]
    # Its own split is stronger than chance, and needs no coordinates.
    for split in ({}, {"valid_fraction": 0.5}, {"test": ["chr1"]}):
        found = read(*tables, split=split)
        assert found.frame["split"].tolist() == ["train"] * 80 + ["valid"] * 100


def test_headers_with_coordinates_decide(tmp_path: Path) -> None:
    names = ["chr1:0-10", "chr1:95-105(+)", "chr1:100-110(-)", "chr2:500-510", "chrM:4-14"]
    path = fasta(tmp_path / "a.fa", dict(zip(names, letters(5, 10), strict=True)))
    split = {"test": ["chr1:100-200"], "valid": ["chr2"], "exclude": ["chrM"]}
    found = read({"positives": path, "shuffled": "mononucleotide"}, split=split)
    assert found.frame["split"].tolist() == ["train", "test", "valid"] * 2
    assert found.frame["chrom"].tolist() == ["chr1", "chr1", "chr2"] * 2
    assert found.frame["start"].tolist() == [0, 100, 500] * 2
    assert found.dropped == {"across the border of a split": 2, "on an excluded chromosome": 2}
    assert found.labels.ravel().tolist() == [1, 1, 1, 0, 0, 0]
    assert [decode(row) for row in found.reader.gather(np.arange(3))] == [letters(5, 10)[row] for row in (0, 2, 3)]
    # The place of the sequences that are there does not end the chromosome.
    assert set(read({"positives": path, "shuffled": "mononucleotide"}, split={"test": ["chr2:0-9999"]}).frame["split"])


def test_coordinates_are_those_of_the_window(tmp_path: Path) -> None:
    # The same 20 bases, as bedtools names them (from 0, end left out) and as samtools does (from 1, end included).
    path = fasta(tmp_path / "a.fa", {"chr1:100-120": "A" * 20, "chr1:101-120": "A" * 20})
    found = read({"positives": path, "negatives": path}, input_bp=10)
    assert found.frame[["start", "end"]].to_numpy().tolist() == [[105, 115]] * 4
    whole = read({"positives": path, "negatives": path}, input_bp=20)
    assert whole.frame[["start", "end"]].to_numpy().tolist() == [[100, 120]] * 4


def test_tables_share_the_chromosomes_of_the_split(tmp_path: Path) -> None:
    one = fasta(tmp_path / "one.fa", {"chr1:0-10": "A" * 10, "chr3:0-10": "A" * 10})
    two = fasta(tmp_path / "two.fa", {"chr2:0-10": "A" * 10})
    found = read({"positives": one, "negatives": two}, split={"test": ["chr1"], "valid": ["chr2"]})
    assert found.frame["split"].tolist() == ["test", "train", "valid"]
    with pytest.raises(InputError, match=r"no sequence lies on 'chr9' .*: hold out some of chr1, chr3, chr2"):
        read({"positives": one, "negatives": two}, split={"test": ["chr9:0-10"]})


def test_a_split_by_chromosome_needs_coordinates(positives: Path, negatives: Path) -> None:
    with pytest.raises(ConfigError, match=r"no coordinates in their headers .*use split.valid_fraction"):
        read({"positives": positives, "negatives": negatives}, split={"test": ["chr1"]})


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ({"a": "ACGTACGTAC", "b": "ACG"}, r"set.fa: 1 of 2 sequences are shorter than the 10 bp .* 'b' \(3 bp\)"),
        ({"a": "ACGTACGTXC"}, r"set.fa: sequence 'a'.*'X'"),
        ({"a": "ACGTRCGTAC"}, r"set.fa: sequence 'a'.*'R'"),
    ],
)
def test_sequences_that_cannot_be_read(tmp_path: Path, records: dict[str, str], words: str) -> None:
    path = fasta(tmp_path / "set.fa", records)
    with pytest.raises(InputError, match=words):
        read({"positives": path, "shuffled": "dinucleotide"})


def test_files_that_are_not_as_they_should_be(tmp_path: Path, positives: Path) -> None:
    twice = tmp_path / "twice.fa"
    twice.write_text(">a\nACGTACGTAC\n>a\nACGTACGTAC\n")
    with pytest.raises(InputError, match="a second sequence is named 'a'"):
        read({"positives": twice, "shuffled": "dinucleotide"})
    with pytest.raises(InputError, match=r"no such file \(a FASTA of sequences\) \(did you mean 'pos.fa'\?\)"):
        read({"positives": tmp_path / "poss.fa", "shuffled": "dinucleotide"})
    with pytest.raises(InputError, match="a table of labels"):
        read({"fasta": positives, "labels": tmp_path / "no.tsv"})


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "give positives"),
        ({"positives": "p.fa"}, "give negatives = FILE or shuffled"),
        ({"positives": "p.fa", "negatives": "n.fa", "shuffled": "dinucleotide"}, "one of them"),
        ({"fasta": "s.fa"}, "fasta and labels belong together"),
        ({"fasta": "s.fa", "labels": "l.tsv", "positives": "p.fa"}, "not both"),
        ({"positives": "p.fa", "shuffled": "trinucleotide"}, "'mononucleotide' or 'dinucleotide'"),
        ({"positives": "p.fa", "shuffled": "dinucleotide", "per_positive": 0}, "greater than 0"),
        ({"positives": "p.fa", "shuffled": "dinucleotide", "split": ""}, "'train', 'valid' or 'test'"),
    ],
)
def test_tables_of_the_config_that_contradict_themselves(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SequenceSettings.model_validate(table)


def test_files_are_named() -> None:
    table = SequenceSettings.model_validate({"positives": "p.fa", "negatives": "n.fa"})
    assert table.files() == [Path("p.fa"), Path("n.fa")]


def test_nanog(real_data: Path) -> None:
    folder = real_data / "human" / "nanog"
    tables = [
        {"positives": folder / f"positives_{part}.fa", "negatives": folder / f"negatives_{part}.fa", "name": "NANOG"}
        for part in ("train", "test")
    ]
    found = read(*tables, input_bp=200, split={"test": ["chr1", "chr2"], "valid": ["chr8"]})
    headers = [
        line[1:].strip()
        for part in ("train", "test")
        for kind in ("positives", "negatives")
        for line in (folder / f"{kind}_{part}.fa").read_text().splitlines()
        if line.startswith(">")
    ]
    assert len(found) == len(headers) == 4687 + 5017 + 960 + 964
    where = [{"chr1": "test", "chr2": "test", "chr8": "valid"}.get(name.split(":")[0], "train") for name in headers]
    assert found.frame["split"].tolist() == where
    assert not found.dropped
    assert int(found.labels.sum()) == 4687 + 960
    places = found.frame["chrom"] + ":" + found.frame["start"].astype(str) + "-" + found.frame["end"].astype(str)
    assert places.tolist() == headers
    # The files' own division into training and test is by these chromosomes.
    assert (found.frame["split"][: 4687 + 5017] != "test").all()
    first = (folder / "positives_train.fa").read_text().split(">")[1].split("\n", 1)[1].replace("\n", "")
    assert np.array_equal(found.reader.gather(np.array([0]))[0], encode(first))


def test_jitter_reads_the_flanks_of_longer_sequences(tmp_path: Path) -> None:
    letters = "ACGTTGCATGCCATTA"
    (tmp_path / "p.fa").write_text(f">p\n{letters}\n")
    (tmp_path / "n.fa").write_text(f">n\n{letters[::-1]}\n")
    table = SequenceSettings(positives=tmp_path / "p.fa", negatives=tmp_path / "n.fa", split="train")
    windows = read_sequence_sets([table], 10, SplitSettings(), jitter_bp=3)
    for shift in (-3, 0, 3):
        codes = windows.reader.gather(np.array([0]), np.array([shift]))
        assert decode(codes[0]) == letters[3 + shift : 13 + shift]
    with pytest.raises(InputError, match=r"shorter than the 18 bp that are read .* windows.jitter_bp"):
        read_sequence_sets([table], 10, SplitSettings(), jitter_bp=4)


def mat(path: Path, name: str, texts: list[str], labels: list[list[int]]) -> Path:
    """Sequences as DeepSEA keeps them: one-hot in the order A, G, C, T."""
    held = [[[int(letter == base) for letter in text] for base in "AGCT"] for text in texts]
    savemat(path, {f"{name}xdata": np.array(held, np.uint8), f"{name}data": np.array(labels, np.uint8)})
    return path


def test_sequences_of_deepsea(tmp_path: Path, positives: Path) -> None:
    texts = letters(3, 30, seed=4)
    valid = mat(tmp_path / "valid.mat", "valid", texts, [[1, 0], [0, 0], [1, 1]])
    test = mat(tmp_path / "test.mat", "test", texts[:1], [[0, 1]])
    (tmp_path / "names.txt").write_text("8988T|DNase|None\nCTCF\n")
    tables = [{"mat": path, "split": path.stem, "track_names": tmp_path / "names.txt"} for path in (valid, test)]
    found = read(*tables, {"positives": positives, "shuffled": "mononucleotide", "name": "CTCF", "split": "train"})
    assert found.tracks == ("8988T|DNase|None", "CTCF")
    assert found.frame["name"].tolist()[:4] == ["valid:1", "valid:2", "valid:3", "test:1"]
    assert found.frame["split"].tolist()[:5] == ["valid", "valid", "valid", "test", "train"]
    assert [decode(row) for row in found.reader.gather(np.arange(4))] == [text[10:20] for text in [*texts, texts[0]]]
    assert found.labels[:4].tolist() == [[1, 0], [0, 0], [1, 1], [0, 1]]
    assert found.weights[:4].all()
    assert found.weights[4].tolist() == [0, 1]
    assert read({"mat": valid, "split": "valid"}).tracks == ("track1", "track2")
    for names in ("one\n", "a\na\n", "a\n\n", "a\nb\nc\n"):
        (tmp_path / "names.txt").write_text(names)
        with pytest.raises(InputError, match=r"names.txt: \d lines for the 2 tracks of .*valid.mat: give each"):
            read(tables[0])


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"mat": "a.mat"}, "mat: say which split it is, as in split = 'train'"),
        ({"mat": "a.mat", "split": "test", "positives": "p.fa"}, "give no other file beside it"),
        ({"mat": "a.mat", "split": "test", "fasta": "p.fa", "labels": "l.tsv"}, "give no other file beside it"),
        ({"positives": "p.fa", "negatives": "n.fa", "track_names": "n.txt"}, "track_names are those of a .mat file"),
    ],
)
def test_tables_of_deepsea_that_do_not_fit(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SequenceSettings.model_validate(table)


def test_what_is_known_of_all_sequences_takes_no_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sizes, tables = {"train": 40, "valid": 10, "test": 10}, []
    labels = {name: (rng.random((n, 3)) < 0.4).astype(np.uint8) for name, n in sizes.items()}
    codes = {name: rng.integers(0, 4, (n, 12)) for name, n in sizes.items()}
    for name in sizes:
        one_hot = np.eye(4, dtype=np.uint8)[codes[name]][:, :, [0, 2, 1, 3]].transpose(0, 2, 1)
        savemat(tmp_path / f"{name}.mat", {f"{name}xdata": one_hot, f"{name}data": labels[name]})
        tables.append(SequenceSettings(mat=tmp_path / f"{name}.mat", split=name))  # pyright: ignore[reportArgumentType]
    found = read_sequence_sets(tables, 12, SplitSettings())
    assert (found.labels.dtype, found.weights.dtype, found.weights.strides) == (bool, bool, (0, 0))
    for name, n in sizes.items():
        part = found.split(name)
        assert np.array_equal(part.labels, labels[name])
        assert part.weights.shape == (n, 3)
        assert part.weights.all()
        assert np.shares_memory(part.labels, found.labels)
        assert np.array_equal(part.reader.gather(np.arange(n)), codes[name])
