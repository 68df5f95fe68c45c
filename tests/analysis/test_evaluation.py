import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import average_precision_score, brier_score_loss, precision_recall_curve, roc_auc_score
from torchmetrics.functional.classification import binary_calibration_error

from strandwise.analysis.evaluation import Evaluation, evaluate_windows
from strandwise.data.windows import LabelledWindows
from strandwise.errors import InputError
from strandwise.layers import Head, binary_head
from strandwise.models import STRATEGIES, ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.prediction import Predictor
from strandwise.sequence import one_hot
from strandwise.strand import dna, revcomp, stranded
from strandwise.testing import randomise

pytestmark = pytest.mark.usefixtures("one_thread")


def build(strategy: str, head: Head) -> SequenceModel:
    sizes = {"filters": 5, "kernel_size": 9, "pool_width": 8}
    settings = ModelSettings.model_validate({"name": "shrikumar_simulated"} | sizes)
    network = assemble(settings.architecture(), [head], 40, StrandSettings(strategy=strategy))
    randomise(network)
    return network.eval()


def predictor(strategy: str = "standard", tracks: int = 2, dtype: torch.dtype = torch.float64) -> Predictor:
    head = binary_head(tuple(f"t{c}" for c in range(tracks)))
    return Predictor(build(strategy, head), STRATEGIES[strategy].conjoin_in_prediction, dtype=dtype)


def by_hand(network: torch.nn.Module, codes: np.ndarray, reverse: bool) -> np.ndarray:
    """Logits one window at a time, in double precision."""
    rows = []
    network = network.double()
    for window in codes:
        x = torch.from_numpy(one_hot(window, np.float64))[None]
        with torch.no_grad():
            rows.append(network(revcomp(x, dna()) if reverse else x)["bound"][0].numpy())
    return np.stack(rows)


