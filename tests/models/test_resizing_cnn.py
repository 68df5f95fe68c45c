"""The networks of Gupta & Rush 2017 without dilation: weights, shapes, and how far they see."""

import pytest
import torch
from torch import nn

from strandwise.analysis.receptive_field import receptive_field
from strandwise.layers import dense_head
from strandwise.models import ModelSettings, SequenceModel, StrandSettings, assemble


def build(name: str, length: int, tracks: int = 1, **options: object) -> SequenceModel:
    architecture = ModelSettings.model_validate({"name": name, **options}).architecture()
    head = dense_head(tuple(f"t{track}" for track in range(tracks)))
    return assemble(architecture, [head], length, StrandSettings(strategy="standard"))


def parameters(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


# Of the authors' code, with its embedding of 5 letters in 4 numbers; of one convolution, counted by hand.
COUNTS = {
    "cnn1": 20 + 10 * 4 * 128 + 128 + 128 * 125 + 125 + 125 * 919 + 919,
    "cnn3": 554_927,
    "cnn7": 655_127,
}


@pytest.mark.parametrize(("name", "published"), COUNTS.items())
def test_weights_are_those_of_the_authors_code(name: str, published: int) -> None:
    assert parameters(build(name, 25000, 919)) == published - 5 * 4


def test_weights_add_up() -> None:
    ends, head = 10 * 4 * 128 + 128, 50 * 125 + 125 + 125 * 919 + 919
    second = 10 * 128 * 240 + 240
    three = ends + second + (10 * 240 * 50 + 50) + head
    seven = ends + second + (10 * 240 * 50 + 50) + 4 * (10 * 50 * 50 + 50) + head
    assert (three + 20, seven + 20) == (COUNTS["cnn3"], COUNTS["cnn7"])
    # Batch normalisation: a scale and an offset for each filter.
    assert parameters(build("cnn3", 1000, 919, batch_norm=True)) == three + 2 * (128 + 240 + 50)


@pytest.mark.parametrize("name", COUNTS)
def test_a_window_of_25_kb_is_labelled_at_every_base(name: str) -> None:
    with torch.no_grad():
        assert build(name, 25000, 3).eval()(torch.zeros(1, 4, 25000))["bound"].shape == (1, 3, 25000)
        assert build(name, 1000, 3).eval()(torch.zeros(1, 4, 1000))["bound"].shape == (1, 3, 1000)


@pytest.mark.parametrize(("name", "span_bp"), [("cnn1", 10), ("cnn3", (9 + 1) * 10), ("cnn7", (5 * 9 + 1) * 10)])
def test_they_see_a_few_hundred_bases(name: str, span_bp: int) -> None:
    torch.manual_seed(0)
    assert receptive_field(build(name, 1000), 1000).span_bp == span_bp
