"""Weights of DeepSEA: what our network says of them, against Kipoi's and Selene's networks in plain torch."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from strandwise.errors import InputError
from strandwise.layers import Conjoined, Merge
from strandwise.models.foreign import read_deepsea

FILTERS, HIDDEN, TRACKS, BP = (5, 6, 7), 8, 3, 200
POSITIONS = ((BP - 7) // 4 - 7) // 4 - 7


class Alone(nn.Module):
    """What has no weights in a Sequential: Kipoi's lambdas and reorderings."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def threshold() -> nn.Threshold:
    return nn.Threshold(0, 1e-6)


def kipoi() -> nn.Sequential:
    first, second, third = FILTERS
    return nn.Sequential(
        *(nn.Conv2d(4, first, (1, 8)), threshold(), nn.MaxPool2d((1, 4), (1, 4)), nn.Dropout(0.2)),
        *(nn.Conv2d(first, second, (1, 8)), threshold(), nn.MaxPool2d((1, 4), (1, 4)), nn.Dropout(0.2)),
        *(nn.Conv2d(second, third, (1, 8)), threshold(), nn.Dropout(0.5), nn.Flatten()),
        *(nn.Sequential(Alone(), nn.Linear(third * POSITIONS, HIDDEN)), threshold()),
        *(nn.Sequential(Alone(), nn.Linear(HIDDEN, TRACKS)), nn.Sigmoid()),
    )


