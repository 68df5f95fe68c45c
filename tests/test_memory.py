import subprocess
import sys

import pytest

from strandwise import memory

CODE = """
import ctypes, numpy as np
from strandwise.memory import keep_freed_memory

def resident():
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1])

{first}
before = resident()
array = np.ones(20_000_000)
del array
print((resident() - before) * 4096 > 100_000_000)
"""


def ran(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a switch of glibc")
def test_what_is_freed_stays_with_the_process_that_asks_for_it_and_nothing_is_said() -> None:
    assert ran(CODE.format(first="keep_freed_memory()")) == "True\n"
    assert ran(CODE.format(first="")) == "False\n"


def test_elsewhere_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise OSError("no such library")

    monkeypatch.setattr(memory.ctypes, "CDLL", missing)
    memory.keep_freed_memory()
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: pytest.fail("loaded it"))
    memory.keep_freed_memory()
