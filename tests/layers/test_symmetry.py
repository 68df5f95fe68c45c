import pytest
import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers import BatchNorm1d, Conjoined, Conv1d, PerStrand, ReLU, Stack, freeze
from strandwise.strand import dna, plain, regular, revcomp, stranded, unstranded
from strandwise.testing import random_input, randomise


def convolution() -> Stack:
    inner = Stack(Conv1d(dna(), plain(3), 4), BatchNorm1d(plain(3)), ReLU(plain(3)))
    randomise(inner)
    return inner.double()


def test_lifting_is_two_calls_with_the_second_turned_back() -> None:
    inner = convolution().eval()
    layer = PerStrand(inner, dna())
    x = random_input(dna(), 15)
    found = layer(x)
    assert layer.out_type == regular(3)
    assert torch.equal(found[:, :3], inner(x))
    assert torch.equal(found[:, 3:], inner(revcomp(x, dna())).flip(1, 2))
    assert layer.out_length(15) == found.shape[-1] == 12
    assert torch.equal(freeze(layer)(x), found)


def test_lifting_pools_statistics_over_both_strands() -> None:
    inner, twin = convolution(), convolution()
    x = random_input(dna(), 15)
    PerStrand(inner, dna()).train()(x)
    twin.train()(torch.cat([x, revcomp(x, dna())]))
    for name, value in inner.state_dict().items():
        assert torch.equal(value, twin.state_dict()[name])
    assert not torch.equal(
        inner.state_dict()["layers.1.running_var"], convolution().state_dict()["layers.1.running_var"]
    )


def test_lifting_a_module_of_any_kind() -> None:
    def total(channels: int) -> nn.Module:
        return nn.Sequential(nn.Conv1d(4, channels, 4), nn.AdaptiveAvgPool1d(1), nn.Flatten()).double()

    inner = total(5)
    layer = PerStrand(inner, dna(), out_channels=5, pooled=True)
    x = random_input(dna(), 12)
    assert layer.out_type == regular(5).pooled()
    assert torch.equal(layer(x)[:, 5:], inner(revcomp(x, dna())).flip(1))
    assert torch.equal(freeze(layer)(x), layer(x))
    with pytest.raises(StrandLawError, match="does not say how it changes lengths"):
        layer.out_length(12)


def test_lifting_refuses_what_makes_no_sense() -> None:
    with pytest.raises(StrandLawError, match=r"plain\(3\) follows no law.* lift from dna\(\)"):
        PerStrand(convolution(), plain(3))
    with pytest.raises(StrandLawError, match="Conv1d declares no out_type: give out_channels"):
        PerStrand(nn.Conv1d(4, 3, 5), dna())
    with pytest.raises(StrandLawError, match=r"gives regular\(3\), which is lawful already: do not lift it"):
        PerStrand(Conv1d(dna(), regular(3), 4), dna())


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.input_types = {"sequence": dna(), "control": stranded(1)}
        self.output_types = {"profile": stranded(1), "counts": unstranded(2).pooled()}
        self.body = nn.Conv1d(6, 3, 5, padding=2)

    def forward(self, sequence: Tensor, control: Tensor) -> dict[str, Tensor]:
        hidden = self.body(torch.cat([sequence, control], 1))
        return {"profile": hidden[:, :2], "counts": hidden[:, 1:].sum(2)}


def test_conjoining_averages_each_head_by_its_type() -> None:
    model = TwoHeads().double()
    x, control = random_input(dna(), 20), random_input(stranded(1), 20)
    forward, reverse = model(x, control), model(revcomp(x, dna()), revcomp(control, stranded(1)))
    for found in (Conjoined(model)(x, control), Conjoined(model)(sequence=x, control=control)):
        for name, kind in model.output_types.items():
            expected = (forward[name] + revcomp(reverse[name], kind)) / 2
            torch.testing.assert_close(found[name], expected, rtol=0, atol=1e-12)


def test_conjoining_a_typed_module_gives_its_output_a_name() -> None:
    class Counter(nn.Module):
        in_type, out_type = dna(), unstranded(1).pooled()

        def forward(self, x: Tensor) -> Tensor:
            return x[:, :1, :3].sum(2)

    x = random_input(dna(), 9)
    expected = (x[:, :1, :3].sum(2) + x[:, 3:, -3:].sum(2)) / 2
    torch.testing.assert_close(Conjoined(Counter())(x)["output"], expected)


def test_conjoining_refuses_types_without_a_law() -> None:
    with pytest.raises(StrandLawError, match=r"'output' is plain\(3\), which follows no law"):
        Conjoined(Conv1d(dna(), plain(3), 4))
    with pytest.raises(StrandLawError, match="Conv1d declares no strand types: set in_type and out_type"):
        Conjoined(nn.Conv1d(4, 3, 4))
