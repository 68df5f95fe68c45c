from collections import Counter
from itertools import pairwise, permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from strandwise.errors import InputError
from strandwise.sequence import (
    as_codes,
    decode,
    dinucleotide_shuffle,
    embed,
    encode,
    from_one_hot,
    one_hot,
    revcomp_codes,
    shuffle,
)
from strandwise.strand import dna, revcomp

DNA = st.text("ACGTN", min_size=0, max_size=60)


def test_encode_reads_both_cases_and_bytes() -> None:
    assert encode("ACGTNacgtn").tolist() == [0, 1, 2, 3, 4] * 2
    assert encode(b"gattaca").tolist() == [2, 0, 3, 3, 0, 1, 0]
    assert encode("").shape == (0,)
    assert encode("A").dtype == np.uint8


@pytest.mark.parametrize(
    ("letters", "words"),
    [
        ("ACGX", "probe 7: 'X' at position 3"),
        ("AC GT", "' ' at position 2"),
        ("ACé", "'é' at position 2"),
        ("A\U0001f9ecC?", "at position 1"),
        ("ACGU", "Write T for U"),
        ("ACRT", "ambiguous='n'"),
        (b"AC\xff", "at position 2"),
    ],
)
def test_encode_names_the_letter_and_where(letters: str | bytes, words: str) -> None:
    with pytest.raises(InputError) as error:
        encode(letters, what="probe 7")
    assert words in str(error.value)


def test_ambiguity_letters_become_n_when_asked() -> None:
    assert decode(encode("ARYSWKMBDHVTryswkmbdhvt", ambiguous="n")) == "A" + "N" * 10 + "T" + "N" * 10 + "T"
    with pytest.raises(InputError, match="'E' at position 1"):
        encode("AEC", ambiguous="n")


@given(DNA)
def test_letters_codes_and_one_hot_return_to_each_other(letters: str) -> None:
    assert decode(encode(letters)) == letters
    hot = one_hot(letters)
    assert hot.shape == (4, len(letters))
    assert hot.dtype == np.float32
    assert hot.sum() == len(letters) - letters.count("N")
    assert decode(from_one_hot(hot)) == letters


def test_one_hot_keeps_leading_axes_and_type() -> None:
    codes = np.random.default_rng(0).integers(0, 5, (2, 3, 7))
    hot = one_hot(codes, dtype=np.int8)
    assert hot.shape == (2, 3, 4, 7)
    assert hot.dtype == np.int8
    assert np.array_equal(from_one_hot(hot), codes)
    table = np.vstack([np.eye(4), np.zeros(4)])
    assert np.array_equal(hot, np.moveaxis(table[codes], -1, -2))


def test_what_is_not_one_hot_is_refused() -> None:
    hot = np.zeros((2, 4, 5))
    hot[1, 2:, 3] = 1
    with pytest.raises(InputError, match=r"sequence \[1\], position 3"):
        from_one_hot(hot)
    with pytest.raises(InputError, match="position 0"):
        from_one_hot(np.full((4, 2), 0.5))
    with pytest.raises(InputError, match="not one-hot"):
        from_one_hot(np.array([[np.nan], [0], [0], [0]]))
    with pytest.raises(InputError, match=r"\(3, 2\)"):
        from_one_hot(np.zeros((3, 2)))


def test_what_is_no_code_is_refused() -> None:
    for wrong in ([0, 5], [-1, 0], [0.0, 1.0], 3):
        with pytest.raises(InputError):
            as_codes(np.array(wrong))
    with pytest.raises(InputError, match="one at a time"):
        decode(np.zeros((2, 3), dtype=int))


@given(DNA)
def test_revcomp_codes_is_the_twin_of_revcomp(letters: str) -> None:
    turned = revcomp_codes(encode(letters))
    expected = revcomp(torch.from_numpy(one_hot(letters)), dna())
    assert np.array_equal(one_hot(turned), expected.numpy())
    assert np.array_equal(revcomp_codes(turned), encode(letters))


def test_revcomp_codes_of_a_batch() -> None:
    assert [decode(row) for row in revcomp_codes(np.stack([encode("AACG"), encode("TNGC")]))] == ["CGTT", "GCNA"]


