"""From windows to batches: the order, the jitter and the strand of each depend on (seed, epoch, step) alone."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from strandwise.data.windows import LabelledWindows
from strandwise.sequence import revcomp_codes
from strandwise.strand import StrandType, revcomp

# Of the random numbers: an epoch's order and a batch's shifts and strands are drawn from streams of their own.
_ORDER, _BATCH = 0, 1


class Batch(NamedTuple):
    """What a model reads and should say, by name.

    Attributes:
        inputs: "sequence" holds codes ``(batch, input_bp)`` uint8; `one_hot` expands them on the device.
        targets: by head.
        weights: by head; 0 where a target is ambiguous or missing.
    """

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    weights: dict[str, Tensor]


def one_hot(codes: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return one-hot DNA ``(batch, 4, bases)`` of codes ``(batch, bases)``; N is all zero."""
    letters = torch.arange(4, dtype=codes.dtype, device=codes.device).view(1, 4, 1)
    return (codes.unsqueeze(1) == letters).to(dtype)


class TrainingBatches(Dataset[Batch]):
    """Batches of one head's labels, asked for by (epoch, step).

    Args:
        windows: the training windows.
        head: name of the head.
        head_type: how its labels turn under reverse complement.
        batch_size: windows in a batch; the last, smaller batch of an epoch is left out.
        jitter_bp: the largest shift either way.
        augment: "coin" turns each window to its other strand by chance, labels with it; "double" gives each
            window and then its other strand, so twice the rows.
        seed: of order, shifts and strands.
    """

    def __init__(
        self,
        windows: LabelledWindows,
        head: str,
        head_type: StrandType,
        *,
        batch_size: int,
        jitter_bp: int = 0,
        augment: Literal["coin", "double"] | None = None,
        seed: int = 0,
    ) -> None:
        self.windows, self.head, self.head_type = windows, head, head_type
        self.batch_size = min(batch_size, len(windows))
        self.jitter_bp, self.augment, self.seed = jitter_bp, augment, seed
        self._order: tuple[int, np.ndarray] | None = None

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return len(self.windows) // self.batch_size

    def __getitem__(self, where: tuple[int, int]) -> Batch:
        epoch, step = where
        rows = self._rows(epoch)[step * self.batch_size : (step + 1) * self.batch_size]
        rng = np.random.default_rng([self.seed, _BATCH, epoch, step])
        shifts = rng.integers(-self.jitter_bp, self.jitter_bp + 1, len(rows)) if self.jitter_bp else None
        codes = self.windows.reader.gather(rows, shifts)
        targets = torch.from_numpy(self.windows.labels[rows])
        weights = torch.from_numpy(self.windows.weights[rows])
        if self.augment == "double":
            codes = np.repeat(codes, 2, axis=0)
            targets, weights = targets.repeat_interleave(2, dim=0), weights.repeat_interleave(2, dim=0)
        if self.augment:
            turned = np.arange(len(codes)) % 2 == 1 if self.augment == "double" else rng.random(len(rows)) < 0.5
            codes = np.where(turned[:, None], revcomp_codes(codes), codes)
            coin = torch.from_numpy(turned).view(-1, *[1] * (targets.ndim - 1))
            targets = torch.where(coin, revcomp(targets, self.head_type), targets)
            weights = torch.where(coin, revcomp(weights, self.head_type).abs(), weights)
        inputs = {"sequence": torch.from_numpy(np.ascontiguousarray(codes))}
        return Batch(inputs, {self.head: targets}, {self.head: weights})

    def _rows(self, epoch: int) -> np.ndarray:
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, self._permutation(epoch)
        return self._order[1]

    def _permutation(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self.seed, _ORDER, epoch]).permutation(len(self.windows))


class EpochSampler(Sampler[tuple[int, int]]):
    """Names the batches of an epoch; with several processes, each takes its share of the steps."""

    def __init__(self, steps: int) -> None:
        self.steps, self.epoch = steps, 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; the trainer calls it."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.steps // _place()[1]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rank, processes = _place()
        for turn in range(len(self)):
            yield self.epoch, turn * processes + rank


def _place() -> tuple[int, int]:
    """Return this process's number and how many train together; asked late, since they start after the loader."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return 0, 1
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def training_loader(batches: TrainingBatches, workers: int = 0) -> DataLoader[Batch]:
    """Return a loader of training batches; the batches are the same for any number of workers."""
    return DataLoader(
        batches,
        batch_size=None,
        sampler=EpochSampler(batches.steps),
        num_workers=workers,
        persistent_workers=workers > 0,
    )


class OrderedBatches(Dataset[Batch]):
    """Windows in their own order, unshifted and on the strand they have: for validation and judging."""

    def __init__(self, windows: LabelledWindows, head: str, batch_size: int) -> None:
        self.windows, self.head, self.batch_size = windows, head, batch_size

    def __len__(self) -> int:
        return -(-len(self.windows) // self.batch_size)

    def __getitem__(self, step: int) -> Batch:
        if not 0 <= step < len(self):
            raise IndexError(step)
        rows = np.arange(step * self.batch_size, min((step + 1) * self.batch_size, len(self.windows)))
        codes = torch.from_numpy(self.windows.reader.gather(rows))
        labels = torch.from_numpy(self.windows.labels[rows])
        weights = torch.from_numpy(self.windows.weights[rows])
        return Batch({"sequence": codes}, {self.head: labels}, {self.head: weights})


def ordered_loader(windows: LabelledWindows, head: str, batch_size: int) -> DataLoader[Batch]:
    """Return a loader of `OrderedBatches`."""
    return DataLoader(OrderedBatches(windows, head, batch_size), batch_size=None)
