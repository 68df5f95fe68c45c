from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from strandwise.analysis.comparison import (
    Along,
    Barred,
    Landscape,
    Measured,
    around_peaks,
    imbalance,
    judge,
    levels_of,
    side_by_side,
    smoothing,
    thresholds,
)


@pytest.fixture
def model(measured: Measured) -> Along:
    values = measured.landscape.values["chr1"]
    noise = np.random.default_rng(3).gamma(1, size=len(values))
    return Along("model", Landscape(10, {"chr1": (values * noise).astype(np.float32)}))


def test_each_threshold_is_a_test_set_of_its_own(measured: Measured, model: Along) -> None:
    tiles = side_by_side({"chr1": 400_000}, 200, Barred())
    highest = measured.landscape.means(tiles.frame, 200, 10).max(1)
    levels = [0.0, float(np.median(highest)), 1e9]
    found = thresholds([model], measured, tiles, highest, levels)
    # The last is passed by none, so it has no rows.
    assert found["threshold"].unique().tolist() == levels[:2]
    kept = tiles.take(highest > levels[1])
    alone = judge([model], measured, kept, resamples=0).rows
    part = found[found["threshold"] == levels[1]].drop(columns="threshold").reset_index(drop=True)
    pd.testing.assert_frame_equal(part.drop(columns="places"), alone.drop(columns="places"))
    assert set(part["places"]) == {"coverage"}


def test_levels_let_shares_pass() -> None:
    highest = np.array([0, 1, 2, 3, np.nan])
    assert levels_of(highest, (0, 0.5)) == [0, 1.5]
    assert levels_of(np.array([np.nan])) == []
    assert levels_of(np.zeros(9)) == [0]


PEAKS = pd.DataFrame({"chrom": "chr1", "start": np.arange(1000, 390_000, 40_000)})
PEAKS = PEAKS.assign(end=PEAKS["start"] + 100, summit=PEAKS["start"] + 50)


def test_imbalance_says_what_was_there(measured: Measured, model: Along) -> None:
    sizes = {"chr1": 6000}
    few = PEAKS[:1]

    def balanced(ratio: float):
        return around_peaks(few, sizes, 1000, 500, Barred(), per_peak=ratio)

    found = imbalance([model], measured, balanced, (1, 2, 50, 100))
    # Of 11 windows, 2 touch the peak.
    assert found["ratio"].unique().tolist() == [1, 2, 9]
    assert set(found["scale"]) == {"yes/no"}
    assert not found.duplicated(["ratio", "contestant", "metric"]).any()
    (aupr,) = found[(found["ratio"] == 2) & (found["metric"] == "aupr")]["value"]
    alone = judge([model], measured, balanced(2), resamples=0).rows
    assert aupr == alone[(alone["metric"] == "aupr")]["value"].item()


def test_a_model_of_peaks_alone_has_no_imbalance(measured: Measured, model: Along) -> None:
    values = model.landscape.values["chr1"]
    values[200:] = np.nan
    found = imbalance([model], measured, lambda r: around_peaks(PEAKS, {"chr1": 400_000}, 1000, 500, Barred()), (1, 2))
    assert len(found) == 0
    assert {"ratio", "metric"} <= set(found.columns)


def test_smoothing_is_in_the_bins_that_a_contestant_has(measured: Measured, model: Along, windows: Callable) -> None:
    coarse = Along("coarse", Landscape(40, {"chr1": model.landscape.values["chr1"].reshape(-1, 4).mean(1)}))
    whole = Along("whole", Landscape(200, {"chr1": model.landscape.values["chr1"].reshape(-1, 20).mean(1)}))
    logits = Along("logits", model.landscape, about_bp=50)
    places = windows(np.arange(0, 400_000, 200), 200)
    found = smoothing([model, coarse, whole, logits], measured, places, (20, 50, 200))
    said = {name: part["width_bp"].unique().tolist() for name, part in found.groupby("contestant")}
    assert said == {"model": [0, 20, 50, 200], "coarse": [0, 50, 200]}
    assert set(found[found["contestant"] == "coarse"]["bin_bp"]) == {40}
    truth = measured.landscape.values["chr1"]
    values = model.landscape.values["chr1"]
    rows = found[(found["contestant"] == "model") & (found["metric"] == "pearson")].set_index("width_bp")["value"]
    assert rows[0] == pytest.approx(stats.pearsonr(truth, values)[0], rel=1e-4)
    box = np.convolve(values, np.ones(5), "same") / np.convolve(np.ones(len(values)), np.ones(5), "same")
    assert rows[50] == pytest.approx(stats.pearsonr(truth, box)[0], rel=1e-4)
    assert len(smoothing([whole], measured, places, (20,))) == 0
