"""Layers that share weights between strands, against ordinary ones of equal size and against two passes."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

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


class Flat(nn.Conv1d):
    """The same convolution in two dimensions on channels-last memory, as any other."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Convolve ``(batch, channels, positions)``."""
        flat, taps = (each.unsqueeze(2).contiguous(memory_format=torch.channels_last) for each in (input, self.weight))
        return functional.conv2d(flat, taps, self.bias, dilation=(1, *self.dilation)).squeeze(2)


def odd_shapes() -> None:
    """Print what the convolutions gain that `strandwise.layers.layout` computes in a way of their own."""
    features = torch.randn(8, LENGTH + 500, 64).transpose(1, 2)
    for title, filters, taps, dilation in (("2 filters of 75 taps", 2, 75, 1), ("3 taps 256 apart", 64, 3, 256)):
        layers = {
            "torch Conv1d": nn.Conv1d(64, filters, taps, dilation=dilation),
            "channels last": Flat(64, filters, taps, dilation=dilation),
            "ours": Conv1d(plain(64), plain(filters), taps, dilation=dilation),
        }
        for what, prepare in (("forward", forward), ("forward and backward", forward_and_backward)):
            times = race({name: prepare(layer, features) for name, layer in layers.items()}, rounds=7, warm_up=2)
            rates = {name: len(features) / seconds for name, seconds in times.items()}
            show(f"{title} on 64 channels of {LENGTH + 500} bp: {what}", rates, "sequences/s", "torch Conv1d")


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
    odd_shapes()


if __name__ == "__main__":
    main()
