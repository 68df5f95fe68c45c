import pickle
import threading
from collections.abc import Callable, Iterator

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from strandwise.data.ahead import AheadLoader, own_threads


class Numbers(Dataset[torch.Tensor]):
    """Batches that hold their number; one of them may fail. What was read, and by which thread, is kept."""

    def __init__(self, size: int = 10, fails: int = -1, error: BaseException | None = None) -> None:
        self.size, self.fails, self.error = size, fails, error
        self.read: list[int] = []
        self.threads: set[str] = set()

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> torch.Tensor:
        self.threads.add(threading.current_thread().name)
        self.read.append(index)
        if index == self.fails and self.error is not None:
            raise self.error
        return torch.tensor([index, torch.get_num_threads()])


class Backwards(Sampler[int]):
    """Names batches from the last to the first, and keeps which thread asked."""

    def __init__(self, size: int) -> None:
        self.size, self.asked = size, set[int]()

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        for index in reversed(range(self.size)):
            self.asked.add(threading.get_ident())
            yield index


class Passes(Sampler[int]):
    """Names three batches a pass, each pass from where the one before it ended."""

    def __init__(self) -> None:
        self.turn = 0

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[int]:
        return iter(range(3 * self.turn, 3 * self.turn + 3))

    def following(self) -> Iterator[int]:
        return iter(range(3 * self.turn + 3, 3 * self.turn + 6))


@pytest.fixture(autouse=True)
def no_threads_are_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        # A thread that reads for a pass to come ends when it has.
        thread.join(20)
    assert set(threading.enumerate()) == before


def ahead(data: Dataset[torch.Tensor], **options) -> AheadLoader[torch.Tensor]:
    return AheadLoader(data, batch_size=None, **options)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 10])
def test_batches_and_their_order_are_those_of_a_plain_loader(size: int) -> None:
    data, sampler = Numbers(size), Backwards(size)
    loader, plain = ahead(data, sampler=sampler), DataLoader(Numbers(size), batch_size=None, sampler=Backwards(size))
    states, found = [], []
    for each in (plain, loader):
        torch.manual_seed(1)
        found.append([[int(batch[0]) for batch in each] for _ in range(2)])
        states.append(torch.get_rng_state())
    assert found[0] == found[1] == [list(reversed(range(size)))] * 2
    # What is drawn after it, such as dropout, is the same too.
    assert torch.equal(*states)
    assert len(loader) == len(plain) == size
    assert data.threads == ({"strandwise-reader_0"} if size else set())
    assert sampler.asked == ({threading.get_ident()} if size else set())


def test_the_next_batches_are_read_while_one_is_used() -> None:
    class Watched(Numbers):
        def __init__(self) -> None:
            super().__init__()
            self.events = [threading.Event() for _ in range(10)]

        def __getitem__(self, index: int) -> torch.Tensor:
            self.events[index].set()
            return super().__getitem__(index)

    data = Watched()
    for index, _ in enumerate(ahead(data)):
        # Nobody has asked for them yet.
        assert all(event.wait(20) for event in data.events[index : index + 3])
        assert not any(event.is_set() for event in data.events[index + 3 :])
    assert data.read == list(range(10))


@pytest.mark.parametrize("fails", [0, 1, 5, 9])
@pytest.mark.parametrize("error", [ValueError("of batch"), StopIteration("of batch"), KeyboardInterrupt("of batch")])
def test_an_error_appears_where_its_batch_would(fails: int, error: BaseException) -> None:
    batches = iter(ahead(Numbers(fails=fails, error=error)))
    assert [int(next(batches)[0]) for _ in range(fails)] == list(range(fails))
    # A generator lets no StopIteration through.
    kind = RuntimeError if isinstance(error, StopIteration) else type(error)
    with pytest.raises(kind) as raised:
        next(batches)
    shown = raised.value.__cause__ if kind is RuntimeError else raised.value
    assert shown is error
    # Where in the reading it happened.
    assert error.__traceback__ is not None
    frames, trace = [], error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert frames[-1] == "__getitem__"


