import html
import json
import re
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest

from strandwise.errors import OutputError
from strandwise.report import write_page
from strandwise.report.page import headline

HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture
def page_of(tmp_path):
    def write(run):
        path = tmp_path / "report.html"
        write_page(run, path)
        return path.read_text(encoding="utf-8")

    return write


def figures_of(page):
    return json.loads(page.split('id="figures">')[1].split("</script>")[0])


def test_numbers_on_the_page_are_those_given(page_of, make_run):
    run = make_run()
    shown = set(re.findall(r'data-value="([^"]*)"', page_of(run)))
    head = run.metrics["heads"]["binding"]
    given = [value for values in head["tracks"].values() for value in (values["auroc"], values["aupr"])]
    given += [*head["mean"].values(), run.deviation]
    assert {repr(value) for value in given} <= shown
    assert "interval 0.851 to 0.892" in page_of(run)


def test_probabilities_have_a_reliability_diagram_with_its_numbers(page_of, make_run, make_calibrated):
    page = page_of(make_calibrated())
    figure = next(figure for figure in figures_of(page) if figure["id"] == "reliability")
    assert [trace["name"] for trace in figure["traces"]] == ["calibrated", "CTCF", "SPI1"]
    assert re.search(r'id="reliability" role="img" aria-label="Reliability diagram of CTCF, SPI1: [^"]+"', page)
    table = page.split("Reliability in numbers")[1].split("</table>")[0]
    assert table.count('<th scope="row">CTCF') == len(figure["traces"][1]["x"])
    for word in ("Brier score", "Calibration error", "0.123", "0.046"):
        assert word in page
    identities = re.findall(r'<[^<>]* id="([^"]+)"', page.split("<script>")[0])
    assert len(identities) == len(set(identities))
    assert page.count("<table") == page.count("<caption")
    # What was judged by ranks alone has none.
    assert "Reliability" not in page_of(make_run())


def test_a_hostile_name_never_reaches_the_page_as_markup(page_of, hostile_run):
    page = page_of(hostile_run)
    assert HOSTILE not in page
    assert "<img src=x" not in page
    assert "<b>bold" not in page
    # In plots a name is escaped once for plotly and once for the script.
    names = [trace["name"] for figure in figures_of(page) for trace in figure["traces"]]
    assert html.escape(HOSTILE) in names
    assert not any("<" in name for name in names)
    places = page.count(html.escape(HOSTILE))
    assert places > 12


def test_the_page_loads_nothing(page_of, make_run):
    page = page_of(make_run())
    assert not re.search(r'<(script|link|img|iframe)[^>]+(src|href)="(?!data:,)', page)
    assert "default-src 'none'" in page
    assert "plotly.js v" in page


def test_the_headline_reads_as_a_sentence(make_run):
    assert headline(make_run(tracks=("CTCF",))) == (
        "A shrikumar_chip model with the post-hoc conjoined strategy (trained on both orientations, the two "
        "strands averaged in prediction) predicts CTCF from DNA sequence. It was trained on 12,345 windows "
        "and was judged on 200 windows of the test split on chr8."
    )
    bare = make_run(strategy="mine", data_summary=[], predictions=pd.DataFrame())
    assert headline(bare) == (
        "A shrikumar_chip model with the mine strategy predicts CTCF and SPI1 from DNA sequence. "
        "It was judged on 200 windows of the test split."
    )


def test_a_track_of_one_class_is_na_with_its_reason(page_of, make_run):
    run = make_run()
    tracks = dict(run.metrics["heads"]["binding"]["tracks"])
    tracks["SPI1"] = {"auroc": None, "aupr": None, "n": 200.0, "positives": 0.0}
    head = {**run.metrics["heads"]["binding"], "tracks": tracks}
    predictions = run.predictions.assign(**{"label/SPI1": 0.0})
    page = page_of(make_run(metrics={**run.metrics, "heads": {"binding": head}}, predictions=predictions))
    row = page.split('<th scope="row">SPI1')[1].split("</tr>")[0]
    assert row.count("n/a") == 2
    assert row.count("one class only: no positive window") == 1
    assert "No curve for SPI1" in page
    roc = next(figure for figure in figures_of(page) if figure["id"] == "roc")
    assert [trace["name"] for trace in roc["traces"]] == ["chance", "CTCF"]


def test_a_run_without_anything_to_draw_says_so(page_of, make_run):
    bare = make_run(
        predictions=pd.DataFrame(),
        history=pd.DataFrame(),
        data_summary=[],
        notes=[],
        metrics={"schema_version": 1, "split": "test", "n": None, "heads": {}, "strand": None},
    )
    page = page_of(bare)
    assert figures_of(page) == []
    for reason in ("No curves: the run", "no training history", "no summary of its data", "were not measured"):
        assert reason in page


def test_a_shown_subset_of_windows_is_said_to_be_one(page_of, make_run):
    assert "1,000 windows of each track are shown" in page_of(make_run(n=3000))
    assert "Every window is shown." in page_of(make_run())


def test_every_plot_has_its_place_and_every_table_its_caption(page_of, make_run):
    page = page_of(make_run())
    places = re.findall(r'class="plot[^"]*" id="([^"]+)" role="img" aria-label="[^"]+"', page)
    assert sorted(places) == sorted(figure["id"] for figure in figures_of(page))
    assert page.count("<table") == page.count("<caption")
    identities = re.findall(r'<[^<>]* id="([^"]+)"', page.split("<script>")[0])
    assert len(identities) == len(set(identities))


def test_several_heads_are_told_apart(page_of, make_run):
    run = make_run()
    head = run.metrics["heads"]["binding"]
    page = page_of(make_run(metrics={**run.metrics, "heads": {"binding": head, "marks": head}}))
    assert "Metrics of each track, head marks" in page
    assert "AUROC, binding" in page


def test_a_place_that_cannot_be_written_is_named(make_run, tmp_path):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OutputError, match=r"report\.html: cannot be written"):
        write_page(make_run(), tmp_path / "report.html")


def test_the_report_is_made_without_torch():
    code = "import sys, strandwise.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_page_says_which_epoch_was_kept_and_how_sure_the_intervals_are(page_of, make_run):
    run = make_run()
    metrics = run.metrics | {"bootstrap": {"level": 0.9}}
    provenance = run.provenance | {"best_epoch": 12, "monitor": "valid_auroc"}
    page = page_of(replace(run, metrics=metrics, provenance=provenance))
    assert "The weights are those of epoch 12, the best by valid_auroc." in page
    assert "90% interval" in page
    assert "The weights are those" not in page_of(run)
