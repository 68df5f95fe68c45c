"""An experiment, the run it leaves, and one function for each job."""

from strandwise.experiment.baselines import compare_baselines
from strandwise.experiment.checking import Check, check
from strandwise.experiment.config import Experiment
from strandwise.experiment.ensembling import Ensembled, ensemble
from strandwise.experiment.importing import (
    import_bpnet,
    import_chrombpnet,
    import_danq,
    import_deepsea,
    import_factornet,
    import_published,
    read_names,
)
from strandwise.experiment.jobs import evaluate, train, write_report
from strandwise.experiment.predicting import predict
from strandwise.experiment.robustness import assess_robustness
from strandwise.experiment.run import Run
from strandwise.experiment.strands import compare_strands
from strandwise.experiment.wrapping import conjoin

__all__ = [
    "Check",
    "Ensembled",
    "Experiment",
    "Run",
    "assess_robustness",
    "check",
    "compare_baselines",
    "compare_strands",
    "conjoin",
    "ensemble",
    "evaluate",
    "import_bpnet",
    "import_chrombpnet",
    "import_danq",
    "import_deepsea",
    "import_factornet",
    "import_published",
    "predict",
    "read_names",
    "train",
    "write_report",
]
