import numpy as np
import pytest

from strandwise.data.signals.halves import as_float16, rounds
from strandwise.errors import InputError


def test_values_that_fit_are_kept() -> None:
    values = np.array([0, 1, -2048, 65504, np.nan, 0.1, 6.2e-5, 2049], np.float32)
    halves = as_float16(values, "x")
    assert halves.dtype == np.float16
    assert np.allclose(halves[[5, 6, 7]], values[[5, 6, 7]], rtol=1 / 1024)
    assert np.array_equal(halves[:5], values[:5].astype(np.float16), equal_nan=True)
    assert rounds(values, halves)
    assert not rounds(values[:5], halves[:5])


@pytest.mark.parametrize(
    ("value", "words"),
    [(65505, "65505 is too large"), (-1e9, "too large"), (1e-9, "1e-09 is too small"), (-1e-7, "small")],
)
def test_values_that_do_not_fit_are_refused(value: float, words: str) -> None:
    with pytest.raises(InputError, match=f"a.bw, chr1: .*{words}.*use float32"):
        as_float16(np.array([1, np.nan, value], np.float32), "a.bw, chr1")
