"""A disk that fills up, or a file that may grow no further, costs the user nothing that was there before."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from strandwise.experiment import Run, jobs
from strandwise.files import write_text

FULL = "the disk is full or the file too large for it; nothing was replaced. Free some space"


def test_the_limit_is_felt(tmp_path: Path, full_disk: Callable) -> None:
    with full_disk(10), pytest.raises(OSError, match="too large") as raised:
        (tmp_path / "x").write_text("x" * 11)
    assert raised.value.errno == errno.EFBIG
    (tmp_path / "x").write_text("x" * 11)


@pytest.mark.parametrize(
    ("command", "most"),
    [
        (["evaluate"], 3000),
        (["evaluate"], 500),
        (["evaluate", "--split", "valid"], 500),
        (["baselines"], 500),
        (["report"], 3000),
        (["strand"], 500),
        (["strand"], 100_000),
    ],
)
def test_a_run_keeps_what_it_had(
    command: list[str], most: int, cli_run: Callable, copied: Path, contents: Callable, full_disk: Callable
) -> None:
    before = contents(copied)
    with full_disk(most):
        outcome = cli_run(command[0], copied, *command[1:])
    outcome.refused(str(copied), FULL)
    assert contents(copied) == before


def test_metrics_are_not_replaced_without_their_predictions(
    cli_run: Callable, copied: Path, contents: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(copied)

    def fails(run: Run, name: str, table: dict) -> None:
        write_text(run.path / name, "")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Run, "write_json", fails)
    cli_run("evaluate", copied, "--conjoin").refused("predictions.test.parquet", FULL)
    after = contents(copied)
    assert after.pop("metrics.json") == b""
    before.pop("metrics.json")
    assert after == before


@pytest.mark.parametrize("ending", ["parquet", "bed"])
def test_predictions_keep_what_they_would_replace(
    ending: str, cli_run: Callable, trained: Run, tmp_path: Path, full_disk: Callable
) -> None:
    out = tmp_path / f"p.{ending}"
    out.write_text("old")
    with full_disk(300):
        outcome = cli_run("predict", trained.path, "--chrom", "chr4", "--out", out)
    outcome.refused(out.name, FULL)
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_bigwigs_keep_what_they_would_replace(
    cli_run: Callable, trained: Run, tmp_path: Path, full_disk: Callable
) -> None:
    for track in ("CTCF", "REST"):
        (tmp_path / f"p.{track}.bw").write_text("old")
    with full_disk(2000):
        outcome = cli_run("predict", trained.path, "--chrom", "chr4", "--out", tmp_path / "p.bw")
    outcome.refused("p.bw", "disk")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"p.CTCF.bw": "old", "p.REST.bw": "old"}


def test_training_goes_on_once_there_is_room(
    write_config: Callable[..., Path], cli_run: Callable, tmp_path: Path, trained: Run, full_disk: Callable
) -> None:
    config, folder = write_config(), tmp_path / "run"
    with full_disk(4000):
        outcome = cli_run("train", config, "--out", folder)
    outcome.refused("checkpoints", "disk is full", "Free some space")
    assert not Run(folder).finished
    resumed = cli_run("train", config, "--out", folder, "--resume")
    assert resumed.code == 0, resumed.err
    assert (folder / "weights.safetensors").read_bytes() == (trained.path / "weights.safetensors").read_bytes()


def test_training_that_cannot_begin_leaves_the_place_free(
    write_config: Callable[..., Path], cli_run: Callable, tmp_path: Path, full_disk: Callable
) -> None:
    config, folder = write_config(), tmp_path / "run"
    with full_disk(100):
        outcome = cli_run("train", config, "--out", folder)
    outcome.refused("provenance.json", FULL)
    assert list(folder.iterdir()) == []
    assert cli_run("train", config, "--out", folder).code == 0


def test_the_last_file_of_a_run_makes_it_whole(
    write_config: Callable[..., Path], cli_run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, folder = write_config(), tmp_path / "run"

    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("strandwise.experiment.run.save_file", fails)
        cli_run("train", config, "--out", folder).refused("weights.safetensors", FULL)
    cli_run("evaluate", folder).refused("training has not finished", "--resume")
    assert cli_run("train", config, "--out", folder, "--resume").code == 0
    assert cli_run("evaluate", folder).code == 0


@pytest.mark.parametrize("command", ["genome", "sequences"])
def test_a_simulation_appears_whole_or_not_at_all(
    command: str, cli_run: Callable, tmp_path: Path, full_disk: Callable
) -> None:
    with full_disk(2000):
        outcome = cli_run("simulate", command, "--out", tmp_path / "made")
    outcome.refused("made", "disk")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_named(
    cli_run: Callable, trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/somewhere")

    monkeypatch.setattr(jobs, "read_windows", fails)
    cli_run("evaluate", trained.path).refused("/somewhere: Permission denied")
