"""The strand law of every architecture under every strategy, in float64, and what strategies share."""

import itertools
from typing import Any

import pytest
import torch

from strandwise.errors import ConfigError, StrandLawError
from strandwise.layers import Conjoined, Head, binary_head, coverage_head, dense_head, freeze
from strandwise.models import MODELS, STRATEGIES, Bins, Ensemble, SequenceModel, StrandSettings, assemble
from strandwise.models.ensemble import Scale
from strandwise.strand import StrandType, dna, odd, revcomp, stranded, unstranded
from strandwise.testing import assert_strand_law, random_input, randomise

HEADS = [binary_head(("a", "b")), binary_head(("only",))]


def build(name: str, strand: StrandSettings, heads: int = 2, length: int | None = None) -> SequenceModel:
    kind = MODELS[name]
    architecture = kind(kind.Options.model_validate(kind.small))
    return assemble(architecture, [HEADS[0] if heads == 2 else HEADS[1]], length or kind.small_bp, strand)


def has_groups(name: str) -> bool:
    kind = MODELS[name]
    return len(kind(kind.Options.model_validate(kind.small)).stages()) > 1


LAWFUL = [
    (model, name)
    for model in MODELS
    for name, rules in STRATEGIES.items()
    if rules.lawful and (not rules.grouped or has_groups(model))
]


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("extra", [0, 1, 2])
@pytest.mark.parametrize(("model", "strategy"), LAWFUL)
def test_lawful_strategies_obey(model: str, strategy: str, extra: int, heads: int) -> None:
    # Lengths that pooling fits, and lengths that it does not.
    length = MODELS[model].small_bp + extra
    network = build(model, StrandSettings(strategy=strategy), heads, length)
    asked = Conjoined(network) if STRATEGIES[strategy].conjoin_in_prediction else network
    assert_strand_law(asked, lengths=(length,))


SIGNALS = [unstranded(2), stranded(1), stranded(1) + unstranded(1), odd(1)]


@pytest.mark.parametrize("signal", SIGNALS, ids=str)
@pytest.mark.parametrize(("model", "strategy"), LAWFUL)
def test_signal_beside_the_dna_obeys(model: str, strategy: str, signal: StrandType) -> None:
    kind, strand = MODELS[model], StrandSettings(strategy=strategy)
    architecture = kind(kind.Options.model_validate(kind.small))
    network = assemble(architecture, [HEADS[0]], kind.small_bp, strand, signal=signal)
    assert list(network.input_types) == ["sequence", "signal"]
    asked = Conjoined(network) if STRATEGIES[strategy].conjoin_in_prediction else network
    assert_strand_law(asked, lengths=(kind.small_bp,))


# Every strategy, each form of the network, and metadata beside a readout that is lifted with the stages before it.
GLOBAL = {"pooling": "global", "pool_width": None, "recurrent": 0}
TOLD: list[tuple[dict, dict]] = [
    *(({"strategy": name}, {}) for model, name in LAWFUL if model == "factornet"),
    ({"strategy": "conjoined", "merge_after_link": True}, {}),
    ({"strategy": "rcps"}, {"recurrent": 0}),
    ({"strategy": "rcps"}, GLOBAL),
    ({"strategy": "hybrid"}, GLOBAL),
    ({"strategy": "hybrid", "groups": [[2, 3, 4]]}, {}),
    ({"strategy": "hybrid", "groups": [[1, 2, 3]]}, GLOBAL),
]


@pytest.mark.parametrize("metadata", [unstranded(3).pooled(), stranded(1).pooled(), odd(2).pooled()], ids=str)
@pytest.mark.parametrize(("strand", "options"), TOLD, ids=lambda given: str(given).translate({39: None}))
def test_metadata_beside_the_features_obeys(strand: dict, options: dict, metadata: StrandType) -> None:
    kind, settings = MODELS["factornet"], StrandSettings.model_validate(strand)
    architecture, length = kind(kind.Options.model_validate({**kind.small, **options})), kind.small_bp + 1
    network = assemble(architecture, [HEADS[0]], length, settings, signal=unstranded(1), metadata=metadata)
    assert list(network.input_types) == ["sequence", "signal", "metadata"]
    asked = Conjoined(network, settings.answers) if settings.rules.conjoin_in_prediction else network
    assert_strand_law(asked, lengths=(length,))


