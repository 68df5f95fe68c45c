import gzip
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pysam
import pytest

from strandwise.errors import InputError
from strandwise.genome.faidx import indexed_sizes
from strandwise.genome.fasta import write_fasta

TEXT = ">chrI first\nACGTACGTAC\nGGTTAACCGG\nTTA\n>chrII\nACGTACGTAC\n>chrIII\nAC\n"


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "genome.fa"
    path.write_text(TEXT)
    return path


def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.R_OK)


def bgzipped(path: Path, text: str) -> Path:
    with pysam.BGZFile(str(path), "wb", None) as stream:
        stream.write(text.encode())
    return path


def test_builds_the_index_samtools_builds(fasta: Path, tmp_path: Path) -> None:
    assert indexed_sizes(fasta) == {"chrI": 23, "chrII": 10, "chrIII": 2}
    pysam.faidx("--fai-idx", str(tmp_path / "theirs"), str(fasta))
    assert (tmp_path / "genome.fa.fai").read_text() == (tmp_path / "theirs").read_text()
    assert {entry.name for entry in tmp_path.iterdir()} == {"genome.fa", "genome.fa.fai", "theirs"}


def test_builds_both_indexes_of_bgzip(tmp_path: Path) -> None:
    path = bgzipped(tmp_path / "g.fa.gz", ">a\n" + "ACGTACGTAC\n" * 20000 + ">b\nACGT\n")
    assert indexed_sizes(path) == {"a": 200000, "b": 4}
    assert {entry.name for entry in tmp_path.iterdir()} == {"g.fa.gz", "g.fa.gz.fai", "g.fa.gz.gzi"}
    with pysam.FastaFile(str(path)) as file:
        assert file.fetch("b") == "ACGT"


