"""The iterated network of Gupta & Rush 2017: weights, shapes, shared passes, and the mean of their losses."""

from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from strandwise.analysis.receptive_field import receptive_field
from strandwise.errors import ConfigError, StrandLawError
from strandwise.layers import BatchNorm1d, Conjoined, Conv1d, Head, ReLU, Stack, binary_head, dense_head
from strandwise.layers.dropout import shared_masks
from strandwise.models import ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.models.id_cnn import OneOf, Repeated
from strandwise.strand import dna, plain, regular
from strandwise.testing import assert_strand_law, random_input, randomise

SMALL: Any = {"filters": (6, 7, 5), "kernel_size": 2, "dilations": (1, 3), "hidden": 4}


def build(
    strategy: str = "standard",
    length: int = 40,
    tracks: int = 1,
    head: Head | None = None,
    groups: tuple[tuple[int, ...], ...] | None = None,
    **options: object,
) -> SequenceModel:
    architecture = ModelSettings.model_validate({"name": "id_cnn", **options}).architecture()
    heads = [head or dense_head(tuple(f"t{track}" for track in range(tracks)))]
    return assemble(architecture, heads, length, StrandSettings(strategy=strategy, groups=groups))


def parameters(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def passes_of(network: SequenceModel) -> Repeated:
    (found,) = [layer for layer in network.modules() if isinstance(layer, Repeated)]
    return found


def after_pass(network: SequenceModel, number: int, x: Tensor) -> Tensor:
    """Return what a network says in eval mode after fewer passes."""
    repeated = passes_of(network)
    kept = repeated.finishes
    repeated.finishes = cast("nn.ModuleList", kept[:number])
    said = network(x)["bound"]
    repeated.finishes = kept
    return said


def test_weights_are_those_of_the_authors_code() -> None:
    assert parameters(build("standard", 25000, 919)) == 632_739 - 5 * 4


def test_weights_add_up() -> None:
    # Taps are 20 wide at base resolution and where it changes, 10 in dilated convolutions.
    wide, dilated = 20 * (4 * 50 + 50 * 50 + 80 * 50), 10 * (50 * 240 + 240 * 80 + 80 * 80)
    expected = wide + dilated + (50 + 50 + 240 + 80 + 80 + 50) + 50 * 125 + 125 + 125 * 919 + 919
    assert expected == 632_739 - 20
    # Each pass is normalised by itself.
    normed = parameters(build("standard", 1000, 919, batch_norm=True))
    assert normed == expected + 2 * (50 + 3 * (50 + 240 + 80 + 80 + 50))


def test_a_window_of_25_kb_is_labelled_at_every_base() -> None:
    with torch.no_grad():
        assert build("standard", 25000, 3).eval()(torch.zeros(1, 4, 25000))["bound"].shape == (1, 3, 25000)
        assert build("standard", 1000, 3).eval()(torch.zeros(1, 4, 1000))["bound"].shape == (1, 3, 1000)


def test_each_pass_sees_farther() -> None:
    small: Any = {"filters": (6, 6, 6), "kernel_size": 4, "dilations": (1, 2), "hidden": 6}
    # A step is 8 bp; a pass reads 3 (1 + 2) of them, and the first convolution 7 bp more.
    for passes in (1, 2, 3):
        torch.manual_seed(1)
        field = receptive_field(build(length=400, passes=passes, **small), 400, sequences=8)
        assert field.span_bp == (passes * 3 * (1 + 2) + 1) * 8 + 7


def test_predictions_are_those_of_the_last_pass() -> None:
    network = randomise(build(**SMALL).double().eval())
    assert isinstance(network, SequenceModel)
    x = random_input(dna(), 40)
    torch.testing.assert_close(network(x)["bound"], after_pass(network, 3, x), rtol=0, atol=0)
    apart = (after_pass(network, 3, x) - after_pass(network, 2, x)).abs().max()
    assert apart > 1e-6


def test_it_is_the_network_anybody_would_write() -> None:
    network = randomise(build(**SMALL).double().eval())
    convs: list[nn.Module] = [nn.Conv1d(4, 6, 4), nn.Conv1d(6, 6, 4, stride=4)]
    convs += [nn.Conv1d(6, 7, 2), nn.Conv1d(7, 5, 2, dilation=3), nn.ConvTranspose1d(5, 6, 4, stride=4)]
    plain_net = nn.ModuleList([*convs, nn.Linear(6, 4), nn.Linear(4, 1)]).double()
    pairs = zip(plain_net.state_dict().items(), network.state_dict().values(), strict=True)
    plain_net.load_state_dict({name: ours.view(theirs.shape) for (name, theirs), ours in pairs})
    first, strided, near, far, back, hidden, out = plain_net
    given = random_input(dna(), 40)
    x = functional.relu(first(functional.pad(given, (1, 2))))
    for _ in range(3):
        x = functional.relu(strided(x))
        x = functional.relu(near(functional.pad(x, (0, 1))))
        x = functional.relu(far(functional.pad(x, (1, 2))))
        x = functional.relu(back(x))
    expected = out(functional.relu(hidden(x.transpose(1, 2)))).transpose(1, 2)
    torch.testing.assert_close(network(given)["bound"], expected, rtol=0, atol=1e-12)


def _as_in_eval_mode(module: nn.Module, _: object) -> None:
    module.eval()


@pytest.mark.parametrize("head", [dense_head(("a",)), binary_head(("a",))])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_loss_of_evenly_drawn_passes_is_the_mean_of_their_losses(head: Head, batch_norm: bool) -> None:
    network = randomise(build(head=head, dropout=0.0, batch_norm=batch_norm, **SMALL).double().eval())
    assert isinstance(network, SequenceModel)
    if batch_norm:
        # Normalised as in eval mode, so that passes can be asked one by one.
        for layer in network.modules():
            if isinstance(layer, BatchNorm1d):
                layer.register_forward_pre_hook(_as_in_eval_mode)
    x = random_input(dna(), 40, batch=1).repeat(3, 1, 1)
    labels = torch.ones_like(network(x)["bound"])
    each = [functional.binary_cross_entropy_with_logits(after_pass(network, n, x), labels) for n in (1, 2, 3)]
    # Three copies of a window: one is read after each pass, whatever is drawn.
    network.train()
    for seed in range(5):
        torch.manual_seed(seed)
        drawn = functional.binary_cross_entropy_with_logits(network(x)["bound"], labels)
        torch.testing.assert_close(drawn, torch.stack(each).mean(), rtol=0, atol=1e-12)


def test_each_pass_is_as_likely_for_every_row() -> None:
    choice = OneOf(plain(1))
    torch.manual_seed(0)
    readings = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 8, 1, 1)
    drawn = torch.stack([choice(readings).flatten() for _ in range(3000)])
    counts = torch.stack([(drawn == number).sum(1) for number in range(3)])
    assert counts.min() == 2
    assert counts.max() == 3
    shares = torch.stack([(drawn == number).double().mean(0) for number in range(3)])
    # Four standard errors of a share of a third.
    assert (shares - 1 / 3).abs().max() < 4 * (2 / 9 / 3000) ** 0.5


