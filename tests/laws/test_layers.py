"""The strand law of every public layer, over types and sizes, in float64."""

from collections.abc import Callable

import pytest
from torch import nn

from strandwise import layers
from strandwise.layers import (
    BatchNorm1d,
    Conv1d,
    Dense,
    MaxPool1d,
    PerStrand,
    ReLU,
    Stack,
    SumChannels,
    TypedModule,
    WeightedSum,
)
from strandwise.strand import StrandType, dna, odd, plain, regular, stranded, unstranded
from strandwise.testing import assert_strand_law

TYPES = [dna(), regular(1), regular(3), stranded(2), unstranded(3), odd(2), dna() + unstranded(2), regular(2) + odd(1)]
EVEN = [kind for kind in TYPES if min(kind.sign) > 0]

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
    return pooled + along


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


class Lopsided(nn.Module):
    """A module without any symmetry: padding on one side, pooling from the left."""

    def __init__(self, kind: StrandType) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.ConstantPad1d((0, 3), 0.0), nn.Conv1d(kind.channels, 3, 4), nn.MaxPool1d(2))

    def forward(self, x):
        return self.body(x)


def wrappers() -> list[Case]:
    lifted = [(f"PerStrand {t}", lambda t=t: PerStrand(Lopsided(t), t, out_channels=3), (11, 12)) for t in TYPES]
    recurrent: list[Case] = [
        (
            "PerStrand LSTM",
            lambda: PerStrand(Recurrent(), dna(), out_channels=5),
            (11, 12),
        )
    ]
    stacks: list[Case] = [
        (
            "Stack",
            lambda: Stack(Conv1d(dna(), regular(3), 3), BatchNorm1d(regular(3)), ReLU(regular(3))),
            (9, 10),
        )
    ]
    return lifted + recurrent + stacks


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 5, batch_first=True)

    def forward(self, x):
        return self.lstm(x.transpose(1, 2))[0].transpose(1, 2)


CASES = convolutions() + dense_layers() + channel_wise() + wrappers()


@pytest.mark.parametrize(("name", "make", "lengths"), CASES, ids=[case[0] for case in CASES])
def test_layer_obeys_the_law(name: str, make: Callable[[], TypedModule], lengths: tuple[int, ...]) -> None:
    assert_strand_law(make(), lengths=lengths)


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


def test_plain_types_are_refused_before_anything_runs() -> None:
    from strandwise.errors import StrandLawError

    with pytest.raises(StrandLawError, match="follow no reverse-complement law"):
        assert_strand_law(Conv1d(plain(2), plain(2), 3), lengths=(12,))
