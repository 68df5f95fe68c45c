import os
import pickle
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandwise.errors import InputError
from strandwise.genome.fasta import write_fasta
from strandwise.genome.reference import Genome
from strandwise.sequence import decode

LETTERS = {"chrI": "".join(np.random.default_rng(0).choice(list("ACGTNacgtR"), 1000)), "chrII": "ACGTACGTAC"}


@pytest.fixture(params=["plain", "bgzip", "2bit"])
def genome(request, tmp_path: Path, write_twobit: Callable[..., Path]) -> Genome:
    if request.param == "2bit":
        return Genome(write_twobit({name: letters.replace("R", "N") for name, letters in LETTERS.items()}))
    path = tmp_path / ("g.fa.gz" if request.param == "bgzip" else "g.fa")
    write_fasta(path, list(LETTERS.items()), bgzip=request.param == "bgzip")
    return Genome(path)


def test_fetch_is_a_slice_of_the_chromosome(genome: Genome) -> None:
    assert genome.sizes == {"chrI": 1000, "chrII": 10}
    whole = LETTERS["chrI"].upper().replace("R", "N")
    assert decode(genome.load("chrI")) == whole
    for start, end in ((0, 1000), (0, 1), (999, 1000), (59, 61), (5, 5), (100, 555)):
        assert decode(genome.fetch("chrI", start, end)) == whole[start:end]


def test_padding_is_n(genome: Genome) -> None:
    assert decode(genome.fetch("chrII", -3, 4, pad=True)) == "NNNACGT"
    assert decode(genome.fetch("chrII", 8, 13, pad=True)) == "ACNNN"
    assert decode(genome.fetch("chrII", -1, 11, pad=True)) == "NACGTACGTACN"
    assert decode(genome.fetch("chrII", -9, -5, pad=True)) == "NNNN"
    assert decode(genome.fetch("chrII", 20, 22, pad=True)) == "NN"


def test_wrong_intervals_are_named(genome: Genome) -> None:
    for start, end in ((-1, 5), (5, 11)):
        with pytest.raises(InputError, match=rf"chrII:{start}-{end} .* 10 bp"):
            genome.fetch("chrII", start, end)
    with pytest.raises(InputError, match="ends before it starts"):
        genome.fetch("chrII", 5, 4, pad=True)
    with pytest.raises(InputError, match=r"'II' is not in .*did you mean 'chrII'"):
        genome.fetch("II", 0, 1)
    with pytest.raises(InputError, match="'chrX'"):
        genome.load("chrX")


def test_survives_pickling_and_threads(genome: Genome) -> None:
    expected = genome.load("chrI")
    copy = pickle.loads(pickle.dumps(genome))  # noqa: S301
    assert np.array_equal(copy.load("chrI"), expected)
    assert copy.sizes == genome.sizes
    wrong: list[int] = []

    def read(seed: int) -> None:
        for start in np.random.default_rng(seed).integers(0, 900, 300).tolist():
            found = genome.fetch("chrI", start, start + 100)
            wrong.extend([] if np.array_equal(found, expected[start : start + 100]) else [start])

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_survives_a_fork(genome: Genome) -> None:
    expected = genome.load("chrI")
    children = []
    for seed in range(3):
        child = os.fork()
        if child == 0:
            starts = np.random.default_rng(seed).integers(0, 900, 300).tolist()
            same = all(np.array_equal(genome.fetch("chrI", s, s + 100), expected[s : s + 100]) for s in starts)
            os._exit(0 if same else 1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]


def test_a_genome_that_goes_away(genome: Genome) -> None:
    copy = pickle.loads(pickle.dumps(genome))  # noqa: S301
    genome.path.unlink()
    with pytest.raises(InputError, match="no such file"):
        copy.fetch("chrII", 0, 5)


POSITION = st.integers(-130, 1130)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(LETTERS)), POSITION, st.integers(-3, 200) | POSITION, st.booleans())
def test_any_interval_against_letters_one_by_one(
    genome: Genome, chrom: str, start: int, length: int, pad: bool
) -> None:
    whole, end = LETTERS[chrom].upper().replace("R", "N"), start + length
    inside = start >= 0 and end <= len(whole)
    if length < 0 or not (pad or inside):
        with pytest.raises(InputError, match=f"{chrom}:{start}-{end} "):
            genome.fetch(chrom, start, end, pad=pad)
        return
    expected = [whole[i] if 0 <= i < len(whole) else "N" for i in range(start, end)]
    assert list(decode(genome.fetch(chrom, start, end, pad=pad))) == expected


def test_letters_that_are_not_dna_are_named(tmp_path: Path) -> None:
    path = tmp_path / "g.fa"
    path.write_text(">chrI\nACGTJACG\n")
    with pytest.raises(InputError, match=r"chrI:2-8: 'J' at position 2"):
        Genome(path).fetch("chrI", 2, 8)


def test_real_genome_equals_samtools(real_data: Path) -> None:
    genome = Genome(real_data / "yeast" / "genome.fa.gz")
    assert sum(genome.sizes.values()) == 12_157_105
    with pysam.FastaFile(str(genome.path)) as file:
        for start in range(0, 800_000, 99_991):
            assert decode(genome.fetch("chrII", start, start + 500)) == file.fetch("chrII", start, start + 500).upper()