def test_a_fitting_index_is_left_alone(fasta: Path) -> None:
    indexed_sizes(fasta)
    fai = fasta.with_name("genome.fa.fai")
    before = fai.stat().st_mtime_ns
    indexed_sizes(fasta)
    assert fai.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("\nTTA\n", "\nTTAA\n"),
        TEXT + ">chrIV\nAAAA\n",
        TEXT[:-2],
        TEXT.replace("chrII\n", "chrXX\n"),
        TEXT.replace("first", "the first"),
    ],
    ids=["longer", "appended", "cut", "renamed", "shifted"],
)
def test_a_stale_index_is_built_anew_or_refused(
    fasta: Path, text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    indexed_sizes(fasta)
    fasta.write_text(text)
    fai = fasta.with_name("genome.fa.fai")
    later = fasta.stat().st_mtime + 10
    os.utime(fai, (later, later))
    with monkeypatch.context() as context:
        read_only(context)
        with pytest.raises(InputError, match=r"does not fit.*samtools faidx"):
            indexed_sizes(fasta)
    fresh = tmp_path / "fresh.fa"
    fresh.write_text(text)
    assert indexed_sizes(fasta) == indexed_sizes(fresh)


def test_an_older_index_is_built_anew_and_used_only_if_it_fits(fasta: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    indexed_sizes(fasta)
    fai = fasta.with_name("genome.fa.fai")
    os.utime(fai, (1, 1))
    with monkeypatch.context() as context:
        read_only(context)
        assert indexed_sizes(fasta) == {"chrI": 23, "chrII": 10, "chrIII": 2}
    assert fai.stat().st_mtime == 1
    indexed_sizes(fasta)
    assert fai.stat().st_mtime > 1


@pytest.mark.parametrize(
    "content", ["", "nonsense\n", "chrI\t23\t12\t10\n", "chrI\t-3\t12\t10\t11\n", f"chrI\t{9**40}\t12\t10\t11\n"]
)
def test_a_broken_index_is_built_anew(fasta: Path, content: str) -> None:
    fasta.with_name("genome.fa.fai").write_text(content)
    assert indexed_sizes(fasta)["chrII"] == 10


def test_a_missing_index_in_a_closed_folder(fasta: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_only(monkeypatch)
    with pytest.raises(InputError, match=r"genome.fa.fai is missing.*`samtools faidx .*genome.fa`"):
        indexed_sizes(fasta)


def test_a_missing_block_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "g.fa.gz"
    write_fasta(path, [("a", "ACGT")], bgzip=True)
    (tmp_path / "g.fa.gz.gzi").unlink()
    with monkeypatch.context() as context:
        read_only(context)
        with pytest.raises(InputError, match=r"block index g.fa.gz.gzi is missing"):
            indexed_sizes(path)
    assert indexed_sizes(path) == {"a": 4}
    assert (tmp_path / "g.fa.gz.gzi").exists()


def test_a_bgzip_fasta_without_its_end_is_refused(tmp_path: Path) -> None:
    path = bgzipped(tmp_path / "g.fa.gz", TEXT)
    path.write_bytes(path.read_bytes()[:-28])
    with pytest.raises(InputError, match=r"g.fa.gz: the compressed file is cut off"):
        indexed_sizes(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["g.fa.gz"]


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\1" + bytes(7), b"\1" + bytes(15)])
def test_a_broken_block_index_is_built_anew_or_refused(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bgzipped(tmp_path / "g.fa.gz", ">a\n" + "ACGTACGTAC\n" * 20000)
    indexed_sizes(path)
    gzi = tmp_path / "g.fa.gz.gzi"
    whole = gzi.read_bytes()
    gzi.write_bytes(content)
    with monkeypatch.context() as context:
        read_only(context)
        with pytest.raises(InputError, match=r"its index cannot be read .*samtools faidx"):
            indexed_sizes(path)
    assert indexed_sizes(path) == {"a": 200000}
    assert gzi.read_bytes() == whole


def test_other_formats_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "g.fa.gz"
    path.write_bytes(gzip.compress(TEXT.encode()))
    with pytest.raises(InputError, match=r"gunzip .*g.fa.gz && bgzip .*g.fa`"):
        indexed_sizes(path)
    for content, words in ((b"", "empty"), (b"\x1a\x41\x27\x43 2bit", "not a FASTA"), (b"chrI\t0\t1\n", "not a FASTA")):
        other = tmp_path / "g.fa"
        other.write_bytes(content)
        with pytest.raises(InputError, match=words):
            indexed_sizes(other)
    with pytest.raises(InputError, match="no such file"):
        indexed_sizes(tmp_path / "none.fa")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (">a\nACGT\nACGTA\nC\n", "equally long"),
        (">a\nACGT\n>b\nAC\n>a\nGG\n", "name used twice"),
        (">a\nACGT\n>b\n>c\nGG\n", "sequence empty"),
    ],
)
def test_a_fasta_that_cannot_be_indexed(tmp_path: Path, text: str, words: str, capfd) -> None:
    path = tmp_path / "g.fa"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        indexed_sizes(path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"g.fa"}
    assert capfd.readouterr().err == ""


def test_many_processes_may_build_at_once(tmp_path: Path) -> None:
    path = tmp_path / "g.fa"
    path.write_text("".join(f">c{i}\n" + "ACGTACGTAC\n" * 50 for i in range(200)))
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        sizes = list(pool.map(indexed_sizes, [path] * 8))
    assert all(size == {f"c{i}": 500 for i in range(200)} for size in sizes)
    assert {entry.name for entry in tmp_path.iterdir()} == {"g.fa", "g.fa.fai"}


def test_real_indexes_fit_and_ours_equal_them(real_data: Path, tmp_path: Path) -> None:
    for genome in ("yeast", "ecoli"):
        theirs = real_data / genome / "genome.fa.gz"
        shutil.copy(theirs, tmp_path / "g.fa.gz")
        assert indexed_sizes(tmp_path / "g.fa.gz") == indexed_sizes(theirs)
        assert (tmp_path / "g.fa.gz.fai").read_text() == theirs.with_name("genome.fa.gz.fai").read_text()
        for entry in tmp_path.iterdir():
            entry.unlink()
