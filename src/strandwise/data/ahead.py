"""Reading the next batches while a model learns from this one."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from types import MappingProxyType
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch.utils.data import DataLoader

Batch = TypeVar("Batch")

_AHEAD = 2
"""Batches that wait for the model: one would do, if all took the same time to read."""


@runtime_checkable
class Foreseeing(Protocol):
    """A sampler that knows what it will ask for in the next iteration."""

    def following(self) -> Iterator[Any]:
        """Return what the next iteration begins with, if it is the one that usually follows."""
        ...


class AheadLoader(DataLoader[Batch]):
    """A loader of ready-made batches that one thread of this process reads ahead.

    Batches, their order and their errors are those of a plain `DataLoader`; with `num_workers` it is one. The sampler
    is asked by whoever iterates, up to two batches early. The thread ends with the iteration, however that ends;
    where the sampler is `Foreseeing`, with the first two batches of the next one, which are kept for it.
    """

    _kept: Mapping[Any, Future[Batch]] = MappingProxyType({})

    def __iter__(self) -> Iterator[Batch]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return an iterator over one epoch; its thread starts with the first batch that is asked for."""
        # Even without processes it draws a number for them, and what is drawn later must not depend on who reads.
        plain = super().__iter__()
        return plain if self.num_workers else self._ahead()

    def _ahead(self) -> Iterator[Batch]:
        reader, (kept, self._kept) = own_threads(1, "strandwise-reader"), (self._kept, {})

        def begun(places: Iterator[Any], number: int) -> Iterator[tuple[Any, Future[Batch]]]:
            for where in islice(places, number):
                yield where, kept.get(where) or reader.submit(self._read, where)

        try:
            order = iter(self.sampler)
            waiting = deque(begun(order, _AHEAD))
            # What was kept and is not wanted would otherwise be held to the end.
            kept = {}
            while waiting:
                ready = waiting.popleft()[1].result()
                waiting.extend(begun(order, 1))
                if not waiting:
                    if isinstance(self.sampler, Foreseeing):
                        self._kept = dict(begun(self.sampler.following(), _AHEAD))
                    # A finished iterator may be kept, and what its thread opened stays open as long as that lives.
                    reader.shutdown(wait=not self._kept)
                yield ready
                # Nothing here keeps a batch that is done with.
                del ready
        finally:
            reader.shutdown(wait=not self._kept, cancel_futures=not self._kept)

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs, which is not what was read here."""
        return {**self.__dict__, "_kept": {}}

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
