"""Training steps of every architecture at its paper's sizes, as `strandwise train` takes them and bare.

`python -m benchmarks.architectures [NAME ...] [--seconds S] [--bpnet-lite PYTHON]`. Within the very loop of `train`, a
block of our steps (read the batch, train, keep the books) and as many of a bare torch loop on the same network take
turns, so that whatever else the machine does slows both alike. Batches are read beside the steps; what that took is
counted as ours in full. What ends an epoch (validation, files) is in neither. bpnet-lite takes part where it can be
imported by the Python that is named, or by STRANDWISE_BPNET_LITE, or else by this one.
"""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks import bpnet_lite
from benchmarks.peers import asked
from strandwise.data.batches import Batch, model_inputs
from strandwise.experiment import Experiment, train
from strandwise.experiment.run import new_network
from strandwise.genome import write_bigwig, write_fasta
from strandwise.layers import Head
from strandwise.memory import keep_freed_memory
from strandwise.models import MODELS
from strandwise.sequence import decode
from strandwise.training import Trainable

SIZES = {"chr1": 11_000_000, "chr2": 1_000_000}
BATCHES, BATCH_BP = {"shrikumar_simulated": 100, "shrikumar_chip": 100, "bpnet": 32}, 20_000
"""Windows in a step: of the papers where those are fast, else as many as hold this much DNA, and at least two."""
BINS = {"basenji": 128}
WARM_UP, FEWEST, BLOCK_SECONDS, PAUSE_SECONDS = 2, 5, 0.2, 0.05
THEIRS = {"filters": bpnet_lite.FILTERS, "dilated_layers": bpnet_lite.LAYERS}
"""With the widths 21, 3 and 75 of both, and unpadded where theirs pads and crops: the same numbers come out."""


class Spent(NamedTuple):
    """Seconds on the clock, and of all processors together."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> "Spent":
        return cls(time.perf_counter(), time.process_time())

    def since(self, before: "Spent") -> "Spent":
        return Spent(self.wall - before.wall, self.cpu - before.cpu)

    def each_of(self, steps: int) -> "Spent":
        return Spent(self.wall / steps, self.cpu / steps)


Way = Callable[[int], Spent]
"""Takes a number of steps, and says what they spent."""


class _Enough(Exception):  # noqa: N818
    """Ends a training that has been timed."""


@dataclass
class Turns:
    """Blocks of steps of a training, with a turn of as many steps for others after each.

    Attributes:
        seconds: after which it is enough.
        others: from a batch of the training to the other ways, by name.
        ours: what a step spent, in each block.
        theirs: the same of the others.
    """

    seconds: float
    others: Callable[[Batch], Mapping[str, Way]]
    ours: list[Spent] = field(default_factory=list)
    theirs: dict[str, list[Spent]] = field(default_factory=dict)
    _ways: Mapping[str, Way] | None = None
    _begun: Spent | None = None
    _steps: int = 0
    _start: float = 0.0

    def begin(self, batch: Batch, step: int) -> None:
        """Begin a step of ours; before it, others have their turn where a block is full."""
        if self._ways is None:
            self._ways = self.others(batch)
        # What ends an epoch lies before its first step.
        if self._begun is None or not step:
            self._begun, self._steps = Spent.now(), 0
            return
        self._steps += 1
        spent = Spent.now().since(self._begun)
        if spent.wall >= BLOCK_SECONDS:
            read = _reading()
            self.ours.append(Spent(spent.wall + read, spent.cpu + read).each_of(self._steps))
            for name, way in self._ways.items():
                self.theirs.setdefault(name, []).append(way(self._steps).each_of(self._steps))
            self._judge()
            self._begun, self._steps = Spent.now(), 0

    def _judge(self) -> None:
        done = len(self.ours) - WARM_UP
        if done == 0:
            self._start = time.perf_counter()
        if done >= FEWEST and time.perf_counter() - self._start > self.seconds:
            raise _Enough

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Listen to the steps of a training."""

        def listen(module: Trainable, batch: Batch, step: int) -> None:
            self.begin(batch, step)

        with patch.object(Trainable, "on_train_batch_start", listen), contextlib.suppress(_Enough):
            yield


def _reading() -> float:
    """Wait until the next batches have been read, which is work of ours, and return the seconds that it took."""
    before = time.process_time()
    time.sleep(PAUSE_SECONDS)
    return time.process_time() - before


