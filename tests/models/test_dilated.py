"""The dilated network of Gupta & Rush 2017: weights, shapes, and how far it sees."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from strandwise.analysis.receptive_field import receptive_field
from strandwise.errors import ConfigError
from strandwise.layers import MaxPool1d, dense_head
from strandwise.models import Bins, ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.strand import dna
from strandwise.testing import assert_strand_law, random_input, randomise


def build(strategy: str, length: int, tracks: int = 1, bins: Bins | None = None, **options: object) -> SequenceModel:
    architecture = ModelSettings.model_validate({"name": "dilated", **options}).architecture()
    head = dense_head(tuple(f"t{track}" for track in range(tracks)))
    return assemble(architecture, [head], length, StrandSettings(strategy=strategy), bins=bins)


def parameters(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


EMBEDDING = 5 * 4
"""What the originals learn and one-hot DNA does not need."""


@pytest.mark.parametrize("pool_width", [None, 5])
def test_weights_are_those_of_the_authors_code(pool_width: int | None) -> None:
    assert parameters(build("standard", 25000, 919, pool_width=pool_width)) == 630_077 - EMBEDDING


def test_weights_add_up() -> None:
    taps = [4 * 128, 128 * 240, 240 * 50, 50 * 50, 50 * 50, 50 * 50]
    offsets = [128, 240, 50, 50, 50, 50]
    expected = 10 * sum(taps) + sum(offsets) + 50 * 125 + 125 + 125 * 919 + 919
    assert expected == 630_077 - EMBEDDING
    assert parameters(build("standard", 25000, 919, batch_norm=True)) == expected + 2 * sum(offsets)


def test_a_window_of_25_kb_is_labelled_at_every_base() -> None:
    network = build("standard", 25000, 3).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 4, 25000))["bound"].shape == (1, 3, 25000)
    middle = build("standard", 1000, 3, Bins(2, 100)).eval()
    assert middle(torch.zeros(1, 4, 1000))["bound"].shape == (1, 3, 2)


def same(x: Tensor, conv: nn.Conv1d) -> Tensor:
    """Return a convolution padded as TensorFlow does: one more zero at the end where they are odd."""
    reach = (conv.kernel_size[0] - 1) * conv.dilation[0]
    return conv(functional.pad(x, (reach // 2, reach - reach // 2)))


@pytest.mark.parametrize("pool_width", [None, 5])
def test_it_is_the_network_anybody_would_write(pool_width: int | None) -> None:
    network = randomise(build("standard", 120, 2, filters=(5, 6, 3), hidden=4, pool_width=pool_width).double().eval())
    dilated = [nn.Conv1d(n, m, 10, dilation=d) for n, m, d in ((5, 6, 3), (6, 3, 9), (3, 3, 27), (3, 3, 81))]
    layers = [nn.Conv1d(4, 5, 10, stride=10), *dilated, nn.ConvTranspose1d(3, 3, 10, stride=10)]
    layers += [nn.Conv1d(3, 4, 1), nn.Conv1d(4, 2, 1)]
    plain = nn.ModuleList(layers).double()
    state = dict(zip(plain.state_dict(), network.state_dict().values(), strict=True))
    plain.load_state_dict(state)
    x = given = random_input(dna(), 120)
    for number, layer in enumerate(plain, 1):
        assert isinstance(layer, nn.Conv1d | nn.ConvTranspose1d)
        x = same(x, layer) if isinstance(layer, nn.Conv1d) and layer.dilation[0] > 1 else layer(x)
        x = x if number == len(plain) else functional.relu(x)
        if pool_width and number in (1, 2, 4):
            x = functional.max_pool1d(x, 5, 1, padding=2)
    torch.testing.assert_close(network(given)["bound"], x, rtol=0, atol=1e-12)


def test_it_sees_more_than_ten_thousand_bases() -> None:
    # Convolutions of 10 taps, 3, 9, 27 and 81 steps of 10 bp apart.
    expected = (9 * (3 + 9 + 27 + 81) + 1) * 10
    assert expected == 10_810
    torch.manual_seed(0)
    found = receptive_field(build("standard", 12000), 12000, sequences=1)
    assert found.span_bp == expected
    assert abs((found.first or 0) + (found.last or 0) - 12000) < 100


def test_shared_weights_see_as_far_to_either_side() -> None:
    torch.manual_seed(0)
    small = {"filters": (4, 4, 4), "hidden": 4, "kernel_size": 4, "dilations": (3, 9)}
    one = receptive_field(build("standard", 401, **small), 401)
    both = receptive_field(build("rcps", 401, **small), 401)
    assert one.span_bp == (3 * (3 + 9) + 1) * 4
    assert both.first is not None
    assert both.last is not None
    assert both.first == 400 - both.last
    assert one.span_bp < both.span_bp < one.span_bp + 20


def test_stages_have_names_of_their_own_however_taps_lie() -> None:
    network = build("standard", 100, dilations=(3, 3, 9))
    assert [*network.stages] == ["strided", "dilated1", "dilated2", "dilated3", "transposed", "hidden"]


def test_pooled_positions_have_a_middle() -> None:
    with pytest.raises(ConfigError, match=r"model\.pool_width: pool_width 4 has no middle: use 3 or 5"):
        build("standard", 100, pool_width=4)
    pools = [layer for layer in build("rcps", 100, pool_width=5).modules() if isinstance(layer, MaxPool1d)]
    assert [(pool.width, pool.stride, pool.from_both_ends) for pool in pools] == [(5, 1, False)] * 3


@pytest.mark.parametrize("pool_width", [None, 3])
def test_it_obeys_where_zeros_are_added(pool_width: int | None) -> None:
    options = {"filters": (3, 3, 2), "hidden": 3, "kernel_size": 5, "dilations": (2,), "pool_width": pool_width}
    for length in (50, 51, 52, 53, 54):
        assert_strand_law(build("rcps", length, **options), lengths=(length,))
