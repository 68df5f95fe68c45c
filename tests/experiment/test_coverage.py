"""Quantitative coverage and labels in bins from a config: trained, judged, predicted, resumed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from strandwise.data.batches import TARGET, OrderedBatches
from strandwise.data.simulation import SimulatedGenome
from strandwise.errors import ConfigError, StrandwiseError
from strandwise.experiment import Experiment, Run, check, compare_strands, evaluate, predict, train, write_report
from strandwise.experiment.datasets import read_windows
from strandwise.experiment.network import bins_of, heads_of, output_bp
from strandwise.genome import BigWig
from strandwise.models import STRATEGIES

Make = Callable[..., Experiment]
STRANDED = {"plus": "signal/CTCF.alpha.plus.bw", "minus": "signal/CTCF.alpha.minus.bw"}
BASENJI = {"name": "gopher_bpnet", "filters": 4, "dilated_layers": 2}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("signals")


@pytest.fixture(scope="module")
def make(simulated: SimulatedGenome, cache: Path) -> Make:
    """A tiny network of one factor's coverage; other tables of the config as they are given."""

    def experiment(*, strategy: str = "rcps", **others: Any) -> Experiment:
        table = {
            "genome": {"fasta": "genome.fa.gz"},
            "targets": [{"name": "CTCF", "peaks": "peaks/CTCF.alpha.bed", **STRANDED}],
            "windows": {"input_bp": 160, "output_bp": 128, "bin_bp": 8, "jitter_bp": 10},
            "negatives": {"per_peak": 0.5},
            "split": {"valid": ["chr3"], "test": ["chr4"]},
            "signals": {"folder": str(cache)},
            "model": BASENJI,
            "strand": {"strategy": strategy},
            "training": {"epochs": 2, "accelerator": "cpu", "batch_size": 20, "learning_rate": 0.01},
        }
        return Experiment.from_table({**table, **others}, folder=simulated.folder)

    return experiment


