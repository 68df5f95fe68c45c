import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

import strandwise

HEAVY = ["torch", "lightning", "pandas", "numpy", "pydantic", "pysam", "bioframe", "typer", "rich"]


def test_there_are_few_and_they_are_sorted() -> None:
    assert len(strandwise.__all__) <= 40
    assert strandwise.__all__ == sorted(set(strandwise.__all__))
    assert dir(strandwise) == strandwise.__all__


@pytest.mark.parametrize("name", strandwise.__all__)
def test_each_can_be_had_and_says_what_it_is(name: str) -> None:
    thing = getattr(strandwise, name)
    assert thing.__doc__, f"{name} has no docstring"
    assert thing.__module__.startswith("strandwise.")
    assert not isinstance(thing, type(sys)), f"{name} is a module"


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(str(strandwise.__file__)).read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname is None
    }
    assert seen == strandwise._HOME
    assert sorted(seen) == strandwise.__all__


def test_no_name_hides_a_module() -> None:
    folder = Path(str(strandwise.__file__)).parent
    modules = {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert not modules & set(strandwise.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'strandwise' has no attribute 'tarin'"):
        _ = strandwise.tarin
    with pytest.raises(ImportError, match="tarin"):
        from strandwise import tarin  # noqa: F401  # pyright: ignore[reportAttributeAccessIssue]


def fresh(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_costs_nothing() -> None:
    code = (
        "import sys, time; before = set(sys.modules); start = time.perf_counter(); import strandwise; "
        "spent = time.perf_counter() - start; "
        f"print([name for name in {HEAVY} if name in set(sys.modules) - before], spent)"
    )
    loaded, spent = fresh(code).rsplit(" ", 1)
    assert loaded == "[]"
    assert float(spent) < 0.3


def test_the_words_of_a_command_cost_no_torch() -> None:
    started = time.perf_counter()
    code = (
        "import sys; sys.argv = ['strandwise', '--help']\n"
        "from strandwise.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ['torch', 'lightning', 'pandas'] if name in sys.modules])"
    )
    assert fresh(code).endswith("[]")
    assert time.perf_counter() - started < 30


def test_all_can_be_taken_at_once() -> None:
    names: dict[str, object] = {}
    exec("from strandwise import *", names)  # noqa: S102
    assert set(strandwise.__all__) <= names.keys()
