import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from strandwise.benchmark import Cell, Grid
from strandwise.benchmark.results import COLUMNS, CURVES, RESULTS, Results
from strandwise.errors import OutputError, RunError

Key = tuple[str, str, str, int]
KEYS: list[Key] = [("data", "model", "standard", 0), ("data", "model", "rcps", 0), ("data", "model", "rcps", 1)]


def rows(key: Key, value: float = 0.5, config: str = "0123abcd", measure: str = "valid_auroc") -> list[list[object]]:
    """The rows of one cell by one measure, in the order in which a cell is judged."""
    numbers = [("auroc", "t0", value), ("auroc", "mean", value), ("max_deviation", "", 0.0), ("parameters", "", 96)]
    numbers += [("epochs", "", 2), ("training_seconds", "", 1.25)]
    return [[*key, measure, metric, track, f"{number:.7g}", config] for metric, track, number in numbers]


@pytest.fixture
def store(tmp_path: Path) -> Results:
    return Results(tmp_path / "deep" / "results")


@pytest.fixture
def cells(write_grid: Callable[..., Path]) -> list[Cell]:
    text = "seeds = 2\nchoose_by = ['valid_auroc', 'valid_loss']\n"
    for name in ("standard", "rcps"):
        text += f"[[strategies]]\nname = '{name}'\nset = {{ 'strand.strategy' = '{name}' }}\n"
    return list(Grid.load(write_grid(text)).cells())


def test_nothing_is_read_where_there_is_nothing(store: Results) -> None:
    for name, columns in COLUMNS.items():
        assert list(store.read(name).columns) == columns
        assert len(store.read(name)) == 0
    assert not store.folder.exists()


def test_what_is_added_is_read(store: Results) -> None:
    for key in KEYS:
        store.append(RESULTS, rows(key, 0.25))
    table = store.read()
    assert [tuple(row) for row in table[["data", "model", "strategy", "seed"]].drop_duplicates().to_numpy()] == KEYS
    assert (table.loc[table["metric"] == "auroc", "value"] == 0.25).all()
    assert table["value"].dtype == float
    assert table["seed"].dtype == int
    lines = (store.folder / RESULTS).read_text().splitlines()
    assert lines[0] == "data,model,strategy,seed,chosen_by,metric,track,value,config"
    assert lines[1] == "data,model,standard,0,valid_auroc,auroc,t0,0.25,0123abcd"
    assert len(lines) == 1 + 3 * 6


def test_rows_of_a_cell_take_the_place_of_its_old_ones(store: Results) -> None:
    for value in (0.1, 0.2):
        for key in KEYS[:2]:
            store.append(RESULTS, rows(key, value))
    store.append(CURVES, [[*KEYS[0], 1, "0.5", "", "", "nan", "", "0.25"]])
    store.append(CURVES, [[*KEYS[0], epoch, "0.5", "", "", "nan", "", "0.25"] for epoch in (1, 2)])
    table = store.read()
    assert len(table) == 12
    assert (table.loc[table["metric"] == "auroc", "value"] == 0.2).all()
    curves = store.read(CURVES)
    assert curves["epoch"].tolist() == [1, 2]
    assert curves["valid_loss"].isna().all()
    assert curves["valid_auroc"].isna().all()


@pytest.mark.parametrize("name", ["NA", "nan", "None", "null", "1", "007", 'a "quoted", b', "µ|x", "#1", " "])
def test_any_name_comes_back_as_it_was(store: Results, name: str) -> None:
    store.append(RESULTS, rows((name, name, name, 3), config="123456789012"))
    store.append(RESULTS, rows(KEYS[0]))
    table = store.read().iloc[:6]
    for column in ("data", "model", "strategy"):
        assert set(table[column]) == {name}
    assert set(table["config"]) == {"123456789012"}
    assert table["track"].tolist() == ["t0", "mean", "", "", "", ""]


