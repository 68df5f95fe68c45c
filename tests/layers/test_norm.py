import pytest
import torch
from torch import Tensor, nn

from strandwise.layers import BatchNorm1d, freeze
from strandwise.strand import StrandType, dna, odd, plain, regular, revcomp, stranded, unstranded
from strandwise.testing import random_input, randomise


def inputs(kind: StrandType, seed: int = 0) -> Tensor:
    """Normal numbers whose channels have means and scales of their own."""
    n = kind.channels
    shape = (n, 1) if kind.positions else (n,)
    x = random_input(regular(1) + plain(n - 2) if n > 2 else kind, 9, batch=7, seed=seed)
    x = x if kind.positions else x[..., 0]
    return x * torch.arange(1, n + 1).double().view(shape) + torch.arange(n).double().view(shape) ** 2


@pytest.mark.parametrize("kind", [plain(3), plain(3).pooled(), unstranded(3), unstranded(3).pooled()], ids=str)
def test_without_partners_it_is_torchs(kind: StrandType) -> None:
    layer, twin = BatchNorm1d(kind, momentum=0.2, eps=1e-2).double(), nn.BatchNorm1d(3, eps=1e-2, momentum=0.2).double()
    randomise(layer)
    twin.load_state_dict(
        {"weight": layer.weight.free, "bias": layer.bias.free, "num_batches_tracked": torch.tensor(0)}
        | {name: getattr(layer, name) for name in ("running_mean", "running_var")}
    )
    for seed in range(3):
        x = inputs(kind, seed)
        mine, theirs = (x.clone().requires_grad_() for _ in range(2))
        found, expected = layer(mine), twin(theirs)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(layer.running_mean, twin.running_mean, rtol=0, atol=1e-12)
        torch.testing.assert_close(layer.running_var, twin.running_var, rtol=0, atol=1e-12)
        (found**3).sum().backward()
        (expected**3).sum().backward()
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=0, atol=1e-9)
    layer.eval()
    twin.eval()
    x = inputs(kind, seed=5)
    torch.testing.assert_close(layer(x), twin(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [regular(3), stranded(2), dna(), regular(2).pooled()], ids=str)
def test_partners_are_normalised_as_both_strands_stacked(kind: StrandType) -> None:
    """A paired norm equals torch's on the batch stacked on its reverse complement, running statistics included."""
    n = kind.channels
    layer, twin = BatchNorm1d(kind, momentum=0.2, eps=1e-2).double(), nn.BatchNorm1d(n, eps=1e-2, momentum=0.2).double()
    randomise(layer)
    full = [layer.weight.index.tolist()[c] for c in range(n)]
    twin.load_state_dict(
        {"weight": layer.weight.free[full], "bias": layer.bias.free[full], "num_batches_tracked": torch.tensor(0)}
        | {name: getattr(layer, name)[full] for name in ("running_mean", "running_var")}
    )
    for seed in range(3):
        x = inputs(kind, seed)
        mine, theirs = (x.clone().requires_grad_() for _ in range(2))
        found = layer(mine)
        expected = twin(torch.cat([theirs, revcomp(theirs, kind)])).chunk(2)[0]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(layer.running_mean[full], twin.running_mean, rtol=0, atol=1e-12)
        torch.testing.assert_close(layer.running_var[full], twin.running_var, rtol=0, atol=1e-12)
        (found**3).sum().backward()
        (expected**3).sum().backward()
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=0, atol=1e-9)
    layer.eval()
    twin.eval()
    x = inputs(kind, seed=5)
    torch.testing.assert_close(layer(x), twin(x), rtol=0, atol=1e-12)
    frozen = freeze(layer)
    assert isinstance(frozen, nn.BatchNorm1d)
    torch.testing.assert_close(frozen(x), twin(x), rtol=0, atol=1e-12)


def test_odd_channels_are_divided_by_their_root_mean_square() -> None:
    layer = BatchNorm1d(odd(2), momentum=0.5, eps=1e-3).double()
    assert layer.bias.free.numel() == 0
    x = inputs(odd(2))
    square = (x**2).mean((0, 2))
    expected = x / (square + 1e-3).sqrt()[:, None]
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    assert not layer.running_mean.any()
    n = x.numel() // 2
    torch.testing.assert_close(layer.running_var, 0.5 + 0.5 * square * n / (n - 1))
    frozen = freeze(layer)
    torch.testing.assert_close(frozen(x), layer.eval()(x), rtol=0, atol=1e-12)


def test_partners_share_their_parameters() -> None:
    layer = BatchNorm1d(regular(5) + odd(2))
    assert layer.weight.free.numel() == 7
    assert layer.bias.free.numel() == 5
    assert layer.running_mean.shape == layer.running_var.shape == (7,)


def test_what_is_saved_is_what_is_learned() -> None:
    assert set(BatchNorm1d(regular(2)).state_dict()) == {"weight.free", "bias.free", "running_mean", "running_var"}
