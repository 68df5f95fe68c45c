"""Weights that PyTorch saved: a table of named arrays, read without running anything. The file may come from anybody.

Only tensors are unpickled (`weights_only`), and none is believed that is larger than the file it lies in.
"""

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from strandwise.errors import InputError
from strandwise.files import existing_file

TABLES = ("state_dict", "model_state_dict")
"""Where programs that save more than the weights keep them."""

MOST_ARRAYS = 10_000

State = dict[str, NDArray[np.float32]]


def read_state(path: str | Path) -> State:
    """Return the weights in a PyTorch or safetensors file by name, as 32-bit numbers.

    A table in which programs keep the weights beside other things (`state_dict`) is opened, and what
    `torch.nn.DataParallel` writes before each name ("module.") is left out.

    Raises:
        InputError: no such file, not such a file, a pickled module, or weights that are not finite.
    """
    path = existing_file(path, "PyTorch weights")
    loaded = _safetensors(path) if _is_safetensors(path) else _pickled(path)
    for name in TABLES:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(name), Mapping):
            loaded = loaded[name]
    if not isinstance(loaded, Mapping) or not all(isinstance(name, str) for name in loaded):
        raise InputError(f"{path}: holds {type(loaded).__name__}, and a table of weights by name is expected.")
    tensors = {name: value for name, value in loaded.items() if isinstance(value, Tensor)}
    if not tensors or len(tensors) > MOST_ARRAYS:
        raise InputError(f"{path}: holds {len(tensors):,} arrays, and those of one network are expected.")
    room = path.stat().st_size
    state: State = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            continue
        size = tensor.numel() * tensor.element_size()
        room -= size
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or room < 0:
            raise InputError(f"{path}: '{name:.80}' holds {size:,} bytes that the file has no room for: damaged.")
        state[name] = tensor.detach().to(torch.float32).numpy()
        if not np.isfinite(state[name]).all():
            raise InputError(f"{path}: '{name:.80}' holds values that are not finite.")
    if state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    return state


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(9)
    return path.suffix == ".safetensors" or (
        start[8:] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size
    )


def _safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path}: damaged or cut short ({error}): copy it again.") from None


def _pickled(path: Path) -> Any:
    _check_packing(path)
    try:
        with warnings.catch_warnings():
            # Of old files torch warns that its own way to read them is going to change.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "GLOBAL" not in str(error):
            raise _damaged(path, error) from None
        raise InputError(
            f"{path}: holds objects of a program, such as a whole module, and reading them would run code of whoever "
            "wrote the file. If you trust it, take out its weights where that program is installed, and import those: "
            f'python -c "import torch; torch.save(torch.load({str(path)!r}, map_location={"cpu"!r}, '
            f'weights_only=False).state_dict(), {path.stem + ".weights.pt"!r})"'
        ) from None
    # What torch says of a file that is cut short or altered depends on where; assertions are among it.
    except Exception as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> InputError:
    said = " ".join(str(error).split())
    return InputError(f"{path}: not a file of PyTorch weights, or damaged ({said:.120}): save model.state_dict().")


def _check_packing(path: Path) -> None:
    """Refuse an archive that unpacks to more than it takes on disk, as torch never writes; old files are none."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, LookupError, NotImplementedError) as error:
        raise _damaged(path, error) from None
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if packed or sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise InputError(f"{path}: is compressed, as torch never writes weights: save model.state_dict() again.")