def test_embed_writes_a_copy() -> None:
    background = encode("AAAAAA")
    assert decode(embed(background, "CG", 4)) == "AAAACG"
    assert decode(embed(background, encode("T"), 0)) == "TAAAAA"
    assert decode(background) == "AAAAAA"
    assert [decode(row) for row in embed(np.zeros((2, 4), dtype=np.uint8), "GT", 1)] == ["AGTA", "AGTA"]
    for position in (-1, 5):
        with pytest.raises(InputError, match="from 0 to 4"):
            embed(background, "CG", position)
    with pytest.raises(InputError, match="does not fit"):
        embed("AC", "ACGT", 0)


def test_shuffle_is_uniform_over_the_arrangements() -> None:
    rows = Counter(decode(row) for row in shuffle("AACNG", 6000, 3))
    expected = {"".join((*order[:3], "N", order[3])) for order in permutations("AACG")}
    assert set(rows) == expected
    assert chisquare(list(rows.values())).pvalue > 1e-3


def arrangements(letters: str) -> set[str]:
    """List all sequences with the ends, letters and dinucleotides of a short one, the slow way."""
    counts = Counter(pairwise(letters))
    inner = {"".join(order) for order in permutations(letters[1:-1])}
    every = {letters[0] + order + letters[-1] for order in inner}
    return {other for other in every if Counter(pairwise(other)) == counts}


@pytest.mark.parametrize(
    "letters", ["ACGATCGT", "AACAAGAAT", "ACCAGGATC", "TTATCTGTA", "AGAGCGCTA", "CACGTGTAC", "AAACAAAC", "GTAGTTGAG"]
)
def test_dinucleotide_shuffle_is_uniform(letters: str) -> None:
    expected = arrangements(letters)
    assert len(expected) > 1
    rows = Counter(decode(row) for row in dinucleotide_shuffle(letters, 2000 * len(expected), 11))
    assert set(rows) == expected
    assert chisquare(list(rows.values())).pvalue > 1e-3


def test_stretches_between_runs_of_n_are_shuffled_apart_and_alike() -> None:
    rows = Counter(decode(row) for row in dinucleotide_shuffle("ACGATCGTNNAGACA", 6000, 5))
    expected = {f"{left}NN{right}" for left in arrangements("ACGATCGT") for right in arrangements("AGACA")}
    assert set(rows) == expected
    assert chisquare(list(rows.values())).pvalue > 1e-3


@settings(max_examples=60, deadline=None)
@given(st.text("ACGTN", max_size=200), st.integers(0, 2**32))
def test_dinucleotide_shuffle_keeps_every_count_and_end(letters: str, seed: int) -> None:
    def pairs(text: str) -> Counter[str]:
        return Counter(text[i : i + 2] for i in range(len(text) - 1))

    for row in dinucleotide_shuffle(letters, 3, seed):
        text = decode(row)
        assert [i for i, x in enumerate(text) if x == "N"] == [i for i, x in enumerate(letters) if x == "N"]
        assert pairs(text) == pairs(letters)
        for stretch, original in zip(text.split("N"), letters.split("N"), strict=True):
            assert pairs(stretch) == pairs(original)
            assert stretch[:1] + stretch[-1:] == original[:1] + original[-1:]


@pytest.mark.parametrize("shuffler", [shuffle, dinucleotide_shuffle])
def test_shuffles_follow_their_seed_and_leave_the_sequence(shuffler) -> None:
    codes = encode("ACGTTGCAACGGTCAGTNACGATCGATCG")
    before = codes.copy()
    assert np.array_equal(shuffler(codes, 5, 1), shuffler(codes, 5, np.random.default_rng(1)))
    assert not np.array_equal(shuffler(codes, 5, 1), shuffler(codes, 5, 2))
    assert np.array_equal(codes, before)
    assert shuffler(codes, 0, 1).shape == (0, len(codes))
    assert shuffler("", 2, 1).shape == (2, 0)
    assert decode(shuffler("NNN", 1, 1)[0]) == "NNN"
    with pytest.raises(InputError, match="0 or more"):
        shuffler(codes, -1, 1)
    with pytest.raises(InputError, match="one at a time"):
        shuffler(np.zeros((2, 3), dtype=int), 1, 1)
