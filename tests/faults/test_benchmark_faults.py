"""A benchmark that is killed, runs out of disk or finds its results cut short ends as one that was left alone."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from strandwise.analysis.evaluation import evaluate_windows
from strandwise.benchmark import benchmark
from strandwise.benchmark.results import CURVES, RESULTS, Results
from strandwise.experiment import jobs

pytestmark = pytest.mark.usefixtures("one_thread")

EPOCHS = 30
GRID = f"""\
config = "config.toml"
seeds = 1
set = {{ "training.epochs" = {EPOCHS}, "training.patience" = {EPOCHS} }}

[[strategies]]
name = "augmented"
set = {{ "strand.strategy" = "augmented" }}

[[strategies]]
name = "posthoc"
set = {{ "strand.strategy" = "posthoc" }}

[[strategies]]
name = "rcps"
set = {{ "strand.strategy" = "rcps" }}
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out most of the bootstrap."""
    monkeypatch.setattr(jobs, "evaluate_windows", partial(evaluate_windows, resamples=10))


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory, write_project: Callable[..., Path]) -> Path:
    path = write_project(tmp_path_factory.mktemp("project"), 60).with_name("grid.toml")
    path.write_text(GRID)
    return path


@pytest.fixture(scope="module")
def short(grid: Path) -> Path:
    path = grid.with_name("short.toml")
    path.write_text(GRID.replace("= 30", "= 1"))
    return path


@pytest.fixture(scope="module")
def whole(short: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a benchmark that was left alone."""
    out = tmp_path_factory.mktemp("whole") / "out"
    benchmark(short, out)
    return out


def tables(out: Path) -> list[pd.DataFrame]:
    """What was found, but for the time it took, in an order that does not depend on who was first."""
    found = [Results(out).read(name) for name in (RESULTS, CURVES)]
    found[0] = found[0][found[0]["metric"] != "training_seconds"]
    return [table.sort_values(list(table.columns[:7]), ignore_index=True) for table in found]


def assert_same(out: Path, other: Path) -> None:
    for one, two in zip(tables(out), tables(other), strict=True):
        pd.testing.assert_frame_equal(one, two)


# On one core, as in this process, since sums over threads may differ in their last bits.
COMMAND = """
import os
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
from strandwise.cli import main
main()
"""


