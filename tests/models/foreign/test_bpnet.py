"""Weights of bpnet-lite's BPNet: what our networks say of them, against its operations in plain torch."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from strandwise.errors import InputError
from strandwise.models.foreign import read_bpnet
from strandwise.models.foreign.towers import WHOLE

FORMS = [
    {},
    {"offsets": False},
    {"controls": 1},
    {"tracks": 2},
    {"tracks": 2, "controls": 2},
    {"tracks": 3, "controls": 4, "layers": 3},
]


@pytest.fixture
def save(tmp_path: Path, lite_weights: Callable) -> Callable[..., Path]:
    def make(**sizes: int) -> Path:
        torch.save(lite_weights(**sizes), tmp_path / "bpnet.pt")
        return tmp_path / "bpnet.pt"

    return make


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_tiny_network_says_what_bpnet_lite_does(
    form: dict, save: Callable, lite_weights: Callable, lite: Callable, assembled: Callable, one_hot: Callable
) -> None:
    published = read_bpnet(save(**form), input_bp=60)
    x, controls = one_hot(6, 60), form.get("controls", 0)
    beside = torch.poisson(torch.full((6, controls, 60), 0.7), generator=torch.Generator().manual_seed(0)).double()
    profile, total = lite(lite_weights(**form), x, beside if controls else None)
    network = assembled(published)
    found = network(x, beside) if controls else network(x)
    assert found["profile"].std() > 0.1
    assert total.std() > 0.01
    torch.testing.assert_close(found["profile"], profile, rtol=0, atol=1e-10)
    if profile.shape[1] == 1:
        torch.testing.assert_close(found["counts"], total, rtol=0, atol=1e-10)
    # One total is shared out by one softmax over all tracks and positions.
    share = torch.softmax(profile.flatten(1), 1).view_as(profile)
    expected = torch.expm1(total)[:, :, None] * share
    counts = torch.softmax(found["profile"], 2) * torch.expm1(found["counts"])[:, :, None]
    torch.testing.assert_close(counts, expected, rtol=0, atol=1e-10)


def test_it_is_a_network_that_can_be_trained_on_where_it_can(save: Callable) -> None:
    assert read_bpnet(save(), input_bp=60).model == "bpnet"
    assert read_bpnet(save(tracks=2), input_bp=60).model == WHOLE
    assert read_bpnet(save(), input_bp=60, output_bp=20).model == WHOLE


def test_sizes_and_names_come_from_the_shapes(save: Callable) -> None:
    published = read_bpnet(save(filters=4, layers=3, tracks=2, controls=2, stem=21, width=75))
    assert (published.input_bp, published.tracks, published.answer) == (2114, 2, "profile")
    assert published.inputs == ("control+", "control-")
    sizes = {"filters": 4, "stem_width": 21, "dilated_layers": 3, "profile_width": 75}
    # 2,114 bp less what the stem, the dilated layers and the profile's convolution read at both ends.
    assert published.options == {**sizes, "tracks": 2, "controls": 2, "profile_bp": 2114 - 20 - 28 - 74}
    assert read_bpnet(save(controls=1)).inputs == ("control",)
    assert read_bpnet(save(controls=3)).inputs == ("control1", "control2", "control3")
    assert not published.both_strands


def test_another_trimming_pools_fewer_features(
    save: Callable, lite_weights: Callable, lite: Callable, assembled: Callable, one_hot: Callable
) -> None:
    published, x = read_bpnet(save(), input_bp=60, output_bp=20), one_hot(5, 60)
    profile, total = lite(lite_weights(), x, trimming=20)
    found = assembled(published)(x)
    torch.testing.assert_close(found["profile"], profile, rtol=0, atol=1e-10)
    torch.testing.assert_close(found["counts"], total, rtol=0, atol=1e-10)


def test_numbers_of_bpnet_lite_itself(save: Callable, assembled: Callable) -> None:
    """Numbers by bpnet-lite 1.1.0: BPNet(4, 8, n_outputs=2, n_control_tracks=2) with these weights, in float64.

    DNA is ACGT over and over, and both control tracks are 0, 1, 2, 0, 1, 2, ...
    """
    published = read_bpnet(save(filters=4, layers=8, tracks=2, controls=2, stem=21, width=75))
    codes, along = np.arange(2114) % 4, np.arange(2114) % 3
    x = torch.from_numpy(np.eye(4)[codes].T[None])
    found = assembled(published)(x, torch.from_numpy(np.stack([along, along])[None].astype(float)))
    total = torch.log1p(torch.expm1(found["counts"]).sum())
    assert found["profile"].shape == (1, 2, 1000)
    numbers = [*found["profile"][0][:, [0, 500, 999]].flatten().tolist(), total.item()]
    assert numbers == pytest.approx(BY_BPNET_LITE, rel=1e-7)


BY_BPNET_LITE = [
    *(262.7043355953476, 269.32261340958684, 109.32952728851943),
    *(63.65494747633494, 61.20064772140614, -131.96213086378657),
    32.2957212253846,
]

WRONG = [
    ({"iconv.bias": None}, "'iconv.bias' is missing"),
    ({"rconvs.0.weight": None, "rconvs.0.bias": None}, "layers are missing"),
    ({"other.weight": torch.zeros(2)}, "'other.weight' is foreign"),
    ({"iconv.weight": torch.zeros(3, 5, 5)}, r"first convolution has the shape \(3, 5, 5\)"),
    ({"iconv.weight": torch.zeros(3, 4, 6)}, r"first convolution has the shape \(3, 4, 6\)"),
    ({"iconv.weight": torch.zeros(3, 4)}, r"first convolution has weights of the shape \(3, 4\)"),
    ({"rconvs.1.weight": torch.zeros(3, 3, 5)}, r"dilated convolution 2 has the shape \(3, 3, 5\), and \(3, 3, 3\)"),
    ({"rconvs.1.bias": torch.zeros(4)}, r"dilated convolution 2 has weights of the shape .* and offsets of \(4,\)"),
    ({"fconv.weight": torch.zeros(1, 2, 7)}, "do not read 3 filters"),
    ({"linear.weight": torch.zeros(1, 4)}, "do not read 3 filters, with control tracks or without"),
    ({"linear.weight": torch.zeros(2, 3), "linear.bias": torch.zeros(2)}, "one total of all tracks is expected"),
    ({"iconv.weight": torch.full((3, 4, 5), torch.nan)}, "'iconv.weight' holds values that are not finite"),
    ({"accessibility.iconv.weight": torch.zeros(3, 4, 5)}, "import it with `strandwise import chrombpnet"),
]


@pytest.mark.parametrize(("changes", "said"), WRONG, ids=lambda given: str(given)[:40])
def test_other_networks_are_refused(changes: dict, said: str, lite_weights: Callable, tmp_path: Path) -> None:
    state = {name: value for name, value in {**lite_weights(), **changes}.items() if value is not None}
    torch.save(state, tmp_path / "bpnet.pt")
    with pytest.raises(InputError, match=said) as error:
        read_bpnet(tmp_path / "bpnet.pt", input_bp=60)
    assert str(tmp_path / "bpnet.pt") in str(error.value)


def test_lengths_that_do_not_fit_are_refused(save: Callable) -> None:
    path = save()
    with pytest.raises(InputError, match="do not fit into 20 bp: give the length it was trained on with --input-bp"):
        read_bpnet(path, input_bp=20)
    for output in (39, 42):
        with pytest.raises(InputError, match=f"of 60 bp it sees 38 whole, so it cannot predict {output}"):
            read_bpnet(path, input_bp=60, output_bp=output)
