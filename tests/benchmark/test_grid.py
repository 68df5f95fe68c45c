import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strandwise.benchmark import Cell, Grid
from strandwise.benchmark.grid import Pair, trained_as
from strandwise.errors import ConfigError, InputError
from strandwise.models import StrandSettings

TWO = """
[[strategies]]
name = "standard"
set = { "strand.strategy" = "standard" }

[[strategies]]
name = "rcps"
set = { "strand.strategy" = "rcps" }
"""
MODELS = """
[[models]]
name = "small"
set = { "model.filters" = 2 }

[[models]]
name = "large"
set = { "model.filters" = 3 }
strategies = ["rcps"]
"""


def cells(path: Path) -> list[Cell]:
    return list(Grid.load(path).cells())


def test_what_is_not_given_stands_for_all(write_grid: Callable[..., Path]) -> None:
    grid = Grid.load(write_grid(""))
    assert grid.seed_list == (0, 1, 2)
    assert [level.name for level in grid.levels[0]] == ["data"]
    names = ["standard", "augmented", "conjoined", "posthoc", "rcps", "hybrid"]
    assert grid.arms() == [("model", name) for name in names]
    found = list(grid.cells())
    assert len(found) == 18
    assert [cell.experiment.strand.strategy for cell in found[:6]] == names
    assert [cell.experiment.training.seed for cell in found] == [0] * 6 + [1] * 6 + [2] * 6


def test_seeds_are_a_number_or_a_list(write_grid: Callable[..., Path]) -> None:
    assert [cell.seed for cell in cells(write_grid("seeds = [7, 3]" + TWO))] == [7, 7, 3, 3]
    assert [cell.experiment.training.seed for cell in cells(write_grid("seeds = 1" + TWO))] == [0, 0]


def test_models_are_crossed_with_the_strategies_they_name(write_grid: Callable[..., Path]) -> None:
    grid = Grid.load(write_grid("seeds = 1" + MODELS + TWO))
    assert grid.arms() == [("small", "standard"), ("small", "rcps"), ("large", "rcps")]
    found = list(grid.cells())
    assert [cell.key for cell in found] == [("data", *arm, 0) for arm in grid.arms()]
    filters = [cell.experiment.model.architecture().options.filters for cell in found]  # pyright: ignore[reportAttributeAccessIssue]
    assert filters == [2, 2, 3]
    assert [grid.label(*arm) for arm in grid.arms()] == ["standard, small", "rcps, small", "rcps, large"]


def test_the_strategy_has_the_last_word_and_the_grid_the_first(write_grid: Callable[..., Path]) -> None:
    text = """
    seeds = 1
    set = { "training.epochs" = 11, training = { batch_size = 12, patience = 13, learning_rate = 0.14 } }
    [[data]]
    name = "d"
    set = { training = { batch_size = 22, patience = 23, learning_rate = 0.24 } }
    [[models]]
    name = "m"
    set = { "training.patience" = 33, "training.learning_rate" = 0.34 }
    [[strategies]]
    name = "s"
    set = { "training.learning_rate" = 0.44 }
    """
    (cell,) = cells(write_grid(text))
    training = cell.experiment.training
    assert (training.epochs, training.batch_size, training.patience, training.learning_rate) == (11, 22, 33, 0.44)


def test_any_value_that_toml_holds_reaches_the_config(write_grid: Callable[..., Path], config: Path) -> None:
    tables = ", ".join(f'{{ fasta = "{s}.fa", labels = "{s}.tsv", split = "{s}" }}' for s in ("train", "valid"))
    text = f"""
    seeds = 1
    [[data]]
    name = "no test"
    set = {{ sequences = [{tables}], title = "dna 🧬 = \\"A\\" \\\\ \\u007f", "training.tensorboard" = false }}
    """
    cell = cells(write_grid(text + TWO))[0]
    assert [table.split for table in cell.experiment.sequences] == ["train", "valid"]
    assert cell.experiment.sequences[0].fasta == config.parent / "train.fa"
    assert cell.experiment.title == 'dna 🧬 = "A" \\ \x7f'
    assert cell.experiment.training.tensorboard is False


