"""A grid of five strategies and two seeds on a few short sequences, and what came of it."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from strandwise.analysis.evaluation import evaluate_windows
from strandwise.benchmark import benchmark
from strandwise.benchmark.results import Results
from strandwise.experiment import jobs

STRATEGIES = """
[[strategies]]
name = "standard"
set = { "strand.strategy" = "standard" }

[[strategies]]
name = "augmented"
set = { strand = { strategy = "augmented" } }

[[strategies]]
name = "post-hoc"
set = { "strand.strategy" = "posthoc" }

[[strategies]]
name = "after the link"
set = { "strand.strategy" = "posthoc", "strand.merge_after_link" = true }

[[strategies]]
name = "rcps"
set = { "strand.strategy" = "rcps" }
"""

GRID = f"""
title = "Made up"
config = "config.toml"
seeds = 2
choose_by = ["valid_auroc", "valid_loss"]
{STRATEGIES}
[[comparisons]]
better = "post-hoc"
than = ["standard", "rcps"]

[[published]]
arm = "rcps"
values = {{ auroc = 0.8765 }}
"""


class Finished(NamedTuple):
    """A benchmark that ran through: its grid, the folders of its runs and of its results, and what was trained."""

    grid: Path
    runs: Path
    store: Results
    said: list[str]
    trained: list[str]


def hasten(patch: pytest.MonkeyPatch) -> list[str]:
    """Leave out most of the bootstrap, and note the folders trained in."""
    trained: list[str] = []
    fit = jobs.fit

    def noting(*args: Any, **named: Any) -> Any:
        trained.append(str(args[4]))
        return fit(*args, **named)

    patch.setattr(jobs, "fit", noting)
    patch.setattr(jobs, "evaluate_windows", partial(evaluate_windows, resamples=10))
    return trained


@pytest.fixture(autouse=True)
def trained(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> list[str]:
    """The folders that a test trains in, as it goes."""
    return hasten(monkeypatch)


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory, write_project: Callable[..., Path]) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def finished(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Copy its folders before changing anything."""
    folder = tmp_path_factory.mktemp("finished")
    grid = config.with_name("grid.toml")
    grid.write_text(GRID)
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        trained = hasten(patch)
        benchmark(grid, folder / "runs", results=folder / "results", say=said.append)
    return Finished(grid, folder / "runs", Results(folder / "results"), said, trained)


@pytest.fixture
def copied(finished: Finished, tmp_path: Path) -> Finished:
    """A copy of the finished benchmark, to take pieces from."""
    runs = Path(shutil.copytree(finished.runs, tmp_path / "runs"))
    store = Results(Path(shutil.copytree(finished.store.folder, tmp_path / "results")))
    return finished._replace(runs=runs, store=store)


@pytest.fixture
def write_grid(config: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Write a grid of its own beside this test's files, on the config that all share."""

    def write(text: str, name: str = "grid.toml") -> Path:
        path = tmp_path / name
        path.write_text(f'config = "{config}"\n{text}')
        return path

    return write
