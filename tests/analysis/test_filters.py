"""What filters look for: planted filters found again, and sites counted one by one."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from strandwise.analysis.filters import filter_motifs
from strandwise.data.batches import model_inputs
from strandwise.errors import InputError
from strandwise.layers import Conv1d, binary_head
from strandwise.models import MODELS, ModelSettings, SequenceModel, StrandSettings, WithBias, assemble
from strandwise.models.motif_filters import initialise_with_motifs
from strandwise.motifs import Motif, compare_motifs
from strandwise.strand import revcomp, unstranded
from strandwise.testing import randomise

SITE = "TGACTCAGC"
BASES = 60
Batches = Callable[[], Iterable[Mapping[str, Tensor]]]


def build(
    name: str = "factornet",
    strategy: str = "conjoined",
    *,
    signal: int = 0,
    bases: int = BASES,
    options: Mapping[str, object] | None = None,
) -> SequenceModel:
    architecture = ModelSettings.model_validate({"name": name, **(options or {})}).architecture()
    beside = unstranded(signal) if signal else None
    return assemble(architecture, [binary_head(("t",))], bases, StrandSettings(strategy=strategy), signal=beside)


def tiny(strategy: str = "conjoined", signal: int = 0) -> SequenceModel:
    return build(
        strategy=strategy, signal=signal, options={"filters": 4, "kernel_size": 11, "recurrent": 0, "dense": 4}
    )


def batches(n: int = 40, signal: int = 0, letters: int = 4, bases: int = BASES, seed: int = 0) -> Batches:
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, letters, (n, bases), generator=generator, dtype=torch.uint8)
    rows = torch.rand((n, signal, bases), generator=generator)

    def read() -> Iterable[Mapping[str, Tensor]]:
        for at in range(0, n, 16):
            yield {"sequence": codes[at : at + 16]} | ({"signal": rows[at : at + 16]} if signal else {})

    return read


def one_by_one(
    network: SequenceModel, read: Batches, answers: Callable[[Tensor], Tensor], above: float, best: bool = False
) -> list[tuple[np.ndarray, int]]:
    """Return what lies under the sites of each filter, summed, and how many there are: place by place."""
    conv = next(module for module in network.modules() if isinstance(module, Conv1d))
    strands = []
    for batch in read():
        inputs = model_inputs(batch)
        x = torch.cat([inputs[name] for name in ("sequence", "signal") if name in inputs], 1)
        strands += [*x, *revcomp(x, conv.in_type)]
    with torch.no_grad():
        said = [answers(x.unsqueeze(0))[0] for x in strands]
    pad = conv.reach // 2 if conv.padding == "same" else 0
    filters = conv.out_type.channels // (2 if conv.out_type.lawful else 1)
    found = []
    for number in range(filters):
        top = max(float(each[number].max()) for each in said)
        sums, count = np.zeros((conv.in_type.channels, conv.kernel_size)), 0
        for strand, each in zip(strands, said, strict=True):
            row = each[number]
            places = [int(row.argmax())] if best else range(len(row))
            for place in places:
                if float(row[place]) <= max(above * top, 0):
                    continue
                count += 1
                for tap in range(conv.kernel_size):
                    at = place * conv.stride + tap * conv.dilation - pad
                    if 0 <= at < strand.shape[1]:
                        sums[:, tap] += strand[:, at].numpy()
        found.append((sums, count))
    return found


def check(network: SequenceModel, read: Batches, answers: Callable[[Tensor], Tensor], **how: object) -> None:
    above, best = float(how.get("above", 0.5)), how.get("sites") == "best"  # pyright: ignore[reportArgumentType]
    expected = one_by_one(network, read, answers, above, best)
    found = filter_motifs(network, read, **how)  # pyright: ignore[reportArgumentType]
    assert [each.number for each in found] == list(range(len(expected)))
    assert sum(count for _, count in expected) > 20
    for each, (sums, count) in zip(found, expected, strict=True):
        assert each.sites == count
        if not count:
            assert each.motif is None
            continue
        bases = sums[:4].T
        assert each.motif is not None
        known = bases.sum(1) > 0
        shares = bases[known] / bases[known].sum(1, keepdims=True)
        np.testing.assert_allclose(each.motif.probabilities[known], shares, atol=1e-12)
        np.testing.assert_allclose(each.motif.probabilities[~known], 0.25)
        np.testing.assert_allclose(each.signal, sums[4:] / count, atol=1e-6)


@pytest.mark.parametrize("how", [{}, {"above": 0.8}, {"above": 0.0, "sites": "best"}, {"sites": "best"}], ids=str)
@pytest.mark.parametrize("strategy", ["conjoined", "rcps", "hybrid"])
def test_sites_are_those_found_place_by_place(strategy: str, how: dict[str, object]) -> None:
    network = tiny(strategy, signal=2)
    randomise(network)
    conv = next(module for module in network.modules() if isinstance(module, Conv1d))
    check(network, batches(signal=2, letters=5), lambda x: torch.relu(conv(x)), **how)


@pytest.mark.parametrize(
    ("name", "strategy", "options"),
    [
        ("shrikumar_chip", "rcps", MODELS["shrikumar_chip"].small),
        ("basset", "rcps", MODELS["basset"].small),
        ("basset", "standard", MODELS["basset"].small),
        ("cnn_baseline", "standard", MODELS["cnn_baseline"].small | {"first_activation": "exponential"}),
        ("danq", "rcps", MODELS["danq"].small),
        ("basenji", "standard", MODELS["basenji"].small),
    ],
)
def test_answers_are_those_after_normalisation_and_activation(
    name: str, strategy: str, options: dict[str, object]
) -> None:
    """What is recorded where the network itself computes it, layer by layer."""
    bases = max(BASES, MODELS[name].small_bp)
    network = build(name, strategy, bases=bases, options=options)
    randomise(network)
    layers = _flat(next(iter(network.eval().stages.values())))

    def answers(x: Tensor) -> Tensor:
        seen = False
        for layer in layers:
            kind = type(layer).__name__
            if seen and kind not in ("BatchNorm1d", "ReLU", "Activation", "Dropout"):
                break
            seen = seen or kind in ("Conv1d", "PerStrand")
            x = layer(x)
        return x

    check(network, batches(n=6, bases=bases), answers)


def _flat(stage: nn.Module) -> list[nn.Module]:
    return [layer for part in stage for layer in _flat(part)] if type(stage).__name__ == "Stack" else [stage]  # pyright: ignore[reportGeneralTypeIssues]


@pytest.mark.parametrize("strategy", ["conjoined", "posthoc", "rcps", "hybrid"])
def test_a_planted_filter_is_found_and_named(strategy: str) -> None:
    matrix = np.eye(4)[["ACGT".index(letter) for letter in SITE]]
    network = tiny(strategy)
    initialise_with_motifs(network, [matrix])
    read, generator = batches(n=300), np.random.default_rng(0)
    for batch in read():
        for row in batch["sequence"]:
            at = int(generator.integers(1, BASES - len(SITE)))
            row[at : at + len(SITE)] = torch.from_numpy(matrix.argmax(1).astype(np.uint8))
    # The batches are cut from one tensor, so what was planted stays.
    first = filter_motifs(network, read)[0]
    assert first.motif is not None
    assert first.motif.consensus[1:10] == SITE
    assert first.sites >= 300
    rng = np.random.default_rng(1)
    others = [Motif("other", f"other{n}", rng.dirichlet([0.5] * 4, int(rng.integers(6, 12)))) for n in range(60)]
    best = compare_motifs([first.motif], [Motif("site", "site", 0.97 * matrix + 0.0075), *others]).iloc[0]
    assert (best["target"], best["offset"], best["strand"]) == ("site", -1, "+")
    assert best["q"] < 1e-5


def test_a_filter_that_answers_nowhere_has_no_motif() -> None:
    network = tiny()
    conv = next(module for module in network.modules() if isinstance(module, Conv1d))
    with torch.no_grad():
        conv.weight.free.zero_()
        assert conv.bias is not None
        conv.bias.free.copy_(torch.tensor([-1.0, 0.0, 1.0, 1.0]))
    found = filter_motifs(network, batches())
    assert [each.motif is None for each in found] == [True, True, False, False]
    assert [each.maximum for each in found] == [0, 0, 1, 1]
    assert found[2].sites == 2 * 40 * (BASES - 10)


def test_the_network_stays_as_it_was() -> None:
    network = tiny(signal=1).double().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    filter_motifs(network, batches(signal=1))
    assert network.training
    assert all(module.training for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_beside_a_bias_network_the_filters_are_those_of_what_was_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WithBias, "_check_law", lambda self: None)
    network, bias = tiny(), tiny("rcps")
    randomise(network, seed=1)
    alone, beside = filter_motifs(network, batches()), filter_motifs(WithBias(network, bias), batches())
    assert [(one.sites, one.maximum) for one in alone] == [(other.sites, other.maximum) for other in beside]


@pytest.mark.parametrize("above", [-0.1, 1.0, float("nan")])
def test_shares_that_leave_no_sites_are_refused(above: float) -> None:
    with pytest.raises(InputError, match="give a share of the largest answer"):
        filter_motifs(tiny(), batches(), above=above)


def test_without_sequences_or_filters_there_is_nothing_to_show() -> None:
    with pytest.raises(InputError, match="no sequences to read"):
        filter_motifs(tiny(), list)
    network = tiny()
    network.stages = {"first": nn.Linear(3, 2)}
    with pytest.raises(InputError, match="does not begin with a convolution over DNA"):
        filter_motifs(network, batches())
