"""A config as it is written: TOML, environment variables, changes and paths."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strandwise.errors import ConfigError

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(:-(?P<default>[^}]*))?\}")


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a file in TOML.

    Raises:
        ConfigError: it is not TOML.
    """
    try:
        # Editors on Windows begin a file with a byte order mark.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except RecursionError:
        raise ConfigError(f"{path}: not a config: its tables or lists are nested too deeply.") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}.") from None


def set_key(table: dict[str, Any], change: str) -> None:
    """Change one key of a config in place, by a change such as ``training.epochs=5``.

    Raises:
        ConfigError: it is not written so, or part of the key is no table.
    """
    key, equals, text = change.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {change}: write it as section.key=value, for example training.epochs=5.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        value = text.strip()
    *sections, last = key.strip().split(".")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {change}: '{section}' is not a table with keys of its own.")
    table[last] = value


def expanded(value: Any, where: str) -> Any:
    """Return a config with environment variables, ``${NAME}`` or ``${NAME:-default}``, replaced by their values.

    Raises:
        ConfigError: a variable without a default is not set.
    """
    if isinstance(value, Mapping):
        return {key: expanded(inner, where) for key, inner in value.items()}
    if isinstance(value, list):
        return [expanded(inner, where) for inner in value]
    if not isinstance(value, str):
        return value

    def lookup(found: re.Match[str]) -> str:
        name, default = found["name"], found["default"]
        if name not in os.environ and default is None:
            raise ConfigError(f"{where}: ${{{name}}} is not set: export {name}, or write ${{{name}:-default}}.")
        # As in a shell, the default also stands for an empty value.
        return os.environ.get(name) or default or ""

    return _VARIABLE.sub(lookup, value)


def with_paths(value: Any, folder: Path) -> Any:
    """Return a config whose paths are absolute, and count from a folder where they were not.

    Raises:
        ConfigError: a path that cannot be followed.
    """
    if isinstance(value, dict):
        return {key: with_paths(inner, folder) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [with_paths(inner, folder) for inner in value]
    if not isinstance(value, Path):
        return value
    try:
        return (folder / value.expanduser()).resolve()
    except (RuntimeError, ValueError, OSError) as error:
        raise ConfigError(f"{str(value)!r} is not a path that can be followed ({error}): correct it") from None
