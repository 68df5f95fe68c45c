"""The learning rate falls where training no longer improves, and a stopped run goes on as if unbroken."""

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from pydantic import ValidationError

from strandwise.data.windows import LabelledWindows
from strandwise.layers import binary_head
from strandwise.models import ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.training import TrainingSettings, fit
from strandwise.training.callbacks import Checkpoint, Decay, Patience

pytestmark = pytest.mark.usefixtures("one_thread")

FALLING = {"learning_rate": 0.1, "learning_rate_decay": 0.5, "decay_patience": 1, "monitor": "valid_loss", "epochs": 7}
STRAND = StrandSettings(strategy="augmented")


def train(windows: LabelledWindows, folder: Path, resume: bool = False, **table: Any) -> SequenceModel:
    sizes = {"name": "shrikumar_simulated", "filters": 6, "kernel_size": 9, "pool_width": 8}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        architecture = ModelSettings.model_validate(sizes).architecture()
        network = assemble(architecture, [binary_head(windows.tracks)], 40, STRAND)
    defaults = {"batch_size": 20, "accelerator": "cpu", "patience": 100}
    settings = TrainingSettings.model_validate(defaults | FALLING | table)
    fit(network, windows, STRAND, settings, folder, jitter_bp=2, resume=resume)
    return network


def curves(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "history.csv").drop(columns="seconds")


def saved(folder: Path, name: str = "last") -> dict[str, Any]:
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)


def learning_rate(folder: Path) -> float:
    return saved(folder)["optimizer_states"][0]["param_groups"][0]["lr"]


def steps_down(values: list[float], patience: int) -> list[int]:
    """How often the rate has fallen after each epoch, by the letter of the rule."""
    best, waited, fallen, found = np.inf, 0, 0, []
    for value in values:
        best, waited = (value, 0) if value < best else (best, waited + 1)
        if waited == patience:
            fallen, waited = fallen + 1, 0
        found.append(fallen)
    return found


@pytest.fixture(scope="module")
def windows(planted: Callable[..., LabelledWindows]) -> LabelledWindows:
    return planted(n=400)


@pytest.fixture(scope="module")
def unbroken(
    one_thread: None, windows: LabelledWindows, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, SequenceModel]:
    folder = tmp_path_factory.mktemp("unbroken")
    return folder, train(windows, folder)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("patience", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_the_rate_falls_as_torchs_does(mode: Literal["min", "max"], patience: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=40).round(1)
    values[[7, 20]] = np.nan
    mine, theirs = (torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=1.0) for _ in range(2))
    # Torch counts the epochs that are borne, and falls after one more.
    oracle = torch.optim.lr_scheduler.ReduceLROnPlateau(
        theirs, mode=mode, factor=0.5, patience=patience - 1, threshold=0, eps=0
    )
    decay, rates = Decay("valid_loss", mode, 0.5, patience), []
    for value in values:
        decay.on_train_epoch_end(
            SimpleNamespace(callback_metrics={"valid_loss": torch.tensor(value)}, optimizers=[mine]),  # pyright: ignore[reportArgumentType]
            None,  # pyright: ignore[reportArgumentType]
        )
        oracle.step(value)
        rates.append((mine.param_groups[0]["lr"], theirs.param_groups[0]["lr"]))
        # What is kept of it is all that it knows.
        again = Decay("valid_loss", mode, 0.5, patience)
        again.load_state_dict(copy.deepcopy(decay.state_dict()))
        decay = again
    assert all(one == other for one, other in rates)
    assert rates[-1][0] < 0.01


def test_training_goes_on_with_the_lower_rate(windows: LabelledWindows, unbroken: tuple[Path, SequenceModel]) -> None:
    folder, network = unbroken
    fallen = steps_down(curves(folder)["valid_loss"].tolist(), 1)
    assert 0 < fallen[-2] <= fallen[-1]
    assert learning_rate(folder) == pytest.approx(0.1 * 0.5 ** fallen[-1])
    best = int(curves(folder)["valid_loss"].to_numpy().argmin())
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    kept = saved(folder, "best")
    assert kept["epoch"] == best
    assert all(torch.equal(state[name], value) for name, value in kept["state_dict"].items())


