import html
import json
import re

import numpy as np
import pytest

from strandwise.errors import OutputError
from strandwise.report import StrandResults, write_strand_page
from strandwise.report.figures import COLOURS, LEAST_DEVIATION
from strandwise.report.strand_page import agreement_table, deviation_table, layer_table

HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture
def page_of(tmp_path):
    def write(results):
        path = tmp_path / "strand.html"
        write_strand_page(results, path)
        return path.read_text(encoding="utf-8")

    return write


def figures_of(page):
    return {figure["id"]: figure for figure in json.loads(page.split('id="figures">')[1].split("</script>")[0])}


def row_of(page, name):
    return page.split(f'<th scope="row">{name}')[1].split("</tr>")[0]


def test_numbers_on_the_page_are_those_given(page_of, make_strands):
    results = make_strands()
    page = page_of(results)
    shown = set(re.findall(r'data-value="([^"]*)"', page))
    given = []
    for head in results.record["heads"].values():
        for found in (head["float32"], *head["float32"]["tracks"].values()):
            given += [*found["logits"].values(), *found["predicted"].values()]
        given += [values[kind] for values in head["float32"]["tracks"].values() for kind in ("pearson", "spearman")]
        given += [found["logits"]["max"] for found in (head["float64"], *head["float64"]["tracks"].values())]
    for layer in results.record["layers"]:
        given += [layer[precision] for precision in ("float32", "float64") if layer[precision] is not None]
    assert {repr(float(value)) for value in given} <= shown
    assert html.escape(results.record["verdict"]) in page
    assert "of 5,000 (test), drawn with seed 3" in page


def test_the_first_break_stands_on_a_card(page_of, make_strands):
    page = page_of(make_strands())
    card = page.split("The law first breaks at")[1].split("</div>")[0]
    assert "conv2" in card
    assert "Conv1d, plain(4)" in card
    kept = page_of(make_strands(first_break=None))
    card = kept.split("The law first breaks at")[1].split("</div>")[0]
    assert "nowhere" in card
    assert "every layer keeps it" in card


def test_every_layer_has_a_row_and_a_place_in_the_plot(page_of, make_strands):
    page = page_of(make_strands())
    plot = figures_of(page)["layers"]
    assert plot["y"]["ticktext"] == ["conv1 Conv1d", "conv2 Conv1d (no law)", "readout bound Dense"]
    assert plot["y"]["tickvals"] == [2, 1, 0]
    single, double = (next(t for t in plot["traces"] if t["name"] == name) for name in ("float32", "float64"))
    assert (single["x"], single["y"]) == ([1e-7, 0.25], [2, 0])
    # An exact agreement stands at the left end, and says that it is one.
    assert (double["x"], double["text"]) == ([LEAST_DEVIATION, 0.25], ["0", "0.25"])
    limits = [trace["x"] for trace in plot["traces"] if trace["mode"] == "lines"]
    assert limits == [[1e-4, 1e-4], [1e-10, 1e-10]]
    row = row_of(page, "conv2")
    assert row.count("n/a") == 2
    assert row.count("follows no law") == 1
    assert "trunk.layers.1.layers.0" in row


def test_each_head_has_its_scatter(page_of, make_strands):
    results = make_strands(heads=("bound", "marks"))
    drawn = figures_of(page_of(results))
    assert list(drawn) == ["layers", "strands-0", "strands-1"]
    given, turned = results.pairs["marks"]
    points = [trace for trace in drawn["strands-1"]["traces"] if trace["mode"] == "markers"]
    assert [trace["name"] for trace in points] == ["CTCF", "SPI1"]
    for c, trace in enumerate(points):
        assert trace["x"] == pytest.approx(given[c], rel=1e-5)
        assert trace["y"] == pytest.approx(turned[c], rel=1e-5)
    assert "Predictions of marks" in page_of(results)


