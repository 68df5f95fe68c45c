"""An experiment, the run it leaves, and one function for each job."""

from strandwise.experiment.config import Experiment
from strandwise.experiment.jobs import Check, check, evaluate, predict, train, write_report
from strandwise.experiment.run import Run

__all__ = ["Check", "Experiment", "Run", "check", "evaluate", "predict", "train", "write_report"]
