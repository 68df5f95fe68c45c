"""Training: what is optimised, how long, and what is kept of it."""

from strandwise.training.callbacks import HISTORY
from strandwise.training.fit import check_trainable, fit
from strandwise.training.module import Trainable
from strandwise.training.settings import Measure, TrainingSettings, falls, processes

__all__ = ["HISTORY", "Measure", "Trainable", "TrainingSettings", "check_trainable", "falls", "fit", "processes"]
