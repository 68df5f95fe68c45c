import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import special
from torch import nn

from strandwise.errors import InputError, StrandLawError
from strandwise.layers import Conjoined, Head, binary_head, coverage_head, profile_heads
from strandwise.models import MODELS, Bins, Ensemble, EnsembleSettings, SequenceModel, StrandSettings, assemble
from strandwise.strand import StrandType, dna, odd, revcomp, stranded, unstranded
from strandwise.testing import random_input, randomise

BP = 80


def build(
    name: str = "shrikumar_simulated",
    length: int = BP,
    heads: tuple[Head, ...] = (binary_head(("a", "b")),),
    seed: int = 0,
    strategy: str = "standard",
    signal: StrandType | None = None,
    bins: Bins | None = None,
) -> SequenceModel:
    kind = MODELS[name]
    architecture = kind(kind.Options.model_validate(kind.small))
    network = assemble(architecture, heads, length, StrandSettings(strategy=strategy), signal=signal, bins=bins)
    randomise(network, seed)
    return network.double().eval()


def answers(members: list[nn.Module], x: torch.Tensor, head: str) -> list[np.ndarray]:
    with torch.no_grad():
        return [member(x)[head].numpy() for member in members]


@pytest.mark.parametrize("number", [2, 3])
def test_the_mean_of_probabilities(number: int) -> None:
    members = [build(seed=seed) for seed in range(number)]
    x = random_input(dna(), BP, batch=7)
    expected = np.mean([special.expit(each) for each in answers([*members], x, "bound")], axis=0)
    found = Ensemble(members)(x)["bound"].detach().numpy()
    np.testing.assert_allclose(special.expit(found), expected, rtol=1e-12)
    logits = Ensemble(members, "logits")(x)["bound"].detach().numpy()
    np.testing.assert_allclose(logits, np.mean(answers([*members], x, "bound"), axis=0), rtol=1e-12)
    assert np.abs(logits - found).max() > 1e-3


def test_the_mean_of_shapes_and_that_of_totals() -> None:
    heads = profile_heads(("p", "m"), stranded(1))
    members = [build("bpnet", MODELS["bpnet"].small_bp, heads, seed) for seed in range(3)]
    x = random_input(dna(), members[0].input_bp, batch=5)
    found = {name: value.detach().numpy() for name, value in Ensemble(members)(x).items()}
    shapes = [special.softmax(each, axis=-1) for each in answers([*members], x, "profile")]
    np.testing.assert_allclose(special.softmax(found["profile"], axis=-1), np.mean(shapes, axis=0), rtol=1e-11)
    totals = [np.expm1(each).clip(min=0) for each in answers([*members], x, "counts")]
    assert any((each == 0).any() for each in totals), "no member says fewer than no counts"
    np.testing.assert_allclose(np.expm1(found["counts"]), np.mean(totals, axis=0), rtol=1e-11, atol=1e-12)


def test_the_mean_of_coverage() -> None:
    bins = MODELS["basenji"].small_bins[0]
    heads = (coverage_head(("a", "b"), unstranded(2)),)
    members = [build("basenji", MODELS["basenji"].small_bp, heads, seed, bins=bins) for seed in range(3)]
    x = random_input(dna(), members[0].input_bp, batch=3)
    expected = np.mean([np.logaddexp(0, each) for each in answers([*members], x, "coverage")], axis=0)
    found = Ensemble(members)(x)["coverage"].detach().numpy()
    np.testing.assert_allclose(np.logaddexp(0, found), expected, rtol=1e-11)


