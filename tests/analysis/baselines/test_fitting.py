import sys

import numpy as np
import pytest
import scipy.sparse
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from strandwise.analysis.baselines import Composition, Examples, Feature, Motifs, Words, fit_baseline, read_features
from strandwise.analysis.baselines.fitting import PENALTIES
from strandwise.errors import InputError
from strandwise.motifs import Motif
from strandwise.scores.metrics import auroc

SITE = Motif("site", "site", np.eye(4)[[0, 2, 2, 1, 3, 0, 0]] * 0.94 + 0.015)


def dna(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random DNA with labels; every other stretch holds a site, on either strand."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (n, 50)).astype(np.uint8)
    for row in range(0, n, 2):
        site = (SITE if row % 4 else SITE.revcomp()).sample(rng, 1)[0]
        at = rng.integers(0, 44)
        codes[row, at : at + 7] = site
    return codes, (np.arange(n) % 2 == 0).astype(np.float32)


def examples(features: list[Feature], n: int, seed: int) -> Examples:
    codes, labels = dna(n, seed)
    return Examples(read_features(features, codes), labels)


def test_it_ranks_as_a_regression_of_scikit_learn_does() -> None:
    features: list[Feature] = [Composition(), Motifs([SITE])]
    learned, (codes, labels) = examples(features, 300, 0), dna(100, 1)
    baseline = fit_baseline(features, learned)
    read, asked = (np.hstack([np.asarray(each.of(part)) for each in features]) for part in (dna(300, 0)[0], codes))
    scaler = StandardScaler().fit(read)
    theirs = LogisticRegression(max_iter=2000).fit(scaler.transform(read), learned.labels)
    margin = theirs.decision_function(scaler.transform(asked))
    ours = baseline.score(codes)
    assert ours - ours.mean() == pytest.approx(margin - margin.mean(), abs=1e-6)
    assert auroc(labels, ours) > 0.9


def test_the_penalty_of_words_is_the_best_on_validation() -> None:
    words: list[Feature] = [Composition(), Words(5)]
    learned, chosen = examples(words, 300, 0), examples(words, 200, 1)
    baseline = fit_baseline(words, learned, chosen)
    read, asked = (np.asarray(scipy.sparse.csr_matrix(part.read).todense()) for part in (learned, chosen))
    scaler = StandardScaler(with_mean=False).fit(read)
    tried = []
    for penalty in PENALTIES:
        model = LogisticRegression(C=penalty, max_iter=2000).fit(scaler.transform(read), learned.labels)
        tried.append(auroc(chosen.labels, model.decision_function(scaler.transform(asked))))
    assert auroc(chosen.labels, baseline.score(dna(200, 1)[0])) == pytest.approx(max(tried), abs=1e-3)
    assert len(set(tried)) > 1


def test_without_validation_a_usual_penalty_is_taken() -> None:
    learned = examples([Words(3)], 100, 0)
    one_kind = Examples(learned.read[::2], learned.labels[::2])
    without, useless = (fit_baseline([Words(3)], learned, chosen) for chosen in (None, one_kind))
    assert np.array_equal(without.weights[0], useless.weights[0])


def test_examples_of_one_kind_are_refused() -> None:
    learned = examples([Composition()], 20, 0)
    with pytest.raises(InputError, match="of one kind"):
        fit_baseline([Composition()], Examples(learned.read, np.zeros(20)))


def test_missing_scikit_learn_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(InputError, match=r"pip install 'strandwise\[baselines\]'"):
        fit_baseline([Composition()], examples([Composition()], 20, 0))
