"""Profiles along the genome from a config: trained, judged, predicted, with signal, controls and a bias run beside."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from scipy.spatial.distance import jensenshannon

from strandwise.analysis import evaluation
from strandwise.commands.screen import print_metrics
from strandwise.data.batches import CONTROL, SIGNAL, TARGET, OrderedBatches
from strandwise.data.simulation import SimulatedGenome
from strandwise.errors import ConfigError, InputError, RunError, StrandwiseError
from strandwise.experiment import Experiment, Run, check, compare_strands, evaluate, predict, train, write_report
from strandwise.experiment.datasets import read_windows
from strandwise.experiment.network import heads_of, output_bp
from strandwise.genome import BigWig, Genome, write_bigwig
from strandwise.models import STRATEGIES, WithBias
from strandwise.scores.profiles import PROFILE_METRICS
from strandwise.sequence import decode

Make = Callable[..., Experiment]
STRANDED = {"plus": "signal/CTCF.alpha.plus.bw", "minus": "signal/CTCF.alpha.minus.bw"}
OTHER = {"plus": "signal/REST.alpha.plus.bw", "minus": "signal/REST.alpha.minus.bw"}
ATAC = {"name": "ATAC", "signal": "accessibility.alpha.bw"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("signals")


@pytest.fixture(scope="module")
def make(simulated: SimulatedGenome, cache: Path) -> Make:
    """A tiny BPNet of one factor; other tables of the config as they are given."""

    def experiment(*, strategy: str = "rcps", **others: Any) -> Experiment:
        table = {
            "genome": {"fasta": "genome.fa.gz"},
            "targets": [{"name": "CTCF", "peaks": "peaks/CTCF.alpha.bed", **STRANDED}],
            "windows": {"input_bp": 160, "jitter_bp": 10},
            "negatives": {"per_peak": 0.5},
            "split": {"valid": ["chr3"], "test": ["chr4"]},
            "signals": {"folder": str(cache)},
            "model": {"name": "bpnet", "filters": 4, "stem_width": 15, "dilated_layers": 2, "profile_width": 15},
            "strand": {"strategy": strategy},
            "training": {"epochs": 2, "accelerator": "cpu", "batch_size": 20, "learning_rate": 0.01},
        }
        return Experiment.from_table({**table, **others}, folder=simulated.folder)

    return experiment


@pytest.fixture(scope="module")
def run(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Run:
    found = train(make(training={"epochs": 6, "accelerator": "cpu", "batch_size": 20}), tmp_path_factory.mktemp("p"))
    evaluate(found)
    return found


def at(experiment: Experiment, row: int, path: Path) -> np.ndarray:
    """The counts of one window as pybigtools reads them."""
    windows = read_windows(experiment)
    place = windows.frame.iloc[row]
    spare = (160 - output_bp(experiment)) // 2
    start, end = int(place["start"]) + spare, int(place["end"]) - spare
    return BigWig(path).values(str(place["chrom"]), start, end, missing=0.0)


def test_targets_are_what_the_files_say(make: Make, simulated: SimulatedGenome) -> None:
    experiment = make()
    windows = read_windows(experiment)
    heads = heads_of(experiment, windows.tracks)
    assert [(head.name, str(head.type)) for head in heads] == [
        ("profile", "stranded(1)"),
        ("counts", "stranded(1).pooled()"),
    ]
    batch = OrderedBatches(windows, heads, len(windows))[0]
    for row in (0, 7, len(windows) - 1):
        for c, strand in enumerate(("plus", "minus")):
            expected = at(experiment, row, simulated.folder / f"signal/CTCF.alpha.{strand}.bw")
            np.testing.assert_allclose(batch.targets["profile"][row, c], expected)
            assert float(batch.targets["counts"][row, c]) == pytest.approx(expected.sum())
    assert (batch.weights["profile"] == 1).all()


def test_it_learns_and_is_judged_by_what_others_compute(run: Run) -> None:
    history = run.history
    assert list(history.columns) == ["epoch", "train_loss", "train_pearson", "valid_loss", "valid_pearson", "seconds"]
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
    windows = read_windows(run.experiment).split("test")
    heads = run.network.heads
    batch = OrderedBatches(windows, heads, len(windows))[0]
    codes = torch.nn.functional.one_hot(batch.inputs["sequence"].long(), 5)[..., :4].transpose(1, 2).float()
    with torch.no_grad():
        said = run.network(codes)
    shares = torch.softmax(said["profile"].double(), -1).numpy()
    counts = batch.targets["profile"].double().numpy()
    metrics = run.metrics["heads"]
    for c, track in enumerate(("CTCF+", "CTCF-")):
        known = counts[:, c].sum(-1) > 0
        distance = [float(jensenshannon(p, q, 2)) for p, q in zip(counts[known, c], shares[known, c], strict=True)]
        loss = [
            -stats.multinomial.logpmf(p, int(p.sum()), q)
            for p, q in zip(counts[known, c], shares[known, c], strict=True)
        ]
        assert metrics["profile"]["tracks"][track]["jsd"] == pytest.approx(sum(distance) / len(distance), rel=1e-5)
        assert metrics["profile"]["tracks"][track]["nll"] == pytest.approx(sum(loss) / len(loss), rel=1e-4)
        x, y = np.log1p(counts[:, c].sum(-1)), said["counts"][:, c].double().numpy()
        assert metrics["counts"]["tracks"][track]["pearson"] == pytest.approx(stats.pearsonr(x, y)[0], rel=1e-4)
        assert metrics["counts"]["tracks"][track]["spearman"] == pytest.approx(stats.spearmanr(x, y)[0])
    assert run.metrics["strand"]["max_deviation"] < 1e-5


def test_the_mean_of_all_profiles_is_a_baseline(run: Run) -> None:
    windows = read_windows(run.experiment).split("test")
    counts = OrderedBatches(windows, run.network.heads, len(windows))[0].targets["profile"].double().numpy()
    head = run.metrics["heads"]["profile"]
    found = head["baseline"]
    assert "baseline" not in run.metrics["heads"]["counts"]
    assert set(found["mean"]) == set(head["mean"])
    for c, track in enumerate(("CTCF+", "CTCF-")):
        profiles = counts[counts[:, c].sum(-1) > 0, c]
        shape = np.mean([row / row.sum() for row in profiles], axis=0)
        distance = [float(jensenshannon(row, shape, 2)) for row in profiles]
        loss = [-stats.multinomial.logpmf(row, int(row.sum()), shape) for row in profiles]
        assert found["tracks"][track]["jsd"] == pytest.approx(sum(distance) / len(distance), rel=1e-6)
        assert found["tracks"][track]["nll"] == pytest.approx(sum(loss) / len(loss), rel=1e-6)
        assert found["tracks"][track]["n"] == len(windows)
    assert found["mean"]["jsd"] == pytest.approx(np.mean([values["jsd"] for values in found["tracks"].values()]))


def test_the_baseline_is_printed_below_its_track(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    print_metrics(run.metrics)
    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if "CTCF" in line or "mean" in line]
    head = run.metrics["heads"]["profile"]
    for line, track in zip(lines[1:4:2], ("CTCF+", "CTCF-"), strict=True):
        assert f"{track}, baseline" in line
        assert f"{head['baseline']['tracks'][track]['jsd']:.3f}" in line
    assert "mean, baseline" in out
    assert "Baseline: what the mean of all measured profiles scores" in out


def test_the_profile_follows_the_site(make: Make, tmp_path: Path) -> None:
    """The footprint is learned: predictions are much closer to the counts than a flat profile is."""
    table = {"epochs": 25, "accelerator": "cpu", "batch_size": 20, "learning_rate": 0.02}
    trained = train(make(training=table, negatives={"per_peak": 0}), tmp_path / "run")
    distance = evaluate(trained)["heads"]["profile"]["mean"]["jsd"]
    counts = OrderedBatches(read_windows(trained.experiment).split("test"), trained.network.heads, 1000)[0].targets
    rows = counts["profile"].double().flatten(0, 1).numpy()
    flat = np.mean([jensenshannon(row, np.ones_like(row), 2) for row in rows if row.sum()])
    assert distance < flat - 0.1


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "posthoc"])
def test_every_strategy_trains_and_keeps_its_promise(make: Make, tmp_path: Path, strategy: str) -> None:
    found = train(make(strategy=strategy, training={"epochs": 1, "accelerator": "cpu"}), tmp_path / "run")
    deviation = evaluate(found, out=tmp_path / "judged")["strand"]["max_deviation"]
    lawful = STRATEGIES[strategy].lawful
    assert (deviation < 1e-5) == lawful


def test_signal_controls_and_several_assays_enter(make: Make, tmp_path: Path, simulated: SimulatedGenome) -> None:
    experiment = make(
        targets=[
            {"name": "CTCF", "peaks": "peaks/CTCF.alpha.bed", **STRANDED},
            {"name": "open", "peaks": "open.alpha.bed", "signal": "accessibility.alpha.bw"},
        ],
        inputs=[ATAC | {"transform": "log1p"}],
        controls=[
            {"name": "REST", **OTHER, "strands": "together", "smooth_bp": [1, 51]},
            {"name": "GATA4", "plus": "signal/GATA4.alpha.plus.bw", "minus": "signal/GATA4.alpha.minus.bw"},
        ],
        training={"epochs": 1, "accelerator": "cpu"},
    )
    found = check(experiment)
    assert {name: str(kind) for name, kind in found.types.items()} == {
        "sequence": "dna()",
        "signal": "unstranded(1)",
        "control": "unstranded(1) + unstranded(1) + stranded(1)",
        "profile": "stranded(1) + unstranded(1)",
        "counts": "(stranded(1) + unstranded(1)).pooled()",
    }
    assert found.deviation < 1e-5
    run = train(experiment, tmp_path / "run")
    assert evaluate(run)["strand"]["max_deviation"] < 1e-5
    assert compare_strands(run)["verdict"].startswith("Lawful by construction")
    windows = read_windows(experiment)
    assert set(windows.signals) == {SIGNAL, CONTROL, TARGET}
    row = np.array([5])
    control, middle = windows.signals[CONTROL].gather(row).values[0], output_bp(experiment)
    place = windows.frame.iloc[5]
    first = int(place["start"]) + (160 - middle) // 2
    chrom, files = str(place["chrom"]), [simulated.folder / path for path in OTHER.values()]
    reach = (chrom, first - 25, first + middle + 25)
    plus, minus = (BigWig(path).values(*reach, missing=0.0).astype(float) for path in files)
    both = plus + minus
    np.testing.assert_allclose(control[0], both[25:-25])
    np.testing.assert_allclose(control[1], [both[i : i + 51].mean() for i in range(middle)], rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="reads signal beside the DNA, which sequences without a place do not have"):
        predict(run, tmp_path / "p.parquet", fasta=simulated.fasta)
    with pytest.raises(InputError, match="reads signal beside the DNA"):
        run.predict("A" * 160)


def test_signal_beside_the_dna_of_labels(make: Make, tmp_path: Path, simulated: SimulatedGenome) -> None:
    experiment = make(
        targets=[{"name": "CTCF", "peaks": "peaks/CTCF.alpha.bed"}],
        inputs=[ATAC],
        model={"filters": 2, "kernel_sizes": [9, 5, 5], "pool_width": 20, "pool_stride": 10},
        windows={"input_bp": 160},
        training={"epochs": 1, "accelerator": "cpu"},
        negatives={"per_peak": 1},
    )
    run = train(experiment, tmp_path / "run")
    assert evaluate(run)["strand"]["max_deviation"] < 1e-5
    (path,) = predict(run, tmp_path / "p.parquet", bed=simulated.folder / "peaks/CTCF.alpha.bed")
    assert len(pd.read_parquet(path)) == len(
        pd.read_csv(simulated.folder / "peaks/CTCF.alpha.bed", sep="\t", header=None)
    )
    (bigwig,) = predict(run, tmp_path / "p.bw", chrom="chr4", step_bp=200)
    assert BigWig(bigwig).sizes == {"chr4": Genome(simulated.fasta).sizes["chr4"]}


def test_means_have_intervals_over_stretches_of_genome(run: Run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(evaluation, "BLOCK_BP", 2000)
    heads = evaluate(run, out=tmp_path)["heads"]
    assert {name: set(head["ci"]) for name, head in heads.items()} == {
        "profile": {*PROFILE_METRICS, "nll"},
        "counts": {"pearson", "spearman", "mse", "r_squared"},
    }
    for head in heads.values():
        for values, intervals in ((head["mean"], head["ci"]), (head["tracks"]["CTCF+"], head["track_ci"]["CTCF+"])):
            for name, (low, high) in intervals.items():
                assert low < values[name] < high


@pytest.mark.parametrize("kept", [True, False])
def test_streamed_signal_is_that_of_the_cache(make: Make, tmp_path: Path, kept: bool) -> None:
    # Many epochs, so that it pays to decode.
    training = {"epochs": 10_000, "accelerator": "cpu"}
    windows = read_windows(make(signals={"folder": str(tmp_path / "cache"), "cache": kept}, training=training))
    assert (tmp_path / "cache").exists() == kept
    expected = read_windows(make()).signals[TARGET].gather(np.arange(30)).values
    assert torch.equal(windows.signals[TARGET].gather(np.arange(30)).values, expected)


def test_a_bias_run_stands_frozen_beside(make: Make, tmp_path: Path) -> None:
    bias = train(make(training={"epochs": 1, "accelerator": "cpu"}), tmp_path / "bias")
    experiment = make(bias={"run": str(bias.path)}, training={"epochs": 2, "accelerator": "cpu"})
    run = train(experiment, tmp_path / "run")
    assert isinstance(run.network, WithBias)
    frozen = run.network.bias.state_dict()
    assert all(torch.equal(value, frozen[name]) for name, value in bias.network.state_dict().items())
    trained = sum(weight.numel() for weight in run.network.model.parameters())
    assert run.provenance["parameters"] == trained
    metrics = evaluate(run)
    # The folder is whole without the one it was made from.
    bias.path.rename(tmp_path / "moved")
    again = Run.open(run.path)
    for name, value in again.network.state_dict().items():
        assert torch.equal(value, run.network.state_dict()[name])
    assert metrics["strand"]["max_deviation"] < 1e-5
    assert evaluate(again)["heads"] == metrics["heads"]
    with pytest.raises(RunError, match="no such run folder"):
        train(experiment, tmp_path / "other")


def test_a_bias_run_must_fit(make: Make, tmp_path: Path) -> None:
    one = {"epochs": 1, "accelerator": "cpu"}
    other = make(targets=[{"name": "REST", "peaks": "peaks/REST.alpha.bed", **OTHER}], training=one)
    bias = train(other, tmp_path / "bias")
    with pytest.raises(
        ConfigError, match=r"bias predicts REST\+, REST-, and \[\[targets\]\] are CTCF\+, CTCF-: give both"
    ):
        check(make(bias={"run": str(bias.path)}))
    model = {"name": "bpnet", "filters": 2, "stem_width": 15, "dilated_layers": 1, "profile_width": 15}
    shallow = train(make(model=model, training=one), tmp_path / "shallow")
    with pytest.raises(ConfigError, match=r"shallow predicts \d+ bp of a window and model 'bpnet' \d+: make both"):
        check(make(bias={"run": str(shallow.path)}))
    itself = make(bias={"run": str(shallow.path)}, model=model)
    with pytest.raises(RunError, match=r"is the run of \[bias\], or lies in it, and would be overwritten"):
        train(itself, shallow.path, overwrite=True)
    assert Run.open(shallow.path).finished
    with pytest.raises(RunError, match="no such run folder"):
        check(make(bias={"run": str(tmp_path / "nowhere")}))


def test_expected_counts_go_into_bigwigs(run: Run, simulated: SimulatedGenome, tmp_path: Path) -> None:
    genome = Genome(simulated.fasta)
    plus, minus = predict(run, tmp_path / "p.bw", chrom="chr4")
    assert [path.name for path in (plus, minus)] == ["p.CTCF+.bw", "p.CTCF-.bw"]
    size, middle = genome.sizes["chr4"], output_bp(run.experiment)
    spare = (160 - middle) // 2
    for tile in (1, 20, size // middle):
        start = tile * middle - spare
        letters = decode(genome.fetch("chr4", start, start + 160, pad=True))
        (signal,) = run.predictor().signal(
            [{"sequence": torch.from_numpy(np.array([["ACGTN".index(letter) for letter in letters]], dtype=np.uint8))}]
        )
        end = min((tile + 1) * middle, size)
        for path, expected in zip((plus, minus), signal[0], strict=True):
            found = BigWig(path).values("chr4", tile * middle, end)
            np.testing.assert_allclose(found, expected[: end - tile * middle], rtol=1e-4, atol=1e-6)
    (table,) = predict(run, tmp_path / "p.parquet", chrom="chr4")
    totals = pd.read_parquet(table)
    assert list(totals.columns) == ["chrom", "start", "end", "name", "pred/CTCF+", "pred/CTCF-"]
    assert totals["end"].iloc[-1] == size
    with pytest.raises(InputError, match="leave --step"):
        predict(run, tmp_path / "q.bw", chrom="chr4", step_bp=10)


def test_bigwigs_at_intervals(run: Run, tmp_path: Path) -> None:
    (tmp_path / "at.bed").write_text("chr4\t1000\t1001\nchr4\t20\t21\n")
    paths = predict(run, tmp_path / "p.bw", bed=tmp_path / "at.bed")
    middle = output_bp(run.experiment)
    first = 1000 - 80 + (160 - middle) // 2
    found = BigWig(paths[0]).values("chr4", 0, 3000, missing=-1)
    assert (found[first : first + middle] >= 0).all()
    assert (found[first + middle :] == -1).all()
    (tmp_path / "over.bed").write_text("chr4\t1000\t1001\nchr4\t1010\t1011\n")
    with pytest.raises(InputError, match="windows overlap at chr4"):
        predict(run, tmp_path / "q.bw", bed=tmp_path / "over.bed")


def test_a_page_is_written(run: Run) -> None:
    text = write_report([run]).read_text()
    for word in ("CTCF+", "Jensen", "Pearson", "CTCF+, baseline", "Mean baseline", "the mean of all measured profiles"):
        assert word in text
    record = json.loads((run.path / "metrics.json").read_text())
    assert math.isfinite(record["heads"]["profile"]["mean"]["jsd"])


def test_a_stopped_run_goes_on_to_the_same_weights(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(make(training={"epochs": 3, "accelerator": "cpu"}), tmp_path / "whole")
    from strandwise.training.callbacks import History

    original, seen = History.on_train_epoch_start, []

    def stop(self: History, trainer: Any, module: Any) -> None:
        seen.append(trainer.current_epoch)
        if len(seen) == 3:
            raise RunError("stopped")
        original(self, trainer, module)

    monkeypatch.setattr(History, "on_train_epoch_start", stop)
    experiment = make(training={"epochs": 3, "accelerator": "cpu"})
    with pytest.raises(RunError, match="stopped"):
        train(experiment, tmp_path / "part")
    monkeypatch.undo()
    part = train(experiment, tmp_path / "part", resume=True)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, part.network.state_dict()[name])
    assert whole.provenance["loss_weights"] == part.provenance["loss_weights"]


@pytest.mark.parametrize(("weight", "expected"), [("auto", None), (0.0, 0.0), (2.5, 2.5)])
def test_what_counts_count_for(make: Make, tmp_path: Path, weight: Any, expected: float | None) -> None:
    experiment = make(training={"epochs": 1, "accelerator": "cpu", "counts_weight": weight})
    found = train(experiment, tmp_path / "run").provenance["loss_weights"]
    if expected is None:
        windows = read_windows(experiment).split("train")
        totals = windows.signals[TARGET].gather(np.arange(len(windows))).values.sum(-1)
        expected = max(float(np.median(totals.numpy())) / 10, 1.0)
    assert found == {"profile": 1.0, "counts": pytest.approx(expected)}


@pytest.mark.parametrize(
    ("tables", "match"),
    [
        ({"windows": {"input_bp": 160, "output_bp": 150}}, r"output_bp = 150, .* predicts the middle \d+ of 160 bp"),
        ({"windows": {"input_bp": 160, "bin_bp": 4}}, "predicts base by base: set bin_bp = 1"),
        (
            {"training": {"monitor": "valid_auroc"}},
            "'valid_auroc' is not measured of a model that predicts profile and",
        ),
        ({"training": {"also_monitor": ["valid_aupr"]}}, "also_monitor = 'valid_aupr' is not measured"),
        ({"model": {"name": "bpnet", "filters": 2}}, "widen the input or narrow the kernel"),
        ({"model": {"name": "shrikumar_chip"}}, "says one number of a window, .*: set model.name to one of .*'bpnet'"),
        (
            {"targets": [{"name": "CTCF", "peaks": "peaks/CTCF.alpha.bed", **STRANDED, "transform": "log1p"}]},
            "profiles are counts, so they take no transform",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_training(make: Make, tables: dict[str, Any], match: str) -> None:
    with pytest.raises(StrandwiseError, match=match):
        check(make(**tables))


@pytest.mark.parametrize(
    ("tables", "match"),
    [
        ({"targets": [{"name": "a", "peaks": "peaks/CTCF.alpha.bed", "plus": "x.bw"}]}, "'a' has plus and no minus"),
        (
            {"targets": [{"name": "a", "peaks": "p.bed", "signal": "x.bw", "plus": "y.bw"}]},
            "or plus and minus, not both",
        ),
        (
            {"targets": [{"name": "a", "peaks": "p", "signal": "x"}, {"name": "b", "peaks": "p"}]},
            "target 'b' has peaks and no signal",
        ),
        ({"targets": [{"name": "a", "peaks": "p", "signal": "x"}] * 2}, "two targets are named 'a'"),
        ({"controls": [{"name": "c", **OTHER, "smooth_bp": [50]}]}, "smooth_bp 50 has no middle base.*use 51"),
        ({"controls": [{"name": "c", "signal": "x.bw", "strands": "together"}]}, "has no strands to add up"),
        ({"controls": [{"name": "c", **OTHER, "transform": "z"}]}, "transform 'z' makes no counts"),
        ({"controls": [{"name": "c", "plus": "x.bw", "minus": "x.bw"}]}, "plus and minus name one file, x.bw"),
        ({"controls": [{"name": "c"}]}, r"\[\[controls\]\] 'c' names no file"),
        ({"inputs": [{"name": "c", "signal": "x", "clip_quantile": 0.9}]}, "clip_quantile is for transform 'clip'"),
        ({"inputs": [{"name": "c", "signal": "x", "negate_minus": True}]}, "negate_minus is for a signal with plus"),
        (
            {"targets": [{"name": "a", "peaks": "p"}], "controls": [{"name": "c", **OTHER}]},
            r"\[\[controls\]\] is for targets with signal",
        ),
        ({"targets": [{"name": "a", "peaks": "p"}], "windows": {"bin_bp": 5}}, "are for targets with signal"),
        ({"windows": {"input_bp": 160, "output_bp": 75, "bin_bp": 10}}, "not whole bins of bin_bp 10: use 70"),
    ],
)
def test_a_config_that_says_too_much_or_too_little_is_refused(make: Make, tables: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        make(**tables)


def test_what_is_not_counts_is_refused(make: Make, tmp_path: Path, simulated: SimulatedGenome) -> None:
    sizes = Genome(simulated.fasta).sizes
    for name, value in (("negative", -1.0), ("nothing", 0.0)):
        write_bigwig(tmp_path / f"{name}.bw", sizes, [("chr1", 0, 50, value)])
    target = {"name": "CTCF", "peaks": "peaks/CTCF.alpha.bed"}
    with pytest.raises(InputError, match=r"negative.bw\) has values down to -1, and what is predicted is 0 or more"):
        check(make(targets=[target | {"signal": str(tmp_path / "negative.bw")}]))
    with pytest.raises(InputError, match=r"nothing.bw\) is 0 everywhere: give a file with signal"):
        check(make(targets=[target | {"signal": str(tmp_path / "nothing.bw")}]))


def test_a_strand_written_as_negative_numbers_is_turned(make: Make, tmp_path: Path, simulated: SimulatedGenome) -> None:
    minus = BigWig(simulated.folder / STRANDED["minus"])
    rows = []
    for chrom, size in minus.sizes.items():
        values = minus.values(chrom, 0, size, missing=0.0)
        rows += [(chrom, int(i), int(i) + 1, -float(values[i])) for i in np.flatnonzero(values)]
    write_bigwig(tmp_path / "minus.bw", minus.sizes, rows)
    target = {
        "name": "CTCF",
        "peaks": "peaks/CTCF.alpha.bed",
        "plus": STRANDED["plus"],
        "minus": str(tmp_path / "minus.bw"),
    }
    with pytest.raises(InputError, match="negate"):
        check(make(targets=[target]))
    turned = read_windows(make(targets=[target | {"negate_minus": True}])).signals[TARGET].gather(np.arange(20))
    assert torch.equal(turned.values, read_windows(make()).signals[TARGET].gather(np.arange(20)).values)


def test_signal_that_a_split_lacks_is_refused_before_training(
    make: Make, tmp_path: Path, simulated: SimulatedGenome
) -> None:
    whole, sizes = BigWig(simulated.folder / "accessibility.alpha.bw"), Genome(simulated.fasta).sizes
    kept = {name: size for name, size in sizes.items() if name != "chr3"}
    rows = [(name, i, i + 100, 1.0 + i % 3) for name, size in sorted(kept.items()) for i in range(0, size - 100, 100)]
    write_bigwig(tmp_path / "part.bw", kept, rows)
    assert set(whole.sizes) > set(kept)
    part = {"name": "CTCF", "peaks": "peaks/CTCF.alpha.bed", "signal": str(tmp_path / "part.bw")}
    with pytest.raises(
        InputError, match="track 'CTCF' has no signal, or the same everywhere, in the windows of the valid"
    ):
        train(make(targets=[part]), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(
        InputError, match=r"track 'ATAC' \(.*part.bw\) has nothing on chr3, where a model would read it in"
    ):
        check(make(inputs=[{"name": "ATAC", "signal": str(tmp_path / "part.bw")}]))


def test_targets_that_are_not_whole_numbers_are_noted(make: Make, simulated: SimulatedGenome) -> None:
    target = {"name": "ATAC", "peaks": "open.alpha.bed", "signal": "accessibility.alpha.bw"}
    many = {"epochs": 10_000, "accelerator": "cpu"}
    assert any("is not in whole numbers" in note for note in read_windows(make(targets=[target], training=many)).notes)
    assert not any("whole numbers" in note for note in read_windows(make(training=many)).notes)
