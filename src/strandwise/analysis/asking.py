"""A model asked for both strands of windows, and held against what was measured there."""

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
from strandwise.scores.profiles import jensen_shannon
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
        distance: Jensen-Shannon distance of each profile, ``(windows, tracks)``; None without profiles.
        loss: multinomial negative log-likelihood of each profile, ``(windows, tracks)``; empty without profiles.
        max_deviation: the largest difference between strands over all heads, |d| / (1 + max|f|) on logits.
        mean_deviation: the mean difference, on the same scale, of the head where it is largest.
    """

    head: Head
    profile: Head | None
    forward: Tensor
    reverse: Tensor
    targets: NDArray[np.float64]
    weights: NDArray[np.float32]
    distance: NDArray[np.float64] | None
    loss: NDArray[np.float64]
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


def ask(predictor: Predictor, windows: LabelledWindows) -> Answers:
    """Ask a model for windows and their reverse complements.

    Args:
        predictor: the model.
        windows: at least one, with what its heads are compared with.
    """
    heads, profile = predictor.network.heads, predictor.profile
    size = BATCH if profile is None else max(1, min(BATCH, PROFILE_VALUES // (windows.input_bp * len(profile.tracks))))
    starts = range(0, len(windows), size)
    read = (read_batch(windows, heads, np.arange(at, min(at + size, len(windows)))) for at in starts)
    deviations = {head.name: Deviation(head) for head in heads}
    columns: dict[str, list[Tensor]] = {name: [] for name in ("forward", "reverse", "targets", "weights")}
    distances, losses = [], []
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
            logits, counts = forward[profile.name].double(), batch.targets[profile.name].double()
            distances.append(jensen_shannon(counts.numpy(), profile.activate(logits).numpy()))
            known = counts.sum(-1) > 0
            losses.append(torch.where(known, nll_of_profiles(logits, counts), torch.nan).numpy())
    whole = {key: torch.cat(parts) for key, parts in columns.items()}
    worst = max(deviations.values(), key=lambda each: each.max)
    return Answers(
        predictor.head,
        profile,
        whole["forward"],
        whole["reverse"],
        whole["targets"].double().numpy(),
        whole["weights"].numpy(),
        np.concatenate(distances) if distances else None,
        np.concatenate(losses) if losses else np.zeros((0, 0)),
        worst.max,
        worst.mean,
    )
