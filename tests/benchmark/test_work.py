import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from strandwise.benchmark import Cell, Grid, work
from strandwise.benchmark.work import Unit, do, end_with_parent, folder_name, is_trained, run_folder
from strandwise.errors import RunError, StoppedError
from strandwise.experiment import Run


@pytest.fixture
def cells(copied) -> dict[str, Cell]:
    """The cells of seed 0, by strategy."""
    return {cell.strategy: cell for cell in Grid.load(copied.grid).cells() if cell.seed == 0}


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("20 filters", "20_filters"),
        ("post-hoc", "post-hoc"),
        ("../x", "___x"),
        ("..", "__"),
        (".", "_"),
        ("", "_"),
        ("/etc/passwd", "_etc_passwd"),
        ("a\\b", "a_b"),
        ("C:", "C_"),
        ("p=1+2", "p=1+2"),
        ("Größe", "Größe"),
        ("~", "_"),
        (".hidden", "_hidden"),
    ],
)
def test_no_name_leaves_its_folder(name: str, folder: str) -> None:
    assert folder_name(name) == folder


def test_a_run_lies_four_folders_down_whatever_it_is_called(cells: dict[str, Cell], tmp_path: Path) -> None:
    experiment = cells["rcps"].experiment
    out = tmp_path / "out"
    for name in ("../x", "../../..", "/", "a/b/c"):
        folder = run_folder(Cell(name, name, name, 3, experiment), out)
        assert folder.resolve().relative_to(out.resolve()).parts[-1] == "seed-3"
        assert len(folder.relative_to(out).parts) == 4


def test_a_run_counts_as_trained_by_its_own_config_alone(cells: dict[str, Cell], copied) -> None:
    cell = cells["rcps"]
    assert is_trained(cell, copied.runs)
    titled = cell.experiment.model_copy(update={"title": "another"})
    assert is_trained(Cell(*cell.key, titled), copied.runs)
    assert not is_trained(Cell(*cell.key, cell.experiment.changed("training.epochs=3")), copied.runs)
    assert not is_trained(Cell("data", "model", "rcps", 9, cell.experiment), copied.runs)
    folder = run_folder(cell, copied.runs)
    (folder / "config.toml").write_text("damaged")
    assert not is_trained(cell, copied.runs)
    shutil.copy(run_folder(cells["standard"], copied.runs) / "config.toml", folder)
    assert not is_trained(cell, copied.runs)
    (folder / "weights.safetensors").unlink()
    assert not is_trained(cell, copied.runs)


def test_rows_are_the_metrics_of_the_run(cells: dict[str, Cell], copied) -> None:
    cell = cells["rcps"]
    done = do(Unit((cell,), copied.runs, 1))
    assert done.error == ""
    run = Run(run_folder(cell, copied.runs))
    found = {(row[4], row[5], row[6]): row[7] for row in done.results}
    assert {tuple(row[:4]) for row in done.results} == {cell.key}
    assert {row[8] for row in done.results} == {cell.fingerprint}
    other = Run(run.path / "chosen_by.valid_loss")
    for measure, metrics in (("valid_auroc", run.metrics), ("valid_loss", other.metrics)):
        head = metrics["heads"]["bound"]
        for track, values in [*head["tracks"].items(), ("mean", head["mean"])]:
            for metric, value in values.items():
                assert float(found[measure, metric, track]) == pytest.approx(value, rel=1e-6)
        assert float(found[measure, "max_deviation", ""]) == pytest.approx(metrics["strand"]["max_deviation"], rel=1e-6)
        assert found[measure, "n", ""] == "30"
        assert found[measure, "epochs", ""] == "2"
        assert int(found[measure, "parameters", ""]) == sum(value.numel() for value in run.network.parameters())
    history = run.history
    assert [row[:5] for row in done.curves] == [[*cell.key, "1"], [*cell.key, "2"]]
    for column, measure in ((6, "train_auroc"), (9, "valid_auroc")):
        assert [float(row[column]) for row in done.curves] == pytest.approx(history[measure].tolist(), rel=1e-6)


def test_each_measure_keeps_the_weights_of_its_own_epoch(finished) -> None:
    parted = []
    for cell in Grid.load(finished.grid).cells():
        run = Run(run_folder(cell, finished.runs))
        names = ("weights.safetensors", "weights.valid_loss.safetensors")
        one, other = ((run.path / name).read_bytes() for name in names)
        same_epoch = run.history["valid_auroc"].idxmax() == run.history["valid_loss"].idxmin()
        assert (one == other) == same_epoch
        parted.append(not same_epoch)
    # Where the measures never part there is nothing to tell apart.
    assert any(parted)


