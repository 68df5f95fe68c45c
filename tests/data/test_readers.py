import numpy as np
import pytest

from strandwise.data.readers import rows_of


@pytest.mark.parametrize("rows", [[], [3], [2, 3, 4], [4, 3, 2], [0, 2, 4], [1, 1, 2], [0, 1, 2, 3, 4]])
def test_rows_are_those_that_numpy_takes(rows: list[int]) -> None:
    values = np.arange(10).reshape(5, 2)
    numbers = np.array(rows, dtype=np.int64)
    assert np.array_equal(rows_of(values, numbers), values[numbers])
    same = np.broadcast_to(np.array([True, False]), (5, 2))
    assert np.array_equal(rows_of(same, numbers), same[numbers])


def test_neighbours_and_equal_rows_are_not_copied() -> None:
    values, rows = np.zeros((100, 3)), np.arange(20, 70)
    assert np.shares_memory(rows_of(values, rows), values)
    assert not np.shares_memory(rows_of(values, rows[::-1]), values)
    same = rows_of(np.broadcast_to(np.True_, (100, 3)), np.array([5, 1, 7]))
    assert (same.shape, same.strides) == ((3, 3), (0, 0))
