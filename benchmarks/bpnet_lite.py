"""bpnet-lite's own training loop, a block of steps at a time: the other side of `benchmarks/architectures.py`.

It runs under a Python that has bpnet-lite, and imports nothing of this package. Each line it reads is a number of steps
to take; each line it writes, the seconds that they took on the clock and on the processors.
"""

import contextlib
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from typing import TextIO

import torch
from torch import Tensor

INPUT_BP, OUTPUT_BP, FILTERS, LAYERS, BATCH = 2114, 1000, 64, 8, 32


def batches(commands: TextIO, answers: TextIO) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Hand out one random batch as often as is asked for; what happens between two of them is a step."""
    letters = torch.randint(0, 4, (BATCH, INPUT_BP))
    x = torch.nn.functional.one_hot(letters, 4).transpose(1, 2).contiguous().to(torch.int8)
    y, labels = torch.poisson(torch.full((BATCH, 2, OUTPUT_BP), 0.5)), torch.ones(BATCH)
    print("ready", file=answers, flush=True)
    for line in commands:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(int(line)):
            yield x, y, labels
        print(time.perf_counter() - wall, time.process_time() - cpu, file=answers, flush=True)
    # The epoch would end with a validation, which is not wanted.
    sys.exit()


def main() -> None:
    """Train until there are no more commands."""
    torch.set_num_threads(int(sys.argv[1]))
    with contextlib.redirect_stdout(sys.stderr):
        model = import_module("bpnetlite").BPNet(n_filters=FILTERS, n_layers=LAYERS, n_outputs=2, n_control_tracks=0)
        data = batches(sys.stdin, sys.__stdout__ or sys.stdout)
        model.fit(data, torch.optim.Adam(model.parameters()), batch_size=BATCH, device="cpu", max_epochs=1)


if __name__ == "__main__":
    main()
