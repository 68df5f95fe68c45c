"""`[augmentation]` from the config to the trained run."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from strandwise.errors import ConfigError
from strandwise.experiment import Experiment, Run, train

CHANGES = (
    "augmentation.delete_bp=5",
    "augmentation.insert_bp=5",
    "augmentation.translocate_bp=5",
    "augmentation.invert_bp=5",
    "augmentation.mutate=0.05",
    "augmentation.noise=0.2",
)


@pytest.fixture
def config(write_project: Callable[..., Path], tmp_path: Path) -> Path:
    return write_project(tmp_path / "data")


def weights(run: Run) -> torch.Tensor:
    return torch.cat([value.flatten().double() for value in run.network.state_dict().values()])


def test_a_run_that_was_stopped_ends_where_an_unbroken_one_does(config: Path, tmp_path: Path) -> None:
    epochs = ("training.patience=10", "training.epochs=3")
    whole = train(Experiment.load(config, [*CHANGES, *epochs]), tmp_path / "whole")
    stopped = train(Experiment.load(config, [*CHANGES, "training.patience=10", "training.epochs=1"]), tmp_path / "cut")
    # As though it had been stopped after its first epoch.
    (stopped.path / "weights.safetensors").unlink()
    (stopped.path / "config.toml").write_text((whole.path / "config.toml").read_text())
    resumed = train(Experiment.load(config, [*CHANGES, *epochs]), tmp_path / "cut", resume=True)
    columns = [name for name in whole.history if name != "seconds"]
    assert whole.history[columns].equals(resumed.history[columns])
    assert torch.equal(weights(whole), weights(resumed))
    plain = train(Experiment.load(config, epochs), tmp_path / "plain")
    assert not torch.equal(weights(whole), weights(plain))


def test_a_second_stage_goes_on_without_changes(config: Path, tmp_path: Path) -> None:
    first = train(Experiment.load(config, [*CHANGES, "training.epochs=1"]), tmp_path / "first")
    second = Experiment.load(
        config,
        [f"model.init={first.path}", "model.init_heads=true", "training.epochs=1", "training.learning_rate=1e-9"],
    )
    assert second.augmentation is None
    after = train(second, tmp_path / "second")
    learned = {name: value for name, value in first.network.state_dict().items() if not name.endswith(("mean", "var"))}
    for name, value in after.network.state_dict().items():
        if name in learned:
            torch.testing.assert_close(value, learned[name], rtol=0, atol=1e-6)


GENOME = """
[genome]
fasta = "genome.fa"
[[targets]]
name = "a"
peaks = "a.bed"
"""
TILES = '[tiles]\nlabels = "dense"\n[windows]\nlabel_bp = 100\n[model]\nname = "dilated"\n'
SIGNAL = 'signal = "a.bw"\n[model]\nname = "basenji"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[inputs]]\nname = "DNase"\nsignal = "d.bw"\n', "the signal of"),
        (SIGNAL, "what is predicted along it"),
        (TILES, "what is predicted along it"),
    ],
)
def test_what_moves_bases_is_refused_where_something_lies_along_them(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(GENOME + text + "[augmentation]\nmutate = 0.1\nnoise = 0.1\n")
    assert Experiment.load(path).augmentation is not None
    for kind in ("delete_bp", "insert_bp", "translocate_bp", "invert_bp"):
        with pytest.raises(ConfigError, match=rf"augmentation\.{kind} = 9 moves bases of a window, and {said}"):
            Experiment.load(path, [f"augmentation.{kind}=9"])


def test_one_number_of_a_window_may_be_learned_from_changed_windows(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    whole = "[windows]\ninput_bp = 500\nlabel_bp = 100\nbin_bp = 500\n"
    path.write_text(GENOME + 'signal = "a.bw"\n' + whole + "[augmentation]\ndelete_bp = 20\n")
    assert Experiment.load(path).augmentation is not None
    with pytest.raises(ConfigError, match="delete_bp = 500 is not shorter than a window of 500 bp: reduce it"):
        Experiment.load(path, ["augmentation.delete_bp=500"])
