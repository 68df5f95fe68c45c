"""The `[training]` table of a config, and how many processes it asks for."""

from collections.abc import Sequence
from typing import Literal, get_args

from lightning import Fabric
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from strandwise.errors import InputError
from strandwise.layers import Head
from strandwise.schema import Settings
from strandwise.scores.coverage_losses import CoverageLoss

Measure = Literal["valid_auroc", "valid_aupr", "valid_loss", "valid_pearson"]
"""What is measured on the validation windows after each epoch."""

_MEASURED: dict[str, tuple[Measure, ...]] = {
    "labels": ("valid_auroc", "valid_aupr"),
    "signal": (),
    "total": ("valid_pearson",),
    "mean": ("valid_pearson",),
}
"""By what a head is compared with: what is measured of it, beside the loss of all."""


def measures(heads: Sequence[Head]) -> tuple[Measure, ...]:
    """Return what is measured of heads after each epoch: the loss first, then means over tracks."""
    found: dict[Measure, None] = {"valid_loss": None}
    for head in heads:
        found |= dict.fromkeys(_MEASURED[head.target])
    return tuple(found)


def falls(measure: str) -> bool:
    """Return whether less of a measure is better."""
    return measure == "valid_loss"


class TrainingSettings(Settings):
    """The `[training]` table of a config."""

    epochs: PositiveInt = Field(default=30, description="the most epochs to train")
    batch_size: PositiveInt = Field(default=100, description="windows in a step")
    learning_rate: PositiveFloat = Field(default=1e-3, description="of Adam")
    learning_rate_decay: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="multiply the learning rate by this after decay_patience epochs without improvement (GOPHER: 0.2)",
    )
    decay_patience: PositiveInt = Field(default=3, description="epochs without improvement before learning_rate_decay")
    weight_decay: NonNegativeFloat = Field(default=0.0, description="of Adam")
    loss: CoverageLoss = Field(
        default="poisson",
        description="of targets with signal that a model predicts in bins: one of " + ", ".join(get_args(CoverageLoss)),
    )
    class_weights: Literal["balanced", "none"] | PositiveFloat = Field(
        default="balanced",
        description="what a positive counts for: 'balanced' is negatives / positives of each track",
    )
    counts_weight: Literal["auto"] | NonNegativeFloat = Field(
        default="auto",
        description="what the loss of total counts counts for beside that of the profile; 'auto' is a tenth of the "
        "median total of a training window (ChromBPNet), and at least 1",
    )
    monitor: Measure = Field(
        default="valid_auroc",
        description="chooses the best epoch; valid_loss where signal, or labels in bins, are predicted",
    )
    also_monitor: tuple[Measure, ...] = Field(
        default=(), description="choose the best epoch by these too; kept as `weights.MEASURE.safetensors`"
    )
    patience: PositiveInt = Field(default=10, description="epochs without improvement before training stops")
    patience_on: Measure | None = Field(
        default=None, description="the measure that must improve; `monitor` if not given"
    )
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

    @model_validator(mode="after")
    def _once(self) -> "TrainingSettings":
        chosen = (self.monitor, *self.also_monitor)
        twice = sorted({measure for measure in chosen if chosen.count(measure) > 1})
        if twice:
            raise ValueError(f"also_monitor names '{twice[0]}', which is chosen by already: name it once")
        return self

    @model_validator(mode="after")
    def _decays(self) -> "TrainingSettings":
        if self.learning_rate_decay is not None and self.decay_patience >= self.patience:
            raise ValueError(
                f"decay_patience = {self.decay_patience} and patience = {self.patience}: training would stop before "
                "its learning rate falls: make patience longer, or remove learning_rate_decay"
            )
        return self


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
