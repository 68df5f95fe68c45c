"""The `[imported]` table: names that tell strands."""

import pytest

from strandwise.experiment.imported import ImportedSettings, named_type
from strandwise.strand import stranded, unstranded


def test_names_tell_strands() -> None:
    assert str(named_type(["a", "b"])) == str(unstranded(2))
    assert named_type(["a+", "a-", "b"]).partner == (1, 0, 2)
    assert named_type(["a-", "a+"]).partner == (1, 0)
    # One alone is a name like any other.
    assert named_type(["a+", "b-"]).partner == (0, 1)


@pytest.mark.parametrize("names", [("x+", "x-"), ("x", "y")])
def test_what_it_reads_and_says_turns_by_name(names: tuple[str, ...]) -> None:
    imported = ImportedSettings(source="x", targets=names, inputs=names, answer="profile")
    expected = stranded(1) if "x+" in names else unstranded(2)
    assert imported.target_type == expected
    assert imported.input_type == expected
    assert ImportedSettings(source="x", targets=names).input_type is None
