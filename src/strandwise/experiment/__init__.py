"""An experiment, the run it leaves, and one function for each job."""

from strandwise.experiment.checking import Check, check
from strandwise.experiment.config import Experiment
from strandwise.experiment.importing import import_factornet
from strandwise.experiment.jobs import evaluate, train, write_report
from strandwise.experiment.predicting import predict
from strandwise.experiment.run import Run
from strandwise.experiment.strands import compare_strands
from strandwise.experiment.wrapping import conjoin

__all__ = [
    "Check",
    "Experiment",
    "Run",
    "check",
    "compare_strands",
    "conjoin",
    "evaluate",
    "import_factornet",
    "predict",
    "train",
    "write_report",
]
