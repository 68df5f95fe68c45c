from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from strandwise.analysis.robustness import Perturbations, inside, measure_robustness, variation
from strandwise.data.reading import SequenceReader
from strandwise.data.windows import LabelledWindows
from strandwise.errors import InputError
from strandwise.layers import binary_head, coverage_head, profile_heads
from strandwise.models import Architecture, Bins, ModelSettings, StrandSettings, assemble
from strandwise.prediction import Predictor
from strandwise.sequence import one_hot
from strandwise.strand import stranded, unstranded
from strandwise.testing import randomise

pytestmark = pytest.mark.usefixtures("one_thread")

BASES, INPUT, REACH = 120, 80, 7


def windows(n: int = 5, unknown: bool = False) -> LabelledWindows:
    codes = np.random.default_rng(0).integers(0, 4, (n, BASES)).astype(np.uint8)
    frame = pd.DataFrame({"chrom": "chr1", "start": 20, "end": 20 + INPUT, "name": ".", "origin": "x"}, index=range(n))
    if unknown:
        codes[:] = 4
    nothing = np.zeros((n, 0), np.float32)
    return LabelledWindows(frame, nothing, nothing, (), SequenceReader(codes, INPUT), INPUT)


def architecture(name: str, **sizes: Any) -> Architecture:
    return ModelSettings.model_validate({"name": name, **sizes}).architecture()


