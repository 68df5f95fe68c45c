"""What the networks of Gupta & Rush 2017 for dense labelling share: an answer at every base of a long window.

A strided convolution shortens the window, layers between it look far, and a transposed convolution gives all bases
back. The original networks learn an embedding of A, C, G, T and N, four numbers each; here, as everywhere, DNA comes
in one-hot with N zero, which spares those 20 weights. Weights start as in the other networks (Glorot), biases at 0.
"""

from abc import abstractmethod
from typing import ClassVar, cast

from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from strandwise.errors import ConfigError, StrandLawError
from strandwise.layers import (
    AveragePool1d,
    BatchNorm1d,
    Conv1d,
    ConvTranspose1d,
    Crop1d,
    Dense,
    Dropout,
    Features,
    GlobalAveragePool,
    PerStrand,
    ReLU,
    Stack,
    TypedModule,
    freeze,
)
from strandwise.models.architecture import Architecture, Bins, Hidden, Stage
from strandwise.schema import Settings
from strandwise.strand import StrandType, plain

NORM = {"momentum": 0.1, "eps": 1e-10}
"""Of the authors' batch normalisation."""


class DenseOptions(Settings):
    """Sizes that every network here has; defaults are those of the authors' code."""

    hidden: PositiveInt = Field(default=125, description="units of the layer that reads each base by itself")
    dropout: float = Field(default=0.25, ge=0, lt=1, description="share of values that training forgets")
    batch_norm: bool = Field(default=False, description="normalise before each ReLU, but for that of the hidden layer")


class DenseLabelling(Architecture):
    """A network with one feature vector for each base of its window, read by the same small layers everywhere."""

    Options: ClassVar = DenseOptions
    answers: ClassVar = ("bins", "window")
    usual_bp = 25_000
    small_bp: ClassVar = 64
    small_bins: ClassVar = (Bins(10, 1), Bins(8, 4))

    @property
    def sizes(self) -> DenseOptions:
        """The options that every network here has."""
        return cast("DenseOptions", self.options)

    @abstractmethod
    def trunk(self) -> list[Stage]:
        """Return the stages up to the features of each base."""

    def stages(self) -> list[Stage]:
        """Return the stages of the network, and the hidden layer that reads each base by itself."""

        def hidden_layer(features: Features, hidden: Hidden) -> TypedModule:
            out = hidden(self.sizes.hidden)
            return Stack(Conv1d(features.type, out, 1), ReLU(out), Dropout(out, self.sizes.dropout))

        return [*self.trunk(), Stage("hidden", hidden_layer)]

    def layer(self, operation: TypedModule) -> Stack:
        """Return a convolution with what follows it."""
        return Stack(operation, *self.finish(operation.out_type).layers)  # pyright: ignore[reportArgumentType]

    def finish(self, kind: StrandType) -> Stack:
        """Return what follows each convolution: batch normalisation if asked for, ReLU, dropout."""
        norm = [BatchNorm1d(kind, **NORM)] if self.sizes.batch_norm else []
        return Stack(*norm, ReLU(kind), Dropout(kind, self.sizes.dropout))

    def readout(self, features: Features, out_type: StrandType, bins: Bins | None = None) -> TypedModule:
        """Return one weight per feature and track, at each base, bin, or for the mean of the window.

        Features of a bin are averaged; as the layer behind is linear, that is the average of its bases' logits.

        Raises:
            ConfigError: bins that are not in the middle of the window.
        """
        if not out_type.positions:
            pool = GlobalAveragePool(features.type)
            return Stack(pool, Dense(pool.out_type, out_type))
        layers: list[TypedModule] = []
        if bins is not None:
            layers = _middle(features, bins)
        return Stack(*layers, Conv1d(features.type, out_type, 1))


