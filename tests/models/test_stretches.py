from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers import Conjoined, Merge, PerStrand, binary_head, coverage_head, profile_heads
from strandwise.models import Architecture, Bins, Ensemble, ModelSettings, StrandSettings, WithBias, assemble
from strandwise.models.assembly import SequenceModel
from strandwise.models.stretches import Shared, Stretched, stretched
from strandwise.strand import dna, stranded, unstranded
from strandwise.testing import random_input, randomise

pytestmark = pytest.mark.usefixtures("one_thread")

STRATEGIES = ("standard", "rcps", "hybrid")


def architecture(name: str, **sizes: Any) -> Architecture:
    return ModelSettings.model_validate({"name": name, **sizes}).architecture()


def bpnet(
    strategy: str, padding: str = "valid", signal: bool = False, input_bp: int = 80, stem_width: int = 5
) -> SequenceModel:
    model = architecture("bpnet", filters=3, stem_width=stem_width, dilated_layers=3, profile_width=5, padding=padding)
    heads = profile_heads(("+", "-"), stranded(1))
    beside = unstranded(2) if signal else None
    return made(assemble(model, heads, input_bp, StrandSettings(strategy=strategy), signal=beside))


def chip(strategy: str) -> SequenceModel:
    model = architecture("shrikumar_chip", filters=3, kernel_sizes=(5, 4, 4), pool_width=8, pool_stride=4)
    return made(assemble(model, [binary_head(("a",))], 82, StrandSettings(strategy=strategy)))


def made(network: SequenceModel) -> SequenceModel:
    randomise(network)
    return network.double().eval()


def shared(fast: Stretched) -> Shared:
    (part,) = (part for part in fast.modules() if isinstance(part, Shared))
    return part


def window_by_window(network: nn.Module, inputs: dict[str, Tensor], input_bp: int, step: int) -> dict[str, Tensor]:
    """The slow twin: each window cut out and read by itself."""
    length = inputs["sequence"].shape[-1]
    rows = [
        network(**{name: x[row : row + 1, :, at : at + input_bp] for name, x in inputs.items()})
        for row in range(len(inputs["sequence"]))
        for at in range(0, length - input_bp + 1, step)
    ]
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


