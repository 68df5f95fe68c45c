"""The weights of one BPNet: which network they fill."""

from pathlib import Path

import numpy as np
import pytest

from strandwise.errors import InputError
from strandwise.models.foreign.towers import TowerWeights, published_profiles, with_bias


def tower(tracks: int = 1, controls: int = 0, name: str = "network.h5") -> TowerWeights:
    def layer(*shape: int) -> dict:
        return dict(with_bias(np.ones(shape, np.float32), None))

    return TowerWeights(
        Path(name),
        layer(3, 4, 5),
        (layer(3, 3, 3), layer(3, 3, 3)),
        layer(tracks, 3 + controls, 7),
        layer(1, 3 + (controls > 0)),
    )


def test_layers_without_offsets_have_offsets_of_zero() -> None:
    found = with_bias(np.ones((2, 4, 5), np.float32), None)["bias"]
    assert found.tolist() == [0, 0]
    assert with_bias(np.ones((1, 3), np.float32), np.ones(1, np.float32))["bias"].tolist() == [1]


def test_what_it_predicts_follows_from_the_window() -> None:
    # 4 bp of the stem, 4 and 8 of the dilated layers, 6 of the profile's convolution.
    assert tower().predicted(60) == 60 - 4 - 4 - 8 - 6
    assert (tower(2, 2).tracks, tower(2, 2).controls) == (2, 2)


def test_only_the_ordinary_one_is_bpnet() -> None:
    options = {"filters": 3, "stem_width": 5, "dilated_layers": 2, "profile_width": 7}
    whole = published_profiles("x", [], tower(), input_bp=60, profile_bp=38)
    assert (whole.model, whole.options) == ("bpnet", options)
    cut = published_profiles("x", [], tower(), input_bp=60, profile_bp=20)
    assert (cut.model, cut.options) == ("bpnet", {**options, "profile_bp": 20})
    assert published_profiles("x", [], tower(), tower(), input_bp=60, profile_bp=20).options["bias"] == options


@pytest.mark.parametrize(("network", "bias"), [(tower(2), tower()), (tower(), tower(1, 1)), (tower(1, 2), tower())])
def test_bias_stands_beside_one_track_alone(network: TowerWeights, bias: TowerWeights) -> None:
    with pytest.raises(InputError, match="a bias network predicts one track from DNA alone"):
        published_profiles("x", [], network, bias, input_bp=60, profile_bp=20)


def test_a_network_without_dilated_convolutions_is_refused() -> None:
    found = tower()
    with pytest.raises(InputError, match="no dilated convolutions"):
        TowerWeights(found.file, found.stem, (), found.profile, found.total)
