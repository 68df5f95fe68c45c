import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from strandwise.errors import ConfigError, InputError
from strandwise.experiment import Experiment, Run
from strandwise.models import MODELS
from strandwise.schema import table_in

TOML = """\
[genome]
fasta = "data/genome.fa"

[[targets]]
name = "Reb1"
peaks = "/elsewhere/Reb1.bed"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "config.toml"
    path.parent.mkdir()
    path.write_text(TOML)
    return path


def change(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def test_the_least_config_is_filled_with_the_documented_defaults(config: Path) -> None:
    experiment = Experiment.load(config)
    assert (experiment.model.name, experiment.strand.strategy) == ("shrikumar_chip", "posthoc")
    assert (experiment.training.epochs, experiment.training.seed, experiment.training.learning_rate) == (30, 0, 1e-3)
    assert (experiment.windows.input_bp, experiment.windows.label_bp) == (1000, 200)
    assert experiment.negatives.per_peak == 3


def test_paths_are_relative_to_the_config(config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    expected = [tmp_path / "folder/data/genome.fa", Path("/elsewhere/Reb1.bed")]
    assert Experiment.load(config).files() == expected
    monkeypatch.chdir(config.parent)
    assert Experiment.load("config.toml").files() == expected
    monkeypatch.chdir("/")
    assert Experiment.load(config.relative_to("/")).files() == expected


def test_a_path_may_go_up_and_begin_at_home(config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    change(config, "data/genome.fa", "../genome.fa")
    change(config, "/elsewhere/", "~/")
    assert Experiment.load(config).files() == [tmp_path / "genome.fa", Path("/home/somebody/Reb1.bed")]


def test_every_file_is_listed(config: Path) -> None:
    change(config, 'fasta = "data/genome.fa"', 'fasta = "g.fa"\nblacklist = "b.bed"')
    assert [path.name for path in Experiment.load(config).files()] == ["g.fa", "b.bed", "Reb1.bed"]
    config.write_text(
        '[[sequences]]\npositives = "p.fa"\nnegatives = "n.fa"\n[[sequences]]\nfasta="s.fa"\nlabels="l.tsv"'
    )
    assert [path.name for path in Experiment.load(config).files()] == ["p.fa", "n.fa", "s.fa", "l.tsv"]


@pytest.mark.parametrize(
    ("text", "environment", "found"),
    [
        ("${SW_DATA}/g.fa", {"SW_DATA": "/data"}, "/data/g.fa"),
        ("${SW_DATA:-/default}/g.fa", {"SW_DATA": "/data"}, "/data/g.fa"),
        ("${SW_DATA:-/default}/g.fa", {}, "/default/g.fa"),
        ("${SW_DATA:-/default}/g.fa", {"SW_DATA": ""}, "/default/g.fa"),
        ("/x${SW_DATA:-}/g.fa", {}, "/x/g.fa"),
        ("/${SW_A}/${SW_B}.fa", {"SW_A": "a", "SW_B": "b"}, "/a/b.fa"),
        ("/${SW_A}.fa", {"SW_A": "${SW_B}", "SW_B": "b"}, "/${SW_B}.fa"),
        ("/$SW_A/{SW_A}.fa", {"SW_A": "a"}, "/$SW_A/{SW_A}.fa"),
    ],
)
def test_variables_of_the_environment(
    text: str, environment: dict[str, str], found: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SW_DATA", "SW_A", "SW_B"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert str(Experiment.load(change(config, "data/genome.fa", text)).files()[0]) == found


def test_a_variable_may_stand_for_a_number(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text(config.read_text() + '[training]\nepochs = "${SW_EPOCHS:-5}"\n')
    assert Experiment.load(config).training.epochs == 5
    monkeypatch.setenv("SW_EPOCHS", "7")
    assert Experiment.load(config).training.epochs == 7


def test_a_variable_that_is_not_set_is_named_with_the_file(config: Path) -> None:
    change(config, "data", "${SW_NO_SUCH}")
    with pytest.raises(ConfigError, match=r"config.toml: \$\{SW_NO_SUCH\} is not set: export SW_NO_SUCH, or write"):
        Experiment.load(config)


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        (["training.epochs=5"], ("training", "epochs", 5)),
        ([" training.epochs = 5 "], ("training", "epochs", 5)),
        (["training.epochs=5", "training.epochs=6"], ("training", "epochs", 6)),
        (["training.learning_rate=1e-2"], ("training", "learning_rate", 0.01)),
        (["training.tensorboard=true"], ("training", "tensorboard", True)),
        (["training.monitor=valid_loss"], ("training", "monitor", "valid_loss")),
        (['training.monitor="valid_loss"'], ("training", "monitor", "valid_loss")),
        (["split.valid=['chrI', 'chrII:0-50']"], ("split", "valid", ("chrI", "chrII:0-50"))),
        (['split.valid=["chrI"]'], ("split", "valid", ("chrI",))),
        (["strand={strategy = 'hybrid', groups = [[1, 2], [3]]}"], ("strand", "groups", ((1, 2), (3,)))),
        (["strand.strategy=hybrid", "strand.groups=[[1,2],[3]]"], ("strand", "groups", ((1, 2), (3,)))),
        (["training.accelerator=a=b"], ("training", "accelerator", "a=b")),
    ],
)
def test_changes_are_written_as_on_the_command_line(
    changes: list[str], value: tuple[str, str, Any], config: Path
) -> None:
    section, key, expected = value
    assert getattr(getattr(Experiment.load(config, changes), section), key) == expected
    assert getattr(getattr(Experiment.load(config).changed(*changes), section), key) == expected


def test_options_of_the_model_can_be_changed(config: Path) -> None:
    experiment = Experiment.load(config, ["model.filters=3", "model.kernel_sizes=[5, 4, 4]"])
    assert experiment.model.architecture().options.model_dump()["kernel_sizes"] == (5, 4, 4)
    assert experiment != Experiment.load(config)


def test_a_changed_copy_leaves_the_original(config: Path) -> None:
    experiment = Experiment.load(config)
    changed = experiment.changed("strand.strategy=rcps", "genome.fasta=/other.fa")
    assert experiment == Experiment.load(config)
    assert changed.files()[0] == Path("/other.fa")
    assert changed.changed("strand.strategy=posthoc", f"genome.fasta={experiment.files()[0]}") == experiment
    with pytest.raises(ConfigError, match=r"changed config: training.epoch is not a known key"):
        experiment.changed("training.epoch=3")


def test_toml_holds_everything_and_reads_back_equal(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(
        TOML
        + '[split]\nvalid = ["chrI"]\n[strand]\nstrategy = "hybrid"\ngroups = [[1, 2]]\n'
        + '[training]\nclass_weights = 2.5\nlearning_rate = 1e-7\ndevices = "1"\n[model]\nfilters = 3\n'
    )
    experiment = Experiment.load(config)
    table = tomllib.loads(experiment.to_toml())
    assert table["training"]["patience"] == 10
    assert table["genome"]["fasta"] == str(tmp_path / "folder/data/genome.fa")
    written = tmp_path / "elsewhere.toml"
    written.write_text(experiment.to_toml())
    monkeypatch.chdir("/")
    assert Experiment.load(written) == Experiment.load_resolved(written) == experiment
    assert Experiment.load(written).to_toml() == experiment.to_toml()


def test_toml_of_sequences_reads_back_equal(config: Path) -> None:
    config.write_text('[[sequences]]\npositives = "p.fa"\nshuffled = "dinucleotide"\n[split]\ntest_fraction = 0.25\n')
    experiment = Experiment.load(config)
    config.write_text(experiment.to_toml())
    assert Experiment.load(config) == experiment


def test_a_resolved_config_takes_nothing_from_the_environment(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SW_DATA", "${SW_MORE}")
    monkeypatch.setenv("SW_MORE", "more")
    experiment = Experiment.load(change(config, "data/genome.fa", "/${SW_DATA}.fa"))
    config.write_text(experiment.to_toml())
    assert Experiment.load_resolved(config) == experiment
    assert str(experiment.files()[0]) == "/${SW_MORE}.fa"


def test_a_run_reads_its_config_from_anywhere(trained: Run, small: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert Run(trained.path.relative_to("/")).experiment == small


def test_it_is_frozen(config: Path) -> None:
    experiment = Experiment.load(config)
    with pytest.raises(ValidationError, match="frozen"):
        experiment.training.epochs = 5
    with pytest.raises(ValidationError, match="frozen"):
        experiment.genome = None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"\[genome\] is missing: name a FASTA there, or give \[\[sequences\]\]"),
        ('[genome]\nfasta = "g.fa"', r"\[\[targets\]\] is missing"),
        (TOML + '[[sequences]]\npositives = "p.fa"\nshuffled = "dinucleotide"', "not both"),
        (TOML + '[[targets]]\nname = "Reb1"\npeaks = "x.bed"', "two targets are named 'Reb1': give each its own"),
        (TOML + "[training]\nseed = -1", r"training.seed = -1: .*greater than or equal to 0"),
        (TOML + "[windows]\ninput_bp = 0", r"windows.input_bp = 0: .*greater than 0"),
        (TOML + "[genom]", r"genom is not a known key \(did you mean 'genome'\?\)"),
        (TOML + "[genome]", "not valid TOML: Cannot declare"),
        ("\xff", "not valid TOML: .*0xff"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(text: str, message: str, config: Path) -> None:
    config.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match=f"config.toml: .*{message}"):
        Experiment.load(config)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(config: Path) -> None:
    expected = Experiment.load(config)
    config.write_bytes(b"\xef\xbb\xbf" + TOML.replace("\n", "\r\n").encode())
    assert Experiment.load(config) == expected


def test_a_config_that_is_not_there(config: Path) -> None:
    with pytest.raises(InputError, match=r"conf.toml: no such file \(a config\) \(did you mean 'config.toml'\?\)"):
        Experiment.load(config.with_name("conf.toml"))


def keys(table: type[BaseModel], where: str) -> Iterator[tuple[str, str | None]]:
    for name, field in table.model_fields.items():
        inner = table_in(field.annotation)
        if inner is None:
            yield f"{where}{name}", field.description
        else:
            yield from keys(inner, f"{where}{name}.")


def test_every_key_says_what_it_means() -> None:
    found = dict(keys(Experiment, ""))
    for name, kind in MODELS.items():
        found |= dict(keys(kind.Options, f"{name}."))
    assert len(found) > 40
    assert [key for key, meaning in found.items() if not meaning] == []
