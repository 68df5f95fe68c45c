"""Every page, opened in a real browser: drawn, silent on the console, and deaf to hostile names."""

import re

import pytest

from strandwise.report import write_comparison, write_page, write_strand_page


def drawn_plots(dom):
    return re.findall(r'class="plot[^"]*js-plotly-plot"', dom)


@pytest.mark.browser
def test_a_page_is_drawn_and_the_console_is_silent(opened, make_run, tmp_path):
    write_page(make_run(), tmp_path / "report.html")
    dom, console = opened(tmp_path / "report.html")
    assert console == []
    assert len(drawn_plots(dom)) == 5
    assert dom.count('class="main-svg"') >= 5
    assert dom.count('class="js-line"') >= 8


@pytest.mark.browser
def test_a_comparison_shows_hostile_names_as_text(opened, hostile_run, make_run, tmp_path):
    write_comparison([hostile_run, make_run("plain")], tmp_path / "comparison.html")
    dom, console = opened(tmp_path / "comparison.html")
    assert console == []
    assert len(drawn_plots(dom)) == 8
    assert "onerror=alert" in dom
    assert not re.search(r"<img[^>]+onerror", dom)


@pytest.mark.browser
def test_a_strand_page_is_drawn_with_every_layer(opened, make_strands, tmp_path):
    write_strand_page(make_strands(tracks=("<img src=x onerror=alert(1)>", "CTCF")), tmp_path / "strand.html")
    dom, console = opened(tmp_path / "strand.html")
    assert console == []
    assert len(drawn_plots(dom)) == 2
    assert "conv2 Conv1d (no law)" in dom
    # 40 windows of two tracks, and two layers with a law in two precisions.
    assert len(re.findall(r'<path class="point"', dom)) == 2 * 40 + 2 * 2
    assert not re.search(r"<img[^>]+onerror", dom)
