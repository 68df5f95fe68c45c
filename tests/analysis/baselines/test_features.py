import re
from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse

from strandwise.analysis.baselines import Composition, Feature, Motifs, Words
from strandwise.errors import InputError
from strandwise.motifs import Motif
from strandwise.sequence import decode, encode, revcomp_codes

RNG = np.random.default_rng(0)
DNA = RNG.integers(0, 4, (5, 60)).astype(np.uint8)
DNA[1, 20:31] = 4
DNA[2] = 4


def motif(length: int, name: str = "m") -> Motif:
    return Motif(name, name, np.random.default_rng(length).dirichlet([0.3] * 4, length))


FEATURES: dict[str, Callable[[], Feature]] = {
    "composition": Composition,
    "motifs": lambda: Motifs([motif(5), motif(8)], (0.3, 0.2, 0.2, 0.3)),
    "words": lambda: Words(3),
}


def dense(matrix: np.ndarray | scipy.sparse.csr_matrix) -> np.ndarray:
    return np.asarray(matrix.toarray() if isinstance(matrix, scipy.sparse.csr_matrix) else matrix)


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("width", [8, 9, 31, 60])
def test_every_stretch_along_a_sequence_scores_as_it_does_cut_out(name: str, width: int) -> None:
    feature = FEATURES[name]()
    weights = np.random.default_rng(1).normal(size=dense(feature.of(DNA)).shape[1])
    along = feature.along(DNA, width, weights)
    assert along.shape == (5, 60 - width + 1)
    for start in range(along.shape[1]):
        cut = dense(feature.of(DNA[:, start : start + width])) @ weights
        assert along[:, start] == pytest.approx(cut, abs=1e-9)


@pytest.mark.parametrize("name", FEATURES)
def test_a_sequence_is_read_the_same_from_either_strand(name: str) -> None:
    feature = FEATURES[name]()
    assert dense(feature.of(revcomp_codes(DNA))) == pytest.approx(dense(feature.of(DNA)), abs=1e-12)


def test_composition_counts_known_bases_alone() -> None:
    codes = np.stack([encode(letters) for letters in ("GGCA", "NNGA", "NNNN", "ATAT")])
    assert Composition().of(codes).ravel().tolist() == [0.75, 0.5, 0.0, 0.0]


def test_the_best_hit_is_the_best_of_all_sites_on_both_strands() -> None:
    one = motif(5)
    background = (0.3, 0.2, 0.2, 0.3)
    sites = [DNA[:, start : start + 5] for start in range(56)]
    both = [strand.score(site, background) for site in sites for strand in (one, one.revcomp())]
    assert Motifs([one], background).of(DNA)[:, 0] == pytest.approx(np.max(both, axis=0))


def test_a_base_that_a_motif_never_holds_does_not_hide_the_rest() -> None:
    never = Motif("m", "m", np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], float))
    hit, near, far = (Motifs([never]).of(encode(letters)[None])[0, 0] for letters in ("TACGTT", "TACTTT", "AAAAAA"))
    assert (hit, near) == (6, 2 + 2 - 10)
    assert far < near


def test_words_are_counted_with_their_reverse_complements() -> None:
    words = Words(2)
    assert words.count == 10
    counts = dense(words.of(encode("ACGTNAC")[None]))[0]
    text, turned = "ACGTNAC", decode(revcomp_codes(encode("ACGTNAC")))
    assert counts.sum() == 4
    for word in ("AC", "CG", "GT", "AA"):
        column = int(np.flatnonzero(dense(words.of(encode(word)[None]))[0])[0])
        both = {word, decode(revcomp_codes(encode(word)))}
        expected = sum(len(re.findall(f"(?={each})", text)) for each in both)
        assert counts[column] == expected
    assert dense(words.of(encode(turned)[None]))[0].tolist() == counts.tolist()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="motif m is 8 bp long, and no site of it lies in 7 bp"):
        Motifs([motif(8)]).of(DNA[:, :7])
    with pytest.raises(InputError, match="motif m is 8 bp long, and no site of it lies in 7 bp"):
        Motifs([motif(8)]).along(DNA, 7, np.ones(1))
    with pytest.raises(InputError, match="no word of 3 letters lies in 2 bp"):
        Words(3).along(DNA, 2, np.ones(32))
    with pytest.raises(InputError, match="words of 9 letters: give 1 to 8"):
        Words(9)
