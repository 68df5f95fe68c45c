"""A second replicate: judged in the place of the prediction, chosen by, and never learned from."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import r2_score

from strandwise.data.batches import TARGET, TrainingBatches
from strandwise.data.simulation import SimulatedGenome
from strandwise.data.windows import REPLICATE
from strandwise.errors import ConfigError, InputError, StrandwiseError
from strandwise.experiment import Experiment, Run, check, evaluate, predict, train, write_report
from strandwise.experiment.datasets import read_windows
from strandwise.genome import BigWig, Genome, write_bigwig
from strandwise.scores.profiles import PROFILE_METRICS

Make = Callable[..., Experiment]
FIRST = {"plus": "signal/CTCF.alpha.plus.bw", "minus": "signal/CTCF.alpha.minus.bw"}
# Another factor's, which is as good as a bad replicate.
SECOND = {"replicate_plus": "signal/MAX.alpha.plus.bw", "replicate_minus": "signal/MAX.alpha.minus.bw"}
CTCF = {"name": "CTCF", "peaks": "peaks/CTCF.alpha.bed", **FIRST}
REST = {
    "name": "REST",
    "peaks": "peaks/REST.alpha.bed",
    "plus": "signal/REST.alpha.plus.bw",
    "minus": "signal/REST.alpha.minus.bw",
}
BINS = {
    "windows": {"input_bp": 160, "output_bp": 128, "bin_bp": 8},
    "model": {"name": "gopher_bpnet", "filters": 4, "dilated_layers": 2},
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("signals")


@pytest.fixture(scope="module")
def make(simulated: SimulatedGenome, cache: Path) -> Make:
    """A tiny BPNet of a factor with a replicate and of one without; other tables of the config as they are given."""

    def experiment(**others: Any) -> Experiment:
        table = {
            "genome": {"fasta": "genome.fa.gz"},
            "targets": [REST, {**CTCF, **SECOND}],
            "windows": {"input_bp": 160},
            "negatives": {"per_peak": 0.5},
            "split": {"valid": ["chr3"], "test": ["chr4"]},
            "signals": {"folder": str(cache)},
            "model": {"name": "bpnet", "filters": 4, "stem_width": 15, "dilated_layers": 2, "profile_width": 15},
            "strand": {"strategy": "rcps"},
            "training": {"epochs": 1, "accelerator": "cpu", "batch_size": 20},
        }
        return Experiment.from_table({**table, **others}, folder=simulated.folder)

    return experiment


@pytest.fixture(scope="module")
def run(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Run:
    found = train(make(), tmp_path_factory.mktemp("replicates") / "run")
    evaluate(found)
    return found


def counts(run: Run, simulated: SimulatedGenome, path: str, spare: int) -> np.ndarray:
    """The bases of every test window, as pybigtools reads them."""
    file = BigWig(simulated.folder / path)
    places = read_windows(run.experiment).split("test").frame[["chrom", "start", "end"]]
    rows = [file.values(str(c), int(s) + spare, int(e) - spare, missing=0.0) for c, s, e in places.to_numpy().tolist()]
    return np.stack(rows)


def test_the_ceiling_is_what_scipy_says_of_two_files(run: Run, simulated: SimulatedGenome) -> None:
    spare = (160 - read_windows(run.experiment).signals[TARGET].gather(np.arange(1)).values.shape[-1]) // 2
    profile, totals = (run.metrics["heads"][name]["ceiling"] for name in ("profile", "counts"))
    assert set(profile["tracks"]) == set(totals["tracks"]) == {"CTCF+", "CTCF-"}
    for strand, sign in (("plus", "+"), ("minus", "-")):
        x = counts(run, simulated, FIRST[strand], spare)
        y = counts(run, simulated, SECOND[f"replicate_{strand}"], spare)
        each = [jensenshannon(a, b, base=2) for a, b in zip(x, y, strict=True) if a.any() and b.any()]
        assert 10 < len(each) < len(x)
        found = profile["tracks"][f"CTCF{sign}"]
        assert set(found) == {*PROFILE_METRICS, "n"}
        assert (found["jsd"], found["n"]) == (pytest.approx(np.mean(each), rel=1e-6), len(x))
        a, b = (np.log1p(values.sum(1)) for values in (x, y))
        found = totals["tracks"][f"CTCF{sign}"]
        assert found["pearson"] == pytest.approx(stats.pearsonr(a, b)[0], rel=1e-6)
        assert found["spearman"] == pytest.approx(stats.spearmanr(a, b)[0], rel=1e-6)
        assert found["mse"] == pytest.approx(np.mean((a - b) ** 2), rel=1e-6)
        assert found["r_squared"] == pytest.approx(r2_score(a, b), rel=1e-6)
        assert "nll" not in profile["tracks"][f"CTCF{sign}"]
    assert totals["mean"]["pearson"] == pytest.approx(
        np.mean([totals["tracks"][track]["pearson"] for track in ("CTCF+", "CTCF-")])
    )


def test_nothing_is_learned_from_a_replicate(make: Make, run: Run, tmp_path: Path) -> None:
    alone = train(make(targets=[REST, CTCF]), tmp_path / "alone")
    for name, weights in alone.network.state_dict().items():
        assert torch.equal(weights, run.network.state_dict()[name])
    evaluate(alone)
    for name, head in alone.metrics["heads"].items():
        assert "ceiling" not in head
        assert head == {key: value for key, value in run.metrics["heads"][name].items() if key != "ceiling"}
    windows = read_windows(make()).split("train")
    batch = TrainingBatches(windows, run.network.heads, batch_size=20)[0, 0]
    assert (set(batch.inputs), set(batch.targets)) == ({"sequence"}, {"profile", "counts"})


@pytest.mark.parametrize("bin_bp", [8, 128])
def test_coverage_has_a_ceiling_too(make: Make, simulated: SimulatedGenome, tmp_path: Path, bin_bp: int) -> None:
    """Of bins, and of windows as one number."""
    options = {**BINS, "windows": {**BINS["windows"], "bin_bp": bin_bp}}
    if bin_bp == 128:
        options["model"] = {"filters": 2, "kernel_sizes": [9, 5, 5], "pool_width": 20, "pool_stride": 10}
    run = train(make(**options, targets=[{**CTCF, **SECOND, "transform": "log1p"}]), tmp_path / "run")
    evaluate(run)
    ceiling = run.metrics["heads"]["coverage"]["ceiling"]
    for strand, sign in (("plus", "+"), ("minus", "-")):
        x, y = (
            np.log1p(counts(run, simulated, path, 16).reshape(-1, 128 // bin_bp, bin_bp).mean(-1))
            for path in (FIRST[strand], SECOND[f"replicate_{strand}"])
        )
        found = ceiling["tracks"][f"CTCF{sign}"]
        assert found["pearson"] == pytest.approx(stats.pearsonr(x.ravel(), y.ravel())[0], rel=1e-5)
        assert found["spearman"] == pytest.approx(stats.spearmanr(x.ravel(), y.ravel())[0], rel=1e-5)
        assert found["mse"] == pytest.approx(np.mean((x - y) ** 2), rel=1e-5)
        assert "poisson_nll" not in found
        assert "poisson_nll_scaled" not in found
        assert found["r_squared"] == pytest.approx(r2_score(x.ravel(), y.ravel()), rel=1e-5)
        scaled = y * x.sum() / y.sum()
        assert found["mse_scaled"] == pytest.approx(np.mean((x - scaled) ** 2), rel=1e-5)
        if bin_bp == 8:
            each = [np.corrcoef(a, b)[0, 1] for a, b in zip(x, y, strict=True) if np.ptp(a) and np.ptp(b)]
            assert found["pearson_per_window"] == pytest.approx(np.mean(each), rel=1e-5)
            each = [jensenshannon(a, b, base=2) for a, b in zip(x, y, strict=True) if a.any() and b.any()]
            assert found["jsd_per_window"] == pytest.approx(np.mean(each), rel=1e-5)
            assert found["jsd_concatenated"] == pytest.approx(jensenshannon(x.ravel(), y.ravel(), base=2), rel=1e-5)


def test_a_replicate_equal_to_the_first_is_perfect(make: Make, simulated: SimulatedGenome, tmp_path: Path) -> None:
    copies = {f"replicate_{strand}": str(tmp_path / f"{strand}.bw") for strand in FIRST}
    for strand, path in FIRST.items():
        (tmp_path / f"{strand}.bw").write_bytes((simulated.folder / path).read_bytes())
    run = train(make(targets=[{**CTCF, **copies}]), tmp_path / "run")
    found = evaluate(run)["heads"]
    perfect = dict.fromkeys(("normalised_jsd", "profile_pearson", "profile_spearman"), pytest.approx(1))
    assert found["profile"]["ceiling"]["mean"] == dict.fromkeys(PROFILE_METRICS, 0.0) | perfect
    perfect = dict.fromkeys(("pearson", "spearman", "r_squared"), pytest.approx(1))
    assert found["counts"]["ceiling"]["mean"] == {"mse": 0} | perfect


def test_it_is_in_the_check_the_report_and_the_bed(
    make: Make, run: Run, simulated: SimulatedGenome, tmp_path: Path
) -> None:
    rows = check(make()).inventory.tracks
    assert [(row["enters as"], row["track"]) for row in rows][-2:] == [("replicate", "CTCF+"), ("replicate", "CTCF-")]
    text = write_report([run], tmp_path / "report.html").read_text()
    assert "ceiling: what the second replicate scores in the place of the prediction" in text
    assert text.count("CTCF+, ceiling") == 2
    # A mean over one of two targets would be no ceiling of the mean over both.
    assert "REST+, ceiling" not in text
    assert "Mean ceiling" not in text
    found = evaluate(run, bed=simulated.peaks("CTCF", "alpha"), out=tmp_path / "bed")
    assert set(found["heads"]["counts"]["ceiling"]["tracks"]) == {"CTCF+", "CTCF-"}
    assert "replicate" not in json.dumps([str(p) for p in predict(run, tmp_path / "p.bed", chrom="chr4")])


def test_a_cell_without_a_replicate_has_no_ceiling(make: Make, tmp_path: Path) -> None:
    others = {strand: path.replace("CTCF", "GATA4") for strand, path in FIRST.items()}
    beta = {**CTCF, **others, "peaks": "peaks/CTCF.beta.bed"}
    targets = [{**CTCF, "cell": "alpha", **SECOND}, {**beta, "cell": "beta"}]
    windows = read_windows(make(targets=targets))
    found = windows.signals[REPLICATE].gather(np.arange(len(windows)))
    assert (found.weights.numpy() == (windows.frame["cell"] == "alpha").to_numpy()[:, None]).all()
    held = {"valid": ["chr3"], "test": ["chr4"], "test_cells": ["beta"]}
    run = train(make(targets=targets, split=held), tmp_path / "run")
    assert "ceiling" not in evaluate(run)["heads"]["profile"]


def test_test_chunks_may_be_chosen_by_the_replicate(make: Make, simulated: SimulatedGenome, tmp_path: Path) -> None:
    target = {name: value for name, value in {**CTCF, **SECOND}.items() if name != "peaks"}
    options = {**BINS, "targets": [target], "negatives": {}}
    plain = read_windows(make(**options, chunks={"threshold": 3}))
    config = make(**options, chunks={"threshold": 3, "test_by": "replicate"})
    found = read_windows(config)
    assert found.split("train").frame.equals(plain.split("train").frame)
    files = [BigWig(simulated.folder / path) for path in SECOND.values()]
    size = Genome(simulated.fasta).sizes["chr4"]
    high = [
        at
        for at in range(0, size - 159, 160)
        if max(float(np.abs(file.values("chr4", at, at + 160, missing=0.0)).max()) for file in files) > 3
    ]
    assert found.split("test").frame["start"].tolist() == high != plain.split("test").frame["start"].tolist()
    metrics = evaluate(train(config, tmp_path / "run"))
    assert metrics["n"] == len(high)
    assert metrics["heads"]["coverage"]["ceiling"]["tracks"]["CTCF+"]["n"] == len(high)
    with pytest.raises(ConfigError, match=r"target 'CTCF' has none: give it replicate, or replicate_plus"):
        make(**{**options, "targets": [CTCF]}, chunks={"test_by": "replicate"})
    with pytest.raises(ConfigError, match="keeps every chunk"):
        make(**options, chunks={"test_by": "replicate", "test_threshold": "all"})


@pytest.mark.parametrize("kept", [True, False])
def test_replicates_that_hold_no_counts(make: Make, simulated: SimulatedGenome, tmp_path: Path, kept: bool) -> None:
    sizes = Genome(simulated.fasta).sizes
    write_bigwig(tmp_path / "negative.bw", sizes, [(chrom, 0, size, -2.0) for chrom, size in sizes.items()])
    second = {**SECOND, "replicate_plus": str(tmp_path / "negative.bw")}
    with pytest.raises(InputError, match="has values down to -2"):
        evaluate(
            train(make(targets=[{**CTCF, **second}], signals={"cache": kept, "folder": str(tmp_path)}), tmp_path / "r")
        )


def test_a_replicate_that_is_missing_or_foreign(make: Make, tmp_path: Path) -> None:
    for table, words in (
        ({**CTCF, **SECOND, "replicate_plus": "signal/nowhere.bw"}, "nowhere.bw"),
        ({**CTCF, **SECOND, "replicate_plus": "genome.fa.gz"}, "genome.fa.gz"),
    ):
        with pytest.raises(StrandwiseError, match=words):
            train(make(targets=[table]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_reads_its_signal_in_place_where_that_is_wanted(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    run = train(make(signals={"cache": False, "folder": str(folder)}), tmp_path / "run")
    text = (run.path / "config.toml").read_text()
    # Little is read of files in one epoch, and what is read little is not decoded.
    text = text.replace("cache = false", "cache = true").replace("epochs = 1\n", "epochs = 1000\n")
    (run.path / "config.toml").write_text(text)
    streamed = evaluate(Run.open(run.path).without_cache(), out=tmp_path / "streamed")
    assert not folder.exists()
    cached = evaluate(Run.open(run.path), out=tmp_path / "cached")
    assert folder.exists()
    for head in ("profile", "counts"):
        for part in ("tracks", "ceiling"):
            assert streamed["heads"][head][part] == cached["heads"][head][part]
    assert not math.isnan(cached["heads"]["profile"]["mean"]["jsd"])
