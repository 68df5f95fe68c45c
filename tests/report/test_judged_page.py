import html
import json
import re

import numpy as np
import pandas as pd
import pytest

from strandwise.report.judged_page import amount_tables, difference_table, score_table, smoothing_table, write_judged

HOSTILE = "</script><img src=x onerror=alert(1)>"
ROLES = {"a": "model", HOSTILE: "model", "replicate": "ceiling", "GC": "baseline", "mean profile": "baseline"}


def row(who, scale, bin_bp, metric, value, low=np.nan, high=np.nan):
    return {
        "places": "peaks",
        "contestant": who,
        "role": ROLES[who],
        "scale": scale,
        "bin_bp": bin_bp,
        "metric": metric,
        "value": value,
        "low": low,
        "high": high,
        "n": 40,
    }


@pytest.fixture
def rows():
    found = []
    for number, who in enumerate([name for name in ROLES if name != "mean profile"]):
        found += [row(who, "yes/no", 0, metric, 0.9 - number / 10, 0.1, 0.95) for metric in ("auroc", "aupr")]
        found.append(row(who, "amount", 256, "pearson", 0.2 + number / 10, 0.1, 0.9))
        if who in ("a", HOSTILE):
            found.append(row(who, "amount", 8, "pearson", 0.5 + number / 10))
            found.append(row(who, "amount", 8, "mse_scaled", 2.0 + number))
    return pd.DataFrame(found)


@pytest.fixture
def record():
    return {
        "contestants": {name: {"role": role, "bin_bp": None, "path": None} for name, role in ROLES.items()},
        "places": {"peaks": {"n": 40, "positives": 20, "negatives": 20, "dropped": {f"nothing said by {HOSTILE}": 3}}},
        "window_bp": 256,
        "truth": {"signal": HOSTILE},
        "chromosomes": {HOSTILE: 1000},
        "bootstrap": {"resamples": 10},
        "notes": [HOSTILE],
    }


@pytest.fixture
def pairs():
    same = {"places": "peaks", "low": 0.01, "high": 0.2}
    found = [
        {**same, "scale": scale, "bin_bp": bin_bp, "metric": metric, "one": one, "other": other, "difference": 0.1}
        for scale, bin_bp, metric in (("yes/no", 0, "auroc"), ("amount", 8, "pearson"), ("amount", 256, "pearson"))
        for one, other in (("a", HOSTILE), ("a", "GC"), ("replicate", "GC"))
    ]
    return pd.DataFrame(found)


@pytest.fixture
def windows():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"places": "peaks", "label": np.arange(40) % 2})
    frame.loc[0, "label"] = np.nan
    return frame.assign(**{f"score/{name}": rng.random(40) for name in ROLES if name != "mean profile"})


@pytest.fixture
def swept(rows):
    part = rows[rows["scale"] == "amount"]
    ratios = rows[rows["metric"] == "aupr"]
    smooth = part[part["bin_bp"] == 8]
    return {
        "threshold": pd.concat([part.assign(threshold=level) for level in (0.0, 2.0)]),
        "imbalance": pd.concat([ratios.assign(ratio=ratio) for ratio in (1, 2)]),
        "smoothing": pd.concat([smooth.assign(width_bp=width) for width in (0, 256)]),
    }


def best(table):
    return {(line.name, table.columns[i]) for line in table.rows for i, cell in enumerate(line.cells) if cell.best}


def test_the_best_model_is_marked_and_never_a_rival(rows, record):
    table = score_table(rows, record)
    assert [line.name for line in table.rows] == [name for name in ROLES if name != "mean profile"]
    assert [line.detail for line in table.rows] == ["model", "model", "what an experiment reaches", "baseline"]
    assert best(table) == {("a", "AUROC"), ("a", "AUPR")}
    fine, whole = amount_tables(rows, record)
    assert "bins of 8 bp" in fine.caption
    assert "256 bp (a window as a whole)" in whole.caption
    # A larger correlation, and a smaller error.
    assert {name for name, _ in best(fine)} == {"a", HOSTILE}
    assert [name for name, _ in best(whole)] == [HOSTILE]
    assert whole.rows[0].cells[0].text == "0.200 (0.100 to 0.900)"
    alone = {**record, "contestants": {"a": record["contestants"]["a"]}}
    assert best(score_table(rows[rows["contestant"] == "a"], alone)) == set()


def test_differences_are_of_models_from_each_other_and_from_rivals(pairs):
    table = difference_table(pairs, "peaks", ["a", HOSTILE])
    assert [line.name for line in table.rows] == [f"a - {HOSTILE}", "a - GC"]
    assert [cell.text for cell in table.rows[0].cells] == ["+0.100 (+0.010 to +0.200)", "", "+0.100 (+0.010 to +0.200)"]
    assert difference_table(pairs, "coverage", ["a"]).rows == []
    assert difference_table(pairs[:0], "peaks", ["a"]).rows == []


def test_smoothing_stands_beside_what_was_smoothed(swept):
    table = smoothing_table(swept["smoothing"])
    assert table.columns == ["as it is", "box of 256 bp"]
    assert [line.detail for line in table.rows] == ["bins of 8 bp"] * 2
    assert smoothing_table(pd.DataFrame()).rows == []


def figures_of(page):
    return json.loads(page.split('id="figures">')[1].split("</script>")[0])


def test_everything_is_on_the_page_and_names_are_text(rows, record, pairs, windows, swept, tmp_path):
    path = tmp_path / "page.html"
    write_judged(record, rows, pairs, swept, windows, path)
    page = path.read_text(encoding="utf-8")
    assert HOSTILE not in page
    assert "<img src=x" not in page
    assert page.count(html.escape(HOSTILE)) > 8
    drawn = {figure["id"]: figure["traces"] for figure in figures_of(page)}
    assert set(drawn) == {
        *("peaks-auroc", "peaks-aupr", "peaks-pearson-8", "peaks-pearson-256", "peaks-roc", "peaks-precision"),
        *("sweep-threshold", "sweep-imbalance"),
    }
    places = re.findall(r'class="plot[^"]*" id="([^"]+)" role="img"', page)
    assert sorted(places) == sorted(drawn)
    # A curve for each that has a score, and a button for each curve.
    assert len([trace for trace in drawn["peaks-roc"] if "meta" in trace]) == 4
    assert 'data-index="4"' not in page
    assert "40 windows of 256 bp, 20 with a peak and 20 without" in page


def test_a_page_without_labels_or_sweeps_is_whole(rows, record, windows, tmp_path):
    about = record["places"]["peaks"] | {"positives": 0, "negatives": 0, "dropped": {}}
    given = record | {"places": {"chromosomes": about}}
    part = rows[rows["scale"] == "amount"].assign(places="chromosomes")
    blind = windows.assign(label=np.nan, places="chromosomes")
    write_judged(given, part, pd.DataFrame(), {"threshold": part[:0]}, blind, tmp_path / "page.html")
    drawn = [figure["id"] for figure in figures_of((tmp_path / "page.html").read_text(encoding="utf-8"))]
    assert drawn == ["chromosomes-pearson-8", "chromosomes-pearson-256"]


@pytest.mark.browser
def test_a_browser_draws_every_plot_and_obeys_no_name(rows, record, pairs, windows, swept, opened, tmp_path):
    write_judged(record, rows, pairs, swept, windows, tmp_path / "page.html")
    dom, console = opened(tmp_path / "page.html")
    assert console == []
    assert len(re.findall(r'class="plot[^"]*js-plotly-plot"', dom)) == 8
    assert not re.search(r"<img[^>]+onerror", dom)
