"""What happens at the end of an epoch: a row of history, checkpoints, and patience."""

import csv
import math
import os
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint

from strandwise.files import writing_errors


def history_columns(measures: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of `history.csv` where these are measured on the validation windows.

    All but the loss are measured of training too, on each window as it was learned from.
    """
    train = [measure.replace("valid_", "train_") for measure in measures if measure != "valid_loss"]
    return ("epoch", "train_loss", *train, *measures, "seconds")


class History(Callback):
    """Writes a row an epoch, counted from 1, to `history.csv`; a resumed run goes on after its checkpoint's.

    Args:
        path: the file.
        measures: what is measured on the validation windows.
    """

    def __init__(self, path: Path, measures: Sequence[str]) -> None:
        self.path, self.columns = path, history_columns(measures)
        self._started = time.monotonic()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Drop rows of epochs that will be trained again."""
        if not trainer.is_global_zero:
            return
        rows = []
        if self.path.exists():
            with self.path.open(newline="", encoding="utf-8") as stream:
                rows = [row for row in csv.DictReader(stream) if int(row["epoch"]) <= trainer.current_epoch]
        self._write(rows, "w")

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the epoch's clock."""
        self._started = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Append the epoch's row."""
        if not trainer.is_global_zero:
            return
        said = trainer.callback_metrics
        row: dict[str, Any] = {name: float(said[name]) for name in self.columns[1:-1]}
        self._write([{"epoch": trainer.current_epoch + 1, **row, "seconds": time.monotonic() - self._started}], "a")

    def _write(self, rows: Sequence[dict[str, Any]], mode: str) -> None:
        with writing_errors(self.path), self.path.open(mode, newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            if mode == "w":
                writer.writerow(self.columns)
            for row in rows:
                values = [row[name] for name in self.columns]
                writer.writerow([f"{value:.6g}" if isinstance(value, float) else value for value in values])
            stream.flush()
            os.fsync(stream.fileno())


class Checkpoint(ModelCheckpoint):
    """Keeps the best epoch by a metric, or the last one; still knows it after the run folder was moved."""

    def __init__(self, folder: Path, name: str, monitor: str | None = None, mode: str = "min") -> None:
        super().__init__(
            folder,
            filename=name,
            monitor=monitor,
            mode=mode,
            enable_version_counter=False,
            save_on_train_epoch_end=True,
        )

    @cached_property
    def state_key(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """What it is called in a checkpoint; put together once, since Lightning asks several times a step."""
        return super().state_key

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what a stopped run knew, wherever its folder was then."""
        super().load_state_dict(state_dict | {"dirpath": self.dirpath})


class Decay(Callback):
    """Lowers the learning rate where training no longer improves.

    Not Lightning's scheduler: that one moves after the epoch's checkpoint is written, so that a resumed run would miss
    a step of it. Callbacks like this one come before checkpoints.

    Args:
        measure: what should improve.
        mode: "min" where less of it is better, else "max".
        factor: what the learning rate is multiplied by.
        patience: epochs without improvement, after the best or after the last step down.
    """

    def __init__(self, measure: str, mode: str, factor: float, patience: int) -> None:
        self.measure, self.factor, self.patience = measure, factor, patience
        self._sign = -1.0 if mode == "min" else 1.0
        self.best, self.waited = -math.inf, 0

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Count the epoch, and take a step down where patience has run out."""
        score = self._sign * float(trainer.callback_metrics[self.measure])
        if score > self.best:
            self.best, self.waited = score, 0
        else:
            self.waited += 1
        if self.waited >= self.patience:
            self.waited = 0
            for optimizer in trainer.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] *= self.factor

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run must know; the learning rate itself is the optimiser's."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what a stopped run knew."""
        self.best, self.waited = state_dict["best"], state_dict["waited"]


class Patience(EarlyStopping):
    """Stops training that no longer improves; a resumed run that had stopped trains no further."""

    @cached_property
    def state_key(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """What it is called in a checkpoint; put together once, since Lightning asks several times a step."""
        return super().state_key

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop at once where patience had run out before."""
        trainer.should_stop = self.wait_count >= self.patience
