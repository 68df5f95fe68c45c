from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field, PositiveInt, ValidationError, model_validator

from strandwise.schema import Settings, explain, table_in


class Inner(Settings):
    width: PositiveInt = 3
    names: tuple[str, ...] = ()
    kind: Literal["a", "b"] | float = "a"
    path: Path | None = None
    groups: tuple[tuple[int, ...], ...] | None = None

    @model_validator(mode="after")
    def _fits(self) -> "Inner":
        if self.width > 100:
            raise ValueError(f"width {self.width} is too wide: make it 100 or less")
        return self


class Outer(Settings):
    title: str
    inner: Inner = Field(default_factory=Inner)
    several: tuple[Inner, ...] = ()
    maybe: Inner | None = None


def said(table: dict[str, Any], prefix: str = "") -> str:
    with pytest.raises(ValidationError) as raised:
        Outer.model_validate({"title": "x"} | table)
    return explain(raised.value, Outer, prefix)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"inner": {"widht": 3}}, "inner.widht is not a known key (did you mean 'width'?)"),
        ({"several": [{}, {"widht": 3}]}, "several[2].widht is not a known key (did you mean 'width'?)"),
        ({"maybe": {"widht": 3}}, "maybe.widht is not a known key (did you mean 'width'?)"),
        ({"xyzzy": 1}, "xyzzy is not a known key (known keys: title, inner, several, maybe)"),
        ({"inner": {"width": "x"}}, "inner.width = 'x': input should be a valid integer, unable to parse"),
        ({"inner": {"width": 0}}, "inner.width = 0: input should be greater than 0"),
        ({"inner": {"width": 101}}, "inner: width 101 is too wide: make it 100 or less"),
        ({"inner": {"kind": "c"}}, "inner.kind = 'c': input should be 'a' or 'b', or input should be a valid number"),
        ({"inner": {"names": "chr1"}}, "inner.names = 'chr1': write a list, as in [\"chr1\"]"),
        ({"inner": {"names": 1.5}}, "inner.names = 1.5: write a list, as in [...]"),
        ({"inner": {"groups": [1]}}, "inner.groups[1] = 1: write a list, as in [1]"),
        ({"inner": {"groups": [[1, "x"]]}}, "inner.groups[1][2] = 'x': input should be a valid integer"),
        ({"inner": {"path": 5}}, "inner.path = 5: write a path in quotes"),
        ({"inner": 5}, "inner = 5: write a table with keys of its own"),
        ({"several": {"width": 3}}, "several = {'width': 3}: begin each of these tables with [[several]]"),
        ({"title": "x" * 500, "inner": {"width": "y" * 500}}, f"inner.width = '{'y' * 79}...: "),
    ],
)
def test_a_fault_is_said_with_its_key_its_value_and_the_fix(table: dict[str, Any], message: str) -> None:
    assert said(table).startswith(message)


def test_every_fault_is_said() -> None:
    text = said({"inner": {"width": 0, "widht": 1}, "more": 2})
    assert text.count("; ") == 2
    for piece in ("inner.width = 0", "inner.widht is not", "more is not"):
        assert piece in text


def test_a_missing_key_is_said() -> None:
    with pytest.raises(ValidationError) as raised:
        Outer.model_validate({})
    assert explain(raised.value, Outer) == "title is missing: add it"


def test_a_table_of_a_larger_one_is_named() -> None:
    with pytest.raises(ValidationError) as raised:
        Inner.model_validate({"width": -1, "widht": 2})
    text = explain(raised.value, Inner, prefix="model")
    assert text == (
        "model.width = -1: input should be greater than 0; model.widht is not a known key (did you mean 'width'?)"
    )


def test_settings_are_frozen_closed_and_finite() -> None:
    settings = Inner()
    with pytest.raises(ValidationError, match="frozen"):
        settings.width = 5
    with pytest.raises(ValidationError, match="finite"):
        Inner(kind=float("inf"))


def test_defaults_are_checked_as_values_are() -> None:
    class Wrong(Settings):
        width: PositiveInt = -1

    with pytest.raises(ValidationError, match="greater than 0"):
        Wrong()


@pytest.mark.parametrize(
    ("annotation", "table"),
    [(Inner, Inner), (Inner | None, Inner), (tuple[Inner, ...], Inner), (dict[str, Inner], Inner), (int, None)],
)
def test_the_table_in_an_annotation_is_found(annotation: Any, table: type | None) -> None:
    assert table_in(annotation) is table
