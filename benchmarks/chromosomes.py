"""Predicting along whole chromosomes: `python -m benchmarks.chromosomes [--peers PYTHON]`.

A BPNet of 64 filters and eight dilated layers that reads 2,114 bp and predicts 1,000 (Avsec et al. 2021), with random
weights, over 400,000 bp of random DNA: window by window as plain torch convolutions, padded as in other libraries and
without padding; window by window with our layers; and as `strandwise predict --chrom` does. All have the same weights
and say the same, which is checked. bpnet-lite takes part, by tangermeme's `predict` as in its own command, where a
Python is named that has both. Then the writing of a bigWig.
"""

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.peers import asked
from benchmarks.timing import race, show
from strandwise.chromosomes import Tiling
from strandwise.data.batches import one_hot
from strandwise.genome import FastaRecord, Genome, Steps, write_bigwig, write_fasta, write_steps
from strandwise.layers import Conv1d, Dense, profile_heads
from strandwise.memory import keep_freed_memory
from strandwise.models import ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.prediction import Predictor
from strandwise.sequence import N, decode
from strandwise.strand import stranded

INPUT, OUTPUT, PROFILE, WINDOWS, BATCH, BASES = 2114, 1000, 75, 400, 32, 1_000_000
ENDS, TOLERANCE = 25, 1e-5


