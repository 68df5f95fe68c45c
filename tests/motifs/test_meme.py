"""MEME's text format: real collections read and written again, and files that are damaged or made to harm."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from strandwise.errors import InputError, OutputError
from strandwise.motifs import Motif, meme_motifs, read_motifs, write_meme

FILE = """\
MEME version 4

ALPHABET= ACGT

strands: + -

Background letter frequencies
A 0.3 C 0.2 G 0.2 T 0.3

MOTIF M1 alpha

log-odds matrix: alength= 4 w= 2 E= 0
 -40 -57 -72 77
 116 -353 59 -493

letter-probability matrix: alength= 4 w= 2 nsites= 20 E= 0
  0.100000	  0.200000	  0.300000	  0.400000
  1.000000	  0.000000	  0.000000	  0.000000

URL http://example.org/1

MOTIF M2
letter-probability matrix:
.25 .25 .25 .25
0 0.333 0.333 0.333
1e-3 0 0.999 +0
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "motifs.meme"
    path.write_text(FILE)
    return path


def test_matrices_are_those_of_the_file(file: Path) -> None:
    first, second = meme_motifs(file)
    assert (first.name, first.accession, second.name, second.accession) == ("alpha", "M1", "M2", "M2")
    assert np.array_equal(first.probabilities, [[0.1, 0.2, 0.3, 0.4], [1, 0, 0, 0]])
    np.testing.assert_allclose(second.probabilities[1], [0, 1 / 3, 1 / 3, 1 / 3], rtol=1e-12)
    assert second.consensus == "ACG"


def test_motifs_come_by_either_name_in_the_order_asked_for(file: Path) -> None:
    assert [motif.accession for motif in meme_motifs(file, ["M2", "alpha"])] == ["M2", "M1"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("MEME version 4\n", "\ufeffMEME version 5.5.7 (Release date)\n"),
        ("MEME version 4\n", "****\nMEME - Motif discovery tool\n****\nMEME version 4.10.0\n"),
        ("ALPHABET= ACGT\n", ""),
        ("ALPHABET= ACGT", 'ALPHABET "DNA" DNA-LIKE'),
        ("\n", "\r\n"),
        ("alength= 4 w= 2 nsites", "alength=4 w=2 nsites"),
        ("URL http://example.org/1", "-------------------"),
    ],
)
def test_what_programs_write_differently_reads_the_same(file: Path, tmp_path: Path, old: str, new: str) -> None:
    other = tmp_path / "other.meme.gz"
    other.write_bytes(gzip.compress(FILE.replace(old, new).encode()))
    for one, two in zip(meme_motifs(file), meme_motifs(other), strict=True):
        assert np.array_equal(one.probabilities, two.probabilities)
        assert (one.name, one.accession) == (two.name, two.accession)


DAMAGED = [
    (FILE, "", "begins with '', and holds no line 'MEME version 4'"),
    ("MEME version 4", "MEME version 3.5", "begins with 'MEME version 3.5'"),
    ("MEME version 4", ">CTCF", "begins with '>CTCF'"),
    ("ALPHABET= ACGT", "ALPHABET= ACDEFGHIKLMNPQRSTVWY", "line 3: the alphabet 'ACDEFGHIKLMNPQRSTVWY' is not DNA's"),
    ("ALPHABET= ACGT", "ALPHABET= ACGU", "the alphabet 'ACGU' is not DNA's ACGT"),
    ("w= 2 nsites", "w= 3 nsites", "line 16: 2 rows of numbers follow, and the header says w= 3"),
    ("w= 2 nsites", "w= 99999999999999 nsites", "says w= 99999999999999: the file is damaged"),
    ("alength= 4 w= 2 nsites", "alength= 20 w= 2 nsites", "line 16: 'alength= 20' is not DNA's 4"),
    ("MOTIF M2", "MOTIF M1", "line 22: a motif without a name, or a second 'M1'"),
    ("MOTIF M2", "MOTIF", "line 22: a motif without a name"),
    ("MOTIF M2\n", "", "line 22: a matrix of no motif"),
    ("letter-probability matrix: alength", "letter matrix: alength", "line 10: motif 'M1' has no 'letter-probability"),
    (".25 .25 .25 .25\n0 0.333 0.333 0.333\n1e-3 0 0.999 +0\n", "", "line 23: 0 rows of numbers follow"),
    (".25 .25 .25 .25", ".25 .25 .25", "line 24: '.25 .25 .25' is not four probabilities"),
    (".25 .25 .25 .25", ".25 .25 .25 .25 0", "is not four probabilities"),
    (".25 .25 .25 .25", ".25 .25 .25 .3", "line 24: '.25 .25 .25 .3' is not four probabilities, of A, C, G and T"),
    (".25 .25 .25 .25", "-.25 .25 .5 .5", "is not four probabilities"),
    (".25 .25 .25 .25", "0 0 0 0", "is not four probabilities"),
    (".25 .25 .25 .25", ".25 .25 .25 nan", "is not four probabilities"),
    (".25 .25 .25 .25", ".25 .25 .25 1e999", "is not four probabilities"),
    (".25 .25 .25 .25", ".25 .25 .25 x" + "y" * 5000, "is not four probabilities"),
    (
        "  1.000000	  0.000000	  0.000000	  0.000000",
        "nan nan nan nan",
        "1 rows of numbers follow, and the header",
    ),
]


@pytest.mark.parametrize(("old", "new", "said"), DAMAGED, ids=[str(number) for number in range(len(DAMAGED))])
def test_damaged_files_are_refused_with_the_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "motifs.meme"
    path.write_text(FILE.replace(old, new))
    with pytest.raises(InputError) as error:
        meme_motifs(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)
    assert len(str(error.value)) < 400


