"""That conversion and freezing change no prediction: every strategy, lengths that pooling fits and that it does not."""

import io

import pytest
import torch
from torch import Tensor, nn

from strandwise.layers import Conjoined, Head, binary_head, freeze
from strandwise.layers.tying import TiedParameter
from strandwise.models import MODELS, STRATEGIES, SequenceModel, StrandSettings, as_rcps, assemble
from strandwise.strand import dna, odd, stranded
from strandwise.testing import assert_strand_law, random_input, randomise

NAMES = ["shrikumar_chip", "shrikumar_simulated"]
ORDINARY = ["standard", "augmented", "conjoined", "posthoc"]
HEADS = [
    binary_head(("a", "b")),
    binary_head(("only",)),
    Head("strands", stranded(1).pooled(), ("+", "-")),
    Head("asymmetry", odd(2).pooled(), ("x", "y")),
]


def build(name: str, heads: list[Head], length: int, strand: StrandSettings, readout: str = "auto") -> SequenceModel:
    kind = MODELS[name]
    return assemble(kind(kind.Options.model_validate({**kind.small, "readout": readout})), heads, length, strand)


def groups(*members: tuple[int, ...]) -> StrandSettings:
    return StrandSettings(strategy="hybrid", groups=members)


def on_both(network: SequenceModel, x: Tensor) -> dict[str, Tensor]:
    return Conjoined(network)(x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("extra", [0, 1, 2])
@pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{head.type}")
@pytest.mark.parametrize("name", NAMES)
def test_shared_weights_predict_what_the_average_predicts(
    name: str, head: Head, extra: int, train: bool, dtype: torch.dtype
) -> None:
    length = MODELS[name].small_bp + extra
    network = build(name, [head], length, StrandSettings(strategy="conjoined"))
    randomise(network.to(dtype)).train(train)
    twin = as_rcps(network)
    assert twin.training == train
    x = random_input(dna(), length).to(dtype)
    tolerance = 1e-10 if dtype == torch.float64 else 1e-6
    torch.testing.assert_close(twin(x), on_both(network, x), rtol=tolerance, atol=tolerance)
    # And the running statistics that a pass in train mode leaves behind.
    ours = {key: value for key, value in network.state_dict().items() if "running" in key}
    theirs = {key: value for key, value in twin.state_dict().items() if "running" in key}
    torch.testing.assert_close(theirs, ours, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{head.type}")
@pytest.mark.parametrize("name", NAMES)
def test_a_weighted_sum_converts(name: str, head: Head) -> None:
    length = MODELS[name].small_bp + 1
    network = build(name, [head], length, StrandSettings(strategy="posthoc"), "weighted_sum").double().eval()
    randomise(network)
    twin = as_rcps(network)
    x = random_input(dna(), length)
    torch.testing.assert_close(twin(x), on_both(network, x), rtol=0, atol=1e-10)
    again = build(name, [head], length, StrandSettings(strategy="rcps"), "weighted_sum").double().eval()
    again.load_state_dict(twin.state_dict())
    assert torch.equal(again(x)[head.name], twin(x)[head.name])


@pytest.mark.parametrize("strategy", ORDINARY)
@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("name", NAMES)
def test_the_twin_is_the_network_assembled_for_rcps(name: str, extra: int, strategy: str) -> None:
    length = MODELS[name].small_bp + extra
    network = build(name, HEADS[:1], length, StrandSettings(strategy=strategy)).double().eval()
    randomise(network)
    twin = as_rcps(network)
    rcps = build(name, HEADS[:1], length, StrandSettings(strategy="rcps"), "dense").double().eval()
    rcps.load_state_dict(twin.state_dict())
    x = random_input(dna(), length)
    torch.testing.assert_close(rcps(x), on_both(network, x), rtol=0, atol=1e-10)
    assert str(rcps) == str(twin)
    assert (twin.heads, twin.input_bp) == (network.heads, network.input_bp)
    assert_strand_law(twin, lengths=(length,), randomised=False)


HYBRIDS = [
    groups((1, 2)),
    groups((2, 3)),
    groups((1, 2, 3)),
    groups((1, 2), (3, 4)),
    groups((1,), (2, 3, 4)),
    groups((1, 2, 3, 4)),
    StrandSettings(strategy="hybrid", groups=((1, 2),), merge="mean"),
    StrandSettings(strategy="rcps"),
]


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("strand", HYBRIDS, ids=lambda strand: f"{strand.strategy}{strand.groups}{strand.merge}")
def test_lifted_groups_become_layers_of_their_own(strand: StrandSettings, extra: int, train: bool) -> None:
    length = MODELS["shrikumar_chip"].small_bp + extra
    heads = [HEADS[0], HEADS[2]]
    network = randomise(build("shrikumar_chip", heads, length, strand).double()).train(train)
    assert isinstance(network, SequenceModel)
    twin = as_rcps(network)
    x = random_input(dna(), length)
    torch.testing.assert_close(twin(x), network(x), rtol=0, atol=1e-10)
    whole = strand.groups is not None and strand.groups[-1][-1] == 4
    settings = StrandSettings(strategy="rcps", merge=strand.merge)
    rcps = build("shrikumar_chip", heads, length, settings, "dense" if whole else "auto").double().eval()
    rcps.load_state_dict(twin.state_dict())
    assert torch.equal(rcps(x)["bound"], twin.eval()(x)["bound"])


def test_a_network_trained_conjoined_converts() -> None:
    torch.manual_seed(0)
    network = build("shrikumar_chip", HEADS[:1], 65, StrandSettings(strategy="conjoined"))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    x = random_input(dna(), 65, batch=16).float()
    y = torch.randint(0, 2, (16, 2)).float()
    before = on_both(network, x)["bound"].detach()
    for _ in range(5):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(Conjoined(network)(x)["bound"], y).backward()
        optimizer.step()
    expected = on_both(network.eval(), x)["bound"]
    assert (expected - before).abs().max() > 0.01
    torch.testing.assert_close(as_rcps(network)(x)["bound"], expected, rtol=1e-6, atol=1e-6)


def test_the_twin_goes_on_learning_between_the_strands() -> None:
    network = randomise(build("shrikumar_chip", HEADS[:1], 64, StrandSettings(strategy="conjoined"))).eval()
    assert isinstance(network, SequenceModel)
    twin = as_rcps(network)
    x = random_input(dna(), 64).float()
    twin(x)["bound"].square().sum().backward()
    weight = twin.get_submodule("trunk.layers.1.layers.0.weight")
    assert isinstance(weight, TiedParameter)
    full = weight()
    (across,) = torch.autograd.grad(full[:3, 3:].sum(), weight.free)
    assert not full[:3, 3:].any()
    assert weight.free.grad is not None
    assert (weight.free.grad * across).any()


EVERY = [
    (name, strategy)
    for name in NAMES
    for strategy, rules in STRATEGIES.items()
    if not rules.grouped or name == "shrikumar_chip"
]


def asked(name: str, strategy: str, length: int) -> nn.Module:
    network = build(name, [HEADS[0], HEADS[2]], length, StrandSettings(strategy=strategy)).double().eval()
    randomise(network)
    return Conjoined(network) if STRATEGIES[strategy].conjoin_in_prediction else network


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize(("name", "strategy"), EVERY)
def test_a_frozen_network_goes_through_torch_export(name: str, strategy: str, extra: int) -> None:
    length = MODELS[name].small_bp + extra
    model = asked(name, strategy, length)
    frozen = freeze(model)
    batch = torch.export.Dim("batch", min=1, max=4096)
    # What reads both strands as one batch goes through for the one size of batch it is shown.
    shapes = None if isinstance(model, Conjoined) or strategy == "hybrid" else ({0: batch},)
    program = torch.export.export(frozen, (random_input(dna(), length, batch=5),), dynamic_shapes=shapes)
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    delivered = torch.export.load(file).module()
    x = random_input(dna(), length, batch=5, seed=1)
    torch.testing.assert_close(delivered(x), model(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "strategy"), EVERY)
def test_a_frozen_network_computes_in_torch_layers_alone(
    name: str, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    length = MODELS[name].small_bp
    frozen = freeze(asked(name, strategy, length))
    ours = {type(module).__name__ for module in frozen.modules() if not type(module).__module__.startswith("torch.nn")}
    assert ours <= {"SequenceModel", "Readouts", "Conjoined", "PerStrand"}
    assert strategy != "rcps" or ours == {"SequenceModel", "Readouts"}
    assert strategy != "hybrid" or ours == {"SequenceModel", "Readouts", "PerStrand"}
    kept = torch.load(_saved(frozen), weights_only=False)
    x = random_input(dna(), length)
    expected = frozen(x)
    monkeypatch.setattr("strandwise.layers.conv.convolve", _forbidden)
    torch.testing.assert_close(kept(x), expected, rtol=0, atol=0)


@pytest.mark.parametrize("extra", [0, 1])
def test_a_converted_network_can_be_delivered(extra: int) -> None:
    length = MODELS["shrikumar_chip"].small_bp + extra
    network = build("shrikumar_chip", HEADS[:1], length, StrandSettings(strategy="posthoc")).double().eval()
    randomise(network)
    x = random_input(dna(), length)
    program = torch.export.export(freeze(as_rcps(network)), (x,))
    torch.testing.assert_close(program.module()(x), on_both(network, x), rtol=0, atol=1e-10)


def _saved(module: nn.Module) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return file


def _forbidden(*_: object) -> Tensor:
    raise AssertionError("a layer of ours was used")
