from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strandwise.analysis.comparison import Along, Barred, Landscape, Listed, MeanProfile, peak_windows
from strandwise.errors import InputError
from strandwise.experiment.ground import PEAKS, Ground, Terms, Truth, intervals_of
from strandwise.experiment.trial import ITSELF, MEAN, REPLICATE, RIVALS, Trial
from strandwise.genome import BigWig, write_bigwig


@pytest.fixture
def trial(truth: Truth, ground: Ground) -> Trial:
    assert truth.peaks is not None
    peaks = intervals_of(truth.peaks, PEAKS, ground)
    return Trial(truth, ground, peaks, Barred(), Terms(ratios=(1, 2)), 256, 8, 8, (8, 64), 0)


def means(path: Any, frame: pd.DataFrame, bin_bp: int) -> np.ndarray:
    """Coverage in bins, read anew."""
    signal = BigWig(path)
    rows = zip(frame["chrom"], frame["start"], frame["end"], strict=True)
    return np.array([signal.values(c, s, e, 0.0).reshape(-1, bin_bp).mean(1, dtype=float) for c, s, e in rows])


def test_coverage_is_what_the_files_say(trial: Trial) -> None:
    tiles = trial.tiles
    assert len(tiles) == 34134 // 256
    found = trial.measured.landscape.means(tiles.frame, 256, 64)
    np.testing.assert_allclose(found, means(trial.truth.signal, tiles.frame, 64), rtol=1e-5, atol=1e-6)
    assert trial.second is not None
    assert not np.array_equal(trial.second.values["chr4"], trial.measured.landscape.values["chr4"])


def test_half_of_the_windows_have_coverage_by_the_replicate(trial: Trial) -> None:
    places = trial.places()
    highest = means(trial.truth.replicate, trial.tiles.frame, 8).max(1).astype(np.float32)
    assert trial.threshold == np.median(highest)
    expected = trial.tiles.frame[highest > np.float32(trial.threshold)]["start"].tolist()
    assert places["coverage"].frame["start"].tolist() == expected
    assert 0.4 * len(trial.tiles) < len(expected) <= 0.5 * len(trial.tiles)
    alone = replace(trial, truth=replace(trial.truth, replicate=None))
    highest = means(trial.truth.signal, trial.tiles.frame, 8).max(1)
    assert alone.threshold == pytest.approx(np.median(highest), rel=1e-5)


def test_a_threshold_that_none_passes_is_refused(trial: Trial) -> None:
    high = replace(trial, terms=Terms(threshold=1e6))
    with pytest.raises(InputError, match=r"--threshold, 1e\+06: .* the highest is .*Give a lower --threshold"):
        high.places()


def test_a_signal_that_is_the_same_everywhere_is_refused(trial: Trial, tmp_path: Path) -> None:
    write_bigwig(tmp_path / "flat.bw", {"chr4": 34134}, [("chr4", 0, 34134, 2.0)])
    flat = replace(trial, truth=Truth(tmp_path / "flat.bw"), peaks=None)
    with pytest.raises(InputError, match="the median of all windows, 2: no window has"):
        flat.places()


def test_places_without_peaks_have_no_labels(trial: Trial) -> None:
    blind = replace(trial, peaks=None)
    assert list(blind.places()) == ["coverage", "chromosomes"]
    assert np.isnan(blind.tiles.labels).all()
    assert list(trial.places()) == ["peaks", "coverage", "chromosomes"]


