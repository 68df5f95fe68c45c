import numpy as np
import pytest
import scipy.stats

from strandwise.report.tables import data_table, interval_text, metric_table, reliability_table, strand_table


def test_a_metric_table_has_a_row_a_track_and_their_mean(make_run):
    run = make_run()
    table = metric_table(run, "binding")
    assert table.columns == ["Windows", "Positives", "AUROC", "AUPR"]
    assert [row.name for row in table.rows] == ["CTCF", "SPI1", "Mean"]
    assert [cell.text for cell in table.rows[0].cells] == ["200", "50 (25.0%)", "0.871", "0.412"]
    assert table.rows[2].cells[2].exact == "0.87654"
    assert len(metric_table(make_run(tracks=("CTCF",)), "binding").rows) == 1


def test_a_metric_table_shows_intervals_beside_the_numbers(make_run):
    run = make_run()
    run.metrics["heads"]["binding"]["track_ci"] = {"CTCF": {"auroc": [0.8, 0.9], "aupr": [None, None]}}
    run.metrics["bootstrap"] = {"level": 0.95}
    table = metric_table(run, "binding")
    cells = [[cell.text for cell in row.cells[2:]] for row in table.rows]
    assert cells == [["0.871 (0.800 to 0.900)", "0.412"], ["0.881", "0.412"], ["0.877 (0.851 to 0.892)", "0.412"]]
    assert table.rows[0].cells[2].exact == "0.87123"
    assert table.caption == "Metrics of each track; in brackets 95% intervals"


def test_a_metric_table_sets_the_ceiling_below_its_track(make_run):
    run = make_run()
    ceiling = {"tracks": {"SPI1": {"auroc": 0.95, "n": 100.0}}, "mean": {"auroc": 0.95}}
    run.metrics["heads"]["binding"]["ceiling"] = ceiling
    table = metric_table(run, "binding")
    assert [row.name for row in table.rows] == ["CTCF", "SPI1", "SPI1, ceiling", "Mean"]
    assert [cell.text for cell in table.rows[2].cells] == ["100", "", "0.950", ""]
    assert "ceiling" in table.caption
    ceiling["tracks"]["CTCF"] = {"auroc": 0.97}
    table = metric_table(run, "binding")
    assert [row.name for row in table.rows][-2:] == ["Mean ceiling", "Mean"]
    assert [cell.text for cell in table.rows[-2].cells] == ["", "", "0.950", ""]


def test_a_metric_table_sets_the_baseline_above_the_ceiling(make_run):
    run = make_run()
    for kind, score in (("baseline", 0.55), ("ceiling", 0.95)):
        values = {"auroc": score, "n": 200.0}
        tracks = dict.fromkeys(run.tracks, values)
        run.metrics["heads"]["binding"][kind] = {"tracks": tracks, "mean": {"auroc": score}}
    table = metric_table(run, "binding")
    names = ["CTCF", "CTCF, baseline", "CTCF, ceiling", "SPI1", "SPI1, baseline", "SPI1, ceiling"]
    assert [row.name for row in table.rows] == [*names, "Mean baseline", "Mean ceiling", "Mean"]
    assert [cell.text for cell in table.rows[1].cells] == ["200", "", "0.550", ""]
    assert table.rows[-3].cells[2].text == "0.550"
    assert "; baseline: what the mean of all measured profiles scores" in table.caption
    assert "; ceiling: what the second replicate scores" in table.caption


def test_reliability_in_numbers(make_calibrated):
    run = make_calibrated()
    table = reliability_table(run, ["SPI1", "CTCF"])
    assert table.columns == ["Windows", "Mean prediction", "Share positive"]
    assert table.rows[0].name == "SPI1"
    expected = [*run.reliability("SPI1"), *run.reliability("CTCF")]
    shown = [[float(cell.exact) for cell in row.cells] for row in table.rows]
    assert shown == pytest.approx(np.array(expected)[:, [2, 0, 1]])


def test_the_strand_table_agrees_with_scipy(make_run):
    run = make_run(tracks=("CTCF",))
    given, turned = run.strands("CTCF")
    shown = [float(cell.exact) for cell in strand_table(run, ["CTCF"]).rows[0].cells]
    apart = np.abs(given - turned)
    expected = [scipy.stats.pearsonr(given, turned)[0], np.median(apart), apart.max()]
    assert shown == pytest.approx(expected)


def test_predictions_that_do_not_vary_have_no_correlation(make_run):
    run = make_run(tracks=("CTCF",))
    same = make_run(tracks=("CTCF",), predictions=run.predictions.assign(**{"pred/CTCF": 0.5}))
    assert strand_table(same, ["CTCF"]).rows[0].cells[0].why == "the predictions do not vary"


def test_the_data_table_spreads_nested_counts(make_run):
    table = data_table(make_run())
    assert table.columns == ["Windows", "CTCF positives"]
    assert [cell.text for cell in table.rows[0].cells] == ["12,345", "678"]


def test_an_interval_without_numbers_says_so():
    assert interval_text([0.85111, 0.89222]) == "interval 0.851 to 0.892"
    assert interval_text([0.85111, 0.89222], 0.95) == "95% interval 0.851 to 0.892"
    for missing in (None, [None, None], [0.1, float("nan")], []):
        assert interval_text(missing) == "no interval"
