"""From windows to batches: the order, the jitter and the strand of each depend on (seed, epoch, step) alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from strandwise.data.ahead import AheadLoader
from strandwise.data.evolution import AugmentationSettings, evolved
from strandwise.data.readers import turn_rows
from strandwise.data.windows import LabelledWindows
from strandwise.layers import Head
from strandwise.sequence import revcomp_codes

# Of the random numbers: an epoch's order, and a batch's shifts and strands and its changes, have streams of their own.
_ORDER, _BATCH, _EVOLUTION = 0, 1, 2

_WORDS = torch.eye(256, 4, dtype=torch.uint8).view(torch.int32).flatten()

SEQUENCE, SIGNAL, CONTROL, METADATA, TARGET = "sequence", "signal", "control", "metadata", "target"
"""What models read by name, and the name of the signal that they should say."""


class Batch(NamedTuple):
    """What a model reads and should say, by name.

    Attributes:
        inputs: "sequence" holds codes ``(batch, input_bp)`` uint8, which `model_inputs` expands on the device, or,
            with noise, float32 ``(batch, 4, input_bp)``;
            "signal" and "control", where there are any, ``(batch, channels, positions)`` float32, and "metadata"
            ``(batch, columns)``.
        targets: by head: ``(batch, tracks)``, or ``(batch, tracks, positions)`` for the signal itself.
        weights: by head ``(batch, tracks)``; 0 where a target is ambiguous or missing.
    """

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    weights: dict[str, Tensor]


def one_hot(codes: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return one-hot DNA ``(batch, 4, bases)`` of codes ``(batch, bases)``; N is all zero."""
    if codes.device.type == "cpu" and codes.dtype == torch.uint8:
        # The four letters of a base are written as one word, and lie side by side as convolutions on a CPU want them.
        letters = _WORDS.index_select(0, codes.flatten().int()).view(torch.uint8)
        return letters.view(*codes.shape, 4).to(dtype).transpose(1, 2)
    letters = torch.arange(4, dtype=codes.dtype, device=codes.device).view(1, 4, 1)
    return (codes.unsqueeze(1) == letters).to(dtype)


def model_inputs(
    inputs: Mapping[str, Tensor], dtype: torch.dtype = torch.float32, device: str | torch.device | None = None
) -> dict[str, Tensor]:
    """Return the inputs of a batch as a model takes them: DNA one-hot, all of one precision, on one device."""
    moved = {name: value.to(device) for name, value in inputs.items()}
    # DNA with noise comes one-hot already.
    letters = {name for name, x in moved.items() if name == SEQUENCE and not x.is_floating_point()}
    return {name: one_hot(x, dtype) if name in letters else x.to(dtype) for name, x in moved.items()}


def read_inputs(
    windows: LabelledWindows, rows: np.ndarray, shifts: np.ndarray | None = None, turned: np.ndarray | None = None
) -> dict[str, Tensor]:
    """Return what a model reads of windows, each moved right by its shift and then turned where `turned`."""
    codes = np.ascontiguousarray(windows.reader.gather(rows, shifts))
    if turned is not None:
        codes[turned] = revcomp_codes(codes[turned])
    inputs = {SEQUENCE: torch.from_numpy(codes)}
    for name in (SIGNAL, CONTROL):
        if name in windows.signals:
            inputs[name] = windows.signals[name].gather(rows, shifts, turned).values
    if windows.metadata is not None:
        inputs[METADATA] = torch.from_numpy(windows.metadata[rows])
    return inputs


def read_batch(
    windows: LabelledWindows,
    heads: Sequence[Head],
    rows: np.ndarray,
    shifts: np.ndarray | None = None,
    turned: np.ndarray | None = None,
) -> Batch:
    """Return what a model reads of windows, and what each of its heads should say; arguments as `read_inputs`."""
    targets: dict[str, Tensor] = {}
    weights: dict[str, Tensor] = {}
    measured = None
    if any(head.target != "labels" for head in heads):
        measured = windows.signals[TARGET].gather(rows, shifts, turned)
    for head in heads:
        if head.target == "labels" or measured is None:
            targets[head.name], weights[head.name] = _labels(windows, head, rows, turned)
        else:
            targets[head.name] = signal_of(measured.values, head)
            weights[head.name] = measured.weights
    return Batch(read_inputs(windows, rows, shifts, turned), targets, weights)


def signal_of(values: Tensor, head: Head) -> Tensor:
    """Return what a head should say of signal ``(batch, tracks, positions)``: the same, its totals or its means."""
    if head.target == "signal":
        return values
    return values.sum(-1) if head.target == "total" else values.mean(-1)


def _labels(windows: LabelledWindows, head: Head, rows: np.ndarray, turned: np.ndarray | None) -> tuple[Tensor, Tensor]:
    # They are kept as single bytes.
    labels, weights = (torch.from_numpy(kept[rows].astype(np.float32)) for kept in (windows.labels, windows.weights))
    if turned is not None:
        turn_rows(labels, turned, head.type)
        turn_rows(weights, turned, head.type)
        # Where a sign flips on the other strand, a weight stays what it was.
        weights.abs_()
    return labels, weights