@contextmanager
def started(*arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", COMMAND, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(ready: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def epochs(run: Path) -> int:
    try:
        return len((run / "history.csv").read_text().splitlines()) - 1
    except OSError:
        return 0


def test_a_benchmark_killed_in_the_middle_of_a_training_ends_as_an_unbroken_one(
    grid: Path, tmp_path: Path, cli_run: Callable
) -> None:
    out = tmp_path / "out"
    run = out / "data" / "model" / "augmented" / "seed-0"
    with started("benchmark", grid, "--out", out) as process:
        wait_for(lambda: process.poll() is not None or epochs(run) >= 2)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 2 <= epochs(run) < EPOCHS
    assert not (run / "weights.safetensors").exists()
    assert not (out / RESULTS).exists()

    resumed = cli_run("benchmark", grid, "--out", out)
    assert resumed.code == 0, resumed.err
    assert "data / model / posthoc / 0: auroc 0." in resumed.out
    assert resumed.out.endswith("learning.png\n")
    unbroken = tmp_path / "unbroken"
    benchmark(grid, unbroken)
    assert_same(out, unbroken)
    assert len(tables(out)[1]) == 3 * EPOCHS


@pytest.mark.parametrize("cut", [1, 30, 700, 10_000])
def test_results_cut_short_are_completed_from_the_runs(
    whole: Path, short: Path, tmp_path: Path, cli_run: Callable, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    out = tmp_path / "results"
    out.mkdir()
    for name in (RESULTS, CURVES):
        content = (whole / name).read_bytes()
        (out / name).write_bytes(content[:-cut] if name == RESULTS else content[:-5])
    monkeypatch.setattr(jobs, "fit", lambda *_, **__: pytest.fail("trained again"))
    done = cli_run("benchmark", short, "--out", whole, "--results", out)
    assert done.code == 0, done.err
    assert (out / RESULTS).read_bytes() == (whole / RESULTS).read_bytes()
    assert_same(out, whole)


def test_a_full_disk_costs_nothing_that_was_found(
    whole: Path, short: Path, tmp_path: Path, cli_run: Callable, monkeypatch: pytest.MonkeyPatch, contents: Callable
) -> None:
    out = tmp_path / "results"
    out.mkdir()
    content = (whole / RESULTS).read_text().splitlines(keepends=True)
    kept = "".join(line for line in content if ",rcps," not in line)
    (out / RESULTS).write_text(kept)
    (out / CURVES).write_bytes((whole / CURVES).read_bytes())
    before = contents(out)
    monkeypatch.setattr(jobs, "fit", lambda *_, **__: pytest.fail("trained again"))
    outcome = fill_disk_beyond(len(kept) + 50, lambda: cli_run("benchmark", short, "--out", whole, "--results", out))
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert "results.csv: the disk is full or the file too large for it; nothing was replaced. Free some" in outcome.err
    assert contents(out) == before
    assert cli_run("benchmark", short, "--out", whole, "--results", out).code == 0
    assert_same(out, whole)


def fill_disk_beyond(most: int, job: Callable):
    """Let files of results grow to `most` bytes while a job runs; what a run writes itself is larger."""
    import resource

    append = Results.append

    def limited(self: Results, name: str, rows: list) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
        try:
            append(self, name, rows)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Results, "append", limited)
        return job()


def test_a_cell_that_fails_is_named_at_the_end(
    grid: Path, tmp_path: Path, cli_run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = GRID.replace("= 30", "= 1").replace('"augmented"\n', '"lifted"\n').replace('= "augmented"', '= "hybrid"')
    broken = grid.with_name("broken.toml")
    broken.write_text(text)
    outcome = cli_run("benchmark", broken, "--out", tmp_path / "out")
    assert outcome.code == 2
    named = (
        "error: 1 of 3 trainings failed, the others are kept. data / model / lifted / 0: ConfigError: strand.strategy"
    )
    assert outcome.err.startswith(named)
    assert outcome.err.count("\n") == 1
    assert "data / model / rcps / 0: auroc" in outcome.out
    assert set(Results(tmp_path / "out").read()["strategy"]) == {"posthoc", "rcps"}
    assert (tmp_path / "out" / "tables.md").is_file()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seeds = 1", "sedes = 1", "sedes is not a known key (did you mean 'seeds'?)"),
        ("seeds = 1", "seeds = []", "seeds []: name at least one, and each once"),
        ('config = "config.toml"', 'config = "cfg.toml"', "cfg.toml: no such file (a config)"),
        ('config = "config.toml"', "", "data 'data' has no config: name one in it, or at the top of the grid."),
        ('"training.epochs" = 30', '"training.epoch" = 30', "cell data / model / augmented: "),
        ('"training.epochs" = 30', '"training.epochs" = 2020-01-01', "cell data / model / augmented: "),
        ('"strand.strategy" = "rcps"', '"strand.strategy.x" = "rcps"', "cell data / model / rcps: "),
        ("[[strategies]]", "[[strategy]]", "strategy is not a known key (did you mean 'strategies'?)"),
        (GRID, "\0", "not valid TOML"),
        (GRID, "x = " + "[" * 5000, "not valid TOML"),
    ],
)
def test_a_bad_grid_is_refused_before_anything_is_written(
    grid: Path, tmp_path: Path, cli_run: Callable, old: str, new: str, said: str
) -> None:
    bad = grid.with_name("bad.toml")
    bad.write_text(GRID.replace(old, new))
    cli_run("benchmark", bad, "--out", tmp_path / "out").refused(said)
    assert not (tmp_path / "out").exists()


def test_results_that_are_not_ours_are_refused(
    short: Path, whole: Path, tmp_path: Path, cli_run: Callable, contents: Callable
) -> None:
    out = tmp_path / "results"
    out.mkdir()
    for content in (b"a,b\n1,2\n", b"\xff\xfe\0\0\n", b"PK\x03\x04\n" * 50, b'"\n'):
        (out / RESULTS).write_bytes(content)
        before = contents(out)
        for command in ([], ["--tables"]):
            outcome = cli_run("benchmark", short, "--out", whole, "--results", out, *command)
            outcome.refused(f"{out / RESULTS}: ", "give another folder")
        assert contents(out) == before


def test_tables_before_results_are_refused(short: Path, tmp_path: Path, cli_run: Callable) -> None:
    cli_run("benchmark", short, "--out", tmp_path / "none", "--tables").refused("holds no results of this grid yet")
    assert not (tmp_path / "none").exists()
