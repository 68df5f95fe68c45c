import pytest

from strandwise import errors
from strandwise.errors import (
    ConfigError,
    InputError,
    OutputError,
    RunError,
    StoppedError,
    StrandLawError,
    StrandwiseError,
    did_you_mean,
    listing,
)


def test_one_tree_holds_every_error() -> None:
    found = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert found == {StrandwiseError, ConfigError, InputError, StrandLawError, RunError, StoppedError, OutputError}
    assert all(issubclass(kind, StrandwiseError) for kind in found)
    drawn = errors.__doc__ or ""
    assert all(kind.__name__ in drawn for kind in found)


def test_wrong_values_are_value_errors_too() -> None:
    assert issubclass(InputError, ValueError)
    assert issubclass(StrandLawError, ValueError)


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("chrom1", ["chr1", "chrX"], " (did you mean 'chr1'?)"),
        ("TRAINING", ["training", "model"], " (did you mean 'training'?)"),
        ("xyzzy", ["training", "model"], ""),
        ("", ["training"], ""),
        ("x", [], ""),
        ("epoch", iter(["epochs"]), " (did you mean 'epochs'?)"),
    ],
)
def test_the_nearest_name_is_offered(name: str, known: list[str], hint: str) -> None:
    assert did_you_mean(name, known) == hint


@pytest.mark.parametrize(
    ("names", "most", "text"),
    [
        ([], 6, ""),
        (["a"], 6, "a"),
        ([1, 2, 3], 3, "1, 2, 3"),
        (["a", "b", "c", "d"], 2, "a, b and 2 more"),
        ((letter for letter in "abc"), 1, "a and 2 more"),
    ],
)
def test_long_lists_are_cut(names: list[object], most: int, text: str) -> None:
    assert listing(names, most) == text
