"""Running a grid: what is done is never done again, what fails does not stop the rest."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path

import torch

from strandwise.benchmark.grid import Cell, Grid
from strandwise.benchmark.results import CURVES, RESULTS, Results
from strandwise.benchmark.screen import Key, Screen
from strandwise.benchmark.tables import write_tables
from strandwise.benchmark.work import Done, Unit, do, end_with_parent, folder_name, is_trained
from strandwise.errors import ConfigError, InputError, RunError, StoppedError
from strandwise.experiment.datasets import check_files
from strandwise.experiment.machine import check_machine
from strandwise.files import check_writable

__all__ = ["benchmark"]


def benchmark(
    grid: Grid | str | Path,
    out: str | Path,
    *,
    results: str | Path | None = None,
    jobs: int = 1,
    tables_only: bool = False,
    say: Callable[[str], None] | None = None,
) -> list[Path]:
    """Train and judge every cell of a grid, then write tables and figures with statistics.

    Every cell is a run folder below `out`. Its numbers are appended to `results.csv` as soon as it is judged,
    and a cell that stands there is never trained again, even where its run folder is gone; a training that
    was stopped goes on from its last epoch. Cells that differ in prediction alone (augmented, post-hoc) share
    one training.

    Args:
        grid: the grid, or its file.
        out: folder of the runs.
        results: folder of the CSV files, the tables and the figures; `out` if None.
        jobs: trainings at a time, each with its share of the threads that one training would have (OMP_NUM_THREADS
            sets how many); sums over another number of threads may differ in their last bits, and so may what is
            learned.
        tables_only: train nothing; write the tables of what is there.
        say: told a line for every finished cell where the screen is not a terminal.

    Returns:
        The tables and figures written.

    Raises:
        StrandwiseError: bad input, before anything is trained; or, after all others are done, the cells that
            failed.
    """
    grid = grid if isinstance(grid, Grid) else Grid.load(grid)
    out, store = Path(out), Results(Path(results if results is not None else out))
    if jobs < 1:
        raise InputError(f"--jobs {jobs}: give 1 or more.")
    grid.check_names()
    if tables_only:
        return write_tables(grid, store)
    cells = list(grid.cells())
    _check(cells)
    done = store.done(cells)
    check_writable(store.folder / RESULTS)
    units = list(_units(cells, done, out, max(1, torch.get_num_threads() // jobs)))
    screen = Screen(grid, store, done, say)
    try:
        failed = _filled(store, done, _work(units, jobs, screen), screen)
    except StoppedError:
        raise RunError(f"{out}: the benchmark was stopped: run the same command again to go on.") from None
    if not failed:
        return write_tables(grid, store)
    # Where all have failed there is nothing to write tables of, which is not what to complain of.
    with suppress(InputError):
        write_tables(grid, store)
    raise RunError(
        f"{len(failed)} of {len(units)} trainings failed, the others are kept. "
        + "; ".join(f"{_named(each.unit, done)}: {each.error}" for each in failed)
    )


def _filled(store: Results, done: set[Key], work: Iterator[Done], screen: Screen) -> list[Done]:
    """Write what comes of the work, cell by cell, and return what failed."""
    failed: list[Done] = []
    with screen:
        for found in work:
            if found.error:
                failed.append(found)
            else:
                store.append(CURVES, [row for row in found.curves if tuple(row[:4]) not in done])
                store.append(RESULTS, [row for row in found.results if tuple(row[:4]) not in done])
            screen.finished(found)
    return failed


def _named(unit: Unit, done: set[Key]) -> str:
    return ", ".join(" / ".join(map(str, cell.key)) for cell in unit.cells if cell.key not in done)


def _check(cells: Sequence[Cell]) -> None:
    """Refuse what would stop a cell, before the first is trained."""
    for cell in cells:
        check_files(cell.experiment)
    trainings = [cell.experiment.training for cell in cells]
    for training in {(each.accelerator, each.devices, each.tensorboard): each for each in trainings}.values():
        check_machine(training)
    folders: dict[tuple[str, ...], Key] = {}
    for cell in cells:
        names = tuple(folder_name(str(part)).casefold() for part in cell.key)
        if folders.setdefault(names, cell.key) != cell.key:
            one, other = folders[names], cell.key
            raise ConfigError(
                f"cells {' / '.join(map(str, one))} and {' / '.join(map(str, other))} differ only in characters that "
                "folder names cannot tell apart: rename one."
            )


def _units(cells: Sequence[Cell], done: set[Key], out: Path, threads: int) -> Iterator[Unit]:
    """Yield the work that is left; a cell whose run is there leads its unit, even where it is judged already."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.training, []).append(cell)
    for group in groups.values():
        left = [cell for cell in group if cell.key not in done]
        if left:
            lead = next((cell for cell in group if is_trained(cell, out)), left[0])
            yield Unit((lead, *(cell for cell in left if cell is not lead)), out, threads)


def _work(units: Sequence[Unit], jobs: int, screen: Screen) -> Iterator[Done]:
    if jobs == 1:
        for unit in units:
            screen.started(unit)
            yield do(unit)
        return
    pool = _pool(jobs)
    waiting, running = list(units), dict[Future[Done], Unit]()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                unit = waiting.pop(0)
                try:
                    future = pool.submit(do, unit)
                except BrokenProcessPool:
                    pool = _pool(jobs)
                    future = pool.submit(do, unit)
                running[future] = unit
                screen.started(unit)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                unit = running.pop(future)
                try:
                    yield future.result()
                except BrokenProcessPool:
                    said = "its process was ended from outside, perhaps for want of memory: run the same command again"
                    yield Done(unit, [], [], said)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _pool(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), end_with_parent)
