"""First filters that begin as known motifs."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from strandwise.errors import ConfigError, InputError
from strandwise.layers import Conv1d, PerStrand, binary_head, dense_head, profile_heads
from strandwise.models import MODELS, ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.models.motif_filters import first_convolution, initialise_with_motifs
from strandwise.strand import dna, revcomp, stranded, unstranded
from strandwise.testing import assert_strand_law, randomise


def build(strategy: str = "conjoined", length: int = 1000, *, signal: int = 1, **options: object) -> SequenceModel:
    settings = ModelSettings.model_validate({"name": "factornet", **options})
    strand = StrandSettings(strategy=strategy)
    beside = unstranded(signal) if signal else None
    return assemble(settings.architecture(), [binary_head(("t0",))], length, strand, signal=beside)


MOTIF = np.array([[0.7, 0.1, 0.1, 0.1], [0.0, 0.0, 1.0, 0.0], [0.25, 0.25, 0.25, 0.25]])


def first_filters(network: nn.Module) -> tuple[Tensor, Tensor]:
    conv = next(module for module in network.modules() if isinstance(module, Conv1d))
    assert conv.bias is not None
    return conv.weight().detach(), conv.bias().detach()


def expected_bits(motif: np.ndarray) -> Tensor:
    share = (motif + 0.001) / (motif + 0.001).sum(1, keepdims=True)
    return torch.from_numpy(np.log2(share / 0.25).T).float()


@pytest.mark.parametrize("strategy", ["conjoined", "hybrid", "rcps"])
@pytest.mark.parametrize("taps", [3, 8, 9])
def test_first_filters_begin_as_motifs_on_both_strands(strategy: str, taps: int) -> None:
    network = build(strategy, 60, filters=4, kernel_size=taps, recurrent=2)
    randomise(network)
    before, before_bias = (tensor.clone() for tensor in first_filters(network))
    initialise_with_motifs(network, [MOTIF, MOTIF[::-1]])
    weight, bias = first_filters(network)
    tied = strategy == "rcps"
    n, start = len(weight), taps // 2 - 1
    places = [(0, n - 1), (1, n - 2)] if tied else [(0, 1), (2, 3)]
    for motif, (here, there) in zip((MOTIF, MOTIF[::-1]), places, strict=True):
        found = weight[here]
        torch.testing.assert_close(found[:4, start : start + 3], expected_bits(motif), rtol=0, atol=1e-5)
        assert found.count_nonzero() == found[:4, start : start + 3].count_nonzero()
        torch.testing.assert_close(weight[there], revcomp(found, dna() + unstranded(1)), rtol=0, atol=0)
        assert bias[here] == bias[there] == 0
    others = [channel for channel in range(n) if channel not in {place for pair in places for place in pair}]
    assert torch.equal(weight[others], before[others])
    assert torch.equal(bias[others], before_bias[others])


def test_a_filter_that_begins_as_a_motif_finds_its_sites() -> None:
    network = build("conjoined", 60, filters=4, kernel_size=9, recurrent=2, signal=0)
    matrix = np.eye(4)[[3, 2, 1, 0, 3, 3]]
    initialise_with_motifs(network, [matrix])
    weight, bias = first_filters(network)
    bases = torch.randint(0, 4, (1, 60), generator=torch.Generator().manual_seed(0))
    bases[0, 20:26] = torch.tensor([3, 2, 1, 0, 3, 3])
    bases[0, 40:46] = 3 - bases[0, 20:26].flip(0)
    x = nn.functional.one_hot(bases, 4).transpose(1, 2).float()
    found = nn.functional.conv1d(x, weight, bias)[0]
    # The motif stands in the middle of nine taps, from the second on; its complement mirrored, from the third on.
    assert (int(found[0].argmax()), int(found[1].argmax())) == (19, 38)
    assert float(found[0].max()) == pytest.approx(12, abs=0.1)


def test_counts_are_taken_for_probabilities() -> None:
    one, other = (build(length=60, filters=2, kernel_size=5, recurrent=0) for _ in range(2))
    other.load_state_dict(one.state_dict())
    initialise_with_motifs(one, [MOTIF])
    initialise_with_motifs(other, [MOTIF * 400])
    torch.testing.assert_close(first_filters(one)[0], first_filters(other)[0])


@pytest.mark.parametrize(
    ("motifs", "said"),
    [
        ([MOTIF] * 3, "3 motifs do not fit into the 2 pairs of filters"),
        ([np.ones((9, 4))], r"motif 0 has the shape \(9, 4\): give \(length, 4\)"),
        ([MOTIF, MOTIF.T], r"motif 1 has the shape \(4, 3\)"),
        ([np.ones((0, 4))], r"shape \(0, 4\)"),
        ([-MOTIF], "holds what is no probability"),
        ([MOTIF * np.nan], "holds what is no probability"),
    ],
)
def test_motifs_that_do_not_fit_are_refused_and_change_nothing(motifs: list, said: str) -> None:
    network = build(length=60, filters=4, kernel_size=5, recurrent=0)
    before = first_filters(network)[0].clone()
    with pytest.raises(InputError, match=said):
        initialise_with_motifs(network, motifs)
    assert torch.equal(first_filters(network)[0], before)


def test_a_network_that_does_not_read_dna_first_is_refused() -> None:
    for network in (nn.Linear(3, 2), Conv1d(stranded(2), unstranded(3), 5)):
        with pytest.raises(InputError, match="does not begin with a convolution over DNA"):
            initialise_with_motifs(network, [MOTIF])


def small(name: str, strategy: str) -> SequenceModel:
    kind = MODELS[name]
    architecture = kind(kind.Options.model_validate(kind.small))
    heads, bins = [binary_head(("t",))], None
    if "window" not in kind.answers:
        along = "bins" in kind.answers
        heads = [dense_head(("t",))] if along else [*profile_heads(("t",), stranded(1))]
        bins = kind.small_bins[0] if along else None
    return assemble(architecture, heads, kind.small_bp, StrandSettings(strategy=strategy), bins=bins)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("strategy", ["standard", "rcps"])
def test_every_architecture_can_begin_as_motifs(name: str, strategy: str) -> None:
    """Its first filter answers to the site with the score of the motif; with shared weights, so does its partner."""
    network = small(name, strategy).eval()
    conv = first_convolution(network).conv
    matrix = np.eye(4)[[3, 2, 1, 0, 3, 3][: conv.kernel_size]]
    initialise_with_motifs(network, [matrix])
    site = torch.from_numpy(matrix.T).float()
    channels = dna().channels
    x = torch.zeros(1, channels, conv.kernel_size)
    start = conv.kernel_size // 2 - len(matrix) // 2
    x[0, :, start : start + len(matrix)] = site
    with torch.no_grad():
        lifted = next((m for m in network.modules() if isinstance(m, PerStrand) and m.module is conv), None)
        weight = conv.weight() if lifted is None else torch.cat([conv.weight(), _turned(conv)])
        here = (weight * x).sum((1, 2))
        there = (weight * revcomp(x, dna())).sum((1, 2))
    best = len(matrix) * np.log2(1.001 / 1.004 / 0.25)
    partner = len(weight) - 1 if strategy == "rcps" else 1
    assert here[0].item() == pytest.approx(best, rel=1e-5)
    assert there[partner].item() == pytest.approx(best, rel=1e-5)


def _turned(conv: Conv1d) -> Tensor:
    return conv.weight().flip(0, 1, 2)


@pytest.mark.parametrize("name", ["shrikumar_chip", "basset", "danq"])
def test_shared_filters_that_begin_as_motifs_keep_the_law(name: str) -> None:
    network = small(name, "rcps").double()
    randomise(network)
    initialise_with_motifs(network, [MOTIF])
    assert_strand_law(network.eval())


@pytest.mark.parametrize(("strategy", "room"), [("rcps", 3), ("standard", 1)])
def test_a_filter_that_is_lifted_alone_holds_a_motif_by_itself(strategy: str, room: int) -> None:
    """Basset's filters have an even width, and so are lifted where they share their weights."""
    network = small("basset", strategy)
    first = first_convolution(network)
    assert (first.room, first.shared) == (room, strategy == "rcps")
    initialise_with_motifs(network, [MOTIF] * room)
    with pytest.raises(InputError, match="do not fit into"):
        initialise_with_motifs(network, [MOTIF] * (room + 1))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"motifs": {}}, "no motif is named: give file, with names, or jaspar"),
        ({"motifs": {"names": ["MAX"]}}, "no motif is named"),
        ({"motifs": {"names": ["MAX"], "jaspar": ["MA0139.2"]}}, "names are those of a file"),
        ({"motifs": {"jaspar": ["MA0139.2"]}, "init": "run"}, "init and motifs both say how the first filters begin"),
        ({"init_heads": True}, "init_heads takes the heads of a trained run"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ModelSettings.model_validate({"name": "factornet", **table})


def test_the_stage_of_the_motifs_alone_can_be_frozen_without_a_run() -> None:
    table = {"name": "factornet", "motifs": {"jaspar": ["MA0139.2"]}}
    ModelSettings.model_validate(table | {"freeze": ["conv"]}).architecture()
    with pytest.raises(ConfigError, match=r"stage 'dense' holds no motifs, .* freeze 'conv' alone"):
        ModelSettings.model_validate(table | {"freeze": ["dense"]}).architecture()
    with pytest.raises(ConfigError, match="has no stage 'lstn'"):
        ModelSettings.model_validate(table | {"freeze": ["lstn"]}).architecture()
