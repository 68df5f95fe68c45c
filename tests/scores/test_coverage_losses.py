"""Each loss against torch, scipy or numpy, with windows that were not measured."""

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial import distance
from torch import Tensor

from strandwise.scores.coverage_losses import (
    CoverageLoss,
    cosine,
    log_poisson,
    mse,
    multinomial_mse,
    pearson,
    pearson_mse,
    pearson_poisson,
    poisson,
    poisson_multinomial,
)
from strandwise.scores.losses import LOSSES

NAMES = get_args(CoverageLoss)
Array = NDArray[np.float64]


def example(seed: int = 0, bins: int = 11) -> tuple[Tensor, Tensor, Tensor]:
    """Coverage of 9 windows and 3 tracks; a third of it was not measured."""
    rng = np.random.default_rng(seed)
    targets = rng.poisson(rng.gamma(2.0, 3.0, (9, 3, 1)), (9, 3, bins)).astype(float)
    predictions = targets * rng.uniform(0.3, 1.5, targets.shape) + rng.gamma(1.0, 1.0, targets.shape)
    weights = (rng.random((9, 3)) < 0.67).astype(float)
    assert 0 < weights.sum() < weights.size
    return torch.from_numpy(predictions), torch.from_numpy(targets), torch.from_numpy(weights)


def known(predictions: Tensor, targets: Tensor, weights: Tensor, track: int) -> tuple[Array, Array]:
    rows = weights[:, track] > 0
    return predictions[rows, track].numpy(), targets[rows, track].numpy()


def everywhere(measure: Callable[[Array, Array], float], given: tuple[Tensor, Tensor, Tensor]) -> float:
    """The mean of a measure over the windows and tracks that are known."""
    values = [measure(x, y) for track in range(3) for x, y in zip(*known(*given, track), strict=True)]
    return float(np.mean(values))


def poisson_oracle(x: Array, y: Array) -> float:
    # What the loss leaves out is the logarithm of a factorial, of the targets alone.
    return float(-np.mean(stats.poisson.logpmf(y, x) + np.array([np.log(np.arange(1, n + 1)).sum() for n in y])))


def shape_oracle(x: Array, y: Array) -> float:
    coefficient = np.log(np.arange(1, y.sum() + 1)).sum() - sum(np.log(np.arange(1, n + 1)).sum() for n in y)
    return float(coefficient - stats.multinomial.logpmf(y, int(y.sum()), x / x.sum()))


def pearson_oracle(given: tuple[Tensor, Tensor, Tensor]) -> float:
    pairs = (known(*given, track) for track in range(3))
    found: list[Any] = [stats.pearsonr(x.ravel(), y.ravel()) for x, y in pairs]
    return -float(np.mean([each.statistic for each in found]))


def test_every_coverage_loss_is_in_the_table_and_takes_predictions() -> None:
    assert {name for name, loss in LOSSES.items() if loss.of == "predictions"} == set(NAMES)


def test_poisson_is_scipys() -> None:
    given = example()
    assert float(poisson(*given)) == pytest.approx(everywhere(poisson_oracle, given), rel=1e-7)


def test_log_poisson_is_torchs_of_logarithms() -> None:
    given = example()

    def oracle(x: Array, y: Array) -> float:
        x, y = np.log1p(x), np.log1p(y)
        return float(np.mean(x - y * np.log(x)))

    assert float(log_poisson(*given)) == pytest.approx(everywhere(oracle, given), rel=1e-6)


def test_mse_is_torchs() -> None:
    predictions, targets, weights = given = example()
    expected = torch.nn.functional.mse_loss(predictions[weights > 0], targets[weights > 0])
    assert float(mse(*given)) == pytest.approx(float(expected), rel=1e-12)


def test_pearson_is_scipys() -> None:
    given = example()
    assert float(pearson(*given)) == pytest.approx(pearson_oracle(given), rel=1e-10)


def test_pearson_weighs_windows_as_numpy_does() -> None:
    predictions, targets, _ = example()
    weights = torch.from_numpy(np.random.default_rng(4).uniform(0.2, 3, (9, 3)))
    found = []
    for track in range(3):
        along = np.repeat(weights[:, track].numpy(), predictions.shape[-1])
        joint = np.cov(predictions[:, track].numpy().ravel(), targets[:, track].numpy().ravel(), aweights=along)
        found.append(joint[0, 1] / np.sqrt(joint[0, 0] * joint[1, 1]))
    assert float(pearson(predictions, targets, weights)) == pytest.approx(-np.mean(found), rel=1e-10)


def test_a_track_that_was_not_measured_is_left_out_of_the_correlation() -> None:
    predictions, targets, weights = example()
    weights[:, 1] = 0
    alone = pearson(predictions[:, [0, 2]], targets[:, [0, 2]], weights[:, [0, 2]])
    torch.testing.assert_close(pearson(predictions, targets, weights), alone, rtol=1e-12, atol=0)


