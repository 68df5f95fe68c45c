import pytest
import torch
from torch import Tensor, nn

from strandwise.analysis.symmetry import LayerSymmetry, first_break, trace_symmetry
from strandwise.errors import StrandLawError
from strandwise.layers import Conjoined, Conv1d, PerStrand, ReLU, Stack, TypedModule, binary_head
from strandwise.models import ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.strand import StrandType, dna, plain, regular, revcomp, strand_deviation, stranded, unstranded
from strandwise.testing import random_input, randomise

SIZES = {"name": "shrikumar_chip", "filters": 3, "kernel_sizes": (5, 5, 5), "pool_width": 6, "pool_stride": 3}
BP = 63


def build(strategy: str, **settings: object) -> SequenceModel:
    architecture = ModelSettings.model_validate(SIZES).architecture()
    strand = StrandSettings.model_validate({"strategy": strategy, **settings})
    network = assemble(architecture, [binary_head(("a", "b"))], BP, strand)
    randomise(network)
    return network.double()


class Untied(TypedModule):
    """A convolution that declares a lawful type and has ordinary weights."""

    def __init__(self, kind: StrandType, width: int = 5) -> None:
        super().__init__(kind, kind)
        self.conv = nn.Conv1d(kind.channels, kind.channels, width).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def broken_at(stage: int) -> SequenceModel:
    """A tied network whose convolution in one stage is not tied."""
    network = build("rcps")
    network.get_submodule(f"trunk.layers.{stage}.layers")[0] = Untied(regular(3))  # pyright: ignore[reportIndexIssue]
    return network


def names(records: list[LayerSymmetry]) -> list[tuple[str, str]]:
    return [(record.name, record.layer) for record in records]


