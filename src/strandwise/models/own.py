"""An architecture of the user's own, named as "package.module:Class"."""

import re
from importlib import import_module
from inspect import isabstract

from strandwise.errors import ConfigError, did_you_mean
from strandwise.models.architecture import Architecture
from strandwise.schema import Settings

_NAME = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<cls>[^\W\d]\w*)")


def is_own(name: str) -> bool:
    """Return whether the name of a model is that of a user's class, and not a built-in one."""
    return ":" in name


def own_architecture(name: str) -> type[Architecture]:
    """Return a user's class; this imports, and so runs, the module it stands in.

    The module is looked for where Python looks for any: the folder of the config and the current folder are no part
    of that unless they are on `sys.path` already.

    Args:
        name: as "package.module:Class".

    Raises:
        ConfigError: no such module, one that cannot be imported, or no architecture of that name in it.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise ConfigError(f"model '{name}' is not the name of a class: write it as package.module:Class")
    place, cls = found["module"], found["cls"]
    try:
        module = import_module(place)
    except Exception as error:
        raise ConfigError(f"model '{name}': {_no_module(place, error)}") from error
    kind = getattr(module, cls, None)
    if kind is None:
        raise ConfigError(f"model '{name}': {place} has no '{cls}'{did_you_mean(cls, vars(module))}")
    if not isinstance(kind, type) or not issubclass(kind, Architecture):
        raise ConfigError(
            f"model '{name}': {cls} is not an architecture: derive it from strandwise.models.Architecture"
        )
    if isabstract(kind):
        missing = ", ".join(sorted(kind.__abstractmethods__))
        raise ConfigError(f"model '{name}': {cls} does not say its {missing}: define them")
    options = getattr(kind, "Options", None)
    if not isinstance(options, type) or not issubclass(options, Settings):
        raise ConfigError(f"model '{name}': {cls}.Options is not there, or no subclass of strandwise.schema.Settings")
    return kind


def _no_module(place: str, error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name and f"{place}.".startswith(f"{error.name}."):
        return (
            f"there is no module '{error.name}': install the package it belongs to, or put its folder on PYTHONPATH "
            "(the current folder is not searched)"
        )
    return f"{place} cannot be imported ({type(error).__name__}: {error}): correct it"
