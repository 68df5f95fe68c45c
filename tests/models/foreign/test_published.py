"""What a published file hands on: weights that fill one network and no other."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from strandwise.errors import InputError
from strandwise.models.foreign import Published, read_bpnet
from strandwise.models.foreign.published import chosen_length, in_our_order


@pytest.fixture
def published(lite_weights: Callable, tmp_path: Path) -> Callable[..., Published]:
    def make(**sizes: int) -> Published:
        torch.save(lite_weights(**sizes), tmp_path / "bpnet.pt")
        return read_bpnet(tmp_path / "bpnet.pt", input_bp=60)

    return make


def test_another_network_is_not_filled(published: Callable, assembled: Callable) -> None:
    one = published()
    with pytest.raises(InputError, match=r"the network has 6 layers with weights, and bpnet.pt 5"):
        one.fill(assembled(published(layers=3)))
    with pytest.raises(
        InputError, match=r"the network has \(4, 4, 5\) for 'weight' of Conv1d, and bpnet.pt \(3, 4, 5\)"
    ):
        one.fill(assembled(published(filters=4)))
    with pytest.raises(InputError, match="the network has 0 layers"):
        one.fill(nn.Sequential())


def test_letters_are_put_into_our_order() -> None:
    weight = np.arange(8, dtype=np.float32).reshape(1, 4, 2)
    assert in_our_order(weight, "AGCT")[0, :, 0].tolist() == [0, 4, 2, 6]
    assert in_our_order(weight, "tgca")[0, :, 0].tolist() == [6, 4, 2, 0]
    assert np.array_equal(in_our_order(weight, "ACGT"), weight)


def test_lengths_are_usual_or_asked_for() -> None:
    assert chosen_length(None, 1000, range(995, 1011), "x") == 1000
    assert chosen_length(996, 1000, range(995, 1011), "x") == 996
    with pytest.raises(InputError, match="no length of DNA fits its dense layer"):
        chosen_length(None, 1000, range(-20, -3), "x")
