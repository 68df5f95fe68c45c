"""The strand law of base-resolution profiles: assays, control tracks and bias networks under every strategy."""

import pytest
import torch
from torch import Tensor

from strandwise.errors import ConfigError
from strandwise.layers import Conjoined, Head, Merge, freeze, profile_heads
from strandwise.models import STRATEGIES, Ensemble, SequenceModel, StrandSettings, WithBias, assemble
from strandwise.models.bpnet import BPNet
from strandwise.strand import StrandType, dna, odd, revcomp, stranded, unstranded
from strandwise.testing import assert_strand_law, random_input, randomise

ASSAYS = {
    "one stranded": stranded(1),
    "two stranded": stranded(2),
    "unstranded": unstranded(2),
    "both": stranded(1) + unstranded(1),
}
CONTROLS = {
    "none": None,
    "stranded": stranded(1),
    "smoothed": unstranded(2),
    "both": stranded(1) + unstranded(2),
}
BP = 80


def heads(kind: StrandType) -> tuple[Head, Head]:
    return profile_heads(tuple(f"t{channel}" for channel in range(kind.channels)), kind)


def build(
    kind: StrandType, control: StrandType | None, strand: StrandSettings, length: int = BP, **options: object
) -> SequenceModel:
    architecture = BPNet(BPNet.Options.model_validate(BPNet.small | options))
    return assemble(architecture, heads(kind), length, strand, control)


class WithControl(torch.nn.Module):
    """Draws the control tracks at the length that the network predicts, so that the law can be asserted."""

    def __init__(self, network: torch.nn.Module, control: StrandType, output_bp: int) -> None:
        super().__init__()
        self.network, self.control, self.output_bp = network, control, output_bp
        self.input_types, self.output_types = {"sequence": dna()}, network.output_types

    def forward(self, sequence: Tensor) -> dict[str, Tensor]:
        # A function of the sequence that turns as control tracks do, so both strands meet their own.
        seed = random_input(self.control, self.output_bp, batch=1).abs()
        weight = sequence[..., : self.output_bp].sum((1, 2)) + sequence[..., -self.output_bp :].sum((1, 2))
        purines, pyrimidines = sequence[:, [0, 2]].sum((1, 2)), sequence[:, [1, 3]].sum((1, 2))
        forward, reverse = seed, revcomp(seed, self.control)
        control = forward * purines.view(-1, 1, 1) + reverse * pyrimidines.view(-1, 1, 1) + weight.view(-1, 1, 1)
        return self.network(sequence, control)


def output_bp(network: SequenceModel, control: StrandType | None) -> int:
    plain = build(unstranded(1), None, StrandSettings(strategy="standard"), network.input_bp)
    return plain(random_input(dna(), network.input_bp).float())["profile"].shape[-1]


def asked(network: SequenceModel, strand: StrandSettings, control: StrandType | None) -> torch.nn.Module:
    whole = Conjoined(network, strand.answers) if strand.rules.conjoin_in_prediction else network
    return whole if control is None else WithControl(whole, control, output_bp(network, control))


LAWFUL = [name for name, rules in STRATEGIES.items() if rules.lawful]


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("assay", ASSAYS)
@pytest.mark.parametrize("strategy", LAWFUL)
def test_profiles_obey(strategy: str, assay: str, control: str) -> None:
    strand = StrandSettings(strategy=strategy)
    for length in (BP, BP + 1):
        network = build(ASSAYS[assay], CONTROLS[control], strand, length)
        assert_strand_law(asked(network, strand, CONTROLS[control]), lengths=(length,))


@pytest.mark.parametrize("strategy", ["conjoined", "posthoc"])
def test_profiles_merged_after_the_link_obey(strategy: str) -> None:
    strand = StrandSettings(strategy=strategy, merge_after_link=True)
    network = build(stranded(1), unstranded(1), strand)
    assert_strand_law(asked(network, strand, unstranded(1)), lengths=(BP,))


@pytest.mark.parametrize("groups", [[[1, 2]], [[1, 2, 3]], [[1, 2, 3, 4]]], ids=str)
def test_groups_obey(groups: list[list[int]]) -> None:
    strand = StrandSettings(strategy="hybrid", groups=groups)  # pyright: ignore[reportArgumentType]
    for control in (None, unstranded(2)):
        assert_strand_law(asked(build(stranded(1), control, strand), strand, control), lengths=(BP,))


