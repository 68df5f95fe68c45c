"""How long training waits for data: `python -m benchmarks.waiting`, with STRANDWISE_DATA.

FactorNet-style windows of 1,000 bp on yeast with the smallest network there is here, so that data have the least time:
DNA and ATAC cut sites over the whole genome, and DNA with MNase, Pol II and stranded RNA on the three chromosomes that
have them. What the loop spends in reading batches, against what it spends in all.
"""

import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from strandwise.data.batches import TrainingBatches, training_loader
from strandwise.experiment import Experiment
from strandwise.experiment.datasets import read_windows
from strandwise.experiment.network import build_network
from strandwise.training import Trainable

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


def main() -> None:
    """Train two passes of each set of tracks and print the share of waiting in the second."""
    folder = Path(os.environ.get("STRANDWISE_DATA", "../shared/data")) / "yeast"
    if not folder.is_dir():
        print(f"\nwaiting for data: no data in {folder}; set STRANDWISE_DATA")
        return
    print(f"\nwaiting for data, windows of 1,000 bp, batches of 100 ({torch.get_num_threads()} threads)")
    with tempfile.TemporaryDirectory() as cache:
        for name, tables in TRACKS.items():
            table = {
                "genome": {"fasta": "genome.fa.gz"},
                "targets": [{"name": "Reb1", "peaks": "peaks/Reb1.bed"}],
                "windows": {"input_bp": 1000},
                "bins": {"peak_bp": 200},
                "negatives": {"per_peak": 3},
                "signals": {"folder": cache},
                "model": {"name": "shrikumar_simulated", "filters": 4},
                "strand": {"strategy": "augmented"},
                "training": {"epochs": 20},
            }
            experiment = Experiment.from_table({**table, **tables}, folder=folder.resolve())
            train = read_windows(experiment).split("train")
            network = build_network(experiment, train.tracks).train()
            module = Trainable(network, experiment.strand, experiment.training, None)
            optimiser = module.configure_optimizers()
            loader = training_loader(TrainingBatches(train, network.heads, batch_size=100, augment="coin"))
            shares = []
            for _ in range(2):
                watched, begun, rows = _Watched(loader), time.perf_counter(), 0
                for batch in watched:
                    optimiser.zero_grad()
                    module.loss(module.logits(batch), batch).backward()
                    optimiser.step()
                    rows += len(batch.inputs["sequence"])
                whole = time.perf_counter() - begun
                shares.append((watched.seconds / whole, rows / whole))
            share, rate = shares[-1]
            print(f"  {name:<28} {share:6.1%} of the time, {rate:>8,.0f} windows/s trained")


if __name__ == "__main__":
    main()
