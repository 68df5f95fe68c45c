"""A run beside simple models: the job, for windows and for bins, and what it refuses."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from strandwise.data.batches import read_batch
from strandwise.data.simulation import SimulatedGenome
from strandwise.errors import InputError, RunError
from strandwise.experiment import Experiment, Run, compare_baselines, train, write_report
from strandwise.experiment.baselines import motif_names
from strandwise.experiment.datasets import read_windows
from strandwise.motifs import jaspar_motif, write_meme

KINDS = ["gc", "pwm_gc", "words"]


@pytest.fixture(scope="module")
def motifs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("motifs") / "motifs.meme"
    write_meme(path, [jaspar_motif("MA0139.2"), jaspar_motif("MA0138.3")])
    return path


@pytest.fixture
def copied(trained: Run, tmp_path: Path) -> Run:
    return Run(shutil.copytree(trained.path, tmp_path / "run"))


def test_a_run_stands_beside_its_baselines(copied: Run, motifs: Path) -> None:
    found = compare_baselines(copied, motifs=motifs, resamples=50)
    assert json.loads((copied.path / "baselines.json").read_text()) == found
    assert list(found["baselines"]) == KINDS
    assert found["motifs"] == {"CTCF": ["CTCF"], "REST": ["REST"]}
    assert found["notes"] == []
    assert found["n"] == copied.metrics["n"]
    for track, values in copied.metrics["heads"]["bound"]["tracks"].items():
        for metric in ("auroc", "aupr"):
            assert found["model"]["tracks"][track][metric] == pytest.approx(values[metric], abs=1e-6)
    # The simulated genome is bound where motifs are.
    by_motif = found["baselines"]["pwm_gc"]["tracks"]
    assert min(values["auroc"] for values in by_motif.values()) > 0.8
    # The test chromosome is one stretch of genome, so there is no interval.
    gap = found["model"]["mean"]["auroc"] - found["baselines"]["pwm_gc"]["mean"]["auroc"]
    assert found["bootstrap"]["blocks"] == 1
    assert found["baselines"]["pwm_gc"]["ahead"]["mean"]["auroc"] == [pytest.approx(gap), None, None]


def test_composition_is_fitted_on_training_windows_and_judged_on_the_others(copied: Run) -> None:
    found = compare_baselines(copied, split="valid", resamples=10)
    assert list(found["baselines"]) == ["gc", "words"]
    assert found["notes"] == ["no file of motifs was given, so there is no baseline of motifs: add --motifs FILE"]
    assert not (copied.path / "baselines.json").exists()
    windows = read_windows(copied.experiment)
    shares = {}
    for name in ("train", "valid"):
        part = windows.split(name)
        codes = part.reader.gather(np.arange(len(part)))
        shares[name] = np.isin(codes, (1, 2)).sum(1, keepdims=True) / (codes < 4).sum(1, keepdims=True)
    for c, track in enumerate(windows.tracks):
        scaler = StandardScaler().fit(shares["train"])
        model = LogisticRegression().fit(scaler.transform(shares["train"]), windows.split("train").labels[:, c])
        said = model.decision_function(scaler.transform(shares["valid"]))
        expected = roc_auc_score(windows.split("valid").labels[:, c], said)
        assert found["baselines"]["gc"]["tracks"][track]["auroc"] == pytest.approx(expected, abs=1e-6)
    assert compare_baselines(copied, split="valid", resamples=10, out=copied.path / "again") == found


def test_motifs_are_taken_by_name_or_as_they_are_named(copied: Run, motifs: Path) -> None:
    found = compare_baselines(copied, motifs=motifs, named={"CTCF": ["REST", "MA0139.2"]}, resamples=5)
    assert found["motifs"]["CTCF"] == ["REST", "CTCF"]
    text = motifs.read_text().replace("REST", "other")
    fewer = copied.path / "fewer.meme"
    fewer.write_text(text)
    found = compare_baselines(copied, motifs=fewer, resamples=5)
    assert found["motifs"]["REST"] == []
    gc, both = (found["baselines"][name]["tracks"]["REST"] for name in ("gc", "pwm_gc"))
    assert gc == both
    assert found["notes"] == [
        f"{fewer} has no motif called REST: its baseline 'pwm_gc' there is GC alone (name one by --motif REST=NAME)"
    ]


def test_bins_are_read_with_their_flanks(simulated: SimulatedGenome, motifs: Path, tmp_path: Path) -> None:
    table: dict[str, Any] = {
        "genome": {"fasta": "genome.fa.gz"},
        "targets": [{"name": name, "peaks": f"peaks/{name}.alpha.bed"} for name in ("CTCF", "REST")],
        "tiles": {"labels": "dense", "peak_bp": 101, "keep": "peaks"},
        "windows": {"input_bp": 400, "output_bp": 360, "bin_bp": 10},
        "split": {"valid": ["chr3"], "test": ["chr4"]},
        "model": {"name": "dilated", "filters": [3, 4, 3], "kernel_size": 4, "dilations": [1, 3], "hidden": 4},
        "training": {"epochs": 1, "accelerator": "cpu", "batch_size": 20},
    }
    run = train(Experiment.from_table(table, folder=simulated.folder), tmp_path / "run")
    found = compare_baselines(run, motifs=motifs, resamples=20)
    assert list(found["baselines"]) == KINDS
    assert min(values["auroc"] for values in found["baselines"]["pwm_gc"]["tracks"].values()) > 0.8
    # A slow twin for the composition: the share of G and C of a bin and 50 bp on either side, N beyond the window.
    windows = read_windows(run.experiment).split("test")
    labels = read_batch(windows, run.network.heads, np.arange(len(windows))).targets["bound"].numpy()
    codes = np.pad(windows.reader.gather(np.arange(len(windows))), ((0, 0), (50, 50)), constant_values=4)
    shares = []
    for start in range(20, 380, 10):
        stretch = codes[:, start : start + 110]
        shares.append(np.isin(stretch, (1, 2)).sum(1) / (stretch < 4).sum(1))
    for c, track in enumerate(windows.tracks):
        area = roc_auc_score(labels[:, c].ravel(), np.stack(shares, axis=1).ravel())
        assert found["baselines"]["gc"]["tracks"][track]["auroc"] in (
            pytest.approx(area, abs=1e-6),
            pytest.approx(1 - area, abs=1e-6),
        )


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"named": {"CTCF": ["CTCF"]}}, "no file holds them: give it with --motifs FILE"),
        ({"motifs": "nowhere.meme"}, "nowhere.meme"),
        ({"motifs": None, "flank_bp": -1}, "flank_bp -1"),
        ({"split": "train", "resamples": 0}, "resamples 0"),
    ],
)
def test_bad_arguments_are_refused(trained: Run, arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        compare_baselines(trained, **arguments)


def test_names_that_are_not_there_are_refused(trained: Run, motifs: Path) -> None:
    with pytest.raises(InputError, match="no motif 'RESTT'"):
        compare_baselines(trained, motifs=motifs, named={"CTCF": ["RESTT"]})
    with pytest.raises(InputError, match=r"--motif CTCFF=...: the run has no track 'CTCFF' \(did you mean 'CTCF'"):
        compare_baselines(trained, motifs=motifs, named={"CTCFF": ["REST"]})
    for given in ("CTCF", "=REST", "CTCF="):
        with pytest.raises(InputError, match=f"--motif {given}: write TRACK=NAME"):
            motif_names([given])
    assert motif_names(["a=b=c", "a=b=d", "x=y"]) == {"a=b": ["c", "d"], "x": ["y"]}


def test_a_split_without_windows_is_refused(small: Experiment, tmp_path: Path) -> None:
    run = train(small.changed("split.test=[]").changed("training.epochs=1"), tmp_path / "run")
    with pytest.raises(InputError, match="the test split has no windows to judge"):
        compare_baselines(run)


def test_a_run_of_signal_is_refused(simulated: SimulatedGenome, tmp_path: Path) -> None:
    table: dict[str, Any] = {
        "genome": {"fasta": "genome.fa.gz"},
        "targets": [
            {"name": "CTCF", "peaks": "peaks/CTCF.alpha.bed", "signal": "accessibility.alpha.bw"},
        ],
        "signals": {"folder": str(tmp_path / "cache")},
        "windows": {"input_bp": 160, "label_bp": 60, "bin_bp": 160, "output_bp": 160},
        "split": {"valid": ["chr3"], "test": ["chr4"]},
        "model": {"filters": 2, "kernel_sizes": [9, 5, 5], "pool_width": 20, "pool_stride": 10},
        "training": {"epochs": 1, "accelerator": "cpu"},
    }
    run = train(Experiment.from_table(table, folder=simulated.folder), tmp_path / "run")
    with pytest.raises(InputError, match="predicts signal, and baselines rank yes/no labels"):
        compare_baselines(run)


def test_the_report_shows_them(copied: Run, motifs: Path) -> None:
    page = write_report([copied]).read_text()
    assert "Beside simple models" not in page
    found = compare_baselines(copied, motifs=motifs, resamples=5)
    page = write_report([copied]).read_text()
    assert f"Beside simple models on the same {found['n']} windows" in page
    gap = found["baselines"]["pwm_gc"]["ahead"]["tracks"]["CTCF"]["aupr"][0]
    assert f"{gap:+.3f} (no interval)" in page


@pytest.mark.parametrize("damage", ['"schema_version": 2', '"model": []', '"split": 3'])
def test_a_damaged_record_is_refused(copied: Run, damage: str) -> None:
    compare_baselines(copied, resamples=5)
    path = copied.path / "baselines.json"
    table = json.loads(path.read_text()) | json.loads(f"{{{damage}}}")
    path.write_text(json.dumps(table))
    with pytest.raises(RunError, match=f"baselines.json: .*run `strandwise baselines {copied.path}`"):
        write_report([copied])
    copied.clear()
    assert not path.exists()


def test_a_baseline_of_other_tracks_is_refused(copied: Run) -> None:
    record = compare_baselines(copied, resamples=5)
    del record["baselines"]["gc"]["ahead"]["tracks"]["CTCF"]
    copied.write_json("baselines.json", record)
    with pytest.raises(RunError, match="baseline 'gc' is of other tracks than the model"):
        write_report([copied])
