from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor, nn

from strandwise.analysis.strands import POSITIONS, TRACED_WINDOWS, StrandAgreement, measure_strands, verdict
from strandwise.analysis.symmetry import LayerSymmetry
from strandwise.errors import InputError
from strandwise.layers import Conjoined, Head, binary_head
from strandwise.strand import StrandType, dna, odd, plain, regular, revcomp, stranded, unstranded
from strandwise.testing import random_input

BOUND = replace(binary_head(("a", "b", "flat")), name="bound")
PROFILE = Head("profile", stranded(1), ("plus", "minus"), "softmax")
ASYMMETRY = Head("asymmetry", odd(1).pooled(), ("difference",))


class Model(nn.Module):
    """Two inputs and three heads that follow no law."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.input_types = {"sequence": dna(), "signal": unstranded(1)}
        self.output_types = {head.name: head.type for head in (BOUND, PROFILE, ASYMMETRY)}
        self.conv = nn.Conv1d(5, 5, 3, padding="same")
        self.scale = scale
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator))

    def forward(self, sequence: Tensor, signal: Tensor) -> dict[str, Tensor]:
        x = self.conv(torch.cat([sequence, signal], 1)) * self.scale
        ramp = torch.linspace(0, 1, x.shape[-1], dtype=x.dtype, device=x.device)
        bound = (x[:, :3] * ramp).mean(2) * torch.tensor([1.0, 1.0, 0.0]).to(x)
        return {"profile": x[:, 3:], "asymmetry": (x[:, :1] * ramp).sum(2), "bound": bound}


def batches(length: int = 12, sizes: tuple[int, ...] = (30, 20)) -> Iterator[dict[str, Tensor]]:
    for seed, size in enumerate(sizes):
        yield {
            "signal": random_input(unstranded(1), length, size, seed),
            "sequence": random_input(dna(), length, size, seed),
        }


def by_hand(head: Head, length: int = 12, sizes: tuple[int, ...] = (30, 20)) -> tuple[np.ndarray, np.ndarray]:
    """Logits ``(strand, tracks, values)`` and predictions, one window at a time."""
    model, rows = Model().double(), []
    for batch in batches(length, sizes):
        for i in range(len(batch["signal"])):
            x, signal = batch["sequence"][i : i + 1], batch["signal"][i : i + 1]
            with torch.no_grad():
                here = model(x, signal)[head.name]
                there = revcomp(model(x.flip(1, 2), signal.flip(2))[head.name], head.type)
            rows.append(torch.stack([here[0], there[0]]))
    logits = torch.stack(rows)
    predicted = head.activate(logits)
    both = [(x if x.ndim == 4 else x[..., None]).permute(1, 2, 0, 3).flatten(2).numpy() for x in (logits, predicted)]
    return both[0], both[1]


def measure(dtype: torch.dtype = torch.float64, length: int = 12) -> StrandAgreement:
    return measure_strands(Model(), (BOUND, PROFILE, ASYMMETRY), batches(length), dtype=dtype)


@pytest.mark.parametrize("head", [BOUND, PROFILE, ASYMMETRY], ids=lambda head: head.name)
def test_deviations_and_correlations_are_those_of_a_loop(head: Head) -> None:
    found = measure().heads[head.name]
    logits, predicted = by_hand(head)
    assert (found["type"], found["link"]) == (str(head.type), head.link)
    pieces = [(found, slice(None)), *((found["tracks"][track], slice(c, c + 1)) for c, track in enumerate(head.tracks))]
    for said, rows in pieces:
        apart = np.abs(logits[0, rows] - logits[1, rows]) / (1 + np.abs(logits[0, rows]).max())
        difference = np.abs(predicted[0, rows] - predicted[1, rows])
        for kind, expected in (("logits", apart), ("predicted", difference)):
            assert said[kind]["max"] == pytest.approx(expected.max(), rel=1e-9)
            assert said[kind]["mean"] == pytest.approx(expected.mean(), rel=1e-9)
            assert said[kind]["p95"] == pytest.approx(np.percentile(expected, 95), rel=1e-9)
        assert said["values"] == apart.size
        flips = ((predicted[0, rows] > 0.5) != (predicted[1, rows] > 0.5)).sum()
        assert said["flips"] == (flips if head is BOUND else None)
    for c, track in enumerate(head.tracks):
        if track != "flat":
            said = found["tracks"][track]
            assert said["pearson"] == pytest.approx(scipy.stats.pearsonr(*predicted[:, c])[0], rel=1e-9)
            assert said["spearman"] == pytest.approx(scipy.stats.spearmanr(*predicted[:, c])[0], rel=1e-9)


def test_what_flips_and_what_does_not_vary() -> None:
    bound = measure().heads["bound"]
    assert bound["tracks"]["a"]["flips"] > 0
    assert bound["flips"] == sum(track["flips"] for track in bound["tracks"].values())
    flat = bound["tracks"]["flat"]
    assert (flat["pearson"], flat["spearman"], flat["flips"], flat["logits"]["max"]) == (None, None, 0, 0)


def test_of_long_outputs_every_position_counts_for_the_largest_deviation() -> None:
    found = measure(length=3 * POSITIONS).heads["profile"]
    logits, predicted = by_hand(PROFILE, 3 * POSITIONS)
    assert found["tracks"]["plus"]["values"] == 50 * POSITIONS
    for c, track in enumerate(PROFILE.tracks):
        said = found["tracks"][track]
        apart = np.abs(logits[0, c] - logits[1, c])
        assert said["logits"]["max"] == pytest.approx(apart.max() / (1 + np.abs(logits[0, c]).max()), rel=1e-9)
        assert said["predicted"]["max"] == pytest.approx(np.abs(predicted[0, c] - predicted[1, c]).max(), rel=1e-9)
        assert said["logits"]["mean"] == pytest.approx(apart.mean() / (1 + np.abs(logits[0, c]).max()), rel=0.1)


def test_pairs_are_the_predictions() -> None:
    found = measure()
    for head in (BOUND, PROFILE):
        for got, expected in zip(found.pairs[head.name], by_hand(head)[1], strict=True):
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_precisions_differ_by_rounding() -> None:
    single, double = measure(torch.float32), measure(torch.float64)
    assert (single.tolerance, double.tolerance) == (1e-4, 1e-10)
    assert 0 < abs(single.largest - double.largest) < 1e-5
    assert double.largest == max(head["logits"]["max"] for head in double.heads.values())


def test_a_merged_model_agrees_and_shows_the_network_inside() -> None:
    found = measure_strands(Conjoined(Model()), (BOUND, PROFILE, ASYMMETRY), batches(), dtype=torch.float64)
    assert found.largest < 1e-12
    assert found.broken is None
    assert [layer.layer for layer in found.layers] == ["Conjoined"] * 3
    assert [(layer.name, layer.output) for layer in found.one_strand] == [("", name) for name in Model().output_types]
    alone = measure()
    assert found.one_strand[0].deviation == alone.layers[0].deviation
    assert alone.one_strand == []
    assert found.heads["bound"]["tracks"]["a"]["pearson"] == pytest.approx(1)


def test_layers_are_traced_on_the_first_windows() -> None:
    found = measure_strands(Model(), (BOUND,), batches(sizes=(TRACED_WINDOWS + 9, 5)))
    assert found.traced == TRACED_WINDOWS
    assert measure_strands(Model(), (BOUND,), batches(30_000, (5,))).traced == 3
    assert measure_strands(Model(), (BOUND,), batches(120_000, (2,))).traced == 1
    assert measure().traced == 30
    # A later window that deviates more is seen by the predictions.
    short = measure_strands(Model(), (PROFILE,), batches(sizes=(1, 49)), dtype=torch.float64)
    assert short.traced == 1
    at_layer = next(layer for layer in short.layers if layer.output == "profile").deviation
    assert at_layer is not None
    assert at_layer != pytest.approx(short.heads["profile"]["logits"]["max"])


def test_the_callers_model_stays_as_it_was() -> None:
    model = Model().train()
    measure_strands(model, (BOUND,), batches(), dtype=torch.float64)
    assert model.training
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}


def test_no_windows_and_no_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="no windows to compare"):
        measure_strands(Model(), (BOUND,), [])
    with pytest.raises(InputError, match="head 'bound' gives values that are not finite"):
        measure_strands(Model(float("inf")), (BOUND,), batches())
    hidden = Model()
    hidden.forward = lambda sequence, signal: {  # pyright: ignore[reportAttributeAccessIssue]
        "bound": torch.zeros(len(signal), 3),
        "profile": torch.full((len(signal), 2, 4), torch.nan),
        "asymmetry": torch.zeros(len(signal), 1),
    }
    with pytest.raises(InputError, match="network, output profile gives values that are not finite"):
        measure_strands(hidden, (BOUND,), batches())


def agreement(dtype: torch.dtype, largest: float, *layers: tuple[str, StrandType, float | None]) -> StrandAgreement:
    traced = [LayerSymmetry(name, "Layer", "", kind, deviation) for name, kind, deviation in layers]
    return StrandAgreement(dtype, {"bound": {"logits": {"max": largest}}}, traced, [], 4, {})


GOOD = ("first", regular(2), 1e-16)


@pytest.mark.parametrize(
    ("promised", "single", "double", "layers", "said"),
    [
        (True, 0, 0, [GOOD], "Lawful by construction (strategy s): both strands agree to the last bit."),
        (
            True,
            3e-7,
            2e-16,
            [GOOD],
            "Lawful by construction (strategy s): what deviation there is (3.0e-07 in float32, 2.0e-16 in float64) is "
            "rounding.",
        ),
        (
            True,
            2e-3,
            2e-12,
            [GOOD],
            "Lawful by construction (strategy s), but rounding has grown (2.0e-03 in float32, 2.0e-12 in float64): "
            "weights or outputs are very large.",
        ),
        (
            True,
            0.2,
            0.2,
            [GOOD, ("second", regular(2), 0.125), ("third", regular(2), 0.3)],
            "Strategy s promises that both strands agree; the law first breaks at SECOND (second, Layer, regular(2)), "
            "which deviates by 0.12, and predictions by up to 0.2.",
        ),
        (
            False,
            0.31,
            0.31,
            [("first", plain(16), None), ("second", regular(2), 0.125)],
            "Strategy s promises nothing; features follow no law from FIRST (first, Layer, plain(16)) on, and "
            "predictions deviate by up to 0.31.",
        ),
        (
            True,
            0.1,
            0.1,
            [GOOD],
            "Strategy s promises that both strands agree; predictions deviate by up to 0.1, though no layer did where "
            "it was traced.",
        ),
        (
            False,
            3e-7,
            2e-16,
            [GOOD],
            "Strategy s promises nothing, and yet both strands agree but for rounding (3.0e-07 in float32, 2.0e-16 in "
            "float64).",
        ),
    ],
)
def test_the_verdict(
    promised: bool, single: float, double: float, layers: list[tuple[str, StrandType, float | None]], said: str
) -> None:
    found = [agreement(torch.float32, single, *layers), agreement(torch.float64, double, *layers)]
    assert verdict("s", promised, *found, where=lambda layer: layer.name.upper()) == said
