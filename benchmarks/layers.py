"""Layers that share weights between strands, against ordinary ones of equal size and against two passes."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.timing import race, show
from strandwise.layers import BatchNorm1d, Conv1d, ConvTranspose1d, PerStrand, TypedModule
from strandwise.strand import StrandType, plain, regular

BATCH, FILTERS, TAPS, LENGTH = 100, 16, 14, 1000
CHANNELS = 2 * FILTERS
ORDINARY, TIED, LIFTED = "ordinary", "tied", "two passes"


def channels_last() -> Tensor:
    """Features as a convolution leaves them on a CPU."""
    return torch.randn(BATCH, LENGTH, CHANNELS).transpose(1, 2)


def forward(layer: nn.Module, x: Tensor) -> Callable[[], None]:
    """One pass without gradients."""

    def run() -> None:
        with torch.inference_mode():
            layer(x)

    return run


def forward_and_backward(layer: nn.Module, x: Tensor) -> Callable[[], None]:
    """One training pass, with the gradients of weights and input."""
    x = x.detach().requires_grad_()
    with torch.no_grad():
        weights = torch.randn_like(layer(x))

    def run() -> None:
        layer.zero_grad()
        x.grad = None
        layer(x).backward(weights)

    return run


def contenders(make: Callable[[StrandType, StrandType], TypedModule]) -> dict[str, nn.Module]:
    """A layer of as many channels in and out: ordinary, tied, and lifted as two passes of an ordinary one."""
    tied = regular(FILTERS)
    return {
        ORDINARY: make(plain(CHANNELS), plain(CHANNELS)),
        TIED: make(tied, tied),
        LIFTED: PerStrand(make(plain(CHANNELS), plain(FILTERS)), tied),
    }


def compare(title: str, layers: dict[str, nn.Module]) -> None:
    """Print sequences per second of each, forward and in training."""
    x = channels_last()
    for what, prepare in (("forward", forward), ("forward and backward", forward_and_backward)):
        for layer in layers.values():
            layer.train(what != "forward")
        times = race({name: prepare(layer, x) for name, layer in layers.items()})
        rates = {name: BATCH / seconds for name, seconds in times.items()}
        show(f"{title}: {what}", rates, "sequences/s", ORDINARY)


def main() -> None:
    """Print how much sharing weights costs, layer by layer."""
    torch.manual_seed(0)
    size = f"{CHANNELS} -> {CHANNELS} channels, {LENGTH} bp, batches of {BATCH}"
    compare(f"convolution of {TAPS} taps, {size}", contenders(lambda a, b: Conv1d(a, b, TAPS)))
    compare(f"the same in 4 groups, {size}", contenders(lambda a, b: Conv1d(a, b, TAPS, groups=4)))
    compare(
        f"transposed convolution, 4 taps every 2, {size}", contenders(lambda a, b: ConvTranspose1d(a, b, 4, stride=2))
    )
    # Two passes of an ordinary norm, each over all channels, are what a lifted norm would be.
    norms: dict[str, nn.Module] = {
        ORDINARY: BatchNorm1d(plain(CHANNELS)),
        TIED: BatchNorm1d(regular(FILTERS)),
        LIFTED: PerStrand(BatchNorm1d(plain(CHANNELS)), regular(FILTERS)),
    }
    compare(f"batch normalisation, {size}", norms)


if __name__ == "__main__":
    main()
