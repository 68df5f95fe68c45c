"""What a network is like, against numbers worked out by hand."""

from typing import Any, ClassVar

import pytest
import torch
from pydantic import PositiveInt

from strandwise.errors import ConfigError, StrandLawError
from strandwise.layers import BatchNorm1d, Conv1d, Dense, Features, GlobalAveragePool, MaxPool1d, ReLU, Stack
from strandwise.models import MODELS, Architecture, ModelSettings, Stage, StrandSettings, assemble
from strandwise.models.architecture import Bins, Hidden
from strandwise.models.bpnet import BPNet
from strandwise.models.shrikumar import ShrikumarChip
from strandwise.models.summary import ModelSummary, list_models, reach_bp, summarize
from strandwise.schema import Settings
from strandwise.strand import StrandType, plain, regular, stranded, unstranded

STANDARD = StrandSettings(strategy="standard")


class Plain(Architecture):
    """A convolution and a ReLU, whose means are read out."""

    class Options(Settings):
        filters: PositiveInt = 3
        width: PositiveInt = 5

    options: Options
    usual_bp: ClassVar[int] = 50

    def stages(self) -> list[Stage]:
        def build(features: Features, hidden: Hidden) -> Stack:
            out = hidden(self.options.filters)
            return Stack(Conv1d(features.type, out, self.options.width), ReLU(out))

        return [Stage("conv", build)]

    def readout(self, features: Features, out_type: StrandType, bins: Bins | None = None) -> Stack:
        if not features.type.positions:
            return Stack(Dense(features.type, out_type))
        pool = GlobalAveragePool(features.type)
        return Stack(pool, Dense(pool.out_type, out_type))


class Deep(Plain):
    """Convolutions in a row, each of its own step, with pooling and dense layers at the end."""

    steps: ClassVar[list[tuple[str, int, int]]] = []

    def stages(self) -> list[Stage]:
        def stage(number: int, kind: str, width: int, step: int) -> Stage:
            def build(features: Features, hidden: Hidden) -> Any:
                out = hidden(2)
                if kind == "pool":
                    return MaxPool1d(features.type, width, step, in_length=features.length, lifted=out.lawful)
                if kind == "dense":
                    return Dense(features.type, out.pooled(), in_length=features.length)
                conv = Conv1d(features.type, out, width, dilation=step, padding="same" if kind == "same" else "valid")
                return Stack(conv, BatchNorm1d(out), ReLU(out))

            return Stage(f"s{number}", build)

        return [stage(number, *given) for number, given in enumerate(self.steps)]


def reach(steps: list[tuple[str, int, int]], length: int, strategy: str) -> int:
    kind = type("Made", (Deep,), {"steps": steps})
    return summarize(kind(Plain.Options()), length, StrandSettings(strategy=strategy)).receptive_bp


@pytest.mark.parametrize("strategy", ["standard", "rcps"])
@pytest.mark.parametrize(
    ("steps", "length", "expected"),
    [
        ([("conv", 7, 1)], 60, 7),
        ([("conv", 1, 1)], 60, 1),
        ([("conv", 7, 1), ("conv", 5, 1)], 61, 11),
        ([("conv", 7, 1), ("same", 3, 4), ("same", 3, 8)], 90, 7 + 8 + 16),
        ([("conv", 7, 1), ("pool", 4, 4)], 86, 10),
        ([("conv", 7, 1), ("pool", 4, 4), ("conv", 3, 1)], 86, 10 + 8),
        ([("conv", 7, 1), ("pool", 4, 4), ("conv", 3, 1), ("dense", 0, 0)], 86, 10 + 8),
        # Wider than the window.
        ([("same", 61, 1), ("same", 61, 1), ("same", 61, 1)], 60, 60),
        ([("dense", 0, 0)], 60, 60),
    ],
)
def test_the_reach_of_layers_in_a_row(
    steps: list[tuple[str, int, int]], length: int, expected: int, strategy: str
) -> None:
    assert reach(steps, length, strategy) == expected


@pytest.mark.parametrize("strategy", ["standard", "rcps", "hybrid"])
def test_the_reach_of_published_networks(strategy: str) -> None:
    strand = StrandSettings(strategy=strategy)
    # Convolutions of 15, 14 and 14, a pool of 40.
    assert summarize(ShrikumarChip(ShrikumarChip.Options()), None, strand).receptive_bp == 15 + 13 + 13 + 39
    # A convolution of 21, then of 3 with dilations of 2, 4, ..., 64.
    bpnet = ModelSettings.model_validate({"name": "bpnet", "filters": 4}).architecture()
    assert summarize(bpnet, 600, strand).receptive_bp == 21 + 2 * (2 + 4 + 8 + 16 + 32 + 64)


