"""A network with its loss, its optimiser and its validation metrics, as Lightning trains it."""

from collections.abc import Sequence

import lightning
import numpy as np
import torch
from torch import Tensor

from strandwise.data.batches import Batch, one_hot
from strandwise.layers import Conjoined, Head, penalties
from strandwise.models import SequenceModel, StrandSettings
from strandwise.scores.losses import LOSSES
from strandwise.scores.metrics import aupr, auroc
from strandwise.training.settings import TrainingSettings


class Trainable(lightning.LightningModule):
    """A network with its loss, its optimiser and its validation metrics."""

    def __init__(
        self,
        network: SequenceModel,
        strand: StrandSettings,
        settings: TrainingSettings,
        positive_weight: Tensor | None,
    ) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self.strand = strand
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
        reader = Conjoined(self.network, self.strand.answers) if self.strand.rules.conjoin_in_training else self.network
        return reader(sequence)[self.head.name]

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the head's loss for a batch."""
        targets, weights = batch.targets[self.head.name], batch.weights[self.head.name]
        return LOSSES[self.head.loss](logits, targets.to(logits), weights.to(logits), self.positive_weight)  # pyright: ignore[reportArgumentType]

    def training_step(self, batch: Batch, step: int) -> Tensor:
        """Return the loss of a training batch."""
        loss = self.loss(self.logits(batch), batch) + penalties(self.network)
        self.log(
            "train_loss",
            loss,
            on_step=False,
            on_epoch=True,
            prog_bar=True,
            sync_dist=True,
            batch_size=len(batch.inputs["sequence"]),
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


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