def test_a_group_cannot_begin_with_a_skip() -> None:
    with pytest.raises(ConfigError, match=r"begins a group at stage 2 \(dilated2\), which adds its input"):
        build(stranded(1), None, StrandSettings(strategy="hybrid", groups=((2, 3),)))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("average", [False, True])
def test_options_obey(padding: str, average: bool) -> None:
    network = build(stranded(1), None, StrandSettings(strategy="rcps"), padding=padding, average=average)
    assert_strand_law(network, lengths=(BP, BP + 1))


@pytest.mark.parametrize("strategy", ["standard", "augmented"])
def test_ordinary_profiles_visibly_do_not(strategy: str) -> None:
    with pytest.raises(AssertionError, match="breaks the strand law"):
        assert_strand_law(build(stranded(1), None, StrandSettings(strategy=strategy)), lengths=(BP,), tolerance=1e-4)


def test_the_counts_head_meets_its_inputs_in_one_order() -> None:
    """Swapping the two strands of a control track changes an ordinary network, and a lawful one lawfully."""
    network = build(stranded(1), stranded(1), StrandSettings(strategy="rcps")).double().eval()
    randomise(network)
    x = random_input(dna(), BP)
    control = random_input(stranded(1), output_bp(network.float(), None)).abs()
    network = network.double()
    forward = network(x, control)
    reverse = network(revcomp(x, dna()), revcomp(control, stranded(1)))
    for name, kind in network.output_types.items():
        torch.testing.assert_close(revcomp(reverse[name], kind), forward[name], rtol=0, atol=1e-10)
    wrong = network(revcomp(x, dna()), control.flip(-1))
    assert (revcomp(wrong["counts"], network.output_types["counts"]) - forward["counts"]).abs().max() > 1e-3


@pytest.mark.parametrize("strategy", LAWFUL)
@pytest.mark.parametrize("control", [None, unstranded(2)], ids=str)
def test_a_bias_network_keeps_the_law(strategy: str, control: StrandType | None) -> None:
    strand = StrandSettings(strategy=strategy)
    kind = stranded(1)
    bias = build(kind, None, StrandSettings(strategy="rcps"), BP - 10, stem_width=3, dilated_layers=1)
    randomise(bias, seed=3)
    network = WithBias(build(kind, control, strand), bias)
    assert_strand_law(asked(network, strand, control), lengths=(BP,), randomised=False)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("strategy", LAWFUL)
def test_frozen_profiles_agree(strategy: str) -> None:
    strand = StrandSettings(strategy=strategy)
    for control in (None, unstranded(2)):
        network = build(stranded(1) + unstranded(1), control, strand).double().eval()
        randomise(network)
        whole = asked(network.float(), strand, control).double()
        x = random_input(dna(), BP)
        torch.testing.assert_close(freeze(whole)(x), whole(x), rtol=0, atol=1e-10)


def test_a_control_with_odd_channels_is_refused() -> None:
    from strandwise.errors import StrandLawError

    with pytest.raises(StrandLawError, match="cannot be counts"):
        build(stranded(1), odd(1), StrandSettings(strategy="rcps"))


def test_profiles_are_merged_by_the_mean_of_shares_after_the_link() -> None:
    network = build(stranded(1), None, StrandSettings(strategy="posthoc")).double().eval()
    randomise(network)
    x, kind = random_input(dna(), BP), stranded(1)
    merged = torch.softmax(Conjoined(network, Merge(after_link=True))(x)["profile"], -1)
    one = torch.softmax(network(x)["profile"], -1)
    other = revcomp(torch.softmax(network(revcomp(x, dna()))["profile"], -1), kind)
    torch.testing.assert_close(merged, (one + other) / 2, rtol=0, atol=1e-12)


@pytest.mark.parametrize("control", ["none", "both"])
@pytest.mark.parametrize("strategy", LAWFUL)
def test_ensembles_of_profiles_obey(strategy: str, control: str) -> None:
    members, kind = [], CONTROLS[control]
    for seed, way in enumerate((strategy, "rcps")):
        strand = StrandSettings(strategy=way)
        network = build(ASSAYS["both"], kind, strand)
        randomise(network, seed)
        members.append(Conjoined(network, strand.answers) if strand.rules.conjoin_in_prediction else network)
    both = Ensemble(members)
    asked = (
        both
        if kind is None
        else WithControl(both, kind, output_bp(build(stranded(1), None, StrandSettings(strategy="rcps")), None))
    )
    assert_strand_law(asked, lengths=(BP,), randomised=False)
