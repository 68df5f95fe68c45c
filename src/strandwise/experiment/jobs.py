"""The jobs of strandwise, one function each; the command line is a thin printout of them."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import torch

from strandwise.analysis.evaluation import evaluate_windows
from strandwise.data.windows import LabelledWindows, dropped_notes
from strandwise.errors import ConfigError, InputError, StoppedError
from strandwise.experiment.beginning import check_place, create_run
from strandwise.experiment.config import Experiment
from strandwise.experiment.datasets import read_windows
from strandwise.experiment.finetuning import take_over
from strandwise.experiment.folder import CONFIG, METRICS, PROVENANCE, REPORT
from strandwise.experiment.machine import check_machine
from strandwise.experiment.members import model_of, strategy_of
from strandwise.experiment.motif_filters import begin_as_motifs
from strandwise.experiment.predicting import windows_at
from strandwise.experiment.provenance import check_inputs, describe_inputs, describe_training
from strandwise.experiment.run import TRAINED, Run, new_network
from strandwise.files import atomic_path, check_writable
from strandwise.report import RunResults, write_comparison, write_page
from strandwise.training import balanced_losses, check_measures, check_trainable, fit

Split = Literal["train", "valid", "test"]


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
    if experiment.imported is not None:
        raise ConfigError("[imported] is a network that is trained already: predict with it, or give another config.")
    if experiment.ensemble is not None:
        raise ConfigError(TRAINED)
    check_place(out, experiment, overwrite=overwrite, resume=resume)
    if resume and Run(out).finished:
        return Run.open(out)
    check_machine(experiment.training)
    windows = read_windows(experiment)
    with torch.random.fork_rng():
        torch.manual_seed(experiment.training.seed)
        network = new_network(experiment, windows.tracks)
    taken = take_over(network, experiment)
    begun = begin_as_motifs(network, experiment)
    check_measures(network.heads, experiment.training)
    learned = windows.split("train")
    check_trainable(learned, windows.split("valid"), network.heads)
    losses = balanced_losses(network.heads, learned, experiment.training)
    inputs = describe_inputs(experiment, windows, network) | {"loss_weights": losses} | taken
    inputs |= {"notes": [*inputs["notes"], *begun]}
    if resume and (Path(out) / PROVENANCE).is_file():
        check_inputs(Run(out).inputs, experiment)
    run = create_run(out, experiment, inputs, overwrite=overwrite, resume=resume)
    if experiment.bias is not None:
        run.keep_bias(Run.open(experiment.bias.run))
    with _stoppable(run):
        others = fit(
            network,
            windows,
            experiment.strand,
            experiment.training,
            run.path,
            jitter_bp=experiment.windows.jitter_bp,
            loss_weights=losses,
            evolution=experiment.augmentation,
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
    cell: str | None = None,
    conjoin: bool | None = None,
    chosen_by: str | None = None,
    out: str | Path | None = None,
) -> dict[str, Any]:
    """Judge a run on windows with known labels; write the metrics, and the predictions they rest on.

    Args:
        run: the run, or its folder.
        split: which windows of its config.
        bed: judge windows at these intervals instead, by the config's peaks or signal.
        cell: the cell type to judge them in, where targets were measured in cells.
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
    rules = {part.experiment.strand.rules.conjoin_in_prediction for part in run.parts}
    if out is None and conjoin is not None and rules != {conjoin}:
        raise InputError(
            f"{run.path}: metrics{'' if conjoin else ' not'} averaged over both strands would pass for those of its "
            f"strategy '{strategy_of(run)}': give them a folder with --out."
        )
    if out is None and chosen_by not in (None, run.experiment.training.monitor):
        raise InputError(
            f"{run.path}: metrics of the epoch chosen by {chosen_by} would pass for those of the run, chosen by "
            f"{run.experiment.training.monitor}: give them a folder with --out."
        )
    if bed is not None and not run.experiment.targets:
        raise InputError(
            f"{run.path}: trained on sequences, or imported, so there are no peaks to label {bed} by: leave --bed."
        )
    if cell is not None and bed is None:
        raise InputError(f"--cell {cell} says in which cell a BED is judged, and splits have their own: add --bed.")
    check_inputs(run.provenance, run.experiment)
    if bed is not None:
        windows, name = windows_at(run, Path(bed), cell=cell), "bed"
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
        strategy=strategy_of(run),
        model=model_of(run),
        config_text=run.experiment.to_toml(),
        history=run.history,
        metrics=metrics,
        predictions=run.predictions(metrics["split"]),
        provenance=provenance,
        data_summary=provenance["windows"],
        notes=[*provenance["notes"], *dropped],
        baselines=run.baselines,
    )


def _check_tracks(run: Run, windows: LabelledWindows) -> None:
    trained = tuple(run.provenance["tracks"])
    if windows.tracks != trained:
        raise InputError(
            f"{run.path}: trained on {', '.join(trained)}, and the data now hold {', '.join(windows.tracks)}: "
            "give the files it was trained with."
        )
