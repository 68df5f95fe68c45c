import pytest
import torch
from torch import nn

from strandwise.errors import StrandLawError
from strandwise.layers import BatchNorm1d, Conv1d, Dense, Features, MaxPool1d, ReLU, Stack, WeightedSum, freeze
from strandwise.layers.typed import after
from strandwise.strand import dna, odd, plain, regular, unstranded
from strandwise.testing import random_input, randomise


def test_layers_that_do_not_fit_are_named() -> None:
    with pytest.raises(
        StrandLawError, match=r"BatchNorm1d expects plain\(6\), and Conv1d before it gives regular\(3\): make the two"
    ):
        Stack(Conv1d(dna(), regular(3), 5), BatchNorm1d(plain(6)))
    # Equal channels are not enough.
    with pytest.raises(StrandLawError, match=r"ReLU expects unstranded\(6\)"):
        Stack(Conv1d(dna(), regular(3), 5), ReLU(unstranded(6)))
    with pytest.raises(StrandLawError, match="at least one layer"):
        Stack()


def test_relu_on_odd_channels_is_refused() -> None:
    with pytest.raises(StrandLawError, match=r"ReLU on odd\(2\) breaks the law, .* use an odd function such as tanh"):
        ReLU(odd(2))
    with pytest.raises(StrandLawError, match="breaks the law"):
        ReLU(regular(3) + odd(1))
    x = random_input(regular(2), 5)
    assert torch.equal(ReLU(regular(2))(x), x.clamp(min=0))
    assert isinstance(freeze(ReLU(regular(2))), nn.ReLU)


def stack() -> Stack:
    return Stack(
        Conv1d(dna(), regular(3), 5),
        BatchNorm1d(regular(3)),
        ReLU(regular(3)),
        MaxPool1d(regular(3), 4, 3, in_length=26, lifted=True),
        WeightedSum(regular(3), 8),
        Dense(regular(3).pooled(), unstranded(2).pooled()),
    )


def test_a_stack_is_its_layers_in_order() -> None:
    layers = stack().double().eval()
    randomise(layers)
    x = random_input(dna(), 30)
    expected = x
    for layer in layers:
        expected = layer(expected)
    assert torch.equal(layers(x), expected)
    assert (layers.in_type, layers.out_type) == (dna(), unstranded(2).pooled())
    assert layers.out_length(30) == 0
    assert Stack(*list(layers)[:3]).out_length(30) == 26  # pyright: ignore[reportArgumentType]


def test_features_after_layers() -> None:
    layers = list(stack())
    assert after(Features(dna(), 30), layers[:1]) == Features(regular(3), 26)  # pyright: ignore[reportArgumentType]
    assert after(Features(dna(), 30), layers[:4]) == Features(regular(3), 8)  # pyright: ignore[reportArgumentType]
    assert after(Features(dna(), 30), layers) == Features(unstranded(2).pooled(), 0)  # pyright: ignore[reportArgumentType]
    assert after(Features(dna(), 30), []) == Features(dna(), 30)


def test_freezing_leaves_the_module_alone_and_writes_every_weight_out() -> None:
    layers = stack().double().train()
    randomise(layers)
    before = {name: value.clone() for name, value in layers.state_dict().items()}
    frozen = freeze(layers)
    assert layers.training
    assert not frozen.training
    assert all(torch.equal(value, before[name]) for name, value in layers.state_dict().items())
    kinds = [type(layer) for layer in frozen.children()]
    assert kinds == [nn.Conv1d, nn.BatchNorm1d, nn.ReLU, MaxPool1d, nn.Sequential, nn.Linear]
    x = random_input(dna(), 30)
    torch.testing.assert_close(frozen(x), layers.eval()(x), rtol=0, atol=1e-12)
    with torch.no_grad():
        for weight in frozen.parameters():
            weight.zero_()
    assert all(torch.equal(value, before[name]) for name, value in layers.state_dict().items())


def test_freezing_reaches_into_modules_of_others() -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.ModuleDict({"a": Conv1d(dna(), regular(3), 5)})

        def forward(self, x):
            return self.inner["a"](x) + 1

    module = Wrapped().double()
    frozen = freeze(module)
    assert isinstance(frozen.get_submodule("inner.a"), nn.Conv1d)
    assert isinstance(module.get_submodule("inner.a"), Conv1d)
    x = random_input(dna(), 12)
    torch.testing.assert_close(frozen(x), module(x), rtol=0, atol=1e-12)


def test_a_layer_shows_its_types() -> None:
    assert repr(ReLU(regular(2))) == "ReLU(regular(2) -> regular(2))"
