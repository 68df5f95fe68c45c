"""Training: what is optimised, how long, and what is kept of it."""

from strandwise.training.callbacks import history_columns
from strandwise.training.fit import balanced_losses, check_measures, check_trainable, fit
from strandwise.training.module import Trainable
from strandwise.training.settings import Measure, TrainingSettings, falls, measures, processes

__all__ = [
    "Measure",
    "Trainable",
    "TrainingSettings",
    "balanced_losses",
    "check_measures",
    "check_trainable",
    "falls",
    "fit",
    "history_columns",
    "measures",
    "processes",
]
