"""Training: what is optimised, how long, and what is kept of it."""

from strandwise.training.callbacks import HISTORY
from strandwise.training.fit import check_trainable, fit
from strandwise.training.module import Trainable
from strandwise.training.settings import TrainingSettings, processes

__all__ = ["HISTORY", "Trainable", "TrainingSettings", "check_trainable", "fit", "processes"]