def predictor(kind: str, strategy: str = "standard") -> Predictor:
    settings = StrandSettings(strategy=strategy)
    if kind == "profile":
        model = architecture("bpnet", filters=3, stem_width=5, dilated_layers=2, profile_width=5)
        network = assemble(model, profile_heads(("+", "-"), stranded(1)), INPUT, settings)
    elif kind == "bins":
        model = architecture("gopher_bpnet", filters=3, dilated_layers=2)
        heads = [coverage_head(("a", "b"), unstranded(2))]
        network = assemble(model, heads, INPUT, settings, bins=Bins(INPUT // 4, 4))
    else:
        model = architecture("shrikumar_simulated", filters=3, kernel_size=9, pool_width=8)
        network = assemble(model, [binary_head(("a", "b"))], INPUT, settings)
    randomise(network)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "counts" in name and "bias" in name:
                # Totals well above 0, below which there is nothing to vary.
                weight += 4
    return Predictor(network.eval(), strategy == "conjoined", dtype=torch.float64)


def said(asked: Predictor, codes: np.ndarray) -> np.ndarray:
    """What the network says of one sequence, ``(tracks, positions)``, by its heads alone."""
    with torch.no_grad():
        out = {k: v[0] for k, v in asked.network.double()(torch.from_numpy(one_hot(codes, np.float64))[None]).items()}
    if "profile" in out:
        return (torch.softmax(out["profile"], -1) * torch.expm1(out["counts"]).clamp(min=0)[:, None]).numpy()
    if "coverage" in out:
        return torch.nn.functional.softplus(out["coverage"]).repeat_interleave(4, -1).numpy()
    return torch.sigmoid(out["bound"])[:, None].numpy()


@pytest.mark.parametrize("kind", ["profile", "bins", "window"])
def test_shifts_are_scored_as_gopher_scores_them(kind: str) -> None:
    asked, given, done = predictor(kind), windows(), Perturbations(repeats=4, reach_bp=REACH, seed=3)
    found = measure_robustness(asked, given, done, bin_bp=4 if kind == "bins" else 1)
    drawn = np.random.default_rng([3, *b"shift", 0]).integers(-REACH, REACH, (4, 5))
    assert drawn.min() >= -REACH
    assert drawn.max() < REACH
    codes = given.reader.codes  # pyright: ignore[reportAttributeAccessIssue]
    for row in range(5):
        copies = []
        for shift in drawn[:, row]:
            start = 20 + shift
            values = said(asked, codes[row, start : start + INPUT])
            if values.shape[-1] > 1:
                values = values[:, REACH - shift : REACH - shift + values.shape[-1] - 2 * REACH]
            copies.append(values)
        whole = np.stack(copies)
        score = whole.std(0).mean(-1) / whole.mean((0, 2))
        assert found.scores["shift"][row] == pytest.approx(score, rel=1e-9)
    assert found.mean("shift") == pytest.approx(found.scores["shift"].mean())
    assert list(found.of_tracks("shift").values()) == pytest.approx(found.scores["shift"].mean(0))


def test_variation_is_scipys_coefficient_for_single_positions() -> None:
    copies = np.random.default_rng(0).gamma(2, size=(7, 4, 3, 1)) + 1e6
    expected = stats.variation(copies, axis=0)[..., 0]
    assert variation(iter(copies)) == pytest.approx(expected, rel=1e-6)


def test_what_predicts_nothing_has_no_score() -> None:
    assert np.isnan(variation(iter(np.zeros((3, 2, 1, 5))))).all()


@pytest.mark.parametrize("kind", ["profile", "bins", "window"])
@pytest.mark.parametrize(("strategy", "robust"), [("standard", False), ("rcps", True), ("conjoined", True)])
def test_lawful_models_do_not_vary_with_the_strand(kind: str, strategy: str, robust: bool) -> None:
    found = measure_robustness(predictor(kind, strategy), windows(), Perturbations(repeats=2, reach_bp=3), bin_bp=4)
    assert (found.mean("reverse_complement") < 1e-12) == robust


def test_more_changes_make_more_variation() -> None:
    few, many = (
        measure_robustness(predictor("profile"), windows(40), Perturbations(repeats=3, reach_bp=3, share=share))
        for share in (0.01, 0.3)
    )
    for test in ("unknown", "mutated"):
        assert 0 < few.mean(test) < many.mean(test)


def test_unknown_bases_are_not_mutated() -> None:
    found = measure_robustness(
        predictor("window"), windows(unknown=True), Perturbations(repeats=3, reach_bp=3, share=1.0)
    )
    assert found.mean("mutated") == 0


def test_batches_do_not_matter_to_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    done = Perturbations(repeats=2, reach_bp=3)
    whole = measure_robustness(predictor("profile"), windows(), done)
    monkeypatch.setattr("strandwise.analysis.robustness._BATCH_VALUES", 1)
    single = measure_robustness(predictor("profile"), windows(), done)
    assert single.scores["reverse_complement"] == pytest.approx(whole.scores["reverse_complement"])


def test_intervals_hold_the_mean_and_need_two_stretches() -> None:
    found = measure_robustness(predictor("window"), windows(), Perturbations(repeats=2, reach_bp=3))
    interval = found.interval("shift", np.arange(5))
    assert interval is not None
    assert interval.low < found.mean("shift") < interval.high
    assert found.interval("shift", np.zeros(5, dtype=np.intp)) is None


def test_windows_need_room_to_shift() -> None:
    frame = pd.DataFrame({"chrom": ["chr1"] * 3, "start": [4, 5, 20], "end": [84, 85, 101]})
    assert inside(frame, {"chr1": 105}, 5).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"repeats": 1}, "repeats 1"),
        ({"reach_bp": 0}, "reach_bp 0"),
        ({"share": 0.0}, "share 0.0"),
        ({"share": 1.5}, "share 1.5"),
    ],
)
def test_perturbations_that_do_nothing_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Perturbations(**settings)  # pyright: ignore[reportArgumentType]


def test_shifts_beyond_what_is_predicted_are_refused() -> None:
    with pytest.raises(InputError, match="use a reach below"):
        measure_robustness(predictor("profile"), windows(), Perturbations(reach_bp=40))


def test_no_windows_are_refused() -> None:
    with pytest.raises(InputError, match="no window to test"):
        measure_robustness(predictor("window"), windows().take(np.arange(0)))
