import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strandwise.analysis.robustness import Perturbations, measure_robustness
from strandwise.errors import InputError, OutputError
from strandwise.experiment import Experiment, Run, assess_robustness, train
from strandwise.experiment.datasets import read_windows


@pytest.fixture
def copied(trained: Run, tmp_path: Path) -> Run:
    return Run(shutil.copytree(trained.path, tmp_path / "run"))


Disk = Callable[[int], AbstractContextManager[None]]
DONE = Perturbations(repeats=3, reach_bp=5)


def test_a_run_is_tested_on_its_test_windows(copied: Run) -> None:
    found = assess_robustness(copied, repeats=3, reach_bp=5)
    assert json.loads((copied.path / "robustness.json").read_text()) == found
    windows = read_windows(copied.experiment).split("test")
    assert (found["n"], found["of"]) == (len(windows), len(windows))
    expected = measure_robustness(copied.predictor(), windows, DONE)
    for test, said in found["tests"].items():
        assert said["mean"] == pytest.approx(expected.mean(test))
        assert said["tracks"] == pytest.approx(expected.of_tracks(test))
    # It reads both strands.
    assert found["tests"]["reverse_complement"]["mean"] < 1e-6
    assert found["tests"]["shift"]["mean"] > 0


def test_fewer_windows_are_drawn_by_seed(copied: Run) -> None:
    one, same, other = (assess_robustness(copied, n=7, repeats=2, reach_bp=5, seed=seed) for seed in (0, 0, 1))
    assert one["n"] == 7
    assert one == same
    assert one["tests"]["mutated"] != other["tests"]["mutated"]


def test_shifts_are_a_quarter_of_the_window_if_nothing_is_said(copied: Run) -> None:
    found = assess_robustness(copied, n=3)
    assert found["reach_bp"] == copied.experiment.windows.input_bp // 4
    assert found["repeats"] == 20


def test_a_bed_is_tested_beside_the_split(copied: Run, tmp_path: Path) -> None:
    frame = read_windows(copied.experiment).split("test").frame.iloc[:5]
    bed = tmp_path / "some.bed"
    frame[["chrom", "start", "end"]].to_csv(bed, sep="\t", header=False, index=False)
    found = assess_robustness(copied, bed=bed, repeats=3, reach_bp=5, out=tmp_path / "out")
    assert (found["split"], found["n"]) == ("bed", 5)
    assert (tmp_path / "out" / "robustness.bed.json").is_file()


def test_windows_at_the_ends_are_left_out_and_counted(copied: Run, tmp_path: Path) -> None:
    frame = read_windows(copied.experiment).split("test").frame.iloc[:3]
    bed = tmp_path / "some.bed"
    lines = [f"{chrom}\t{start}\t{end}" for chrom, start, end in frame[["chrom", "start", "end"]].to_numpy()]
    bed.write_text("\n".join([f"{frame.iloc[0]['chrom']}\t10\t20", *lines]) + "\n")
    found = assess_robustness(copied, bed=bed, repeats=3, reach_bp=5)
    assert (found["n"], found["near_an_end"]) == (3, 1)
    bed.write_text(f"{frame.iloc[0]['chrom']}\t10\t20\n")
    with pytest.raises(InputError, match="no window has 5 bp of its chromosome to each side"):
        assess_robustness(copied, bed=bed, repeats=3, reach_bp=5)


def test_no_windows_are_refused(copied: Run) -> None:
    with pytest.raises(InputError, match="--windows 0"):
        assess_robustness(copied, n=0)


def test_a_full_disk_leaves_what_was_there(
    copied: Run, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    assess_robustness(copied, n=3, repeats=3, reach_bp=5)
    before = (copied.path / "robustness.json").read_bytes()
    with pytest.raises((OutputError, OSError)), full_disk(100):
        assess_robustness(copied, n=4, repeats=3, reach_bp=5)
    assert (copied.path / "robustness.json").read_bytes() == before


def test_sequences_that_end_with_their_windows_are_not_shifted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    config: dict[str, Any] = {
        "model": {"name": "shrikumar_simulated", "filters": 2, "kernel_size": 9, "pool_width": 8},
        "training": {"epochs": 1},
    }
    for extra in (0, 40):
        for kind, core in (("positives", "TGACTCAT"), ("negatives", "")):
            made = ["".join(rng.choice([*"ACGT"], 60 + extra - len(core))) for _ in range(40)]
            text = "".join(f">s{at}\n{one[:30]}{core}{one[30:]}\n" for at, one in enumerate(made))
            (tmp_path / f"{kind}.{extra}.fa").write_text(text)
        sets = {"positives": f"positives.{extra}.fa", "negatives": f"negatives.{extra}.fa", "name": "AP1"}
        split = {"valid_fraction": 0.25, "test_fraction": 0.25}
        experiment = Experiment.from_table(
            {
                "sequences": [sets],
                "split": split,
                "windows": {"input_bp": 60, "label_bp": 20, "jitter_bp": extra // 2},
                **config,
            },
            folder=tmp_path,
        )
        found = assess_robustness(train(experiment, tmp_path / f"run{extra}"), repeats=2, reach_bp=10)
        assert ("shift" in found["tests"]) == bool(extra)
        assert found["tests"]["mutated"]["mean"] > 0
