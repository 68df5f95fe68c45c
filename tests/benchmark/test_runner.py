import re
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pandas as pd
import pytest
import torch

from strandwise.benchmark import Grid, benchmark, runner
from strandwise.benchmark.grid import Comparison
from strandwise.benchmark.results import CURVES, RESULTS
from strandwise.benchmark.work import Done, Unit
from strandwise.errors import ConfigError, InputError, OutputError, RunError, StoppedError
from strandwise.experiment import jobs

ONE = "[[strategies]]\nname = 'rcps'\nset = { 'strand.strategy' = 'rcps' }\n"


def again(finished, **options) -> list[Path]:
    return benchmark(finished.grid, finished.runs, results=finished.store.folder, **options)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def untimed(rows: pd.DataFrame) -> pd.DataFrame:
    """Leave out how long it took, and put rows into an order that does not depend on who was first."""
    rows = rows[rows["metric"] != "training_seconds"] if "metric" in rows else rows
    return rows.sort_values(list(rows.columns[:7]), ignore_index=True)


def drop(finished, strategy: str) -> None:
    """Forget the results of a strategy, as if the grid had not had it."""
    for name in (RESULTS, CURVES):
        path = finished.store.folder / name
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if f",{strategy}," not in line))


def test_every_cell_is_there_once(finished) -> None:
    cells = list(Grid.load(finished.grid).cells())
    table = finished.store.read()
    counts = table.groupby(["data", "model", "strategy", "seed", "chosen_by"]).size()
    assert len(counts) == 2 * len(cells) == 20
    assert set(counts) == {3 * 8 + 2 * 2 + 5}
    assert not table.duplicated(["data", "model", "strategy", "seed", "chosen_by", "metric", "track"]).any()
    assert finished.store.done(cells) == {cell.key for cell in cells}
    curves = finished.store.read(CURVES)
    assert (curves.groupby(["strategy", "seed"])["epoch"].agg(list).map(tuple) == (1, 2)).all()
    assert sorted(files(finished.store.folder)) == [
        "curves.csv",
        "learning.png",
        "results.csv",
        "scores.png",
        "tables.md",
    ]


def test_cells_that_differ_in_prediction_alone_share_a_training(finished) -> None:
    names = [Path(folder).parts[-2] for folder in finished.trained]
    assert names == ["standard", "augmented", "rcps"] * 2
    # Nothing else tells them apart, and prediction does.
    table = finished.store.read()
    means = table[(table["metric"] == "auroc") & (table["track"] == "t0")].groupby("strategy")["value"].agg(tuple)
    assert len(set(means)) == 5


def test_each_finished_cell_is_said_in_a_line(finished) -> None:
    assert len(finished.said) == 10
    table = finished.store.read()
    auroc = table[(table["metric"] == "auroc") & (table["track"] == "mean") & (table["chosen_by"] == "valid_auroc")]
    value = auroc.loc[(auroc["strategy"] == "after the link") & (auroc["seed"] == 1), "value"].item()
    assert any(
        re.fullmatch(rf"data / model / after the link / 1: auroc {value:.4f}, aupr 0\.\d{{4}} \(\d+\.\d min\)", line)
        for line in finished.said
    )


@pytest.mark.parametrize("kept", [True, False], ids=["runs kept", "runs deleted"])
def test_what_is_done_is_never_done_again(
    copied, trained: list[str], monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    if not kept:
        shutil.rmtree(copied.runs)
    before = files(copied.store.folder)
    monkeypatch.setattr(runner, "do", lambda _: pytest.fail("worked again"))
    said: list[str] = []
    written = again(copied, say=said.append)
    assert files(copied.store.folder) == before
    assert (trained, said) == ([], [])
    assert [path.name for path in written] == ["tables.md", "scores.png", "learning.png"]
    assert copied.runs.exists() == kept


def test_a_new_strategy_takes_over_the_weights_that_are_there(copied, finished, trained: list[str]) -> None:
    drop(copied, "post-hoc")
    shutil.rmtree(copied.runs / "data" / "model" / "post-hoc")
    again(copied)
    assert trained == []
    for name in (RESULTS, CURVES):
        pd.testing.assert_frame_equal(untimed(copied.store.read(name)), untimed(finished.store.read(name)))


def test_weights_that_are_gone_are_trained_for_what_is_left_alone(copied, finished, trained: list[str]) -> None:
    drop(copied, "post-hoc")
    shutil.rmtree(copied.runs)
    again(copied)
    assert [Path(folder).parts[-2:] for folder in trained] == [("post-hoc", "seed-0"), ("post-hoc", "seed-1")]
    assert [path.name for path in (copied.runs / "data" / "model").iterdir()] == ["post-hoc"]
    pd.testing.assert_frame_equal(untimed(copied.store.read()), untimed(finished.store.read()))


def test_a_cell_that_was_judged_by_fewer_measures_is_judged_again(copied, finished, trained: list[str]) -> None:
    path = copied.store.folder / RESULTS
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if ",rcps,1,valid_loss," not in line))
    again(copied)
    assert trained == []
    pd.testing.assert_frame_equal(untimed(copied.store.read()), untimed(finished.store.read()))


