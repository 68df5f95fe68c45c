"""The jobs of strandwise, one function each; the command line is a thin printout of them."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from strandwise.analysis.evaluation import evaluate_windows
from strandwise.data.batches import TrainingBatches, one_hot
from strandwise.data.peaks import label_intervals, noting_training, read_targets
from strandwise.data.reading import SequenceReader
from strandwise.data.sequences import read_records
from strandwise.data.splits import held_out_regions
from strandwise.data.windows import LabelledWindows, dropped_notes
from strandwise.errors import InputError, StoppedError
from strandwise.experiment.config import Experiment
from strandwise.experiment.datasets import open_genome, read_windows
from strandwise.experiment.machine import check_machine
from strandwise.experiment.provenance import check_inputs, describe_inputs, describe_training
from strandwise.experiment.run import CONFIG, METRICS, PROVENANCE, REPORT, Run, build_network, check_place
from strandwise.files import atomic_path, check_writable, existing_file, progress
from strandwise.genome import Genome, match_names, read_bed, rename_chromosomes
from strandwise.layers import Conjoined
from strandwise.prediction import (
    check_ending,
    chromosome_frames,
    predict_frames,
    write_predictions,
)
from strandwise.report import RunResults, write_comparison, write_page
from strandwise.strand import StrandType, revcomp, strand_deviation
from strandwise.training import check_trainable, fit

Split = Literal["train", "valid", "test"]


@dataclass(frozen=True)
class Check:
    """What `check` found.

    Attributes:
        windows: everything that would be trained on, counted.
        parameters: numbers that would be learned.
        types: input and output types by name.
        shapes: shapes of one batch, by name.
        deviation: how far the two strands of the untrained network disagree on that batch.
        lawful: whether the strategy promises that they do not.
    """

    windows: LabelledWindows
    parameters: int
    types: dict[str, StrandType]
    shapes: dict[str, tuple[int, ...]]
    deviation: float
    lawful: bool


def check(experiment: Experiment) -> Check:
    """Open every file of a config, cut and label its windows, and try one batch and the strand law on it.

    Raises:
        StrandwiseError: whatever would stop training, before it starts.
    """
    windows = read_windows(experiment)
    train = windows.split("train")
    check_trainable(train, windows.split("valid"))
    check_machine(experiment.training)
    rules = experiment.strand.rules
    network = build_network(experiment, windows.tracks)
    head = network.heads[0]
    batches = TrainingBatches(train, head.name, head.type, batch_size=experiment.training.batch_size)
    batch = batches[0, 0]
    model = Conjoined(network, experiment.strand.answers) if rules.conjoin_in_prediction else network
    with torch.inference_mode():
        sequence = one_hot(batch.inputs["sequence"])
        forward = model.eval()(sequence)[head.name]
        reverse = model(revcomp(sequence, network.input_types["sequence"]))[head.name]
    return Check(
        windows,
        sum(weight.numel() for weight in network.parameters()),
        {**network.input_types, **network.output_types},
        {"sequence": tuple(sequence.shape), head.name: tuple(forward.shape)},
        strand_deviation(forward, reverse, head.type),
        rules.lawful,
    )


def train(experiment: Experiment, out: str | Path, *, overwrite: bool = False, resume: bool = False) -> Run:
    """Train a model and leave it in a run folder.

    A run that was stopped goes on with `resume`, and ends where an unbroken run would have ended. All input
    is read and checked before the folder is touched.

    Args:
        experiment: what to train on what.
        out: the run folder.
        overwrite: replace a run that is there.
        resume: go on with the run that is there; a finished one is returned as it is.

    Raises:
        StrandwiseError: bad input, or a folder in the way.
    """
    started = time.monotonic()
    check_place(out, experiment, overwrite=overwrite, resume=resume)
    if resume and Run(out).finished:
        return Run.open(out)
    check_machine(experiment.training)
    windows = read_windows(experiment)
    check_trainable(windows.split("train"), windows.split("valid"))
    with torch.random.fork_rng():
        torch.manual_seed(experiment.training.seed)
        network = build_network(experiment, windows.tracks)
    inputs = describe_inputs(experiment, windows, network)
    if resume and (Path(out) / PROVENANCE).is_file():
        check_inputs(Run(out).inputs, experiment)
    run = Run.create(out, experiment, inputs, overwrite=overwrite, resume=resume)
    with _stoppable(run):
        others = fit(
            network,
            windows,
            experiment.strand,
            experiment.training,
            run.path,
            jitter_bp=experiment.windows.jitter_bp,
            resume=resume,
        )
    spent = describe_training(run.history, experiment.training.monitor, time.monotonic() - started)
    run.write_json(PROVENANCE, inputs | spent)
    for measure, weights in others.items():
        run.save_state(weights, measure)
    run.save_weights(network)
    return Run(run.path)


def evaluate(
    run: Run | str | Path,
    *,
    split: Split = "test",
    bed: str | Path | None = None,
    conjoin: bool | None = None,
    chosen_by: str | None = None,
    out: str | Path | None = None,
) -> dict[str, Any]:
    """Judge a run on windows with known labels; write the metrics, and the predictions they rest on.

    Args:
        run: the run, or its folder.
        split: which windows of its config.
        bed: judge windows at these intervals instead, labelled by the config's peaks.
        conjoin: average both strands, or not; as the run's strategy says if None.
        chosen_by: judge the epoch that was best by this measure of `training.also_monitor`.
        out: folder for the results; the run folder if None, which takes those of the run's own strategy alone.

    Returns:
        The metrics, as written to `metrics.json` (`metrics.SPLIT.json` for another split or a BED).

    Raises:
        StrandwiseError: bad input, or a split without windows.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    folder = run.path if out is None else Path(out)
    predictor = run.predictor(conjoin=conjoin, chosen_by=chosen_by)
    if out is None and predictor.conjoin != run.experiment.strand.rules.conjoin_in_prediction:
        raise InputError(
            f"{run.path}: metrics{'' if conjoin else ' not'} averaged over both strands would pass for those of its "
            f"strategy '{run.experiment.strand.strategy}': give them a folder with --out."
        )
    if out is None and chosen_by not in (None, run.experiment.training.monitor):
        raise InputError(
            f"{run.path}: metrics of the epoch chosen by {chosen_by} would pass for those of the run, chosen by "
            f"{run.experiment.training.monitor}: give them a folder with --out."
        )
    if bed is not None and not run.experiment.targets:
        raise InputError(f"{run.path}: trained on sequences, so there are no peaks to label {bed} by: leave --bed.")
    check_inputs(run.provenance, run.experiment)
    if bed is not None:
        windows, name = windows_at(run, Path(bed)), "bed"
    else:
        windows, name = read_windows(run.experiment).split(split), split
    _check_tracks(run, windows)
    table = folder / f"predictions.{name}.parquet"
    check_writable(table)
    result = evaluate_windows(predictor, windows, split=name, seed=run.experiment.training.seed)
    result.metrics["notes"] = [*windows.notes, *windows.dropped_notes()] if bed is not None else []
    # Both or neither, so that metrics never stand beside predictions they do not rest on.
    with atomic_path(table) as temporary:
        result.predictions.to_parquet(temporary, index=False)
        Run(folder).write_json(METRICS if name == "test" else f"metrics.{name}.json", result.metrics)
    return result.metrics