class TrainingBatches(Dataset[Batch]):
    """Batches to train on, asked for by (epoch, step).

    Args:
        windows: the training windows.
        heads: what the model predicts.
        batch_size: windows in a batch; the last, smaller batch of an epoch is left out.
        jitter_bp: the largest shift either way, of windows that do not say how far themselves.
        augment: "coin" turns each window to its other strand by chance, with all that is measured there; "double"
            gives each window and then its other strand, so twice the rows.
        seed: of order, shifts, strands and changes.
        evolution: how the DNA of windows is changed, at random, after shifts and strands.
    """

    def __init__(
        self,
        windows: LabelledWindows,
        heads: Sequence[Head],
        *,
        batch_size: int,
        jitter_bp: int = 0,
        augment: Literal["coin", "double"] | None = None,
        seed: int = 0,
        evolution: AugmentationSettings | None = None,
    ) -> None:
        self.windows, self.heads = windows, tuple(heads)
        self.size = len(windows.rows_of_epoch(0))
        self.batch_size = min(batch_size, self.size)
        self.jitter_bp, self.augment, self.seed, self.evolution = jitter_bp, augment, seed, evolution
        self._order: tuple[int, np.ndarray] | None = None

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return self.size // self.batch_size

    def __getitem__(self, where: tuple[int, int]) -> Batch:
        epoch, step = where
        rows = self._rows(epoch)[step * self.batch_size : (step + 1) * self.batch_size]
        rng = np.random.default_rng([self.seed, _BATCH, epoch, step])
        shifts = self._shifts(rows, rng)
        turned = None
        if self.augment == "double":
            rows, shifts = np.repeat(rows, 2), None if shifts is None else np.repeat(shifts, 2)
            turned = np.arange(len(rows)) % 2 == 1
        elif self.augment:
            turned = rng.random(len(rows)) < 0.5
        batch = read_batch(self.windows, self.heads, rows, shifts, turned)
        if self.evolution is not None:
            rng = np.random.default_rng([self.seed, _EVOLUTION, epoch, step])
            batch.inputs[SEQUENCE] = torch.from_numpy(evolved(batch.inputs[SEQUENCE].numpy(), self.evolution, rng))
        return batch

    def _shifts(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
        slack = self.windows.slack
        if slack is not None:
            return rng.integers(-slack[rows, 0], slack[rows, 1] + 1)
        return rng.integers(-self.jitter_bp, self.jitter_bp + 1, len(rows)) if self.jitter_bp else None

    def _rows(self, epoch: int) -> np.ndarray:
        # Several threads may ask for different epochs.
        order = self._order
        if order is None or order[0] != epoch:
            self._order = order = epoch, self._permutation(epoch)
        return order[1]

    def _permutation(self, epoch: int) -> np.ndarray:
        rng, rows = np.random.default_rng([self.seed, _ORDER, epoch]), self.windows.rows_of_epoch(epoch)
        return rows[rng.permutation(len(rows))]


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
        return self._batches(self.epoch)

    def following(self) -> Iterator[tuple[int, int]]:
        """Return the batches of the epoch after this one."""
        return self._batches(self.epoch + 1)

    def _batches(self, epoch: int) -> Iterator[tuple[int, int]]:
        rank, processes = _place()
        for turn in range(len(self)):
            yield epoch, turn * processes + rank


def _place() -> tuple[int, int]:
    """Return this process's number and how many train together; asked late, since they start after the loader."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return 0, 1
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def training_loader(batches: TrainingBatches, workers: int = 0) -> DataLoader[Batch]:
    """Return a loader of training batches; the batches are the same for any number of workers.

    Without workers, a thread reads them ahead.
    """
    return AheadLoader(
        batches,
        batch_size=None,
        sampler=EpochSampler(batches.steps),
        num_workers=workers,
        persistent_workers=workers > 0,
    )


class OrderedBatches(Dataset[Batch]):
    """Windows in their own order, unshifted and on the strand they have: for validation and judging."""

    def __init__(self, windows: LabelledWindows, heads: Sequence[Head], batch_size: int) -> None:
        self.windows, self.heads, self.batch_size = windows, tuple(heads), batch_size

    def __len__(self) -> int:
        return -(-len(self.windows) // self.batch_size)

    def __getitem__(self, step: int) -> Batch:
        if not 0 <= step < len(self):
            raise IndexError(step)
        rows = np.arange(step * self.batch_size, min((step + 1) * self.batch_size, len(self.windows)))
        return read_batch(self.windows, self.heads, rows)


def ordered_loader(windows: LabelledWindows, heads: Sequence[Head], batch_size: int) -> DataLoader[Batch]:
    """Return a loader of `OrderedBatches`, which a thread reads ahead."""
    return AheadLoader(OrderedBatches(windows, heads, batch_size), batch_size=None)
