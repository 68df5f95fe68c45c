"""What stands between shared features and the bins of each track: one layer for all, or a head for each task."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Literal

from strandwise.layers import (
    BatchNorm1d,
    Branches,
    Conv1d,
    Dropout,
    Features,
    ReLU,
    Stack,
    TypedModule,
)
from strandwise.layers.tying import glorot_uniform
from strandwise.models.architecture import Hidden
from strandwise.models.shrikumar import KERAS_NORM
from strandwise.strand import StrandType, plain, regular

Heads = Literal["shared", "per_task"]
HEADS = "shared: one linear layer for all tracks; per_task: a convolution and a linear layer for each"


def bin_heads(
    features: Features,
    out_type: StrandType,
    heads: Heads,
    *,
    filters: int = 64,
    kernel_size: int = 7,
    norm: Mapping[str, float] = KERAS_NORM,
) -> TypedModule:
    """Return the layers from features along the DNA to the logits of each track, position by position.

    A task is a track, or the two tracks of a stranded pair: its head reads both orientations of the features with
    filters of its own, and where strands share weights the second track is the first one's mirror image. All heads
    of a kind are computed at once, as blocks of channels that do not meet.

    Args:
        features: what comes in.
        out_type: of the tracks.
        heads: "shared" is one dense layer at each position; "per_task" is, for each task, convolution, batch
            normalisation, ReLU, dropout of 0.1 and a dense layer at each position (Toneyan et al. 2022).
        filters: of the convolution of a task.
        kernel_size: its taps, an odd number where features are lawful.
        norm: momentum and epsilon of batch normalisation.
    """
    if heads == "shared":
        return Conv1d(features.type, out_type, 1)
    kinds = [(task, len(list(same))) for task, same in groupby(tasks_of(out_type))]
    branches = [_heads_of_a_kind(features, task, count, filters, kernel_size, norm) for task, count in kinds]
    return branches[0] if len(branches) == 1 else Branches(*branches)


def tasks_of(kind: StrandType) -> Iterator[StrandType]:
    """Yield the types of the smallest blocks of neighbouring channels that reverse complement keeps together."""
    start = 0
    while start < kind.channels:
        stop, reach = start + 1, kind.partner[start] + 1
        while stop < reach:
            reach = max(reach, kind.partner[stop] + 1)
            stop += 1
        partner = tuple(other - start for other in kind.partner[start:stop])
        yield StrandType(partner, kind.sign[start:stop], kind.positions, kind.lawful)
        start = stop


def repeated(kind: StrandType, times: int) -> StrandType:
    """Return the sum of a type with itself, `times` blocks in all."""
    partner = tuple(other + block * kind.channels for block in range(times) for other in kind.partner)
    return StrandType(partner, kind.sign * times, kind.positions, kind.lawful, f"{times} x {kind}")


def _heads_of_a_kind(
    features: Features, task: StrandType, count: int, filters: int, kernel_size: int, norm: Mapping[str, float]
) -> Stack:
    hidden: Hidden = regular if features.type.lawful else plain
    inside = repeated(hidden(filters), count)
    conv = Conv1d(features.type, inside, kernel_size, padding="same")
    # Each head starts as it would alone.
    fans = [kind.channels * kernel_size for kind in (features.type, hidden(filters))]
    glorot_uniform(conv.weight, *fans)
    return Stack(
        conv,
        BatchNorm1d(inside, **norm),
        ReLU(inside),
        Dropout(inside, 0.1),
        Conv1d(inside, repeated(task, count), 1, groups=count),
    )
