"""Training a network on labelled windows, from the start or from where it was stopped."""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from strandwise.data.batches import TrainingBatches, ordered_loader, training_loader
from strandwise.data.windows import LabelledWindows
from strandwise.errors import InputError, RunError
from strandwise.files import writing_errors
from strandwise.models import SequenceModel, StrandSettings
from strandwise.training.callbacks import Checkpoint, History, Patience
from strandwise.training.module import Trainable
from strandwise.training.settings import TrainingSettings, falls, processes


def fit(
    network: SequenceModel,
    windows: LabelledWindows,
    strand: StrandSettings,
    settings: TrainingSettings,
    folder: Path,
    *,
    jitter_bp: int = 0,
    resume: bool = False,
) -> dict[str, dict[str, Tensor]]:
    """Train a network in place and leave it with the weights of its best epoch.

    Args:
        network: what to train; its first head is what the windows label.
        windows: with a train and a valid split.
        strand: augmentation, and whether training is conjoined.
        settings: how long, how fast, on what.
        folder: gets `history.csv` and `checkpoints/`.
        jitter_bp: the largest shift of a training window either way.
        resume: go on from `checkpoints/last.ckpt` if it is there.

    Returns:
        The weights of the epochs that are best by each of `settings.also_monitor`.

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
        augment=strand.training_augmentation,
        seed=settings.seed,
    )
    checkpoints = folder / "checkpoints"
    last = _going_on(checkpoints, settings) if resume else _starting_anew(checkpoints)
    # The last epoch is saved after the best, so that going on from it knows the best.
    bests = {measure: best_checkpoint(settings, measure) for measure in (settings.monitor, *settings.also_monitor)}
    keep = [Checkpoint(checkpoints, name, measure, _mode(measure)) for measure, name in bests.items()]
    keep.append(Checkpoint(checkpoints, "last"))
    judge = settings.patience_on or settings.monitor
    stop = Patience(judge, mode=_mode(judge), patience=settings.patience, check_on_train_epoch_end=True)
    module = Trainable(network, strand, settings, _positive_weight(train, settings))
    dtype = next(network.parameters()).dtype
    with _quiet(), torch.random.fork_rng(), writing_errors(checkpoints):
        folder.mkdir(parents=True, exist_ok=True)
        _trainer(settings, folder, [History(folder / "history.csv"), stop, *keep]).fit(
            module,
            training_loader(batches, settings.workers),
            ordered_loader(valid, head.name, max(settings.batch_size, 500)),
            ckpt_path=last,
            weights_only=True,
        )
    kept = {measure: _weights(checkpoints / f"{name}.ckpt") for measure, name in bests.items()}
    network.load_state_dict(kept.pop(settings.monitor))
    network.to("cpu", dtype).eval()
    return kept


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


def _trainer(settings: TrainingSettings, folder: Path, callbacks: list[Callback]) -> lightning.Trainer:
    return lightning.Trainer(
        max_epochs=settings.epochs,
        accelerator=settings.accelerator,
        devices=settings.devices,
        strategy="ddp_spawn" if processes(settings) > 1 else "auto",
        precision=settings.precision,
        callbacks=callbacks,
        logger=_logger(folder, settings),
        default_root_dir=folder,
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def _starting_anew(checkpoints: Path) -> None:
    # A run that is stopped before its first checkpoint must not go on from those of another.
    for stale in checkpoints.glob("*.ckpt"):
        stale.unlink()


def _going_on(checkpoints: Path, settings: TrainingSettings) -> Path | None:
    last = checkpoints / "last.ckpt"
    if not last.exists():
        return None
    _read_checkpoint(last)
    for measure in (settings.monitor, *settings.also_monitor):
        _read_checkpoint(checkpoints / f"{best_checkpoint(settings, measure)}.ckpt")
    return last


def best_checkpoint(settings: TrainingSettings, measure: str) -> str:
    """Return the name of the checkpoint of the best epoch by a measure."""
    return "best" if measure == settings.monitor else f"best.{measure}"


def _mode(measure: str) -> str:
    return "min" if falls(measure) else "max"


def _weights(checkpoint: Path) -> dict[str, Tensor]:
    state, prefix = _read_checkpoint(checkpoint)["state_dict"], "network."
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _read_checkpoint(path: Path) -> dict[str, Any]:
    try:
        with warnings.catch_warnings(action="ignore"):
            return torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        raise RunError(
            f"{path}: the checkpoint is damaged or cut off ({type(error).__name__}), so training cannot go on from "
            "it: start again with --overwrite."
        ) from error


def _positive_weight(train: LabelledWindows, settings: TrainingSettings) -> Tensor | None:
    if settings.class_weights == "none":
        return None
    if isinstance(settings.class_weights, float | int):
        return torch.full((len(train.tracks),), float(settings.class_weights))
    positive = (train.labels * train.weights).sum(0)
    negative = ((1 - train.labels) * train.weights).sum(0)
    return torch.from_numpy(negative / positive).float()


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
