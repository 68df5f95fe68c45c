"""A user's own class in a config works as a built-in name does."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from strandwise.errors import ConfigError
from strandwise.experiment import Experiment, Run, evaluate, train
from strandwise.layers import binary_head
from strandwise.models import ModelSettings, StrandSettings, architecture_named, assemble

MODULE = """\
from pydantic import Field, PositiveInt

from strandwise.layers import Conv1d, Dense, GlobalAveragePool, ReLU, Stack
from strandwise.models import Architecture, Stage
from strandwise.schema import Settings


class Tiny(Architecture):
    class Options(Settings):
        filters: PositiveInt = Field(default=3, description="filters")

    def stages(self):
        def build(features, hidden):
            out = hidden(self.options.filters)
            return Stack(Conv1d(features.type, out, 5), ReLU(out))

        return [Stage("conv", build)]

    def readout(self, features, out_type, bins=None):
        pool = GlobalAveragePool(features.type)
        return Stack(pool, Dense(pool.out_type, out_type))


class Twice(Tiny):
    def stages(self):
        return super().stages() * 2


class Unfinished(Architecture):
    class Options(Settings):
        pass

    def stages(self):
        return []


class WithoutOptions(Tiny):
    Options = dict


class Other:
    pass


number = 3
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path with a package of models in it, forgotten afterwards."""
    folder = tmp_path / "site" / "own_zoo"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "nets.py").write_text(MODULE)
    (folder / "broken.py").write_text("import there_is_no_such_module\n")
    (folder / "failing.py").write_text("raise RuntimeError('no licence')\n")
    monkeypatch.syspath_prepend(str(folder.parent))
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == "own_zoo"]:
        del sys.modules[name]


def test_it_is_trained_and_opened_again(package: Path, tmp_path: Path, write_project) -> None:
    config = write_project(tmp_path / "data")
    changes = ["model.name=own_zoo.nets:Tiny", "model.filters=4", "strand.strategy=rcps", "training.epochs=1"]
    text = config.read_text().replace("kernel_size = 9\npool_width = 8\n", "")
    config.write_text(text)
    run = train(Experiment.load(config, changes), tmp_path / "run")
    assert evaluate(run)["heads"]["bound"]["mean"]["auroc"] > 0
    again = Run.open(tmp_path / "run")
    assert type(again.experiment.model.architecture()).__name__ == "Tiny"
    assert again.experiment.model.architecture().options.filters == 4  # pyright: ignore[reportAttributeAccessIssue]
    state = again.network.state_dict()
    assert state.keys() == run.network.state_dict().keys()
    assert all(torch.equal(state[name], value) for name, value in run.network.state_dict().items())


def test_stages_have_names_of_their_own(package: Path) -> None:
    architecture = ModelSettings.model_validate({"name": "own_zoo.nets:Twice"}).architecture()
    with pytest.raises(ConfigError, match="two stages of Twice are named 'conv': give each its own name"):
        assemble(architecture, [binary_head(("a",))], 50, StrandSettings())


def test_options_are_checked_as_those_of_any_model(package: Path) -> None:
    settings = ModelSettings.model_validate({"name": "own_zoo.nets:Tiny", "filter": 4})
    with pytest.raises(ConfigError, match=r"model.filter is not a known key \(did you mean 'filters'\?\)"):
        settings.architecture()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_zoo.nets:Tiny", "there is no module 'no_such_zoo': install the package it belongs to, or put its"),
        ("own_zoo.net:Tiny", r"there is no module 'own_zoo.net': install"),
        ("own_zoo.broken:Tiny", r"own_zoo.broken cannot be imported \(ModuleNotFoundError: No module named 'there_is"),
        ("own_zoo.failing:Tiny", r"own_zoo.failing cannot be imported \(RuntimeError: no licence\): correct it"),
        ("own_zoo.nets:Tinny", r"own_zoo.nets has no 'Tinny' \(did you mean 'Tiny'\?\)"),
        ("own_zoo.nets:Other", "Other is not an architecture: derive it from strandwise.models.Architecture"),
        ("own_zoo.nets:number", "number is not an architecture"),
        ("own_zoo.nets:Unfinished", "Unfinished does not say its readout: define them"),
        ("own_zoo.nets:WithoutOptions", "WithoutOptions.Options is not there, or no subclass of strandwise.schema"),
        ("own_zoo.nets:", "is not the name of a class: write it as package.module:Class"),
        ("own_zoo/nets.py:Tiny", "is not the name of a class: write it as package.module:Class"),
        (":Tiny", "is not the name of a class"),
        ("..nets:Tiny", "is not the name of a class"),
        ("own_zoo.nets:Tiny:Tiny", "is not the name of a class"),
        ("own_zoo.nets:Tiny.Options", "is not the name of a class"),
    ],
)
def test_what_is_not_there_is_named(package: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        architecture_named(name)
    table = {"genome": {"fasta": "g.fa"}, "targets": [{"name": "a", "peaks": "a.bed"}], "model": {"name": name}}
    with pytest.raises(ConfigError, match=message):
        Experiment.from_table(table, folder=package)


def test_the_current_folder_is_not_searched(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here_only.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    with pytest.raises(ConfigError, match="there is no module 'here_only'"):
        architecture_named("here_only:Tiny")
    assert sys.path == before


def test_a_built_in_name_imports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(sys.modules)
    architecture_named("bpnet")
    assert set(sys.modules) == before
    with pytest.raises(ConfigError, match=r"'bpnett' is not one of .* \(did you mean 'bpnet'\?\)"):
        architecture_named("bpnett")