def test_another_seed_is_trained_alone(copied, trained: list[str], config: Path) -> None:
    grid = config.with_name("more.toml")
    grid.write_text("config = 'config.toml'\nseeds = [1, 2]\nchoose_by = ['valid_auroc', 'valid_loss']\n" + ONE)
    benchmark(grid, copied.runs, results=copied.store.folder)
    assert [Path(folder).parts[-2:] for folder in trained] == [("rcps", "seed-2")]
    tables = (copied.store.folder / "tables.md").read_text()
    assert "| rcps | 2 |" in tables
    assert "| standard |" not in tables
    # What other grids have found stays.
    assert len(copied.store.read().groupby(["strategy", "seed"])) == 11


def test_tables_alone_need_nothing_but_results(copied, trained: list[str], tmp_path: Path) -> None:
    shutil.rmtree(copied.runs)
    grid = tmp_path / "grid.toml"
    grid.write_text(copied.grid.read_text().replace("config.toml", "nowhere.toml"))
    results = copied.store.folder
    before = files(results)
    for name in ("tables.md", "scores.png", "learning.png"):
        (results / name).unlink()
    written = benchmark(grid, tmp_path / "none", results=results, tables_only=True)
    assert files(results) == before
    assert written == [results / name for name in ("tables.md", "scores.png", "learning.png")]
    assert not (tmp_path / "none").exists()
    with pytest.raises(InputError, match="none: holds no results of this grid yet: run it without --tables"):
        benchmark(grid, tmp_path / "none", tables_only=True)
    assert trained == []


def test_results_of_another_config_or_other_data_are_refused(copied, trained: list[str], tmp_path: Path) -> None:
    text = copied.grid.read_text()
    config = Path(shutil.copytree(copied.grid.parent, tmp_path / "project")) / "config.toml"
    grid = config.with_name("grid.toml")
    grid.write_text('set = { "training.epochs" = 3 }\n' + text)
    before = files(copied.store.folder)
    for _ in range(2):
        with pytest.raises(RunError, match=r"results.csv: holds results of .* from another config or other data"):
            benchmark(grid, tmp_path / "out", results=copied.store.folder)
        # The same config now, and a base of the data another.
        grid.write_text(text)
        fasta = config.with_name("valid.fa")
        fasta.write_text(fasta.read_text().replace("A", "C", 1))
    assert (files(copied.store.folder), trained) == (before, [])
    assert not (tmp_path / "out").exists()


def test_several_jobs_find_the_same(finished, config: Path, tmp_path: Path) -> None:
    grid = config.with_name("two.toml")
    others = "[[strategies]]\nname = 'standard'\nset = { 'strand.strategy' = 'standard' }\n"
    grid.write_text("config = 'config.toml'\nseeds = 1\nchoose_by = ['valid_auroc', 'valid_loss']\n" + others + ONE)
    benchmark(grid, tmp_path / "out", jobs=2)
    store = finished.store.__class__(tmp_path / "out")
    for name in (RESULTS, CURVES):
        expected = finished.store.read(name)
        expected = expected[expected["strategy"].isin(["standard", "rcps"]) & (expected["seed"] == 0)]
        pd.testing.assert_frame_equal(untimed(store.read(name)), untimed(expected))


