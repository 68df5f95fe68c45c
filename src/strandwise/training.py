"""Training: what is optimised, how long, and what is kept of it."""

import csv
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import lightning
import numpy as np
import torch
from lightning import Fabric
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from strandwise.data.batches import Batch, TrainingBatches, one_hot, ordered_loader, training_loader
from strandwise.data.windows import LabelledWindows
from strandwise.errors import InputError, RunError
from strandwise.files import writing_errors
from strandwise.layers import Conjoined, Head
from strandwise.models import SequenceModel, Strategy
from strandwise.schema import Settings
from strandwise.scores.losses import LOSSES
from strandwise.scores.metrics import aupr, auroc

HISTORY = ("epoch", "train_loss", "valid_loss", "valid_auroc", "valid_aupr", "seconds")


class TrainingSettings(Settings):
    """The `[training]` table of a config."""

    epochs: PositiveInt = Field(default=30, description="the most epochs to train")
    batch_size: PositiveInt = Field(default=100, description="windows in a step")
    learning_rate: PositiveFloat = Field(default=1e-3, description="of Adam")
    weight_decay: NonNegativeFloat = Field(default=0.0, description="of Adam")
    class_weights: Literal["balanced", "none"] | PositiveFloat = Field(
        default="balanced",
        description="what a positive counts for: 'balanced' is negatives / positives of each track",
    )
    monitor: Literal["valid_auroc", "valid_aupr", "valid_loss"] = Field(
        default="valid_auroc", description="chooses the best epoch and stops early"
    )
    patience: PositiveInt = Field(default=10, description="epochs without improvement before training stops")
    seed: NonNegativeInt = Field(default=0, description="of the first weights, the order, jitter and strands")
    workers: NonNegativeInt = Field(
        default=0, description="processes that make batches; the batches do not depend on it"
    )
    accelerator: str = Field(default="auto", description="as Lightning's trainer takes it: auto, cpu, gpu, ...")
    devices: str | int = Field(default="auto", description="as Lightning's trainer takes it")
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"] = Field(
        default="32-true", description="as Lightning's trainer takes it"
    )
    tensorboard: bool = Field(default=False, description="log to TensorBoard too (extra 'trackers')")