class Plain(nn.Module):
    """The same answers from one-dimensional torch layers.

    Args:
        padded: keep the length of the window from layer to layer, as BPNet is usually written, and cut what padding
            has touched before the heads; or let each layer be shorter than the one before it.
        filters: of each layer.
    """

    def __init__(self, padded: bool, filters: int = 64) -> None:
        super().__init__()
        padding = "same" if padded else "valid"
        self.stem = nn.Conv1d(4, filters, 21, padding=padding)
        self.dilated = nn.ModuleList(
            nn.Conv1d(filters, filters, 3, dilation=2**k, padding=padding) for k in range(1, 9)
        )
        self.profile = nn.Conv1d(filters, 2, PROFILE)
        self.counts = nn.Linear(filters, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.relu(self.stem(x))
        for conv in self.dilated:
            y = torch.relu(conv(x))
            x = _middle(x, y.shape[-1]) + y
        x = _middle(x, OUTPUT + PROFILE - 1)
        return self.profile(x), self.counts(x.mean(-1))

    @classmethod
    @torch.no_grad()
    def of(cls, network: SequenceModel, padded: bool) -> "Plain":
        """Return one with the weights of a network of ours."""
        plain = cls(padded).eval()
        (dense,) = (layer for layer in network.modules() if isinstance(layer, Dense))
        mine = [plain.stem, *plain.dilated, plain.profile, plain.counts]
        for ours, other in zip([*convolutions(network), dense], mine, strict=True):
            for name, value in written_out(ours).items():
                other.get_parameter(name).copy_(value)
        return plain


def _middle(x: Tensor, length: int) -> Tensor:
    cut = (x.shape[-1] - length) // 2
    return x[..., cut : cut + length]


def convolutions(network: nn.Module) -> list[Conv1d]:
    """Return the convolutions of a network, in order."""
    return [layer for layer in network.modules() if isinstance(layer, Conv1d)]


def written_out(layer: Conv1d | Dense) -> dict[str, Tensor]:
    """Return the weights of a layer as torch has them."""
    if layer.bias is None:
        raise TypeError("a layer without offsets")
    return {"weight": layer.weight().detach(), "bias": layer.bias().detach()}


@contextlib.contextmanager
def peer(python: str, folder: Path, network: nn.Module, windows: Tensor) -> Iterator[Callable[[], object] | None]:
    """Yield a way to have bpnet-lite predict windows, in a process of its own; None, with a word, where it cannot."""
    *body, profile = convolutions(network)
    names = ["iconv", *(f"rconvs.{number}" for number in range(len(body) - 1)), "fconv"]
    weights = {}
    for name, layer in zip(names, [*body, profile], strict=True):
        weights |= {f"{name}.{which}": value.numpy() for which, value in written_out(layer).items()}
    np.savez(folder / "weights.npz", **weights)
    np.save(folder / "windows.npy", one_hot(windows, torch.int8).contiguous().numpy())
    with asked(python, "benchmarks.peer_prediction", str(torch.get_num_threads()), str(folder)) as ask:
        yield None if ask is None else (lambda: ask(""))


def along_a_chromosome(folder: Path, python: str | None, rounds: int) -> None:
    """Print base pairs a second by each way, and how far answers differ."""
    torch.manual_seed(0)
    table = {"name": "bpnet", "filters": 64, "dilated_layers": 8}
    architecture = ModelSettings.model_validate(table).architecture()
    settings = StrandSettings(strategy="standard")
    network = assemble(architecture, profile_heads(("+", "-"), stranded(1)), INPUT, settings).eval()
    # So that no total is 0.
    (dense,) = (layer for layer in network.modules() if isinstance(layer, Dense))
    if dense.bias is not None:
        nn.init.constant_(dense.bias.free, 5.0)
    codes = np.random.default_rng(0).integers(0, 4, WINDOWS * OUTPUT).astype(np.uint8)
    write_fasta(folder / "genome.fa", [FastaRecord("chr1", "", decode(codes))])
    genome, tiling = Genome(folder / "genome.fa"), Tiling(Predictor(network, conjoin=False), OUTPUT, 1)
    beside = np.full((INPUT - OUTPUT) // 2, N, np.uint8)
    windows = torch.from_numpy(np.concatenate([beside, codes, beside])).unfold(0, INPUT, OUTPUT)
    usual, plain = (Plain.of(network, padded) for padded in (True, False))

    def by_window(model: nn.Module) -> Tensor:
        return torch.cat([_expected(model(one_hot(part))) for part in windows.split(BATCH)])

    def by_stretch() -> NDArray[np.float32]:
        return np.concatenate([*tiling.values(genome, "chr1")])

    first, short = "torch Conv1d, padded windows", "torch Conv1d, windows without padding"
    last, theirs = "strandwise predict --chrom", "bpnet-lite, tangermeme's predict"
    contenders: dict[str, Callable[[], object]] = {
        first: lambda: by_window(usual),
        short: lambda: by_window(plain),
        "our layers, windows": lambda: by_window(network),
        last: by_stretch,
    }
    with contextlib.ExitStack() as stack:
        way = None if python is None else stack.enter_context(peer(python, folder, network, windows))
        if way is not None:
            contenders[theirs] = way
        with torch.inference_mode():
            seconds = race(contenders, rounds=rounds, warm_up=1)
    show("predicting along a chromosome", {n: WINDOWS * OUTPUT / took for n, took in seconds.items()}, "bp/s", first)
    with torch.inference_mode():
        said = {first: by_window(usual), short: by_window(plain), last: torch.from_numpy(by_stretch())}
        shapes = {name: each / each.sum(-1, keepdim=True) for name, each in said.items()}
        if way is not None:
            shapes[theirs] = torch.from_numpy(np.load(folder / "shapes.npy"))
        # Both ends, where N lies beyond the chromosome too.
        exact = _expected(plain.double()(one_hot(torch.cat([windows[:ENDS], windows[-ENDS:]]), torch.float64)))
    exact = exact / exact.sum(-1, keepdim=True)
    print("  largest difference from double precision, of shapes and of the largest of them:")
    for name, shape in shapes.items():
        apart = float((torch.cat([shape[:ENDS], shape[-ENDS:]]) - exact).abs().max())
        print(f"    {name}: {apart:.1e}, {apart / float(exact.max()):.1e}")
        if apart > TOLERANCE:
            raise SystemExit(f"answers differ by more than {TOLERANCE}")


def _expected(said: object) -> Tensor:
    if isinstance(said, tuple):
        profile, counts = said
    else:
        profile, counts = said["profile"], said["counts"]  # pyright: ignore[reportIndexIssue]
    return functional.softmax(profile, -1) * torch.expm1(counts).clamp(min=0).unsqueeze(-1)


def writing(folder: Path) -> None:
    """Print values a second that are written as a bigWig."""
    values = np.random.default_rng(0).random(BASES).astype(np.float32)
    sizes = {"chr1": BASES}
    given = [("chr1", at, at + 1, float(value)) for at, value in enumerate(values)]
    out = folder / "out.bw"
    writers = {
        "interval by interval": lambda: write_bigwig(out, sizes, given),
        "values side by side": lambda: write_steps(out, sizes, [Steps("chr1", 0, 1, values)]),
    }
    seconds = race(writers, rounds=2, warm_up=0)
    rates = {name: BASES / took for name, took in seconds.items()}
    show("writing a bigWig with a value a base", rates, "bp/s", "interval by interval")


def main(arguments: Sequence[str] = ()) -> None:
    """Print how fast chromosomes are predicted, and written."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chromosomes", description=main.__doc__)
    python = os.environ.get("STRANDWISE_BPNET_LITE")
    parser.add_argument("--peers", default=python, metavar="PYTHON", help="a Python that has bpnet-lite and tangermeme")
    parser.add_argument("--rounds", type=int, default=3, help="of all ways in turn")
    given = parser.parse_args(arguments)
    # As the command does.
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as name:
        along_a_chromosome(Path(name), given.peers, given.rounds)
        writing(Path(name))


if __name__ == "__main__":
    main(sys.argv[1:])
