import numpy as np
import torch

from strandwise.scores.weighting import known_targets, weighted_mean

NAN = float("nan")


def test_unknown_targets_become_0() -> None:
    weights = torch.tensor([[1.0, 0.0]])
    assert torch.equal(known_targets(torch.tensor([[2.0, NAN]]), weights), torch.tensor([[2.0, 0.0]]))
    along = torch.tensor([[[1.0, 2.0, 3.0], [NAN, 4.0, NAN]]])
    assert torch.equal(known_targets(along, weights), torch.tensor([[[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]]))


def test_the_mean_is_numpys() -> None:
    rng = np.random.default_rng(0)
    losses, weights = rng.normal(size=(7, 3)), rng.random((7, 3))
    found = float(weighted_mean(torch.from_numpy(losses), torch.from_numpy(weights)))
    np.testing.assert_allclose(found, np.average(losses, weights=weights), rtol=1e-12)
    assert float(weighted_mean(torch.ones(2, 2), torch.zeros(2, 2))) == 0
