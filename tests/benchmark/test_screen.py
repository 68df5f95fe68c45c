import io
from pathlib import Path

import pytest
from rich.console import Console

from strandwise.benchmark import Grid, screen
from strandwise.benchmark.results import Results
from strandwise.benchmark.screen import Screen
from strandwise.benchmark.work import Done, Unit


@pytest.fixture
def units(finished) -> list[Unit]:
    """Seed 0 of each strategy, alone."""
    return [Unit((cell,), finished.runs, 1) for cell in Grid.load(finished.grid).cells() if cell.seed == 0]


def as_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=100)
    monkeypatch.setattr(screen, "Console", lambda **_: console)
    return shown


def line_of(shown: io.StringIO, arm: str) -> list[str]:
    """The cells of the last line that names an arm, without colours."""
    lines = [line for line in shown.getvalue().splitlines() if f" {arm} " in line]
    return [cell.strip() for cell in lines[-1].strip("│ ").split("│")]


def test_a_terminal_shows_every_arm_with_its_means_so_far(
    finished, units: list[Unit], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = as_on_a_terminal(monkeypatch)
    said: list[str] = []
    grid = Grid.load(finished.grid)
    done = {units[0].cells[0].key}
    with Screen(grid, finished.store, done, said.append) as live:
        assert "Made up" in shown.getvalue()
        live.started(units[1])
        assert line_of(shown, "augmented")[1:4] == ["augmented", "0 / 2", "1"]
        live.finished(Done(units[1], [], []))
        assert line_of(shown, "augmented")[1:4] == ["augmented", "1 / 2", ""]
        live.started(units[4])
        live.finished(Done(units[4], [], [], "RunError: no"))
        assert line_of(shown, "rcps")[1:4] == ["rcps", "0 / 2 (1 failed)", ""]
    table = finished.store.read()
    here = table[(table["strategy"] == "standard") & (table["track"] == "mean") & (table["chosen_by"] == "valid_auroc")]
    means = [f"{here.loc[here['metric'] == metric, 'value'].mean():.4f}" for metric in ("auroc", "aupr")]
    assert line_of(shown, "standard") == ["data", "standard", "1 / 2", "", *means]
    # The table says it all already.
    assert said == []


def test_a_terminal_is_shown_arms_of_which_nothing_is_known(
    finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = as_on_a_terminal(monkeypatch)
    with Screen(Grid.load(finished.grid), Results(tmp_path), set(), None):
        assert line_of(shown, "post-hoc") == ["data", "post-hoc", "0 / 2"]


def test_elsewhere_a_line_is_said_for_each_cell(finished, units: list[Unit], tmp_path: Path) -> None:
    said: list[str] = []
    both = Unit((*units[1].cells, *units[2].cells), tmp_path, 1)
    rows = [[*both.cells[1].key, "valid_auroc", metric, "mean", "0.75", "ff"] for metric in ("auroc", "aupr")]
    rows += [[*both.cells[1].key, "valid_loss", metric, "mean", "0.25", "ff"] for metric in ("auroc", "aupr")]
    rows += [[*both.cells[1].key, "valid_auroc", "auroc", "t0", "0.125", "ff"]]
    with Screen(Grid.load(finished.grid), Results(tmp_path), set(), said.append) as plain:
        plain.started(both)
        plain.finished(Done(both, rows, []))
        plain.finished(Done(units[4], [], [], "RunError: no"))
    assert said == [
        "data / model / augmented / 0:  (0.0 min)",
        "data / model / post-hoc / 0: auroc 0.7500, aupr 0.7500 (0.0 min)",
        "data / model / rcps / 0: RunError: no (0.0 min)",
    ]
