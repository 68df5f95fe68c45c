"""Files of Keras 1: layers from `model.json`, arrays from HDF5. Both may come from anybody.

Only what is asked for by name is read. Nothing is unpickled, no link is followed out of the file, and no array is
read before its shape, its kind and the bytes that the file holds of it are known to be those that are expected.
"""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strandwise.errors import InputError
from strandwise.files import existing_file

JSON_BYTES = 2_000_000
"""The most that is read of a `model.json`; that of the largest published FactorNet has 8 kB."""

LARGEST = 1_000_000
"""The largest size of a layer that is believed."""


Source = tuple[str, int]
"""The name of a layer, and which use of it, counted from 0."""


@dataclass(frozen=True)
class KerasLayer:
    """A layer of a Keras 1 model, as its file describes it.

    Attributes:
        file: the file, for messages.
        kind: its class, such as "Dense".
        name: the name of its arrays.
        config: its settings.
        inbound: what each of its uses reads: the names of layers, and which use of each.
    """

    file: Path
    kind: str
    name: str
    config: dict[str, Any]
    inbound: tuple[tuple[Source, ...], ...]

    def refusal(self, what: str) -> InputError:
        """Return the error that says what is wrong with this layer."""
        return InputError(f"{self.file}: layer {_shown(self.name)} ({_shown(self.kind)}) {what}.")

    def size(self, key: str, least: int = 1) -> int:
        """Return a setting that is a whole number.

        Raises:
            InputError: it is not there, not a whole number, or out of all proportion.
        """
        value = self.config.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= LARGEST:
            raise self.refusal(f"has {key} {_shown(value)}: expected a whole number from {least} to {LARGEST:,}")
        return value

    def share(self, key: str) -> float:
        """Return a setting that is a chance, 0 or more and below 1.

        Raises:
            InputError: it is not.
        """
        value = self.config.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
            raise self.refusal(f"has {key} {_shown(value)}: expected a number of 0 or more and below 1")
        return float(value)

    def require(self, **settings: object) -> None:
        """Refuse a layer that does not have these settings.

        Raises:
            InputError: naming the setting.
        """
        for key, wanted in settings.items():
            if self.config.get(key) != wanted:
                raise self.refusal(f"has {key} {_shown(self.config.get(key))}: only {wanted!r} can be imported")

    def inner(self, kind: str) -> "KerasLayer":
        """Return the layer that this one wraps.

        Raises:
            InputError: it wraps none, or one of another class.
        """
        wrapped = _layer(self.config.get("layer"), self.file, inbound=())
        if wrapped.kind != kind:
            raise self.refusal(f"wraps {_shown(wrapped.kind)}: only {kind} can be imported")
        return wrapped


def read_layers(path: str | Path) -> list[KerasLayer]:
    """Return the layers of a model that Keras 1 wrote as JSON, in the order of the file.

    Raises:
        InputError: no such file, not such a model, or one of another version of Keras.
    """
    path = existing_file(path, "a Keras model")
    if path.stat().st_size > JSON_BYTES:
        raise InputError(f"{path}: {path.stat().st_size:,} bytes are too many for the description of a model.")
    try:
        model = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}): give the model.json that Keras wrote.") from None
    if not isinstance(model, dict) or model.get("class_name") != "Model" or not isinstance(model.get("config"), dict):
        raise InputError(f"{path}: not a Keras model: expected 'class_name': 'Model' and a 'config'.")
    version = model.get("keras_version")
    if not isinstance(version, str) or not version.startswith("1."):
        raise InputError(f"{path}: written by Keras {_shown(version)}, and only models of Keras 1 can be imported.")
    layers = model["config"].get("layers")
    if not isinstance(layers, list) or not layers or len(layers) > 1000:
        raise InputError(f"{path}: not a Keras model: its config holds no list of layers.")
    found = [_layer(layer, path) for layer in layers]
    names = [layer.name for layer in found]
    if len(set(names)) < len(names):
        raise InputError(f"{path}: two layers have the same name.")
    return found


def _layer(table: Any, path: Path, inbound: tuple[tuple[Source, ...], ...] | None = None) -> KerasLayer:
    config = table.get("config") if isinstance(table, dict) else None
    if not isinstance(config, dict) or not isinstance(table.get("class_name"), str):
        raise InputError(f"{path}: a layer is no table with 'class_name' and 'config'.")
    # A layer that stands in a wrapper has its name in its config alone.
    name = table.get("name", config.get("name"))
    if not isinstance(name, str) or not name or "/" in name or name == "." or not name.isprintable():
        raise InputError(f"{path}: {_shown(name)} is no name for a layer.")
    sources = _inbound(table.get("inbound_nodes"), path) if inbound is None else inbound
    return KerasLayer(path, table["class_name"], name, config, sources)


