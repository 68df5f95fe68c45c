"""Other libraries, asked in a process of their own: they live in environments of their own, with other torches."""

import contextlib
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def asked(python: str, module: str, *arguments: str) -> Iterator[Callable[[str], str] | None]:
    """Yield a way to send a line to a module and read its answer; None, with a word, where it does not come up.

    Args:
        python: the interpreter of an environment that has the library.
        module: of this suite; it says "ready", and answers each line with a line.
        arguments: of the module.
    """
    command = [python, "-m", module, *arguments]
    place = Path(__file__).parents[1]
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True, cwd=place
        ) as child,
    ):
        ask, answer = child.stdin, child.stdout
        if ask is None or answer is None or answer.readline() != "ready\n":
            child.wait()
            said.seek(0)
            why = said.read().strip().splitlines()[-1:] or [f"exit status {child.returncode}"]
            print(f"  left out: {python} -m {module}: {why[0]}")
            yield None
            return

        def way(line: str) -> str:
            print(line, file=ask, flush=True)
            return answer.readline()

        yield way
        ask.close()
