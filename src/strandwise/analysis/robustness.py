"""How far predictions move when next to nothing has changed: shifts, strands, a few unknown or different bases."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from strandwise.data.batches import SEQUENCE, read_inputs
from strandwise.data.windows import LabelledWindows
from strandwise.errors import InputError
from strandwise.prediction import Predictor
from strandwise.scores.bootstrap import Interval, block_bootstrap
from strandwise.scores.metrics import mean_of_known
from strandwise.sequence import N
from strandwise.strand import revcomp

TESTS = ("shift", "reverse_complement", "unknown", "mutated")
"""What is done to windows, by name."""

_BATCH_VALUES = 1 << 22


@dataclass(frozen=True)
class Perturbations:
    """What is done to each window, and how often.

    Attributes:
        repeats: how often each window is shifted, and how often bases in it are made unknown or mutated.
        reach_bp: shifts are drawn evenly from -reach_bp up to, and without, reach_bp.
        share: of the bases that are made unknown or mutated, each by chance.
        seed: of all draws.
    """

    repeats: int = 20
    reach_bp: int = 512
    share: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if self.repeats < 2:
            raise InputError(f"repeats {self.repeats}: predictions vary over two or more.")
        if self.reach_bp < 1:
            raise InputError(f"reach_bp {self.reach_bp}: give 1 or more.")
        if not 0 < self.share <= 1:
            raise InputError(f"share {self.share}: give a part of the bases, above 0 and at most 1.")


@dataclass(frozen=True)
class Robustness:
    """Variation scores of windows under each test.

    Attributes:
        tracks: names of the predictions.
        scores: by test ``(windows, tracks)``; nan where nothing is predicted.
    """

    tracks: tuple[str, ...]
    scores: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def mean(self, test: str) -> float:
        """Return the mean over windows and tracks."""
        return mean_of_known(self.scores[test])

    def of_tracks(self, test: str) -> dict[str, float]:
        """Return the mean over windows by track."""
        return {track: mean_of_known(self.scores[test][:, c]) for c, track in enumerate(self.tracks)}

    def interval(self, test: str, blocks: NDArray[np.intp], seed: int = 0, resamples: int = 1000) -> Interval | None:
        """Return the 95 % bootstrap interval of the mean over stretches of genome; None of fewer than two.

        Args:
            test: the name of a test.
            blocks: the stretch of each tested window, ``(windows,)``.
            seed: of the bootstrap.
            resamples: of the bootstrap.
        """
        if np.unique(blocks).size < 2 or math.isnan(self.mean(test)):
            return None
        return block_bootstrap(lambda rows: mean_of_known(self.scores[test][rows]), blocks, resamples, seed)


def measure_robustness(
    predictor: Predictor,
    windows: LabelledWindows,
    done: Perturbations | None = None,
    *,
    bin_bp: int = 1,
    tests: Sequence[str] = TESTS,
) -> Robustness:
    """Return how much predictions vary over perturbed copies of windows.

    The variation score of a window and track (GOPHER, Toneyan et al. 2022) is the standard deviation over its copies
    (of the population, not of a sample), averaged over positions, and divided by the mean prediction over copies and
    positions. Shifted copies are compared on the bases that all of them can hold; bins are spread over their bases
    first. Models that say one number of a window have one position.

    Args:
        predictor: the model.
        windows: at least one, with `reach_bp` of their chromosome to each side.
        done: what is done to them.
        bin_bp: bases of a position of the prediction.
        tests: which of `TESTS`.

    Raises:
        InputError: no windows, or shifts that leave no base in common.
    """
    done = done or Perturbations()
    if not len(windows):
        raise InputError("there is no window to test: choose another split, or give a BED.")
    along = predictor.profile is not None or predictor.bins is not None
    shared = _output_bp(predictor, windows, bin_bp) - 2 * done.reach_bp
    if along and shared < 1 and "shift" in tests:
        raise InputError(
            f"shifts of {done.reach_bp} bp either way leave no base that all windows of "
            f"{shared + 2 * done.reach_bp} predicted bp hold: use a reach below {(shared + 2 * done.reach_bp) // 2}."
        )
    makers: dict[str, Callable[[NDArray[np.intp]], Iterator[NDArray[np.float64]]]] = {
        "shift": lambda rows: _shifted(predictor, windows, rows, done, bin_bp if along else None),
        "reverse_complement": lambda rows: _turned(predictor, windows, rows),
        "unknown": lambda rows: _changed(predictor, windows, rows, done, _make_unknown),
        "mutated": lambda rows: _changed(predictor, windows, rows, done, _mutate),
    }
    found: dict[str, list[NDArray[np.float64]]] = {test: [] for test in tests}
    size = max(1, min(256, _BATCH_VALUES // (windows.input_bp * len(predictor.head.tracks))))
    for start in range(0, len(windows), size):
        rows = np.arange(start, min(start + size, len(windows)))
        for test in tests:
            found[test].append(variation(makers[test](rows)))
    scores = {test: np.concatenate(parts) for test, parts in found.items()}
    return Robustness(tuple(predictor.head.tracks), scores)


def variation(copies: Iterator[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return variation scores ``(windows, tracks)`` of predictions ``(windows, tracks, positions)``, copy by copy.

    Raises:
        InputError: no copies.
    """
    n, mean, squares = 0, np.zeros(()), np.zeros(())
    for n, values in enumerate(copies, 1):
        # About a running mean, so that large predictions do not swamp how little they vary (Welford 1962).
        apart = values - mean
        mean = mean + apart / n
        squares = squares + apart * (values - mean)
    if not n:
        raise InputError("there are no predictions to compare.")
    spread, level = np.sqrt(squares / n).mean(-1), mean.mean(-1)
    return np.where(level > 0, spread / np.where(level > 0, level, 1), np.nan)


