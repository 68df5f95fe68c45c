"""Modules whose authors never thought of the other strand, lifted by one call."""

import io

import pytest
import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers import Conjoined, Conv1d, Dense, MaxPool1d, PerStrand, ReLU, Stack, freeze
from strandwise.models import lift
from strandwise.models.lifting import Lifted
from strandwise.strand import dna, odd, plain, regular, revcomp, stranded, unstranded
from strandwise.testing import assert_strand_law, random_input, randomise

LENGTHS = (40, 41)
BOUND = unstranded(2).pooled()


def convolutional() -> nn.Module:
    """DNA to two logits, with whatever breaks the law if it is not lifted."""
    return nn.Sequential(
        *[nn.Conv1d(4, 6, 5, padding=2), nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(3, 2)],
        *[nn.Conv1d(6, 5, 4, padding=1, stride=2), nn.GELU(), nn.AdaptiveMaxPool1d(3), nn.Flatten(), nn.Linear(15, 2)],
    )


class Recurrent(nn.Module):
    """Reads the DNA in one direction."""

    def __init__(self, whole: bool) -> None:
        super().__init__()
        self.whole = whole
        self.lstm = nn.LSTM(4, 6, batch_first=True)
        self.readout = nn.Linear(6, 2)

    def forward(self, dna: Tensor) -> Tensor:
        states = self.lstm(dna.transpose(1, 2))[0]
        return self.readout(states[:, -1]) if self.whole else states.transpose(1, 2)