def test_a_file_cut_anywhere_is_refused_or_loses_whole_motifs(tmp_path: Path) -> None:
    path = tmp_path / "motifs.meme"
    whole = {motif.accession: motif.probabilities for motif in _read(path, FILE)}
    # A matrix whose header does not say its length cannot show that it was cut.
    header = "letter-probability matrix: w= 3\n"
    for end in range(0, len(FILE), 5):
        try:
            found = _read(path, FILE.replace("letter-probability matrix:\n", header)[:end])
        except InputError:
            continue
        for motif in found:
            np.testing.assert_allclose(motif.probabilities, whole[motif.accession], atol=0.02)


def _read(path: Path, text: str) -> list[Motif]:
    path.write_text(text)
    return meme_motifs(path)


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"\x1f\x8b\x08\x00", b"MEME version 4\nMOTIF \xff\n"])
def test_files_that_are_no_text_are_refused(tmp_path: Path, data: bytes) -> None:
    for name in ("motifs.meme", "motifs.meme.gz"):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(InputError, match="cannot be read as text"):
            meme_motifs(path)


def test_a_file_that_swells_when_unpacked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strandwise.motifs.text._MOST", 10_000)
    path = tmp_path / "motifs.meme.gz"
    path.write_bytes(gzip.compress(FILE.encode() + b"\n" * 1_000_000))
    with pytest.raises(InputError, match="too large to be a collection of motifs"):
        meme_motifs(path)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["alfa"], r"no motif 'alfa' \(did you mean 'alpha'\?\)"),
        (["qqqq"], "no motif 'qqqq'."),
        (["gamma"], "name of 2 motifs"),
    ],
)
def test_names_that_are_not_there_or_not_unique_are_refused(tmp_path: Path, names: list[str], said: str) -> None:
    path = tmp_path / "motifs.meme"
    matrix = "letter-probability matrix:\n1 0 0 0\n"
    path.write_text(FILE + f"\nMOTIF A gamma\n{matrix}\nMOTIF B gamma\n{matrix}")
    with pytest.raises(InputError, match=said):
        meme_motifs(path, names)


@pytest.mark.parametrize(("name", "motifs", "bases"), [("HOCOMOCOv9", 428, 5259), ("yeast_macisaac", 124, 1218)])
def test_real_collections_are_read_whole_and_written_again(
    real_data: Path, tmp_path: Path, name: str, motifs: int, bases: int
) -> None:
    path = real_data / "motifs" / f"{name}.meme"
    found = meme_motifs(path)
    text = path.read_text()
    assert len(found) == text.count("\nMOTIF ") == motifs
    assert sum(len(motif) for motif in found) == bases
    write_meme(tmp_path / "again.meme", found)
    for one, other in zip(found, meme_motifs(tmp_path / "again.meme"), strict=True):
        assert (one.accession, "_".join(one.name.split())) == (other.accession, other.name)
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=2e-6)


def test_known_motifs_of_real_collections(real_data: Path) -> None:
    gabpa, foxa1 = meme_motifs(real_data / "motifs" / "HOCOMOCOv9.meme", ["GABPA_f1", "FOXA1"])
    assert (gabpa.name, gabpa.consensus, foxa1.consensus) == ("GABPA", "GAACCGGAAGTGG", "TGTTTACTTTG")
    (abf1,) = meme_motifs(real_data / "motifs" / "yeast_macisaac.meme", ["ABF1"])
    assert abf1.probabilities[0].tolist() == pytest.approx([0.230603, 0.132401, 0.118831, 0.518165], abs=1e-6)


def test_what_is_written_is_plain_meme(tmp_path: Path) -> None:
    motifs = [Motif("my factor", "F1", np.array([[1, 0, 0, 0], [0.1, 0.2, 0.3, 0.4]]))]
    write_meme(tmp_path / "out.meme", motifs, background=[0.3, 0.2, 0.2, 0.3])
    assert (tmp_path / "out.meme").read_text() == (
        "MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\nBackground letter frequencies\n"
        "A 0.30000 C 0.20000 G 0.20000 T 0.30000\n\n"
        "MOTIF F1 my_factor\n\nletter-probability matrix: alength= 4 w= 2 nsites= 20 E= 0\n"
        " 1.000000  0.000000  0.000000  0.000000\n 0.100000  0.200000  0.300000  0.400000\n"
    )


@pytest.mark.parametrize("accessions", [[], [""], ["a b"], ["a\n"], ["a", "a"], ["a\x1b"]])
def test_motifs_that_cannot_be_written_leave_no_file(tmp_path: Path, accessions: list[str]) -> None:
    motifs = [Motif("name", accession, np.full((2, 4), 0.25)) for accession in accessions]
    with pytest.raises(InputError, match=r"cannot be written|no motifs"):
        write_meme(tmp_path / "out.meme", motifs)
    assert not [*tmp_path.iterdir()]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, full_disk) -> None:
    path = tmp_path / "out.meme"
    path.write_text("before")
    motifs = [Motif("name", f"m{number}", np.full((20, 4), 0.25)) for number in range(50)]
    with full_disk(1000), pytest.raises(OutputError, match="disk is full"):
        write_meme(path, motifs)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.meme"]
    assert path.read_text() == "before"


def test_either_format_is_told_by_its_first_line(file: Path, tmp_path: Path) -> None:
    assert [motif.accession for motif in read_motifs(file)] == ["M1", "M2"]
    encode = tmp_path / "encode.txt"
    encode.write_text("\n>CTCF_known1 x\nA 1 0 0 0\n>REST_known1\nC 0 1 0 0\n")
    assert [motif.accession for motif in read_motifs(encode)] == ["CTCF_known1", "REST_known1"]
    assert [motif.accession for motif in read_motifs(encode, ["REST_known1"])] == ["REST_known1"]