@pytest.fixture(scope="module")
def run(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Run:
    training = {"epochs": 8, "accelerator": "cpu", "batch_size": 20, "learning_rate": 0.01}
    found = train(make(training=training), tmp_path_factory.mktemp("coverage") / "run")
    evaluate(found)
    return found


def measured_and_predicted(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Coverage of the test windows, and what the network says of it, without the code that judges it."""
    windows = read_windows(run.experiment).split("test")
    batch = OrderedBatches(windows, run.network.heads, len(windows))[0]
    codes = torch.nn.functional.one_hot(batch.inputs["sequence"].long(), 5)[..., :4].transpose(1, 2).float()
    with torch.no_grad():
        said = torch.nn.functional.softplus(run.network(codes)["coverage"])
    return batch.targets["coverage"].double().numpy(), said.double().numpy()


def test_targets_are_means_of_bins(make: Make, simulated: SimulatedGenome) -> None:
    experiment = make()
    assert output_bp(experiment) == 128
    assert bins_of(experiment) == (16, 8)
    windows = read_windows(experiment)
    (head,) = heads_of(experiment, windows.tracks)
    assert (head.name, str(head.type), head.loss) == ("coverage", "stranded(1)", "poisson")
    batch = OrderedBatches(windows, [head], len(windows))[0]
    for row in (0, 5, len(windows) - 1):
        place = windows.frame.iloc[row]
        for c, strand in enumerate(("plus", "minus")):
            bases = BigWig(simulated.folder / STRANDED[strand]).values(
                str(place["chrom"]), int(place["start"]) + 16, int(place["end"]) - 16, missing=0.0
            )
            np.testing.assert_allclose(batch.targets["coverage"][row, c], bases.reshape(16, 8).mean(1), rtol=1e-6)


def test_it_learns_and_is_judged_by_what_scipy_computes(run: Run) -> None:
    assert run.history["train_loss"].iloc[-1] < run.history["train_loss"].iloc[0]
    measured, predicted = measured_and_predicted(run)
    metrics = run.metrics["heads"]["coverage"]
    for c, track in enumerate(("CTCF+", "CTCF-")):
        x, y = measured[:, c].ravel(), predicted[:, c].ravel()
        found = metrics["tracks"][track]
        assert found["pearson"] == pytest.approx(stats.pearsonr(x, y)[0], rel=1e-4)
        assert found["spearman"] == pytest.approx(stats.spearmanr(x, y)[0], rel=1e-4)
        assert found["mse"] == pytest.approx(np.mean((x - y) ** 2), rel=1e-4)
        assert found["poisson_nll"] == pytest.approx(np.mean(y - x * np.log(y)), rel=1e-4)
        pairs = [(a, b) for a, b in zip(measured[:, c], predicted[:, c], strict=True) if np.ptp(a) > 0]
        each = [np.corrcoef(a, b)[0, 1] for a, b in pairs]
        assert found["pearson_per_window"] == pytest.approx(np.mean(each), rel=1e-3)
    assert run.metrics["strand"]["max_deviation"] < 1e-5


def test_tables_hold_means_and_bigwigs_bins(run: Run, tmp_path: Path, simulated: SimulatedGenome) -> None:
    measured, predicted = measured_and_predicted(run)
    table = run.predictions("test")
    np.testing.assert_allclose(table["pred/CTCF+"], predicted[:, 0].mean(-1), rtol=1e-4)
    np.testing.assert_allclose(table["label/CTCF-"], measured[:, 1].mean(-1), rtol=1e-4, atol=1e-6)
    # The mean on the other strand is that of the other track.
    np.testing.assert_allclose(table["revcomp/CTCF-"], table["pred/CTCF+"], rtol=1e-3)
    plus, minus = predict(run, tmp_path / "p.bw", chrom="chr4")
    assert (plus.name, minus.name) == ("p.CTCF+.bw", "p.CTCF-.bw")
    values = BigWig(plus).values("chr4", 0, BigWig(plus).sizes["chr4"])
    assert np.isfinite(values).all()
    stretches = values[: len(values) // 8 * 8].reshape(-1, 8)
    assert (stretches == stretches[:, :1]).all()
    bed = tmp_path / "one.bed"
    bed.write_text("chr4\t1016\t1144\n")
    (found,) = predict(run, tmp_path / "p.parquet", bed=bed)
    # Windows of both jobs lie side by side, 128 bp each, when the first begins at a multiple of it.
    bed.write_text("chr4\t1024\t1152\n")
    (found,) = predict(run, tmp_path / "p.parquet", bed=bed)
    assert pd.read_parquet(found)["pred/CTCF+"][0] == pytest.approx(values[1024:1152].mean(), rel=1e-4)


def test_strands_and_report_of_coverage(run: Run, tmp_path: Path) -> None:
    found = compare_strands(run)
    assert "Lawful by construction" in found["verdict"]
    page = write_report([run]).read_text()
    assert "coverage" in page


@pytest.mark.parametrize("strategy", ["standard", "conjoined", "hybrid"])
def test_other_strategies_train(make: Make, tmp_path: Path, strategy: str) -> None:
    found = train(make(strategy=strategy, training={"epochs": 1, "accelerator": "cpu"}), tmp_path / "run")
    deviation = evaluate(found)["strand"]["max_deviation"]
    assert (deviation < 1e-5) == STRATEGIES[strategy].lawful


def test_one_bin_is_the_mean_of_a_window(make: Make, tmp_path: Path) -> None:
    window = {"input_bp": 160, "bin_bp": 160}
    model = {"name": "shrikumar_chip", "filters": 4, "pool_width": 20, "pool_stride": 10}
    experiment = make(windows=window, model=model, training={"epochs": 2, "accelerator": "cpu", "loss": "mse"})
    windows = read_windows(experiment)
    (head,) = heads_of(experiment, windows.tracks)
    assert (str(head.type), head.target, head.loss) == ("stranded(1).pooled()", "mean", "mse")
    found = train(experiment, tmp_path / "run")
    metrics = evaluate(found)["heads"]["coverage"]["tracks"]["CTCF+"]
    table = found.predictions("test")
    test = windows.split("test")
    means = test.signals[TARGET].gather(np.arange(len(test))).values.mean(-1)[:, 0]
    np.testing.assert_allclose(table["label/CTCF+"], means, rtol=1e-6)
    assert metrics["pearson"] == pytest.approx(stats.pearsonr(table["label/CTCF+"], table["pred/CTCF+"])[0], rel=1e-4)
    assert metrics["mse"] == pytest.approx(np.mean((table["label/CTCF+"] - table["pred/CTCF+"]) ** 2), rel=1e-4)
    assert "valid_pearson" in found.history


@pytest.mark.parametrize(
    ("tables", "match"),
    [
        ({"windows": {"input_bp": 160, "bin_bp": 75}}, "set windows.output_bp = 150"),
        ({"windows": {"input_bp": 160, "bin_bp": 15}}, "set windows.output_bp = 150"),
        ({"model": {"name": "shrikumar_chip"}}, "says one number of a window"),
        ({"training": {"loss": "poison"}}, "poisson"),
        (
            {
                "model": {"name": "shrikumar_chip"},
                "windows": {"input_bp": 160, "bin_bp": 160},
                "training": {"loss": "cosine"},
            },
            "'cosine' compares shapes along a window",
        ),
        ({"training": {"monitor": "valid_auroc"}}, "'valid_auroc' is not measured"),
        ({"bias": {"run": "elsewhere"}}, "predicts none: remove it"),
        ({"controls": [{"name": "c", **STRANDED}]}, "takes no control tracks"),
    ],
)
def test_what_does_not_fit_is_refused_before_training(make: Make, tables: dict[str, Any], match: str) -> None:
    with pytest.raises((StrandwiseError, ConfigError), match=match):
        check(make(**tables))
