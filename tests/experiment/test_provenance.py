import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest

from strandwise.data.simulation import SimulatedGenome
from strandwise.experiment import Experiment, Run
from strandwise.experiment.datasets import read_windows
from strandwise.experiment.provenance import describe_training


def test_it_says_what_a_run_was_made_with(trained: Run, small: Experiment) -> None:
    made = json.loads((trained.path / "provenance.json").read_text())
    assert made == trained.provenance
    assert made["schema_version"] == 1
    assert made["versions"]["torch"] == version("torch")
    assert made["versions"]["strandwise"] == version("strandwise")
    assert made["seed"] == small.training.seed
    assert made["tracks"] == ["CTCF", "REST"]
    assert made["parameters"] == sum(weight.numel() for weight in trained.network.parameters())
    assert made["machine"]["accelerator"] == "cpu"


def test_it_holds_the_hash_of_every_input(trained: Run, simulated: SimulatedGenome) -> None:
    files = {Path(entry["path"]): entry for entry in trained.provenance["files"]}
    inputs = [simulated.fasta, simulated.peaks("CTCF", "alpha"), simulated.peaks("REST", "alpha")]
    assert list(files) == [path.resolve() for path in inputs]
    for path in inputs:
        raw = path.read_bytes()
        assert files[path.resolve()]["sha256"] == hashlib.sha256(raw).hexdigest()
        assert files[path.resolve()]["bytes"] == len(raw)


def test_it_counts_the_windows(trained: Run, small: Experiment) -> None:
    windows = read_windows(small)
    rows = {row["split"]: row for row in trained.provenance["windows"]}
    assert list(rows) == ["train", "valid", "test"]
    for name, row in rows.items():
        part = windows.split(name)
        assert row["windows"] == len(part)
        assert [row[track] for track in windows.tracks] == part.labels.sum(0).tolist()


def test_it_says_how_training_went(trained: Run) -> None:
    made, history = trained.provenance, trained.history
    assert made["epochs"] == len(history) == 2
    assert made["monitor"] == "valid_auroc"
    assert made["best_score"] == history["valid_auroc"].max()
    assert history.set_index("epoch")["valid_auroc"][made["best_epoch"]] == made["best_score"]
    assert made["training_seconds"] == pytest.approx(history["seconds"].sum(), abs=0.01)


@pytest.mark.parametrize(("monitor", "best"), [("valid_auroc", 11), ("valid_loss", 12)])
def test_the_best_epoch_is_the_first_best(monitor: str, best: int) -> None:
    history = pd.DataFrame(
        {
            "epoch": [10, 11, 12, 13],
            "valid_auroc": [0.5, 0.9, 0.7, 0.9],
            "valid_loss": [3.0, 2.0, 1.0, 1.0],
            "seconds": [1.0, 1.5, 2.0, 0.25],
        }
    )
    made = describe_training(history, monitor, 9.123)
    assert (made["best_epoch"], made["epochs"], made["training_seconds"], made["seconds"]) == (best, 4, 4.75, 9.12)