def _inbound(nodes: Any, path: Path) -> tuple[tuple[Source, ...], ...]:
    """Return what each use of a layer reads."""
    try:
        return tuple(tuple((str(source[0]), int(source[1])) for source in node) for node in nodes)
    except (TypeError, ValueError, LookupError):
        pass
    raise InputError(f"{path}: 'inbound_nodes' of a layer are no lists: give the model.json that Keras wrote.")


class KerasArrays:
    """The arrays of a Keras 1 HDF5 file, of weights alone or of a whole model; `open_arrays` makes one."""

    def __init__(self, path: Path, root: Any) -> None:
        self.path, self._root = path, root

    def check_room(self, numbers: int) -> None:
        """Refuse a file that is too small to hold so many numbers, before anything of that size is made.

        Raises:
            InputError: naming both sizes.
        """
        held = self.path.stat().st_size
        if held < 4 * numbers:
            raise InputError(
                f"{self.path}: {held:,} bytes cannot hold the {numbers:,} weights of the model beside it: copy the "
                "file again."
            )

    def read(self, layer: str, name: str, shape: Sequence[int]) -> NDArray[np.float32]:
        """Return the array `name` of a layer.

        Raises:
            InputError: it is not there, no plain array of floating point numbers of this shape, or damaged.
        """
        where, shape = f"{layer}/{name}", tuple(shape)
        group = _child(self._root, layer, self.path, layer)
        found = _child(group, name, self.path, where)
        check_plain(found, self.path, where)
        if tuple(found.shape) != shape:
            raise InputError(f"{self.path}: '{where}' has the shape {tuple(found.shape)}, and the model needs {shape}.")
        return read_plain(found, self.path, where)


@contextmanager
def open_arrays(path: str | Path) -> Iterator[KerasArrays]:
    """Open the HDF5 file of a Keras 1 model, or of its weights alone.

    Raises:
        InputError: no such file, not HDF5 or damaged, or h5py is not installed.
    """
    with open_hdf5(path) as (path, file):
        root = _child(file, "model_weights", path, "model_weights") if "model_weights" in file else file
        yield KerasArrays(path, root)


@contextmanager
def open_hdf5(path: str | Path) -> Iterator[tuple[Path, Any]]:
    """Open an HDF5 file of Keras; what goes wrong while it is open is said of the file.

    Raises:
        InputError: no such file, not HDF5 or damaged, or h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            "Keras files are read through the package h5py, which is not installed: pip install 'strandwise[import]'"
        ) from error
    path = existing_file(path, "Keras weights")
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield path, file
    except InputError:
        raise
    # h5py passes on what the HDF5 library says of a damaged file as any of these.
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise InputError(f"{path}: not HDF5, or damaged ({error}): give the weights as Keras wrote them.") from None


def _child(group: Any, name: str, path: Path, where: str) -> Any:
    """Return what lies in a group, if it lies in this very file."""
    import h5py

    if not isinstance(group, h5py.Group):
        raise InputError(f"{path}: '{where}' should lie in a group, and its parent is an array.")
    link = group.get(name, getlink=True)
    if link is None:
        raise InputError(f"{path}: '{where}' is missing: give the weights of the model beside it.")
    if not isinstance(link, h5py.HardLink):
        raise InputError(f"{path}: '{where}' is a link to somewhere else, which is not followed.")
    return group[name]


def check_plain(found: Any, path: Path, where: str) -> None:
    """Refuse whatever is not one run of floating point numbers inside the file."""
    import h5py

    if not isinstance(found, h5py.Dataset):
        raise InputError(f"{path}: '{where}' is a group, and an array is expected.")
    if found.external or found.is_virtual:
        raise InputError(f"{path}: '{where}' keeps its numbers in another file, which is not opened.")
    if found.dtype.kind != "f" or found.dtype.itemsize not in (4, 8):
        raise InputError(f"{path}: '{where}' holds {found.dtype}, and numbers of 32 or 64 bits are expected.")
    if found.chunks is not None:
        raise InputError(f"{path}: '{where}' is stored in chunks or compressed, as Keras never writes weights.")


def read_plain(found: Any, path: Path, where: str) -> NDArray[np.float32]:
    """Return the numbers of an array that `check_plain` let pass.

    Raises:
        InputError: fewer numbers than its shape says, or not finite.
    """
    stored = found.id.get_storage_size()
    if stored != found.dtype.itemsize * math.prod(found.shape):
        raise InputError(f"{path}: '{where}' holds {stored:,} bytes, not those of its shape: damaged.")
    values = np.asarray(found[()], dtype=np.float32)
    if not np.isfinite(values).all():
        raise InputError(f"{path}: '{where}' holds values that are not finite.")
    return values


def _shown(value: object) -> str:
    """Return a value of a file for a message, short and printable."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
