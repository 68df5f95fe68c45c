"""The base of every settings table, and the words for what is wrong in one."""

import json
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from strandwise.errors import did_you_mean


class Settings(BaseModel):
    """A table of a config: frozen, and closed to keys it does not know.

    Each part of the package owns the schema of its own table.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


def explain(error: ValidationError, schema: type[BaseModel], prefix: str = "") -> str:
    """Return what is wrong in a config, one line a fault, each with the key, the value and the fix.

    Args:
        error: what pydantic found.
        schema: the table that was read.
        prefix: name of the table, where it is part of a larger one.
    """
    said: dict[str, list[str]] = {}
    for fault in error.errors(include_url=False):
        key, text = _fault(fault, schema, prefix)
        said.setdefault(key, []).append(text)
    # A key that takes one thing or another has a fault for each.
    return "; ".join(f"{key}{', or '.join(dict.fromkeys(texts))}" for key, texts in said.items())


def _fault(fault: Any, schema: type[BaseModel], prefix: str) -> tuple[str, str]:
    """Return the key with its value, and what is wrong with it."""
    given = fault["loc"] if fault["type"] == "extra_forbidden" else _written(fault["loc"], schema)
    location = [*([prefix] if prefix else []), *given]
    key = _dotted(location)
    if fault["type"] == "extra_forbidden":
        known = _keys_beside(schema, fault["loc"])
        hint = did_you_mean(str(location[-1]), known) or f" (known keys: {', '.join(known)})"
        return key, f" is not a known key{hint}"
    if fault["type"] == "missing":
        return key, " is missing: add it"
    if fault["type"] == "value_error":
        return (f"{key}: " if key else ""), str(fault["ctx"]["error"])
    return f"{key} = {_cut(repr(fault['input']))}: ", _plainly(fault, key)


def _plainly(fault: Any, key: str) -> str:
    """Return pydantic's complaint in the words of TOML."""
    kind, given = fault["type"], fault["input"]
    if kind == "tuple_type" and isinstance(given, dict):
        return f"begin each of these tables with [[{key}]], in two brackets"
    if kind == "tuple_type":
        return f"write a list, as in [{json.dumps(given) if isinstance(given, str | int) else '...'}]"
    if kind in {"model_type", "dict_type"}:
        return "write a table with keys of its own"
    if kind == "path_type":
        return "write a path in quotes"
    return fault["msg"][0].lower() + fault["msg"][1:]


def _cut(text: str, most: int = 80) -> str:
    return text if len(text) <= most else f"{text[:most]}..."


def _written(location: tuple[int | str, ...], schema: type[BaseModel]) -> list[int | str]:
    """Return the part of a location that stands in the config, without pydantic's names for alternatives."""
    table: type[BaseModel] | None = schema
    found: list[int | str] = []
    for part in location:
        if isinstance(part, str):
            if table is None or part not in table.model_fields:
                break
            table = table_in(table.model_fields[part].annotation)
        found.append(part)
    return found


def _dotted(location: Iterable[object]) -> str:
    """Return ``targets[1].peaks`` for the location of a fault; tables in a list count from 1."""
    text = ""
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


def _keys_beside(schema: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location[:-1]:
        if isinstance(part, str) and part in schema.model_fields:
            schema = table_in(schema.model_fields[part].annotation) or schema
    return list(schema.model_fields)


def table_in(annotation: Any) -> type[BaseModel] | None:
    """Return the table of settings that an annotation holds, if any."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((table for part in get_args(annotation) if (table := table_in(part))), None)
