"""Predicting along whole chromosomes: `python -m benchmarks.chromosomes`.

A BPNet of 64 filters and eight dilated layers that reads 2,114 bp and predicts 1,000 (Avsec et al. 2021), with random
weights, over 400,000 bp of random DNA: window by window as plain torch convolutions, as by other libraries; window by
window with our layers; and by stretches, as `strandwise predict --chrom` does. Then the writing of a bigWig.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.timing import race, show
from strandwise.chromosomes import STRETCH_BP
from strandwise.data.batches import one_hot
from strandwise.genome import Steps, write_bigwig, write_steps
from strandwise.layers import profile_heads
from strandwise.models import ModelSettings, StrandSettings, assemble
from strandwise.models.stretches import stretched
from strandwise.strand import stranded

INPUT, OUTPUT, WINDOWS, BATCH, BASES = 2114, 1000, 400, 32, 1_000_000


class Plain(nn.Module):
    """The same arithmetic in one-dimensional torch layers."""

    def __init__(self, filters: int = 64) -> None:
        super().__init__()
        self.stem = nn.Conv1d(4, filters, 21)
        self.dilated = nn.ModuleList(nn.Conv1d(filters, filters, 3, dilation=2**k) for k in range(1, 9))
        self.profile = nn.Conv1d(filters, 2, 75)
        self.counts = nn.Linear(filters, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.relu(self.stem(x))
        for conv in self.dilated:
            y = torch.relu(conv(x))
            cut = (x.shape[-1] - y.shape[-1]) // 2
            x = x[..., cut : cut + y.shape[-1]] + y
        return self.profile(x), self.counts(x.mean(-1))


def main() -> None:
    """Print base pairs a second by each way, and how far answers differ."""
    torch.manual_seed(0)
    table = {"name": "bpnet", "filters": 64, "dilated_layers": 8}
    architecture = ModelSettings.model_validate(table).architecture()
    settings = StrandSettings(strategy="standard")
    network = assemble(architecture, profile_heads(("+", "-"), stranded(1)), INPUT, settings).eval()
    fast = stretched(network, OUTPUT)
    if fast is None:
        raise SystemExit("this network is not read by stretches")
    length = fast.stretch_bp(WINDOWS)
    codes = torch.from_numpy(np.random.default_rng(0).integers(0, 4, length).astype(np.uint8))
    windows = codes.unfold(0, INPUT, OUTPUT)
    at_once = STRETCH_BP // OUTPUT
    stretches = codes.unfold(0, fast.stretch_bp(at_once), STRETCH_BP)
    plain = Plain().eval()

    def by_window(model: nn.Module) -> list[Tensor]:
        return [_profile(model(one_hot(part))) for part in windows.split(BATCH)]

    def by_stretch() -> list[Tensor]:
        return [_profile(fast(sequence=one_hot(part))) for part in stretches.split(1)]

    contenders = {
        "torch Conv1d, windows": lambda: by_window(plain),
        "our layers, windows": lambda: by_window(network),
        f"our layers, stretches of {STRETCH_BP:,} bp": by_stretch,
    }
    with torch.inference_mode():
        seconds = race(contenders, rounds=3, warm_up=1)
        one, other = torch.cat(by_window(network)), torch.cat(by_stretch())
    rates = {name: WINDOWS * OUTPUT / took for name, took in seconds.items()}
    show("predicting along a chromosome", rates, "bp/s", "torch Conv1d, windows")
    print(f"  largest difference between stretches and windows: {float((one - other).abs().max()):.1e}")
    values = np.random.default_rng(0).random(BASES).astype(np.float32)
    sizes = {"chr1": BASES}
    given = [("chr1", at, at + 1, float(value)) for at, value in enumerate(values)]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.bw"
        writers = {
            "interval by interval": lambda: write_bigwig(out, sizes, given),
            "values side by side": lambda: write_steps(out, sizes, [Steps("chr1", 0, 1, values)]),
        }
        seconds = race(writers, rounds=2, warm_up=0)
    rates = {name: BASES / took for name, took in seconds.items()}
    show("writing a bigWig with a value a base", rates, "bp/s", "interval by interval")


def _profile(said: object) -> Tensor:
    profile = said[0] if isinstance(said, tuple) else said["profile"]  # pyright: ignore[reportIndexIssue]
    return functional.softmax(profile, -1)


if __name__ == "__main__":
    main()