def inside(frame: pd.DataFrame, sizes: Mapping[str, int], reach_bp: int) -> NDArray[np.bool_]:
    """Return which windows have `reach_bp` of their chromosome to each side."""
    ends = frame["chrom"].map(dict(sizes)).to_numpy(dtype=np.float64)
    return np.asarray((frame["start"] >= reach_bp) & (frame["end"] + reach_bp <= ends))


def _output_bp(predictor: Predictor, windows: LabelledWindows, bin_bp: int) -> int:
    return next(_said(predictor, predictor.logits([read_inputs(windows, np.arange(1))]))).shape[-1] * bin_bp


def _said(
    predictor: Predictor, logits: Iterator[dict[str, Tensor]], *, turned: bool = False
) -> Iterator[NDArray[np.float64]]:
    """Yield predictions ``(windows, tracks, positions)`` on the scale people read, turned back where asked for."""
    types = {head.name: head.type for head in predictor.network.heads}
    for batch in logits:
        said = {name: revcomp(value, types[name]) if turned else value for name, value in batch.items()}
        yield predictor.read({name: value.double() for name, value in said.items()}).numpy()


def _shifted(
    predictor: Predictor, windows: LabelledWindows, rows: NDArray[np.intp], done: Perturbations, bin_bp: int | None
) -> Iterator[NDArray[np.float64]]:
    drawn = _rng(done, "shift", rows).integers(-done.reach_bp, done.reach_bp, (done.repeats, len(rows)))
    batches = (read_inputs(windows, rows, shifts) for shifts in drawn)
    for shifts, values in zip(drawn, _said(predictor, predictor.logits(batches)), strict=True):
        if bin_bp is not None:
            values = np.repeat(values, bin_bp, axis=-1)
            first = done.reach_bp - shifts
            columns = first[:, None] + np.arange(values.shape[-1] - 2 * done.reach_bp)
            values = np.take_along_axis(values, columns[:, None, :], axis=-1)
        yield values


def _turned(predictor: Predictor, windows: LabelledWindows, rows: NDArray[np.intp]) -> Iterator[NDArray[np.float64]]:
    for reverse in (False, True):
        logits = predictor.logits([read_inputs(windows, rows)], reverse=reverse)
        yield next(_said(predictor, logits, turned=reverse))


def _changed(
    predictor: Predictor,
    windows: LabelledWindows,
    rows: NDArray[np.intp],
    done: Perturbations,
    change: Callable[[NDArray[np.uint8], float, np.random.Generator], NDArray[np.uint8]],
) -> Iterator[NDArray[np.float64]]:
    rng = _rng(done, change.__name__, rows)
    inputs = read_inputs(windows, rows)
    codes = inputs[SEQUENCE].numpy()
    changed = (inputs | {SEQUENCE: torch.from_numpy(change(codes, done.share, rng))} for _ in range(done.repeats))
    yield from _said(predictor, predictor.logits(changed))


def _make_unknown(codes: NDArray[np.uint8], share: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    return np.where(rng.random(codes.shape) < share, np.uint8(N), codes)


def _mutate(codes: NDArray[np.uint8], share: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    other = ((codes + rng.integers(1, 4, codes.shape)) % 4).astype(np.uint8)
    return np.where((rng.random(codes.shape) < share) & (codes < N), other, codes)


def _rng(done: Perturbations, test: str, rows: NDArray[np.intp]) -> np.random.Generator:
    return np.random.default_rng([done.seed, *test.encode(), int(rows[0])])
