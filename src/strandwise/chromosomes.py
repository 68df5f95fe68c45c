"""Whole chromosomes: windows side by side, read as long stretches where that gives the same."""

import glob
import hashlib
import json
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from strandwise.data.ahead import own_threads
from strandwise.data.batches import read_inputs
from strandwise.data.reading import GenomeReader, PackedGenome
from strandwise.data.windows import LabelledWindows
from strandwise.errors import OutputError
from strandwise.files import atomic_path, writing_errors
from strandwise.genome import Genome, Steps, write_steps
from strandwise.models.stretches import Stretched
from strandwise.prediction import Predictor, bigwig_paths, prediction_columns

STRETCH_BP = 60_000
"""The most bases that are read as one: fewer waste what neighbouring stretches share, more take memory."""

WINDOWS_BP = 1 << 16
"""Bases of windows that a thread reads at once: of more, features outgrow what it may keep of freed memory."""

_FEATURES = 1 << 24

_SHARED = 4
"""Stretches come in a multiple of this, not of the threads that share them: rounding depends on their lengths."""

_WINDOWS = 4096

Measured = Callable[[LabelledWindows], LabelledWindows]
"""Adds to windows what a model reads of them beside the DNA."""


@dataclass(frozen=True)
class Tiling:
    """Windows side by side along chromosomes, each saying something of the bases in its middle.

    Attributes:
        predictor: the model.
        step_bp: bases of a chromosome that a window speaks for, from one window to the next.
        bin_bp: bases of each of its answers; `step_bp` where it gives one for all of them.
    """

    predictor: Predictor
    step_bp: int
    bin_bp: int

    def windows(self, size: int) -> int:
        """Return how many windows cover a chromosome."""
        return -(-size // self.step_bp)

    def values(
        self, genome: Genome, chrom: str, batch_size: int = 512, measured: Measured | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """Yield what is predicted along a chromosome, ``(windows, tracks, answers)``, window after window.

        Windows near the ends read N beyond them; answers beyond the end are for the caller to cut.

        Args:
            genome: the genome.
            chrom: the chromosome.
            batch_size: windows at a time.
            measured: adds signal to read beside the DNA.
        """
        total, length = self.windows(genome.sizes[chrom]), self.predictor.input_bp
        first, asked = self.step_bp // 2 - length // 2, self._asked
        threads = torch.get_num_threads() if asked.device == "cpu" else 1
        at_once, in_memory = 1, max(1, batch_size // threads)
        if asked.device == "cpu":
            in_memory = max(1, min(in_memory, WINDOWS_BP // length))
        if isinstance(asked.network, Stretched):
            most = max(1, min(STRETCH_BP // self.step_bp, batch_size, asked.network.windows_of(_FEATURES)))
            rounds = -(-total // (_SHARED * most))
            at_once = -(-total // (_SHARED * rounds))
            length += (at_once - 1) * self.step_bp
            # One is as much as a processor's cache can hold.
            in_memory = 1 if asked.device == "cpu" else max(1, batch_size // at_once)
        start = first + self.step_bp * np.arange(0, total, at_once)
        # A window in the middle of a long step may lie wholly beyond the end.
        stretches = _stretches(genome, chrom, start, length, length + self.step_bp)
        if measured is not None:
            stretches = measured(stretches)
        left = total
        for said in _expected(asked, stretches, in_memory, threads):
            yield said[:left].astype(np.float32, copy=False)
            left -= len(said)

    @cached_property
    def _asked(self) -> Predictor:
        """What is asked: the model by stretches, where it can be read so."""
        return self.predictor.along(self.step_bp) or self.predictor

    def frames(self, genome: Genome, chrom: str, values: Iterator[NDArray[np.float32]]) -> Iterator[pd.DataFrame]:
        """Yield tables of what is predicted, a row for the bases that a window speaks for.

        Of profiles the total of the window, of bins their mean.
        """
        row, size = 0, genome.sizes[chrom]
        for said in values:
            start = self.step_bp * np.arange(row, row + len(said))
            row += len(said)
            places = pd.DataFrame({"chrom": chrom, "start": start, "end": np.minimum(start + self.step_bp, size)})
            yield places.assign(name=".").join(
                prediction_columns(self.predictor.head, said.sum(-1) if self.predictor.profile else said.mean(-1))
            )


def _expected(
    asked: Predictor, windows: LabelledWindows, batch_size: int, threads: int
) -> Iterator[NDArray[np.float32]]:
    """Yield what is expected along windows, a batch at a time, in order.

    Each thread takes every second batch, or third, for itself: a team of threads that computes one batch together
    spends much of its time waiting for the slowest, and more where others use the same processors.
    """
    batches = [np.arange(at, min(at + batch_size, len(windows))) for at in range(0, len(windows), batch_size)]
    threads = max(1, min(threads, len(batches)))
    lines = [
        asked.expected(read_inputs(windows, rows) for rows in batches[number::threads]) for number in range(threads)
    ]
    if threads < 2:
        for line in lines:
            yield from line
        return
    pool = own_threads(threads, "strandwise-prediction")
    try:
        waiting = deque(pool.submit(next, line) for line in lines)
        for number in range(len(batches)):
            said = waiting.popleft().result()
            if number + threads < len(batches):
                waiting.append(pool.submit(next, lines[number % threads]))
            yield said
    finally:
        pool.shutdown(cancel_futures=True)


def _stretches(genome: Genome, chrom: str, start: NDArray[np.int64], length: int, margin: int) -> LabelledWindows:
    frame = pd.DataFrame({"chrom": chrom, "start": start, "end": start + length, "name": "."})
    packed = PackedGenome(genome, [chrom], margin)
    nothing = np.zeros((len(frame), 0), np.float32)
    return LabelledWindows(
        frame, nothing, nothing, (), GenomeReader(packed, start + packed.offsets[chrom], length), length
    )


def write_tracks(tiling: Tiling, parts: "Parts", sizes: Mapping[str, int], out: Path) -> list[Path]:
    """Write a bigWig of each track from the parts of finished chromosomes.

    Args:
        tiling: as it was predicted.
        parts: with all of these chromosomes.
        sizes: of chromosomes, in the order of the parts.
        out: where to; the name of the track goes before the ending where there are several.

    Returns:
        The files written.

    Raises:
        InputError: a prediction is not finite.
        OutputError: the place cannot be written.
    """
    paths = bigwig_paths(out, tiling.predictor.head.tracks)
    numbers = {chrom: number for number, chrom in enumerate(sizes)}

    def blocks(track: int) -> Iterator[Steps]:
        for chrom in sorted(sizes):
            windows = tiling.windows(sizes[chrom])
            values = parts.read(numbers[chrom], windows)
            for at in range(0, windows, _WINDOWS):
                said = np.array(values[at : at + _WINDOWS, track]).reshape(-1)
                start = at * tiling.step_bp
                yield Steps(chrom, start, tiling.bin_bp, said[: -(-(sizes[chrom] - start) // tiling.bin_bp)])

    with ExitStack() as together:
        for track, path in enumerate(paths):
            temporary = together.enter_context(atomic_path(path))
            try:
                write_steps(temporary, dict(sizes), blocks(track))
            except OutputError as error:
                raise OutputError(str(error).replace(str(temporary), str(path))) from error
    return paths


class Parts:
    """Predictions of chromosomes as they are finished, in a folder beside the result: a job that is killed goes on.

    Args:
        out: the result.
        told: all that decides what is predicted; parts that were made otherwise are not used.
        shape: tracks, and answers of a window.
    """

    def __init__(self, out: Path, told: Mapping[str, object], shape: tuple[int, int]) -> None:
        self.out, self.shape = out, shape
        # Named by all that decides them, so that predictions of two models never meet.
        digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
        self.folder = out.with_name(f".{out.name}.{digest}.parts")
        self._lock = FileLock(out.with_name(f".{out.name}.lock"))

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Make the folder, or go back to it; other parts for the same result are removed, and at the end these.

        Where the block does not succeed the parts stay, for the same job to go on with.

        Raises:
            OutputError: the place cannot be written, or another job is writing there.
        """
        with writing_errors(self.out):
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                raise OutputError(
                    f"{self.out}: another job is writing it: wait for that one, or give another --out."
                ) from None
        try:
            for other in self.out.parent.glob(f".{glob.escape(self.out.name)}.{'[0-9a-f]' * 16}.parts"):
                if other != self.folder:
                    shutil.rmtree(other)
            with writing_errors(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
            try:
                yield
            except BaseException:
                if not any(self.folder.glob("*.f32")):
                    shutil.rmtree(self.folder)
                raise
            shutil.rmtree(self.folder)
        finally:
            # While it is held: who opened it meanwhile finds it gone, and asks for a new one.
            Path(self._lock.lock_file).unlink(missing_ok=True)
            self._lock.release()

    def path(self, number: int) -> Path:
        """Return the file of a chromosome, by its number: its name may be no name for a file."""
        return self.folder / f"{number}.f32"

    def has(self, number: int, windows: int) -> bool:
        """Return whether a chromosome is finished."""
        path = self.path(number)
        return path.is_file() and path.stat().st_size == 4 * windows * self.shape[0] * self.shape[1]

    def write(self, number: int, values: Iterator[NDArray[np.float32]]) -> None:
        """Write a chromosome's ``(windows, tracks, answers)`` as they come, in one step.

        Raises:
            OutputError: the disk is full.
        """
        path = self.path(number)
        try:
            with atomic_path(path) as temporary, temporary.open("wb") as stream:
                for said in values:
                    stream.write(np.ascontiguousarray(said, dtype="<f4").tobytes())
        except OutputError as error:
            # What the user knows of is the result.
            raise OutputError(str(error).replace(str(path), str(self.out))) from error

    def read(self, number: int, windows: int) -> NDArray[np.float32]:
        """Return a finished chromosome, mapped and not read: ``(windows, tracks, answers)``."""
        return np.memmap(self.path(number), dtype="<f4", mode="r", shape=(windows, *self.shape))