def timed(step: Callable[[], object]) -> Way:
    """Return a way to take steps that says what they spent."""

    def run(steps: int) -> Spent:
        before = Spent.now()
        for _ in range(steps):
            step()
        return Spent.now().since(before)

    return run


def bare_loss(head: Head, logits: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of a head as anybody would write it."""
    if head.loss == "binary_cross_entropy":
        return functional.binary_cross_entropy_with_logits(logits, targets)
    if head.loss == "poisson":
        return functional.poisson_nll_loss(functional.softplus(logits), targets, log_input=False)
    if head.loss == "log_counts_error":
        return functional.mse_loss(logits, torch.log1p(targets))
    shares = functional.log_softmax(logits, -1)
    given = torch.lgamma(targets.sum(-1) + 1) - torch.lgamma(targets + 1).sum(-1)
    return -(given + (targets * shares).sum(-1)).mean()


def bare_step(network: nn.Module, heads: Sequence[Head], batch: Batch) -> Callable[[], None]:
    """Return a step of plain torch on one batch that is in memory, one-hot already."""
    inputs = model_inputs(batch.inputs)
    targets = {name: values.float() for name, values in batch.targets.items()}
    optimiser = torch.optim.Adam(network.train().parameters())

    def step() -> None:
        optimiser.zero_grad()
        said = network(**inputs)
        sum((bare_loss(head, said[head.name], targets[head.name]) for head in heads), torch.zeros(())).backward()
        optimiser.step()

    return step


def write_data(folder: Path) -> None:
    """Write a random genome, and signal along it."""
    rng = np.random.default_rng(0)
    write_fasta(folder / "genome.fa", [(n, decode(rng.integers(0, 4, size, np.uint8))) for n, size in SIZES.items()])
    for name in ("plus", "minus"):
        places = ((chrom, start) for chrom, size in SIZES.items() for start in range(0, size, 20))
        values = rng.integers(0, 4, sum(SIZES.values()) // 20 + len(SIZES)).astype(float)
        steps = ((chrom, start, start + 20, value) for (chrom, start), value in zip(places, values, strict=False))
        write_bigwig(folder / f"{name}.bw", SIZES, steps)


def experiment_of(folder: Path, name: str, options: Mapping[str, Any], bp: int, batch: int) -> Experiment:
    """Return the config that a user of an architecture would write: for labels, bins, or profiles."""
    peaks = folder / f"peaks.{bp}.bed"
    every = 4 * bp
    lines = [f"{chrom}\t{at}\t{at + 200}" for chrom, size in SIZES.items() for at in range(bp, size - every, every)]
    peaks.write_text("\n".join(lines) + "\n", encoding="utf-8")
    target, windows = {"name": "assay", "peaks": peaks.name}, {"input_bp": bp}
    table: dict[str, Any] = {}
    kind = MODELS[name]
    if kind.answers[0] == "profile":
        target |= {"plus": "plus.bw", "minus": "minus.bw"}
    elif kind.answers[0] == "bins" and kind.usual_bp >= 25_000:
        table["tiles"] = {"labels": "dense"}
    elif kind.answers[0] == "bins":
        target["signal"] = "plus.bw"
        windows["bin_bp"] = BINS.get(name, kind.usual_bin_bp or 1)
    table |= {
        "genome": {"fasta": "genome.fa"},
        "targets": [target],
        "windows": windows,
        "signals": {"folder": "cache"},
        "split": {"valid": ["chr2"]},
        "model": {"name": name, **options},
        "training": {"batch_size": batch, "epochs": 100, "accelerator": "cpu"},
    }
    return Experiment.from_table(table, folder=folder)


def compete(experiment: Experiment, folder: Path, seconds: float, more: Mapping[str, Way] | None = None) -> Turns:
    """Train as a user does, with turns for a bare loop on an equal network and for others."""

    def others(batch: Batch) -> Mapping[str, Way]:
        network = new_network(experiment, ["assay"])
        return {"bare": timed(bare_step(network, network.heads, batch)), **(more or {})}

    turns = Turns(seconds, others)
    with turns.taken():
        train(experiment, folder / "run", overwrite=True)
    return turns


def quartiles(steps: Sequence[Spent], at: int = 0) -> tuple[float, float, float]:
    """Return the quartiles of the seconds of steps, on the clock (0) or of CPU (1), the first ones left out."""
    first, middle, last = statistics.quantiles([step[at] for step in steps[WARM_UP:]])
    return first, middle, last


def overhead(turns: Turns) -> tuple[float, float, float]:
    """Return what our steps spend beyond bare ones: shares of time on the clock and of CPU, and milliseconds a step."""
    ours, bare = turns.ours[WARM_UP:], turns.theirs["bare"][WARM_UP:]
    wall, cpu = (quartiles(turns.ours, at)[1] / quartiles(turns.theirs["bare"], at)[1] - 1 for at in (0, 1))
    # A block and the bare one after it met the same machine.
    more = statistics.median(mine.wall - other.wall for mine, other in zip(ours, bare, strict=True))
    return wall, cpu, more * 1e3


def rate(steps: Sequence[Spent], windows: int) -> str:
    """Say windows a second: the median, and between which the middle half of the blocks lie."""
    first, middle, last = quartiles(steps)
    return f"{windows / middle:>8,.1f} ({windows / last:,.1f} to {windows / first:,.1f})"


@contextlib.contextmanager
def bpnet_lite_loop(python: str) -> Iterator[Way | None]:
    """Yield a step of bpnet-lite's own loop, in a process of its own; None, with a word, where there is none."""
    with asked(python, "benchmarks.bpnet_lite", str(torch.get_num_threads())) as ask:
        if ask is None:
            yield None
            return

        def way(steps: int) -> Spent:
            wall, cpu = map(float, ask(str(steps)).split())
            return Spent(wall, cpu)

        yield way


def compare(names: Sequence[str], seconds: float, folder: Path) -> None:
    """Print windows per second of each architecture, and what our stack costs."""
    print(f"\ntraining, windows/s, median and middle half of the blocks ({torch.get_num_threads()} threads)")
    columns = f"{'strandwise train':<34}{'bare loop':<34}{'overhead':>8}{'of CPU':>8}{'ms':>7}"
    print(f"  {'':<20}{'bp':>7}{'batch':>6}  {columns}")
    for name in names:
        bp = MODELS[name].usual_bp
        batch = BATCHES.get(name, max(BATCH_BP // bp, 2))
        turns = compete(experiment_of(folder, name, {}, bp, batch), folder, seconds)
        wall, cpu, more = overhead(turns)
        rates = (f"{rate(steps, batch):<34}" for steps in (turns.ours, turns.theirs["bare"]))
        print(f"  {name:<20}{bp:>7}{batch:>6}  {''.join(rates)}{wall:>8.1%}{cpu:>8.1%}{more:>7.2f}", flush=True)


def against_bpnet_lite(python: str, seconds: float, folder: Path) -> None:
    """Print windows per second of BPNet in the sizes of bpnet-lite, beside its own."""
    bp, batch = bpnet_lite.INPUT_BP, bpnet_lite.BATCH
    experiment = experiment_of(folder, "bpnet", THEIRS, bp, batch)
    size = f"{bp} -> {bpnet_lite.OUTPUT_BP} bp, {bpnet_lite.FILTERS} filters, {bpnet_lite.LAYERS} dilated layers"
    print(f"\nBPNet, {size}, batches of {batch} (windows/s)")
    with bpnet_lite_loop(python) as way:
        turns = compete(experiment, folder, seconds, {} if way is None else {"bpnet-lite": way})
    ways = {"strandwise train": turns.ours, **turns.theirs}
    base = ways.get("bpnet-lite", turns.ours)
    for way, steps in ways.items():
        wall, cpu = (quartiles(base, at)[1] / quartiles(steps, at)[1] for at in (0, 1))
        print(f"  {way:<20}{rate(steps, batch):<34}{wall:>6.2f} x, of CPU {cpu:.2f} x")


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.architectures", description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="architectures; all of them if none is named")
    parser.add_argument("--seconds", type=float, default=10.0, help="for the steps of each, warmed up")
    python = os.environ.get("STRANDWISE_BPNET_LITE", sys.executable)
    parser.add_argument("--bpnet-lite", default=python, metavar="PYTHON", help="a Python that has bpnet-lite")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in MODELS]
    if unknown:
        parser.error(f"no architecture '{unknown[0]}': name some of {', '.join(MODELS)}")
    # As the command does.
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder)
        compare(given.names or [*MODELS], given.seconds, folder)
        if not given.names or "bpnet" in given.names:
            against_bpnet_lite(given.bpnet_lite, given.seconds, folder)


if __name__ == "__main__":
    main(sys.argv[1:])