KINDS = ("Conv1d", "BatchNorm1d", "ReLU", "MaxPool1d")
LAYERS = [
    (f"trunk.layers.{stage}.layers.{i}", kind) for stage in range(3) for i, kind in enumerate(KINDS[: 3 + stage // 2])
]


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
def test_the_untied_layer_is_named(stage: int, dtype: torch.dtype, tolerance: float) -> None:
    network = broken_at(stage).to(dtype)
    records = trace_symmetry(network, random_input(dna(), BP).to(dtype))
    broken = first_break(records, tolerance)
    assert broken is not None
    assert (broken.name, broken.layer) == (f"trunk.layers.{stage}.layers.0", "Untied")
    assert isinstance(network.get_submodule(broken.name), Untied)
    assert broken.type == regular(3)
    before = [record.deviation for record in records[: records.index(broken)]]
    assert len(before) == 3 * stage
    assert max(deviation for deviation in before if deviation is not None) < tolerance / 10
    assert broken.deviation is not None
    assert broken.deviation > 1e-2


def test_every_layer_is_listed_in_order_with_the_deviation_of_a_walk() -> None:
    network = broken_at(1).eval()
    x = random_input(dna(), BP)
    records = trace_symmetry(network, {"sequence": x})
    assert names(records)[:10] == [
        (name, "Untied") if name.endswith("1.layers.0") else (name, kind) for name, kind in LAYERS
    ]
    assert [name for name, _ in names(records)[10:]] == [f"top.layers.bound.layers.{i}" for i in (0, 1)]
    forward, reverse = x, revcomp(x, dna())
    for record in records:
        layer = network.get_submodule(record.name)
        with torch.no_grad():
            forward, reverse = layer(forward), layer(reverse)
        assert record.type == layer.out_type
        assert record.deviation == pytest.approx(strand_deviation(forward, reverse, record.type), rel=1e-9, abs=1e-15)


def test_a_tied_network_never_breaks() -> None:
    records = trace_symmetry(build("rcps"), random_input(dna(), BP))
    assert first_break(records, 1e-10) is None
    assert all(record.keeps_law(1e-12) for record in records)


def test_ordinary_features_have_no_law_from_the_first_layer_on() -> None:
    records = trace_symmetry(build("standard"), random_input(dna(), BP))
    assert names(records)[:10] == LAYERS
    assert [record.deviation for record in records[:10]] == [None] * 10
    assert records[-1].deviation is not None
    assert records[-1].deviation > 1e-3
    assert first_break(records, 1e-10) is records[0]


def test_what_is_lifted_or_merged_is_one_unit() -> None:
    x = random_input(dna(), BP)
    hybrid = trace_symmetry(build("hybrid"), x)
    assert names(hybrid)[0] == ("trunk.layers.0", "PerStrand")
    assert first_break(hybrid, 1e-10) is None
    tail = trace_symmetry(build("hybrid", groups=[[2, 3, 4]]), x)
    assert [*names(tail)[:3], *names(tail)[3:]] == [*LAYERS[:3], ("top", "Conjoined")]
    assert tail[-1].place == "top, output bound"
    whole = trace_symmetry(Conjoined(build("standard")), x)
    assert names(whole) == [("", "Conjoined")]
    assert whole[0].place == "network, output bound"
    assert first_break(whole, 1e-10) is None


def test_units_are_the_callers_to_choose() -> None:
    class Siamese(TypedModule):
        def __init__(self) -> None:
            super().__init__(dna(), unstranded(2))
            self.inner = Conv1d(dna(), plain(2), 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x) + self.inner(revcomp(x, dna())).flip(-1)

    module, x = Siamese().double(), random_input(dna(), 20)
    assert [record.name for record in trace_symmetry(module, x)] == ["inner", "inner", ""]
    (record,) = trace_symmetry(module, x, units=(Siamese,))
    assert record.deviation == pytest.approx(0, abs=1e-12)


class Two(nn.Module):
    """Two inputs, two outputs, one of them along the DNA; a typed layer inside an ordinary container."""

    def __init__(self, lawful: bool) -> None:
        super().__init__()
        self.input_types = {"sequence": dna(), "signal": stranded(1)}
        self.output_types = {"profile": stranded(1), "total": unstranded(1).pooled()}
        self.holder = nn.ModuleDict({"read": Conv1d(dna(), stranded(1), 1)})
        self.lawful = lawful

    def forward(self, sequence: Tensor, signal: Tensor) -> dict[str, Tensor]:
        profile = self.holder["read"](sequence) + signal
        total = profile.sum((1, 2), keepdim=True)[:, 0] if self.lawful else profile[:, :1].sum(2)
        return {"total": total, "profile": profile, "unnamed": signal}


@pytest.mark.parametrize("lawful", [True, False])
def test_several_inputs_and_outputs_by_name(lawful: bool) -> None:
    module = Two(lawful).double()
    inputs = {"signal": random_input(stranded(1), 12), "sequence": random_input(dna(), 12)}
    records = trace_symmetry(module, inputs)
    assert [(record.name, record.output) for record in records] == [
        ("holder.read", ""),
        ("", "profile"),
        ("", "total"),
    ]
    broken = first_break(records, 1e-10)
    assert (broken is None) == lawful
    assert lawful or (broken is not None and broken.output == "total")


def test_a_tensor_handed_on_is_listed_once_and_one_that_is_changed_in_place_again() -> None:
    class InPlace(TypedModule):
        def forward(self, x: Tensor) -> Tensor:
            return x.add_(torch.arange(x.shape[-1]))

    class Same(TypedModule):
        def forward(self, x: Tensor) -> Tensor:
            return x

    kind = regular(2)
    module = Stack(Conv1d(dna(), kind, 5), Same(kind, kind), InPlace(kind, kind), Same(kind, plain(4))).double()
    records = trace_symmetry(module, random_input(dna(), 20))
    assert [record.layer for record in records] == ["Conv1d", "InPlace", "Same"]
    broken = first_break(records, 1e-10)
    assert broken is not None
    assert broken.layer == "InPlace"


def test_a_layer_that_runs_twice_is_listed_twice() -> None:
    relu = ReLU(regular(2))
    module = Stack(Conv1d(dna(), regular(2), 5), relu, Conv1d(regular(2), regular(2), 3), relu).double()
    records = trace_symmetry(module, random_input(dna(), 20))
    assert [record.layer for record in records] == ["Conv1d", "ReLU", "Conv1d", "ReLU"]


def test_the_callers_network_stays_as_it_was() -> None:
    network = build("rcps").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.inference_mode():
        records = trace_symmetry(network, random_input(dna(), BP))
    assert [record.deviation for record in records] == [
        record.deviation for record in trace_symmetry(network, random_input(dna(), BP))
    ]
    assert all(module.training and not module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_deviation_that_is_not_a_number_breaks_the_law() -> None:
    assert not LayerSymmetry("x", "X", "", dna(), float("nan")).keeps_law(1e-4)


class Gives(TypedModule):
    """Declares a type and gives what it is told to."""

    def __init__(self, give: object) -> None:
        super().__init__(dna(), regular(3))
        self.give = give

    def forward(self, x: Tensor) -> object:
        return self.give


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (torch.zeros(6, 5, 20), r"layer \(Gives\): a tensor of shape .* is not of type regular\(3\)"),
        (torch.zeros(3, 6, 20), r"layer \(Gives\) gives 3 rows .* batch on the first axis"),
        ((torch.zeros(6, 6, 20), None), r"layer \(Gives\) declares the output 'output' and does not give it"),
        ({"other": torch.zeros(6, 6, 20)}, r"declares the output 'output' and does not give it"),
    ],
)
def test_a_layer_that_does_not_keep_its_word_is_named(give: object, message: str) -> None:
    class Around(nn.Module):
        in_type = dna()
        out_type = regular(3)

        def __init__(self) -> None:
            super().__init__()
            self.layer = Gives(give)

        def forward(self, x: Tensor) -> object:
            return self.layer(x)

    with pytest.raises(StrandLawError, match=message):
        trace_symmetry(Around(), random_input(dna(), 20))


def test_a_network_without_types_or_inputs_is_refused() -> None:
    with pytest.raises(StrandLawError, match="Conv1d declares no strand types"):
        trace_symmetry(nn.Conv1d(4, 4, 3), random_input(dna(), 20))
    with pytest.raises(StrandLawError, match="Two reads sequence, signal, and was given sequence: give one batch"):
        trace_symmetry(Two(True), random_input(dna(), 20))


def test_a_lifted_module_of_somebody_else_is_lawful() -> None:
    mine = PerStrand(nn.Sequential(nn.Conv1d(4, 3, 8), nn.ReLU()), dna(), out_channels=3).double()
    (record,) = trace_symmetry(mine, random_input(dna(), 20))
    assert record.keeps_law(1e-12)
    assert (record.place, record.layer, str(record.type)) == ("network", "PerStrand", "regular(3)")