def test_the_reach_is_where_a_changed_base_changes_features() -> None:
    """A slow twin: each base is changed in turn, under weights that are all above zero."""
    architecture = ModelSettings.model_validate(
        {"name": "bpnet", "filters": 2, "stem_width": 5, "dilated_layers": 2, "profile_width": 5}
    ).architecture()
    network = assemble(architecture, summary_heads(), 60, STANDARD).double().eval()
    assert network.trunk is not None
    with torch.no_grad():
        for weight in network.parameters():
            weight.fill_(0.1)
        before = network.trunk(torch.zeros(1, 4, 60).double())
        middle = (before.shape[-1] - 1) // 2
        changes = []
        for base in range(60):
            x = torch.zeros(1, 4, 60).double()
            x[..., base] = 1
            changes.append(bool((network.trunk(x) != before)[..., middle].any()))
    assert reach_bp(network.float()) == sum(changes)
    assert not network.training


def summary_heads() -> list[Any]:
    from strandwise.layers import binary_head

    return [binary_head(("t",))]


@pytest.mark.parametrize(("strategy", "strands"), [("standard", 1), ("posthoc", 1), ("rcps", 2), ("conjoined", 2)])
def test_memory_is_what_gradients_need(strategy: str, strands: int) -> None:
    found = summarize(Plain(Plain.Options()), None, StrandSettings(strategy=strategy))
    positions = 50 - 5 + 1
    # DNA for the convolution, what ReLU lets through, and the means for the dense layer; of both strands of DNA where
    # they are read one by one, and of twice the filters where they share them.
    dna = 4 * 50 * (2 if strategy == "conjoined" else 1)
    assert found.activation_bytes == 4 * (dna + strands * (3 * positions + 3))


def test_numbers_and_types() -> None:
    found = summarize(Plain(Plain.Options()), None, STANDARD)
    assert found.input_bp == 50
    assert found.parameters == (4 * 5 + 1) * 3 + 3 + 1
    assert (found.features, found.heads) == (plain(3), (unstranded(1).pooled(),))
    tied = summarize(Plain(Plain.Options()), 40, StrandSettings(strategy="rcps"))
    assert tied.input_bp == 40
    assert (tied.features, tied.parameters) == (regular(3), found.parameters)
    profile = summarize(BPNet(BPNet.Options(filters=2)), 400)
    assert profile.answers == ("profile", "window")
    assert profile.heads == (stranded(1), stranded(1).pooled())
    row = profile.row("bpnet")
    assert (row["features"], row["head"]) == ("plain(2)", "stranded(1)")


def test_the_caller_s_random_numbers_stay() -> None:
    before = torch.get_rng_state()
    summarize(Plain(Plain.Options()))
    assert torch.equal(torch.get_rng_state(), before)


def test_models_are_listed_by_name_and_one_that_does_not_fit_says_why() -> None:
    found = dict(list_models(["bpnet", "shrikumar_simulated"], input_bp=100, strategy="rcps"))
    assert [*found] == ["bpnet", "shrikumar_simulated"]
    assert isinstance(found["shrikumar_simulated"], ModelSummary)
    assert found["shrikumar_simulated"].features == regular(20)
    assert isinstance(found["bpnet"], str)
    assert "widen the input" in found["bpnet"]
    with pytest.raises(StrandLawError, match="widen the input"):
        summarize(BPNet(BPNet.Options()), 100)


def test_every_model_is_listed_if_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int | None]] = []

    def noting(architecture: Architecture, input_bp: int | None, strand: StrandSettings) -> str:
        asked.append((type(architecture).__name__, input_bp))
        return "said"

    monkeypatch.setattr("strandwise.models.summary.summarize", noting)
    assert [*dict(list_models())] == [*MODELS]
    assert asked == [(kind.__name__, None) for kind in MODELS.values()]


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'bpnett' is not one of .* \(did you mean 'bpnet'\?\)\."):
        list_models(["bpnett"])
    with pytest.raises(ConfigError, match=r"strategy 'rcp' is not one of .* \(did you mean 'rcps'\?\)\."):
        list_models(strategy="rcp")
