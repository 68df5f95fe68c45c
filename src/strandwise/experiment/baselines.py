"""A run beside simple models, fitted on the same training windows and judged on the same test windows."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import tee
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strandwise.analysis.baselines import (
    Answered,
    Baseline,
    Composition,
    Examples,
    Feature,
    Matrix,
    Motifs,
    Words,
    background_of,
    compare,
    fit_baseline,
    read_features,
)
from strandwise.analysis.evaluation import BLOCK_BP
from strandwise.data.batches import read_batch
from strandwise.data.windows import LabelledWindows
from strandwise.errors import InputError, did_you_mean, listing
from strandwise.experiment.datasets import read_windows
from strandwise.experiment.folder import BASELINES
from strandwise.experiment.provenance import check_inputs
from strandwise.experiment.run import Run
from strandwise.files import check_writable, progress
from strandwise.layers import Head
from strandwise.motifs import Motif, meme_motifs
from strandwise.prediction import Predictor
from strandwise.scores.bootstrap import genomic_blocks
from strandwise.sequence import N

LEARNED = 40_000
"""Windows, or bins of windows, that a baseline is fitted on at most; drawn by seed where there are more."""

BASES = 1 << 22
"""Bases that are looked at a time."""


class Stretches(NamedTuple):
    """Where the DNA lies that decides a label, in each window.

    Attributes:
        flank: bases on either side of a bin that count with it; None where the window has one label.
        first: first base of the first bin.
        bin_bp: length of a bin.
    """

    flank: int | None = None
    first: int = 0
    bin_bp: int = 1


def compare_baselines(
    run: Run | str | Path,
    *,
    split: Literal["train", "valid", "test"] = "test",
    motifs: str | Path | None = None,
    named: Mapping[str, Sequence[str]] | None = None,
    flank_bp: int = 50,
    seed: int = 0,
    resamples: int = 1000,
    out: str | Path | None = None,
) -> dict[str, Any]:
    """Judge a run beside baselines on the same windows, and say how far it is ahead of each.

    Baselines are logistic regressions, fitted for each track on the training windows of the run: `gc` on the share of G
    and C, `pwm_gc` on that and on the best hit of each motif of the track, `words` on counts of six letters. Where
    labels are of bins, they read each bin with `flank_bp` on either side. Differences have paired 95 % intervals from a
    bootstrap over stretches of 100 kb.

    Args:
        run: the run, or its folder; it predicts yes/no labels.
        split: which windows of its config.
        motifs: a file of motifs in MEME format; without it there is no `pwm_gc`.
        named: names of motifs in it, by track; of a track that is not named, the motif of the same name, in capitals or
            not, if there is one.
        flank_bp: bases beside a bin.
        seed: of the resamples, and of which training windows are read where there are very many.
        resamples: of the bootstrap.
        out: folder for the results; the run folder if None.

    Returns:
        The metrics, as written to `baselines.json` (`baselines.SPLIT.json` for another split).

    Raises:
        StrandwiseError: bad input, a run that predicts signal, a split without windows, or scikit-learn is missing.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    if run.experiment.predicts_signal:
        raise InputError(f"{run.path}: predicts signal, and baselines rank yes/no labels: use `evaluate`.")
    if named and motifs is None:
        raise InputError("motifs are named, and no file holds them: give it with --motifs FILE.")
    if flank_bp < 0 or resamples < 1:
        raise InputError(f"flank_bp {flank_bp} and resamples {resamples}: give 0 or more, and 1 or more.")
    found = {} if motifs is None else _motifs_of(Path(motifs), run.provenance["tracks"], named or {})
    check_inputs(run.provenance, run.experiment)
    folder, name = run.path if out is None else Path(out), "" if split == "test" else f".{split}"
    place = folder / f"{BASELINES}{name}.json"
    check_writable(place)
    windows = read_windows(run.experiment)
    judged = windows.split(split)
    if not len(judged):
        raise InputError(f"the {split} split has no windows to judge: name chromosomes or regions in split.{split}.")
    predictor = run.predictor()
    stretches = _stretches(run, predictor, flank_bp)
    rivals = _rivals(windows, judged, found, motifs is not None, stretches, predictor, seed)
    said, labels, weights = _answers(predictor, judged)
    given = Answered(judged.tracks, labels, weights, _blocks(judged))
    ours, theirs = compare(given, said, rivals, seed=seed, resamples=resamples)
    record = {
        "schema_version": 1,
        "split": split,
        "n": len(judged),
        "model": ours,
        "baselines": theirs,
        "motifs": {track: [motif.name for motif in found.get(track, [])] for track in judged.tracks},
        "bootstrap": {"resamples": resamples, "seed": seed, "level": 0.95, "blocks": len(np.unique(given.blocks))},
        "notes": _notes(judged.tracks, found, motifs),
    }
    Run(folder).write_json(place.name, record)
    return record


