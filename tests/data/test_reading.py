import numpy as np
import pytest

from strandwise.data.reading import GenomeReader, PackedGenome, SequenceReader
from strandwise.sequence import encode


@pytest.fixture
def packed(make_genome):
    genome = make_genome(chr1=500, chr2=300, chr3=200)
    return genome, PackedGenome(genome, ["chr3", "chr1"], margin=60)


def test_windows_are_those_of_the_genome(packed) -> None:
    genome, held = packed
    rng = np.random.default_rng(1)
    chrom = np.array(["chr1", "chr3"], dtype=object)[rng.integers(0, 2, 50)]
    # Starts from well before the first base to well behind the last.
    start = np.array([rng.integers(-20, genome.sizes[name] - 20) for name in chrom])
    reader = GenomeReader(held, held.origin(chrom, start), 40)
    shifts = rng.integers(-20, 21, 50)
    for moved in (None, shifts):
        found = reader.gather(np.arange(50), moved)
        offset = np.zeros(50, int) if moved is None else moved
        expected = [
            genome.fetch(name, int(s), int(s) + 40, pad=True) for name, s in zip(chrom, start + offset, strict=True)
        ]
        assert np.array_equal(found, expected)
    assert (found == 4).any()


def test_a_part_of_the_windows_is_read_alike(packed) -> None:
    _, held = packed
    chrom = np.array(["chr1"] * 4, dtype=object)
    reader = GenomeReader(held, held.origin(chrom, np.array([0, 100, 200, 300])), 30)
    rows = np.array([3, 1])
    assert np.array_equal(reader.take(rows).gather(np.array([1, 0])), reader.gather(rows[::-1]))


def test_chromosomes_never_run_into_each_other(packed) -> None:
    genome, held = packed
    assert len(held.codes) == 3 * 60 + 200 + 500
    reader = GenomeReader(held, held.origin(np.array(["chr3"], dtype=object), np.array([200])), 60)
    assert (reader.gather(np.array([0])) == 4).all()
    assert genome.sizes["chr3"] == 200


def test_sequences_hold_n_where_a_shift_leaves_them() -> None:
    reader = SequenceReader(np.stack([encode("ACGTAC"), encode("TTTGGG")]), 4)
    assert np.array_equal(reader.gather(np.array([1, 0])), [encode("TTGG"), encode("CGTA")])
    shifted = reader.gather(np.array([0, 0, 1]), np.array([-2, 1, 3]))
    assert np.array_equal(shifted, [encode("NACG"), encode("GTAC"), encode("GGNN")])


def test_chromosomes_can_join_later(packed) -> None:
    genome, held = packed
    reader = GenomeReader(held, held.origin(np.array(["chr3", "chr1"]), np.array([-5, 480])), 40)
    before = reader.gather(np.arange(2), np.array([3, -7]))
    codes = held.codes
    held.include(genome, ["chr1", "chr3"])
    assert held.codes is codes
    held.include(genome, ["chr3", "chr2"])
    assert np.array_equal(reader.gather(np.arange(2), np.array([3, -7])), before)
    start = held.origin(np.array(["chr2"]), np.array([-60]))
    assert (
        GenomeReader(held, start, 420).gather(np.arange(1))[0].tolist()
        == [4] * 60 + genome.load("chr2").tolist() + [4] * 60
    )
