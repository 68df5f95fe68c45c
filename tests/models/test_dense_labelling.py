"""What the networks for dense labelling share: resizing, the hidden layer, bins in the middle of the window."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from strandwise.errors import ConfigError, StrandLawError
from strandwise.layers import (
    BatchNorm1d,
    Conv1d,
    Dropout,
    Features,
    MaxPool1d,
    PerStrand,
    Stack,
    binary_head,
    dense_head,
    freeze,
)
from strandwise.models import MODELS, Bins, ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.models.dense_labelling import DenseLabelling, Padded, Resizing, same_convolution
from strandwise.strand import dna, plain, regular
from strandwise.testing import assert_strand_law, random_input, randomise

NAMES = [name for name, kind in MODELS.items() if issubclass(kind, DenseLabelling)]


def build(name: str, strategy: str, length: int, bins: Bins | None = None, **options: Any) -> SequenceModel:
    settings = ModelSettings.model_validate({"name": name, **MODELS[name].small, **options})
    return assemble(
        settings.architecture(), [dense_head(("a", "b"))], length, StrandSettings(strategy=strategy), bins=bins
    )


def test_they_are_all_here() -> None:
    assert NAMES == ["cnn1", "cnn3", "cnn7", "dense_bilstm", "dilated", "id_cnn"]


@pytest.mark.parametrize("length", [64, 65, 66, 67, 7])
@pytest.mark.parametrize("strategy", ["standard", "rcps", "hybrid"])
@pytest.mark.parametrize("name", NAMES)
def test_every_base_of_any_window_is_labelled(name: str, strategy: str, length: int) -> None:
    network = build(name, strategy, length)
    with torch.no_grad():
        assert network(random_input(dna(), length).float())["bound"].shape == (3, 2, length)


@pytest.mark.parametrize("strategy", ["standard", "rcps"])
def test_bins_are_the_mean_of_their_bases_in_the_middle(strategy: str) -> None:
    whole = randomise(build("cnn3", strategy, 64).double().eval())
    binned = build("cnn3", strategy, 64, Bins(6, 8)).double().eval()
    binned.load_state_dict(_renamed(whole, binned))
    x = random_input(dna(), 64)
    logits = whole(x)["bound"][..., 8:56]
    expected = logits.unflatten(-1, (6, 8)).mean(-1)
    torch.testing.assert_close(binned(x)["bound"], expected, rtol=0, atol=1e-12)


def _renamed(one: nn.Module, other: nn.Module) -> dict[str, torch.Tensor]:
    return dict(zip(other.state_dict(), one.state_dict().values(), strict=True))


def test_one_answer_for_a_window_is_the_mean_of_all_its_bases() -> None:
    dense = randomise(build("cnn3", "standard", 64).double().eval())
    settings = ModelSettings.model_validate({"name": "cnn3", **MODELS["cnn3"].small})
    strand = StrandSettings(strategy="standard")
    whole = assemble(settings.architecture(), [binary_head(("a", "b"))], 64, strand).double().eval()
    states = _renamed(dense, whole)
    whole.load_state_dict({name: value.view(whole.state_dict()[name].shape) for name, value in states.items()})
    x = random_input(dna(), 64)
    torch.testing.assert_close(whole(x)["bound"], dense(x)["bound"].mean(-1), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("bins", "says"),
    [
        (Bins(65, 1), "65 bins of 1 bp, 65 bp in all, .* window of 64 bp: use 64 bins"),
        (Bins(63, 1), "use 62 or 64 bins"),
        (Bins(3, 7), "use 2 or 4 bins"),
        (Bins(40, 2), "use 32 bins"),
        (Bins(1, 65), "use bins of at most 64 bp"),
        (Bins(0, 4), "both must be 1 or more"),
    ],
)
def test_other_bins_are_refused_with_some_that_fit(bins: Bins, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        build("cnn3", "standard", 64, bins)


def test_even_bins_never_lie_in_the_middle_of_an_odd_window() -> None:
    with pytest.raises(ConfigError, match="window of 65 bp: use windows of 66 bp"):
        build("cnn3", "rcps", 65, Bins(4, 2))


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("width", [3, 4])
def test_convolutions_are_lifted_where_their_zeros_cannot_be_shared(width: int, dilation: int) -> None:
    layer = same_convolution(Features(dna(), 21), regular, 2, width, dilation)
    assert isinstance(layer, PerStrand) == (width == 4 and dilation != 2)
    assert layer.out_length(21) == 21
    assert_strand_law(layer, lengths=(21, 22))


@pytest.mark.parametrize("length", [20, 21, 22, 23])
def test_resizing_pads_as_tensorflow_does(length: int) -> None:
    resizing = Resizing(4)
    down = randomise(resizing.down(Features(dna(), length), plain, 3).double())
    up = randomise(resizing.up(Features(plain(3), -(-length // 4)), plain, 2).double())
    x = random_input(dna(), length)
    # TensorFlow's "SAME" with a stride pads to whole steps, the larger half at the end.
    missing = -length % 4
    left = missing // 2
    weight, bias = down.state_dict().values()
    back, offset = up.state_dict().values()
    expected = functional.conv1d(functional.pad(x, (left, missing - left)), weight, bias, stride=4)
    torch.testing.assert_close(down(x), expected, rtol=0, atol=1e-12)
    spread = functional.conv_transpose1d(expected, back, offset, stride=4)[..., left : left + length]
    torch.testing.assert_close(up(expected), spread, rtol=0, atol=1e-12)


@pytest.mark.parametrize("length", [20, 21, 22, 23])
def test_resizing_obeys_and_gives_back_all_positions(length: int) -> None:
    resizing = Resizing(4)
    down = resizing.down(Features(dna(), length), regular, 2)
    up = resizing.up(Features(regular(2), down.out_length(length)), regular, 3)
    both = Stack(down, up)
    assert both.out_length(length) == length
    assert_strand_law(both, lengths=(length,))
    x = random_input(dna(), length)
    randomise(both.double())
    torch.testing.assert_close(freeze(both)(x), both(x), rtol=0, atol=1e-12)


def test_positions_are_given_back_only_where_they_were_taken() -> None:
    with pytest.raises(StrandLawError, match="only after `down`"):
        Resizing(4).up(Features(dna(), 8), plain, 2)


def test_zeros_at_one_end_break_the_law_and_are_refused() -> None:
    conv = Conv1d(regular(1), regular(2), 4)
    with pytest.raises(StrandLawError, match="1 zeros at the left and 2 at the right end of regular"):
        Padded(conv, 1, 2)
    padded = Padded(conv, 2, 2)
    assert padded.out_length(10) == 11
    assert_strand_law(padded, lengths=(10, 11))
    assert "left=2, right=2" in repr(padded)


@pytest.mark.parametrize("name", NAMES)
def test_options_reach_every_layer(name: str) -> None:
    network = build(name, "rcps", 64, dropout=0.125, batch_norm=True)
    chances = [layer.p for layer in network.modules() if isinstance(layer, Dropout)]
    norms = [layer for layer in network.modules() if isinstance(layer, BatchNorm1d)]
    assert set(chances) == {0.125}
    # The hidden layer alone is not normalised.
    assert len(norms) == len(chances) - 1
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.1, 1e-10)}
    bare = build(name, "rcps", 64, batch_norm=False)
    assert not any(isinstance(layer, BatchNorm1d) for layer in bare.modules())


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("strategy", ["rcps", "hybrid"])
@pytest.mark.parametrize("name", NAMES)
def test_all_obey_with_and_without_normalisation(name: str, strategy: str, batch_norm: bool) -> None:
    assert_strand_law(build(name, strategy, 30, batch_norm=batch_norm), lengths=(30,))


def test_pooling_belongs_to_the_dilated_network_alone() -> None:
    pooled = {name for name in NAMES if any(isinstance(m, MaxPool1d) for m in build(name, "rcps", 64).modules())}
    assert pooled == {"dilated"}