def _motifs_of(path: Path, tracks: Sequence[str], named: Mapping[str, Sequence[str]]) -> dict[str, list[Motif]]:
    """Return the motifs of each track that has any."""
    for track in named:
        if track not in tracks:
            raise InputError(
                f"--motif {track}=...: the run has no track '{track}'{did_you_mean(track, tracks)}; it has "
                f"{listing(tracks)}."
            )
    found: dict[str, list[Motif]] = {}
    alike: dict[str, list[Motif]] = {}
    for motif in meme_motifs(path):
        for each in {motif.accession.casefold(), motif.name.casefold()}:
            # Databases hold several matrices of one factor; a window is scored by the best of them.
            alike.setdefault(each, []).append(motif)
    for track in tracks:
        motifs = meme_motifs(path, named[track]) if named.get(track) else alike.get(track.casefold())
        if motifs:
            found[track] = motifs
    return found


def _notes(tracks: Sequence[str], found: Mapping[str, list[Motif]], motifs: str | Path | None) -> list[str]:
    if motifs is None:
        return ["no file of motifs was given, so there is no baseline of motifs: add --motifs FILE"]
    without = [track for track in tracks if track not in found]
    said = f"{motifs} has no motif called {listing(without)}: its baseline 'pwm_gc' there is GC alone (name one by "
    return [f"{said}--motif {without[0]}=NAME)"] if without else []


