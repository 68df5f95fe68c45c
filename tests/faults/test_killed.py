"""A process killed in the middle leaves nothing half-made, and the same command finishes what it began."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from lightning import LightningModule, Trainer

from strandwise import demo
from strandwise.data.simulation import SimulationSettings, simulate_genome
from strandwise.errors import RunError
from strandwise.experiment import Experiment, Run, jobs, train
from strandwise.training.callbacks import History

EPOCHS = 8


@contextmanager
def started(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Start a command in a process of its own, and end it whatever happens."""
    command = [sys.executable, "-m", "strandwise.cli", *map(str, arguments)]
    # On one thread, as in this process, since sums over threads may differ in their last bits.
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=alone)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def kill_when(process: subprocess.Popen[str], ready: Callable[[], bool]) -> None:
    """Kill a process with no chance to tidy up, once something is so."""
    end = time.monotonic() + 60
    while not _seen(ready):
        assert process.poll() is None, f"ended too early: {process.communicate()}"
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL


def _seen(ready: Callable[[], bool]) -> bool:
    """Ask once; what is being looked at may vanish meanwhile."""
    try:
        return ready()
    except FileNotFoundError:
        return False


def epochs(run: Path) -> int:
    history = run / "history.csv"
    return len(history.read_text().splitlines()) - 1 if history.exists() else 0


def temporaries(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if ".tmp." in path.name]


@pytest.fixture(scope="module")
def long_config(tmp_path_factory: pytest.TempPathFactory, trained: Run) -> Path:
    path = tmp_path_factory.mktemp("long") / "config.toml"
    path.write_text(trained.experiment.changed(f"training.epochs={EPOCHS}", f"training.patience={EPOCHS}").to_toml())
    return path


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, long_config: Path) -> Run:
    return train(Experiment.load(long_config), tmp_path_factory.mktemp("unbroken") / "run")


def assert_same_training(run: Run, other: Run) -> None:
    assert (run.path / "weights.safetensors").read_bytes() == (other.path / "weights.safetensors").read_bytes()
    pd.testing.assert_frame_equal(run.history.drop(columns="seconds"), other.history.drop(columns="seconds"))
    assert run.provenance["best_epoch"] == other.provenance["best_epoch"]


def test_training_that_was_killed_ends_where_an_unbroken_one_does(
    long_config: Path, unbroken: Run, tmp_path: Path, cli_run: Callable
) -> None:
    folder = tmp_path / "run"
    with started("train", long_config, "--out", folder) as process:
        kill_when(process, lambda: epochs(folder) >= 2)
    assert 2 <= epochs(folder) < EPOCHS
    cli_run("evaluate", folder).refused("training has not finished", "--resume")
    cli_run("train", long_config, "--out", folder).refused("--resume to go on with it")

    resumed = cli_run("train", long_config, "--out", folder, "--resume")
    assert resumed.code == 0, resumed.err
    assert f"{EPOCHS} epochs" in resumed.out
    assert_same_training(Run.open(folder), unbroken)
    assert not temporaries(folder)


@pytest.fixture
def heard() -> Iterator[None]:
    """Let Ctrl-C be heard: a shell starts what it runs in the background with that signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_training_that_was_asked_to_stop_says_how_to_go_on(
    how: signal.Signals, long_config: Path, unbroken: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: None
) -> None:
    folder, goes_on = tmp_path / "run", History.on_train_epoch_end

    def stop(self: History, trainer: Trainer, module: LightningModule) -> None:
        goes_on(self, trainer, module)
        if trainer.current_epoch == 2:
            os.kill(os.getpid(), how)

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr(History, "on_train_epoch_end", stop)
        with pytest.raises(RunError, match=r"training was stopped: go on with `strandwise train .* --resume`"):
            train(Experiment.load(long_config), folder)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert not Run(folder).finished
    assert_same_training(train(Experiment.load(long_config), folder, resume=True), unbroken)


def test_a_run_killed_before_its_first_epoch_can_be_resumed_and_overwritten(
    long_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, folder = Experiment.load(long_config, ["training.epochs=1"]), tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "fit", lambda *_, **__: sys.exit(1))
        for again in ({}, {"resume": True}, {"overwrite": True}):
            with pytest.raises(RunError, match="--resume"):
                train(experiment, folder, **again)
    # What a process leaves that was killed while it wrote.
    (folder / ".0123abcd.tmp.config.toml").write_text("half")
    assert train(experiment, folder, overwrite=True).finished
    assert not temporaries(folder)


def test_a_folder_with_nothing_but_what_a_killed_process_left_is_free(long_config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".0123abcd.tmp.provenance.json").write_text("half")
    short = Experiment.load(long_config, ["training.epochs=1"])
    assert train(short, folder).finished


def test_resuming_a_finished_run_returns_at_once(
    long_config: Path, unbroken: Run, cli_run: Callable, monkeypatch: pytest.MonkeyPatch, contents: Callable
) -> None:
    before = contents(unbroken.path)
    monkeypatch.setattr(jobs, "read_windows", lambda _: pytest.fail("read the data again"))
    done = cli_run("train", long_config, "--out", unbroken.path, "--resume")
    assert done.code == 0, done.err
    assert f"{EPOCHS} epochs" in done.out
    assert contents(unbroken.path) == before


def test_predictions_that_were_killed_do_not_appear(trained: Run, tmp_path: Path, cli_run: Callable) -> None:
    out = tmp_path / "p.bed"
    out.write_text("old")
    slowly = ["--chrom", "chr1", "--step", "1", "--batch-size", "1"]
    with started("predict", trained.path, *slowly, "--out", out) as process:
        kill_when(process, lambda: any(path.stat().st_size for path in temporaries(tmp_path)))
    assert out.read_text() == "old"
    left = temporaries(tmp_path)
    assert len(left) == 1

    done = cli_run("predict", trained.path, "--chrom", "chr1", "--out", out)
    assert done.code == 0, done.err
    header = "#chrom\tstart\tend\tname\tscore\tstrand\tpred/CTCF\tpred/REST\n"
    assert out.read_text().startswith(f"{header}chr1\t0\t50\t.\t")
    # A process that was killed cannot tidy up; one that succeeds leaves nothing of its own.
    assert temporaries(tmp_path) == left


def test_a_demo_that_was_killed_can_be_run_again(
    tmp_path: Path, cli_run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "demo"
    with started("demo", "--out", out) as process:
        kill_when(process, lambda: any(path.name.endswith(".tmp.genome") for path in temporaries(out)))
    (out / "mine.txt").write_text("mine")
    cli_run("demo", "--out", out).refused("exists", "--overwrite")

    small = SimulationSettings(total_bp=200_000, variants_per_factor=1)
    monkeypatch.setattr(demo, "simulate_genome", lambda *args, **named: simulate_genome(*args, settings=small, **named))
    monkeypatch.setattr(demo, "CONFIG", demo.CONFIG.replace("epochs = 20", "epochs = 1"))
    done = cli_run("demo", "--out", out, "--overwrite")
    assert done.code == 0, done.err
    assert (out / "run" / "report.html").is_file()
    assert not temporaries(out)
    assert (out / "mine.txt").read_text() == "mine"