BINNED = [(model, name, bins) for model, name in LAWFUL for bins in MODELS[model].small_bins]


@pytest.mark.parametrize(
    "head", [dense_head(("a", "b")), coverage_head(("a+", "a-", "b"), stranded(1) + unstranded(1))]
)
@pytest.mark.parametrize(("model", "strategy", "bins"), BINNED)
def test_answers_for_each_bin_obey(model: str, strategy: str, bins: Bins, head: Head) -> None:
    kind, strand = MODELS[model], StrandSettings(strategy=strategy)
    architecture = kind(kind.Options.model_validate(kind.small))
    network = assemble(architecture, [head], kind.small_bp, strand, bins=bins)
    x = torch.zeros(1, 4, kind.small_bp)
    assert network(x)[head.name].shape == (1, len(head.tracks), bins.number)
    asked = Conjoined(network) if STRATEGIES[strategy].conjoin_in_prediction else network
    assert_strand_law(asked, lengths=(kind.small_bp,))


@pytest.mark.parametrize("model", MODELS)
def test_what_it_says_it_answers_is_in_the_table(model: str) -> None:
    kind = MODELS[model]
    assert ("bins" in kind.answers) == bool(kind.small_bins)
    assert kind.answers


def test_an_input_that_the_network_does_not_read_is_refused() -> None:
    kind = MODELS["shrikumar_simulated"]
    architecture = kind(kind.Options.model_validate(kind.small))
    alone = build("shrikumar_simulated", StrandSettings(strategy="rcps"))
    beside = assemble(architecture, [HEADS[0]], kind.small_bp, StrandSettings(strategy="rcps"), signal=unstranded(1))
    x, signal = torch.zeros(1, 4, kind.small_bp), torch.zeros(1, 1, kind.small_bp)
    torch.testing.assert_close(beside(x, signal), beside(signal=signal, sequence=x))
    with pytest.raises(StrandLawError, match="reads signal beside the sequence: give 'signal' too"):
        beside(x)
    with pytest.raises(StrandLawError, match="made without signal beside the sequence: make it with signal="):
        alone(x, signal=signal)


@pytest.mark.parametrize("strategy", ["standard", "augmented"])
@pytest.mark.parametrize("model", MODELS)
def test_unlawful_strategies_visibly_do_not(model: str, strategy: str) -> None:
    network = build(model, StrandSettings(strategy=strategy))
    with pytest.raises(AssertionError, match="breaks the strand law"):
        assert_strand_law(network, lengths=(MODELS[model].small_bp,), tolerance=1e-4)


GROUPINGS = [[[1, 2]], [[2, 3]], [[1, 2, 3]], [[1, 2], [3, 4]], [[1], [2, 3, 4]], [[1, 2, 3, 4]]]


@pytest.mark.parametrize("groups", GROUPINGS, ids=str)
@pytest.mark.parametrize("extra", [0, 1])
def test_any_grouping_obeys(groups: list[list[int]], extra: int) -> None:
    length = MODELS["shrikumar_chip"].small_bp + extra
    strand = StrandSettings(strategy="hybrid", groups=groups)  # pyright: ignore[reportArgumentType]
    assert_strand_law(build("shrikumar_chip", strand, length=length), lengths=(length,))


@pytest.mark.parametrize("train", [False, True])
def test_groups_of_one_stage_are_rcps(train: bool) -> None:
    strand = StrandSettings(strategy="hybrid", groups=((1,), (2,), (3,)))
    hybrid = build("shrikumar_chip", strand).double().train(train)
    rcps = build("shrikumar_chip", StrandSettings(strategy="rcps")).double().train(train)
    randomise(hybrid)
    rcps.load_state_dict(hybrid.state_dict())
    x = random_input(dna(), hybrid.input_bp)
    torch.testing.assert_close(hybrid(x), rcps(x), rtol=0, atol=1e-10)


