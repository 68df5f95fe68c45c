import pytest
import torch

from strandwise.errors import ConfigError
from strandwise.layers import Features, Stack
from strandwise.models.architecture import Bins
from strandwise.models.binning import average_bins, known_bins, middle
from strandwise.strand import plain, regular


def test_bins_are_means_over_the_middle() -> None:
    layers = average_bins(Features(plain(1), 20), Bins(3, 8), 2)
    x = torch.arange(20.0).view(1, 1, 20)
    # Twelve of twenty positions are left, from the fifth on; four positions of 2 bp make a bin.
    assert Stack(*layers)(x).flatten().tolist() == [5.5, 9.5, 13.5]
    assert average_bins(Features(regular(1), 20), Bins(20, 2), 2) == []


def test_the_middle_has_as_much_on_either_side() -> None:
    assert [middle(64, Bins(number, 1), width, 1) for number, width in ((64, 1), (14, 4), (1, 2))] == [0, 4, 31]


@pytest.mark.parametrize(
    ("length", "bins", "position_bp", "words"),
    [
        (64, Bins(10, 3), 2, "whole positions of 2 bp, .*: use bin_bp = 2 or 4 instead of this."),
        (64, Bins(10, 1), 2, "bins of 1 bp are not .*: use bin_bp = 2 instead of this."),
        (1024, Bins(65, 32), 2, "65 bins of 32 bp do not lie in the middle of 1024 positions of 2 bp: use 64 bins."),
        (64, Bins(2, 1), 1, None),
        (64, Bins(3, 1), 1, "3 bins of 1 bp .*: use 2 or 4 bins."),
        (65, Bins(70, 1), 1, "use 65 bins."),
        (65, Bins(4, 2), 1, "use windows of a multiple of 2 bp that are 2 bp or longer."),
        (8, Bins(1, 64), 4, "use windows of a multiple of 8 bp that are 64 bp or longer."),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(
    length: int, bins: Bins, position_bp: int, words: str | None
) -> None:
    features = Features(plain(1), length)
    if words is None:
        assert Stack(*average_bins(features, bins, position_bp)).out_length(length) == bins.number
        return
    with pytest.raises(ConfigError, match=words):
        average_bins(features, bins, position_bp, " instead of this")


def test_bins_must_be_known_where_a_network_depends_on_them() -> None:
    assert known_bins(Bins(3, 4), "this") == (3, 4)
    with pytest.raises(ConfigError, match=r"model 'this' is built for a number of bins.*Bins\(number=64"):
        known_bins(None, "this")