@pytest.mark.parametrize("merge", [None, Merge(), Merge("max"), Merge(after_link=True)])
@pytest.mark.parametrize("signal", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("windows", [1, 2, 5])
def test_stretches_say_what_windows_say(strategy: str, signal: bool, windows: int, merge: Merge | None) -> None:
    network = bpnet(strategy, signal=signal)
    fast = stretched(network, 30, merge)
    assert fast is not None
    assert shared(fast).own is None
    length = fast.stretch_bp(windows)
    inputs = {name: random_input(kind, length, batch=2) for name, kind in network.input_types.items()}
    slow = network if merge is None else Conjoined(network, merge)
    with torch.no_grad():
        found, expected = fast(**inputs), window_by_window(slow, inputs, 80, 30)
    for name, said in expected.items():
        assert torch.allclose(found[name], said, atol=1e-10, rtol=1e-10)


def beside_bias(strategy: str) -> WithBias:
    model = bpnet(strategy, signal=True, input_bp=82, stem_width=7)
    bias = bpnet("standard")
    return WithBias(model, Conjoined(bias)).eval()


def ensemble(*members: nn.Module, on: Any = "predictions") -> Ensemble:
    return Ensemble(members, on).eval()


COMPOSED: dict[str, Callable[[], nn.Module]] = {
    "bias": lambda: beside_bias("standard"),
    "bias, shared weights": lambda: beside_bias("rcps"),
    "members": lambda: ensemble(bpnet("rcps"), bpnet("standard", input_bp=84, stem_width=9)),
    "conjoined members": lambda: ensemble(
        Conjoined(bpnet("standard"), Merge("max")), Conjoined(bpnet("rcps"), Merge(after_link=True)), on="logits"
    ),
    "members with bias": lambda: ensemble(beside_bias("standard"), Conjoined(beside_bias("standard"))),
}


@pytest.mark.parametrize("merge", [None, Merge(), Merge(after_link=True)])
@pytest.mark.parametrize("windows", [1, 4])
@pytest.mark.parametrize("made_of", COMPOSED)
def test_networks_made_of_several_say_what_windows_say(made_of: str, windows: int, merge: Merge | None) -> None:
    network = COMPOSED[made_of]()
    assert isinstance(network, WithBias | Ensemble)
    fast = stretched(network, 30, merge)
    assert fast is not None
    length = fast.stretch_bp(windows)
    inputs = {name: random_input(kind, length, batch=2) for name, kind in network.input_types.items()}
    slow = network if merge is None else Conjoined(network, merge)
    with torch.no_grad():
        found, expected = fast(**inputs), window_by_window(slow, inputs, network.input_bp, 30)
    for name, said in expected.items():
        assert torch.allclose(found[name], said, atol=1e-10, rtol=1e-10)


def test_one_part_that_must_be_read_by_windows_decides_for_all() -> None:
    assert stretched(ensemble(bpnet("standard"), bpnet("standard")), 30) is not None
    same = bpnet("standard", padding="same")
    assert stretched(ensemble(same, same), 30) is None
    assert stretched(ensemble(same, bpnet("standard")), 30) is None


@pytest.mark.parametrize(("step", "in_step"), [(4, True), (12, True), (5, False)])
@pytest.mark.parametrize("strategy", ["standard", "rcps"])
def test_pooling_is_shared_where_it_keeps_step(strategy: str, step: int, in_step: bool) -> None:
    network = chip(strategy)
    fast = stretched(network, step)
    assert fast is not None
    # All convolutions run over the stretch; what pools runs there only if every window begins with a pooling window.
    # Where strands share weights pooling is made for windows of one length.
    assert (shared(fast).own is None) == (in_step and strategy == "standard")
    x = random_input(dna(), fast.stretch_bp(6), batch=2)
    with torch.no_grad():
        found, expected = fast(sequence=x), window_by_window(network, {"sequence": x}, 82, step)
    assert torch.allclose(found["bound"], expected["bound"], atol=1e-10)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_padding_is_not_exact_over_a_stretch(strategy: str) -> None:
    assert stretched(bpnet(strategy, padding="same"), 30) is None


def test_windows_that_do_not_overlap_gain_nothing() -> None:
    assert stretched(bpnet("standard"), 80) is None


def test_models_of_bins_that_pad_are_read_window_by_window() -> None:
    model = architecture("gopher_bpnet", filters=3, dilated_layers=2)
    heads = [coverage_head(("a",), unstranded(1))]
    network = assemble(model, heads, 80, StrandSettings(strategy="standard"), bins=Bins(20, 4))
    assert stretched(made(network), 40) is None


def test_controls_belong_to_each_window() -> None:
    model = architecture("bpnet", filters=3, stem_width=5, dilated_layers=2, profile_width=5)
    heads = profile_heads(("+", "-"), stranded(1))
    network = assemble(model, heads, 80, StrandSettings(strategy="rcps"), control=stranded(1))
    assert stretched(made(network), 30) is None


def test_modules_of_others_are_read_window_by_window() -> None:
    assert stretched(nn.Conv1d(4, 2, 3), 10) is None


def test_the_network_is_not_changed() -> None:
    network = bpnet("standard").float()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fast = stretched(network, 30)
    assert isinstance(fast, Stretched)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert next(network.parameters()).dtype == torch.float32


def test_a_stretch_of_another_length_is_refused() -> None:
    fast = stretched(bpnet("standard"), 30)
    assert fast is not None
    with pytest.raises(StrandLawError, match="give it 80 bp"):
        fast(sequence=random_input(dna(), 100))


def test_position_dependent_layers_stop_the_stretch() -> None:
    class Ramp(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.linspace(1, 2, x.shape[-1], dtype=x.dtype)

    network = bpnet("standard")
    assert network.trunk is not None
    layers = list(network.trunk.layers)
    lifted = PerStrand(Ramp(), dna(), out_channels=4)
    # Put in by hand: such a layer gives another answer at the same base in each window.
    lifted.in_type = lifted.out_type = layers[1].in_type  # pyright: ignore[reportAttributeAccessIssue]
    lifted.forward = lambda x: Ramp()(x)
    network.trunk.layers = nn.ModuleList([layers[0], lifted, *layers[1:]])
    fast = stretched(network, 30)
    assert fast is not None
    assert len(shared(fast).shared.layers) == 2  # The first convolution and its ReLU.