@pytest.mark.parametrize("train", [False, True])
def test_one_group_of_everything_is_conjoined(train: bool) -> None:
    hybrid = build("shrikumar_chip", StrandSettings(strategy="hybrid", groups=((1, 2, 3, 4),))).double().train(train)
    inner = build("shrikumar_chip", StrandSettings(strategy="conjoined")).double().train(train)
    randomise(inner)
    # The same weights in the same order, under other names.
    values = [value for name, value in inner.state_dict().items() if name.startswith("trunk")]
    values += [value for name, value in inner.state_dict().items() if name.startswith("top")]
    hybrid.load_state_dict(dict(zip(hybrid.state_dict(), values, strict=True)))
    x = random_input(dna(), hybrid.input_bp)
    torch.testing.assert_close(hybrid(x), Conjoined(inner)(x), rtol=0, atol=1e-10)


@pytest.mark.parametrize("train", [False, True])
def test_a_lifted_stage_is_the_tied_stage(train: bool) -> None:
    """PerStrand around one ordinary stage equals the stage on tied weights."""
    from strandwise.layers import BatchNorm1d, Conv1d, MaxPool1d, PerStrand, ReLU, Stack
    from strandwise.strand import plain, regular

    inner = Stack(Conv1d(dna(), plain(3), 4), BatchNorm1d(plain(3)), ReLU(plain(3)), MaxPool1d(plain(3), 3, 2))
    both = regular(3)
    pool = MaxPool1d(both, 3, 2, in_length=17, lifted=True)
    tied = Stack(Conv1d(dna(), both, 4), BatchNorm1d(both), ReLU(both), pool)
    lifted = PerStrand(inner, dna()).double().train(train)
    tied = tied.double().train(train)
    randomise(lifted)
    flat = {name: value.flatten() for name, value in inner.state_dict().items()}
    tied.load_state_dict(flat)
    x = random_input(dna(), 20)
    torch.testing.assert_close(lifted(x), tied(x), rtol=0, atol=1e-10)
    # Running statistics must agree too, or the two part ways after training.
    mine, theirs = inner.layers[1], tied.layers[1]
    torch.testing.assert_close(mine.running_mean, theirs.running_mean)


@pytest.mark.parametrize(("model", "strategy"), LAWFUL + [(model, "standard") for model in MODELS])
@pytest.mark.parametrize("extra", [0, 1])
def test_frozen_models_are_plain_torch_and_agree(model: str, strategy: str, extra: int) -> None:
    length = MODELS[model].small_bp + extra
    network = build(model, StrandSettings(strategy=strategy), length=length).double().eval()
    randomise(network)
    asked = Conjoined(network) if STRATEGIES[strategy].conjoin_in_prediction else network
    x = random_input(dna(), length)
    frozen = freeze(asked)
    torch.testing.assert_close(frozen(x), asked(x), rtol=0, atol=1e-12)
    assert not any("free" in name for name, _ in frozen.named_parameters())


