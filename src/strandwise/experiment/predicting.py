"""A run asked for predictions: at intervals, for sequences, along a chromosome."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from strandwise.chromosomes import Parts, Tiling, write_tracks
from strandwise.data.dream import labels_of_bins
from strandwise.data.peaks import label_intervals, noting_training, read_targets
from strandwise.data.reading import SequenceReader
from strandwise.data.sequences import read_records
from strandwise.data.splits import held_out_regions
from strandwise.data.stacking import CELL, stack_cells
from strandwise.data.windows import LabelledWindows
from strandwise.errors import InputError, listing
from strandwise.experiment.datasets import labelled_along, open_genome, read_barred, read_bin_targets
from strandwise.experiment.measuring import with_signals
from strandwise.experiment.metadata import with_metadata
from strandwise.experiment.network import output_bp
from strandwise.experiment.run import Run
from strandwise.files import check_writable, existing_file, progress, sha256
from strandwise.genome import Genome, match_names, read_bed, rename_chromosomes
from strandwise.prediction import (
    BIGWIG,
    Predictor,
    bigwig_paths,
    check_ending,
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
    chrom: str | Sequence[str] | None = None,
    cell: str | None = None,
    genome: str | Path | None = None,
    step_bp: int | None = None,
    batch_size: int = 512,
) -> list[Path]:
    """Predict at intervals, for sequences, or along a chromosome; write parquet, BED or bigWig.

    Of a model of profiles, tables hold the total counts of a window, and bigWigs the counts expected at each base; of
    one that answers for bins, tables hold the mean of a window, and bigWigs each bin.

    Where a network gives the same over a long stretch of DNA as window by window, chromosomes are read in stretches.
    Chromosomes on their way into a bigWig are kept beside it as they are finished, so a job that was stopped goes on
    when the same is asked again.

    Args:
        run: the run, or its folder.
        out: where to write; the ending is the format.
        bed: one window at the summit or middle of each interval, in the order of the file.
        fasta: the middle of each sequence.
        chrom: windows along these chromosomes; "all" for all of the genome.
        cell: the cell type to predict in, where the model reads what was measured in cells.
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
    if fasta is not None and cell is not None:
        raise InputError("--cell has no part in predicting for --fasta: leave it out, or give --bed or --chrom.")
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
    along = bool(predictor.profile or predictor.bins) and out.name.endswith(BIGWIG)
    bin_bp = run.experiment.windows.bin_bp
    if bed is not None:
        windows = windows_at(run, Path(bed), source, labelled=False, cell=cell)
        check_writable(out)
        frames = (
            signal_frames(predictor, windows, bin_bp, batch_size)
            if along
            else predict_frames(predictor, windows, batch_size)
        )
        return write_predictions(_shown(frames, len(windows), batch_size), out, source.sizes)
    chromosomes = _chromosomes([chrom] if isinstance(chrom, str) else [*(chrom or ())], source)
    middle = output_bp(run.experiment) if predictor.profile or predictor.bins else None
    step = step_bp or middle or 50
    if along and step != middle:
        raise InputError(f"--step {step}: the model predicts {middle} bp at a time, and each base once: leave --step.")
    tiling = Tiling(predictor, step, bin_bp if along else step)
    chosen = chosen_cell(run, cell, labelled=False)

    def values(name: str) -> Iterator[np.ndarray]:
        said = tiling.values(source, name, batch_size, lambda windows: _measured(run, windows, source, chosen, False))
        return progress(said, f"predicting {name}")

    if not out.name.endswith(BIGWIG):
        check_writable(out)
        return write_predictions(
            (table for name in chromosomes for table in tiling.frames(source, name, values(name))), out
        )
    paths = bigwig_paths(out, predictor.head.tracks)
    for path in (out, *paths):
        check_writable(path)
    parts = Parts(
        out, what_decides(run, source, step, chromosomes, chosen), (len(predictor.head.tracks), step // tiling.bin_bp)
    )
    with parts.opened():
        for number, (name, size) in enumerate(chromosomes.items()):
            if not parts.has(number, tiling.windows(size)):
                parts.write(number, values(name))
        return write_tracks(tiling, parts, chromosomes, out)


def _chromosomes(names: Sequence[str], source: Genome) -> dict[str, int]:
    """Return the sizes of the chromosomes that are asked for, by their names in the genome."""
    if [*names] == ["all"]:
        return dict(source.sizes)
    match = match_names([*names], source.sizes, "--chrom", str(source.path)).require()
    return {match.mapping[name]: source.sizes[match.mapping[name]] for name in names}


def what_decides(
    run: Run, source: Genome, step_bp: int, chromosomes: Mapping[str, int], cell: str | None
) -> dict[str, object]:
    """Return all that decides what is predicted along chromosomes, as JSON holds it; files by their size and time."""
    files = [source.path, *(path for part in run.parts for path in part.experiment.files())]
    known = [path for path in dict.fromkeys(files) if path.is_file()]
    return {
        "weights": [sha256(part.weights_file()) for part in run.parts],
        "config": run.experiment.to_toml(),
        "files": [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in known],
        "chromosomes": [[name, size] for name, size in chromosomes.items()],
        "step_bp": step_bp,
        "cell": cell,
    }


def windows_at(
    run: Run, bed: Path, genome: Genome | None = None, *, labelled: bool = True, cell: str | None = None
) -> LabelledWindows:
    """Return a run's windows at the intervals of a BED file, with what it should say there or not at all.

    Args:
        run: the run.
        bed: the intervals.
        genome: that of the run if not given.
        labelled: whether to read what the model should say.
        cell: the cell type, where labels, or what the model reads, were measured in cells.

    Raises:
        InputError: a file that is missing or malformed, intervals that are not in the genome, or no such cell.
    """
    cell = chosen_cell(run, cell, labelled)
    experiment = run.experiment.of_cell(cell) if labelled and cell is not None else run.experiment
    if labelled and not experiment.targets:
        raise InputError(f"cell '{cell}' has no [[targets]] to label {bed} by: predict in it, or name another cell.")
    genome = genome or open_genome(run.experiment)
    intervals = read_bed(existing_file(bed, "intervals"))
    match = match_names(list(pd.unique(intervals["chrom"])), genome.sizes, str(bed), str(genome.path)).require()
    intervals = rename_chromosomes(intervals, match)
    peaks: dict[str, pd.DataFrame] = {}
    bins = experiment.bins
    if labelled and bins is None:
        # Names that training never looked at need not be in the genome.
        foreign = [name for name in experiment.split.exclude if name not in genome.sizes]
        peaks, _ = read_targets(experiment.targets, genome, foreign)
    # Of [chunks] signal says what is positive, and peaks nothing.
    labelling = peaks if experiment.chunks is None else {}
    windows = label_intervals(genome, intervals, labelling, experiment.windows, bed)
    if labelled and bins is not None:
        factors, _ = read_bin_targets(experiment, genome)
        black = read_barred(experiment, genome)[0]["blacklist"]
        start = windows.frame["start"].to_numpy() + windows.input_bp // 2 - bins.bin_bp // 2
        labels, weights = labels_of_bins(windows.frame["chrom"].to_numpy(), start, factors, bins, black)
        windows = replace(windows, labels=labels, weights=weights, tracks=tuple(factors))
    if labelled:
        windows = labelled_along(windows, peaks, experiment, genome)
    if labelled and cell is not None:
        windows = stack_cells({cell: windows}, [target.name for target in run.experiment.of_any_cell.targets])
    windows = _measured(run, windows, genome, cell, labelled)
    if not labelled or run.experiment.imported is not None:
        return windows
    return noting_training(windows, held_out_regions(run.experiment.split, genome.sizes))


def chosen_cell(run: Run, cell: str | None, labelled: bool) -> str | None:
    """Return the cell type to predict in; None where nothing that the model reads was measured in cells.

    Where a model reads no signal, any cell in its table of metadata will do.

    Args:
        run: the run.
        cell: as it was asked for.
        labelled: whether labels are read too, which cells may differ in.

    Raises:
        InputError: no such cell, or none was named and it matters which.
    """
    experiment = run.experiment
    if cell is not None:
        told = run.inputs.get("metadata", {}).get("cells", {})
        if labelled or experiment.inputs or experiment.controls or cell not in told:
            _ = experiment.of_cell(cell)
        return cell
    described = experiment.metadata is not None and experiment.metadata.of_cells
    if experiment.cells and (labelled or experiment.inputs or experiment.controls or described):
        raise InputError(
            f"cells differ in what is read at a place: say which with --cell ({listing(experiment.cells)})."
        )
    return None


def _measured(run: Run, windows: LabelledWindows, genome: Genome, cell: str | None, labelled: bool) -> LabelledWindows:
    """Return windows with what is known of them, and what is measured in them in a cell."""
    if cell is not None:
        windows = replace(windows, frame=windows.frame.assign(**{CELL: cell}))
    kept = run.inputs if run.experiment.metadata is not None else None
    windows = with_metadata(windows, run.experiment, genome, kept)
    return with_signals(windows, run.experiment, genome, targets=labelled)


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
