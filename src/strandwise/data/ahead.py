"""Reading the next batches while a model learns from this one."""

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch
from torch.utils.data import DataLoader

Batch = TypeVar("Batch")

_AHEAD = 2
"""Batches that wait for the model: one would do, if all took the same time to read."""


class AheadLoader(DataLoader[Batch]):
    """A loader of ready-made batches that one thread of this process reads ahead.

    Batches, their order and their errors are those of a plain `DataLoader`; with `num_workers` it is one. The sampler
    is asked by whoever iterates, up to two batches early. The thread ends with the iteration, however that ends.
    """

    def __iter__(self) -> Iterator[Batch]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return an iterator over one epoch; its thread starts with the first batch that is asked for."""
        # Even without processes it draws a number for them, and what is drawn later must not depend on who reads.
        plain = super().__iter__()
        return plain if self.num_workers else self._ahead()

    def _ahead(self) -> Iterator[Batch]:
        reader = own_threads(1, "strandwise-reader")
        try:
            order = iter(self.sampler)
            waiting: deque[Future[Batch]] = deque(reader.submit(self._read, where) for where in islice(order, _AHEAD))
            while waiting:
                ready = waiting.popleft().result()
                waiting.extend(reader.submit(self._read, where) for where in islice(order, 1))
                if not waiting:
                    # A finished iterator may be kept, and what its thread opened stays open as long as that lives.
                    reader.shutdown()
                yield ready
                # Nothing here keeps a batch that is done with.
                del ready
        finally:
            reader.shutdown(cancel_futures=True)

    def _read(self, where: object) -> Batch:
        return self.dataset[where]


def own_threads(number: int, name: str) -> ThreadPoolExecutor:
    """Return an executor whose threads do their torch operations each alone.

    Otherwise each would have a team of threads, and the teams would fight for the same processors.

    Args:
        number: of threads.
        name: what their names begin with.
    """
    threads, started = torch.get_num_threads(), threading.Barrier(number + 1)

    def start() -> None:
        # A thread takes its number from the process when it first asks, which must be before it sets its own.
        torch.get_num_threads()
        torch.set_num_threads(1)

    pool = ThreadPoolExecutor(number, thread_name_prefix=name, initializer=start)
    for _ in range(number):
        pool.submit(started.wait)
    started.wait()
    # It holds for those threads, and for each that comes after them; the latter is taken back.
    torch.set_num_threads(threads)
    return pool
