"""Every page, opened in a real browser: drawn, silent on the console, and deaf to hostile names."""

import re
import shutil
import subprocess

import pytest

from strandwise.report import write_comparison, write_page, write_strand_page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
    "--virtual-time-budget=5000",
]


@pytest.fixture
def opened(tmp_path):
    """Return a function that opens a page and gives its elements and what the console said."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"no browser on PATH: looked for {', '.join(BROWSERS)}")

    def open_page(path):
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        done = subprocess.run(
            [browser, *QUIET, profile, "--dump-dom", path.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    return open_page


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
