from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from strandwise.data.labels.regions import away_from, drop_covered, unknown_runs
from strandwise.errors import InputError
from strandwise.genome import Genome


def table(rows: list[tuple[str, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chrom", "start", "end"]).astype({"start": "int64", "end": "int64"})


WINDOWS = table([("a", 100 * i, 100 * i + 100) for i in range(4)])


def test_runs_of_n(make_genome: Callable[..., Genome]) -> None:
    genome = make_genome(a="NNACGTNACN", b="ACGT", c="NN")
    expected = [("a", 0, 2), ("a", 6, 7), ("a", 9, 10), ("c", 0, 2)]
    assert list(unknown_runs(genome).itertuples(index=False, name=None)) == expected
    assert list(unknown_runs(genome, ["c"]).itertuples(index=False, name=None)) == expected[3:]
    assert unknown_runs(genome, ["b"]).empty
    with pytest.raises(InputError, match="no chromosome"):
        unknown_runs(genome, [])


def test_more_than_a_tenth_is_dropped_and_counted() -> None:
    unknown = table([("a", 0, 11), ("a", 100, 110)])
    multi = table([("a", 5, 60), ("a", 200, 250), ("b", 0, 400)])
    kept, dropped = drop_covered(WINDOWS, {"unknown": unknown, "multi-mapped": multi})
    assert kept["start"].tolist() == [100, 300]
    assert dropped == {"unknown": 1, "multi-mapped": 1}


def test_half_unmappable_is_dropped() -> None:
    regions = {"unmappable": table([("a", 0, 50), ("a", 100, 149), ("a", 200, 300)])}
    kept, dropped = drop_covered(WINDOWS, regions, 0.5, at_limit="drop")
    assert kept["start"].tolist() == [100, 300]
    assert dropped == {"unmappable": 2}
    assert drop_covered(WINDOWS, regions, 0.5)[0]["start"].tolist() == [0, 100, 300]


@pytest.mark.parametrize("length", [10, 30, 70, 25_000, 4_194_310])
@pytest.mark.parametrize("tenths", range(1, 10))
def test_limits_do_not_suffer_from_binary_fractions(length: int, tenths: int) -> None:
    windows = table([("a", 0, length)])
    exact = length * tenths // 10
    at, over = {"x": table([("a", 0, exact)])}, {"x": table([("a", 0, exact + 1)])}
    assert len(drop_covered(windows, at, tenths / 10)[0]) == 1
    assert len(drop_covered(windows, at, tenths / 10, at_limit="drop")[0]) == 0
    assert len(drop_covered(windows, over, tenths / 10)[0]) == 0


def test_distance_is_the_number_of_bases_between() -> None:
    peaks = table([("a", 130, 150)])
    for distance, expected in ((0, [True, False, True, True]), (30, [True, False, True, True])):
        assert away_from(WINDOWS, peaks, distance).tolist() == expected
    assert away_from(WINDOWS, peaks, 31).tolist() == [False, False, True, True]
    assert away_from(WINDOWS, peaks, 51).tolist() == [False, False, False, True]
    assert away_from(WINDOWS, peaks[:0], 9).all()


def test_a_limit_is_a_share() -> None:
    with pytest.raises(InputError, match=r"limit = 10 is no share"):
        drop_covered(WINDOWS, {}, 10)
    assert np.array_equal(drop_covered(WINDOWS, {})[0], WINDOWS)
