import numpy as np
import pytest
from Bio.motifs.jaspar import Motif as BioMotif
from scipy.stats import chisquare, entropy

from strandwise.errors import InputError
from strandwise.motifs import Motif
from strandwise.sequence import encode, revcomp_codes

BACKGROUND = (0.3, 0.2, 0.2, 0.3)


def motif_of(*rows: list[float]) -> Motif:
    return Motif("made", "X1.1", np.array(rows))


def random_motif(seed: int = 0, length: int = 9) -> Motif:
    return Motif("random", "X1.1", np.random.default_rng(seed).dirichlet(np.full(4, 0.4), length))


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.full((3, 4), 0.3), r"position 0 .*no distribution"),
        ([[0.25] * 4, [1.2, -0.2, 0, 0]], r"position 1 .*no distribution"),
        ([[0.25] * 4, [np.nan, 0.5, 0.5, 0]], r"position 1 .*no distribution"),
        (np.full((4, 3), 1 / 3), r"shape \(4, 3\)"),
        (np.empty((0, 4)), r"shape \(0, 4\)"),
    ],
)
def test_refuses_what_is_no_motif(matrix, words):
    with pytest.raises(InputError, match=words):
        Motif("bad", "X1.1", matrix)


def test_is_read_only_and_apart_from_the_matrix_it_came_from():
    matrix = np.full((2, 4), 0.25)
    motif = Motif("flat", "X1.1", matrix)
    matrix[0] = [1, 0, 0, 0]
    assert motif.probabilities[0, 0] == 0.25
    with pytest.raises(ValueError, match="read-only"):
        motif.probabilities[0, 0] = 1


def test_revcomp_of_a_hand_made_motif():
    motif = motif_of([1, 0, 0, 0], [0, 1, 0, 0], [0.1, 0.7, 0.2, 0])
    turned = motif.revcomp()
    assert (motif.consensus, turned.consensus) == ("ACC", "GGT")
    np.testing.assert_allclose(turned.probabilities[0], [0, 0.2, 0.7, 0.1])
    np.testing.assert_array_equal(turned.revcomp().probabilities, motif.probabilities)


def test_information_is_two_bits_less_the_entropy():
    motif = random_motif()
    np.testing.assert_allclose(motif.information_bits(), 2 - entropy(motif.probabilities, base=2, axis=1))
    sure = motif_of([1, 0, 0, 0], [0.25] * 4)
    np.testing.assert_allclose(sure.information_bits(), [2, 0])


def test_log_odds_and_score_agree_with_biopython():
    motif = random_motif()
    columns = dict(zip("ACGT", motif.probabilities.T.tolist(), strict=True))
    oracle = BioMotif("X1.1", "random", counts=columns)
    assert oracle.counts is not None
    pssm = oracle.counts.normalize().log_odds(dict(zip("ACGT", BACKGROUND, strict=True)))
    expected = np.array([pssm[base] for base in "ACGT"]).T
    np.testing.assert_allclose(motif.log_odds(BACKGROUND), expected)
    letters = "ACGTTGCAG"
    by_hand = sum(expected[i, "ACGT".index(letter)] for i, letter in enumerate(letters))
    assert motif.score(encode(letters), BACKGROUND) == pytest.approx(by_hand)
    assert motif.consensus == str(oracle.consensus)


def test_score_is_the_same_read_from_the_other_strand_and_blind_to_n():
    motif = random_motif()
    sites = np.random.default_rng(1).integers(0, 5, (20, len(motif))).astype(np.uint8)
    np.testing.assert_allclose(motif.score(sites), motif.revcomp().score(revcomp_codes(sites)))
    assert motif.score(np.full(len(motif), 4, dtype=np.uint8)) == 0
    with pytest.raises(InputError, match="9 bp long"):
        motif.score(sites[:, 1:])


def test_impossible_bases_score_minus_infinity():
    motif = motif_of([1, 0, 0, 0])
    assert motif.score(encode("C")) == -np.inf


@pytest.mark.parametrize("background", [(0.5, 0.5, 0, 0), (0.25, 0.25, 0.25), (1, 1, 1, 1)])
def test_refuses_a_bad_background(background):
    with pytest.raises(InputError, match="four positive probabilities"):
        random_motif().log_odds(background)


def test_sampled_sites_follow_the_matrix():
    motif = motif_of([0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1], [0, 0, 1, 0])
    sites = motif.sample(np.random.default_rng(0), 20_000)
    assert sites.shape == (20_000, 3)
    assert sites.dtype == np.uint8
    for position in (0, 1):
        counts = np.bincount(sites[:, position], minlength=4)
        assert chisquare(counts, 20_000 * motif.probabilities[position]).pvalue > 1e-3
    assert (sites[:, 2] == 2).all()
    # Positions are drawn apart from each other.
    assert abs(np.corrcoef(sites[:, 0] == 3, sites[:, 1] == 0)[0, 1]) < 0.03


def test_trimmed_keeps_the_middle():
    flat, sure = [0.25] * 4, [1.0, 0, 0, 0]
    motif = motif_of(flat, sure, flat, sure, flat, flat)
    assert len(motif.trimmed(0.5)) == 3
    with pytest.raises(InputError, match=r"no position holds 2\.5 bits"):
        motif.trimmed(2.5)


def test_the_core_is_the_stretch_that_says_most():
    flat, sharp, weak = [0.25] * 4, [1, 0, 0, 0], [0.5, 0.5, 0, 0]
    motif = Motif("m", "m", np.array([sharp, flat, weak, sharp, flat]))
    assert motif.core(1).probabilities.tolist() == [sharp]
    assert motif.core(2).probabilities.tolist() == [weak, sharp]
    # Of two that say as much, the first.
    assert motif.core(4).probabilities.tolist() == [sharp, flat, weak, sharp]
    assert Motif("m", "m", np.array([flat, sharp, flat])).core(2).probabilities.tolist() == [flat, sharp]
    assert motif.core(5) is motif.core(9) is motif
    assert (motif.core(3).name, motif.core(3).accession) == ("m", "m")
    with pytest.raises(InputError, match="core of 0 bases"):
        motif.core(0)
