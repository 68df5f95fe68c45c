"""HDF5 files of Keras by any version: arrays by the layers they belong to, and the settings of layers.

The file may come from anybody, so what `keras1` says of it goes here too: no link is followed out of the file, no array
is read that is not whole and in it, and of the settings only words and numbers are looked at. A `Lambda` layer is a
name and no more.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strandwise.errors import InputError, did_you_mean
from strandwise.models.foreign.keras1 import JSON_BYTES, check_plain, open_hdf5, read_plain
from strandwise.models.foreign.published import Array

MOST_NODES, DEEPEST = 5000, 8
SKIPPED = ("optimizer_weights",)


@dataclass(frozen=True)
class Setting:
    """A layer as the file describes it: its class, its name and its settings."""

    kind: str
    name: str
    config: Mapping[str, Any]

    def whole(self, *keys: str) -> int | None:
        """Return the first of these settings that is a whole number, or a list that begins with one."""
        for key in keys:
            value = self.config.get(key)
            value = value[0] if isinstance(value, list) and value else value
            if isinstance(value, int) and not isinstance(value, bool):
                return value
        return None

    @property
    def length(self) -> int | None:
        """How many positions come in, where the layer says so."""
        for key in ("batch_input_shape", "batch_shape"):
            shape = self.config.get(key)
            if isinstance(shape, list) and len(shape) == 3 and isinstance(shape[1], int):
                return shape[1]
        return None


class KerasFile:
    """The arrays of an HDF5 file of Keras by layer; `open_keras` makes one.

    Attributes:
        path: the file.
        arrays: the names of arrays, without the ":0" that TensorFlow adds, by the path of the group they lie in.
        settings: of the layers, in order; empty where the file holds weights alone.
        version: of the Keras that wrote it, such as "2.12.0"; empty if it does not say.
        backend: what that Keras ran on; empty if it does not say.
    """

    def __init__(self, path: Path, file: Any) -> None:
        self.path = path
        root = file["model_weights"] if _own(file, "model_weights", path) else file
        self._found: dict[str, dict[str, Any]] = {}
        self._nodes = 0
        self._walk(root, "", 0)
        described = self._text(file, root, "model_config")
        self.settings = tuple(_settings(described, path)) if described else ()
        self.version = self._text(file, root, "keras_version")
        self.backend = self._text(file, root, "backend")

    @property
    def arrays(self) -> dict[str, tuple[str, ...]]:
        """The names of arrays by the group they lie in."""
        return {group: tuple(found) for group, found in self._found.items()}

    def group_of(self, layer: str) -> str:
        """Return the group of a layer, wherever it is nested.

        Raises:
            InputError: there is none of that name, or several.
        """
        groups = [group for group in self._found if group.rsplit("/", 1)[-1] == layer]
        if len(groups) == 1:
            return groups[0]
        known = sorted({group.rsplit("/", 1)[-1] for group in self._found})
        raise InputError(
            f"{self.path}: layer '{layer}' is {'missing' if not groups else 'there twice'}"
            f"{did_you_mean(layer, known) if not groups else ''}: give the weights as Keras wrote them."
        )

    def holds(self, layer: str) -> bool:
        """Return whether there is a layer of this name with arrays."""
        return any(group.rsplit("/", 1)[-1] == layer for group in self._found)

    def shape(self, group: str, name: str) -> tuple[int, ...]:
        """Return the shape of an array.

        Raises:
            InputError: it is not there.
        """
        return tuple(self._array(group, name).shape)

    def read(self, group: str, name: str, dimensions: int) -> Array:
        """Return an array.

        Args:
            group: it lies in.
            name: without ":0".
            dimensions: how many it must have.

        Raises:
            InputError: it is not there, not of these dimensions, no plain array, or damaged.
        """
        found, where = self._array(group, name), f"{group}/{name}"
        check_plain(found, self.path, where)
        if found.ndim != dimensions or not all(found.shape):
            raise InputError(
                f"{self.path}: '{where}' has the shape {tuple(found.shape)}, and {dimensions} dimensions are expected."
            )
        return read_plain(found, self.path, where)

    def _array(self, group: str, name: str) -> Any:
        found = self._found.get(group, {}).get(name)
        if found is None:
            raise InputError(f"{self.path}: '{group}/{name}' is missing: give the weights as Keras wrote them.")
        return found

    def _walk(self, group: Any, place: str, depth: int) -> None:
        import h5py

        for name in group:
            self._nodes += 1
            if self._nodes > MOST_NODES or depth > DEEPEST:
                raise InputError(f"{self.path}: is nested too deeply, or holds too much, for a file of Keras weights.")
            if (depth == 0 and name in SKIPPED) or not _own(group, name, self.path):
                continue
            child = group[name]
            if isinstance(child, h5py.Group):
                self._walk(child, f"{place}/{name}".lstrip("/"), depth + 1)
            else:
                self._found.setdefault(place, {})[name.removesuffix(":0")] = child

    def _text(self, file: Any, root: Any, name: str) -> str:
        """Return a text that Keras notes beside the weights or at the top of the file."""
        for place in (file, root):
            value = place.attrs.get(name, "")
            value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            if isinstance(value, str) and value:
                if len(value) > JSON_BYTES:
                    raise InputError(f"{self.path}: '{name}' has {len(value):,} letters, too many for a network.")
                return value
        return ""


@contextmanager
def open_keras(path: str | Path) -> Iterator[KerasFile]:
    """Open an HDF5 file of weights, or of a whole model, by any version of Keras.

    Raises:
        InputError: no such file, not HDF5 or damaged, or h5py is not installed.
    """
    with open_hdf5(path) as (path, file):
        yield KerasFile(path, file)


def in_order(names: Mapping[str, object] | list[str]) -> list[str]:
    """Return names in the order of the numbers in them: dense_2 before dense_10."""
    return sorted(names, key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)])


def _own(group: Any, name: str, path: Path) -> bool:
    """Return whether a group has such a child of its own; a link to somewhere else is refused."""
    import h5py

    link = group.get(name, getlink=True)
    if link is None:
        return False
    if not isinstance(link, h5py.HardLink):
        raise InputError(f"{path}: '{name}' is a link to somewhere else, which is not followed.")
    return True


def _settings(text: str, path: Path) -> Iterator[Setting]:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: the description of its model is not JSON ({error}): copy it again.") from None
    waiting, seen = [table], 0
    while waiting:
        layer = waiting.pop(0)
        seen += 1
        if not isinstance(layer, dict) or seen > MOST_NODES:
            raise InputError(f"{path}: the description of its model is damaged: copy it again.")
        config = layer.get("config")
        # A Sequential model of old is a list of layers, and any other a table that holds one.
        inside = config if isinstance(config, list) else config.get("layers") if isinstance(config, dict) else None
        if isinstance(inside, list):
            waiting += inside
        elif isinstance(config, dict):
            yield Setting(str(layer.get("class_name")), str(config.get("name", layer.get("name", ""))), config)
            if isinstance(config.get("layer"), dict):
                waiting.insert(0, config["layer"])