@pytest.mark.parametrize("constant", ["predictions", "targets"])
def test_what_is_constant_has_no_correlation(constant: str) -> None:
    predictions, targets, weights = example()
    given = {"predictions": predictions, "targets": targets}
    given[constant] = torch.full_like(given[constant], 0.1)
    said = given["predictions"].clone().requires_grad_()
    loss = pearson(said, given["targets"], weights)
    loss.backward()
    assert abs(float(loss.detach())) < 1e-5
    assert said.grad is not None
    assert said.grad.isfinite().all()


def test_mixtures_are_sums() -> None:
    given = example()
    correlation, error, counts = pearson(*given), mse(*given), poisson(*given)
    torch.testing.assert_close(pearson_mse(*given), correlation + 0.001 * error)
    torch.testing.assert_close(pearson_mse(*given, alpha=2.0), correlation + 2 * error)
    torch.testing.assert_close(pearson_poisson(*given), correlation + 0.1 * counts)
    torch.testing.assert_close(pearson_poisson(*given, alpha=2.0), correlation + 2 * counts)


def test_cosine_is_scipys() -> None:
    given = example()
    assert float(cosine(*given)) == pytest.approx(everywhere(distance.cosine, given), rel=1e-10)


def test_a_window_without_coverage_has_no_angle() -> None:
    predictions, targets, _ = example()
    assert float(cosine(predictions, 0 * targets, torch.ones(9, 3).double())) == 1


def test_poisson_multinomial_is_scipys() -> None:
    given = example()

    def oracle(x: Array, y: Array) -> float:
        return (shape_oracle(x, y) + 0.2 * poisson_oracle(x.sum(keepdims=True), y.sum(keepdims=True))) / x.size

    assert float(poisson_multinomial(*given)) == pytest.approx(everywhere(oracle, given), rel=1e-6)


def test_shape_and_total_together_are_all_there_is_to_counts() -> None:
    given = example()
    torch.testing.assert_close(poisson_multinomial(*given, total_weight=1.0), poisson(*given), rtol=1e-6, atol=0)


def test_multinomial_mse_is_scipys() -> None:
    given = example()
    expected = float(mse(*given)) + 0.01 * everywhere(shape_oracle, given)
    assert float(multinomial_mse(*given, alpha=0.01)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("hidden", [0.0, 7.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", NAMES)
def test_weight_0_is_ignored_in_value_and_gradient(name: str, hidden: float) -> None:
    predictions, targets, weights = example()
    unknown = weights == 0
    results = []
    for labels in (targets, torch.where(unknown.unsqueeze(-1), hidden, targets)):
        given = predictions.clone().requires_grad_()
        loss = LOSSES[name](given, labels, weights)
        loss.backward()
        assert given.grad is not None
        results.append((loss.detach(), given.grad))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
    assert not results[1][1][unknown].any()
    assert results[1][1][~unknown].any()
    moved = torch.where(unknown.unsqueeze(-1), 5 * predictions + 1, predictions)
    torch.testing.assert_close(LOSSES[name](moved, targets, weights), results[0][0], rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_scale_of_weights_does_not_matter(name: str) -> None:
    predictions, targets, weights = example()
    loss = LOSSES[name]
    torch.testing.assert_close(loss(predictions, targets, weights), loss(predictions, targets, 5 * weights))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_known_is_no_loss(name: str) -> None:
    predictions, targets, weights = example()
    given = predictions.requires_grad_()
    loss = LOSSES[name](given, targets * float("nan"), 0 * weights)
    loss.backward()
    assert float(loss.detach()) == 0
    assert given.grad is not None
    assert not given.grad.any()


@pytest.mark.parametrize("name", NAMES)
def test_no_coverage_predicted_gives_finite_gradients(name: str) -> None:
    """A softplus far below zero is 0 in single precision."""
    _, targets, weights = (values.float() for values in example())
    logits = torch.full_like(targets, -200.0).requires_grad_()
    loss = LOSSES[name](torch.nn.functional.softplus(logits), targets, weights)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("name", ["poisson", "log_poisson", "mse", "pearson", "pearson_mse", "pearson_poisson"])
def test_whole_windows_are_windows_of_one_bin(name: str) -> None:
    predictions, targets, weights = example(bins=1)
    loss = LOSSES[name]
    assert torch.equal(loss(predictions[..., 0], targets[..., 0], weights), loss(predictions, targets, weights))


@pytest.mark.parametrize("name", NAMES)
def test_the_truth_is_best(name: str) -> None:
    """Nothing near the truth loses less than it."""
    _, targets, weights = example()
    truth = targets + 0.5
    loss = LOSSES[name]
    at_truth = float(loss(truth, truth, weights))
    for seed in range(5):
        noise = torch.from_numpy(np.random.default_rng(seed).uniform(-0.3, 0.3, truth.shape))
        assert float(loss(truth + noise, truth, weights)) > at_truth