def test_both_strands_of_a_window_are_read_after_the_same_pass() -> None:
    choice = OneOf(plain(1))
    torch.manual_seed(0)
    readings = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 10, 1, 1)
    with shared_masks(choice):
        drawn = choice(readings).flatten()
    assert torch.equal(drawn[:5], drawn[5:])
    assert len(drawn.unique()) == 3


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("strategy", ["conjoined", "rcps", "hybrid"])
@pytest.mark.parametrize("length", [40, 41, 42])
def test_it_obeys_while_it_draws(strategy: str, length: int, batch_norm: bool) -> None:
    network = build(strategy, length, batch_norm=batch_norm, **SMALL)
    assert_strand_law(Conjoined(network) if strategy == "conjoined" else network, lengths=(length,), batch=4)


def test_every_pass_learns() -> None:
    network = build(batch_norm=True, **SMALL).train()
    torch.manual_seed(0)
    network(random_input(dna(), 40, batch=6).float())["bound"].square().sum().backward()
    gradients = [weight.grad for weight in network.parameters()]
    assert all(gradient is not None for gradient in gradients)
    norms = [layer for finishes in passes_of(network).finishes for layer in cast("nn.ModuleList", finishes).modules()]
    scales = [layer.weight.free.grad for layer in norms if isinstance(layer, BatchNorm1d)]
    assert len(scales) == 3 * 4
    assert all(scale is not None and scale.any() for scale in scales)


def test_a_group_may_not_begin_at_the_passes() -> None:
    with pytest.raises(ConfigError, match="begins a group at stage 2"):
        build("hybrid", groups=((2, 3),), **SMALL)
    assert_strand_law(build("hybrid", groups=((1, 2),), **SMALL), lengths=(40,))


def test_layers_must_be_able_to_read_their_own_output() -> None:
    kind = regular(1)
    conv = Conv1d(kind, kind, 3)
    with pytest.raises(StrandLawError, match="layers that make 8 of 10 positions cannot read their own output"):
        Repeated([conv], [[Stack(ReLU(kind))]]).out_length(10)
    with pytest.raises(StrandLawError, match="cannot be applied to their own output: make the two types equal"):
        Repeated([Conv1d(dna(), kind, 3)], [[Stack(ReLU(kind))]])
    assert "2 times" in repr(Repeated([conv], [[ReLU(kind)], [ReLU(kind)]]))
