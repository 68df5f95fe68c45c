import os
import pickle
import threading
from functools import partial
from pathlib import Path

from strandwise.genome.handles import OwnHandle


def open_once(log: Path) -> object:
    with log.open("a") as stream:
        stream.write("opened\n")
    return object()


def count(log: Path) -> int:
    return log.read_text().count("opened") if log.exists() else 0


def test_opens_late_and_once_per_thread(tmp_path: Path) -> None:
    log = tmp_path / "log"
    handle = OwnHandle(partial(open_once, log))
    assert count(log) == 0
    assert handle.get() is handle.get()
    assert count(log) == 1
    others: list[object] = []
    thread = threading.Thread(target=lambda: others.append(handle.get()))
    thread.start()
    thread.join()
    assert others[0] is not handle.get()
    assert count(log) == 2


def test_a_pickled_copy_opens_for_itself(tmp_path: Path) -> None:
    log = tmp_path / "log"
    handle = OwnHandle(partial(open_once, log))
    handle.get()
    copy = pickle.loads(pickle.dumps(handle))  # noqa: S301
    assert count(log) == 1
    copy.get()
    assert count(log) == 2


def test_a_fork_opens_for_itself(tmp_path: Path, monkeypatch) -> None:
    log = tmp_path / "log"
    handle = OwnHandle(partial(open_once, log))
    parent = handle.get()
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    assert handle.get() is not parent
    assert count(log) == 2
