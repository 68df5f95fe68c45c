"""How much a run's predictions vary over copies of the same windows."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from strandwise.analysis.evaluation import BLOCK_BP
from strandwise.analysis.robustness import TESTS, Perturbations, inside, measure_robustness
from strandwise.data.readers import Reader
from strandwise.data.reading import SequenceReader, StackedReader
from strandwise.data.windows import LabelledWindows
from strandwise.errors import InputError
from strandwise.experiment.folder import ROBUSTNESS
from strandwise.experiment.measuring import open_genome
from strandwise.experiment.network import output_bp
from strandwise.experiment.run import Run
from strandwise.experiment.strands import chosen_windows, draw
from strandwise.files import check_writable
from strandwise.scores.bootstrap import genomic_blocks


def assess_robustness(
    run: Run | str | Path,
    *,
    split: Literal["train", "valid", "test"] = "test",
    bed: str | Path | None = None,
    cell: str | None = None,
    n: int = 1000,
    repeats: int = 20,
    reach_bp: int | None = None,
    share: float = 0.01,
    seed: int = 0,
    out: str | Path | None = None,
) -> dict[str, Any]:
    """Measure how much predictions vary where next to nothing has changed; write `robustness.json`.

    Each window is shifted, read from its other strand, and read with a few bases unknown or different; the variation
    score is that of GOPHER (Toneyan et al. 2022), 0 where nothing moves.

    Args:
        run: the run, or its folder.
        split: which windows of its config.
        bed: windows at these intervals instead.
        cell: the cell type to read them in, where the model reads what was measured in cells.
        n: the most windows to test, drawn by seed.
        repeats: copies of each window that are shifted, and that have bases changed.
        reach_bp: shifts are drawn evenly from -reach_bp up to, and without, reach_bp; a quarter of the window if None,
            as GOPHER's, or of its middle where that alone is predicted.
        share: of the bases that are made unknown or mutated.
        seed: of all draws.
        out: folder for the result; the run folder if None.

    Returns:
        What was measured, as written (without shifts where sequences end with their windows): by test the mean, its
        95 % interval over stretches of 100 kb, and each track's mean.

    Raises:
        StrandwiseError: bad input, no window with room to shift, or shifts that leave no base in common.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    if n < 1:
        raise InputError(f"--windows {n}: give 1 or more.")
    windows, name = chosen_windows(run, split, bed, cell)
    predictor = run.predictor()
    if reach_bp is None:
        along = predictor.profile or predictor.bins
        reach_bp = max(1, min(windows.input_bp, output_bp(run.experiment) if along else windows.input_bp) // 4)
    done = Perturbations(repeats, reach_bp, share, seed)
    table = (run.path if out is None else Path(out)) / (
        f"{ROBUSTNESS}.json" if name == "test" else f"{ROBUSTNESS}.{name}.json"
    )
    check_writable(table)
    roomy = _with_room(run, windows, done)
    drawn = roomy.take(draw(len(roomy), n, done.seed))
    # Sequences that end with the window have nothing to shift it into.
    tests = TESTS if run.experiment.genome is not None or _room(windows.reader) >= reach_bp else TESTS[1:]
    found = measure_robustness(predictor, drawn, done, bin_bp=run.experiment.windows.bin_bp, tests=tests)
    frame = drawn.frame
    placed = run.experiment.genome is not None
    blocks = genomic_blocks(frame["chrom"], frame["start"], BLOCK_BP) if placed else np.arange(len(frame))
    said: dict[str, Any] = {}
    for test in tests:
        interval = found.interval(test, blocks, done.seed)
        said[test] = {
            "mean": _plain(found.mean(test)),
            "ci": None if interval is None else [interval.low, interval.high],
            "tracks": {track: _plain(score) for track, score in found.of_tracks(test).items()},
        }
    record = {
        "schema_version": 1,
        "split": name,
        "n": len(drawn),
        "of": len(windows),
        "near_an_end": len(windows) - len(roomy),
        "repeats": done.repeats,
        "reach_bp": done.reach_bp,
        "share": done.share,
        "seed": done.seed,
        "blocks": len(np.unique(blocks)),
        "tests": said,
    }
    Run(table.parent).write_json(table.name, record)
    return record


def _room(reader: Reader) -> int:
    """Return how far windows of sequences can be shifted before they read past an end."""
    if isinstance(reader, StackedReader):
        return min(map(_room, reader.readers))
    return reader.start if isinstance(reader, SequenceReader) else 0


def _with_room(run: Run, windows: LabelledWindows, done: Perturbations) -> LabelledWindows:
    """Return the windows that can be shifted without leaving their chromosome; of sequences, all that were given."""
    if run.experiment.genome is None:
        return windows
    roomy = inside(windows.frame, open_genome(run.experiment).sizes, done.reach_bp)
    if not roomy.any():
        raise InputError(
            f"no window has {done.reach_bp} bp of its chromosome to each side: shift by less, or choose other windows."
        )
    return windows.take(np.flatnonzero(roomy))


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else value
