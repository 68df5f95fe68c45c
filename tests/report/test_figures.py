import math

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score

from strandwise.report import figures


def test_names_reach_plotly_letter_by_letter():
    assert figures.plot_text("<b>x</b>&amp;") == "&lt;b&gt;x&lt;/b&gt;&amp;amp;"
    assert len(figures.plot_text("x" * 500)) < 60


def test_numbers_that_json_lacks_are_none():
    assert figures.numbers([1, math.nan, math.inf, 0.123456789]) == [1.0, None, None, 0.123457]


def test_a_drawn_curve_has_the_area_of_its_predictions(make_run):
    run = make_run()
    figure = figures.roc_figure("roc", [(0, "CTCF", figures.roc_series(run, "CTCF"))])
    curve = figure["traces"][1]
    area = np.trapezoid(curve["y"], curve["x"])
    assert area == pytest.approx(roc_auc_score(*run.labelled("CTCF")), abs=1e-3)
    assert (curve["name"], curve["meta"]) == ("CTCF", 0)


def test_reliability_lies_where_scikit_learn_finds_it(make_calibrated):
    run = make_calibrated(tracks=("CTCF", "SPI1"))
    series = [(i, track, run.reliability(track)) for i, track in enumerate(run.tracks)]
    figure = figures.reliability_figure("reliability", series)
    calibrated, first, second = figure["traces"]
    bound, predicted = calibration_curve(*run.labelled("CTCF"), n_bins=10)
    assert first["x"] == pytest.approx(predicted, abs=1e-5)
    assert first["y"] == pytest.approx(bound, abs=1e-5)
    assert sum(int(text.split()[0]) for text in first["text"]) == 200
    assert calibrated["x"] == calibrated["y"] == [0, 1]
    assert (first["meta"], second["meta"], second["name"]) == (0, 1, "SPI1")


def test_many_tracks_are_thinned_from_best_to_worst(make_run):
    tracks = [f"t{i}" for i in range(20)]
    scores = {track: i / 20 for i, track in enumerate(tracks)}
    drawn = figures.drawn_tracks(make_run(tracks=tracks), scores)
    assert len(drawn) == figures.COLOURS
    assert (drawn[0], drawn[-1]) == ("t19", "t0")
    assert figures.drawn_tracks(make_run(), {}) == ["CTCF", "SPI1"]


def test_strand_points_are_pairs_of_one_window(make_run):
    run = make_run(n=5000, tracks=("CTCF", "SPI1"))
    figure = figures.strand_figure("strands", run, run.tracks)
    points = figure["traces"][1:]
    assert sum(len(trace["x"]) for trace in points) == figures.SCATTER_POINTS
    pairs = set(zip(*map(figures.numbers, run.strands("CTCF") or ()), strict=True))
    assert set(zip(points[0]["x"], points[0]["y"], strict=True)) <= pairs
    low, high = figure["x"]["range"]
    assert all(low <= value <= high for trace in points for value in trace["x"] + trace["y"])


def test_a_constant_prediction_still_has_a_range(make_run):
    run = make_run(tracks=("CTCF",))
    same = run.predictions.assign(**{"pred/CTCF": 0.5, "revcomp/CTCF": 0.5})
    figure = figures.strand_figure("strands", make_run(tracks=("CTCF",), predictions=same), ["CTCF"])
    assert figure["x"]["range"] == [0.0, 1.0]


def test_training_is_dotted_in_the_colour_of_validation(make_run):
    columns = {"valid_loss": "validation", "train_loss": "training"}
    first, second = figures.history_figure("loss", make_run().history, columns, "Loss")["traces"]
    assert first["line"]["color"] == second["line"]["color"] == "@c0"
    assert (first["line"]["dash"], second["line"]["dash"]) == ("solid", "dot")


def test_a_gap_in_the_history_stays_a_gap(make_run):
    figure = figures.history_figure("score", make_run().history, {"valid_aupr": "AUPR"}, "Score")
    assert figure["traces"][0]["y"] == [None, 0.4, 0.39]


def test_intervals_reach_from_low_to_high():
    figure = figures.interval_figure("means", [(0, "a", 0.8, (0.7, 0.95)), (1, "b", 0.5, None)], "AUROC")
    first, second = figure["traces"]
    assert first["error_x"]["array"] == pytest.approx([0.15])
    assert first["error_x"]["arrayminus"] == pytest.approx([0.1])
    assert second["error_x"]["array"] == [0.0]
    assert figure["y"]["ticktext"] == ["a", "b"]
    assert first["y"] > second["y"]
