"""The names of the files in a run folder."""

from typing import get_args

from strandwise.data.windows import SPLITS
from strandwise.files import TEMPORARY
from strandwise.training import Measure

CONFIG, WEIGHTS, PROVENANCE = "config.toml", "weights.safetensors", "provenance.json"
METRICS, HISTORY, REPORT, CHECKPOINTS = "metrics.json", "history.csv", "report.html", "checkpoints"
STRAND, ROBUSTNESS, BIAS, MEMBERS, BASELINES = "strand", "robustness", "bias", "members", "baselines"
JUDGED = (*SPLITS, "bed")
MEASURES = get_args(Measure)
# All that strandwise writes into a run folder; last the file that marks it as one.
OWN = (
    WEIGHTS,
    *(f"weights.{measure}.safetensors" for measure in MEASURES),
    *(f"chosen_by.{measure}" for measure in MEASURES),
    CHECKPOINTS,
    BIAS,
    MEMBERS,
    "tensorboard",
    HISTORY,
    METRICS,
    *(f"metrics.{name}.json" for name in JUDGED),
    *(f"predictions.{name}.parquet" for name in JUDGED),
    *(f"{BASELINES}{name}.json" for name in ("", ".train", ".valid")),
    *(f"{STRAND}{name}.{ending}" for name in ("", *(f".{judged}" for judged in JUDGED)) for ending in ("json", "html")),
    *(f"{ROBUSTNESS}{name}.json" for name in ("", *(f".{judged}" for judged in JUDGED))),
    REPORT,
    TEMPORARY,
    CONFIG,
    PROVENANCE,
)
