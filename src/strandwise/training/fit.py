"""Training a network on labelled windows, from the start or from where it was stopped."""

import logging
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.profilers import PassThroughProfiler
from torch import Tensor

from strandwise.data.batches import TARGET, TrainingBatches, ordered_loader, training_loader
from strandwise.data.evolution import AugmentationSettings
from strandwise.data.windows import LabelledWindows
from strandwise.errors import InputError, RunError, listing
from strandwise.files import writing_errors
from strandwise.layers import Head
from strandwise.models import SequenceModel, StrandSettings, WithBias
from strandwise.scores.coverage_losses import CORRELATIONS
from strandwise.training.callbacks import Checkpoint, Decay, History, Patience
from strandwise.training.module import Trainable
from strandwise.training.settings import TrainingSettings, falls, measures, processes

_VALUES_AT_ONCE = 1 << 24


def fit(
    network: SequenceModel | WithBias,
    windows: LabelledWindows,
    strand: StrandSettings,
    settings: TrainingSettings,
    folder: Path,
    *,
    jitter_bp: int = 0,
    loss_weights: Mapping[str, float] | None = None,
    evolution: AugmentationSettings | None = None,
    resume: bool = False,
) -> dict[str, dict[str, Tensor]]:
    """Train a network in place and leave it with the weights of its best epoch.

    Args:
        network: what to train.
        windows: with a train and a valid split.
        strand: augmentation, and whether training is conjoined.
        settings: how long, how fast, on what.
        folder: gets `history.csv` and `checkpoints/`.
        jitter_bp: the largest shift of a training window either way.
        loss_weights: what the loss of each head counts for, by name; see `balanced_losses`.
        evolution: how the DNA of training windows is changed at random, if it is.
        resume: go on from `checkpoints/last.ckpt` if it is there.

    Returns:
        The weights of the epochs that are best by each of `settings.also_monitor`.

    Raises:
        InputError: a split is empty, a track has nothing to learn from, or what should choose the best epoch is
            not measured of these heads.
        RunError: the checkpoint to go on from is damaged.
    """
    train, valid = windows.split("train"), windows.split("valid")
    heads = network.heads
    check_measures(heads, settings)
    check_trainable(train, valid, heads)
    batches = TrainingBatches(
        train,
        heads,
        batch_size=settings.batch_size,
        jitter_bp=jitter_bp,
        augment=strand.training_augmentation,
        seed=settings.seed,
        evolution=evolution,
    )
    checkpoints = folder / "checkpoints"
    last = _going_on(checkpoints, settings) if resume else _starting_anew(checkpoints)
    # The last epoch is saved after the best, so that going on from it knows the best.
    bests = {measure: best_checkpoint(settings, measure) for measure in (settings.monitor, *settings.also_monitor)}
    keep = [Checkpoint(checkpoints, name, measure, _mode(measure)) for measure, name in bests.items()]
    keep.append(Checkpoint(checkpoints, "last"))
    judge = settings.patience_on or settings.monitor
    stop = Patience(judge, mode=_mode(judge), patience=settings.patience, check_on_train_epoch_end=True)
    fall = settings.learning_rate_decay
    decay = [] if fall is None else [Decay(judge, _mode(judge), fall, settings.decay_patience)]
    module = Trainable(network, strand, settings, _positive_weight(train, heads, settings), loss_weights)
    dtype = next(network.parameters()).dtype
    with _quiet(), torch.random.fork_rng(), writing_errors(checkpoints):
        folder.mkdir(parents=True, exist_ok=True)
        _trainer(settings, folder, [History(folder / "history.csv", measures(heads)), *decay, stop, *keep]).fit(
            module,
            training_loader(batches, settings.workers),
            ordered_loader(_mixed(valid, heads), heads, _judged_at_once(heads, settings)),
            ckpt_path=last,
            weights_only=True,
        )
    kept = {measure: _weights(checkpoints / f"{name}.ckpt") for measure, name in bests.items()}
    network.load_state_dict(kept.pop(settings.monitor))
    network.to("cpu", dtype).eval()
    return kept


def check_measures(heads: Sequence[Head], settings: TrainingSettings) -> None:
    """Refuse to choose epochs by what is not measured of these heads.

    Raises:
        InputError: naming the setting and what could be given.
    """
    known = measures(heads)
    chosen = {"monitor": (settings.monitor,), "patience_on": (settings.patience_on or known[0],)}
    for key, values in (chosen | {"also_monitor": settings.also_monitor}).items():
        for measure in values:
            if measure not in known:
                raise InputError(
                    f"training.{key} = '{measure}' is not measured of a model that predicts "
                    f"{' and '.join(head.name for head in heads)}: use {', '.join(known)}."
                )


