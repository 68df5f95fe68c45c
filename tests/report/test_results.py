import numpy as np
import pandas as pd
import pytest

from strandwise.errors import InputError


def test_tracks_are_those_with_labels(make_run):
    assert make_run(tracks=("CTCF", "a/b")).tracks == ["CTCF", "a/b"]
    assert make_run(predictions=pd.DataFrame()).tracks == []


def test_windows_without_a_label_are_left_out(make_run):
    run = make_run(tracks=("CTCF",))
    predictions = run.predictions.assign(**{"label/CTCF": np.where(np.arange(200) < 50, np.nan, 1.0)})
    blank = make_run(tracks=("CTCF",), predictions=predictions)
    assert blank.labelled("CTCF")[0].size == 150
    assert not blank.both_classes("CTCF")
    assert run.both_classes("CTCF")


def test_strands_are_none_where_they_were_not_measured(make_run):
    run = make_run(tracks=("CTCF",))
    assert run.strands("CTCF")[0].size == 200
    without = make_run(tracks=("CTCF",), predictions=run.predictions.drop(columns="revcomp/CTCF"))
    assert without.strands("CTCF") is None
    empty = make_run(tracks=("CTCF",), predictions=run.predictions.assign(**{"revcomp/CTCF": np.nan}))
    assert empty.strands("CTCF") is None


def test_reliability_is_that_of_known_windows_and_of_probabilities_alone(make_run, make_calibrated):
    run = make_calibrated(tracks=("CTCF",))
    table = run.reliability("CTCF")
    assert table[:, 2].sum() == 200
    assert (table[:, :2] >= 0).all()
    assert (table[:, :2] <= 1).all()
    assert make_run().reliability("CTCF") is None
    assert run.reliability("other") is None


@pytest.mark.parametrize("metrics", [{}, {"schema_version": 2, "heads": {}}, {"schema_version": 1}])
def test_another_schema_of_metrics_is_refused(make_run, metrics):
    with pytest.raises(InputError, match="a run: metrics have schema version"):
        make_run(metrics=metrics)


def test_missing_columns_are_named(make_run):
    predictions = make_run().predictions.drop(columns=["start", "pred/SPI1"])
    with pytest.raises(InputError, match="predictions lack the columns start, pred/SPI1"):
        make_run(predictions=predictions)