class Profile(nn.Module):
    """Reads DNA, a control track of both strands and a cell type; gives a profile and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv1d(6, 8, 7, padding=3)
        self.profile = nn.Conv1d(8, 2, 5, padding=2)
        self.counts = nn.Linear(8 + 3, 2)

    def forward(self, seq: Tensor, control: Tensor, *, cell: Tensor, scale: float = 1.0) -> dict[str, Tensor]:
        features = torch.relu(self.body(torch.cat([seq, control], 1)))
        counts = self.counts(torch.cat([features[..., ::2].mean(-1), cell], 1))
        return {"counts": scale * counts, "profile": self.profile(features)}


class Returns(nn.Module):
    """Gives whatever it is told to."""

    def __init__(self, what: object) -> None:
        super().__init__()
        self.what = what

    def forward(self, x: Tensor) -> object:
        return self.what(x) if callable(self.what) else self.what


PROFILE_IN = {"seq": dna(), "control": stranded(1), "cell": unstranded(3).pooled()}
PROFILE_OUT = {"profile": stranded(1), "counts": stranded(1).pooled()}

WHOLE: dict[str, Lifted | PerStrand] = {
    "convolutions": lift(convolutional(), dna(), BOUND),
    "recurrent": lift(Recurrent(whole=True), dna(), BOUND),
    "by the name of its input": lift(Recurrent(whole=True), {"dna": dna()}, BOUND),
    "profile": lift(Profile(), PROFILE_IN, PROFILE_OUT),
    "to odd": lift(nn.Conv1d(4, 3, 4), dna(), odd(3)),
    "to pairs": lift(nn.Conv1d(4, 6, 5, padding=1), dna(), regular(3)),
    "from two tracks": lift(nn.Conv1d(5, 2, 3), dna() + unstranded(1), stranded(1)),
}
TRUNKS: dict[str, Lifted | PerStrand] = {
    "convolutions": lift(nn.Sequential(nn.Conv1d(4, 6, 10, padding="same"), nn.MaxPool1d(3, 2)), dna(), plain(6)),
    "recurrent": lift(Recurrent(whole=False), dna(), plain(6)),
    "pooled": lift(Recurrent(whole=True), dna(), plain(2).pooled()),
    "by the name of its input": lift(Recurrent(whole=False), {"dna": dna()}, plain(6)),
    "our layers": lift(Stack(Conv1d(dna(), plain(3), 5), ReLU(plain(3)))),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_model_obeys(name: str) -> None:
    assert_strand_law(WHOLE[name], lengths=LENGTHS)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize("name", TRUNKS)
def test_a_trunk_obeys(name: str) -> None:
    assert isinstance(TRUNKS[name], PerStrand)
    assert_strand_law(TRUNKS[name], lengths=LENGTHS)


@pytest.mark.parametrize("make", [convolutional, lambda: Recurrent(whole=True)], ids=["convolutions", "recurrent"])
def test_what_is_lifted_would_break_the_law(make) -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.in_type, self.out_type, self.inner = dna(), BOUND, make()

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x)

    with pytest.raises(AssertionError, match="breaks the strand law"):
        assert_strand_law(Bare(), lengths=(40,), tolerance=1e-6)


def test_a_whole_model_is_the_mean_of_two_calls() -> None:
    inner = randomise(convolutional().double().eval())
    x = random_input(dna(), 40)
    lifted = lift(inner, dna(), BOUND)
    expected = (inner(x) + inner(revcomp(x, dna()))) / 2
    torch.testing.assert_close(lifted(x), expected, rtol=0, atol=1e-12)
    assert (lifted.input_types, lifted.output_types) == ({"input": dna()}, {"output": BOUND})


def test_several_inputs_go_by_order_or_by_name() -> None:
    inner = randomise(Profile().double().eval())
    lifted = lift(inner, PROFILE_IN, PROFILE_OUT)
    given = {name: random_input(kind, 40, seed=1) for name, kind in PROFILE_IN.items()}
    turned = {name: revcomp(x, PROFILE_IN[name]) for name, x in given.items()}
    one, other = inner(**given), inner(**turned)
    by_name, by_order = lifted(**dict(reversed(given.items()))), lifted(*given.values())
    mixed = lifted(given["seq"], control=given["control"], cell=given["cell"])
    for name, kind in PROFILE_OUT.items():
        expected = (one[name] + revcomp(other[name], kind)) / 2
        for result in (by_name, by_order, mixed):
            torch.testing.assert_close(result[name], expected, rtol=0, atol=1e-12)


def test_a_lifted_trunk_goes_under_typed_layers() -> None:
    trunk = lift(nn.Sequential(nn.Conv1d(4, 6, 5), nn.ReLU()), dna(), plain(6))
    assert isinstance(trunk, PerStrand)
    assert trunk.out_type == regular(6)
    pool = MaxPool1d(regular(6), 4, 4, in_length=36)
    assert_strand_law(Stack(trunk, pool, Dense(regular(6), BOUND, in_length=9)), lengths=(40,))
    flat = lift(Recurrent(whole=True), dna(), plain(2).pooled())
    assert isinstance(flat, PerStrand)
    assert flat.out_type == regular(2).pooled()


def test_modules_that_declare_their_types_need_no_more() -> None:
    own = Stack(Conv1d(dna(), plain(3), 5), ReLU(plain(3)), Dense(plain(3), BOUND, in_length=36))
    lifted = lift(own)
    assert isinstance(lifted, Lifted)
    assert_strand_law(lifted, lengths=(40,))

    class Declared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input_types, self.output_types = {"sequence": dna()}, {"bound": BOUND}
            self.inner = own

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"bound": self.inner(x)}

    model = Declared().double().eval()
    x = random_input(dna(), 40)
    assert torch.equal(lift(model)(x)["bound"], Conjoined(model)(x)["bound"])
    assert torch.equal(lifted.double().eval()(x), Conjoined(model)(x)["bound"])


def test_the_module_is_held_and_learns() -> None:
    inner = convolutional()
    lifted = lift(inner, dna(), BOUND)
    lifted(random_input(dna(), 40).float()).sum().backward()
    assert all(weight.grad is not None for weight in inner.parameters())
    assert {id(weight) for weight in lifted.parameters()} == {id(weight) for weight in inner.parameters()}


def test_a_lifted_model_can_be_frozen_and_exported() -> None:
    lifted = randomise(lift(convolutional(), dna(), BOUND)).eval()
    x = random_input(dna(), 40).float()
    file = io.BytesIO()
    torch.export.save(torch.export.export(freeze(lifted), (x,)), file)
    file.seek(0)
    torch.testing.assert_close(torch.export.load(file).module()(x), lifted(x), rtol=1e-6, atol=1e-6)


REFUSED_AT_ONCE: list[tuple[nn.Module, object, object, str]] = [
    (convolutional(), plain(4), BOUND, "'input' is plain"),
    (convolutional(), plain(4), plain(3), "no other strand to read"),
    (convolutional(), dna(), None, "give both in_types and out_types, or neither"),
    (convolutional(), None, None, "Sequential declares no strand types"),
    (convolutional(), {}, BOUND, "the type of at least one input"),
    (
        Profile(),
        {**PROFILE_IN, "sequence": dna()},
        PROFILE_OUT,
        "names 'sequence', .* takes seq, control, cell",
    ),
    (Profile(), {"seq": dna(), "controls": stranded(1)}, PROFILE_OUT, r"\(did you mean 'control'\?\): use its names"),
    (Profile(), {"seq": dna(), "control": stranded(1)}, PROFILE_OUT, "needs 'cell', .* unstranded"),
    (Profile(), PROFILE_IN, plain(3), r"gives plain\(3\), ordinary features, .*join inputs along channels"),
    (Recurrent(whole=False), dna(), {"states": plain(6)}, "from one input to one tensor"),
    (Recurrent(whole=False), dna(), {"states": plain(6), "bound": BOUND}, "from one input to one tensor"),
]


@pytest.mark.parametrize(("module", "in_types", "out_types", "words"), REFUSED_AT_ONCE)
def test_what_cannot_be_lifted_is_refused_at_once(module: nn.Module, in_types, out_types, words: str) -> None:
    with pytest.raises(StrandLawError, match=words):
        lift(module, in_types, out_types)


def flat(x: Tensor) -> Tensor:
    return x.mean(1)


REFUSED_WHEN_CALLED: list[tuple[object, object, str]] = [
    (lambda x: (flat(x), flat(x)), BOUND, r"gives a tuple, .*forward returns one tensor, or a dict such as"),
    (lambda x: [flat(x)], plain(2), "gives a list, whose parts have no names"),
    (None, BOUND, "gives a NoneType"),
    (lambda x: {"a": flat(x), "b": flat(x)}, BOUND, r"gives a dict: give out_types by name, as \{'a': ..., 'b': ...\}"),
    (flat, {"a": BOUND}, "gives one tensor, and out_types names a: give the type alone"),
    (lambda x: {"a": flat(x), "b": flat(x)}, {"a": unstranded(1)}, "gives a, b, and out_types names a: name each"),
    (lambda x: {"a": flat(x)}, {"a": BOUND, "b": BOUND}, "gives a, and out_types names a, b"),
    (
        lambda x: x.mean(1),
        unstranded(1),
        r"gives 'output' of shape \(6, 40\) for a batch of 6 rows, and",
    ),
    (lambda x: x.mean((1, 2)), unstranded(1).pooled(), r"of shape \(6,\) .* is \(batch, channels\) with 1 channels"),
    (lambda x: x, stranded(1), r"of shape \(6, 4, 40\) for a batch of 6 rows, and stranded\(1\) is .* with 2 channels"),
    (lambda x: x, plain(3), r"of shape \(6, 4, 40\) .* plain\(3\) is \(batch, channels, positions\) with 3 channels"),
    (lambda x: x[:5], dna(), r"of shape \(5, 4, 40\) for a batch of 6 rows"),
    (lambda x: {"a": 3}, {"a": BOUND}, "gives 'a' that is a int"),
]


@pytest.mark.parametrize(("what", "out_types", "words"), REFUSED_WHEN_CALLED)
def test_what_a_module_gives_is_checked(what: object, out_types, words: str) -> None:
    with pytest.raises(StrandLawError, match=words):
        lift(Returns(what), dna(), out_types)(random_input(dna(), 40))


def test_what_a_module_reads_is_checked() -> None:
    # A sequence without a batch axis would pass for a batch of four.
    for out_type in (dna(), plain(4)):
        with pytest.raises(StrandLawError, match=r"reads 'input' of shape \(8, 40\) .* dna\(\) is \(batch, "):
            lift(Returns(lambda x: x), dna(), out_type)(random_input(dna(), 40)[0])
    lifted = lift(Profile(), PROFILE_IN, PROFILE_OUT)
    with pytest.raises(StrandLawError, match="Profile reads seq, control, cell: give them"):
        lifted()
    with pytest.raises(TypeError, match="control"):
        lifted(random_input(dna(), 40).float())