def predict(
    run: Run | str | Path,
    out: str | Path,
    *,
    bed: str | Path | None = None,
    fasta: str | Path | None = None,
    chrom: str | None = None,
    genome: str | Path | None = None,
    step_bp: int = 50,
    batch_size: int = 512,
) -> list[Path]:
    """Predict at intervals, for sequences, or along a chromosome; write parquet, BED or bigWig.

    Args:
        run: the run, or its folder.
        out: where to write; the ending is the format.
        bed: one window at the summit or middle of each interval, in the order of the file.
        fasta: the middle of each sequence.
        chrom: a window every `step_bp` along this chromosome.
        genome: another FASTA than that of the run.
        step_bp: for `chrom`.
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
    if step_bp < 1 or batch_size < 1:
        raise InputError(f"--step {step_bp} and --batch-size {batch_size} must be 1 or more.")
    predictor = run.predictor()
    if fasta is not None:
        length = predictor.input_bp
        records, codes = read_records(existing_file(fasta, "sequences to predict"), length)
        names = [record.name for record in records]
        start = np.array([(len(record.letters) - length) // 2 for record in records])
        frame = pd.DataFrame({"chrom": names, "start": start, "end": start + length, "name": names})
        windows = _unlabelled(frame, SequenceReader(codes, length), length)
        check_writable(out)
        return write_predictions(_shown(predict_frames(predictor, windows, batch_size), len(names), batch_size), out)
    source = Genome(existing_file(genome, "a genome")) if genome is not None else open_genome(run.experiment)
    if bed is not None:
        windows = windows_at(run, Path(bed), source, labelled=False)
        check_writable(out)
        frames = predict_frames(predictor, windows, batch_size)
        return write_predictions(_shown(frames, len(windows), batch_size), out, source.sizes)
    match = match_names([str(chrom)], source.sizes, "--chrom", str(source.path)).require()
    name = match.mapping[str(chrom)]
    check_writable(out)
    frames = chromosome_frames(predictor, source, name, step_bp, batch_size)
    return write_predictions(_shown(frames, source.sizes[name] // step_bp, batch_size), out, source.sizes)


def write_report(runs: Sequence[Run | str | Path], out: str | Path | None = None) -> Path:
    """Write one page for one run, or a comparison for several.

    Args:
        runs: evaluated runs, or their folders.
        out: the page; `report.html` in the run folder of a single run if None.

    Raises:
        StrandwiseError: no runs, one that was not evaluated, or several without `out`.
    """
    opened = [run if isinstance(run, Run) else Run.open(run) for run in runs]
    if not opened:
        raise InputError("name at least one run to report on.")
    if out is None and len(opened) > 1:
        raise InputError("a comparison of several runs needs a place: give --out FILE.html.")
    page = Path(out) if out is not None else opened[0].path / REPORT
    alone = len(opened) == 1
    results = [_results(run, (run.experiment.title or run.name) if alone else run.name) for run in opened]
    if len(results) == 1:
        write_page(results[0], page)
    else:
        write_comparison(results, page)
    return page


@contextmanager
def _stoppable(run: Run) -> Iterator[None]:
    """Say how to go on with training that was stopped from outside.

    On Ctrl-C and SIGTERM Lightning leaves with SystemExit, after SIGTERM as if all had gone well; and it
    leaves Ctrl-C without effect.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        # Only the main thread may set it, and only there has Lightning changed it.
        with suppress(ValueError):
            signal.signal(signal.SIGINT, before)
        command = f"strandwise train {run.path / CONFIG} --out {run.path} --resume"
        raise StoppedError(f"{run.path}: training was stopped: go on with `{command}`.") from None


