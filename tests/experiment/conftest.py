"""A small experiment on the simulated genome, and a run of it."""

import pytest

from strandwise.data.simulation import SimulatedGenome
from strandwise.experiment import Experiment, Run, evaluate, train


@pytest.fixture(scope="session")
def small(simulated: SimulatedGenome) -> Experiment:
    """Two factors, windows of 120 bp, two filters, two epochs."""
    table = {
        "genome": {"fasta": "genome.fa.gz"},
        "targets": [{"name": name, "peaks": f"peaks/{name}.alpha.bed"} for name in ("CTCF", "REST")],
        "windows": {"input_bp": 120, "label_bp": 60, "jitter_bp": 5},
        "negatives": {"per_peak": 1},
        "split": {"valid": ["chr3"], "test": ["chr4"]},
        "model": {"filters": 2, "kernel_sizes": [9, 5, 5], "pool_width": 20, "pool_stride": 10},
        "training": {"epochs": 2, "accelerator": "cpu"},
    }
    return Experiment.from_table(table, folder=simulated.folder)


@pytest.fixture(scope="session")
def trained(small: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was trained and judged; copy it before changing anything."""
    run = train(small, tmp_path_factory.mktemp("trained") / "run")
    evaluate(run)
    return run
