"""Training steps and predictions of the ChIP-seq network, against the same network in plain torch."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks.timing import race, show
from strandwise.data.batches import one_hot
from strandwise.layers import Conjoined, binary_head
from strandwise.models import ModelSettings, StrandSettings, assemble

BATCH, LENGTH, TRACKS = 100, 1000, 1


def plain_torch() -> nn.Module:
    """The network as anybody would write it."""
    layers: list[nn.Module] = []
    for channels, width in ((4, 15), (16, 14), (16, 14)):
        layers += [nn.Conv1d(channels, 16, width), nn.BatchNorm1d(16, momentum=0.01, eps=1e-3), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool1d(40, 20), nn.Flatten(), nn.Linear(47 * 16, TRACKS))


def strategy(name: str) -> nn.Module:
    """The network of a strategy, as it is trained."""
    heads = [binary_head(tuple(f"track{i}" for i in range(TRACKS)))]
    network = assemble(ModelSettings().architecture(), heads, LENGTH, StrandSettings(strategy=name))
    return Conjoined(network) if StrandSettings(strategy=name).rules.conjoin_in_training else network


def logits(model: nn.Module, x: Tensor) -> Tensor:
    """The logits, whatever the model wraps them in."""
    said = model(x)
    return said if isinstance(said, Tensor) else said["bound"]


def step(model: nn.Module, x: Tensor, y: Tensor) -> Callable[[], None]:
    """A training step on one batch."""
    optimiser = torch.optim.Adam(model.parameters())

    def run() -> None:
        optimiser.zero_grad()
        binary_cross_entropy_with_logits(logits(model, x), y).backward()
        optimiser.step()

    return run


def forward(model: nn.Module, x: Tensor) -> Callable[[], None]:
    """A prediction of one batch."""
    model.eval()

    def run() -> None:
        with torch.inference_mode():
            logits(model, x)

    return run


def main() -> None:
    """Print windows per second."""
    torch.manual_seed(0)
    x = one_hot(torch.randint(0, 4, (BATCH, LENGTH), dtype=torch.uint8))
    y = torch.randint(0, 2, (BATCH, TRACKS)).float()
    models = {"plain torch, Conv1d": plain_torch()}
    models |= {name: strategy(name) for name in ("standard", "conjoined", "rcps", "hybrid")}
    for title, make in (("training", lambda model: step(model, x, y)), ("prediction", lambda model: forward(model, x))):
        times = race({name: make(model) for name, model in models.items()})
        rates = {name: BATCH / seconds for name, seconds in times.items()}
        show(f"shrikumar_chip, {LENGTH} bp, batches of {BATCH}: {title}", rates, "windows/s", "plain torch, Conv1d")


if __name__ == "__main__":
    main()
