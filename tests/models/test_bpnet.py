"""BPNet in the sizes of Zhou et al. 2022, and that it learns profiles."""

import pytest
import torch
from torch import Tensor

from strandwise.errors import ConfigError, StrandLawError
from strandwise.layers import Conjoined, profile_heads
from strandwise.models import STRATEGIES, ModelSettings, SequenceModel, StrandSettings, WithBias, assemble
from strandwise.models.bpnet import BPNet
from strandwise.scores.losses import LOSSES
from strandwise.strand import dna, revcomp, stranded, unstranded
from strandwise.testing import random_input

STRANDS = ("+", "-")


def build(strategy: str = "standard", length: int = 1346, control=None, **options: object) -> SequenceModel:
    architecture = BPNet(BPNet.Options.model_validate(options))
    heads = profile_heads(STRANDS, stranded(1))
    return assemble(architecture, heads, length, StrandSettings(strategy=strategy), control)


def count(module: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def test_1346_bp_give_the_profile_of_the_middle_1000() -> None:
    found = build()(torch.zeros(1, 4, 1346))
    assert {name: tuple(value.shape) for name, value in found.items()} == {"profile": (1, 2, 1000), "counts": (1, 2)}


def test_parameters_are_those_of_the_paper() -> None:
    stem, body, profile, counts = 64 * (4 * 21 + 1), 6 * 64 * (64 * 3 + 1), 2 * (64 * 75 + 1), 2 * (64 + 1)
    assert count(build()) == stem + body + profile + counts
    # Shared: twice the channels come into each layer but the first; one filter serves both strands of a track.
    body, profile, counts = 6 * 64 * (128 * 3 + 1), 128 * 75 + 1, 128 + 1
    assert count(build("rcps")) == stem + body + profile + counts
    # A control at two smoothing levels, strands added up: beside the two raw profiles, and beside pooled features.
    assert count(build(control=unstranded(2))) == count(build()) + 2 * (2 + 2 + 1) + 2 * 2


def test_same_padding_predicts_every_position() -> None:
    assert build(length=100, padding="same", filters=2)(torch.zeros(1, 4, 100))["profile"].shape == (1, 2, 100)


@pytest.mark.parametrize("strategy", ["standard", "rcps"])
def test_a_profile_may_be_cut_to_its_middle(strategy: str) -> None:
    small: dict[str, object] = dict(BPNet.small)
    whole, cut = build(strategy, 80, **small).eval(), build(strategy, 80, profile_bp=40, **small).eval()
    assert {**whole.state_dict()}.keys() != {**cut.state_dict()}.keys()
    with torch.no_grad():
        for mine, theirs in zip(cut.parameters(), whole.parameters(), strict=True):
            mine.copy_(theirs)
        x = random_input(dna(), 80).float()
        kept, all_of_it = cut(x), whole(x)
    torch.testing.assert_close(kept["profile"], all_of_it["profile"][..., 10:50], rtol=0, atol=0)
    torch.testing.assert_close(kept["counts"], all_of_it["counts"], rtol=0, atol=0)
    for wrong in (41, 62):
        with pytest.raises(ConfigError, match=f"model.profile_bp = {wrong}, and the filters see 60 positions whole"):
            build(strategy, 80, profile_bp=wrong, **small)


def test_a_window_that_is_too_short_is_refused() -> None:
    with pytest.raises(StrandLawError, match="widen the input or narrow the kernel"):
        build(length=300)


def test_control_tracks_are_given_where_they_are_read_and_only_there() -> None:
    small: dict[str, object] = dict(BPNet.small)
    x, control = torch.zeros(1, 4, 80), torch.zeros(1, 2, 60)
    with pytest.raises(StrandLawError, match="this network reads control tracks"):
        build("rcps", 80, unstranded(2), **small)(x)
    with pytest.raises(StrandLawError, match="was made without control tracks"):
        build("rcps", 80, **small)(x, control)
    with pytest.raises(StrandLawError, match="control tracks of 80 positions beside a profile of 60"):
        build("rcps", 80, unstranded(2), **small)(x, torch.zeros(1, 2, 80))
    with pytest.raises(ConfigError, match="ShrikumarChip takes no control tracks"):
        assemble(
            ModelSettings().architecture(),
            profile_heads(STRANDS, stranded(1))[1:],
            1000,
            StrandSettings(strategy="rcps"),
            unstranded(2),
        )


def footprints(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return sequences with one TGCATT on either strand; reads fall before it on its strand, after it on the other."""
    generator = torch.Generator().manual_seed(seed)
    bases = torch.randint(0, 4, (n, 80), generator=generator)
    site = torch.tensor([3, 2, 1, 0, 3, 3])
    x, counts = torch.zeros(n, 4, 80), torch.zeros(n, 2, 80)
    for row in range(n):
        start = int(torch.randint(20, 54, (1,), generator=generator))
        bases[row, start : start + 6] = site
        counts[row, 0, start - 5], counts[row, 1, start + 9] = 20, 15
    x.scatter_(1, bases.unsqueeze(1), 1.0)
    turned = torch.arange(n) % 2 == 1
    x[turned], counts[turned] = revcomp(x[turned], dna()), revcomp(counts[turned], stranded(1))
    return x, counts[..., 10:70]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_learns_where_reads_fall(strategy: str) -> None:
    strand = StrandSettings(strategy=strategy)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build(strategy, 80, filters=8, stem_width=7, dilated_layers=1, profile_width=11)
        reader = Conjoined(network) if strand.rules.conjoin_in_training else network
        optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
        x, counts = footprints(128, seed=1)
        for _ in range(60):
            optimiser.zero_grad()
            loss = total(network, reader(x), counts)
            loss.backward()
            optimiser.step()
    judged = Conjoined(network) if strand.rules.conjoin_in_prediction else network
    x, counts = footprints(64, seed=2)
    with torch.no_grad():
        said = judged(x)["profile"]
        learned = LOSSES["multinomial_nll"](said, counts, torch.ones(64, 2), None)
        guessed = LOSSES["multinomial_nll"](torch.zeros_like(said), counts, torch.ones(64, 2), None)
    assert learned < 0.5 * guessed


def total(network: SequenceModel, said: dict[str, Tensor], counts: Tensor) -> Tensor:
    targets = {"profile": counts, "counts": counts.sum(-1)}
    weights = torch.ones(counts.shape[:2])
    return torch.stack(
        [
            head.loss_weight * LOSSES[head.loss](said[head.name], targets[head.name], weights, None)
            for head in network.heads
        ]
    ).sum()


def bias_pair(strategy: str = "rcps") -> tuple[SequenceModel, SequenceModel]:
    return build(strategy, 80, **BPNet.small), build(
        strategy, 70, **(BPNet.small | {"stem_width": 3, "dilated_layers": 1})
    )


def test_bias_adds_logits_and_counts_and_stays_frozen() -> None:
    model, bias = bias_pair()
    both = WithBias(model, bias).double().train()
    assert not bias.training
    assert both.training
    x = random_input(dna(), 80)
    found, alone, frozen = both(x), model(x), bias(x[..., 5:75])
    torch.testing.assert_close(found["profile"], alone["profile"] + frozen["profile"])
    # Where predictions are counts at all, counts add up.
    a, b = torch.rand(50, dtype=torch.float64) * 9, torch.rand(50, dtype=torch.float64) * 9
    from strandwise.models.bias import _added

    head = model.heads[1]
    torch.testing.assert_close(torch.expm1(_added(head, torch.log1p(a), torch.log1p(b))), a + b)
    torch.stack([value.sum() for value in found.values()]).sum().backward()
    assert all(weight.grad is None for weight in bias.parameters())
    assert all(weight.grad is not None for weight in model.parameters())


def test_a_bias_network_whose_strands_disagree_is_refused() -> None:
    model, bias = bias_pair("standard")
    with pytest.raises(StrandLawError, match=r"strands of the bias network disagree by .* give Conjoined\(bias\)"):
        WithBias(model, bias)
    assert WithBias(model, Conjoined(bias)).bias_bp == 70


def test_a_bias_network_that_does_not_fit_is_refused() -> None:
    model, _ = bias_pair()
    with pytest.raises(StrandLawError, match="not longer, and leave an even number"):
        WithBias(model, build("rcps", 71, **BPNet.small))
    other = assemble(
        BPNet(BPNet.Options.model_validate(BPNet.small)),
        profile_heads(("a",), unstranded(1)),
        70,
        StrandSettings(strategy="rcps"),
    )
    with pytest.raises(StrandLawError, match="train the bias network with the same heads"):
        WithBias(model, other)
    short = build("rcps", 60, **BPNet.small)
    with pytest.raises(StrandLawError, match="make both predict the same positions"):
        WithBias(model, short)(random_input(dna(), 80).float())