def test_a_training_has_its_share_of_the_threads_that_one_alone_would_have(
    write_grid: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def work(units: list[Unit], *_: object) -> list[Done]:
        seen.extend(unit.threads for unit in units)
        return [Done(unit, [], [], "left out") for unit in units]

    monkeypatch.setattr(runner, "_work", work)
    # As OMP_NUM_THREADS=3 does.
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    for number in (1, 2, 4):
        with pytest.raises(RunError, match="left out"):
            benchmark(write_grid("seeds = 1\n" + ONE), tmp_path / "out", jobs=number)
    assert seen == [3, 1, 1]


def test_what_fails_does_not_stop_the_rest(write_grid: Callable, tmp_path: Path, trained: list[str]) -> None:
    hybrid = "[[strategies]]\nname = 'lifted'\nset = { 'strand.strategy' = 'hybrid' }\n"
    grid = write_grid("seeds = 1\n" + hybrid + ONE)
    said: list[str] = []
    with pytest.raises(RunError) as raised:
        benchmark(grid, tmp_path / "out", say=said.append)
    message = str(raised.value)
    assert message.startswith(
        "1 of 2 trainings failed, the others are kept. data / model / lifted / 0: ConfigError: strand.strategy 'hybrid'"
    )
    assert message.endswith("use strategy 'rcps'.")
    assert [Path(folder).parts[-2] for folder in trained] == ["rcps"]
    tables = (tmp_path / "out" / "tables.md").read_text()
    assert "| rcps | 1 |" in tables
    assert "lifted" not in tables
    assert [line.split(":")[0] for line in said] == ["data / model / lifted / 0", "data / model / rcps / 0"]
    assert "ConfigError: " in said[0]


def test_where_all_fail_all_are_named(write_grid: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no memory left")

    monkeypatch.setattr(jobs, "fit", fails)
    strategies = "".join(
        f"[[strategies]]\nname = '{name}'\nset = {{ 'strand.strategy' = '{name}' }}\n"
        for name in ("augmented", "posthoc", "rcps")
    )
    named = r"0, data / model / posthoc / 0: RuntimeError: no memory left; data / model / rcps / 0: RuntimeError"
    with pytest.raises(RunError, match=rf"2 of 2 trainings failed, .* data / model / augmented / {named}"):
        benchmark(write_grid("seeds = 1\n" + strategies), tmp_path / "out")
    assert not (tmp_path / "out" / RESULTS).exists()


def test_a_benchmark_that_is_stopped_trains_no_further(
    write_grid: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []

    def stopped(*_: object, **__: object) -> None:
        tried.append(1)
        raise SystemExit(1)

    monkeypatch.setattr(jobs, "fit", stopped)
    with pytest.raises(RunError, match="out: the benchmark was stopped: run the same command again to go on") as raised:
        benchmark(write_grid("seeds = 3\n" + ONE), tmp_path / "out")
    assert not isinstance(raised.value, StoppedError)
    assert tried == [1]


@pytest.mark.parametrize(("one", "other"), [("a b", "a_b"), ("A", "a"), ("../x", ":./x"), ("Straße", "STRASSE")])
def test_names_that_no_folder_tells_apart_are_refused(
    write_grid: Callable, tmp_path: Path, trained: list[str], one: str, other: str
) -> None:
    text = "seeds = 1\n" + "".join(f"[[strategies]]\nname = '{name}'\n" for name in (one, other))
    said = f"cells data / model / {one} / 0 and data / model / {other} / 0 differ only in characters that"
    with pytest.raises(ConfigError, match=re.escape(said)):
        benchmark(write_grid(text), tmp_path / "out")
    assert trained == []


def test_a_name_that_would_climb_stays_below_the_folder(write_grid: Callable, tmp_path: Path) -> None:
    text = (
        "seeds = 1\nset = { 'training.epochs' = 1 }\n[[data]]\nname = '../../climbed'\n[[models]]\nname = '/'\n" + ONE
    )
    before = {path.name for path in tmp_path.iterdir()}
    benchmark(write_grid(text), tmp_path / "deep" / "out")
    assert {path.name for path in tmp_path.iterdir()} - before == {"grid.toml", "deep"}
    assert (tmp_path / "deep" / "out" / "______climbed" / "_" / "rcps" / "seed-0" / "config.toml").is_file()


def test_bad_input_is_refused_before_anything_is_trained(
    write_grid: Callable, tmp_path: Path, config: Path, trained: list[str]
) -> None:
    with pytest.raises(InputError, match="--jobs 0: give 1 or more"):
        benchmark(write_grid(ONE), tmp_path / "out", jobs=0)
    missing = f"set = {{ sequences = [{{ fasta = '{config.with_name('tset.fa')}', labels = 'test.tsv' }}] }}\n"
    with pytest.raises(InputError, match=r"tset.fa: no such file .*did you mean 'test.fa'"):
        benchmark(write_grid(ONE + "[[strategies]]\nname = 'last'\n" + missing), tmp_path / "out")
    with pytest.raises(InputError, match=r"training.accelerator = 'tpuu'"):
        benchmark(write_grid("set = { 'training.accelerator' = 'tpuu' }\n" + ONE), tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/results.csv: cannot be written"):
        benchmark(write_grid(ONE), tmp_path / "out", results=tmp_path / "file")
    grid = Grid.load(write_grid(ONE)).model_copy(update={"comparisons": (Comparison(better="x", than=("rcps",)),)})
    with pytest.raises(ConfigError, match="comparisons: arm 'x' is not one of rcps"):
        benchmark(grid, tmp_path / "out")
    assert trained == []
    assert not (tmp_path / "out").exists()


class Pool:
    """A pool whose processes die on one strategy, as when memory runs out, and which then takes no more work."""

    made: list["Pool"] = []

    def __init__(self) -> None:
        self.broken = False
        self.made.append(self)

    def submit(self, job: Callable[[Unit], Done], unit: Unit) -> "Future[Done]":
        if self.broken:
            raise BrokenProcessPool("broken")
        future: Future[Done] = Future()
        if unit.cells[0].strategy == "standard":
            self.broken = True
            future.set_exception(BrokenProcessPool("a process ended"))
        else:
            future.set_result(job(unit))
        return future

    def shutdown(self, **_: object) -> None:
        pass


def test_a_process_that_dies_costs_its_own_cell_alone(
    write_grid: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_pool", lambda _: Pool())
    monkeypatch.setattr(Pool, "made", [])
    doomed = "[[strategies]]\nname = 'standard'\nset = { 'strand.strategy' = 'standard' }\n"
    said = "data / model / standard / 0: its process was ended from outside, perhaps for want of memory"
    with pytest.raises(RunError, match=f"1 of 2 trainings failed, the others are kept. {said}"):
        benchmark(write_grid("seeds = 1\n" + doomed + ONE), tmp_path / "out", jobs=2)
    assert len(Pool.made) == 2
    assert "| rcps | 1 |" in (tmp_path / "out" / "tables.md").read_text()
