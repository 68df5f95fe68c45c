import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from strandwise.scores.losses import LOSSES, binary_cross_entropy


def example(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(30, 2, generator=generator, dtype=torch.float64)
    targets = (torch.rand(30, 2, generator=generator) < 0.4).double()
    weights = (torch.rand(30, 2, generator=generator) < 0.7).double()
    return logits, targets, weights


@pytest.mark.parametrize("positive_weight", [None, (1.0, 1.0), (3.0, 0.25)])
def test_equals_sklearn_with_sample_weights(positive_weight: tuple[float, float] | None) -> None:
    logits, targets, weights = example()
    found = binary_cross_entropy(
        logits, targets, weights, None if positive_weight is None else torch.tensor(positive_weight).double()
    )
    total = 0.0
    for column, heavier in enumerate(positive_weight or (1.0, 1.0)):
        known = weights[:, column] > 0
        truth = targets[known, column].numpy()
        chance = torch.sigmoid(logits[known, column]).numpy()
        sample = np.where(truth == 1, heavier, 1.0)
        total += float(log_loss(truth, chance, sample_weight=sample, normalize=False))
    assert float(found) == pytest.approx(total / float(weights.sum()), rel=1e-10)


@pytest.mark.parametrize("hidden", [0.0, 1.0, 0.5, float("nan"), float("inf")])
def test_weight_0_is_ignored_in_value_and_gradient(hidden: float) -> None:
    logits, targets, weights = example()
    known = weights > 0
    results = []
    for labels in (targets, torch.where(known, targets, torch.full_like(targets, hidden))):
        given = logits.clone().requires_grad_()
        loss = binary_cross_entropy(given, labels, weights, torch.tensor([2.0, 3.0]).double())
        loss.backward()
        results.append((loss.detach(), given.grad))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
    assert not results[1][1][~known].any()
    assert results[1][1][known].all()


def test_the_scale_of_weights_does_not_matter() -> None:
    logits, targets, weights = example()
    torch.testing.assert_close(
        binary_cross_entropy(logits, targets, weights), binary_cross_entropy(logits, targets, 5 * weights)
    )


def test_nothing_known_is_no_loss() -> None:
    logits, targets, weights = example()
    given = logits.requires_grad_()
    loss = binary_cross_entropy(given, targets, torch.zeros_like(weights))
    loss.backward()
    assert loss.item() == 0
    assert given.grad is not None
    assert not given.grad.any()


def test_confident_logits_do_not_overflow() -> None:
    logits = torch.tensor([[1000.0], [-1000.0]])
    loss = binary_cross_entropy(logits, torch.tensor([[1.0], [1.0]]), torch.ones(2, 1))
    assert float(loss) == pytest.approx(500.0)


def test_labels_of_bins_are_windows_of_their_own() -> None:
    """Of one track, each bin counts as a window would; several tracks keep their own weights of positives."""
    generator = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(6, 2, 5, generator=generator, dtype=torch.float64)
    targets = (torch.rand(6, 2, 5, generator=generator) < 0.4).double()
    weights = (torch.rand(6, 2, generator=generator) < 0.7).double()
    targets[weights == 0] = float("nan")
    heavier = torch.tensor([3.0, 0.25]).double()
    found = binary_cross_entropy(logits, targets, weights, heavier)
    flat, labels = (values.transpose(1, 2).flatten(0, 1) for values in (logits, targets))
    expected = binary_cross_entropy(flat, labels, weights.repeat_interleave(5, 0), heavier)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    each = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[weights > 0], targets[weights > 0], pos_weight=heavier.expand(6, 2)[weights > 0].unsqueeze(-1)
    )
    torch.testing.assert_close(found, each, rtol=1e-12, atol=0)


def test_bins_may_have_weights_of_their_own() -> None:
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(6, 2, 5, generator=generator, dtype=torch.float64)
    targets = (torch.rand(6, 2, 5, generator=generator) < 0.4).double()
    weights = (torch.rand(6, 2, 5, generator=generator) < 0.7).double()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits[weights > 0], targets[weights > 0])
    targets[weights == 0] = float("nan")
    torch.testing.assert_close(binary_cross_entropy(logits, targets, weights), expected, rtol=1e-12, atol=0)


def test_losses_are_known_by_name_with_what_they_take() -> None:
    loss = LOSSES["binary_cross_entropy"]
    assert loss.function is binary_cross_entropy
    assert loss.balances
    assert loss.of == "logits"
    logits, targets, weights = example()
    heavier = torch.tensor([3.0, 0.25]).double()
    expected = binary_cross_entropy(logits, targets, weights, heavier)
    assert torch.equal(loss(logits, targets, weights, heavier), expected)
    assert not torch.equal(loss(logits, targets, weights), expected)


def test_what_a_positive_counts_for_has_no_part_in_amounts() -> None:
    logits, targets, weights = example()
    for name in ("log_counts_error", "mse"):
        loss = LOSSES[name]
        assert torch.equal(loss(logits, targets, weights, torch.tensor([3.0, 0.25])), loss(logits, targets, weights))