def test_a_grid_made_in_python_takes_python_values(config: Path) -> None:
    changes = {"training": {"also_monitor": ("valid_loss",)}, "sequences": [{"fasta": config.parent / "train.fa"}]}
    grid = Grid(config=config, seeds=1, set={"training": changes["training"]})
    assert next(grid.cells()).experiment.training.also_monitor == ("valid_loss",)
    with pytest.raises(ConfigError, match=r"cell data / model / standard: .*fasta and labels belong together"):
        next(Grid(config=config, set={"sequences": changes["sequences"]}).cells())
    with pytest.raises(ConfigError, match=r"cell data / model / standard: .*training.epochs = 'None'"):
        next(Grid(config=config, set={"training.epochs": None}).cells())


def test_paths_are_relative_to_the_grid_and_to_each_config(tmp_path: Path, config: Path) -> None:
    for name in ("one", "two"):
        shutil.copytree(config.parent, tmp_path / name)
    text = "config = 'one/config.toml'\nseeds = 1\n[[data]]\nname = 'a'\n[[data]]\nname = 'b'\n"
    (tmp_path / "grid.toml").write_text(text + "config = 'two/config.toml'\n" + TWO)
    one, _, two, _ = cells(tmp_path / "grid.toml")
    assert one.experiment.sequences[0].fasta == tmp_path / "one" / "train.fa"
    assert two.experiment.sequences[0].fasta == tmp_path / "two" / "train.fa"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed = 3", "seed is not a known key (did you mean 'seeds'?)"),
        ("[[strategies]]\nnme = 'x'", "strategies[1].nme is not a known key (did you mean 'name'?)"),
        ("[[strategies]]\nname = ''", "strategies[1].name = ''"),
        ("[[strategies]]\nname = 'a\\u0007'".replace("'", '"'), r"'a\x07' holds what cannot be printed: rename it"),
        ("[strategies]\nname = 'x'", "begin each of these tables with [[strategies]]"),
        ("seeds = []", "seeds []: name at least one, and each once"),
        ("seeds = [1, 2, 1]", "seeds [1, 2, 1]: name at least one, and each once"),
        ("seeds = 0", "seeds = 0"),
        ("seeds = [-1]", "seeds = -1"),
        ("metrics = []", "metrics = []: "),
        ("metrics = ['auorc']", "metrics: metric 'auorc' is not one of auroc; aupr; "),
        ("choose_by = ['valid_acc']", "choose_by[1] = 'valid_acc'"),
        (TWO + TWO, "[[strategies]] names 'rcps' twice: give each its own name"),
        (MODELS.replace("large", "small") + TWO, "[[models]] names 'small' twice"),
        (
            MODELS.replace('["rcps"]', '["rpcs"]') + TWO,
            "[[models]] 'large' is crossed with strategy 'rpcs', which is not one of standard, rcps (did you mean",
        ),
        (MODELS.replace('["rcps"]', '["rpcs"]'), "'rpcs', which is not one of standard, augmented, conjoined, posthoc"),
        (MODELS.replace('["rcps"]', "[]") + TWO, "models[2].strategies = []: "),
        ("set = { 'training.seed' = 3 }", "set changes training.seed, which seeds of the grid decides: remove it"),
        (
            "choose_by = ['valid_loss']\n[[data]]\nname = 'x'\nset = { training = { monitor = 'valid_loss' } }",
            "set changes training.monitor, which choose_by of the grid decides: remove it",
        ),
        (
            TWO + "[[comparisons]]\nbetter = 'rpcs'\nthan = ['standard']",
            "comparisons: arm 'rpcs' is not one of standard;",
        ),
        (
            TWO + "[[comparisons]]\nbetter = 'rcps'\nthan = ['standrd']",
            "'standrd' is not one of standard; rcps (did you",
        ),
        (TWO + "[[comparisons]]\nbetter = 'rcps'\nthan = []", "comparisons[1].than = []: "),
        (
            MODELS + TWO + "[[comparisons]]\nbetter = 'rcps'\nthan = ['rcps, small']",
            "'rcps' is not one of standard, small;",
        ),
        (
            TWO + "[[published]]\narm = 'rspc'\nvalues = { auroc = 0.9 }",
            "published: arm 'rspc' is not one of standard; rcps",
        ),
        (
            TWO + "[[published]]\narm = 'rcps'\nvalues = { auc = 0.9 }",
            "published: metric 'auc' is not one of auroc; aupr",
        ),
        (
            TWO + "[[published]]\narm = 'rcps'\ndata = 'dta'\nvalues = { auroc = 0.9 }",
            "published: data 'dta' is not one of data (did you mean 'data'?)",
        ),
        (
            "[[data]]\nname = 'x'\n[[data]]\nname = 'y'\n"
            + TWO
            + "[[published]]\narm = 'rcps'\nvalues = { auroc = 0.9 }",
            "published: numbers of 'rcps' name no data: give one of x; y",
        ),
        (
            "[[models]]\nname = 'b, c'\nstrategies = ['a']\n[[models]]\nname = 'c'\nstrategies = ['a, b']\n"
            "[[strategies]]\nname = 'a'\n[[strategies]]\nname = 'a, b'",
            "two arms are called 'a, b, c': rename a model or a strategy",
        ),
        ("title = ", "not valid TOML: "),
    ],
)
def test_a_typo_is_named(write_grid: Callable[..., Path], text: str, said: str) -> None:
    path = write_grid(text)
    with pytest.raises(ConfigError, match=re.escape(said)) as raised:
        Grid.load(path)
    assert str(raised.value).startswith(f"{path}: ")