def test_what_is_not_drawn_is_said(page_of, make_strands):
    tracks = [f"t{c}" for c in range(COLOURS + 2)]
    page = page_of(make_strands(tracks=tracks, n=500))
    assert f"The first {COLOURS} of {COLOURS + 2} tracks are drawn." in page
    assert "drawn at random with a fixed seed" in page
    assert all(f'<th scope="row">{track}' in page for track in tracks)
    drawn = figures_of(page)["strands-0"]["traces"]
    assert [len(trace["x"]) for trace in drawn[1:]] == [2000 // COLOURS] * COLOURS
    assert "drawn at random" not in page_of(make_strands())


def test_a_merged_run_lists_the_network_inside(page_of, make_strands):
    inside = make_strands().record["layers"]
    page = page_of(make_strands(one_strand=inside))
    assert "The network on one strand, before the answers are merged" in page
    assert page.count("trunk.layers.1.layers.0") == 2
    assert "The network on one strand" not in page_of(make_strands())


def test_a_hostile_name_never_reaches_the_page_as_markup(page_of, make_strands):
    clean = make_strands(tracks=(HOSTILE, "<b>bold</b>"), heads=(HOSTILE, "<i>"))
    layers = [{**clean.record["layers"][0], "place": HOSTILE, "layer": HOSTILE, "name": HOSTILE, "type": HOSTILE}]
    record = {**clean.record, "verdict": HOSTILE, "notes": [HOSTILE], "layers": layers, "one_strand": layers}
    record |= {"first_break": layers[0], "split": HOSTILE}
    page = page_of(StrandResults(HOSTILE, record, clean.pairs))
    assert HOSTILE not in page
    assert "<img src=x" not in page
    assert "<b>bold" not in page
    assert "<i>" not in page.split("<script>")[0].replace('<i aria-hidden="true">', "")
    assert page.count(html.escape(HOSTILE)) > 12


def test_every_plot_has_its_place_and_every_table_its_caption(page_of, make_strands):
    page = page_of(make_strands(heads=("bound", "marks"), notes=["a note"]))
    places = re.findall(r'class="plot[^"]*" id="([^"]+)" role="img" aria-label="[^"]+"', page)
    assert sorted(places) == sorted(figures_of(page))
    assert page.count("<table") == page.count("<caption")
    identities = re.findall(r'<[^<>]* id="([^"]+)"', page.split("<script>")[0])
    assert len(identities) == len(set(identities))
    assert "default-src 'none'" in page
    assert "<li>a note</li>" in page


def test_tables_leave_out_what_a_head_does_not_have(make_strands):
    head = make_strands().record["heads"]["bound"]
    assert agreement_table(head["float32"]).columns == ["Pearson r", "Spearman r", "Labels that flip at 0.5"]
    assert agreement_table(head["float32"]).rows[0].cells[2].text == "3 (7.5%)"
    plain = {**head["float32"], "flips": None}
    assert agreement_table(plain).columns == ["Pearson r", "Spearman r"]
    assert all(len(row.cells) == 2 for row in agreement_table(plain).rows)
    flat = {"flips": None, "tracks": {"a": {"pearson": None, "spearman": None}}}
    assert [cell.why for cell in agreement_table(flat).rows[0].cells] == ["the predictions do not vary"] * 2
    assert [row.name for row in deviation_table(head).rows] == ["CTCF", "SPI1", "All tracks"]
    assert all(len(row.cells) == len(deviation_table(head).columns) for row in deviation_table(head).rows)
    one = make_strands(tracks=("CTCF",)).record["heads"]["bound"]
    assert [row.name for row in deviation_table(one).rows] == ["CTCF"]
    assert layer_table("x", []).rows == []


def test_a_place_that_cannot_be_written_is_named(make_strands, tmp_path):
    (tmp_path / "strand.html").mkdir()
    with pytest.raises(OutputError, match=r"strand\.html: cannot be written"):
        write_strand_page(make_strands(), tmp_path / "strand.html")


def test_predictions_that_are_all_the_same_can_be_drawn(page_of, make_strands):
    results = make_strands(tracks=("CTCF",))
    same = {name: (np.full((1, 4), 0.5), np.full((1, 4), 0.5)) for name in results.pairs}
    plot = figures_of(page_of(StrandResults("x", results.record, same)))["strands-0"]
    assert plot["x"]["range"] == [0, 1]
