import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from strandwise.data.simulation import SimulatedGenome
from strandwise.errors import InputError
from strandwise.experiment import Experiment, Run, compare_strands, evaluate, train
from strandwise.experiment.strands import _places
from strandwise.models import STRATEGIES


@pytest.fixture
def copied(trained: Run, tmp_path: Path) -> Run:
    return Run(shutil.copytree(trained.path, tmp_path / "run"))


@pytest.mark.parametrize(
    ("strategy", "layers", "first"),
    [
        ("standard", ["conv1"] * 3 + ["conv2"] * 3 + ["conv3"] * 4 + ["readout bound"], "conv1"),
        ("rcps", ["conv1"] * 3 + ["conv2"] * 3 + ["conv3"] * 4 + ["readout bound"] * 2, None),
        ("hybrid", ["conv1 to conv3"] + ["readout bound"] * 2, None),
    ],
)
def test_each_strategy_has_its_verdict(
    strategy: str, layers: list[str], first: str | None, small: Experiment, tmp_path: Path
) -> None:
    experiment = small.changed(f"strand.strategy={strategy}").changed("training.epochs=1")
    run = train(experiment, tmp_path / "run")
    found = compare_strands(run)
    assert [layer["place"] for layer in found["layers"]] == layers
    assert (found["strategy"], found["promised"]) == (strategy, STRATEGIES[strategy].lawful)
    assert found["one_strand"] == []
    broken = found["first_break"]
    assert (broken and broken["place"]) == first
    largest = {precision: found["heads"]["bound"][precision]["logits"]["max"] for precision in ("float32", "float64")}
    assert found["verdict"].startswith("Lawful by construction" if first is None else f"Strategy {strategy} promises")
    assert (largest["float64"] < 1e-12) == (first is None)
    # The same windows in the same precision as `evaluate`.
    assert largest["float32"] == pytest.approx(evaluate(run)["strand"]["max_deviation"], rel=1e-6, abs=1e-9)
    table = run.predictions("test")
    for track, said in found["heads"]["bound"]["float32"]["tracks"].items():
        given, turned = table[f"pred/{track}"], table[f"revcomp/{track}"]
        assert said["predicted"]["max"] == pytest.approx((given - turned).abs().max(), rel=1e-6, abs=1e-9)
        assert said["pearson"] == pytest.approx(np.corrcoef(given, turned)[0, 1], abs=1e-6)
        assert said["flips"] == ((given >= 0.5) != (turned >= 0.5)).sum()


def test_a_merged_run_shows_what_merging_takes_away(copied: Run) -> None:
    found = compare_strands(copied)
    assert [(layer["place"], layer["layer"]) for layer in found["layers"]] == [("both strands bound", "Conjoined")]
    assert found["first_break"] is None
    inside = found["one_strand"]
    assert [layer["place"] for layer in inside] == ["conv1"] * 3 + ["conv2"] * 3 + ["conv3"] * 4 + ["readout bound"]
    assert all(layer["float64"] is None for layer in inside[:-1])
    assert inside[-1]["float64"] > 1e-4
    assert inside[-1]["name"] == "top.layers.bound"


def test_what_is_written_is_what_is_returned(copied: Run, tmp_path: Path) -> None:
    before = {path.name for path in copied.path.iterdir()}
    found = compare_strands(copied.path)
    assert {path.name for path in copied.path.iterdir()} - before == {"strand.json", "strand.html"}
    assert json.loads((copied.path / "strand.json").read_text()) == found
    assert (found["schema_version"], found["split"], found["seed"]) == (1, "test", 0)
    assert found["n"] == found["of"] == found["traced"] == copied.metrics["n"]
    assert found["verdict"] in (copied.path / "strand.html").read_text()
    assert compare_strands(copied.path, out=tmp_path / "other") == found
    page = "strand.html"
    assert (tmp_path / "other" / page).read_bytes() == (copied.path / page).read_bytes()


def test_other_windows_are_written_beside(copied: Run, simulated: SimulatedGenome, tmp_path: Path) -> None:
    assert compare_strands(copied, split="train")["split"] == "train"
    bed = tmp_path / "REST.bed"
    peaks = simulated.peaks("REST", "alpha").read_text()
    # Names as another source has them, and no labels needed: peaks of the config may be gone.
    bed.write_text(peaks.replace("chr", "") + "1\t3\t4\tedge\t0\t.\n")
    found = compare_strands(copied, bed=bed)
    assert (found["split"], found["n"]) == ("bed", len(pd.read_csv(bed, sep="\t", header=None)))
    assert found["notes"] == ["1 windows reach past a chromosome's end and read N there"]
    names = {path.name for path in copied.path.glob("strand*")}
    assert names == {f"strand.{split}.{ending}" for split in ("train", "bed") for ending in ("json", "html")}
    copied.clear()
    assert not list(copied.path.glob("strand*"))


def test_a_draw_is_by_seed(copied: Run) -> None:
    every = compare_strands(copied)
    some = compare_strands(copied, n=10)
    assert (some["n"], some["of"], some["traced"]) == (10, every["n"], 10)
    assert compare_strands(copied, n=10) == some
    other = compare_strands(copied, n=10, seed=1)
    assert other["heads"] != some["heads"] or other["one_strand"] != some["one_strand"]


@pytest.mark.parametrize(
    ("change", "places"),
    [
        ("strand.strategy=rcps", ["conv1", "conv2", "conv3", "readout"]),
        ("strand.strategy=hybrid", ["conv1 to conv3", "readout"]),
        ("strand={strategy='hybrid', groups=[[1, 2]]}", ["conv1 to conv2", "conv3", "readout"]),
        ("strand={strategy='hybrid', groups=[[2], [3, 4]]}", ["conv1", "conv2", "conv3 to readout"]),
    ],
)
def test_parts_have_the_names_of_stages(change: str, places: list[str], small: Experiment, tmp_path: Path) -> None:
    run = Run(tmp_path)
    (tmp_path / "config.toml").write_text(small.changed(change).to_toml())
    found = _places(run)
    assert list(found.values()) == places
    assert list(found) == [*(f"trunk.layers.{i}" for i in range(len(places) - 1)), "top"]


def test_windows_that_are_not_there_are_refused(small: Experiment, copied: Run) -> None:
    with pytest.raises(InputError, match="--windows 0: give 1 or more"):
        compare_strands(copied, n=0)
    text = (copied.path / "config.toml").read_text()
    assert 'test = [\n    "chr4",\n]' in text
    (copied.path / "config.toml").write_text(text.replace('test = [\n    "chr4",\n]', "test = []"))
    with pytest.raises(InputError, match=r"the test split has no windows to compare: name .* in split\.test"):
        compare_strands(copied.path)
    assert not list(copied.path.glob("strand*"))
