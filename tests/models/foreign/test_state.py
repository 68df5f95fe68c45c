"""PyTorch files of strangers: weights are read, and all else refused before it is touched."""

import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from strandwise.errors import InputError
from strandwise.models.foreign import state
from strandwise.models.foreign.state import read_state

VALUES = torch.arange(6.0).reshape(2, 3)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def saved(what: object, *, old: bool = False) -> Path:
    torch.save(what, "weights.pt", _use_new_zipfile_serialization=not old)
    return Path("weights.pt")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("old", [False, True])
def test_weights_are_read_from_new_files_and_old_ones(old: bool, dtype: torch.dtype) -> None:
    path = saved(OrderedDict(a=VALUES.to(dtype), count=torch.tensor(3)), old=old)
    found = read_state(path)
    assert [*found] == ["a"]
    assert found["a"].dtype == np.float32
    assert np.array_equal(found["a"], VALUES.numpy())


def test_safetensors_are_told_by_their_content() -> None:
    for name in ("weights.safetensors", "weights.bin"):
        save_file({"a": VALUES}, name)
        assert np.array_equal(read_state(name)["a"], VALUES.numpy())


def test_what_programs_keep_beside_is_left() -> None:
    found = read_state(saved({"epoch": 3, "state_dict": {"module.a": VALUES, "module.b": nn.Parameter(VALUES)}}))
    assert [*found] == ["a", "b"]
    assert [*read_state(saved({"model_state_dict": {"module.a": VALUES, "b": VALUES}}))] == ["module.a", "b"]


class Payload:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("ran"),)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 2)


def test_a_whole_module_is_refused_with_the_line_that_mends_it() -> None:
    path = saved(Net())
    with pytest.raises(InputError, match="would run code of whoever wrote the file") as error:
        read_state(path)
    line = str(error.value).partition('python -c "')[2].removesuffix('"')
    exec(line)  # noqa: S102
    assert [*read_state("weights.weights.pt")] == ["a.weight", "a.bias"]


@pytest.mark.parametrize("old", [False, True])
def test_nothing_of_a_pickle_runs(old: bool) -> None:
    with pytest.raises(InputError, match="holds objects of a program"):
        read_state(saved({"a": VALUES, "b": Payload()}, old=old))
    Path("plain.pt").write_bytes(pickle.dumps(Payload()))
    with pytest.raises(InputError, match=r"plain.pt: "):
        read_state("plain.pt")
    assert not Path("ran").exists()


HOSTILE = {
    "a larger view": ({"a": VALUES.as_strided((2**40, 3), (0, 1))}, "bytes that the file has no room for"),
    "many views": ({f"a{n}": torch.zeros(1).expand(10_000) for n in range(9)}, "bytes that the file has no room for"),
    "sparse": ({"a": VALUES.to_sparse()}, "has no room for|holds objects|damaged"),
    "a list": ([VALUES], "holds list, and a table of weights by name is expected"),
    "numbers for names": ({1: VALUES}, "holds dict, and a table of weights by name"),
    "nothing": ({}, "holds 0 arrays"),
    "not a number": ({"a": VALUES * torch.nan}, "'a' holds values that are not finite"),
    "infinite": ({"a": VALUES / 0}, "'a' holds values that are not finite"),
    "too many": ({str(n): torch.zeros(0) for n in range(31)}, "holds 31 arrays"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_table_of_weights_is_refused(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "MOST_ARRAYS", 30)
    held, said = HOSTILE[what]
    with pytest.raises(InputError, match=said) as error:
        read_state(saved(held))
    assert "weights.pt" in str(error.value)
    assert len(str(error.value)) < 600


def test_an_archive_that_unpacks_to_more_is_refused() -> None:
    path = saved({"a": torch.zeros(1000)})
    with zipfile.ZipFile(path) as given, zipfile.ZipFile("packed.pt", "w", zipfile.ZIP_DEFLATED) as made:
        for name in given.namelist():
            made.writestr(name, given.read(name))
    with pytest.raises(InputError, match="is compressed, as torch never writes weights"):
        read_state("packed.pt")


def test_other_files_are_refused() -> None:
    contents = {
        "empty.pt": b"",
        "text.pt": b"weights\n",
        "zip.pt": b"PK\x03\x04" + b"\0" * 100,
        "cut.pt": saved({"a": VALUES}).read_bytes()[:-200],
        "hdf5.pt": b"\x89HDF\r\n\x1a\n" + b"\0" * 100,
        "cut.safetensors": struct.pack("<Q", 100) + b"{",
    }
    for name, content in contents.items():
        Path(name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name}: .*damaged"):
            read_state(name)
    with pytest.raises(InputError, match=r"no such file \(PyTorch weights\)"):
        read_state("nowhere.pt")


@pytest.mark.parametrize("old", [False, True])
def test_a_damaged_file_ends_in_numbers_or_in_our_own_error(old: bool) -> None:
    path = saved({"a": VALUES, "b": VALUES}, old=old)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for turn in range(200):
        damaged = bytearray(whole)
        if turn % 3:
            damaged[int(rng.integers(len(whole)))] = int(rng.integers(256))
        else:
            del damaged[int(rng.integers(len(whole))) :]
        path.write_bytes(damaged)
        try:
            read_state(path)
        except InputError:
            refused += 1
    assert refused > 50
