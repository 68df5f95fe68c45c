"""The page of all config keys, made from the schemas; `python -m strandwise.experiment.reference` prints it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from strandwise.experiment.config import Experiment
from strandwise.models import MODELS
from strandwise.schema import table_in

HEAD = """\
# Config reference

A config is one TOML file. Unknown keys are refused. Paths are relative to the file's folder; `${NAME}` and
`${NAME:-default}` take a value from the environment. On the command line, `--set section.key=value` changes a key.
"""


def config_reference() -> str:
    """Return the reference of every table, key, default and meaning as Markdown."""
    first = {name: Experiment.model_fields[name] for name in ("title", "factornet")}
    parts = [HEAD, _section("Before the first table", first)]
    for name, field in Experiment.model_fields.items():
        table = table_in(field.annotation)
        if table is not None:
            title = f"[[{name}]]" if "tuple" in str(field.annotation) else f"[{name}]"
            parts.append(_section(f"`{title}`", table.model_fields))
    parts += [
        _section(f"Options of `{name}`, in `[model]`", kind.Options.model_fields) for name, kind in MODELS.items()
    ]
    return "\n".join(parts)


def _section(title: str, fields: Mapping[str, FieldInfo]) -> str:
    rows = "\n".join(_rows(fields))
    return f"## {title}\n\n| key | default | meaning |\n|---|---|---|\n{rows}\n"


def _rows(fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    for name, field in fields.items():
        meaning = (field.description or "").replace("|", r"\|")
        yield f"| `{name}` | {_default(field)} | {meaning} |"


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "none"
    return f"`{json.dumps(str(value) if isinstance(value, Path) else value)}`"


if __name__ == "__main__":
    print(config_reference(), end="")  # noqa: T201
