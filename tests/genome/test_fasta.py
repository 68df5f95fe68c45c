import gzip
from pathlib import Path

import pysam
import pytest

from strandwise.errors import InputError, OutputError
from strandwise.genome.fasta import FastaRecord, check_bgzip_end, is_bgzip, is_gzip, read_fasta, write_fasta
from strandwise.sequence import encode


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_reads_names_descriptions_and_wrapped_letters(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fa", ">s1 first one\nACGT\nac\n\n>s2\tx\r\nNN\r\n>s3\nT")
    assert list(read_fasta(path)) == [
        FastaRecord("s1", "first one", "ACGTac"),
        FastaRecord("s2", "x", "NN"),
        FastaRecord("s3", "", "T"),
    ]


def test_reads_gzip_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.fa"
    path.write_bytes(gzip.compress(b">s\nACGT\n"))
    assert [record.letters for record in read_fasta(path)] == ["ACGT"]
    assert is_gzip(path)
    assert not is_bgzip(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no sequences"),
        ("\n\n", "no sequences"),
        ("ACGT\n>s\nA\n", "line 1: letters before the first '>'"),
        (">s\nA\n>t\n>u\nC\n", "line 3: sequence 't' has no letters"),
        (">s\n", "sequence 's' has no letters"),
        (">s\nA\n>t\nC\n>s\nG\n", "line 5: a second sequence is named 's'"),
        (">\nACGT\n", "no sequence name"),
    ],
)
def test_refuses_what_is_no_set_of_sequences(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path / "a.fa", text)
    with pytest.raises(InputError) as error:
        list(read_fasta(path))
    assert words in str(error.value)
    assert str(path) in str(error.value)


def test_refuses_damaged_binary_and_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "a.fa.gz"
    path.write_bytes(gzip.compress(b">s\n" + b"ACGT" * 1000)[:-12])
    with pytest.raises(InputError, match="damaged or cut off"):
        list(read_fasta(path))
    path.write_bytes(b">s\n\xff\xfe")
    with pytest.raises(InputError, match="not text"):
        list(read_fasta(path))
    with pytest.raises(InputError, match=r"did you mean 'a.fa.gz'"):
        list(read_fasta(tmp_path / "a.fa"))


def test_bgzip_without_its_last_block_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.fa.gz"
    write_fasta(path, [("s", "ACGT" * 50_000)], bgzip=True)
    whole = path.read_bytes()
    check_bgzip_end(path)
    # Where a block ends, a reader sees the end of a shorter file.
    for content in (whole[:-28], whole[:-1], whole[:20]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a.fa.gz: the compressed file is cut off .* Copy it again"):
            check_bgzip_end(path)
        with pytest.raises(InputError, match="cut off"):
            next(read_fasta(path))
    path.write_bytes(gzip.compress(b">s\nACGT\n"))
    check_bgzip_end(path)


@pytest.mark.parametrize("bgzip", [False, True])
def test_what_is_written_is_read_back_by_us_and_by_samtools(tmp_path: Path, bgzip: bool) -> None:
    path = tmp_path / ("a.fa.gz" if bgzip else "a.fa")
    records = [FastaRecord("s1", "d e", "ACGTN" * 30), FastaRecord("s2", "", "A" * 60), FastaRecord("s3", "", "C")]
    write_fasta(path, records, bgzip=bgzip)
    assert list(read_fasta(path)) == records
    assert is_bgzip(path) == bgzip
    expected = {"a.fa.gz", "a.fa.gz.fai", "a.fa.gz.gzi"} if bgzip else {"a.fa"}
    assert {entry.name for entry in tmp_path.iterdir()} == expected
    text = gzip.decompress(path.read_bytes()) if bgzip else path.read_bytes()
    assert max(map(len, text.split(b"\n"))) == 60
    with pysam.FastaFile(str(path)) as file:
        assert {name: file.fetch(name) for name in file.references} == {r.name: r.letters for r in records}


def test_writing_leaves_no_half_file(tmp_path: Path) -> None:
    path = tmp_path / "a.fa"
    for records, words in (([], "no sequences"), ([("s", "A"), ("s", "C")], "second"), ([("a b", "A")], "name")):
        with pytest.raises(InputError, match=words):
            write_fasta(path, records)
    assert list(tmp_path.iterdir()) == []
    path.mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write_fasta(path, [("s", "A")])


def test_real_sequence_sets(real_data: Path) -> None:
    records = list(read_fasta(real_data / "human" / "nanog" / "positives_test.fa"))
    text = (real_data / "human" / "nanog" / "positives_test.fa").read_text()
    assert len(records) == text.count(">")
    assert sum(len(encode(record.letters)) for record in records) == sum(
        len(line) for line in text.splitlines() if not line.startswith(">")
    )
