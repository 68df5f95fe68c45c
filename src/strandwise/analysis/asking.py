"""A model asked for both strands of windows, and held against what was measured there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import tee

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from strandwise.data.batches import read_batch
from strandwise.data.windows import LabelledWindows
from strandwise.layers import Head
from strandwise.prediction import Predictor
from strandwise.scores.losses import nll_of_profiles
from strandwise.scores.profiles import profile_metrics
from strandwise.strand import revcomp

BATCH = 512
PROFILE_VALUES = 1 << 22


@dataclass(frozen=True)
class Answers:
    """What a model says of windows, beside what is known of them.

    Profiles are compared batch by batch and not kept, since they are as large as the genome.

    Attributes:
        head: that says one number of a window and track.
        profile: that says how signal is spread along a window, if there is one.
        forward: logits of `head`, ``(windows, tracks)``.
        reverse: the same for the reverse complement of each window, as the model gives them.
        targets: labels, or total counts; ``(windows, tracks)``.
        weights: 0 where a target is not known; ``(windows, tracks)``.
        shapes: by name what `compare_shapes` says of each profile, ``(windows, tracks)``; empty without profiles.
        mean_shape: the mean over windows of what share of the counts each position has, ``(tracks, positions)``; None
            without profiles.
        max_deviation: the largest difference between strands over all heads, |d| / (1 + max|f|) on logits.
        mean_deviation: the mean difference, on the same scale, of the head where it is largest.
    """

    head: Head
    profile: Head | None
    forward: Tensor
    reverse: Tensor
    targets: NDArray[np.float64]
    weights: NDArray[np.float32]
    shapes: dict[str, NDArray[np.float64]]
    mean_shape: NDArray[np.float64] | None
    max_deviation: float
    mean_deviation: float


class Deviation:
    """Differences between the strands of one head, added up batch by batch."""

    def __init__(self, head: Head) -> None:
        self.head, self.largest, self.total, self.count, self.scale = head, 0.0, 0.0, 0, 0.0

    def add(self, forward: Tensor, reverse: Tensor) -> None:
        """Take the logits of a batch, those of the reverse complement as the model gave them."""
        apart = (forward - revcomp(reverse, self.head.type)).abs()
        # Unlike Python's, keeps a deviation that is not a number.
        self.largest = float(np.maximum(self.largest, float(apart.max())))
        self.total += float(apart.sum(dtype=torch.float64))
        self.count += apart.numel()
        self.scale = max(self.scale, float(forward.abs().max()))

    @property
    def max(self) -> float:
        """The largest difference, as a share of the scale of what is said."""
        return self.largest / (1 + self.scale)

    @property
    def mean(self) -> float:
        """The mean difference, as a share of the scale of what is said."""
        return self.total / self.count / (1 + self.scale)


def compare_shapes(head: Head, logits: Tensor, counts: Tensor) -> dict[str, NDArray[np.float64]]:
    """Return how close predicted profiles come to measured ones, by name ``(windows, tracks)``.

    Args:
        head: that says how counts are spread.
        logits: what it says, ``(windows, tracks, positions)``.
        counts: of that shape.

    Returns:
        What `profile_metrics` gives, and ``nll``, the multinomial negative log-likelihood; nan where there is no count.
    """
    logits, counts = logits.double(), counts.double()
    losses = torch.where(counts.sum(-1) > 0, nll_of_profiles(logits, counts), torch.nan)
    return profile_metrics(counts.numpy(), head.activate(logits).numpy()) | {"nll": losses.numpy()}


def joined(parts: Sequence[Mapping[str, NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
    """Return the arrays of batches, by name, one after another."""
    return {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else ())}


class MeanShape:
    """Measured profiles added up batch by batch, each counting once however high it is."""

    def __init__(self) -> None:
        self.total: Tensor | None = None
        self.n: Tensor | None = None

    def add(self, counts: Tensor, weights: Tensor) -> None:
        """Take the counts of a batch ``(windows, tracks, positions)``; not those of weight 0, or without a count."""
        sums = counts.double().sum(-1, keepdim=True)
        known = (sums > 0) & (weights > 0).unsqueeze(-1)
        shares = torch.where(known, counts / torch.where(known, sums, 1.0), 0.0).sum(0)
        n = known.sum(0)
        self.total = shares if self.total is None else self.total + shares
        self.n = n if self.n is None else self.n + n

    @property
    def shares(self) -> NDArray[np.float64] | None:
        """The mean share of each position, ``(tracks, positions)``; 0 for a track without a profile."""
        return None if self.total is None or self.n is None else (self.total / self.n.clamp(min=1)).numpy()


def profile_batch(input_bp: int, tracks: int) -> int:
    """Return how many windows are judged at a time where whole profiles are."""
    return max(1, min(BATCH, PROFILE_VALUES // (input_bp * tracks)))


def ask(predictor: Predictor, windows: LabelledWindows) -> Answers:
    """Ask a model for windows and their reverse complements.

    Args:
        predictor: the model.
        windows: at least one, with what its heads are compared with.
    """
    heads, profile = predictor.network.heads, predictor.profile
    size = BATCH if profile is None else profile_batch(windows.input_bp, len(profile.tracks))
    starts = range(0, len(windows), size)
    read = (read_batch(windows, heads, np.arange(at, min(at + size, len(windows)))) for at in starts)
    deviations = {head.name: Deviation(head) for head in heads}
    columns: dict[str, list[Tensor]] = {name: [] for name in ("forward", "reverse", "targets", "weights")}
    shapes, mean_shape = [], MeanShape()
    ahead, here = tee(read)
    asked = predictor.both_strands(batch.inputs for batch in ahead)
    for batch, (forward, reverse) in zip(here, asked, strict=True):
        for name, deviation in deviations.items():
            deviation.add(forward[name], reverse[name])
        name = predictor.head.name
        for key, value in (
            ("forward", forward[name]),
            ("reverse", reverse[name]),
            ("targets", batch.targets[name]),
            ("weights", batch.weights[name]),
        ):
            columns[key].append(value)
        if profile is not None:
            counts = batch.targets[profile.name]
            shapes.append(compare_shapes(profile, forward[profile.name], counts))
            mean_shape.add(counts, batch.weights[profile.name])
    whole = {key: torch.cat(parts) for key, parts in columns.items()}
    worst = max(deviations.values(), key=lambda each: each.max)
    return Answers(
        predictor.head,
        profile,
        whole["forward"],
        whole["reverse"],
        whole["targets"].double().numpy(),
        whole["weights"].numpy(),
        joined(shapes),
        mean_shape.shares,
        worst.max,
        worst.mean,
    )