def _middle(features: Features, bins: Bins) -> list[TypedModule]:
    """Return the layers that cut features to the bins in the middle of the window and average each bin."""
    kind, length = features
    number, bin_bp = bins
    if number < 1 or bin_bp < 1:
        raise ConfigError(f"{number} bins of {bin_bp} bp: both must be 1 or more.")
    covered = number * bin_bp
    if covered > length or (length - covered) % 2:
        raise ConfigError(
            f"{number} bins of {bin_bp} bp, {covered} bp in all, do not lie in the middle of a window of {length} bp: "
            f"{_what_fits(length, bin_bp, number)}."
        )
    layers: list[TypedModule] = [Crop1d(kind, (length - covered) // 2)] if covered < length else []
    if bin_bp > 1:
        layers.append(AveragePool1d(kind, bin_bp, in_length=covered))
    return layers


def _what_fits(length: int, bin_bp: int, number: int) -> str:
    most = length // bin_bp
    fits = [n for n in range(1, most + 1) if (length - n * bin_bp) % 2 == 0]
    if not fits:
        return f"use windows of {length + 1} bp" if most else f"use bins of at most {length} bp"
    below = [n for n in fits if n < number]
    near = sorted({*below[-1:], *[n for n in fits if n > number][:1]})
    return f"use {' or '.join(map(str, near or fits[-1:]))} bins"


def same_convolution(features: Features, hidden: Hidden, filters: int, width: int, dilation: int = 1) -> TypedModule:
    """Return a convolution that keeps the number of positions, lifted where its zeros cannot be shared by both ends."""
    out = hidden(filters)
    if out.lawful and (width - 1) * dilation % 2:
        inner = Conv1d(features.type, plain(filters), width, dilation=dilation, padding="same")
        return PerStrand(inner, features.type)
    return Conv1d(features.type, out, width, dilation=dilation, padding="same")


class Resizing:
    """A strided convolution and the transposed one that gives its positions back: made anew for each network.

    Where the steps do not divide a window, zeros are added at both ends (one more on the right), and cut off again;
    shared weights then read the other strand from the other end.

    Args:
        factor: positions of the input for each between the two; also the taps of both.
    """

    def __init__(self, factor: int) -> None:
        self.factor = factor
        self._ends: tuple[int, int] | None = None

    def down(self, features: Features, hidden: Hidden, filters: int) -> TypedModule:
        """Return the strided convolution."""
        kind, length = features
        out, width = hidden(filters), self.factor
        missing = -length % width
        self._ends = (missing // 2, missing - missing // 2)
        if missing % 2 and out.lawful:
            return PerStrand(Padded(Conv1d(kind, plain(filters), width, stride=width), *self._ends), kind)
        conv = Conv1d(kind, out, width, stride=width, in_length=length + missing)
        return Padded(conv, *self._ends) if missing else conv

    def up(self, features: Features, hidden: Hidden, filters: int) -> TypedModule:
        """Return the transposed convolution, which gives as many positions as went into `down`."""
        if self._ends is None:
            raise StrandLawError("positions can be given back only after `down` has taken them.")
        out, (left, right) = hidden(filters), self._ends
        inside = plain(filters) if left != right else out
        up = ConvTranspose1d(features.type, inside, self.factor, stride=self.factor)
        whole = Stack(up, Crop1d(inside, left, right)) if right else up
        return PerStrand(whole, features.type) if out.lawful and not inside.lawful else whole


class Padded(TypedModule):
    """Add zeros at both ends of what a layer reads.

    Args:
        inner: the layer.
        left: zeros at the left end.
        right: zeros at the right end.

    Raises:
        StrandLawError: ends that differ, around a layer between lawful types.
    """

    def __init__(self, inner: TypedModule, left: int, right: int) -> None:
        super().__init__(inner.in_type, inner.out_type)
        if left != right and inner.in_type.lawful and inner.out_type.lawful:
            raise StrandLawError(
                f"{left} zeros at the left and {right} at the right end of {inner.in_type} break the law, since the "
                "ends trade places: add as many at both, or lift the layer with PerStrand."
            )
        self.inner, self.left, self.right = inner, left, right

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to ``(batch, channels, positions)`` with zeros around."""
        return self.inner(functional.pad(x, (self.left, self.right)))

    def out_length(self, length: int) -> int:
        """Return what the layer makes of `length` positions and the zeros."""
        return self.inner.out_length(length + self.left + self.right)

    def frozen(self) -> nn.Module:
        """Return `torch.nn.ConstantPad1d` and the frozen layer."""
        return nn.Sequential(nn.ConstantPad1d((self.left, self.right), 0.0), freeze(self.inner))

    def extra_repr(self) -> str:
        """Show the zeros; the types stand in the layer inside."""
        return f"left={self.left}, right={self.right}"
