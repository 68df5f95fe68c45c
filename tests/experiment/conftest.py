"""A small experiment on the simulated genome, and a run of it."""

from pathlib import Path

import pytest

from strandwise.data.simulation import SimulatedGenome
from strandwise.experiment import Experiment, Run, evaluate, train
from strandwise.experiment.ground import Ground, Truth
from strandwise.genome import Genome


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


ATAC = {"name": "ATAC", "peaks": "open.alpha.bed", "signal": "accessibility.alpha.bw"}


def _along(simulated: SimulatedGenome, folder: Path, windows: dict, model: dict) -> Run:
    table = {
        "genome": {"fasta": "genome.fa.gz"},
        "targets": [ATAC],
        "windows": windows,
        "negatives": {"per_peak": 0.5},
        "split": {"valid": ["chr3"], "test": ["chr4"]},
        "signals": {"folder": str(folder / "signals")},
        "model": model,
        "training": {"epochs": 1, "accelerator": "cpu", "batch_size": 20},
    }
    return train(Experiment.from_table(table, folder=simulated.folder), folder / "run")


@pytest.fixture(scope="session")
def coverage_run(simulated: SimulatedGenome, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that says how much coverage there is in bins of 8 bp."""
    windows = {"input_bp": 160, "output_bp": 128, "bin_bp": 8, "jitter_bp": 4}
    model = {"name": "gopher_bpnet", "filters": 4, "dilated_layers": 1}
    return _along(simulated, tmp_path_factory.mktemp("coverage"), windows, model)


@pytest.fixture(scope="session")
def profile_run(simulated: SimulatedGenome, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that says how coverage is spread base by base."""
    model = {"name": "bpnet", "filters": 4, "stem_width": 15, "dilated_layers": 1, "profile_width": 15}
    return _along(simulated, tmp_path_factory.mktemp("profile"), {"input_bp": 160, "jitter_bp": 4}, model)


@pytest.fixture(scope="session")
def truth(simulated: SimulatedGenome) -> Truth:
    """Accessibility of the simulated genome, its peaks, and another measurement of it."""
    return Truth(
        simulated.folder / "accessibility.alpha.bw",
        simulated.folder / "open.alpha.bed",
        simulated.folder / "accessibility.beta.bw",
    )


@pytest.fixture(scope="session")
def ground(simulated: SimulatedGenome) -> Ground:
    """The fourth chromosome of the simulated genome is judged."""
    genome = Genome(simulated.folder / "genome.fa.gz")
    return Ground({"chr4": genome.sizes["chr4"]}, genome, genome.sizes)
