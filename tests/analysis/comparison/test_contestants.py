from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandwise.analysis.comparison import Along, Landscape, Listed, MeanProfile, Places, Scored, contestants


def random_landscape(size: int, bin_bp: int, seed: int = 0) -> Landscape:
    return Landscape(bin_bp, {"chr1": np.random.default_rng(seed).normal(size=-(-size // bin_bp)).astype(np.float32)})


def slow_inside(values: np.ndarray, step: int, reads: int, start: int, length: int) -> list[float]:
    """What is said of windows, each around a bin, that lie in one that is judged; else of those nearest its middle."""
    asked = {at: at * step + step // 2 - reads // 2 for at in range(len(values))}
    found = [at for at, first in asked.items() if first >= start and first + reads <= start + length]
    if not found:
        away = {at: abs((at + 0.5) * step - (start + length / 2)) for at in range(len(values))}
        found = [at for at in away if away[at] <= min(away.values()) + 1e-9]
    return [float(values[at]) for at in found]


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 12), st.integers(1, 60), st.integers(1, 60), st.lists(st.integers(0, 140), min_size=1, max_size=4)
)
def test_windows_within_a_window_are_those_that_lie_in_it(
    step: int, reads: int, length: int, starts: list[int]
) -> None:
    # Of windows whose own middles lie on the chromosome.
    landscape = random_landscape(200, step)
    frame = pd.DataFrame({"chrom": "chr1", "start": starts, "end": np.array(starts) + length})
    places = Places("table", frame, length, np.zeros(len(starts), np.float32))
    who = Along("x", landscape, about_bp=reads)
    amounts = who.amounts(places, length)
    assert amounts is not None
    for row, start in enumerate(starts):
        said = slow_inside(landscape.values["chr1"], step, reads, start, length)
        assert who.scores(places)[row] == pytest.approx(max(said), rel=1e-6)
        assert amounts[row, 0] == pytest.approx(np.mean(said), rel=1e-5, abs=1e-6)


def test_rows_read_apart_say_the_same(windows: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    who, places = Along("x", random_landscape(5000, 10), about_bp=50), windows(np.arange(0, 4000, 130), 200)
    whole = who.scores(places)
    monkeypatch.setattr(contestants, "AT_ONCE", 40)
    np.testing.assert_array_equal(who.scores(places), whole)


def test_what_says_nothing_of_a_window_within_says_nothing(windows: Callable) -> None:
    landscape = random_landscape(1000, 10)
    landscape.values["chr1"][5] = np.nan
    places = windows([0, 100], 100)
    for who in (Along("x", landscape, about_bp=20), Along("x", landscape), Along("x", landscape, highest=True)):
        assert np.isnan(who.scores(places)).tolist() == [True, False]
        amounts = who.amounts(places, 100)
        assert amounts is not None
        assert np.isnan(amounts[:, 0]).tolist() == [True, False]


def test_a_model_longer_than_the_window_is_read_at_its_middle_from_either_strand(windows: Callable) -> None:
    values = np.arange(20, dtype=np.float32)
    places, mirrored = windows([40], 40), windows([200 - 80], 40)
    forward = Along("x", Landscape(10, {"chr1": values}), about_bp=100)
    reverse = Along("x", Landscape(10, {"chr1": values[::-1]}), about_bp=100)
    # The middle, 60, is the border of bins 5 and 6.
    assert forward.scores(places) == reverse.scores(mirrored) == 6
    assert forward.amounts(places, 40) == reverse.amounts(mirrored, 40) == 5.5


def test_bins_are_answered_where_they_are_the_landscapes_own(windows: Callable) -> None:
    landscape, places = random_landscape(1000, 20), windows([0, 100], 200)
    who = Along("x", landscape)
    found = who.amounts(places, 40)
    assert found is not None
    np.testing.assert_allclose(found[1], landscape.values["chr1"][5:15].reshape(5, 2).mean(1), rtol=1e-6)
    assert who.amounts(places, 10) is None
    assert who.amounts(places, 50) is None
    np.testing.assert_allclose(who.scores(places)[1], landscape.values["chr1"][5:15].mean(), rtol=1e-5)
    # Bins of others that begin between its own are not its answer; a window as a whole is.
    assert who.amounts(windows([110], 200), 40) is None
    whole = who.amounts(windows([110], 200), 200)
    assert whole is not None
    bases = np.repeat(landscape.values["chr1"], 20)
    assert whole[0, 0] == pytest.approx(bases[110:310].mean(), rel=1e-5)


def test_yes_or_no_of_bins_is_scored_by_the_highest(windows: Callable) -> None:
    landscape, places = random_landscape(1000, 20), windows([100], 200)
    who = Along("x", landscape, highest=True)
    assert who.scores(places)[0] == landscape.values["chr1"][5:15].max()
    assert who.bin_bp == 20
    fine = who.amounts(places, 20)
    assert fine is not None
    np.testing.assert_array_equal(fine[0], landscape.values["chr1"][5:15])


def test_the_signal_itself_is_a_classifier_alone(windows: Callable) -> None:
    who = Along("x", random_landscape(1000, 10), "ceiling", classifier_only=True)
    assert who.amounts(windows([0], 100), 100) is None
    assert len(who.scores(windows([0], 100))) == 1
    assert who.bin_bp is None


def test_a_rule_reads_each_window_once(windows: Callable) -> None:
    asked: list[int] = []

    def rule(frame: pd.DataFrame) -> np.ndarray:
        asked.extend(frame["start"])
        return frame["start"].to_numpy() * 2.0

    who = Scored("x", rule)
    assert who.scores(windows([0, 10, 20], 10)).tolist() == [0, 20, 40]
    assert who.scores(windows([20, 30, 0], 10)).tolist() == [40, 60, 0]
    # Another length is another window.
    assert who.scores(windows([30], 20)).tolist() == [60]
    assert asked == [0, 10, 20, 30, 30]
    whole = who.amounts(windows([10], 10), 10)
    assert whole is not None
    assert whole.tolist() == [[20]]
    assert who.amounts(windows([10], 10), 5) is None


def test_a_list_speaks_of_its_own_windows(windows: Callable) -> None:
    table = windows([5, 105, 3], 100).frame.assign(value=[1.0, 2.0, 3.0])
    said = Listed("x", table).scores(windows([105, 50, 5], 100))
    np.testing.assert_array_equal(said, [2, np.nan, 1])


def test_the_mean_profile_speaks_of_bins_around_peaks(windows: Callable) -> None:
    who = MeanProfile(np.arange(8, dtype=np.float32), 10)
    around = windows([0, 200], 80, name="peaks")
    found = who.amounts(around, 20)
    assert found is not None
    assert found.tolist() == [[0.5, 2.5, 4.5, 6.5]] * 2
    assert who.scores(around) is None
    # Not finer, not of windows as a whole, and not elsewhere.
    assert [who.amounts(around, bin_bp) for bin_bp in (5, 80)] == [None, None]
    assert who.amounts(windows([0], 80), 20) is None
