"""The base of every settings table, and the words for what is wrong in one."""

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
    return "; ".join(_fault(fault, schema, prefix) for fault in error.errors(include_url=False))


def _fault(fault: Any, schema: type[BaseModel], prefix: str) -> str:
    location = [*([prefix] if prefix else []), *fault["loc"]]
    key = _dotted(location)
    if fault["type"] == "extra_forbidden":
        known = _keys_beside(schema, fault["loc"])
        hint = did_you_mean(str(location[-1]), known) or f" (known keys: {', '.join(known)})"
        return f"{key} is not a known key{hint}"
    if fault["type"] == "missing":
        return f"{key} is missing: add it"
    if fault["type"] == "value_error":
        return f"{key}: {fault['ctx']['error']}" if key else str(fault["ctx"]["error"])
    message = fault["msg"][0].lower() + fault["msg"][1:]
    return f"{key} = {fault['input']!r}: {message}"


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
