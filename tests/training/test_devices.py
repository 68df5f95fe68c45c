"""Several devices, which train in processes of their own."""

import subprocess
import sys
from pathlib import Path

import pandas as pd

from strandwise.data.simulation import SimulatedGenome
from strandwise.experiment import Run

CONFIG = """
[genome]
fasta = "{fasta}"
[[targets]]
name = "CTCF"
peaks = "{peaks}"
[windows]
input_bp = 100
label_bp = 60
[split]
valid = ["chr4"]
test = ["chr5"]
[model]
name = "shrikumar_simulated"
filters = 2
[training]
epochs = 2
batch_size = 20
accelerator = "cpu"
devices = 2
"""


def test_two_devices_train_one_run(simulated: SimulatedGenome, tmp_path: Path) -> None:
    config, out = tmp_path / "two.toml", tmp_path / "run"
    config.write_text(CONFIG.format(fasta=simulated.fasta, peaks=simulated.peaks("CTCF", "alpha")))
    command = [sys.executable, "-m", "strandwise.cli", "train", str(config), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert pd.read_csv(out / "history.csv")["epoch"].tolist() == [1, 2]
    assert Run.open(out).predict("ACGTA" * 20).shape == (1, 1)
