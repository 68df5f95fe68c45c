import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandwise.data.labels.middle import label_middle
from strandwise.errors import InputError

ROWS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=5)


def table(rows: list[tuple[int, int]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["start", "end"]).astype("int64")
    return frame.assign(chrom="a", end=frame["start"] + frame["end"])


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS, st.integers(1, 20), st.integers(20, 33), st.sampled_from([0, 0.25, 0.5, 0.75]))
def test_labels_are_those_counted_base_by_base(one: list, two: list, middle: int, length: int, share: float) -> None:
    windows = table([(start, length) for start in range(0, 50, 7)])
    peaks = {"one": table(one), "two": table(two)}
    slow = []
    for start in windows["start"]:
        first = start + length // 2 - middle // 2
        row = []
        for frame in peaks.values():
            covered = sum(((frame["start"] <= at) & (at < frame["end"])).any() for at in range(first, first + middle))
            row.append(int(covered / middle > share))
        slow.append(row)
    assert label_middle(windows, peaks, middle, share).tolist() == slow


def test_exactly_half_is_not_enough() -> None:
    windows = table([(0, 1000)])
    assert label_middle(windows, {"t": table([(400, 100)])}).tolist() == [[0]]
    assert label_middle(windows, {"t": table([(400, 101)])}).tolist() == [[1]]
    assert label_middle(windows, {"t": table([(0, 400)]), "u": table([(350, 60), (500, 99)])}).tolist() == [[0, 1]]
    assert label_middle(windows, {}).shape == (1, 0)


def test_lawless_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="middle_bp = 200 of windows of 100 bp"):
        label_middle(table([(0, 100)]), {})
    with pytest.raises(InputError, match=r"share = 1"):
        label_middle(table([(0, 1000)]), {}, share=1)
