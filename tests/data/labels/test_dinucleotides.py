import numpy as np
import pytest

from strandwise.data.labels.dinucleotides import (
    dinucleotide_frequencies,
    dinucleotides_of_windows,
    match_dinucleotides,
)
from strandwise.data.reading import SequenceReader
from strandwise.errors import InputError
from strandwise.sequence import decode, encode, revcomp_codes


def slow(letters: str) -> np.ndarray:
    """Counted letter by letter on both strands."""
    pairs = [a + b for a in "ACGT" for b in "ACGT"]
    both = [letters, decode(revcomp_codes(encode(letters, ambiguous="n")))]
    found = [text[at : at + 2] for text in both for at in range(len(text) - 1)]
    known = [pair for pair in found if pair in pairs]
    return np.array([known.count(pair) / max(len(known), 1) for pair in pairs])


def test_frequencies_are_those_of_a_count() -> None:
    rng = np.random.default_rng(0)
    codes = rng.choice(5, (40, 30), p=[0.3, 0.2, 0.2, 0.25, 0.05]).astype(np.uint8)
    codes[3] = 4
    expected = np.array([slow(decode(row)) for row in codes])
    np.testing.assert_allclose(dinucleotide_frequencies(codes), expected, atol=1e-12)
    np.testing.assert_allclose(dinucleotides_of_windows(SequenceReader(codes, 30), 40), expected, atol=1e-12)
    np.testing.assert_allclose(dinucleotide_frequencies(revcomp_codes(codes)), expected, atol=1e-12)


def made(n: int, gc: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    chance = [(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2]
    return dinucleotide_frequencies(rng.choice(4, (n, 200), p=chance).astype(np.uint8))


def test_the_nearest_are_chosen_each_once() -> None:
    positives = made(30, 0.6, 1)
    candidates = np.concatenate([made(300, 0.4, 2), made(200, 0.6, 3)])
    match = match_dinucleotides(positives, candidates, 60)
    assert len(set(match.rows.tolist())) == 60
    assert (match.rows >= 300).mean() > 0.9
    assert match.difference < match.difference_before / 3
    assert match.distance < match.distance_before / 1.5
    assert "60 of 60 negatives matched by dinucleotides" in match.note()


def test_each_has_its_nearest_where_nobody_else_wants_it() -> None:
    rng = np.random.default_rng(4)
    candidates = rng.random((50, 16))
    wanted = rng.permutation(50)[:20]
    match = match_dinucleotides(candidates[wanted] + 1e-6, candidates, 20)
    assert match.rows.tolist() == sorted(wanted.tolist())
    assert match.distance < 1e-4


@pytest.mark.parametrize("count", [1, 37, 100])
def test_positives_that_are_all_alike_share_what_there_is(count: int) -> None:
    positives, candidates = np.full((37, 16), 1 / 16), np.tile(np.linspace(0, 1, 100)[:, None], 16)
    match = match_dinucleotides(positives, candidates, count)
    assert len(set(match.rows.tolist())) == count
    nearest = np.sort(np.argsort(np.abs(candidates[:, 0] - 1 / 16), kind="stable")[:count])
    assert match.rows.tolist() == nearest.tolist()


def test_too_few_candidates_are_refused() -> None:
    with pytest.raises(InputError, match="5 negatives for 2 positives out of 4 candidates"):
        match_dinucleotides(np.zeros((2, 16)), np.zeros((4, 16)), 5)