def test_a_number_that_is_missing_is_read_as_such(store: Results) -> None:
    given = rows(KEYS[0])
    given[0][7], given[1][7] = "", "nan"
    store.append(RESULTS, given)
    assert store.read()["value"].iloc[:2].isna().all()


@pytest.mark.parametrize("cut", [1, 5, 40, 100, 250])
def test_a_file_cut_short_is_read_up_to_the_last_whole_cell(store: Results, cut: int) -> None:
    for key in KEYS:
        store.append(RESULTS, rows(key))
    path = store.folder / RESULTS
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    table = store.read()
    assert table["strategy"].tolist() == ["standard"] * 6 + ["rcps"] * 6
    assert set(table["seed"]) == {0}
    store.append(RESULTS, rows(KEYS[2]))
    assert path.read_bytes() == whole


@pytest.mark.parametrize("left", ["", "da", "data,model,strategy,seed,chosen_by,metric,track,value,config"])
def test_a_file_cut_within_its_header_holds_nothing(store: Results, left: str) -> None:
    store.append(RESULTS, rows(KEYS[0]))
    whole = (store.folder / RESULTS).read_bytes()
    (store.folder / RESULTS).write_text(left)
    assert len(store.read()) == 0
    store.append(RESULTS, rows(KEYS[0]))
    assert (store.folder / RESULTS).read_bytes() == whole


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"data,model,strategy", b"date,model,strategy", "its columns are date, model, .* not data, model, .* another"),
        (b",t0,", b",t0,9,", "damaged .line 2 does not hold 9 values.: remove the line, or give another folder"),
        (b"standard,0,", b"standard,zero,", "damaged .*zero.*give another folder"),
        (b"standard,0,", b"standard,,", "damaged .*give another folder"),
        (b",0.5,", b",half,", "damaged .*half"),
        (b"standard", b"stan\xffard", "cannot be read .*utf-8"),
        (b"data,model,standard", b'da"ta,"mod', "cannot be read"),
    ],
)
def test_damage_is_refused(store: Results, old: bytes, new: bytes, said: str) -> None:
    store.append(RESULTS, rows(KEYS[0]))
    path = store.folder / RESULTS
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    with pytest.raises(RunError, match=f"results.csv: {said}"):
        store.read()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match=r"file/results.csv: cannot be written"):
        Results(tmp_path / "file").append(RESULTS, rows(KEYS[0]))
    assert (tmp_path / "file").read_text() == "mine"


def test_a_cell_is_done_once_it_was_judged_by_every_measure(store: Results, cells: list[Cell]) -> None:
    assert store.done(cells) == set()
    half, whole, *_ = cells
    both = [row for name in ("valid_auroc", "valid_loss") for row in rows(whole.key, 0.5, whole.fingerprint, name)]
    store.append(RESULTS, rows(half.key, 0.5, half.fingerprint))
    store.append(RESULTS, both)
    assert store.done(cells) == {whole.key}
    # Rows of cells that are in another grid are left alone.
    store.append(RESULTS, rows(("other", "model", "rcps", 0), 0.5, "ffff"))
    assert store.done(cells) == {whole.key}


def test_results_of_another_config_are_refused(store: Results, cells: list[Cell]) -> None:
    cell = cells[-1]
    store.append(RESULTS, [*rows(cell.key, config=cell.fingerprint), *rows(cell.key, 0.5, "dddd", "valid_loss")])
    said = rf"results.csv: holds results of data / model / rcps / 1 from another config .*dddd, now {cell.fingerprint}"
    with pytest.raises(RunError, match=rf"{said}.: give another folder with --results"):
        store.done(cells)
    assert store.done(cells[:-1]) == set()


def test_the_table_is_what_pandas_reads(store: Results) -> None:
    store.append(RESULTS, rows(KEYS[0], math.pi))
    found = store.read().reset_index(drop=True)
    expected = pd.read_csv(store.folder / RESULTS, keep_default_na=False)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
