import pytest
import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers import BatchNorm1d, Conjoined, Conv1d, Head, Merge, PerStrand, ReLU, Stack, freeze
from strandwise.layers.head import LINKS
from strandwise.strand import StrandType, dna, odd, plain, regular, revcomp, stranded, unstranded
from strandwise.testing import assert_strand_law, random_input, randomise


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


MERGES = [Merge(), Merge("max"), Merge("mean", after_link=True)]


@pytest.mark.parametrize("merge", MERGES, ids=str)
@pytest.mark.parametrize("kind", [unstranded(2).pooled(), stranded(1).pooled()], ids=str)
def test_any_merge_makes_a_model_lawful_and_merges_two_calls(merge: Merge, kind: StrandType) -> None:
    class Readout(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input_types, self.output_types = {"sequence": dna()}, {"bound": kind}
            self.heads = (Head("bound", kind, ("a", "b"), "logistic"),)
            self.body = nn.Conv1d(4, 2, 5)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"bound": self.body(x).amax(2) * 3}

    model = Readout().double()
    conjoined = Conjoined(model, merge)
    assert_strand_law(conjoined, lengths=(11, 12))
    with pytest.raises(AssertionError, match="breaks the strand law"):
        assert_strand_law(model, lengths=(11,), tolerance=1e-4)
    x = random_input(dna(), 12, batch=8)
    with torch.no_grad():
        one, other = model(x)["bound"], revcomp(model(revcomp(x, dna()))["bound"], kind)
        found = conjoined(x)["bound"]
    if merge.how == "max":
        expected = torch.maximum(one, other)
    elif merge.after_link:
        expected = torch.logit((torch.sigmoid(one) + torch.sigmoid(other)) / 2)
    else:
        expected = (one + other) / 2
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("merge", MERGES, ids=str)
def test_each_head_is_merged_by_its_own_link(merge: Merge) -> None:
    links = {"profile": "softmax", "counts": "log1p"}
    model = TwoHeads().double()
    conjoined = Conjoined(model, merge, links=links)
    x, control = random_input(dna(), 20), random_input(stranded(1), 20)
    with torch.no_grad():
        forward, reverse = model(x, control), model(revcomp(x, dna()), revcomp(control, stranded(1)))
        found = conjoined(x, control)
    assert_strand_law(conjoined, lengths=(20, 21))
    if not merge.after_link:
        return
    for name, kind in model.output_types.items():
        activate = LINKS[links[name]].activate
        expected = (activate(forward[name]) + activate(revcomp(reverse[name], kind))) / 2
        torch.testing.assert_close(activate(found[name]), expected, rtol=0, atol=1e-10)


def test_merging_after_a_link_needs_to_know_the_link() -> None:
    with pytest.raises(
        StrandLawError, match=r"TwoHeads does not say the link of 'profile': give links=.*identity, log"
    ):
        Conjoined(TwoHeads(), Merge("mean", after_link=True))
    with pytest.raises(StrandLawError, match="does not say the link of 'counts'"):
        Conjoined(TwoHeads(), Merge("mean", after_link=True), links={"profile": "softmax"})
    Conjoined(TwoHeads(), Merge("max"))


def test_merges_that_make_no_sense_are_refused() -> None:
    with pytest.raises(StrandLawError, match="answers are merged by 'mean' or 'max', not 'sum'"):
        Merge("sum")  # pyright: ignore[reportArgumentType]
    with pytest.raises(StrandLawError, match="merge by 'max' before the link"):
        Merge("max", after_link=True)


@pytest.mark.parametrize("merge", MERGES, ids=str)
def test_a_frozen_model_keeps_its_merge(merge: Merge) -> None:
    class Typed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            kind = unstranded(1).pooled()
            self.input_types, self.output_types = {"sequence": dna()}, {"bound": kind}
            self.heads = (Head("bound", kind, ("a",), "logistic"),)
            self.body = Conv1d(dna(), plain(1), 5)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"bound": self.body(x).amax(2)}

    conjoined = Conjoined(Typed().double(), merge).eval()
    x = random_input(dna(), 12)
    with torch.no_grad():
        torch.testing.assert_close(freeze(conjoined)(x)["bound"], conjoined(x)["bound"], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("merge", "link"), [(Merge("max"), "identity"), (Merge(after_link=True), "log1p")])
def test_odd_outputs_are_merged_only_by_what_keeps_their_sign(merge: Merge, link: str) -> None:
    class Signed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input_types, self.output_types = {"x": dna()}, {"y": odd(1).pooled()}

        def forward(self, x):
            return {"y": x[:, :1].sum(2)}

    with pytest.raises(StrandLawError, match=r"'y' is odd\(1\).pooled\(\), whose sign flips"):
        Conjoined(Signed(), merge, links={"y": link})
    Conjoined(Signed(), links={"y": link})
