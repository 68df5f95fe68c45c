"""Labels by bins from a config, from training to the intervals of a BED."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strandwise.data.simulation import SimulatedGenome
from strandwise.errors import ConfigError
from strandwise.experiment import Experiment, evaluate, train
from strandwise.experiment.datasets import read_windows
from strandwise.experiment.predicting import windows_at

TABLE: dict[str, Any] = {
    "genome": {"fasta": "genome.fa.gz"},
    "targets": [{"name": "CTCF", "peaks": "peaks/CTCF.alpha.bed", "relaxed": "open.alpha.bed"}],
    "windows": {"input_bp": 240},
    "bins": {"peak_bp": 200},
    "negatives": {"per_peak": 1},
    "split": {"valid": ["chr3"], "test": ["chr4"]},
    "model": {"filters": 2, "kernel_sizes": [9, 5, 5], "pool_width": 20, "pool_stride": 10},
    "training": {"epochs": 2, "accelerator": "cpu", "batch_size": 10},
}


def experiment(simulated: SimulatedGenome, **others: Any) -> Experiment:
    return Experiment.from_table({**TABLE, **others}, folder=simulated.folder)


def test_it_trains_and_is_judged_on_every_bin(simulated: SimulatedGenome, tmp_path: Path) -> None:
    config = experiment(simulated)
    windows = read_windows(config)
    assert windows.epochs is not None
    assert set(windows.split("train").epochs.tolist()) == {-1, 0, 1}  # pyright: ignore[reportOptionalMemberAccess]
    run = train(config, tmp_path / "run")
    metrics = evaluate(run)
    test = windows.split("test")
    assert metrics["n"] == len(test)
    track = metrics["heads"]["bound"]["tracks"]["CTCF"]
    assert (track["n"], track["positives"]) == (test.weights.sum(), (test.labels * test.weights).sum())
    assert any(note.startswith("CTCF: ") and " ambiguous, " in note for note in run.provenance["notes"])
    # The same bins by a BED have the same labels.
    frame = test.frame.iloc[::50]
    middle = frame["start"] + 120
    lines = [f"{chrom}\t{at}\t{at + 1}\n" for chrom, at in zip(frame["chrom"], middle, strict=True)]
    (tmp_path / "at.bed").write_text("".join(lines))
    found = windows_at(run, tmp_path / "at.bed")
    assert np.array_equal(found.weights, test.weights[::50])
    assert np.array_equal(found.labels * found.weights, (test.labels * test.weights)[::50])


@pytest.mark.parametrize(
    ("tables", "match"),
    [
        ({"bins": {"bin_bp": 500}}, r"bins.bin_bp = 500 is longer than windows.input_bp = 240"),
        ({"negatives": {"distance_bp": 5}}, "bins.distance_bp keeps negatives away: remove negatives.distance_bp"),
        ({"bins": {"step": 5}}, r"bins.step is not a known key \(did you mean 'step_bp'\?\)"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(simulated: SimulatedGenome, tables: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        experiment(simulated, **tables)


def test_relaxed_peaks_need_bins(simulated: SimulatedGenome) -> None:
    table = {name: value for name, value in TABLE.items() if name != "bins"}
    with pytest.raises(ConfigError, match=r"has relaxed peaks, which are for \[bins\]: add \[bins\]"):
        Experiment.from_table(table, folder=simulated.folder)
