"""One unit of a benchmark's work: a training, and every cell that is judged on its weights."""

import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from strandwise.benchmark.grid import Cell
from strandwise.benchmark.results import COLUMNS, COSTS, CURVES
from strandwise.errors import RunError, StoppedError, StrandwiseError
from strandwise.experiment import Run, evaluate, train
from strandwise.experiment.folder import CONFIG
from strandwise.experiment.wrapping import adopt
from strandwise.memory import keep_freed_memory

Row = list[Any]


@dataclass(frozen=True)
class Unit:
    """Cells that share their weights.

    Attributes:
        cells: the first is trained; the others adopt its weights.
        folder: that holds the run folders of the benchmark.
        threads: of torch, while this unit runs.
    """

    cells: tuple[Cell, ...]
    folder: Path
    threads: int

    def run_folder(self, cell: Cell) -> Path:
        """Return the run folder of a cell."""
        return run_folder(cell, self.folder)


@dataclass(frozen=True)
class Done:
    """What a unit gave: rows of both CSV files, or the error that stopped it."""

    unit: Unit
    results: list[Row]
    curves: list[Row]
    error: str = ""


def do(unit: Unit) -> Done:
    """Train what is not trained yet and judge every cell of a unit; an error is returned, not raised."""
    keep_freed_memory()
    threads = torch.get_num_threads()
    torch.set_num_threads(unit.threads)
    try:
        first = unit.cells[0]
        folder = unit.run_folder(first)
        folder.parent.mkdir(parents=True, exist_ok=True)
        # A benchmark that was killed may have left a worker that still trains here.
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            # A folder may also be of a process that was killed before it had written a config.
            begun = (folder / CONFIG).is_file()
            trained = train(first.experiment, folder, resume=begun, overwrite=folder.exists() and not begun)
            runs = [trained, *(_adopted(trained, cell, unit) for cell in unit.cells[1:])]
            rows = [row for cell, run in zip(unit.cells, runs, strict=True) for row in _judge(cell, run)]
        return Done(unit, rows, list(_curve(unit.cells, trained)))
    except StoppedError:
        raise
    except (StrandwiseError, OSError, MemoryError, RuntimeError) as error:
        return Done(unit, [], [], f"{type(error).__name__}: {error}")
    finally:
        torch.set_num_threads(threads)


def end_with_parent() -> None:
    """End this worker when the process that started it is gone: nobody would ever ask it for its results."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def is_trained(cell: Cell, out: Path) -> bool:
    """Return whether the run of a cell is there, trained by the config of the cell."""
    run = Run(run_folder(cell, out))
    try:
        return run.finished and run.experiment.model_copy(update={"title": cell.experiment.title}) == cell.experiment
    except RunError:
        return False


def _adopted(trained: Run, cell: Cell, unit: Unit) -> Run:
    folder = unit.run_folder(cell)
    if is_trained(cell, unit.folder):
        return Run.open(folder)
    return adopt(trained, cell.experiment, folder, overwrite=folder.exists())


def _judge(cell: Cell, run: Run) -> Iterator[Row]:
    """Yield rows of `results.csv`: each metric of each track and their mean, and what the run cost."""
    training = cell.experiment.training
    for measure in (training.monitor, *training.also_monitor):
        alone = measure == training.monitor
        metrics = evaluate(run, chosen_by=measure, out=None if alone else run.path / f"chosen_by.{measure}")
        start, end = [*cell.key, measure], [cell.fingerprint]
        for head in metrics["heads"].values():
            for track, values in [*head["tracks"].items(), ("mean", head["mean"])]:
                for metric, value in values.items():
                    yield [*start, metric, track, _number(value), *end]
        made = run.provenance
        facts = {"max_deviation": metrics["strand"]["max_deviation"], "n": metrics["n"]}
        facts |= {name: made[name] for name in COSTS}
        for name, value in facts.items():
            yield [*start, name, "", _number(value), *end]


def _curve(cells: Sequence[Cell], run: Run) -> Iterator[Row]:
    columns = COLUMNS[CURVES][4:]
    history = run.history.reindex(columns=columns)
    for cell in cells:
        for epoch in history.itertuples(index=False, name=None):
            yield [*cell.key, *map(_number, epoch)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.7g}"


def run_folder(cell: Cell, out: Path) -> Path:
    """Return the run folder of a cell below the folder of a benchmark."""
    return out.joinpath(*map(folder_name, (cell.data, cell.model, cell.strategy, f"seed-{cell.seed}")))


def folder_name(name: str) -> str:
    """Return a name that every file system takes, and that stays in its folder."""
    safe = "".join(letter if letter.isalnum() or letter in "+-_=" else "_" for letter in name)
    return safe or "_"
