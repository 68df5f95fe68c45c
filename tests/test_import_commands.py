import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from strandwise import cli
from strandwise.experiment import Run

pytest.importorskip("h5py", reason="Keras files need h5py: pip install 'strandwise[import]'")


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["strandwise", *map(str, arguments)])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


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
