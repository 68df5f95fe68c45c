"""A network with its loss, its optimiser and its validation metrics, as Lightning trains it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import lightning
import numpy as np
import torch
from torch import Tensor

from strandwise.data.batches import Batch, model_inputs
from strandwise.layers import Conjoined, Head, penalties
from strandwise.layers.penalty import charging_layers
from strandwise.models import SequenceModel, StrandSettings, WithBias
from strandwise.scores.losses import LOSSES
from strandwise.scores.metrics import aupr, auroc, mean_of_known
from strandwise.scores.regression import pearson
from strandwise.training.settings import TrainingSettings

_MEASURED_AT_MOST = 1 << 20
"""Windows of an epoch, which come in random order, by which training itself is measured."""


class Said(NamedTuple):
    """What a network said of a batch, for one head without positions."""

    logits: Tensor
    targets: Tensor
    weights: Tensor


class _Mean:
    """A mean over windows, kept where its values are, so that no step waits for a device."""

    def __init__(self) -> None:
        self._total: Tensor | float = 0.0
        self._windows = 0

    def add(self, value: Tensor, windows: int) -> None:
        """Count the mean over some windows."""
        value = value.detach()
        # Apple's devices have no double precision.
        self._total = self._total + (value if value.device.type == "mps" else value.double()) * windows
        self._windows += windows

    @property
    def value(self) -> float:
        """The mean so far, nan before the first value."""
        return float(self._total) / self._windows if self._windows else float("nan")


class Trainable(lightning.LightningModule):
    """A network with its loss, its optimiser and its validation metrics.

    Args:
        network: what is trained.
        strand: whether it is conjoined in training.
        settings: of the training.
        positive_weight: what a positive label counts for, by track.
        loss_weights: what the loss of each head counts for; that of the head itself where it is not named.
    """

    def __init__(
        self,
        network: SequenceModel | WithBias,
        strand: StrandSettings,
        settings: TrainingSettings,
        positive_weight: Tensor | None,
        loss_weights: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self.strand = strand
        self.heads: tuple[Head, ...] = network.heads
        self.loss_weights = {head.name: head.loss_weight for head in self.heads} | dict(loss_weights or {})
        self.register_buffer("positive_weight", positive_weight, persistent=False)
        self._said: dict[str, list[Said]] = {}
        self._learned: dict[str, list[Said]] = {}
        self._windows_learned = 0
        self._train_loss = _Mean()
        self._charges = bool(charging_layers(network))
        self._losses: dict[str, list[tuple[float, float]]] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes which hook it is in, dozens of times a step, and torch looks for layers in each note.
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def on_train_epoch_start(self) -> None:
        """Seed torch by the epoch, so that a resumed run draws what an unbroken one would have."""
        self._learned.clear()
        self._windows_learned = 0
        self._train_loss = _Mean()
        torch.manual_seed(int(np.random.SeedSequence([self.settings.seed, self.current_epoch]).generate_state(1)[0]))

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch, part by part: Lightning's own way looks into every object for more."""
        if device.type == "cpu":
            return batch
        ahead = device.type == "cuda"
        return Batch(*({name: x.to(device, non_blocking=ahead) for name, x in part.items()} for part in batch))

    def logits(self, batch: Batch) -> dict[str, Tensor]:
        """Return the logits of each head for a batch."""
        inputs = model_inputs(batch.inputs, next(self.network.parameters()).dtype)
        # Wrapped here, so that checkpoints hold the network's weights once and under its own names.
        reader = Conjoined(self.network, self.strand.answers) if self.strand.rules.conjoin_in_training else self.network
        return reader(**inputs)

    def head_loss(self, head: Head, logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Return the loss of one head, not yet weighted against those of others."""
        loss, positive = LOSSES[head.loss], self.positive_weight
        # Sums over many bins need more than half precision.
        logits = logits.float() if logits.itemsize < 4 else logits
        said = head.activate(logits) if loss.of == "predictions" else logits
        if isinstance(positive, Tensor):
            positive = positive.to(logits)
        return loss(said, targets.to(logits), weights.to(logits), positive)  # pyright: ignore[reportArgumentType]

    def loss(self, logits: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Return the loss of a batch: the weighted sum of those of the heads."""
        parts = [
            self.loss_weights[head.name]
            * self.head_loss(head, logits[head.name], batch.targets[head.name], batch.weights[head.name])
            for head in self.heads
        ]
        return sum(parts[1:], parts[0])

    @property
    def train_loss(self) -> float:
        """The mean loss of the epoch's training windows so far, each with the weights of its step."""
        return self._train_loss.value

    def training_step(self, batch: Batch, step: int) -> Tensor:
        """Return the loss of a training batch, with the penalties on weights."""
        logits = self.logits(batch)
        loss = self.loss(logits, batch)
        if self._charges:
            loss = loss + penalties(self.network)
        windows = len(batch.inputs["sequence"])
        self._train_loss.add(loss, windows)
        if self._windows_learned < _MEASURED_AT_MOST:
            self._windows_learned += windows
            for head in self.heads:
                if not head.type.positions:
                    said = Said(logits[head.name].detach().float(), batch.targets[head.name], batch.weights[head.name])
                    self._learned.setdefault(head.name, []).append(said)
        return loss

    def validation_step(self, batch: Batch, step: int) -> None:
        """Keep what the network says of a validation batch; of a head with positions, its loss alone."""
        found = self.logits(batch)
        for head in self.heads:
            logits, targets, weights = found[head.name].float(), batch.targets[head.name], batch.weights[head.name]
            if head.type.positions:
                loss = float(self.head_loss(head, logits, targets, weights))
                self._losses.setdefault(head.name, []).append((loss, float(weights.sum())))
            else:
                self._said.setdefault(head.name, []).append(Said(logits.cpu(), targets.cpu(), weights.cpu()))

    def on_validation_epoch_end(self) -> None:
        """Log the losses, and what is measured of each head: means over tracks, training windows beside.

        Validation ends each epoch, so that the training loss is logged here too, once: to log it at each step would
        cost small networks as much as to learn.
        """
        total, metrics = 0.0, {"train_loss": self.train_loss}
        for head in self.heads:
            if head.type.positions:
                losses, sizes = zip(*self._losses[head.name], strict=True)
                loss = float(np.average(losses, weights=sizes)) if sum(sizes) else float("nan")
            else:
                said = _together(self._said[head.name])
                loss = float(self.head_loss(head, *said))
                metrics |= {f"valid_{name}": value for name, value in _measured(head, said).items()}
                # As they were learned from: each with the weights of its step, dropout and augmentation at work.
                learned = _measured(head, _together(self._learned[head.name]))
                metrics |= {f"train_{name}": value for name, value in learned.items()}
            total += self.loss_weights[head.name] * loss
        self._said.clear()
        self._losses.clear()
        self.log_dict(
            {key: torch.tensor(value) for key, value in {"valid_loss": total, **metrics}.items()},
            prog_bar=True,
            sync_dist=True,
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam over every weight that is not frozen."""
        settings = self.settings
        weights = [weight for weight in self.parameters() if weight.requires_grad]
        return torch.optim.Adam(weights, lr=settings.learning_rate, weight_decay=settings.weight_decay)


def _together(parts: Sequence[Said]) -> Said:
    return Said(*(torch.cat(values).cpu() for values in zip(*parts, strict=True)))


def _measured(head: Head, said: Said) -> dict[str, float]:
    logits, targets, weights = (value.double().numpy() for value in said)
    columns = range(logits.shape[1])
    if head.target == "labels":
        return {
            "auroc": mean_of_known([auroc(targets[:, c], logits[:, c], weights[:, c]) for c in columns]),
            "aupr": mean_of_known([aupr(targets[:, c], logits[:, c], weights[:, c]) for c in columns]),
        }
    if head.target == "mean":
        predicted = head.activate(said.logits).double().numpy()
        return {"pearson": mean_of_known([pearson(targets[:, c], predicted[:, c], weights[:, c]) for c in columns])}
    # On the scale that is learned: the logarithm of counts.
    counts = np.log1p(targets)
    return {"pearson": mean_of_known([pearson(counts[:, c], logits[:, c], weights[:, c]) for c in columns])}