def test_rivals_are_there_where_they_can_be(trial: Trial, ground: Ground) -> None:
    found, notes = trial.rivals([], labelled=False)
    assert [who.name for who in found] == [REPLICATE, ITSELF, "GC", "6-letter words", MEAN]
    assert notes == []
    assert {who.name for who in found} <= set(RIVALS)
    found, (note,) = replace(trial, ground=Ground(ground.sizes, None, ground.known)).rivals([], labelled=False)
    assert [who.name for who in found] == [REPLICATE, ITSELF, MEAN]
    assert "add --genome FASTA" in note
    assert trial.peaks is not None
    here = trial.peaks[trial.peaks["chrom"] == "chr4"]
    found, (note,) = replace(trial, peaks=here).rivals([], labelled=False)
    assert [who.name for who in found] == [REPLICATE, ITSELF]
    assert note.startswith("all peaks lie where models are judged")
    for labelled, names, said in (
        (False, [REPLICATE], "nothing is judged by yes or no"),
        (True, [REPLICATE, ITSELF], "no baseline is learned"),
    ):
        found, (note,) = replace(trial, peaks=None).rivals([], labelled=labelled)
        assert [who.name for who in found] == names
        assert said in note


def test_the_mean_profile_is_that_of_other_chromosomes(trial: Trial) -> None:
    profile = next(who for who in trial.rivals([], labelled=False)[0] if isinstance(who, MeanProfile))
    assert trial.peaks is not None
    elsewhere = trial.peaks[trial.peaks["chrom"] != "chr4"]
    sizes = {name: size for name, size in trial.ground.known.items() if name != "chr4"}
    around = peak_windows(elsewhere, sizes, 256, 8)
    np.testing.assert_allclose(profile.profile, means(trial.truth.signal, around, 8).mean(0), rtol=1e-4)


def test_peaks_of_chromosomes_that_were_not_measured_give_no_profile(trial: Trial, tmp_path: Path) -> None:
    write_bigwig(tmp_path / "one.bw", {"chr4": 34134}, [("chr4", 0, 9000, 2.0)])
    alone = replace(trial, truth=Truth(tmp_path / "one.bw"))
    assert MEAN not in [who.name for who in alone.rivals([], labelled=False)[0]]


def table(*starts: int, length: int = 256, **columns: list) -> pd.DataFrame:
    frame = pd.DataFrame({"chrom": "chr4", "start": starts})
    return frame.assign(end=frame["start"] + length, value=1.0, **columns)


def test_tables_are_judged_where_all_of_them_are(trial: Trial) -> None:
    assert trial.peaks is not None
    summit = int(trial.peaks[trial.peaks["chrom"] == "chr4"]["summit"].iloc[3])
    first, second = table(100, summit - 128, 20_000), table(summit - 128, 100, 5)
    found = trial.listed([first, second])
    assert (found.name, sorted(found.frame["start"])) == ("table", sorted([100, summit - 128]))
    assert 1 in found.labels
    with pytest.raises(InputError, match="no window in common"):
        trial.listed([first, table(7)])


def test_tables_bring_labels_where_no_peaks_are_given(trial: Trial) -> None:
    blind = replace(trial, peaks=None)
    labelled = table(300, 100, 200, label=[1.0, 0.0, np.nan])
    found = blind.listed([table(100, 200, 300), labelled])
    np.testing.assert_array_equal(found.labels, [0, np.nan, 1])
    assert np.isnan(blind.listed([table(100, 200)]).labels).all()
    # Peaks that are given are the truth.
    assert trial.listed([labelled]).labels.tolist() != labelled["label"].tolist()


def test_sweeps_are_of_places_that_are_left(trial: Trial) -> None:
    values = trial.measured.landscape.values["chr4"]
    model = Along("model", Landscape(8, {"chr4": values + 0.1}))
    places = trial.places()
    found = trial.sweeps([model, Listed("x", table(0))][:1], places)
    assert set(found) == {"threshold", "smoothing", "imbalance"}
    assert set(found["smoothing"]["width_bp"]) == {0, 64, 256}
    assert found["imbalance"]["ratio"].nunique() == 2
    assert set(trial.sweeps([model], {"peaks": places["peaks"]})) == {"imbalance"}
    assert trial.sweeps([model], {}) == {}
    assert set(replace(trial, terms=Terms(ratios=(1,))).sweeps([model], places)) == {"threshold", "smoothing"}