def placed(windows: LabelledWindows, apart: int = 30_000) -> LabelledWindows:
    """The windows along two chromosomes, several to a block of 100 kb."""
    n = len(windows)
    start = 1 + apart * (np.arange(n) // 2)
    frame = windows.frame.assign(chrom=np.array(["chr1", "chr2"], dtype=object)[np.arange(n) % 2], start=start)
    return replace(windows, frame=frame.assign(end=start + 40))


@pytest.fixture(scope="module")
def windows(planted: Callable[..., LabelledWindows]) -> LabelledWindows:
    return placed(planted(n=120, tracks=2, known=0.8))


@pytest.fixture(scope="module")
def evaluation(windows: LabelledWindows) -> Evaluation:
    return evaluate_windows(predictor(), windows, split="test", resamples=200)


def test_metrics_are_those_of_sklearn(windows: LabelledWindows, evaluation: Evaluation) -> None:
    said = by_hand(predictor().network, windows.reader.gather(np.arange(120)), reverse=False)
    bound = evaluation.metrics["heads"]["bound"]
    collected: dict[str, list[float]] = {}
    for c, track in enumerate(("t0", "t1")):
        known = windows.weights[:, c] > 0
        truth, scores = windows.labels[known, c], said[known, c]
        found = bound["tracks"][track]
        assert 0 < known.sum() < 120
        assert found["n"] == known.sum()
        assert found["positives"] == truth.sum()
        assert found["auroc"] == pytest.approx(roc_auc_score(truth, scores), abs=1e-6)
        assert found["aupr"] == pytest.approx(average_precision_score(truth, scores), abs=1e-6)
        precision, recall, _ = precision_recall_curve(truth, scores)
        for fdr in (50, 25, 10, 5):
            expected = recall[precision >= 1 - fdr / 100 - 1e-12].max()
            assert found[f"recall_at_{fdr}_fdr"] == pytest.approx(expected, abs=1e-9)
        for name, value in found.items():
            collected.setdefault(name, []).append(value)
    for name, value in bound["mean"].items():
        assert value == pytest.approx(np.mean(collected[name]))
    assert set(bound["mean"]) == set(collected) - {"n", "positives"}


def test_probabilities_are_held_against_shares_of_positives(windows: LabelledWindows, evaluation: Evaluation) -> None:
    said = 1 / (1 + np.exp(-by_hand(predictor().network, windows.reader.gather(np.arange(120)), reverse=False)))
    for c, track in enumerate(("t0", "t1")):
        known = windows.weights[:, c] > 0
        truth, found = windows.labels[known, c], evaluation.metrics["heads"]["bound"]["tracks"][track]
        assert found["brier"] == pytest.approx(brier_score_loss(truth, said[known, c]))
        expected = binary_calibration_error(
            torch.from_numpy(said[known, c]), torch.from_numpy(truth).long(), n_bins=10, norm="l1"
        )
        assert found["calibration_error"] == pytest.approx(float(expected), abs=1e-5)


def test_what_stands_in_the_record(windows: LabelledWindows, evaluation: Evaluation) -> None:
    metrics = json.loads(json.dumps(evaluation.metrics, allow_nan=False))
    assert metrics == evaluation.metrics
    assert (metrics["schema_version"], metrics["split"], metrics["n"]) == (1, "test", 120)
    # Sixty places 30 kb apart on each of two chromosomes, in stretches of 100 kb.
    blocks = {(c, s // 100_000) for c, s in windows.frame[["chrom", "start"]].itertuples(index=False)}
    assert metrics["bootstrap"] == {
        "resamples": 200,
        "seed": 0,
        "level": 0.95,
        "blocks": len(blocks),
        "block_bp": 100_000,
    }


def test_the_deviation_is_that_of_a_loop(windows: LabelledWindows, evaluation: Evaluation) -> None:
    codes = windows.reader.gather(np.arange(120))
    forward, reverse = (by_hand(predictor().network, codes, turned) for turned in (False, True))
    apart = np.abs(forward - reverse)
    found = evaluation.metrics["strand"]
    assert found["max_deviation"] == pytest.approx(apart.max() / (1 + np.abs(forward).max()), rel=1e-9)
    assert found["mean_deviation"] == pytest.approx(apart.mean() / (1 + np.abs(forward).max()), rel=1e-9)
    assert found["max_deviation"] > 1e-3
    assert found["precision"] == "float64"


@pytest.mark.parametrize("strategy", [name for name, rules in STRATEGIES.items() if rules.lawful and not rules.grouped])
def test_lawful_models_do_not_deviate(windows: LabelledWindows, strategy: str) -> None:
    for dtype, limit in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        found = evaluate_windows(predictor(strategy, dtype=dtype), windows, split="test", resamples=10)
        strand = found.metrics["strand"]
        assert 0 <= strand["mean_deviation"] <= strand["max_deviation"] < limit
        table = found.predictions
        np.testing.assert_allclose(table["pred/t0"], table["revcomp/t0"], rtol=0, atol=limit)


def test_stranded_heads_swap_before_they_are_compared(windows: LabelledWindows) -> None:
    head = Head("bound", stranded(1).pooled(), ("plus", "minus"), "logistic")
    lawful = Predictor(build("rcps", head), False, dtype=torch.float64)
    named = replace(windows, tracks=("plus", "minus"))
    found = evaluate_windows(lawful, named, split="test", resamples=10)
    assert found.metrics["strand"]["max_deviation"] < 1e-12
    assert found.metrics["strand"]["mean_deviation"] < 1e-12
    np.testing.assert_allclose(found.predictions["pred/plus"], found.predictions["revcomp/minus"], rtol=0, atol=1e-12)
    assert np.abs(found.predictions["pred/plus"] - found.predictions["revcomp/plus"]).max() > 1e-3


def test_the_table_of_predictions(windows: LabelledWindows, evaluation: Evaluation) -> None:
    table = evaluation.predictions
    places = ["chrom", "start", "end", "name", "origin"]
    tracks = [f"{kind}/{track}" for kind in ("label", "pred", "revcomp") for track in ("t0", "t1")]
    assert list(table.columns) == places + tracks
    pd.testing.assert_frame_equal(table[places], windows.frame[places])
    for c, track in enumerate(("t0", "t1")):
        known = windows.weights[:, c] > 0
        assert table[f"label/{track}"].isna().tolist() == (~known).tolist()
        assert table[f"label/{track}"][known].tolist() == windows.labels[known, c].tolist()
    codes = windows.reader.gather(np.arange(120))
    for kind, turned in (("pred", False), ("revcomp", True)):
        expected = 1 / (1 + np.exp(-by_hand(predictor().network, codes, turned)))
        np.testing.assert_allclose(table[[f"{kind}/t0", f"{kind}/t1"]], expected, rtol=0, atol=1e-12)


def test_intervals_hold_the_estimate(evaluation: Evaluation) -> None:
    bound = evaluation.metrics["heads"]["bound"]
    assert list(bound["track_ci"]) == ["t0", "t1"]
    found = [(bound["mean"], bound["ci"]), *((bound["tracks"][t], ends) for t, ends in bound["track_ci"].items())]
    for values, intervals in found:
        assert set(intervals) == {"auroc", "aupr", "brier"}
        for name, (low, high) in intervals.items():
            assert 0 <= low < values[name] < high <= 1


def test_intervals_are_those_of_a_plain_bootstrap(windows: LabelledWindows, evaluation: Evaluation) -> None:
    """AUROC and Brier scores of tracks and their mean, resampled block by block with sklearn."""
    table = evaluation.predictions
    blocks: dict[tuple[str, int], list[int]] = {}
    for row, (chrom, start) in enumerate(windows.frame[["chrom", "start"]].itertuples(index=False)):
        blocks.setdefault((chrom, start // 100_000), []).append(row)
    # The package numbers blocks as they come, and draws them by number.
    rows_of, rng = list(blocks.values()), np.random.default_rng(0)
    values = []
    for _ in range(200):
        rows = np.concatenate([rows_of[i] for i in rng.integers(len(rows_of), size=len(rows_of))])
        scores = []
        for c, track in enumerate(("t0", "t1")):
            known = rows[windows.weights[rows, c] > 0]
            pair = windows.labels[known, c], table[f"pred/{track}"].to_numpy()[known]
            scores.append((roc_auc_score(*pair), brier_score_loss(*pair)))
        values.append(np.stack([*scores, np.mean(scores, axis=0)]))
    expected = np.quantile(values, [0.025, 0.975], axis=0)
    bound = evaluation.metrics["heads"]["bound"]
    for c, intervals in enumerate((*bound["track_ci"].values(), bound["ci"])):
        for m, metric in enumerate(("auroc", "brier")):
            np.testing.assert_allclose(intervals[metric], expected[:, c, m], rtol=0, atol=1e-7)


def test_the_seed_decides_the_intervals(windows: LabelledWindows, evaluation: Evaluation) -> None:
    again, other = (evaluate_windows(predictor(), windows, split="test", resamples=200, seed=seed) for seed in (0, 1))
    assert again.metrics == evaluation.metrics
    assert other.metrics["heads"]["bound"]["ci"] != evaluation.metrics["heads"]["bound"]["ci"]
    assert other.metrics["heads"]["bound"]["mean"] == evaluation.metrics["heads"]["bound"]["mean"]


def test_windows_of_one_block_have_no_interval(windows: LabelledWindows) -> None:
    near = windows.take(np.flatnonzero((windows.frame["chrom"] == "chr1").to_numpy()))
    found = evaluate_windows(predictor(), replace(near, frame=near.frame.assign(start=5)), split="test")
    assert found.metrics["heads"]["bound"]["ci"] == {}
    assert found.metrics["heads"]["bound"]["track_ci"] == {"t0": {}, "t1": {}}
    assert found.metrics["bootstrap"]["blocks"] == 1
    assert found.metrics["heads"]["bound"]["mean"]["auroc"] > 0


def test_sequences_without_a_place_are_blocks_of_one(planted: Callable[..., LabelledWindows]) -> None:
    found = evaluate_windows(predictor(), planted(n=60, tracks=2), split="test", resamples=50)
    assert found.metrics["bootstrap"]["blocks"] == 60
    assert found.metrics["bootstrap"]["block_bp"] is None
    assert set(found.metrics["heads"]["bound"]["ci"]) == {"auroc", "aupr", "brier"}


@pytest.mark.parametrize("how", ["one class", "nothing known"])
def test_a_track_that_cannot_be_judged(windows: LabelledWindows, how: str) -> None:
    labels, weights = windows.labels.copy(), windows.weights.copy()
    labels[:, 1] = 0
    weights[:, 1] = 1 if how == "one class" else 0
    lame = replace(windows, labels=labels, weights=weights)
    found = evaluate_windows(predictor(), lame, split="test", resamples=50)
    bound = json.loads(json.dumps(found.metrics, allow_nan=False))["heads"]["bound"]
    assert bound["tracks"]["t1"]["auroc"] is None
    assert bound["tracks"]["t1"]["aupr"] is None
    assert bound["tracks"]["t1"]["positives"] == 0
    assert bound["tracks"]["t1"]["n"] == (120 if how == "one class" else 0)
    # A probability can be right or wrong of one class, too.
    assert (bound["tracks"]["t1"]["brier"] is None) == (how == "nothing known")
    assert (bound["tracks"]["t1"]["calibration_error"] is None) == (how == "nothing known")
    assert bound["mean"]["auroc"] == bound["tracks"]["t0"]["auroc"]
    low, high = bound["ci"]["auroc"]
    assert low < bound["mean"]["auroc"] < high
    assert bound["track_ci"]["t0"]["auroc"] == bound["ci"]["auroc"]
    assert set(bound["track_ci"]["t1"]) == ({"brier"} if how == "one class" else set())


def test_nothing_can_be_judged(windows: LabelledWindows) -> None:
    hopeless = replace(windows, labels=np.zeros_like(windows.labels))
    found = evaluate_windows(predictor(), hopeless, split="test", resamples=50)
    bound = json.loads(json.dumps(found.metrics, allow_nan=False))["heads"]["bound"]
    assert bound["mean"]["auroc"] is None
    assert set(bound["ci"]) == {"brier"}


def test_no_windows(windows: LabelledWindows) -> None:
    with pytest.raises(InputError, match=r"the valid split has no windows to judge: name .* in split.valid"):
        evaluate_windows(predictor(), windows.take(np.array([], dtype=int)), split="valid")
