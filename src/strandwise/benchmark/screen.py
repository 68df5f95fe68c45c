"""A live table of a benchmark's progress on a terminal, a line a cell elsewhere."""

import time
from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from strandwise.benchmark.grid import Grid
from strandwise.benchmark.results import RESULTS, Results
from strandwise.benchmark.work import Done, Unit

Key = tuple[str, str, str, int]


class Screen:
    """Shows how many seeds of each arm are done, what is running, and the means so far."""

    def __init__(self, grid: Grid, store: Results, done: set[Key], say: Callable[[str], None] | None) -> None:
        self.grid, self.store, self.say = grid, store, say
        self.done, self.running, self.failed = set(done), set[Key](), set[Key]()
        console = Console(stderr=True)
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        self._show()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def started(self, unit: Unit) -> None:
        """Take note that a unit is being worked on."""
        self.running |= {cell.key for cell in unit.cells} - self.done
        self._show()

    def finished(self, found: Done) -> None:
        """Take note of what a unit gave."""
        keys = {cell.key for cell in found.unit.cells}
        self.running -= keys
        if found.error:
            self.failed |= keys - self.done
        else:
            self.done |= keys
        self._show()
        if self._live is None and self.say is not None:
            minutes = (time.monotonic() - self._began) / 60
            for key in sorted(keys):
                name = " / ".join(map(str, key))
                self.say(f"{name}: {found.error or self._said(found, key)} ({minutes:.1f} min)")

    def _said(self, found: Done, key: Key) -> str:
        first = found.results[0][4] if found.results else ""
        values = {row[5]: row[7] for row in found.results if tuple(row[:4]) == key and row[4:7:2] == [first, "mean"]}
        return ", ".join(f"{metric} {float(values[metric]):.4f}" for metric in self.grid.metrics if values.get(metric))

    def _show(self) -> None:
        if self._live is None:
            return
        table = Table(title=self.grid.title)
        for name in ("data", "arm", "done", "running", *self.grid.metrics):
            table.add_column(name, justify="left" if name in ("data", "arm") else "right")
        rows = self.store.read(RESULTS)
        rows = rows[rows["track"] == "mean"]
        for data in self.grid.levels[0]:
            for model, strategy in self.grid.arms():
                here = [key for key in self.done if key[:3] == (data.name, model, strategy)]
                busy = [key for key in self.running if key[:3] == (data.name, model, strategy)]
                broken = [key for key in self.failed if key[:3] == (data.name, model, strategy)]
                mine = rows[(rows["data"] == data.name) & (rows["model"] == model) & (rows["strategy"] == strategy)]
                mine = mine[mine["chosen_by"] == mine["chosen_by"].iloc[0]] if len(mine) else mine
                means = [mine.loc[mine["metric"] == metric, "value"].mean() for metric in self.grid.metrics]
                failed = f" ({len(broken)} failed)" if broken else ""
                table.add_row(
                    data.name,
                    self.grid.label(model, strategy),
                    f"{len(here)} / {len(self.grid.seed_list)}{failed}",
                    str(len(busy) or ""),
                    *("" if mean != mean else f"{mean:.4f}" for mean in means),
                )
        self._live.update(table, refresh=True)
