import numpy as np
import pytest

from strandwise.data.simulation.signal import REACH_BP, accessibility, tag_profile, tag_rates


def rates_of(strand: int, length: int, start: int, width: int) -> np.ndarray:
    one = np.array
    return tag_rates(length, one([start]), one([start + width]), one([strand]), one([10.0]), 0.0)


@pytest.mark.parametrize("width", [6, 15])
def test_a_minus_site_is_the_exact_mirror_of_a_plus_site(width):
    length, start = 300, 140
    plus = rates_of(1, length, start, width)
    minus = rates_of(-1, length, length - start - width, width)
    np.testing.assert_allclose(minus, plus[::-1, ::-1])
    np.testing.assert_allclose(plus.sum(axis=1), 10)


def test_plus_tags_lie_upstream_and_minus_tags_downstream():
    plus, minus = tag_profile()
    assert plus[:REACH_BP].sum() > 0.99
    assert minus[REACH_BP + 1 :].sum() > 0.99
    # The strands differ by more than a mirror, so a profile tells which way a site points.
    assert np.abs(plus - minus[::-1]).sum() > 0.1


def test_tags_add_up_and_stop_at_the_ends():
    several = tag_rates(
        200,
        np.array([2, 100, 190]),
        np.array([8, 106, 196]),
        np.array([1, -1, 1]),
        np.array([1.0, 2, 4]),
        0.5,
    )
    single = [
        tag_rates(200, np.array([s]), np.array([s + 6]), np.array([d]), np.array([t]), 0.0)
        for s, d, t in [(2, 1, 1.0), (100, -1, 2.0), (190, 1, 4.0)]
    ]
    np.testing.assert_allclose(several, 0.5 + sum(single))
    assert several.shape == (2, 200)


def test_accessibility_is_high_in_open_regions_and_low_elsewhere():
    length, centres = 20_005, np.array([3, 5_000, 15_000, 20_001])
    signal = accessibility(np.random.default_rng(0), length, centres)
    assert signal.shape == (2_001,)
    assert (signal >= 0).all()
    at = (np.arange(2_001) * 10 + 4.5)[:, None] - centres
    near, far = np.abs(at).min(axis=1) < 30, np.abs(at).min(axis=1) > 300
    assert signal[near].min() > signal[far].max()
    # Neighbouring bins of the floor share most of their noise.
    assert np.corrcoef(signal[far][:-1], signal[far][1:])[0, 1] > 0.6
