"""The iterated dilated network of Gupta & Rush 2017, after Strubell et al. 2017: one block read three times."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers import Features, TypedModule
from strandwise.layers.dropout import Masked
from strandwise.layers.typed import after
from strandwise.models.architecture import Hidden, Stage
from strandwise.models.dense_labelling import DenseLabelling, DenseOptions, Resizing, same_convolution
from strandwise.strand import StrandType


class IDCNN(DenseLabelling):
    """A first convolution, then the same block of convolutions applied to its own output, three times.

    Each pass gives features of every base, and the authors train on the mean of the losses of the labels read from
    each. Here, in training, each window of a batch is read after one of the passes, drawn by chance and as evenly as
    the batch allows: the expectation is the authors' loss, for every kind of head, and the layers that read labels
    run once rather than three times. Predictions are those of the last pass.
    """

    class Options(DenseOptions):
        """Sizes; defaults are those of the authors' code."""

        filters: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
            default=(50, 240, 80),
            description="filters at base resolution and of the strided convolution, of the first dilated one, and of "
            "the others",
        )
        kernel_size: PositiveInt = Field(
            default=10,
            description="taps of dilated convolutions; twice as many are those of others, and bases in one position",
        )
        dilations: tuple[PositiveInt, ...] = Field(
            default=(3, 9, 27), min_length=1, description="distances between the taps of dilated convolutions"
        )
        passes: PositiveInt = Field(default=3, description="how often the block is applied")

    options: Options
    small: ClassVar = {"filters": (3, 4, 3), "kernel_size": 2, "dilations": (3,), "passes": 2, "hidden": 4}

    def trunk(self) -> list[Stage]:
        """Return the first convolution, and all passes of the block."""
        options = self.options
        wide = 2 * options.kernel_size

        def first(features: Features, hidden: Hidden) -> TypedModule:
            return self.layer(same_convolution(features, hidden, options.filters[0], wide))

        def passes(features: Features, hidden: Hidden) -> TypedModule:
            convolutions = self._block(features, hidden)
            finishes = [[self.finish(conv.out_type) for conv in convolutions] for _ in range(options.passes)]
            return Repeated(convolutions, finishes)

        # What a pass gives is what the next one reads, so the types on both sides are one.
        return [Stage("conv1", first), Stage("passes", passes, skips=True)]

    def _block(self, features: Features, hidden: Hidden) -> list[TypedModule]:
        options = self.options
        outer, second, others = options.filters
        resizing = Resizing(2 * options.kernel_size)
        layers = [resizing.down(features, hidden, outer)]
        for number, dilation in enumerate(options.dilations):
            filters = others if number else second
            here = after(features, layers)
            layers.append(same_convolution(here, hidden, filters, options.kernel_size, dilation))
        return [*layers, resizing.up(after(features, layers), hidden, outer)]


class Repeated(TypedModule):
    """Apply the same layers to their own output several times; in training, return one of the results for each row.

    Args:
        layers: applied in order, from a type to the same type.
        finishes: for each time, what follows each of the layers; not shared, as batch statistics differ.

    Raises:
        StrandLawError: layers that change the type.
    """

    def __init__(self, layers: Sequence[TypedModule], finishes: Sequence[Sequence[TypedModule]]) -> None:
        super().__init__(layers[0].in_type, layers[-1].out_type)
        if self.in_type != self.out_type:
            raise StrandLawError(
                f"layers from {self.in_type} to {self.out_type} cannot be applied to their own output: "
                "make the two types equal."
            )
        self.layers = nn.ModuleList(layers)
        self.finishes = nn.ModuleList(nn.ModuleList(one) for one in finishes)
        self.choice = OneOf(self.out_type)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channels, positions)`` to the same shape."""
        results = []
        for finishes in self.finishes:
            for layer, finish in zip(self.layers, finishes, strict=True):  # pyright: ignore[reportArgumentType]
                x = finish(layer(x))
            results.append(x)
        return self.choice(torch.stack(results)) if self.training else x

    def out_length(self, length: int) -> int:
        """Return `length`, which the layers must keep."""
        found = after(Features(self.in_type, length), list(self.layers)).length  # pyright: ignore[reportArgumentType]
        if found != length:
            raise StrandLawError(f"layers that make {found} of {length} positions cannot read their own output.")
        return length

    def extra_repr(self) -> str:
        """Show how often the layers run."""
        return f"{len(self.finishes)} times"


class OneOf(Masked):
    """Choose, for each row of a batch, one of several results by chance; the same for all strands of a sequence.

    Over the rows of a batch the results come as evenly as its size allows, and each is as likely for every row.

    Args:
        type: type of the results.
    """

    def __init__(self, type: StrandType) -> None:  # noqa: A002
        super().__init__(type, 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Choose from ``(results, batch, channels, positions)``."""
        results, batch = x.shape[:2]
        which = self.draw(-(-batch // self.strands), x).repeat(self.strands)[:batch] % results
        return x[which, torch.arange(batch, device=x.device)]

    def draw(self, rows: int, x: Tensor) -> Tensor:
        """Return numbers ``(rows,)`` whose remainders, by the number of results, name the result of each row."""
        offset = torch.randint(x.shape[0], (1,), device=x.device)
        return torch.randperm(rows, device=x.device) + offset

    def extra_repr(self) -> str:
        """Show the type."""
        return f"{self.in_type}"
