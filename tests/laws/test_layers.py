"""The strand law of every public layer, over types and sizes, in float64."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from strandwise import layers
from strandwise.layers import (
    GRU,
    LSTM,
    Activation,
    AttentionPool1d,
    AveragePool1d,
    BatchNorm1d,
    Branches,
    ChannelDropout,
    Conv1d,
    ConvTranspose1d,
    Crop1d,
    Dense,
    DilatedBlock,
    Dropout,
    GlobalAttentionPool,
    GlobalAveragePool,
    GlobalMaxPool,
    GroupNorm,
    IrrepActivation,
    KerasLSTM,
    LayerNorm,
    MaxPool1d,
    PerStrand,
    PoolStrands,
    ReLU,
    Residual,
    SelfAttention,
    Stack,
    SumChannels,
    Tanh,
    TypedModule,
    Unflatten,
    WeightedSum,
    freeze,
    tying,
)
from strandwise.layers.activation import FUNCTIONS
from strandwise.layers.strands import How
from strandwise.layers.weighted_sum import Start
from strandwise.strand import StrandType, dna, odd, plain, regular, stranded, unstranded
from strandwise.testing import assert_strand_law, random_input, randomise

pytestmark = pytest.mark.usefixtures("one_thread")

TYPES = [dna(), regular(1), regular(3), stranded(2), unstranded(3), odd(2), dna() + unstranded(2), regular(2) + odd(1)]
EVEN = [kind for kind in TYPES if min(kind.sign) > 0]

# Every type with as many groups as it allows, and a partner type that carries them alike.
GROUPED = [
    (dna(), regular(2), 2),
    (regular(2), regular(4), 4),
    (regular(3), regular(3), 3),
    (stranded(1), regular(1), 2),
    (stranded(2), unstranded(2), 2),
    (unstranded(4), odd(2), 2),
    (odd(2), odd(4), 2),
    (dna() + dna(), stranded(1) + odd(2), 2),
]
BLOCKS = [
    (dna(), (1, 2, 4)),
    (regular(3), (1, 2, 3, 6)),
    (stranded(2), (1, 2, 4)),
    (unstranded(4), (1, 2, 4)),
    (odd(4), (1, 2)),
    (regular(1) + odd(2), (1, 2)),
    (unstranded(1) + odd(2) + unstranded(1), (2,)),
]
HOWS: tuple[How, ...] = ("sum", "mean", "max")
STARTS: tuple[tuple[str | None, Start], ...] = (("tanh", "uniform"), (None, "centre"))

Case = tuple[str, Callable[[], TypedModule], tuple[int, ...]]


def convolutions() -> list[Case]:
    return [
        (
            f"Conv1d {a} -> {b}, {width} taps, dilation {dilation}, {padding}",
            lambda a=a, b=b, w=width, d=dilation, p=padding: Conv1d(a, b, w, dilation=d, padding=p),
            (20, 21),
        )
        for a in TYPES
        for b in TYPES
        for width, dilation, padding in ((1, 1, "valid"), (4, 1, "valid"), (5, 2, "same"), (4, 2, "same"))
    ]


def strided_and_grouped() -> list[Case]:
    cases: list[Case] = [
        (
            f"Conv1d {a} -> {b}, {width} taps every {stride}, dilation {dilation}, {padding}, {n} positions",
            lambda a=a, b=b, w=width, s=stride, d=dilation, p=padding, n=n: Conv1d(
                a, b, w, stride=s, dilation=d, padding=p, in_length=n
            ),
            (n,),
        )
        for a in TYPES
        for b in TYPES
        for width, stride, dilation, padding, n in (
            (4, 3, 1, "valid", 13),
            (3, 2, 2, "valid", 11),
            (5, 2, 1, "same", 9),
        )
    ]
    cases += [
        (
            f"Conv1d {a} -> {b}, {g} groups, {width} taps",
            lambda a=a, b=b, g=g, w=width: Conv1d(a, b, w, groups=g),
            (9, 10),
        )
        for one, other, g in GROUPED
        for a, b in ((one, other), (other, one))
        for width in (1, 4, 5)
    ]
    cases += [
        (
            f"ConvTranspose1d {a} -> {b}, {width} taps every {stride}, dilation {dilation}, padding {padding}",
            lambda a=a, b=b, w=width, s=stride, d=dilation, p=padding: ConvTranspose1d(
                a, b, w, stride=s, dilation=d, padding=p
            ),
            (6, 7),
        )
        for a in TYPES
        for b in TYPES
        for width, stride, dilation, padding in ((4, 3, 1, 0), (5, 2, 2, 2))
    ]
    return cases


def dense_layers() -> list[Case]:
    pooled: list[Case] = [
        (f"Dense {a} -> {b}, pooled", lambda a=a, b=b: Dense(a.pooled(), b.pooled()), (1,))
        for a in TYPES
        for b in TYPES
    ]
    along: list[Case] = [
        (f"Dense {a} -> {b}, {n} positions", lambda a=a, b=b, n=n: Dense(a, b.pooled(), in_length=n), (n,))
        for a in TYPES
        for b in TYPES
        for n in (6, 7)
    ]
    laid: list[Case] = [
        (f"Unflatten {t}, {n} positions", lambda t=t, n=n: Unflatten(t, n), (1,)) for t in TYPES for n in (1, 4, 5)
    ]
    return pooled + along + laid


def channel_wise() -> list[Case]:
    cases: list[Case] = [(f"BatchNorm1d {t}", lambda t=t: BatchNorm1d(t), (9, 10)) for t in TYPES]
    cases += [(f"BatchNorm1d {t}, pooled", lambda t=t: BatchNorm1d(t.pooled()), (1,)) for t in TYPES]
    cases += [(f"ReLU {t}", lambda t=t: ReLU(t), (9,)) for t in EVEN]
    cases += [(f"WeightedSum {t}, {n}", lambda t=t, n=n: WeightedSum(t, n), (n,)) for t in TYPES for n in (6, 7)]
    cases += [
        (f"MaxPool1d {t}, {n}", lambda t=t, n=n: MaxPool1d(t, 4, 3, in_length=n), (n,)) for t in EVEN for n in (10, 13)
    ]
    cases += [
        (f"MaxPool1d {t}, {n}, lifted", lambda t=t, n=n: MaxPool1d(t, 4, 3, in_length=n, lifted=True), (n,))
        for t in (dna(), regular(3), stranded(2))
        for n in (10, 11, 12)
    ]
    cases += [(f"SumChannels {t}", lambda t=t: SumChannels(t.pooled(), unstranded(1).pooled()), (1,)) for t in EVEN]
    return cases


def norms_of_one_sequence() -> list[Case]:
    cases: list[Case] = [(f"LayerNorm {t}", lambda t=t: LayerNorm(t), (1, 9, 10)) for t in TYPES]
    cases += [(f"LayerNorm {t}, pooled", lambda t=t: LayerNorm(t.pooled()), (1,)) for t in TYPES]
    cases += [(f"GroupNorm {t}, {g}", lambda t=t, g=g: GroupNorm(t, g), (9, 10)) for t, gs in BLOCKS for g in gs]
    cases += [
        (f"GroupNorm {t}, {g}, pooled", lambda t=t, g=g: GroupNorm(t.pooled(), g), (1,))
        for t, gs in BLOCKS
        for g in gs
        if g < t.channels
    ]
    return cases


def pools() -> list[Case]:
    cases: list[Case] = []
    for t in TYPES:
        cases += [
            (f"AveragePool1d {t}, {n}", lambda t=t, n=n: AveragePool1d(t, 4, 3, in_length=n), (n,)) for n in (10, 13)
        ]
        cases += [
            (
                f"AttentionPool1d {t}, {n}, {'per channel' if own else 'shared'}",
                lambda t=t, n=n, own=own: AttentionPool1d(t, 4, 3, in_length=n, per_channel=own),
                (n,),
            )
            for n in (10, 13)
            for own in (True, False)
        ]
        cases += [
            (f"GlobalAttentionPool {t}, {own}", lambda t=t, own=own: GlobalAttentionPool(t, per_channel=own), (1, 6, 7))
            for own in (True, False)
        ]
        cases += [(f"GlobalAveragePool {t}", lambda t=t: GlobalAveragePool(t), (1, 6, 7))]
    cases += [(f"GlobalMaxPool {t}", lambda t=t: GlobalMaxPool(t), (1, 6, 7)) for t in EVEN]
    cases += [
        (f"{kind.__name__} {t}, {n}, lifted", lambda k=kind, t=t, n=n: k(t, 4, 3, in_length=n, lifted=True), (n,))
        for kind in (AveragePool1d, AttentionPool1d)
        for t in (dna(), regular(3), stranded(2))
        for n in (11, 12)
    ]
    cases += [
        (f"PoolStrands {t}, {how}", partial(PoolStrands, t, how), (6, 7))
        for t in (*EVEN, regular(2).pooled(), (regular(2) + unstranded(1)).pooled())
        for how in HOWS
    ]
    return cases


def weighted_sums() -> list[Case]:
    return [
        (
            f"WeightedSum {t}, {n}, symmetric {symmetric}, {name}, {init}",
            lambda t=t, n=n, s=symmetric, f=name, i=init: WeightedSum(
                t, n, symmetric=s, bias=True, nonlinearity=f, init=i, smoothness=0.1
            ),
            (n,),
        )
        for t in TYPES
        for n in (1, 6, 7)
        for symmetric in (True, False)
        for name, init in STARTS
    ]


def activations() -> list[Case]:
    cases: list[Case] = [
        (f"Activation {name} {t}", lambda t=t, name=name: Activation(t, name), (5,))
        for name, function in FUNCTIONS.items()
        for t in (TYPES if function.odd else EVEN)
    ]
    cases += [(f"Tanh {t}", lambda t=t: Tanh(t), (5,)) for t in TYPES]
    cases += [
        (f"IrrepActivation {t}, {even}, {odd}", lambda t=t, e=even, o=odd: IrrepActivation(t, e, o), (5,))
        for t in (*TYPES, regular(1).pooled() + odd(1).pooled())
        for even, odd in (("relu", "tanh"), ("exp", "softsign"))
    ]
    return cases


def dropouts() -> list[Case]:
    kinds = (Dropout, ChannelDropout)
    cases: list[Case] = [(f"{k.__name__} {t}", lambda k=k, t=t: k(t, 0.4), (8, 9)) for k in kinds for t in TYPES]
    cases += [(f"{k.__name__} {t}, pooled", lambda k=k, t=t: k(t.pooled(), 0.4), (1,)) for k in kinds for t in TYPES]
    cases += [
        (
            f"PerStrand {k.__name__} {t}",
            lambda k=k, t=t: PerStrand(
                Stack(Conv1d(t, plain(3), 4), k(plain(3), 0.4), Conv1d(plain(3), plain(2), 2)), t
            ),
            (8, 9),
        )
        for k in kinds
        for t in TYPES
    ]
    return cases


def residuals() -> list[Case]:
    cases: list[Case] = []
    for t in TYPES:
        cases += [
            (f"Crop1d {t}", lambda t=t: Crop1d(t, 2), (5, 8)),
            (f"Crop1d {t}, nothing", lambda t=t: Crop1d(t, 0), (5, 8)),
            (
                f"Residual {t}",
                lambda t=t: Residual(Stack(Conv1d(t, t, 4), IrrepActivation(t), Conv1d(t, t, 2))),
                (9, 10),
            ),
            (f"Residual {t}, average", lambda t=t: Residual(Conv1d(t, t, 4, dilation=2), average=True), (9, 10)),
            (
                f"Residual {t}, around two strands",
                lambda t=t: Residual(PerStrand(Conv1d(regular(2), plain(2), 3), regular(2))),
                (9, 10),
            ),
            (f"Residual {t}, pooled", lambda t=t: Residual(Dense(t.pooled(), t.pooled())), (1,)),
        ]
        cases += [
            (
                f"DilatedBlock {t}, {padding}",
                lambda t=t, p=padding: DilatedBlock(t, 2, padding=p, activation="relu" if t in EVEN else "tanh"),
                (9, 10),
            )
            for padding in ("valid", "same")
        ]
    cases.append(
        (
            "Residual of odd reach, lifted",
            lambda: PerStrand(Stack(Conv1d(dna(), plain(3), 1), Residual(Conv1d(plain(3), plain(3), 4))), dna()),
            (9, 10),
        )
    )
    return cases


def lifted() -> list[Case]:
    """Layers without a law of their own, by the wrapper that gives them one."""
    makes: list[tuple[str, Callable[[StrandType], TypedModule]]] = [
        ("LSTM", lambda t: LSTM(t, 3)),
        ("LSTM to one side, two layers", lambda t: LSTM(t, 3, bidirectional=False, layers=2)),
        ("GRU", lambda t: GRU(t, 3)),
        ("KerasLSTM", lambda t: KerasLSTM(t, 3, dropout=0.3)),
        ("GRU to one side", lambda t: GRU(t, 3, bidirectional=False)),
        *(
            (f"SelfAttention {place}", lambda t, p=place: SelfAttention(t, 4, heads=2, place=p, max_distance=3))
            for place in ("none", "symmetric", "relative")
        ),
        ("Conv1d with a stride that does not fit", lambda t: Conv1d(t, plain(3), 4, stride=3)),
    ]
    return [
        (f"{name} lifted from {t}", lambda t=t, make=make: PerStrand(make(t), t), (11, 12))
        for name, make in makes
        for t in TYPES
    ]


class Lopsided(nn.Module):
    """A module without any symmetry: padding on one side, pooling from the left."""

    def __init__(self, kind: StrandType) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.ConstantPad1d((0, 3), 0.0), nn.Conv1d(kind.channels, 3, 4), nn.MaxPool1d(2))

    def forward(self, x):
        return self.body(x)


def wrappers() -> list[Case]:
    others: list[Case] = [
        (f"PerStrand {t}", lambda t=t: PerStrand(Lopsided(t), t, out_channels=3), (11, 12)) for t in TYPES
    ]
    stacks: list[Case] = [
        (
            "Stack",
            lambda: Stack(Conv1d(dna(), regular(3), 3), BatchNorm1d(regular(3)), ReLU(regular(3))),
            (9, 10),
        )
    ]
    beside: list[Case] = [
        (
            f"Branches {t}",
            lambda t=t: Branches(Conv1d(t, odd(1), 3, padding="same"), Crop1d(t, 0), Conv1d(t, stranded(1), 1)),
            (9, 10),
        )
        for t in TYPES
    ]
    return others + stacks + beside


CASES = [
    *convolutions(),
    *strided_and_grouped(),
    *dense_layers(),
    *channel_wise(),
    *norms_of_one_sequence(),
    *pools(),
    *weighted_sums(),
    *activations(),
    *dropouts(),
    *residuals(),
    *lifted(),
    *wrappers(),
]


@pytest.mark.parametrize(("name", "make", "lengths"), CASES, ids=[case[0] for case in CASES])
def test_layer_obeys_the_law(name: str, make: Callable[[], TypedModule], lengths: tuple[int, ...]) -> None:
    assert_strand_law(make(), lengths=lengths)


@pytest.mark.parametrize(("name", "make", "lengths"), CASES, ids=[case[0] for case in CASES])
def test_layer_is_the_same_frozen(name: str, make: Callable[[], TypedModule], lengths: tuple[int, ...]) -> None:
    layer = make().double().eval()
    randomise(layer)
    frozen = freeze(layer)
    for length in lengths:
        x = random_input(layer.in_type, length)
        torch.testing.assert_close(frozen(x), layer(x), rtol=0, atol=1e-12)


def test_large_weights_which_are_a_half_and_its_mirror_image_obey_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tying, "_LARGE", 1)
    obeyed = 0
    for _, make, lengths in CASES:
        layer = make()
        if any(isinstance(part, tying.TiedParameter) and part.mirrored for part in layer.modules()):
            assert_strand_law(layer, lengths=lengths[:1])
            obeyed += 1
    assert obeyed > 20


def test_every_public_layer_is_in_the_table() -> None:
    public = {
        name
        for name in layers.__all__
        if isinstance(kind := getattr(layers, name), type) and issubclass(kind, TypedModule) and kind is not TypedModule
    }
    covered = {name.split()[0].rstrip(",") for name, _, _ in CASES}
    assert public == covered


def test_a_plain_layer_fails_the_law() -> None:
    class Untied(TypedModule):
        def __init__(self) -> None:
            super().__init__(dna(), regular(2))
            self.conv = nn.Conv1d(4, 4, 3)

        def forward(self, x):
            return self.conv(x)

    with pytest.raises(AssertionError, match=r"Untied breaks the strand law in eval mode at length 12.*'output'"):
        assert_strand_law(Untied(), lengths=(12,))


def test_masks_that_are_not_mirrored_fail_the_law() -> None:
    class Forgetful(TypedModule):
        def __init__(self) -> None:
            super().__init__(regular(2), regular(2))
            self.drop = nn.Dropout(0.4)

        def forward(self, x):
            return self.drop(x)

    with pytest.raises(AssertionError, match="breaks the strand law in train mode"):
        assert_strand_law(Forgetful(), lengths=(12,))


def test_a_law_is_asserted_without_a_trace() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    layer = Dropout(regular(2))
    assert_strand_law(layer, lengths=(12,))
    assert torch.equal(torch.get_rng_state(), before)


def test_plain_types_are_refused_before_anything_runs() -> None:
    from strandwise.errors import StrandLawError

    with pytest.raises(StrandLawError, match="follow no reverse-complement law"):
        assert_strand_law(Conv1d(plain(2), plain(2), 3), lengths=(12,))