def test_conjoined_is_the_mean_of_two_calls() -> None:
    network = build("shrikumar_chip", StrandSettings(strategy="posthoc")).double().eval()
    randomise(network)
    x = random_input(dna(), network.input_bp)
    expected = (network(x)["bound"] + network(revcomp(x, dna()))["bound"]) / 2
    torch.testing.assert_close(Conjoined(network)(x)["bound"], expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(Conjoined(network)(sequence=x)["bound"], expected, rtol=0, atol=1e-12)


def test_a_single_stage_refuses_hybrid() -> None:
    with pytest.raises(ConfigError, match="use strategy 'rcps'"):
        build("shrikumar_simulated", StrandSettings(strategy="hybrid"))


def test_groups_past_the_readout_are_refused() -> None:
    with pytest.raises(ConfigError, match="names stage 9, and this model has 1 conv1, 2 conv2, 3 conv3 and 4 readout"):
        build("shrikumar_chip", StrandSettings(strategy="hybrid", groups=((8, 9),)))


# Every way to merge that a strategy knows: answers by mean or maximum, before the link or after it; features by sum or
# mean.
MERGED = [
    {"strategy": strategy, **how}
    for strategy, ways in {
        "conjoined": [{"merge": "mean"}, {"merge": "max"}, {"merge_after_link": True}],
        "posthoc": [{"merge": "mean"}, {"merge": "max"}, {"merge_after_link": True}, {"augmentation": "none"}],
        "rcps": [{"merge": "sum"}, {"merge": "mean"}],
        "hybrid": [{"merge": "sum"}, {"merge": "mean"}, {"merge": "mean", "groups": [[1, 2]]}],
    }.items()
    for how in ways
]


MERGED_MODELS = [
    (model, table) for table in MERGED for model in MODELS if table["strategy"] != "hybrid" or has_groups(model)
]


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize(("model", "table"), MERGED_MODELS, ids=lambda given: str(given).translate({39: None}))
def test_every_way_to_merge_obeys(model: str, table: dict, extra: int) -> None:
    strand = StrandSettings.model_validate(table)
    length = MODELS[model].small_bp + extra
    network = build(model, strand, length=length)
    asked = Conjoined(network, strand.answers) if strand.rules.conjoin_in_prediction else network
    assert_strand_law(asked, lengths=(length,))


WAYS = ["conjoined", "posthoc", "rcps", "hybrid"]


def member(name: str, strategy: str, seed: int, **beside: Any) -> torch.nn.Module:
    kind, strand = MODELS[name], StrandSettings(strategy=strategy)
    architecture = kind(kind.Options.model_validate(kind.small))
    network = randomise(assemble(architecture, strand=strand, **beside), seed)
    return Conjoined(network, strand.answers) if strand.rules.conjoin_in_prediction else network


@pytest.mark.parametrize("on", ["predictions", "logits"])
@pytest.mark.parametrize(("first", "second"), [*itertools.combinations_with_replacement(WAYS, 2)])
def test_ensembles_of_lawful_members_obey(first: str, second: str, on: Scale) -> None:
    # Of two architectures and three lengths; weights differ between members and stay as they are.
    length = MODELS["shrikumar_chip"].small_bp
    beside = {"heads": [HEADS[0]], "signal": stranded(1)}
    members = [
        member("shrikumar_chip", first, 0, input_bp=length + 4, **beside),
        member("shrikumar_chip", second, 1, input_bp=length + 2, **beside),
        member("shrikumar_simulated", "rcps", 2, input_bp=length, **beside),
    ]
    assert_strand_law(Ensemble(members, on), lengths=(length + 4,), randomised=False)


@pytest.mark.parametrize("head", [dense_head(("a", "b")), coverage_head(("a+", "a-"), stranded(1))])
@pytest.mark.parametrize("second", WAYS)
def test_ensembles_of_bins_obey(second: str, head: Head) -> None:
    kind = MODELS["basenji"]
    beside = {"heads": [head], "input_bp": kind.small_bp, "bins": kind.small_bins[0]}
    members = [member("basenji", "rcps", 0, **beside), member("basenji", second, 1, **beside)]
    assert_strand_law(Ensemble(members), lengths=(kind.small_bp,), randomised=False)


def test_one_unlawful_member_shows_in_an_ensemble() -> None:
    length = MODELS["shrikumar_chip"].small_bp
    members = [
        member("shrikumar_chip", way, seed, heads=[HEADS[0]], input_bp=length)
        for seed, way in enumerate(["rcps", "augmented"])
    ]
    with pytest.raises(AssertionError, match="Ensemble breaks the strand law"):
        assert_strand_law(Ensemble(members), lengths=(length,), tolerance=1e-4, randomised=False)
