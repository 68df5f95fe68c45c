"""The tables of a comparison as Markdown."""

import pandas as pd
import pytest

from strandwise.analysis.comparison.judging import COLUMNS
from strandwise.report.judged_text import markdown, write_judged_text
from strandwise.report.tables import Row, Table
from strandwise.report.words import Cell

NAN = float("nan")
PAIRS = ["places", "scale", "bin_bp", "metric", "one", "other", "difference", "low", "high"]


@pytest.mark.parametrize("name", ["a|b", "a\\b", "a\nb"])
def test_a_name_stays_in_its_cell(name):
    lines = markdown(Table("Scores", ["AUROC"], [Row(name, [Cell("0.9")])])).splitlines()
    assert len(lines) == 5
    assert lines[-1].replace("\\\\", "").replace("\\|", "").count("|") == 3


def test_every_place_and_contestant_stands_in_the_file(tmp_path):
    rows = pd.DataFrame(
        [
            ("peaks", "ours", "model", "yes/no", 0, "auroc", 0.9, 0.85, 0.95, 20),
            ("peaks", "theirs", "model", "yes/no", 0, "auroc", 0.8, NAN, NAN, 20),
            ("peaks", "ours", "model", "amount", 128, "pearson", 0.5, NAN, NAN, 160),
        ],
        columns=list(COLUMNS),
    )
    record = {
        "contestants": {name: {"role": "model", "bin_bp": None} for name in ("ours", "theirs")},
        "places": {"peaks": {"n": 20, "positives": 10, "negatives": 10, "dropped": {}}},
        "window_bp": 1024,
    }
    pairs = pd.DataFrame([("peaks", "yes/no", 0, "auroc", "ours", "theirs", 0.1, 0.02, 0.2)], columns=PAIRS)
    path = tmp_path / "tables.md"
    write_judged_text(record, rows, pairs, pd.DataFrame(), path)
    text = path.read_text()
    assert "20 windows of 1,024 bp, 10 with a peak and 10 without" in text
    assert "| ours (model) | **0.900 (0.850 to 0.950)** |" in text
    assert "| theirs (model) | 0.800 |" in text
    assert "bins of 128 bp" in text
    assert "+0.100 (+0.020 to +0.200)" in text
    assert "## Resolution" not in text


def test_contestants_with_bins_are_set_against_every_resolution(tmp_path):
    found = {("fine", 32): 0.4, ("fine", 128): 0.5, ("coarse", 128): 0.6}
    rows = pd.DataFrame(
        [("coverage", who, "model", "amount", b, "pearson", r, NAN, NAN, 9) for (who, b), r in found.items()],
        columns=list(COLUMNS),
    )
    record = {
        "contestants": {"coarse": {"role": "model", "bin_bp": 128}, "fine": {"role": "model", "bin_bp": 32}},
        "places": {"coverage": {"n": 9, "positives": 0, "negatives": 0, "dropped": {"touching N": 2}}},
        "window_bp": 1024,
    }
    path = tmp_path / "tables.md"
    write_judged_text(record, rows, pd.DataFrame(columns=PAIRS), pd.DataFrame(), path)
    table = path.read_text().split("## Resolution")[1]
    assert "| judged in 32 bp | judged in 128 bp |" in table
    assert table.index("fine (bins of 32 bp) | 0.400 | 0.500") < table.index("coarse (bins of 128 bp) | n/a | 0.600")