def test_what_the_config_refuses_is_named_with_the_cell(write_grid: Callable[..., Path]) -> None:
    wrong = TWO.replace('"strand.strategy" = "rcps"', '"strand.strategy" = "rcsp"')
    with pytest.raises(ConfigError, match=r"^cell data / model / rcps: .*config.toml: .*'rcsp' is not one of .*'rcps'"):
        cells(write_grid(wrong))
    with pytest.raises(ConfigError, match=r"^cell data / large / rcps: .*model.fliters.*did you mean 'filters'"):
        cells(write_grid(MODELS.replace('"model.filters" = 3', '"model.fliters" = 3') + TWO))
    with pytest.raises(ConfigError, match=r"^cell data / model / standard: .*seed 9223372036854775808 is too large"):
        cells(write_grid(f"seeds = [{2**63}]" + TWO))


def test_a_config_that_is_missing_is_named(tmp_path: Path, config: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text("[[data]]\nname = 'cells'")
    with pytest.raises(ConfigError, match="data 'cells' has no config: name one in it, or at the top of the grid"):
        cells(path)
    path.write_text(f"config = '{config.with_name('cnfig.toml')}'")
    with pytest.raises(InputError, match=r"cnfig.toml: no such file .*did you mean 'config.toml'"):
        cells(path)
    with pytest.raises(InputError, match=r"gird.toml: no such file .*did you mean 'grid.toml'"):
        Grid.load(tmp_path / "gird.toml")


def test_all_pairs_are_tested_without_a_claim_and_claims_as_they_are_made(write_grid: Callable[..., Path]) -> None:
    three = TWO + "[[strategies]]\nname = 'third'\n"
    assert Grid.load(write_grid(three)).claims() == [
        Pair("standard", "rcps", "two-sided"),
        Pair("standard", "third", "two-sided"),
        Pair("rcps", "third", "two-sided"),
    ]
    made = "[[comparisons]]\nbetter = 'rcps'\nthan = ['standard', 'third']\n"
    assert Grid.load(write_grid(three + made)).claims() == [
        Pair("rcps", "standard", "greater"),
        Pair("rcps", "third", "greater"),
    ]


def test_published_numbers_belong_to_an_arm_and_data(write_grid: Callable[..., Path]) -> None:
    text = "[[data]]\nname = 'x'\n[[data]]\nname = 'y'\n" + TWO
    for data, values in (("x", "auroc = 0.9"), ("x", "aupr = 0.8"), ("y", "auroc = 0.7")):
        text += f"[[published]]\narm = 'rcps'\ndata = '{data}'\nvalues = {{ {values} }}\n"
    grid = Grid.load(write_grid(text))
    assert grid.published_on("x") == {"rcps": {"auroc": 0.9, "aupr": 0.8}}
    assert grid.published_on("y") == {"rcps": {"auroc": 0.7}}
    grid = Grid.load(write_grid(TWO + "[[published]]\narm = 'rcps'\nvalues = { auroc = 0.6 }\n"))
    assert grid.published_on("data") == {"rcps": {"auroc": 0.6}}


def first(path: Path) -> Cell:
    return cells(path)[0]


def test_the_fingerprint_is_that_of_the_content_wherever_it_lies(
    write_grid: Callable, tmp_path: Path, config: Path
) -> None:
    here = first(write_grid(TWO))
    moved = Path(shutil.copytree(config.parent, tmp_path / "Ü elsewhere"))
    grid = moved / "other.toml"
    grid.write_text('config = "config.toml"\n' + TWO)
    assert first(grid).fingerprint == here.fingerprint
    assert first(grid).training == here.training
    fasta = moved / "test.fa"
    fasta.write_text(fasta.read_text().replace("A", "C", 1))
    assert first(grid).fingerprint != here.fingerprint


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ("title = 'another'", True),
        ("'training.workers' = 1", True),
        ("'training.devices' = 1", True),
        ("'training.accelerator' = 'auto'", True),
        # Defaults, written out.
        ("'training.learning_rate' = 0.001, 'training.precision' = '32-true'", True),
        ("'windows.jitter_bp' = 0, 'strand.merge_after_link' = false", True),
        ("'training.epochs' = 3", False),
        ("'model.filters' = 3", False),
        ("'training.monitor' = 'valid_loss'", False),
        ("'windows.seed' = 1", False),
    ],
)
def test_the_fingerprint_is_of_what_decides_the_result(write_grid: Callable, change: str, same: bool) -> None:
    plain, changed = first(write_grid(TWO)), first(write_grid(f"set = {{ {change} }}\n" + TWO, "changed.toml"))
    assert (plain.fingerprint == changed.fingerprint) == same