@pytest.mark.parametrize("error", [RunError("no"), OSError("disk"), MemoryError("much"), RuntimeError("CUDA")])
def test_an_error_is_returned_and_threads_are_as_they_were(
    cells: dict[str, Cell], error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def fails(*_: object, **__: object) -> None:
        seen.append(torch.get_num_threads())
        raise error

    monkeypatch.setattr(work, "train", fails)
    done = do(Unit((cells["rcps"],), tmp_path, 2))
    assert done.error == f"{type(error).__name__}: {error}"
    assert (done.results, done.curves) == ([], [])
    assert (seen, torch.get_num_threads()) == ([2], 1)


@pytest.mark.parametrize("error", [StoppedError("Ctrl-C"), KeyError("a bug")])
def test_being_stopped_and_faults_of_our_own_are_not_a_result(
    cells: dict[str, Cell], error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(work, "train", fails)
    with pytest.raises(type(error)):
        do(Unit((cells["rcps"],), tmp_path, 1))


def test_a_run_folder_without_a_config_is_begun_anew(cells: dict[str, Cell], copied, tmp_path: Path) -> None:
    """A process that is killed between the first two files of a run leaves its provenance alone."""
    cell = cells["rcps"]
    folder = run_folder(cell, tmp_path / "out")
    folder.mkdir(parents=True)
    shutil.copy(run_folder(cell, copied.runs) / "provenance.json", folder)
    (folder / ".0123abcd.tmp.config.toml").write_text("half")
    assert do(Unit((cell,), tmp_path / "out", 1)).error == ""
    assert Run(folder).finished
    # What is not ours stays, and is named.
    other = run_folder(cells["standard"], tmp_path / "out")
    other.mkdir(parents=True)
    (other / "mine.txt").write_text("mine")
    error = do(Unit((cells["standard"],), tmp_path / "out", 1)).error
    assert f"{other}: not a run folder, so it is not overwritten" in error
    assert [path.name for path in other.iterdir()] == ["mine.txt"]


def test_a_run_of_another_config_is_not_taken_over(cells: dict[str, Cell], copied, trained: list[str]) -> None:
    lead, other = cells["augmented"], cells["post-hoc"]
    stale = run_folder(other, copied.runs)
    config = stale / "config.toml"
    config.write_text(config.read_text().replace("epochs = 2", "epochs = 7"))
    before = do(Unit((lead, other), copied.runs, 1))
    assert before.error == ""
    assert Run(stale).experiment == other.experiment
    assert trained == []
    # The one whose weights are adopted is never replaced.
    config = run_folder(lead, copied.runs) / "config.toml"
    config.write_text(config.read_text().replace("epochs = 2", "epochs = 7"))
    error = do(Unit((lead, other), copied.runs, 1)).error
    assert "trained with another config (training.epochs was 7, now 2)" in error


def test_a_half_made_run_of_adopted_weights_is_made_again(cells: dict[str, Cell], copied, trained: list[str]) -> None:
    lead, other = cells["augmented"], cells["post-hoc"]
    folder = run_folder(other, copied.runs)
    for name in ("weights.safetensors", "history.csv"):
        (folder / name).unlink()
    done = do(Unit((lead, other), copied.runs, 1))
    assert (done.error, trained) == ("", [])
    weights = [(run_folder(cell, copied.runs) / "weights.safetensors").read_bytes() for cell in (lead, other)]
    assert weights[0] == weights[1]


def test_cells_of_one_training_differ_in_prediction(cells: dict[str, Cell], copied, write_grid: Callable) -> None:
    names = ("augmented", "post-hoc", "after the link")
    folders = [run_folder(cells[name], copied.runs) for name in names]
    for file in ("weights.safetensors", "weights.valid_loss.safetensors", "history.csv"):
        assert len({(folder / file).read_bytes() for folder in folders}) == 1
    tables = [Run(folder).predictions("test")["pred/t0"].round(5).tolist() for folder in folders]
    assert tables[0] != tables[1] != tables[2] != tables[0]


@pytest.mark.parametrize("worker", [True, False])
def test_a_worker_ends_once_the_process_that_started_it_is_gone(worker: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, ended = threading.Event(), threading.Event()
    codes: list[int] = []

    class Parent:
        def join(self) -> None:
            gone.wait()

    def leave(code: int) -> None:
        codes.append(code)
        ended.set()

    monkeypatch.setattr(work.multiprocessing, "parent_process", lambda: Parent() if worker else None)
    monkeypatch.setattr(work.os, "_exit", leave)
    end_with_parent()
    assert not ended.wait(0.05)
    gone.set()
    assert ended.wait(5 if worker else 0.05) == worker
    assert codes == ([1] if worker else [])
