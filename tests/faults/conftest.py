"""A trained run to damage, a config to break, and the command line to break it through."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from strandwise import cli
from strandwise.data.simulation import SimulatedGenome
from strandwise.experiment import Experiment, Run, evaluate, train, write_report

CONFIG = """\
[genome]
fasta = "{folder}/genome.fa.gz"

[[targets]]
name = "CTCF"
peaks = "{folder}/peaks/CTCF.alpha.bed"

[[targets]]
name = "REST"
peaks = "{folder}/peaks/REST.alpha.bed"

[windows]
input_bp = 120
label_bp = 60

[negatives]
per_peak = 1

[split]
valid = ["chr3"]
test = ["chr4"]

[model]
filters = 2
kernel_sizes = [9, 5, 5]
pool_width = 20
pool_stride = 10

[training]
epochs = 2
accelerator = "cpu"
"""


class Outcome(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    def refused(self, *pieces: str) -> None:
        """Hold a refusal to what is promised: status 2, one line, and in it the thing, the value and the fix."""
        assert self.code == 2, self
        assert self.out == ""
        assert self.err.startswith("error: ")
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        for piece in pieces:
            assert piece in self.err, self.err


@pytest.fixture
def cli_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run the command line in this process."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["strandwise", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return Outcome(code, said.out, said.err)

    return run


@pytest.fixture
def write_config(tmp_path: Path, simulated: SimulatedGenome) -> Callable[..., Path]:
    """Write a good config with pieces of it changed."""

    def write(*changes: tuple[str, str]) -> Path:
        text = CONFIG.format(folder=simulated.folder)
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, simulated: SimulatedGenome) -> Run:
    """A run that was trained, judged and reported on; copy it before changing anything."""
    folder = tmp_path_factory.mktemp("trained")
    config = folder / "config.toml"
    config.write_text(CONFIG.format(folder=simulated.folder), encoding="utf-8")
    run = train(Experiment.load(config), folder / "run")
    evaluate(run)
    write_report([run])
    return run


@pytest.fixture
def copied(trained: Run, tmp_path: Path) -> Path:
    """A copy of the trained run's folder."""
    return Path(shutil.copytree(trained.path, tmp_path / "run"))


@pytest.fixture
def contents() -> Callable[[Path], dict[str, bytes | None]]:
    """Return every file below a folder with its bytes; folders have none."""

    def read(folder: Path) -> dict[str, bytes | None]:
        entries = sorted(folder.rglob("*"))
        return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in entries}

    return read