def test_seeds_share_a_fingerprint_and_no_training(write_grid: Callable[..., Path]) -> None:
    one, other = (cell for cell in cells(write_grid("seeds = 2" + TWO)) if cell.strategy == "rcps")
    assert one.fingerprint == other.fingerprint
    assert one.training != other.training


@pytest.mark.parametrize(
    ("strand", "alike"),
    [
        ({"strategy": "posthoc"}, {"strategy": "augmented"}),
        ({"strategy": "posthoc", "merge_after_link": True}, {"strategy": "augmented"}),
        ({"strategy": "posthoc", "merge": "max"}, {"strategy": "augmented"}),
        ({"strategy": "posthoc", "augmentation": "double"}, {"strategy": "augmented", "augmentation": "double"}),
        ({"strategy": "posthoc", "augmentation": "none"}, {"strategy": "standard"}),
        ({"strategy": "augmented"}, {"strategy": "augmented"}),
        ({"strategy": "standard"}, {"strategy": "standard"}),
        ({"strategy": "conjoined", "merge": "max"}, {"strategy": "conjoined", "merge": "max"}),
        ({"strategy": "conjoined", "merge_after_link": True}, {"strategy": "conjoined", "merge_after_link": True}),
        ({"strategy": "rcps", "merge": "mean"}, {"strategy": "rcps", "merge": "mean"}),
        ({"strategy": "hybrid", "groups": [[1, 2]]}, {"strategy": "hybrid", "groups": [[1, 2]]}),
    ],
)
def test_strategies_that_train_alike_are_known(strand: dict[str, Any], alike: dict[str, Any]) -> None:
    assert trained_as(StrandSettings.model_validate(strand)) == StrandSettings.model_validate(alike)