def run(loader: AheadLoader[torch.Tensor], sampler: Passes, turn: int) -> list[int]:
    sampler.turn = turn
    return [int(batch[0]) for batch in loader]


def test_the_next_pass_is_begun_before_it_is_asked_for() -> None:
    data, sampler = Numbers(), Passes()
    loader = ahead(data, sampler=sampler)
    assert run(loader, sampler, 0) == [0, 1, 2]
    for thread in threading.enumerate():
        if thread.name.startswith("strandwise-reader"):
            thread.join(20)
    assert data.read == [0, 1, 2, 3, 4]
    assert run(loader, sampler, 1) == [3, 4, 5]
    assert run(loader, sampler, 2) == [6, 7, 8]
    # Each once, whoever asked.
    assert data.read[:9] == list(range(9))


def test_another_pass_than_the_next_has_its_own_batches() -> None:
    data, sampler = Numbers(), Passes()
    loader = ahead(data, sampler=sampler)
    assert run(loader, sampler, 0) == [0, 1, 2]
    assert run(loader, sampler, 2) == [6, 7, 8]
    assert run(loader, sampler, 0) == [0, 1, 2]
    copy = pickle.loads(pickle.dumps(loader))  # noqa: S301
    assert [int(batch[0]) for batch in copy] == [0, 1, 2]


def test_an_error_in_the_next_pass_appears_there_alone() -> None:
    data, sampler = Numbers(fails=4, error=ValueError("of batch")), Passes()
    loader = ahead(data, sampler=sampler)
    assert run(loader, sampler, 0) == [0, 1, 2]
    assert run(loader, sampler, 2) == [6, 7, 8]
    assert run(loader, sampler, 0) == [0, 1, 2]
    with pytest.raises(ValueError, match="of batch"):
        run(loader, sampler, 1)


def test_leaving_a_loop_early_ends_the_thread() -> None:
    data = Numbers()
    for batch in ahead(data):
        if batch[0] == 4:
            break
    assert len(data.read) <= 7
    batches = iter(ahead(data))
    next(batches)
    assert any(thread.name.startswith("strandwise-reader") for thread in threading.enumerate())
    del batches


def test_an_interrupt_in_the_loop_ends_the_thread() -> None:
    def learn(loader: AheadLoader[torch.Tensor]) -> None:
        for batch in loader:
            if batch[0] == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as raised:
        learn(ahead(Numbers()))
    # A shown error keeps the loop it left, until it is dropped.
    del raised


def test_an_iterator_that_never_began_has_no_thread() -> None:
    data = Numbers()
    batches = iter(ahead(data))
    assert data.read == []
    del batches


def test_loops_may_overlap() -> None:
    loader = ahead(Numbers())
    pairs = [(int(one[0]), int(other[0])) for one, other in zip(loader, loader, strict=True)]
    assert pairs == [(index, index) for index in range(10)]


def test_the_number_of_torch_threads_stays_what_it_was() -> None:
    def in_a_new_thread(ask: Callable[[], int]) -> int:
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(ask()))
        thread.start()
        thread.join()
        return found[0]

    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            for batch in ahead(Numbers(3)):
                assert batch[1] == 1
                assert torch.get_num_threads() == in_a_new_thread(torch.get_num_threads) == threads
    finally:
        torch.set_num_threads(before)


def test_a_loader_is_pickled_and_may_have_workers() -> None:
    loader = pickle.loads(pickle.dumps(ahead(Numbers())))  # noqa: S301
    assert [int(batch[0]) for batch in loader] == list(range(10))
    data = Numbers(3)
    assert [int(batch[0]) for batch in ahead(data, num_workers=1)] == [0, 1, 2]
    assert data.read == []


def test_threads_that_compute_each_alone() -> None:
    def asked(_: int) -> tuple[str, int]:
        together.wait()
        return threading.current_thread().name, torch.get_num_threads()

    before, together = torch.get_num_threads(), threading.Barrier(3)
    torch.set_num_threads(2)
    try:
        with own_threads(3, "each") as pool:
            found = [*pool.map(asked, range(3))]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert sorted(found) == [("each_0", 1), ("each_1", 1), ("each_2", 1)]
