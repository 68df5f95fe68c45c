import html
import json
import re

import pandas as pd
import pytest

from strandwise.errors import InputError
from strandwise.report import write_comparison
from strandwise.report.comparison import MOST_TRACKS, headline, run_table, track_table, warnings, with_distinct_names

HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture
def page_of(tmp_path):
    def write(runs):
        path = tmp_path / "comparison.html"
        write_comparison(runs, path)
        return path.read_text(encoding="utf-8")

    return write


def figures_of(page):
    return json.loads(page.split('id="figures">')[1].split("</script>")[0])


def best_of(table):
    return {(row.name, table.columns[i]) for row in table.rows for i, cell in enumerate(row.cells) if cell.best}


def test_the_best_of_each_column_is_marked(make_run):
    table = run_table([make_run("a", seed=1), make_run("b", seed=2)], "binding")
    assert best_of(table) == {("b", "AUROC"), ("a", "AUPR"), ("b", "AUPR"), ("a", "Strand deviation")}
    assert table.rows[1].detail == "post-hoc conjoined, shrikumar_chip"
    assert table.rows[0].cells[-1].text == "48,213"


def test_a_lone_run_is_not_called_the_best(make_run):
    assert best_of(run_table([make_run()], "binding")) == set()


def test_the_best_run_of_each_track_is_marked_among_those_that_have_it(make_run):
    table = track_table([make_run("a", seed=1), make_run("b", tracks=("CTCF",), seed=2), make_run("c")], "auroc")
    assert best_of(table) == {("CTCF", "b"), ("SPI1", "a")}
    missing = next(row for row in table.rows if row.name == "SPI1").cells[1]
    assert (missing.text, missing.why) == ("n/a", "not a track of this run")


def test_runs_of_one_name_are_numbered(make_run):
    runs = with_distinct_names([make_run("a"), make_run("b"), make_run("a")])
    assert [run.name for run in runs] == ["a (1)", "b", "a (2)"]


def test_a_comparison_across_different_windows_warns(make_run):
    first = make_run("a")
    assert warnings([first, make_run("b", seed=3)]) == []
    moved = first.predictions.assign(start=first.predictions["start"] + 1)
    assert "b and a were not judged on the same windows" in warnings([first, make_run("b", predictions=moved)])[0]
    assert "no predictions" in warnings([first, make_run("b", predictions=pd.DataFrame())])[0]
    other_split = make_run("b", metrics={**first.metrics, "split": "valid"})
    assert "different splits (test, valid)" in warnings([first, other_split])[0]


def test_labels_kept_as_whole_numbers_are_the_same_labels(make_run):
    first = make_run("a")
    whole = first.predictions.astype({"label/CTCF": "int8", "start": "int32"})
    assert warnings([first, make_run("b", predictions=whole)]) == []


def test_curves_of_every_run_lie_over_each_other(page_of, make_run):
    page = page_of([make_run("a"), make_run("b", seed=2)])
    drawn = {figure["id"]: figure["traces"] for figure in figures_of(page)}
    assert [trace["name"] for trace in drawn["roc-1"]] == ["chance", "a", "b"]
    assert [trace["name"] for trace in drawn["precision-recall-0"]] == ["chance", "a", "b"]
    assert drawn["precision-recall-0"][0]["y"] == [0.25, 0.25]
    assert [trace["x"] for trace in drawn["mean-0-auroc"]] == [[0.87654], [0.87854]]
    places = re.findall(r'class="plot[^"]*" id="([^"]+)" role="img"', page)
    assert sorted(places) == sorted(drawn)


def test_what_is_not_drawn_is_said(page_of, make_run):
    tracks = [f"t{i}" for i in range(MOST_TRACKS + 1)]
    page = page_of([make_run(f"run{i}", tracks=tracks, n=40) for i in range(9)])
    assert "The first 8 of 9 runs are drawn" in page
    assert "12 of 13 tracks are drawn" in page


def test_a_hostile_name_never_reaches_the_page_as_markup(page_of, hostile_run, make_run):
    page = page_of([hostile_run, hostile_run, make_run()])
    assert HOSTILE not in page
    assert "<img src=x" not in page
    assert page.count(html.escape(HOSTILE)) > 12


def test_the_headline_counts_what_is_compared(make_run):
    assert headline([make_run("a"), make_run("b", strategy="rcps")]) == (
        "2 runs of the shrikumar_chip model with 2 strand strategies, predicting CTCF and SPI1 from DNA sequence."
    )


def test_nothing_to_compare_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least one run"):
        write_comparison([], tmp_path / "comparison.html")