class Trainable(lightning.LightningModule):
    """A network with its loss, its optimiser and its validation metrics."""

    def __init__(
        self,
        network: SequenceModel,
        strategy: Strategy,
        settings: TrainingSettings,
        positive_weight: Tensor | None,
    ) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self.conjoin = strategy.conjoin_in_training
        self.head: Head = network.heads[0]
        self.register_buffer("positive_weight", positive_weight, persistent=False)
        self._said: list[tuple[Tensor, Batch]] = []

    def on_train_epoch_start(self) -> None:
        """Seed torch by the epoch, so that a resumed run draws what an unbroken one would have."""
        torch.manual_seed(int(np.random.SeedSequence([self.settings.seed, self.current_epoch]).generate_state(1)[0]))

    def logits(self, batch: Batch) -> Tensor:
        """Return the logits of the head for a batch."""
        sequence = one_hot(batch.inputs["sequence"], next(self.network.parameters()).dtype)
        # Wrapped here, so that checkpoints hold the network's weights once and under its own names.
        reader = Conjoined(self.network) if self.conjoin else self.network
        return reader(sequence)[self.head.name]

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the head's loss for a batch."""
        targets, weights = batch.targets[self.head.name], batch.weights[self.head.name]
        return LOSSES[self.head.loss](logits, targets.to(logits), weights.to(logits), self.positive_weight)  # pyright: ignore[reportArgumentType]

    def training_step(self, batch: Batch, step: int) -> Tensor:
        """Return the loss of a training batch."""
        loss = self.loss(self.logits(batch), batch)
        self.log(
            "train_loss",
            loss,
            on_step=False,
            on_epoch=True,
            prog_bar=True,
            sync_dist=True,
            batch_size=batch_rows(batch),
        )
        return loss

    def validation_step(self, batch: Batch, step: int) -> None:
        """Keep what the network says of a validation batch."""
        self._said.append((self.logits(batch).float().cpu(), batch))

    def on_validation_epoch_end(self) -> None:
        """Log the validation loss and the mean AUROC and AUPR over tracks."""
        name = self.head.name
        logits = torch.cat([said for said, _ in self._said])
        batch = Batch(
            {},
            {name: torch.cat([batch.targets[name].cpu() for _, batch in self._said])},
            {name: torch.cat([batch.weights[name].cpu() for _, batch in self._said])},
        )
        self._said.clear()
        targets, weights = batch.targets[name].numpy(), batch.weights[name].numpy()
        scores = logits.double().numpy()
        columns = range(scores.shape[1])
        weight = None if self.positive_weight is None else self.positive_weight.cpu()
        loss = LOSSES[self.head.loss](logits, batch.targets[name], batch.weights[name], weight)  # pyright: ignore[reportArgumentType]
        metrics = {
            "valid_loss": float(loss),
            "valid_auroc": _mean([auroc(targets[:, c], scores[:, c], weights[:, c]) for c in columns]),
            "valid_aupr": _mean([aupr(targets[:, c], scores[:, c], weights[:, c]) for c in columns]),
        }
        self.log_dict({key: torch.tensor(value) for key, value in metrics.items()}, prog_bar=True, sync_dist=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam over every weight."""
        settings = self.settings
        return torch.optim.Adam(self.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)


class History(Callback):
    """Writes a row an epoch, counted from 1, to `history.csv`; a resumed run goes on after its checkpoint's."""

    def __init__(self, path: Path) -> None:
        self.path = path
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
        row: dict[str, Any] = {name: float(said[name]) for name in HISTORY[1:-1]}
        self._write([{"epoch": trainer.current_epoch + 1, **row, "seconds": time.monotonic() - self._started}], "a")

    def _write(self, rows: Sequence[dict[str, Any]], mode: str) -> None:
        with writing_errors(self.path), self.path.open(mode, newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            if mode == "w":
                writer.writerow(HISTORY)
            for row in rows:
                values = [row[name] for name in HISTORY]
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

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what a stopped run knew, wherever its folder was then."""
        super().load_state_dict(state_dict | {"dirpath": self.dirpath})


class Patience(EarlyStopping):
    """Stops training that no longer improves; a resumed run that had stopped trains no further."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop at once where patience had run out before."""
        trainer.should_stop = self.wait_count >= self.patience


def fit(
    network: SequenceModel,
    windows: LabelledWindows,
    strategy: Strategy,
    settings: TrainingSettings,
    folder: Path,
    *,
    jitter_bp: int = 0,
    resume: bool = False,
) -> None:
    """Train a network in place and leave it with the weights of its best epoch.

    Args:
        network: what to train; its first head is what the windows label.
        windows: with a train and a valid split.
        strategy: augmentation, and whether training is conjoined.
        settings: how long, how fast, on what.
        folder: gets `history.csv` and `checkpoints/`.
        jitter_bp: the largest shift of a training window either way.
        resume: go on from `checkpoints/last.ckpt` if it is there.

    Raises:
        InputError: a split is empty, or a track has no positive or no negative where one is needed.
        RunError: the checkpoint to go on from is damaged.
    """
    train, valid = windows.split("train"), windows.split("valid")
    check_trainable(train, valid)
    head = network.heads[0]
    batches = TrainingBatches(
        train,
        head.name,
        head.type,
        batch_size=settings.batch_size,
        jitter_bp=jitter_bp,
        augment=strategy.augment,
        seed=settings.seed,
    )
    checkpoints = folder / "checkpoints"
    last = _going_on(checkpoints) if resume else _starting_anew(checkpoints)
    mode = "min" if settings.monitor == "valid_loss" else "max"
    # The last epoch is saved after the best, so that going on from it knows the best.
    keep = [Checkpoint(checkpoints, "best", settings.monitor, mode), Checkpoint(checkpoints, "last")]
    stop = Patience(settings.monitor, mode=mode, patience=settings.patience, check_on_train_epoch_end=True)
    module = Trainable(network, strategy, settings, _positive_weight(train, settings))
    dtype = next(network.parameters()).dtype
    with _quiet(), torch.random.fork_rng(), writing_errors(checkpoints):
        folder.mkdir(parents=True, exist_ok=True)
        trainer = lightning.Trainer(
            max_epochs=settings.epochs,
            accelerator=settings.accelerator,
            devices=settings.devices,
            strategy="ddp_spawn" if processes(settings) > 1 else "auto",
            precision=settings.precision,
            callbacks=[History(folder / "history.csv"), stop, *keep],
            logger=_logger(folder, settings),
            default_root_dir=folder,
            enable_progress_bar=sys.stderr.isatty(),
            enable_model_summary=False,
            log_every_n_steps=1,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
        trainer.fit(
            module,
            training_loader(batches, settings.workers),
            ordered_loader(valid, head.name, max(settings.batch_size, 500)),
            ckpt_path=last,
            weights_only=True,
        )
    kept = torch.load(checkpoints / "best.ckpt", weights_only=True, map_location="cpu")["state_dict"]
    prefix = "network."
    network.load_state_dict({k.removeprefix(prefix): v for k, v in kept.items() if k.startswith(prefix)})
    network.to("cpu", dtype).eval()


def processes(settings: TrainingSettings) -> int:
    """Return how many processes train together: one a device.

    Raises:
        InputError: an accelerator or devices that this machine does not have.
    """
    try:
        return Fabric(accelerator=settings.accelerator, devices=settings.devices).world_size
    except (ValueError, TypeError, RuntimeError, ImportError) as error:
        raise InputError(
            f"training.accelerator = {settings.accelerator!r} with training.devices = {settings.devices!r} cannot "
            f"be had here ({error}): set both to 'auto', or to what this machine has."
        ) from error


def check_trainable(train: LabelledWindows, valid: LabelledWindows) -> None:
    """Refuse splits that nothing can be learned from or chosen by.

    Raises:
        InputError: naming the split, the track and the fix.
    """
    for name, windows in (("train", train), ("valid", valid)):
        if not len(windows):
            raise InputError(
                f"the {name} split has no windows: name other chromosomes or regions in split.valid and "
                "split.test, or, for sequence sets, fractions or splits."
            )
        for column, track in enumerate(windows.tracks):
            known = windows.labels[windows.weights[:, column] > 0, column]
            for value, word in ((1, "positive"), (0, "negative")):
                if not (known == value).any():
                    raise InputError(
                        f"track '{track}' has no {word} window in the {name} split: hold out other chromosomes, "
                        "or leave the track out."
                    )


def batch_rows(batch: Batch) -> int:
    """Return the number of windows in a batch."""
    return len(batch.inputs["sequence"])


def _starting_anew(checkpoints: Path) -> None:
    # A run that is stopped before its first checkpoint must not go on from those of another.
    for stale in checkpoints.glob("*.ckpt"):
        stale.unlink()


def _going_on(checkpoints: Path) -> Path | None:
    last = checkpoints / "last.ckpt"
    if not last.exists():
        return None
    try:
        torch.load(last, weights_only=True, map_location="cpu")
    except Exception as error:
        raise RunError(
            f"{last}: the checkpoint is damaged or cut off ({type(error).__name__}), so training cannot go on from "
            "it: start again with --overwrite."
        ) from error
    return last


def _positive_weight(train: LabelledWindows, settings: TrainingSettings) -> Tensor | None:
    if settings.class_weights == "none":
        return None
    if isinstance(settings.class_weights, float | int):
        return torch.full((len(train.tracks),), float(settings.class_weights))
    positive = (train.labels * train.weights).sum(0)
    negative = ((1 - train.labels) * train.weights).sum(0)
    return torch.from_numpy(negative / positive).float()


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _logger(folder: Path, settings: TrainingSettings) -> Any:
    if not settings.tensorboard:
        return False
    try:
        from lightning.pytorch.loggers import TensorBoardLogger

        return TensorBoardLogger(folder, name="tensorboard", version="")
    except ModuleNotFoundError:
        raise InputError(
            "training.tensorboard needs the extra 'trackers': pip install 'strandwise[trackers]', or set it to false."
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advice on machines and loaders, which the user cannot act on here, off the screen."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message in (
                ".*does not have many workers.*",
                ".*`?LeafSpec.*",
                ".*exists and is not empty.*",
            ):
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
