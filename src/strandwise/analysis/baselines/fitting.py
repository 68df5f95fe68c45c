"""Baselines: logistic regressions on simple features of training windows, that rank windows or bases."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from strandwise.analysis.baselines.features import Codes, Feature, Matrix, Words
from strandwise.errors import InputError
from strandwise.scores.metrics import auroc

PENALTIES = (1e-4, 1e-3, 1e-2)
"""Inverse strengths of the penalty on counts of words; the best on the validation windows is kept."""

USUAL_PENALTY = 1e-3
"""Where no validation windows tell."""

_STEPS = 300


@dataclass(frozen=True)
class Examples:
    """What was read in stretches of DNA, with the yes/no labels of one track.

    Attributes:
        read: as `read_features` gives it, ``(stretches, features)``.
        labels: ``(stretches,)`` of 0 and 1.
    """

    read: Matrix
    labels: NDArray

    @property
    def both(self) -> bool:
        """Whether there are stretches of either kind."""
        return len(np.unique(self.labels)) == 2


@dataclass(frozen=True)
class Baseline:
    """A weighted sum of features that ranks DNA by how likely it is bound.

    Attributes:
        features: what is read.
        weights: of the numbers of each feature.
    """

    features: tuple[Feature, ...]
    weights: tuple[NDArray[np.float64], ...]

    def score(self, codes: Codes) -> NDArray[np.float64]:
        """Return the scores ``(stretches,)`` of stretches ``(stretches, bases)``."""
        return self.along(codes, codes.shape[1])[:, 0]

    def along(self, codes: Codes, width: int) -> NDArray[np.float64]:
        """Return the scores of every stretch of `width` bases, ``(sequences, bases - width + 1)``."""
        parts = [each.along(codes, width, w) for each, w in zip(self.features, self.weights, strict=True)]
        return np.sum(parts, axis=0)


def read_features(features: Sequence[Feature], codes: Codes) -> Matrix:
    """Return the numbers of all features side by side, ``(stretches, features)``."""
    parts = [each.of(codes) for each in features]
    if any(scipy.sparse.issparse(part) for part in parts):
        return scipy.sparse.csr_matrix(scipy.sparse.hstack(parts))
    return np.concatenate([np.asarray(part) for part in parts], axis=1)


def fit_baseline(features: Sequence[Feature], learned: Examples, chosen: Examples | None = None) -> Baseline:
    """Fit a logistic regression on features, each scaled to a standard deviation of 1.

    Words are many for few windows: how far their weights are held back is chosen on validation windows by AUROC.

    Args:
        features: what was read.
        learned: training examples of both kinds.
        chosen: validation examples; not used unless there are both kinds.

    Raises:
        InputError: scikit-learn is not installed, or all training examples are of one kind.
    """
    if not learned.both:
        raise InputError(
            "all training windows of a track are of one kind, so no baseline can be fitted: leave the track out."
        )
    if not any(isinstance(each, Words) for each in features):
        penalties: tuple[float, ...] = (1.0,)
    else:
        penalties = PENALTIES if chosen is not None and chosen.both else (USUAL_PENALTY,)
    tried = _weights(learned, penalties)
    if chosen is not None and len(tried) > 1:
        tried.sort(key=lambda weights: auroc(chosen.labels, chosen.read @ weights))
    ends = np.cumsum([each.count for each in features])
    return Baseline(tuple(features), tuple(np.split(tried[-1], ends[:-1])))


def _weights(learned: Examples, penalties: Sequence[float]) -> list[NDArray[np.float64]]:
    """Return the weight of each column, on the scale of the column itself, by penalty."""
    regression, scaler = _sklearn()
    scaled = scaler(with_mean=not scipy.sparse.issparse(learned.read)).fit(learned.read)
    read = scaled.transform(learned.read)
    models = (regression(C=penalty, max_iter=_STEPS).fit(read, learned.labels) for penalty in penalties)
    return [model.coef_[0] / scaled.scale_ for model in models]


def _sklearn() -> tuple[Any, Any]:
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise InputError(
            "baselines are fitted by the package scikit-learn, which is not installed: "
            "pip install 'strandwise[baselines]'"
        ) from error
    return LogisticRegression, StandardScaler
