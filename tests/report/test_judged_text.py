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
        "places": {"peaks": {"n": 20, "positives": 10, "negatives": 10}},
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
