from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from strandwise.experiment import Run

pytest.importorskip("h5py", reason="Keras files need h5py: pip install 'strandwise[import]'")


def test_a_published_folder_becomes_a_run(call: Callable, write_factornet: Callable[..., Path], tmp_path: Path) -> None:
    folder, out = write_factornet(tmp_path / "published"), tmp_path / "run"
    code, said, err = call("import", "factornet", folder, "--out", out)
    assert (code, err) == (0, "")
    assert said.splitlines() == [
        "Note: weights of final_model.hdf5, trained by others: no epochs, history or labels are known here",
        f"Wrote {out}",
    ]
    assert Run.open(out).network.input_bp == 31
    code, _, err = call("import", "factornet", folder, "--out", out)
    assert code == 2
    assert "exists and is not empty" in err
    assert call("import", "factornet", folder, "--out", out, "--overwrite")[0] == 0


def test_files_of_signal_are_named_one_by_one(
    call: Callable, write_factornet: Callable[..., Path], tmp_path: Path
) -> None:
    folder, out = write_factornet(tmp_path / "published"), tmp_path / "run"
    (tmp_path / "a=b.bw").touch()
    for wrong in ("signal0", "=a.bw", "signal0="):
        code, _, err = call("import", "factornet", folder, "--out", out, "--signal", wrong)
        assert (code, f"--signal {wrong}: write NAME=FILE" in err) == (2, True)
    given = f"signal0={tmp_path / 'a=b.bw'}"
    code, _, err = call("import", "factornet", folder, "--out", out, "--signal", given, "--signal", given)
    assert "once for each signal" in err
    assert not out.exists()
    assert call("import", "factornet", folder, "--out", out, "--signal", given)[0] == 0
    (table,) = Run.open(out).experiment.inputs
    assert (table.name, table.signal) == ("signal0", tmp_path / "a=b.bw")


def weights(folder: Path) -> Path:
    """Write tiny weights of a DeepSEA in the layout of Kipoi, of two tracks."""
    shapes = {"0": (2, 4, 1, 8), "4": (3, 2, 1, 8), "8": (2, 3, 1, 8), "12.1": (4, 4), "14.1": (2, 4)}
    state = {f"{name}.weight": torch.zeros(shape) for name, shape in shapes.items()}
    torch.save(
        state | {f"{name}.bias": torch.zeros(shape[0]) for name, shape in shapes.items()}, folder / "deepsea.pth"
    )
    return folder / "deepsea.pth"


def test_tracks_are_named_one_by_one_or_in_a_file(call: Callable, tmp_path: Path) -> None:
    path, out = weights(tmp_path), tmp_path / "run"
    (tmp_path / "names.txt").write_text("a\nb\n")
    command = ("import", "deepsea", path, "--out", out, "--input-bp", 190)
    code, said, err = call(*command, "--targets", tmp_path / "names.txt")
    assert (code, err) == (0, "")
    assert said.splitlines() == [
        "Note: weights of deepsea.pth, trained by others: no epochs, history or labels are known here",
        "Note: letters in the order AGCT",
        "Note: one strand is read, and the other one would say something else: --conjoin",
        f"Wrote {out}",
    ]
    assert Run.open(out).network.heads[0].tracks == ("a", "b")
    code, said, _ = call(*command, "--target", "c", "--target", "d", "--conjoin", "--bases", "ACGT", "--overwrite")
    assert (code, "both strands are averaged: --no-conjoin" in said, "order ACGT" in said) == (0, True, True)
    assert Run.open(out).experiment.strand.strategy == "posthoc"
    code, _, err = call(*command, "--target", "c", "--targets", tmp_path / "names.txt", "--overwrite")
    assert (code, "one by one or in a file, not both" in err) == (2, True)


@pytest.mark.parametrize("name", ["deepsea", "danq", "bpnet", "chrombpnet"])
def test_a_file_that_is_none_leaves_nothing(name: str, call: Callable, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"weights")
    for given, said in ((tmp_path / "weights", "damaged"), (tmp_path / "nowhere", "no such file")):
        code, _, err = call("import", name, given, "--out", tmp_path / "run")
        assert (code, said in err.replace("\n", " ")) == (2, True)
    assert not (tmp_path / "run").exists()
