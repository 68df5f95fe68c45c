import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from strandwise.errors import InputError
from strandwise.motifs import encode_motifs

FILE = """\
>GATA_known6 GATA1 of somewhere
G 0.1 0.2 0.3 0.4

A 1.0 0.0 0 0
>ELF1_known2
T 0 0 0 1
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "motifs.txt"
    path.write_text(FILE)
    return path


def test_positions_are_read_and_no_base_is_impossible(file: Path) -> None:
    elf, gata = encode_motifs(file, ["ELF1_known2", "GATA_known6"])
    assert (gata.name, gata.accession, len(gata)) == ("GATA_known6", "GATA_known6", 2)
    np.testing.assert_allclose(gata.probabilities[0], (np.array([0.1, 0.2, 0.3, 0.4]) + 0.001) / 1.004, rtol=1e-12)
    np.testing.assert_allclose(elf.probabilities, [[0.001 / 1.004] * 3 + [1.001 / 1.004]], rtol=1e-12)


def test_gzipped_files_with_other_line_ends_read_the_same(file: Path, tmp_path: Path) -> None:
    packed = tmp_path / "motifs.txt.gz"
    packed.write_bytes(gzip.compress(FILE.replace("\n", "\r\n").encode()))
    for one, other in zip(
        *(encode_motifs(path, ["GATA_known6", "ELF1_known2"]) for path in (file, packed)), strict=True
    ):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (FILE, "", "holds no motif: expected lines '>NAME' and 'LETTER A C G T'"),
        (">GATA_known6 GATA1 of somewhere\n", "", "line 1: 'G 0.1 0.2 0.3 0.4' is of no motif: begin with '>NAME'"),
        (">ELF1_known2", ">", "line 5: a motif without a name: write it after '>'"),
        (">ELF1_known2", ">GATA_known6", "line 5: a second motif 'GATA_known6': give each its own name"),
        ("T 0 0 0 1\n", "", "motif 'ELF1_known2' has no positions: expected lines 'LETTER A C G T' under it"),
        ("T 0 0 0 1", "T 0 0 1", "line 6: 'T 0 0 1' is not 'LETTER A C G T'"),
        ("T 0 0 0 1", "0 0 0 1", "line 6: '0 0 0 1' is not 'LETTER A C G T'"),
        ("T 0 0 0 1", "T 0 0 0 1 0", "line 6: 'T 0 0 0 1 0' is not 'LETTER A C G T'"),
        ("T 0 0 0 1", "T 0 0 0 one", "line 6: 'T 0 0 0 one' is not 'LETTER A C G T'"),
        ("T 0 0 0 1", "T 0 0 0 0", "line 6: 'T 0 0 0 0' holds no probabilities: they are 0 or more, and not all 0"),
        ("T 0 0 0 1", "T 0 -0.0005 0 1", "line 6: 'T 0 -0.0005 0 1' holds no probabilities"),
        ("T 0 0 0 1", "T 0 0 0 nan", "line 6: 'T 0 0 0 nan' holds no probabilities"),
        ("T 0 0 0 1", "T 0 0 0 inf", "line 6: 'T 0 0 0 inf' holds no probabilities"),
        ("T 0 0 0 1", "T 0 0 0 1e999", "line 6: 'T 0 0 0 1e999' holds no probabilities"),
        ("T 0 0 0 1", "x" * 10_000, f"line 6: '{'x' * 60}' is not"),
    ],
)
def test_what_is_no_motif_is_refused_with_its_line(file: Path, old: str, new: str, said: str) -> None:
    file.write_text(FILE.replace(old, new))
    with pytest.raises(InputError, match=re.escape(said)) as raised:
        encode_motifs(file, ["GATA_known6", "ELF1_known2"])
    assert str(raised.value).startswith(f"{file}: ")


def test_a_name_that_is_not_there_is_refused_with_what_was_meant(file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no motif 'GATA_known7' \(did you mean 'GATA_known6'\?\)"):
        encode_motifs(file, ["ELF1_known2", "GATA_known7"])
    with pytest.raises(InputError, match=r"motfs.txt: no such file .*did you mean 'motifs.txt'"):
        encode_motifs(tmp_path / "motfs.txt", ["GATA_known6"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.txt", b">x\nA \xff 0 0 1"),
        ("m.txt.gz", FILE.encode()),
        ("m.txt.gz", gzip.compress(FILE.encode() * 1000)[:-30]),
        ("m.txt.gz", gzip.compress(FILE.encode() * 1000)[:60] + b"\0" * 40),
    ],
    ids=["not text", "not gzipped", "cut short", "damaged"],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: cannot be read as text .*: give the motif file, plain or gzipped"):
        encode_motifs(tmp_path / name, ["x"])


def test_the_papers_motifs_are_in_the_collection(real_data: Path) -> None:
    """The four that Shrikumar et al. 2017 name, by what is known of their sites."""
    names = ["GATA_known6", "ELF1_known2", "RXRA_known1", "CTCF_known1"]
    motifs = encode_motifs(real_data / "motifs" / "encode_motifs.txt.gz", names)
    assert [motif.name for motif in motifs] == names
    cores = ["AGATAA", "CCGGAAGT", "AGGTCA", "CCACCAGGGGGCGC"]
    for motif, core in zip(motifs, cores, strict=True):
        assert core in motif.consensus or core in motif.revcomp().consensus
        np.testing.assert_allclose(motif.probabilities.sum(axis=1), 1, atol=1e-12)
        assert motif.probabilities.min() > 0


def test_every_motif_of_the_collection_can_be_had(real_data: Path) -> None:
    path = real_data / "motifs" / "encode_motifs.txt.gz"
    with gzip.open(path, "rt") as stream:
        lines = stream.read().splitlines()
    names = [line[1:].split()[0] for line in lines if line.startswith(">")]
    motifs = encode_motifs(path, names)
    assert [motif.name for motif in motifs] == names
    assert sum(map(len, motifs)) == len(lines) - len(names)
