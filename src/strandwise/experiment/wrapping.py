"""Post-hoc conjoining: a trained run, asked for both strands and merged (Zhou et al. 2022)."""

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from strandwise.errors import InputError, RunError
from strandwise.experiment.beginning import check_place, create_run
from strandwise.experiment.config import Experiment
from strandwise.experiment.run import Run
from strandwise.models import StrandSettings
from strandwise.schema import explain


def conjoin(
    run: Run | str | Path,
    out: str | Path,
    *,
    merge: Literal["mean", "max"] = "mean",
    merge_after_link: bool = False,
    overwrite: bool = False,
) -> Run:
    """Wrap a run trained on single strands, so that it averages both strands wherever it is asked.

    Nothing is trained: the new run has the weights, the history and the provenance of the old one.

    Args:
        run: trained by the strategy `standard`, `augmented` or `posthoc`, or its folder.
        out: the folder of the new run.
        merge: of the two answers.
        merge_after_link: merge probabilities rather than logits.
        overwrite: replace a run that is there.

    Raises:
        RunError: the run reads both strands already, is an ensemble, or something is in the way.
        InputError: a way to merge that there is not.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    if run.members:
        raise RunError(f"{run.path}: an ensemble asks each member in its own way: conjoin the runs it is made of.")
    before = run.experiment.strand
    if before.rules.tied or before.rules.conjoin_in_training:
        raise RunError(
            f"{run.path}: strategy '{before.strategy}' reads both strands already, so there is nothing to conjoin: "
            "give a run of strategy 'standard' or 'augmented'."
        )
    try:
        strand = StrandSettings(
            strategy="posthoc",
            augmentation=before.augmentation if before.rules.augment else "none",
            merge=merge,
            merge_after_link=merge_after_link,
        )
    except ValidationError as error:
        raise InputError(f"{run.path}: {explain(error, StrandSettings)}.") from None
    return adopt(run, run.experiment.model_copy(update={"strand": strand}), out, overwrite=overwrite)


def adopt(run: Run, experiment: Experiment, out: str | Path, *, overwrite: bool = False) -> Run:
    """Return a run of another config that has the weights of a trained one.

    Args:
        run: whose weights fit the network of `experiment`.
        experiment: the config of the new run.
        out: its folder.
        overwrite: replace a run that is there.

    Raises:
        RunError: something is in the way, or the trained run is damaged.
    """
    check_place(out, experiment, overwrite=overwrite)
    if Path(out).resolve() == run.path.resolve():
        raise RunError(f"{run.path}: holds the weights that are to be taken over: give another --out.")
    # All is read, and found whole, before anything is replaced.
    provenance, history, network = run.provenance | {"weights_of": str(run.path)}, run.history, run.network
    others = {measure: run.chosen_by(measure).state_dict() for measure in experiment.training.also_monitor}
    made = create_run(out, experiment, provenance, overwrite=overwrite)
    made.write_history(history)
    for measure, weights in others.items():
        made.save_state(weights, measure)
    made.save_weights(network)
    return Run(made.path)
