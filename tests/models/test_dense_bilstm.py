"""The recurrent network of Gupta & Rush 2017 for dense labelling: weights, shapes, and how far it sees."""

import torch
from torch import nn

from strandwise.analysis.receptive_field import receptive_field
from strandwise.layers import LSTM, dense_head
from strandwise.models import ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.strand import dna
from strandwise.testing import random_input, randomise


def build(strategy: str, length: int, tracks: int = 1, **options: object) -> SequenceModel:
    architecture = ModelSettings.model_validate({"name": "dense_bilstm", **options}).architecture()
    head = dense_head(tuple(f"t{track}" for track in range(tracks)))
    return assemble(architecture, [head], length, StrandSettings(strategy=strategy))


def parameters(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def test_weights_are_those_of_the_authors_code() -> None:
    # The original embeds 5 letters in 4 numbers, and has one offset a gate where torch has two.
    twice = 2 * 4 * 20
    assert parameters(build("standard", 25000, 919)) == 397_407 - 5 * 4 + twice


def test_weights_add_up() -> None:
    lstm = 2 * 4 * (20 * (128 + 20) + 20)
    ends = (100 * 4 * 128 + 128) + (100 * 40 * 50 + 50)
    assert 20 + ends + lstm + 50 * 125 + 125 + 125 * 919 + 919 == 397_407


def test_a_window_of_25_kb_is_labelled_at_every_base() -> None:
    with torch.no_grad():
        assert build("standard", 25000, 3).eval()(torch.zeros(1, 4, 25000))["bound"].shape == (1, 3, 25000)
        assert build("standard", 1000, 3).eval()(torch.zeros(1, 4, 1000))["bound"].shape == (1, 3, 1000)


def test_it_sees_all_of_a_window() -> None:
    torch.manual_seed(0)
    assert receptive_field(build("standard", 5000), 5000, sequences=1).span_bp == 5000


def test_it_is_the_network_anybody_would_write() -> None:
    network = build("standard", 60, 2, filters=(5, 3), kernel_size=10, units=4, hidden=6).double().eval()
    randomise(network)
    conv, lstm = nn.Conv1d(4, 5, 10, stride=10), nn.LSTM(5, 4, bidirectional=True, batch_first=True)
    back, hidden, out = nn.ConvTranspose1d(8, 3, 10, stride=10), nn.Linear(3, 6), nn.Linear(6, 2)
    plain = nn.ModuleList([conv, lstm, back, hidden, out]).double()
    pairs = zip(plain.state_dict().items(), network.state_dict().values(), strict=True)
    plain.load_state_dict({name: ours.view(theirs.shape) for (name, theirs), ours in pairs})
    x = random_input(dna(), 60)
    states = lstm(conv(x).relu().transpose(1, 2))[0].transpose(1, 2)
    features = back(states).relu().transpose(1, 2)
    expected = out(hidden(features).relu()).transpose(1, 2)
    torch.testing.assert_close(network(x)["bound"], expected, rtol=0, atol=1e-12)


def test_it_begins_by_remembering() -> None:
    (lstm,) = [layer for layer in build("rcps", 200, kernel_size=10, units=3).modules() if isinstance(layer, LSTM)]
    offsets = {name: value for name, value in lstm.cells.named_parameters() if "bias" in name}
    assert len(offsets) == 4
    for name, value in offsets.items():
        # Gates in torch's order: input, forget, cell, output.
        forget = 1.0 if "bias_ih" in name else 0.0
        assert value.tolist() == [0.0] * 3 + [forget] * 3 + [0.0] * 6
