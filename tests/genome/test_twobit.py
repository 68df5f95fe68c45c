import os
import pickle
import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from strandwise.errors import InputError
from strandwise.genome.fasta import write_fasta
from strandwise.genome.reference import Genome
from strandwise.genome.twobit import TwoBitFile, is_twobit
from strandwise.sequence import decode, encode

WriteTwobit = Callable[..., Path]


def made_up(seed: int, size: int) -> str:
    """Letters with stretches of N and of lower case, from the first base to the last."""
    rng = random.Random(seed)  # noqa: S311
    letters = "N" * rng.randrange(9)
    while len(letters) < size:
        kind = rng.choice(["ACGT", "ACGT", "acgt", "N", "n", "ACGTacgt"])
        letters += "".join(rng.choice(kind) for _ in range(rng.randrange(1, 40)))
    return letters[:size]


# Of every length by four, which a byte holds.
SEQUENCES = {f"chr{i}": made_up(i, size) for i, size in enumerate((1, 2, 3, 4, 997, 1002, 2000), start=1)} | {
    "allN": "N" * 9,
    "HLA-A*01:01": "acgtTGCA",
}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", [0, 1])
def test_any_interval_equals_that_of_the_fasta(
    tmp_path: Path, write_twobit: WriteTwobit, order: str, version: int
) -> None:
    write_fasta(tmp_path / "genome.fa", list(SEQUENCES.items()))
    fasta, twobit = Genome(tmp_path / "genome.fa"), Genome(write_twobit(SEQUENCES, order, version, "any.name"))
    assert list(twobit.sizes.items()) == list(fasta.sizes.items())
    rng = random.Random(7)  # noqa: S311
    for name, size in fasta.sizes.items():
        assert np.array_equal(twobit.load(name), encode(SEQUENCES[name]))
        assert twobit.load(name).flags.writeable
        for _ in range(60):
            start, end = sorted(rng.randrange(-9, size + 10) for _ in range(2))
            found = twobit.fetch(name, start, end, pad=True)
            assert found.dtype == np.uint8
            assert np.array_equal(found, fasta.fetch(name, start, end, pad=True)), (name, start, end)


def test_intervals_equal_those_of_py2bit(write_twobit: WriteTwobit) -> None:
    py2bit = pytest.importorskip("py2bit")
    path = write_twobit(SEQUENCES)
    theirs, ours = py2bit.open(str(path), True), Genome(path)
    assert theirs.chroms() == ours.sizes
    rng = random.Random(8)  # noqa: S311
    for name, size in ours.sizes.items():
        assert theirs.sequence(name) == SEQUENCES[name].replace("n", "N")
        for _ in range(40):
            start = rng.randrange(size)
            end = rng.randrange(start + 1, size + 1)
            assert theirs.sequence(name, start, end).upper() == decode(ours.fetch(name, start, end))


def test_what_the_file_holds_decides(tmp_path: Path, write_twobit: WriteTwobit) -> None:
    assert is_twobit(write_twobit({"a": "ACGT"}, name="genome.fa"))
    assert is_twobit(write_twobit({"a": "ACGT"}, order=">", name="genome.fa"))
    (tmp_path / "genome.2bit").write_text(">a\nACGT\n")
    assert not is_twobit(tmp_path / "genome.2bit")
    assert Genome(tmp_path / "genome.2bit").sizes == {"a": 4}
    with pytest.raises(InputError, match="not a 2bit file; it begins with b'>a"):
        TwoBitFile(tmp_path / "genome.2bit")
    with pytest.raises(InputError, match="no such file"):
        TwoBitFile(tmp_path / "none.2bit")


def test_survives_pickling_and_forks(write_twobit: WriteTwobit) -> None:
    genome = Genome(write_twobit(SEQUENCES))
    expected = genome.load("chr7")
    copy = pickle.loads(pickle.dumps(genome))  # noqa: S301
    assert np.array_equal(copy.load("chr7"), expected)
    children = []
    for seed in range(3):
        child = os.fork()
        if child == 0:
            starts = np.random.default_rng(seed).integers(0, 1900, 200).tolist()
            same = all(np.array_equal(genome.fetch("chr7", s, s + 99), expected[s : s + 99]) for s in starts)
            os._exit(0 if same else 1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]


def test_a_file_that_changes_is_refused(write_twobit: WriteTwobit) -> None:
    # Longer than what is read ahead.
    path = write_twobit({"long": made_up(0, 600_000), "last": "ACGTACGTACGTACGT"})
    opened, unopened = Genome(path), Genome(path)
    opened.fetch("long", 0, 9)
    content = path.read_bytes()
    path.write_bytes(content[:-2])
    with pytest.raises(InputError, match="has changed since it was opened"):
        unopened.fetch("long", 0, 9)
    with pytest.raises(InputError, match="has changed since it was opened"):
        opened.load("last")
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        pickle.loads(pickle.dumps(opened)).load("last")  # noqa: S301


@pytest.mark.parametrize("version", [0, 1])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, write_twobit: WriteTwobit, version: int) -> None:
    whole = write_twobit({"a": "ACGTNNNacgt", "b": "ACGTA"}, version=version).read_bytes()
    cut = tmp_path / "cut.2bit"
    for size in range(4, len(whole)):
        cut.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"cut.2bit: the 2bit file is damaged or cut off"):
            TwoBitFile(cut)
    cut.write_bytes(whole + b"\0")
    with pytest.raises(InputError, match=f"end at byte {len(whole)}, and the file at {len(whole) + 1}"):
        TwoBitFile(cut)


# Header 16 bytes, name 1 + 1, place 4; then size, one stretch of N, one mask, reserved, bases.
@pytest.mark.parametrize(
    ("offset", "number", "words"),
    [
        (4, 2, "version 2"),
        (8, 0, "no sequences"),
        (8, 2, "damaged or cut off"),
        (12, 1, "damaged"),
        (18, 23, "'a' does not begin where"),
        (22, 0, "sequence 'a' is empty"),
        (22, 2**32 - 1, "damaged"),
        (26, 2**31, "it ends too early"),
        (30, 9, "stretches of N of 'a'"),
        (34, 0, "stretches of N of 'a'"),
        (34, 2**32 - 1, "stretches of N of 'a'"),
        (38, 2**32 - 1, "it ends too early"),
        (50, 1, "'a' has 1 where 0 should be"),
    ],
)
def test_damaged_tables_are_refused(write_twobit: WriteTwobit, offset: int, number: int, words: str) -> None:
    path = write_twobit({"a": "ACNNGTac"})
    content = bytearray(path.read_bytes())
    content[offset : offset + 4] = struct.pack("<I", number)
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        Genome(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("name", [b"", b"a b", b"a\tb", b"a\0", b"\xff\xfe"])
def test_names_that_are_none_are_refused(write_twobit: WriteTwobit, name: bytes) -> None:
    path = write_twobit({"a" * len(name): "ACGT"})
    path.write_bytes(path.read_bytes().replace(b"a" * len(name), name) if name else path.read_bytes())
    with pytest.raises(InputError, match="is no sequence name"):
        Genome(path)


def test_two_sequences_of_one_name_are_refused(write_twobit: WriteTwobit) -> None:
    path = write_twobit({"aa": "ACGT", "ab": "ACGT"})
    path.write_bytes(path.read_bytes().replace(b"ab", b"aa"))
    with pytest.raises(InputError, match="two sequences are named 'aa'"):
        Genome(path)