def test_without_it_the_rate_stays(
    windows: LabelledWindows, unbroken: tuple[Path, SequenceModel], tmp_path: Path
) -> None:
    train(windows, tmp_path, learning_rate_decay=None)
    assert learning_rate(tmp_path) == 0.1
    first = steps_down(curves(unbroken[0])["valid_loss"].tolist(), 1).index(1)
    mine, other = curves(tmp_path), curves(unbroken[0])
    pd.testing.assert_frame_equal(mine[: first + 1], other[: first + 1], check_exact=True)
    assert (mine[first + 1 :]["train_loss"] != other[first + 1 :]["train_loss"]).all()


def test_it_falls_by_the_measure_of_patience(windows: LabelledWindows, tmp_path: Path) -> None:
    train(windows, tmp_path, patience_on="valid_auroc", epochs=5)
    values = (-curves(tmp_path)["valid_auroc"]).tolist()
    assert steps_down(values, 1) != steps_down(curves(tmp_path)["valid_loss"].tolist(), 1)
    assert learning_rate(tmp_path) == pytest.approx(0.1 * 0.5 ** steps_down(values, 1)[-1])


@pytest.mark.parametrize("first", [1, 3, 6])
def test_a_stopped_run_goes_on_with_the_rate_of_an_unbroken_one(
    windows: LabelledWindows, unbroken: tuple[Path, SequenceModel], tmp_path: Path, first: int
) -> None:
    train(windows, tmp_path, epochs=first)
    same(train(windows, tmp_path, resume=True), tmp_path, unbroken)


def test_a_run_stopped_before_its_checkpoint_takes_the_same_steps_down(
    windows: LabelledWindows, unbroken: tuple[Path, SequenceModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the epoch in which the rate has just fallen for the first time."""
    at = steps_down(curves(unbroken[0])["valid_loss"].tolist(), 1).index(1)
    save = Checkpoint._save_none_monitor_checkpoint

    def sometimes(self: Checkpoint, trainer: Any, *rest: Any) -> None:
        if trainer.current_epoch == at:
            raise RuntimeError("stopped")
        save(self, trainer, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "_save_none_monitor_checkpoint", sometimes)
        with pytest.raises(RuntimeError, match="stopped"):
            train(windows, tmp_path)
    assert saved(tmp_path)["epoch"] == at - 1
    assert learning_rate(tmp_path) == 0.1
    same(train(windows, tmp_path, resume=True), tmp_path, unbroken)


def same(network: SequenceModel, folder: Path, unbroken: tuple[Path, SequenceModel]) -> None:
    pd.testing.assert_frame_equal(curves(folder), curves(unbroken[0]), check_exact=True)
    assert learning_rate(folder) == learning_rate(unbroken[0])
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), unbroken[1].parameters(), strict=True))
    mine, theirs = saved(folder)["state_dict"], saved(unbroken[0])["state_dict"]
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_checkpoints_know_callbacks_by_the_names_that_lightning_gives(tmp_path: Path) -> None:
    """So that a run which was stopped goes on under another version of ours."""
    pairs = [
        (
            Checkpoint(tmp_path, "best", "valid_loss", "max"),
            ModelCheckpoint(tmp_path, monitor="valid_loss", mode="max"),
        ),
        (Checkpoint(tmp_path, "last"), ModelCheckpoint(tmp_path)),
        (Patience("valid_auroc", mode="max"), EarlyStopping("valid_auroc", mode="max")),
    ]
    for mine, theirs in pairs:
        assert mine.state_key == theirs.state_key.replace(type(theirs).__name__, type(mine).__name__)
    assert len({mine.state_key for mine, _ in pairs}) == 3


@pytest.mark.parametrize("factor", [0.0, 1.0, 1.5, -0.2])
def test_a_factor_lowers(factor: float) -> None:
    with pytest.raises(ValidationError, match="learning_rate_decay"):
        TrainingSettings(learning_rate_decay=factor)


def test_patience_of_the_rate_is_the_shorter_one() -> None:
    assert TrainingSettings(patience=2).decay_patience == 3
    with pytest.raises(ValidationError, match=r"decay_patience = 3 and patience = 3: training would stop before"):
        TrainingSettings(learning_rate_decay=0.2, patience=3)
