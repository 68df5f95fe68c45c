import numpy as np
import pytest
from scipy.stats import chisquare

from strandwise.data.simulation.background import base_frequencies, markov_codes, transition_matrix
from strandwise.sequence import revcomp_codes


@pytest.mark.parametrize(("gc", "cpg"), [(0.42, 0.3), (0.6, 1.0), (0.3, 0.1)])
def test_chain_keeps_the_base_frequencies_and_is_alike_on_both_strands(gc, cpg):
    matrix, frequencies = transition_matrix(gc, cpg), base_frequencies(gc)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    np.testing.assert_allclose(frequencies @ matrix, frequencies, atol=1e-10)
    pairs = frequencies[:, None] * matrix
    # Reverse complement of the pair (a, b) is (3 - b, 3 - a).
    np.testing.assert_allclose(pairs, pairs[::-1, ::-1].T, atol=1e-10)


def test_no_cpg_depletion_means_independent_bases():
    np.testing.assert_allclose(transition_matrix(0.5, 1.0), 0.25)


def test_drawn_pairs_follow_the_chain():
    n = 200_003
    codes = markov_codes(np.random.default_rng(0), n, 0.42, 0.3)
    assert codes.shape == (n,)
    assert codes.dtype == np.uint8
    pairs = np.bincount(4 * codes[:-1].astype(int) + codes[1:], minlength=16).reshape(4, 4)
    for base in range(4):
        expected = pairs[base].sum() * transition_matrix(0.42, 0.3)[base]
        assert chisquare(pairs[base], expected).pvalue > 1e-3
    cg_ratio = pairs[1, 2] / n / 0.21**2
    assert 0.2 < cg_ratio < 0.45
    turned = revcomp_codes(codes)
    other = np.bincount(4 * turned[:-1].astype(int) + turned[1:], minlength=16).reshape(4, 4)
    np.testing.assert_allclose(other / n, pairs / n, atol=0.003)


@pytest.mark.parametrize("length", [1, 2, 7, 100])
def test_short_chains_have_their_length(length):
    assert markov_codes(np.random.default_rng(0), length, 0.4, 0.5).shape == (length,)
