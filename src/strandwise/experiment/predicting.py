"""A run asked for predictions: at intervals, for sequences, along a chromosome."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from strandwise.data.dream import labels_of_bins
from strandwise.data.peaks import label_intervals, noting_training, read_targets
from strandwise.data.reading import SequenceReader
from strandwise.data.sequences import read_records
from strandwise.data.splits import held_out_regions
from strandwise.data.windows import LabelledWindows
from strandwise.errors import InputError
from strandwise.experiment.datasets import open_genome, read_bin_targets, with_signals
from strandwise.experiment.network import output_bp
from strandwise.experiment.run import Run
from strandwise.files import check_writable, existing_file, progress
from strandwise.genome import Genome, match_names, read_bed, rename_chromosomes
from strandwise.prediction import (
    BIGWIG,
    Predictor,
    check_ending,
    chromosome_frames,
    chromosome_windows,
    predict_frames,
    signal_frames,
    write_predictions,
)


def predict(
    run: Run | str | Path,
    out: str | Path,
    *,
    bed: str | Path | None = None,
    fasta: str | Path | None = None,
    chrom: str | None = None,
    genome: str | Path | None = None,
    step_bp: int | None = None,
    batch_size: int = 512,
) -> list[Path]:
    """Predict at intervals, for sequences, or along a chromosome; write parquet, BED or bigWig.

    Of a model of profiles, tables hold the total counts of a window, and bigWigs the counts expected at each base.

    Args:
        run: the run, or its folder.
        out: where to write; the ending is the format.
        bed: one window at the summit or middle of each interval, in the order of the file.
        fasta: the middle of each sequence.
        chrom: windows along this chromosome.
        genome: another genome than that of the run.
        step_bp: between windows, for `chrom`; if not given, 50, or what a model of profiles predicts at a time.
        batch_size: windows at a time.

    Returns:
        The files written; a bigWig for each track where there are several.

    Raises:
        StrandwiseError: bad input, or a place that cannot be written.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    out = Path(out)
    check_ending(out)
    if [bed, fasta, chrom].count(None) != 2:
        raise InputError("say where to predict: give one of --bed, --fasta and --chrom.")
    if fasta is not None and genome is not None:
        raise InputError("--genome has no part in predicting for --fasta: leave it out, or give --bed or --chrom.")
    if batch_size < 1 or (step_bp is not None and step_bp < 1):
        raise InputError(f"--step {step_bp} and --batch-size {batch_size} must be 1 or more.")
    predictor = run.predictor()
    if fasta is not None:
        windows = _sequences(run, Path(fasta), predictor)
        check_writable(out)
        frames = predict_frames(predictor, windows, batch_size)
        return write_predictions(_shown(frames, len(windows), batch_size), out)
    source = Genome(existing_file(genome, "a genome")) if genome is not None else open_genome(run.experiment)
    along = predictor.profile is not None and out.name.endswith(BIGWIG)
    bin_bp = run.experiment.windows.bin_bp
    if bed is not None:
        windows = windows_at(run, Path(bed), source, labelled=False)
        check_writable(out)
        frames = (
            signal_frames(predictor, windows, bin_bp, batch_size)
            if along
            else predict_frames(predictor, windows, batch_size)
        )
        return write_predictions(_shown(frames, len(windows), batch_size), out, source.sizes)
    match = match_names([str(chrom)], source.sizes, "--chrom", str(source.path)).require()
    name = match.mapping[str(chrom)]
    middle = output_bp(run.experiment) if run.experiment.predicts_signal else None
    step = step_bp or middle or 50
    if along and step != middle:
        raise InputError(f"--step {step}: the model predicts {middle} bp at a time, and each base once: leave --step.")
    windows = chromosome_windows(source, name, step, predictor.input_bp, whole=along)
    windows = with_signals(windows, run.experiment, source, targets=False)
    check_writable(out)
    frames = (
        signal_frames(predictor, windows, bin_bp, batch_size)
        if along
        else chromosome_frames(predictor, windows, source.sizes[name], step, batch_size)
    )
    return write_predictions(_shown(frames, len(windows), batch_size), out, source.sizes)


def windows_at(run: Run, bed: Path, genome: Genome | None = None, *, labelled: bool = True) -> LabelledWindows:
    """Return a run's windows at the intervals of a BED file, with what it should say there or not at all.

    Raises:
        InputError: a file that is missing or malformed, or intervals that are not in the genome.
    """
    genome = genome or open_genome(run.experiment)
    intervals = read_bed(existing_file(bed, "intervals"))
    match = match_names(list(pd.unique(intervals["chrom"])), genome.sizes, str(bed), str(genome.path)).require()
    intervals = rename_chromosomes(intervals, match)
    peaks: dict[str, pd.DataFrame] = {}
    bins = run.experiment.bins
    if labelled and bins is None:
        peaks, _ = read_targets(run.experiment.targets, genome)
    windows = label_intervals(genome, intervals, peaks, run.experiment.windows, bed)
    if labelled and bins is not None:
        factors, _ = read_bin_targets(run.experiment, genome)
        start = windows.frame["start"].to_numpy() + windows.input_bp // 2 - bins.bin_bp // 2
        labels, weights = labels_of_bins(windows.frame["chrom"].to_numpy(), start, factors, bins)
        windows = replace(windows, labels=labels, weights=weights, tracks=tuple(factors))
    windows = with_signals(windows, run.experiment, genome, targets=labelled)
    return noting_training(windows, held_out_regions(run.experiment.split, genome.sizes)) if labelled else windows


def _sequences(run: Run, fasta: Path, predictor: Predictor) -> LabelledWindows:
    beside = [name for name in predictor.network.input_types if name != "sequence"]
    if beside:
        raise InputError(
            f"{run.path}: the model reads {beside[0]} beside the DNA, which sequences without a place do not have: "
            "give --bed or --chrom instead of --fasta."
        )
    length = predictor.input_bp
    records, codes = read_records(existing_file(fasta, "sequences to predict"), length)
    names = [record.name for record in records]
    start = np.array([(len(record.letters) - length) // 2 for record in records])
    frame = pd.DataFrame({"chrom": names, "start": start, "end": start + length, "name": names})
    nothing = np.zeros((len(frame), 0), np.float32)
    return LabelledWindows(frame, nothing, nothing, (), SequenceReader(codes, length), length)


def _shown(frames: Iterator[pd.DataFrame], rows: int, batch_size: int) -> Iterator[pd.DataFrame]:
    return progress(frames, "predicting", -(-rows // batch_size))