def _stretches(run: Run, predictor: Predictor, flank_bp: int) -> Stretches:
    if predictor.bins is None:
        return Stretches()
    windows = run.experiment.windows
    output_bp = windows.output_bp or windows.input_bp
    return Stretches(flank_bp, (windows.input_bp - output_bp) // 2, windows.bin_bp)


def _rivals(
    windows: LabelledWindows,
    judged: LabelledWindows,
    motifs: Mapping[str, list[Motif]],
    with_motifs: bool,
    stretches: Stretches,
    predictor: Predictor,
    seed: int,
) -> dict[str, NDArray[np.float32]]:
    """Return what each baseline says of the windows that are judged, in the shape of their labels."""
    head = predictor.bins or predictor.head
    learned, chosen = (_drawn(windows.split(name), head, stretches, seed) for name in ("train", "valid"))
    background = background_of(learned.codes)
    composition, words = Composition(), Words()
    same: dict[str, list[Feature]] = {"gc": [composition], "words": [words]}
    read = {
        name: [read_features(features, part.codes) for part in (learned, chosen)] for name, features in same.items()
    }
    fitted: dict[str, list[Baseline]] = {}
    for c, track in enumerate(progress(windows.tracks, "fitting baselines", len(windows.tracks))):
        kinds, matrices = dict(same), dict(read)
        if with_motifs:
            here = motifs.get(track)
            kinds["pwm_gc"] = [composition, *([Motifs(here, background)] if here else [])]
            matrices["pwm_gc"] = [read_features(kinds["pwm_gc"], part.codes) for part in (learned, chosen)]
        for name in sorted(kinds):
            examples = (
                part.examples(matrix, c) for part, matrix in zip((learned, chosen), matrices[name], strict=True)
            )
            fitted.setdefault(name, []).append(fit_baseline(kinds[name], *examples))
    return {name: _scores(baselines, judged, stretches) for name, baselines in fitted.items()}


class Drawn(NamedTuple):
    """Stretches of DNA ``(examples, bases)`` with their labels and weights ``(examples, tracks)``."""

    codes: NDArray[np.uint8]
    labels: NDArray
    weights: NDArray

    def examples(self, read: Matrix, column: int) -> Examples:
        """Return those of which a track is known, by what was read in all of them."""
        known = np.flatnonzero(self.weights[:, column] > 0)
        return Examples(read[known], self.labels[known, column])


def _drawn(windows: LabelledWindows, head: Head, stretches: Stretches, seed: int) -> Drawn:
    """Return windows, or bins of them with what lies beside."""
    rng = np.random.default_rng(seed)
    rows = windows.rows_of_epoch(0)
    if stretches.flank is None:
        rows = np.sort(rng.permutation(rows)[:LEARNED])
        return Drawn(windows.reader.gather(rows), windows.labels[rows], windows.weights[rows])
    width = stretches.bin_bp + 2 * stretches.flank
    each = -(-LEARNED // max(1, len(rows)))
    nothing = np.zeros((0, len(windows.tracks)), np.float32)
    parts = [Drawn(np.zeros((0, width), np.uint8), nothing, nothing)]
    for row in rows:
        batch = read_batch(windows, [head], np.array([row]))
        labels, weights = batch.targets[head.name][0].numpy(), batch.weights[head.name].numpy()
        bins = np.sort(rng.permutation(labels.shape[1])[:each])
        padded = _padded(windows, np.array([row]), stretches)[0]
        starts = stretches.first + bins * stretches.bin_bp
        codes = np.lib.stride_tricks.sliding_window_view(padded, width)[starts]
        parts.append(Drawn(codes, labels[:, bins].T, np.repeat(weights, len(bins), axis=0)))
    return Drawn(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _padded(windows: LabelledWindows, rows: NDArray[np.integer], stretches: Stretches) -> NDArray[np.uint8]:
    """Return the DNA of windows with N beside it, so that a stretch begins as many bases in as its bin."""
    return np.pad(windows.reader.gather(rows), ((0, 0), (stretches.flank or 0,) * 2), constant_values=N)


def _scores(baselines: Sequence[Baseline], windows: LabelledWindows, stretches: Stretches) -> NDArray[np.float32]:
    parts = []
    for rows in _pieces(windows):
        if stretches.flank is None:
            codes = windows.reader.gather(rows)
            parts.append(np.stack([each.score(codes) for each in baselines], axis=1).astype(np.float32))
            continue
        width = stretches.bin_bp + 2 * stretches.flank
        codes = _padded(windows, rows, stretches)
        last = windows.input_bp - stretches.first
        starts = np.arange(stretches.first, last - stretches.bin_bp + 1, stretches.bin_bp)
        found = [each.along(codes, width)[:, starts] for each in baselines]
        parts.append(np.stack(found, axis=1).astype(np.float32))
    return np.concatenate(parts)


def _pieces(windows: LabelledWindows) -> Iterator[NDArray[np.intp]]:
    size = max(1, BASES // windows.input_bp)
    return (np.arange(at, min(at + size, len(windows))) for at in range(0, len(windows), size))


def _answers(predictor: Predictor, windows: LabelledWindows) -> tuple[NDArray, NDArray, NDArray]:
    """Return what a model says of windows, their labels and weights; logits, which rank as probabilities do."""
    head = predictor.bins or predictor.head
    size = max(1, min(512, BASES // (windows.input_bp * max(4, len(head.tracks)))))
    starts = progress(range(0, len(windows), size), "asking the model", -(-len(windows) // size))
    read, ahead = tee(read_batch(windows, [head], np.arange(at, min(at + size, len(windows)))) for at in starts)
    said, labels, weights = [], [], []
    for batch, logits in zip(read, predictor.logits(each.inputs for each in ahead), strict=True):
        said.append(logits[head.name].float().numpy())
        labels.append(batch.targets[head.name].numpy())
        weights.append(batch.weights[head.name].numpy())
    return np.concatenate(said), np.concatenate(labels), np.concatenate(weights)


def _blocks(windows: LabelledWindows) -> NDArray[np.intp]:
    frame = windows.frame
    if not frame["start"].to_numpy().any():
        return np.arange(len(frame), dtype=np.intp)
    return genomic_blocks(frame["chrom"], frame["start"], BLOCK_BP)


def motif_names(given: Sequence[str]) -> dict[str, list[str]]:
    """Return names of motifs by track from a command line's ``TRACK=NAME``.

    Raises:
        InputError: one that is not written so.
    """
    named: dict[str, list[str]] = {}
    for each in given:
        track, equals, name = each.rpartition("=")
        if not equals or not name or not track:
            raise InputError(f"--motif {each}: write TRACK=NAME, once for each motif.")
        named.setdefault(track, []).append(name)
    return named