def test_each_member_is_asked_in_its_own_way() -> None:
    single, other = build(seed=1), build("shrikumar_chip", seed=2, strategy="rcps")
    x = random_input(dna(), BP, batch=4)
    both = [(single(x)["bound"] + single(revcomp(x, dna()))["bound"]) / 2, other(x)["bound"]]
    expected = sum(map(torch.sigmoid, both)) / 2
    found = Ensemble([Conjoined(single), other])(x)["bound"]
    torch.testing.assert_close(torch.sigmoid(found), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("signal", [None, stranded(1)], ids=str)
def test_a_member_of_shorter_windows_reads_the_middle(signal: StrandType | None) -> None:
    long, short = build(length=BP, signal=signal), build(length=BP - 14, seed=1, signal=signal)
    inputs = [random_input(dna(), BP), *([] if signal is None else [random_input(signal, BP)])]
    network = Ensemble([Conjoined(short), long])
    assert network.input_bp == BP
    middles = [x[..., 7:-7] for x in inputs]
    expected = (torch.sigmoid(Conjoined(short)(*middles)["bound"]) + torch.sigmoid(long(*inputs)["bound"])) / 2
    torch.testing.assert_close(torch.sigmoid(network(*inputs)["bound"]), expected, rtol=1e-12, atol=0)


def test_inputs_are_given_in_order_or_by_name() -> None:
    network = Ensemble([build(signal=unstranded(1)), build(seed=1, signal=unstranded(1))])
    x, signal = random_input(dna(), BP), random_input(unstranded(1), BP)
    torch.testing.assert_close(network(x, signal), network(signal=signal, sequence=x))
    with pytest.raises(StrandLawError, match="reads signal beside the sequence: give 'signal' too"):
        network(x)
    with pytest.raises(StrandLawError, match="this ensemble reads sequence, signal: give those, in that order"):
        network(x, signal, signal)


def test_sure_answers_stay_finite() -> None:
    members = [build(seed=seed) for seed in range(2)]
    for member, sign in zip(members, (1, -1), strict=True):
        for weight in member.parameters():
            weight.data *= 1e3 * sign
    logits = Ensemble(members).float()(random_input(dna(), BP).float())["bound"]
    assert torch.isfinite(logits).all()


COVERAGE = coverage_head(("a", "b"), unstranded(2).pooled())


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (lambda: [build()], "an ensemble of 1 has nothing to average: give two members or more"),
        (
            lambda: [build(), build(signal=unstranded(2))],
            r"member 1 reads 'sequence' of dna\(\), 'signal' of unstranded\(2\), and member 0 'sequence' of dna\(\): "
            "combine tables of their predictions instead",
        ),
        (
            lambda: [build(), build(heads=(binary_head(("b", "a")),))],
            "member 1 predicts b, a, and member 0 a, b: give members with the same targets, in the same order",
        ),
        (
            lambda: [build(), build(heads=(COVERAGE,))],
            r"member 1 answers by 'coverage' of unstranded\(2\).pooled\(\), and member 0 by 'bound' of",
        ),
        (lambda: [build(), build(length=BP + 1)], "member 0 reads 80 bp and another member 81, which leaves no middle"),
        (lambda: [build(), Ensemble([build(), build()])], "Ensemble cannot be a member of an ensemble"),
        (lambda: [build(), nn.Linear(2, 2)], "Linear cannot be a member of an ensemble: give networks that `assemble`"),
    ],
)
def test_members_that_do_not_fit_are_refused(members, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Ensemble(members())


def test_members_are_called_by_their_names() -> None:
    with pytest.raises(InputError, match="runs/b predicts b, a, and runs/a a, b"):
        Ensemble([build(), build(heads=(binary_head(("b", "a")),))], names=["runs/a", "runs/b"])


def test_members_of_other_positions_are_refused() -> None:
    heads = (coverage_head(("a",), unstranded(1)),)
    length, bins = MODELS["basenji"].small_bp, MODELS["basenji"].small_bins[0]
    fewer = Bins(bins.number - 2, bins.bin_bp)
    network = Ensemble([build("basenji", length, heads, bins=each) for each in (bins, fewer)])
    with pytest.raises(InputError, match=r"members of the ensemble give 'coverage' of \(1, \d+\) and \(1, \d+\)"):
        network(random_input(dna(), length))


def test_answers_whose_sign_flips_are_averaged_before_a_link_that_does_not_flip() -> None:
    heads = (Head("x", odd(2).pooled(), ("a", "b"), "softplus"),)
    members = [build(heads=heads, strategy="rcps", seed=seed) for seed in range(2)]
    with pytest.raises(StrandLawError, match=r"'x' is odd\(2\).pooled\(\), whose sign flips.*: average logits instead"):
        Ensemble(members)
    assert Ensemble(members, "logits").heads == heads


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"members": ["a"]}, "at least 2 items"),
        ({"members": ["a", "b\x1b"]}, "cannot be printed"),
        ({"members": ["a", "b"], "on": "ranks"}, "'predictions' or 'logits'"),
    ],
)
def test_settings_are_checked(table: dict, said: str) -> None:
    assert EnsembleSettings(members=("a", "a")).on == "predictions"
    with pytest.raises(ValidationError, match=said):
        EnsembleSettings.model_validate(table)
