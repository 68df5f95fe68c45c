"""Running a grid: what is done is never done again, what fails does not stop the rest."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

from strandwise.benchmark.grid import Cell, Grid
from strandwise.benchmark.results import CURVES, RESULTS, Results
from strandwise.benchmark.screen import Screen
from strandwise.benchmark.tables import write_tables
from strandwise.benchmark.work import Done, Unit, do, folder_name
from strandwise.errors import ConfigError, InputError, RunError
from strandwise.experiment.datasets import check_files
from strandwise.experiment.machine import check_machine

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
        jobs: trainings at a time, each with its share of the cores.
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
    if tables_only:
        return write_tables(grid, store)
    cells = list(grid.cells())
    _check(cells)
    done = store.done(cells)
    units = list(_units(cells, done, out, max(1, _cores() // jobs)))
    failed: list[Done] = []
    with Screen(grid, store, done, say) as screen:
        for found in _work(units, jobs, screen):
            if found.error:
                failed.append(found)
            else:
                new = [row for row in found.results if tuple(row[:4]) not in done]
                store.append(CURVES, [row for row in found.curves if tuple(row[:4]) not in done])
                store.append(RESULTS, new)
            screen.finished(found)
    written = write_tables(grid, store)
    if failed:
        names = "; ".join(f"{' / '.join(map(str, each.unit.cells[0].key))}: {each.error}" for each in failed)
        raise RunError(f"{len(failed)} of {len(units)} trainings failed, the others are kept. {names}")
    return written


def _check(cells: Sequence[Cell]) -> None:
    """Refuse what would stop a cell, before the first is trained."""
    for cell in {cell.data: cell for cell in cells}.values():
        check_files(cell.experiment)
        check_machine(cell.experiment.training)
    folders: dict[tuple[str, ...], tuple[str, str, str, int]] = {}
    for cell in cells:
        names = tuple(folder_name(str(part)).casefold() for part in cell.key)
        if folders.setdefault(names, cell.key) != cell.key:
            one, other = folders[names], cell.key
            raise ConfigError(
                f"cells {' / '.join(map(str, one))} and {' / '.join(map(str, other))} differ only in characters that "
                "folder names cannot tell apart: rename one."
            )


def _units(cells: Sequence[Cell], done: set[tuple[str, str, str, int]], out: Path, threads: int) -> Iterator[Unit]:
    """Yield the work that is left; the cell that is trained leads its unit even where it is judged already."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.training, []).append(cell)
    for group in groups.values():
        left = [cell for cell in group if cell.key not in done]
        if left:
            others = [cell for cell in left if cell is not group[0]]
            yield Unit((group[0], *others), out, threads)


def _work(units: Sequence[Unit], jobs: int, screen: Screen) -> Iterator[Done]:
    if jobs == 1:
        for unit in units:
            screen.started(unit)
            yield do(unit)
        return
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    waiting, running = list(units), dict[Future[Done], Unit]()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                unit = waiting.pop(0)
                running[pool.submit(do, unit)] = unit
                screen.started(unit)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                unit = running.pop(future)
                error = future.exception()
                yield future.result() if error is None else Done(unit, [], [], f"{type(error).__name__}: {error}")
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