def balanced_losses(heads: Sequence[Head], train: LabelledWindows, settings: TrainingSettings) -> dict[str, float]:
    """Return what the loss of each head counts for.

    That of total counts is as `training.counts_weight` says; by default a tenth of the median total of a training
    window and track, which brings it to the size of a profile's loss (ChromBPNet, Pampari et al. 2025).
    """
    weights = {head.name: head.loss_weight for head in heads}
    counts = [head for head in heads if head.target == "total"]
    for head in counts:
        if settings.counts_weight != "auto":
            weights[head.name] = float(settings.counts_weight)
            continue
        totals, known = _totals(train)
        weights[head.name] = max(float(np.median(totals[known])) / 10, 1.0) if known.any() else 1.0
    return weights


def _totals(windows: LabelledWindows) -> tuple[np.ndarray, np.ndarray]:
    """Return the total counts ``(windows, tracks)`` of targets with signal, and whether they are known."""
    reader, n = windows.signals[TARGET], len(windows)
    size = max(1, _VALUES_AT_ONCE // (reader.type.channels * windows.input_bp))
    totals, known = [], []
    for at in range(0, n, size):
        part = reader.gather(np.arange(at, min(at + size, n)))
        totals.append(part.values.sum(-1).numpy())
        known.append(part.weights.numpy() > 0)
    return np.concatenate(totals), np.concatenate(known)


def _positions(windows: LabelledWindows) -> int:
    return windows.signals[TARGET].gather(np.arange(1)).values.shape[-1]


def _mixed(valid: LabelledWindows, heads: Sequence[Head]) -> LabelledWindows:
    """Return windows in one random order where a loss is not a sum over them, such as a correlation."""
    if all(head.loss not in CORRELATIONS for head in heads):
        return valid
    return valid.take(np.random.default_rng(0).permutation(len(valid)))


def _judged_at_once(heads: Sequence[Head], settings: TrainingSettings) -> int:
    # Profiles of many windows take much memory.
    return settings.batch_size if any(head.type.positions for head in heads) else max(settings.batch_size, 500)


def check_trainable(train: LabelledWindows, valid: LabelledWindows, heads: Sequence[Head]) -> None:
    """Refuse splits that nothing can be learned from or chosen by.

    Raises:
        InputError: naming the split, the track and the fix.
    """
    labelled = any(head.target == "labels" for head in heads)
    # One head is compared with the signal along windows, and another perhaps with its totals.
    signal = [head for head in heads if head.target != "labels"][:1]
    for name, windows in (("train", train), ("valid", valid)):
        if not len(windows):
            other = (valid if name == "train" else train).frame
            # Sequences without a place begin at 0, each in a "chromosome" of its own.
            elsewhere = other.loc[other["start"] > 0, "chrom"].unique()
            where = f"; those of the other lie on {listing(elsewhere)}" if len(elsewhere) else ""
            raise InputError(
                f"the {name} split has no windows{where}: name other chromosomes or regions in split.valid "
                "and split.test, or, for sequence sets, fractions or splits."
            )
        positive, negative = windows.balance()
        for column, track in enumerate(windows.tracks if labelled else ()):
            for count, word in ((positive, "positive"), (negative, "negative")):
                if not count[column]:
                    placed = windows.frame["start"].any()
                    drawn = "draw some (negatives.per_peak), " if placed and word == "negative" else ""
                    raise InputError(
                        f"track '{track}' has no {word} window in the {name} split: hold out other chromosomes, "
                        f"{drawn}or leave the track out."
                    )
        for head in signal:
            totals, known = _totals(windows)
            for column, track in enumerate(head.tracks):
                if np.unique(totals[known[:, column], column]).size < 2:
                    raise InputError(
                        f"track '{track}' has no signal, or the same everywhere, in the windows of the {name} split: "
                        "hold out other chromosomes, or give a file that has them."
                    )


class _Unwatched(PassThroughProfiler):
    """Watches nothing, for less than Lightning's own way of doing so takes: it is asked forty times a step."""

    _nothing = nullcontext()

    def profile(self, action_name: str) -> Any:
        """Return a context in which nothing is watched."""
        return self._nothing


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
        profiler=_Unwatched(),
        # All that is logged is of whole epochs.
        log_every_n_steps=0,
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


def _positive_weight(train: LabelledWindows, heads: Sequence[Head], settings: TrainingSettings) -> Tensor | None:
    labels = [head for head in heads if head.link == "logistic"]
    if settings.class_weights == "none" or not labels:
        return None
    if isinstance(settings.class_weights, float | int):
        return torch.full((len(labels[0].tracks),), float(settings.class_weights))
    if labels[0].target == "signal":
        totals, known = _totals(train)
        share = (totals * known).sum(0) / (known.sum(0) * _positions(train))
        return torch.from_numpy((1 - share) / share).float()
    # Negatives may be fresh in each epoch; the balance is that of one.
    positive, negative = train.take(train.rows_of_epoch(0)).balance()
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
                # A frozen bias network stays in it.
                ".*in eval mode at the start of training.*",
            ):
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
