"""How long training waits for data: `python -m benchmarks.waiting`, with STRANDWISE_DATA.

FactorNet-style windows of 1,000 bp on yeast with the fastest network there is here, and with a fifth of it: DNA and
ATAC cut sites over the whole genome, and DNA with MNase, Pol II and stranded RNA on the three chromosomes that have
them. What the loop waits for its next batch, against what it spends in all: with a loader that reads a batch when it
is asked for one, and with that of training, which reads ahead. Of several passes, taken in turn, the best counts, since
a busy machine can only add to either; CPU seconds of all threads stand beside.
"""

import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch.utils.data import DataLoader

from strandwise.data.batches import EpochSampler, TrainingBatches, training_loader
from strandwise.experiment import Experiment
from strandwise.experiment.datasets import read_windows
from strandwise.experiment.network import build_network
from strandwise.memory import keep_freed_memory
from strandwise.training import Trainable

PASSES = 4
ELSEWHERE = ("I", "III", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV", "XV", "M")
TRACKS: dict[str, dict[str, Any]] = {
    "DNA + ATAC": {
        "inputs": [{"name": "ATAC", "signal": "atac/cutsites.bw", "transform": "log1p"}],
        "split": {"valid": ["chrII"], "test": ["chrIV", "chrXVI"]},
    },
    "DNA + MNase + Pol II + RNA": {
        "inputs": [
            {"name": "MNase", "signal": "tracks/MNase.bw", "transform": "log1p"},
            {"name": "PolII", "signal": "tracks/PolII.bw", "transform": "log1p"},
            {"name": "RNA", "plus": "tracks/RNA.plus.bw", "minus": "tracks/RNA.minus.bw", "transform": "log1p"},
        ],
        "split": {
            "valid": ["chrII"],
            "test": ["chrXVI"],
            "exclude": [f"chr{name}" for name in ELSEWHERE],
        },
    },
}


class _Watched:
    """Batches of a loader, and the seconds that were spent waiting for them."""

    def __init__(self, loader: Iterable[Any]) -> None:
        self.loader, self.seconds = loader, 0.0

    def __iter__(self) -> Iterator[Any]:
        batches = iter(self.loader)
        while True:
            begun = time.perf_counter()
            try:
                batch = next(batches)
            except StopIteration:
                return
            self.seconds += time.perf_counter() - begun
            yield batch


class Pass(NamedTuple):
    """What one pass took."""

    waiting: float
    windows_per_second: float
    cpu_ms_per_batch: float


def main() -> None:
    """Train some passes of each network on each set of tracks and print the share of waiting in the best."""
    # As the command does.
    keep_freed_memory()
    folder = Path(os.environ.get("STRANDWISE_DATA", "../shared/data")) / "yeast"
    if not folder.is_dir():
        print(f"\nwaiting for data: no data in {folder}; set STRANDWISE_DATA")
        return
    print(f"\nwaiting for data, windows of 1,000 bp, batches of 100 ({torch.get_num_threads()} threads)")
    with tempfile.TemporaryDirectory() as cache:
        for name, tables in TRACKS.items():
            for filters in (20, 4):
                for how, best in train(folder.resolve(), cache, tables, filters).items():
                    print(
                        f"  {name:<28} {filters:>3} filters, {how:<11} {best.waiting:6.1%} of the time, "
                        f"{best.windows_per_second:>8,.0f} windows/s, {best.cpu_ms_per_batch:6.1f} ms CPU a batch"
                    )


def train(folder: Path, cache: str, tables: dict[str, Any], filters: int) -> dict[str, Pass]:
    """Return the best of several passes by way of reading, each number by itself."""
    table = {
        "genome": {"fasta": "genome.fa.gz"},
        "targets": [{"name": "Reb1", "peaks": "peaks/Reb1.bed"}],
        "windows": {"input_bp": 1000},
        "bins": {"peak_bp": 200},
        "negatives": {"per_peak": 3},
        "signals": {"folder": cache},
        "model": {"name": "shrikumar_simulated", "filters": filters},
        "strand": {"strategy": "augmented"},
        "training": {"epochs": 20},
    }
    experiment = Experiment.from_table({**table, **tables}, folder=folder)
    windows = read_windows(experiment).split("train")
    network = build_network(experiment, windows.tracks).train()
    module = Trainable(network, experiment.strand, experiment.training, None)
    optimiser = module.configure_optimizers()
    batches = TrainingBatches(windows, network.heads, batch_size=100, augment="coin")
    ahead = training_loader(batches)
    sampler = cast("EpochSampler", ahead.sampler)
    loaders = {"when asked": DataLoader(batches, batch_size=None, sampler=sampler), "ahead": ahead}
    passes: dict[str, list[Pass]] = {how: [] for how in loaders}
    for epoch in range(PASSES + 1):
        for how, loader in loaders.items():
            # As the trainer does.
            sampler.set_epoch(epoch)
            watched, begun, cpu, rows, steps = _Watched(loader), time.perf_counter(), time.process_time(), 0, 0
            for batch in watched:
                optimiser.zero_grad()
                module.loss(module.logits(batch), batch).backward()
                optimiser.step()
                rows, steps = rows + len(batch.inputs["sequence"]), steps + 1
            whole, cpu = time.perf_counter() - begun, time.process_time() - cpu
            passes[how].append(Pass(watched.seconds / whole, rows / whole, 1000 * cpu / steps))
    # The first pass warms up.
    return {how: _best(made[1:]) for how, made in passes.items()}


def _best(passes: list[Pass]) -> Pass:
    waiting, rate, cpu = zip(*passes, strict=True)
    return Pass(min(waiting), max(rate), min(cpu))


if __name__ == "__main__":
    main()
