import math

import numpy as np
import pytest
import torch
from scipy import special
from torch.nn import functional

from strandwise.errors import StrandLawError
from strandwise.layers import Head, binary_head
from strandwise.layers.head import LINKS
from strandwise.scores.losses import LOSSES
from strandwise.strand import stranded, unstranded


def test_a_binary_head_gives_probabilities() -> None:
    head = binary_head(("CTCF", "MAX"))
    assert head.name == "bound"
    assert head.type == unstranded(2).pooled()
    logits = torch.tensor([[0.0, 2.0], [-3.0, 100.0]])
    torch.testing.assert_close(head.activate(logits), 1 / (1 + (-logits).exp()))
    assert head.loss in LOSSES


def test_identity_changes_nothing() -> None:
    logits = torch.tensor([[-3.0, 2.0]])
    assert torch.equal(Head("x", stranded(1).pooled(), ("plus", "minus")).activate(logits), logits)


def test_each_channel_has_a_track() -> None:
    with pytest.raises(StrandLawError, match=r"head 'x' has 1 tracks for the 2 channels of stranded\(1\).pooled\(\)"):
        Head("x", stranded(1).pooled(), ("plus",))


def pairs(
    shape: tuple[int, ...], scale: float, dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(shape, generator=generator, dtype=torch.float64) * scale for _ in range(2))
    return one.to(dtype), other.to(dtype)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)], ids=str)
def test_the_mean_is_taken_on_the_far_side_of_the_link(link: str, dtype: torch.dtype, tolerance: float) -> None:
    a, b = pairs((6, 2, 9), 3.0, dtype)
    merged = LINKS[link].activate(LINKS[link].mean(a, b))
    expected = (LINKS[link].activate(a.double()) + LINKS[link].activate(b.double())) / 2
    torch.testing.assert_close(merged.double(), expected, rtol=20 * tolerance, atol=tolerance)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("number", [1, 3, 5])
def test_any_number_of_answers_has_a_mean(link: str, number: int) -> None:
    answers = (
        torch.randn(number, 4, 3, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 3
    ).unbind()
    activate = LINKS[link].activate
    expected = np.mean([activate(answer).numpy() for answer in answers], axis=0)
    np.testing.assert_allclose(activate(LINKS[link].mean(*answers)).numpy(), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("link", LINKS)
def test_either_strand_may_come_first_and_equal_answers_stay(link: str) -> None:
    a, b = pairs((5, 2, 7), 4.0)
    mean, activate = LINKS[link].mean, LINKS[link].activate
    assert torch.equal(mean(a, b), mean(b, a))
    torch.testing.assert_close(activate(mean(a, a)), activate(a), rtol=1e-12, atol=1e-12)
    flipped = mean(a.flip(-1), b.flip(-1))
    torch.testing.assert_close(flipped, mean(a, b).flip(-1), rtol=0, atol=1e-12)


def test_links_are_those_of_scipy() -> None:
    x, _ = pairs((4, 2, 5), 2.0)
    oracles = {"logistic": special.expit, "log1p": np.expm1, "identity": np.asarray}
    for link, oracle in oracles.items():
        np.testing.assert_allclose(LINKS[link].activate(x).numpy(), oracle(x.numpy()), rtol=1e-12)
    np.testing.assert_allclose(LINKS["softmax"].activate(x).numpy(), special.softmax(x.numpy(), axis=-1), rtol=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (1000.0, 1000.0, 1000.0),
        (-1000.0, -1000.0, -1000.0),
        (1000.0, -1000.0, 0.0),
        # Half of certain is a half more: (1 + p) / 2, whose logit is log((1 + p) / (1 - p)).
        (1000.0, 0.0, math.log(3)),
        (-1000.0, 0.0, -math.log(3)),
        (-1000.0, -990.0, -990 + math.log((1 + math.exp(-10)) / 2)),
        (40.0, 40.0, 40.0),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_mean_probability_of_sure_answers_is_exact(a: float, b: float, expected: float, dtype: torch.dtype) -> None:
    x, y = (torch.tensor([value], dtype=dtype, requires_grad=True) for value in (a, b))
    merged = LINKS["logistic"].mean(x, y)
    assert merged.item() == pytest.approx(expected, rel=1e-6, abs=1e-6)
    merged.sum().backward()
    for value in (x, y):
        assert value.grad is not None
        assert torch.isfinite(value.grad).all()


def test_coverage_of_almost_nothing_has_a_mean_and_a_slope() -> None:
    a = torch.tensor([-110.0, -110.0, -110.0, 2.0], requires_grad=True)
    b = torch.tensor([-110.0, -200.0, 3.0, 2.0], requires_grad=True)
    merged = LINKS["softplus"].mean(a, b)
    half = torch.nn.functional.softplus(torch.tensor(3.0)) / 2
    expected = torch.tensor([-110.0, -110 - math.log(2), float(torch.log(torch.expm1(half))), 2.0])
    torch.testing.assert_close(merged, expected)
    merged.sum().backward()
    for value in (a, b):
        assert value.grad is not None
        assert torch.isfinite(value.grad).all()


@pytest.mark.parametrize("link", ["softmax", "log1p"])
def test_other_links_stand_large_numbers_too(link: str) -> None:
    a = torch.tensor([[1000.0, 0.0, -1000.0]], requires_grad=True)
    b = torch.tensor([[-1000.0, 0.0, 1000.0]], requires_grad=True)
    merged = LINKS[link].mean(a, b)
    assert torch.isfinite(merged).all()
    if link == "softmax":
        torch.testing.assert_close(torch.softmax(merged, -1), torch.tensor([[0.5, 0.0, 0.5]]))
    else:
        torch.testing.assert_close(merged, torch.tensor([[1000 - math.log(2), 0.0, 1000 - math.log(2)]]))
    merged.sum().backward()
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()


def test_the_loss_of_merged_logits_is_that_of_the_mean_probability() -> None:
    a, b = pairs((40, 3), 5.0)
    targets = (torch.arange(120).view(40, 3) % 3 == 0).double()
    weights = (torch.arange(120).view(40, 3) % 5 > 0).double()
    found = LOSSES["binary_cross_entropy"](LINKS["logistic"].mean(a, b), targets, weights, None)
    probability = (torch.sigmoid(a) + torch.sigmoid(b)) / 2
    each = functional.binary_cross_entropy(probability, targets, reduction="none")
    torch.testing.assert_close(found, (each * weights).sum() / weights.sum(), rtol=1e-10, atol=0)


def test_the_slope_of_merged_logits_is_that_of_the_mean_probability() -> None:
    a, b = pairs((20,), 4.0)
    slopes = []
    for merge in (LINKS["logistic"].mean, lambda x, y: torch.logit((torch.sigmoid(x) + torch.sigmoid(y)) / 2)):
        x, y = a.clone().requires_grad_(), b.clone().requires_grad_()
        merge(x, y).pow(2).sum().backward()
        slopes.append((x.grad, y.grad))
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-9, atol=1e-12)