class Selene(nn.Module):
    """Selene's network, as it was first, and with batch norms and filters that are kept short."""

    def __init__(self, normed: bool) -> None:
        super().__init__()
        self.normed = normed
        first, second, third = FILTERS
        norm = [nn.BatchNorm1d] if normed else []
        # The two differ in where they forget, too.
        drop = [] if normed else [nn.Dropout(0.2)]
        self.conv_net = nn.Sequential(
            *(nn.Conv1d(4, first, 8), nn.ReLU(), nn.MaxPool1d(4, 4), *(each(first) for each in norm), *drop),
            *(nn.Conv1d(first, second, 8), nn.ReLU(), nn.MaxPool1d(4, 4), *(each(second) for each in norm)),
            nn.Dropout(0.2),
            *(nn.Conv1d(second, third, 8), nn.ReLU(), *(each(third) for each in norm), nn.Dropout(0.5)),
        )
        self.classifier = nn.Sequential(
            *(nn.Linear(third * POSITIONS, TRACKS), nn.ReLU(), *(each(TRACKS) for each in norm)),
            *(nn.Linear(TRACKS, TRACKS), nn.Sigmoid()),
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.normed:
            for layer in [*self.conv_net, *self.classifier]:
                if isinstance(layer, nn.Conv1d | nn.Linear):
                    layer.weight.data = layer.weight.data.renorm(2, 0, 0.9)
        return self.classifier(self.conv_net(x).flatten(1))


def randomised(network: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for name, value in network.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2, generator=generator)
        elif value.is_floating_point():
            value.normal_(0, 0.3, generator=generator)
    return network.eval()


def saved(network: nn.Module, path: Path, prefix: str = "") -> Path:
    torch.save({f"{prefix}{name}": value for name, value in network.state_dict().items()}, path)
    return path


def probabilities(network: nn.Module, x: Tensor) -> Tensor:
    return torch.sigmoid(network(x)["bound"])


@pytest.mark.parametrize("prefix", ["", "1.", "2.", "module."])
def test_kipoi_is_read_to_the_last_floor(prefix: str, assembled: Callable, one_hot: Callable, tmp_path: Path) -> None:
    theirs, x = randomised(kipoi()), one_hot(6, BP)
    published = read_deepsea(saved(theirs, tmp_path / "kipoi.pth", prefix), input_bp=BP)
    expected = theirs.double()(x[:, [0, 2, 1, 3], None])
    assert expected.std() > 0.02
    # The floor of 1e-6 is there, to within what 32-bit offsets hold of it.
    torch.testing.assert_close(probabilities(assembled(published), x), expected, rtol=0, atol=1e-7)
    # The one that Kipoi calls "predict" wraps the network in what averages the strands.
    assert published.both_strands == (prefix == "2.")
    assert published.options == {"filters": [5, 6, 7], "kernel_size": 8, "pool_width": 4, "hidden": HIDDEN}
    assert (published.tracks, published.answer) == (TRACKS, "window")


def test_the_floor_matters(assembled: Callable, one_hot: Callable, tmp_path: Path) -> None:
    theirs, x = randomised(kipoi()), one_hot(6, BP)
    network = assembled(read_deepsea(saved(theirs, tmp_path / "kipoi.pth"), input_bp=BP))
    layers = [*theirs.double().children()][:-1]
    without = [nn.ReLU() if isinstance(layer, nn.Threshold) else layer for layer in layers]
    wide = x[:, [0, 2, 1, 3], None]
    said, logits = nn.Sequential(*layers)(wide), network(x)["bound"]
    off = (nn.Sequential(*without)(wide) - said).abs().max()
    assert (logits - said).abs().max() < off / 3


def test_averaging_is_that_of_kipoi(assembled: Callable, one_hot: Callable, tmp_path: Path) -> None:
    theirs, x = randomised(kipoi()), one_hot(6, BP)
    network = assembled(read_deepsea(saved(theirs, tmp_path / "kipoi.pth", "2."), input_bp=BP))
    wide = x[:, [0, 2, 1, 3], None]
    # In the order AGCT, too, the complement is the same channels backwards.
    expected = (theirs.double()(wide) + theirs(wide.flip(1, 3))) / 2
    found = probabilities(Conjoined(network, Merge(after_link=True)), x)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("prefix", ["", "model."])
def test_selene_is_read_with_what_it_normalises(
    prefix: str, normed: bool, assembled: Callable, one_hot: Callable, tmp_path: Path
) -> None:
    theirs, x = randomised(Selene(normed)), one_hot(6, BP)
    torch.save(
        {"epoch": 3, "state_dict": {f"{prefix}{name}": value for name, value in theirs.state_dict().items()}},
        tmp_path / "best_model.pth.tar",
    )
    published = read_deepsea(tmp_path / "best_model.pth.tar", input_bp=BP)
    expected = theirs.double()(x)
    assert expected.std() > 0.005
    torch.testing.assert_close(probabilities(assembled(published), x), expected, rtol=0, atol=1e-6)
    assert published.both_strands == (prefix == "model.")
    assert ("NonStrandSpecific" in " ".join(published.notes)) == (prefix == "model.")


def test_the_order_of_letters_can_be_told(assembled: Callable, one_hot: Callable, tmp_path: Path) -> None:
    theirs, x = randomised(Selene(False)), one_hot(4, BP)
    path = saved(theirs, tmp_path / "selene.pth")
    found = assembled(read_deepsea(path, input_bp=BP, bases="agct"))
    torch.testing.assert_close(probabilities(found, x), theirs.double()(x[:, [0, 2, 1, 3]]), rtol=0, atol=1e-6)
    for wrong in ("ACG", "ACGU", "AACG"):
        with pytest.raises(InputError, match=f"--bases {wrong}: expected the four letters A, C, G and T"):
            read_deepsea(path, input_bp=BP, bases=wrong)


def test_weights_tell_the_length_to_within_the_pooling(tmp_path: Path) -> None:
    path = saved(randomised(kipoi()), tmp_path / "kipoi.pth")
    fits = [length for length in range(150, 260) if ((length - 7) // 4 - 7) // 4 - 7 == POSITIONS]
    assert [read_deepsea(path, input_bp=length).input_bp for length in (fits[0], fits[-1])] == [195, 210]
    for length in (194, 211):
        with pytest.raises(InputError, match=f"--input-bp {length} does not fit its weights, which read 195 to 210 bp"):
            read_deepsea(path, input_bp=length)
    with pytest.raises(InputError, match="the usual 1,000 bp does not fit its weights, which read 195 to 210 bp"):
        read_deepsea(path)


WRONG = [
    ({"0.weight": None}, "no DeepSEA in a layout that is known"),
    ({"8.bias": None}, "no DeepSEA in a layout that is known"),
    ({"6.weight": torch.zeros(3)}, "no DeepSEA in a layout that is known"),
    ({"0.weight": torch.zeros(5, 5, 1, 8)}, "do not read each other"),
    ({"0.weight": torch.zeros(5, 4, 2, 8)}, r"'0' has weights of the shape \(5, 4, 2, 8\)"),
    ({"0.bias": torch.zeros(6)}, r"'0' has weights of the shape .* and offsets of \(6,\)"),
    ({"4.weight": torch.zeros(6, 7, 1, 8)}, "do not read each other"),
    ({"4.weight": torch.zeros(6, 5, 1, 9)}, "three convolutions of one width"),
    ({"12.1.weight": torch.zeros(HIDDEN, 8)}, "do not read each other"),
    ({"14.1.weight": torch.zeros(TRACKS, 9)}, "do not read each other"),
    ({"4.weight": torch.full((6, 5, 1, 8), torch.inf)}, "'4.weight' holds values that are not finite"),
]


@pytest.mark.parametrize(("changes", "said"), WRONG, ids=lambda given: str(given)[:30])
def test_other_networks_are_refused(changes: dict, said: str, tmp_path: Path) -> None:
    state = {**kipoi().state_dict(), **changes}
    torch.save({name: value for name, value in state.items() if value is not None}, tmp_path / "kipoi.pth")
    with pytest.raises(InputError, match=said) as error:
        read_deepsea(tmp_path / "kipoi.pth", input_bp=BP)
    assert len(str(error.value)) < 900


def test_a_batch_norm_that_is_none_is_refused(tmp_path: Path) -> None:
    state = Selene(True).state_dict()
    torch.save({**state, "conv_net.3.running_var": -torch.ones(5)}, tmp_path / "selene.pth")
    with pytest.raises(InputError, match=r"'conv_net.3' is no batch norm of 5 channels"):
        read_deepsea(tmp_path / "selene.pth", input_bp=BP)