def _results(run: Run, name: str) -> RunResults:
    metrics, provenance = run.metrics, run.provenance
    dropped = dropped_notes(provenance["dropped"])
    return RunResults(
        name=name,
        strategy=run.experiment.strand.strategy,
        model=run.experiment.model.name,
        config_text=run.experiment.to_toml(),
        history=run.history,
        metrics=metrics,
        predictions=run.predictions(metrics["split"]),
        provenance=provenance,
        data_summary=provenance["windows"],
        notes=[*provenance["notes"], *dropped],
    )


def windows_at(run: Run, bed: Path, genome: Genome | None = None, *, labelled: bool = True) -> LabelledWindows:
    """Return a run's windows at the intervals of a BED file, labelled by its peaks or not at all.

    Raises:
        InputError: a file that is missing or malformed, or intervals that are not in the genome.
    """
    genome = genome or open_genome(run.experiment)
    intervals = read_bed(existing_file(bed, "intervals"))
    match = match_names(list(pd.unique(intervals["chrom"])), genome.sizes, str(bed), str(genome.path)).require()
    intervals = rename_chromosomes(intervals, match)
    peaks: dict[str, pd.DataFrame] = {}
    if labelled:
        peaks, _ = read_targets(run.experiment.targets, genome)
    windows = label_intervals(genome, intervals, peaks, run.experiment.windows, bed)
    return noting_training(windows, held_out_regions(run.experiment.split, genome.sizes)) if labelled else windows


def _unlabelled(frame: pd.DataFrame, reader: SequenceReader, input_bp: int) -> LabelledWindows:
    nothing = np.zeros((len(frame), 0), np.float32)
    return LabelledWindows(frame, nothing, nothing, (), reader, input_bp)


def _check_tracks(run: Run, windows: LabelledWindows) -> None:
    trained = tuple(run.provenance["tracks"])
    if windows.tracks != trained:
        raise InputError(
            f"{run.path}: trained on {', '.join(trained)}, and the data now hold {', '.join(windows.tracks)}: "
            "give the files it was trained with."
        )


def _shown(frames: Any, rows: int, batch_size: int) -> Any:
    return progress(frames, "predicting", -(-rows // batch_size))
