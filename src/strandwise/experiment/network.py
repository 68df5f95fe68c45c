"""From a config to an untrained network: its heads, what it reads beside DNA, and what it predicts of a window."""

from collections.abc import Sequence

import torch

from strandwise.data.signals.settings import all_tracks, type_of
from strandwise.data.signals.smoothing import at_widths
from strandwise.data.signals.tracks import tracks_type
from strandwise.errors import ConfigError, listing
from strandwise.experiment.config import Experiment
from strandwise.layers import Head, binary_head, coverage_head, dense_head, profile_heads
from strandwise.models import MODELS, Answer, Bins, SequenceModel, assemble
from strandwise.strand import StrandType, unstranded


def answer_of(experiment: Experiment) -> Answer:
    """Return what a model of an experiment says of a window: one answer, one for each bin, or a profile.

    Raises:
        ConfigError: the architecture says nothing of the kind.
    """
    model, windows = experiment.model, experiment.windows
    known = model.architecture().answers
    if not experiment.predicts_signal:
        wanted: Answer = "bins" if experiment.predicts_dense else "window"
        if wanted in known:
            return wanted
        what = "labels for each bin" if wanted == "bins" else "a label for a whole window"
        raise ConfigError(
            f"model '{model.name}' does not predict {what}: set model.name to one of {_that_answer(wanted)}."
        )
    for answer in ("profile", "bins"):
        if answer in known:
            return answer
    if windows.bin_bp == (windows.output_bp or windows.input_bp):
        return "window"
    raise ConfigError(
        f"model '{model.name}' says one number of a window, and [[targets]] have signal along it: set model.name to "
        f"one of {_that_answer('profile', 'bins')}, or windows.bin_bp = {windows.output_bp or windows.input_bp} for "
        "the mean signal of the window, or remove the signal."
    )


def _that_answer(*answers: Answer) -> str:
    names = [f"'{name}'" for name, kind in MODELS.items() if set(answers) & set(kind.answers)]
    return listing(names, most=20)


def heads_of(experiment: Experiment, tracks: Sequence[str]) -> list[Head]:
    """Return what a model of an experiment predicts.

    Args:
        experiment: its targets have signal, or peaks alone.
        tracks: names of the labelled tracks, where labels are predicted.

    Raises:
        ConfigError: as `answer_of`.
    """
    answer = answer_of(experiment)
    if not experiment.predicts_signal:
        return [(dense_head if answer == "bins" else binary_head)(tuple(tracks))]
    if experiment.imported is not None:
        return list(profile_heads(experiment.imported.targets, experiment.imported.target_type))
    signal = all_tracks(experiment.of_any_cell.targets)
    names, kind = tuple(track.name for track in signal), tracks_type(signal)
    if answer == "profile":
        return list(profile_heads(names, kind))
    if answer == "window" and experiment.training.loss == "cosine":
        raise ConfigError(
            "training.loss = 'cosine' compares shapes along a window, and the model says one number of it: use "
            "'poisson' or 'mse'."
        )
    return [coverage_head(names, kind if answer == "bins" else kind.pooled(), experiment.training.loss)]


def signal_type(experiment: Experiment) -> StrandType | None:
    """Return the type of the signal that a model reads beside the DNA, if any."""
    if experiment.imported is not None:
        return experiment.imported.input_type
    return type_of(experiment.of_any_cell.inputs) if experiment.inputs else None


def metadata_type(experiment: Experiment) -> StrandType | None:
    """Return the type of what a model is told of each window as a whole, if anything."""
    told = 0 if experiment.imported is None else len(experiment.imported.metadata)
    if experiment.imported is None and experiment.metadata is not None:
        told = experiment.metadata.width
    return unstranded(told).pooled() if told else None


def control_type(experiment: Experiment) -> StrandType | None:
    """Return the type of the control tracks that a model reads, if any."""
    found: StrandType | None = None
    for control in experiment.of_any_cell.controls:
        one = at_widths(unstranded(1) if control.strands == "together" else type_of([control]), control.smooth_bp)
        found = one if found is None else found + one
    return found


def output_bp(experiment: Experiment) -> int:
    """Return how many bases in the middle of a window have their signal, or the labels of their bins, predicted.

    Raises:
        ConfigError: bins that do not fit the window, or a model that predicts other positions.
        StrandwiseError: sizes that do not fit.
    """
    windows = experiment.windows
    if answer_of(experiment) == "profile":
        return _profile_bp(experiment)
    found = windows.output_bp or windows.input_bp
    if found % windows.bin_bp or (windows.input_bp - found) % 2 or found > windows.input_bp:
        fits = _largest_output(windows.input_bp, windows.bin_bp)
        raise ConfigError(
            f"windows.input_bp = {windows.input_bp} and windows.bin_bp = {windows.bin_bp}: the middle {found} bp are "
            f"not whole bins with as much on either side: set windows.output_bp = {fits}."
        )
    return found


def _largest_output(input_bp: int, bin_bp: int) -> int:
    sizes = range(input_bp // bin_bp * bin_bp, 0, -bin_bp)
    return next((size for size in sizes if (input_bp - size) % 2 == 0), input_bp)


def _profile_bp(experiment: Experiment) -> int:
    windows, model = experiment.windows, experiment.model
    if windows.bin_bp != 1:
        raise ConfigError(
            f"windows.bin_bp = {windows.bin_bp}, and model '{model.name}' predicts base by base: set bin_bp = 1."
        )
    transformed = [target for target in experiment.targets if target.changed]
    if transformed:
        raise ConfigError(
            f"target '{transformed[0].name}': profiles are counts, so they take no transform or missing_quantile: "
            "remove it, or use a model that predicts coverage."
        )
    heads = [head for head in heads_of(experiment, []) if head.type.positions]
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        network = _assembled(experiment, heads, None).eval()
        inputs = {name: torch.zeros(1, kind.channels, windows.input_bp) for name, kind in network.input_types.items()}
        found = network(**inputs)[heads[0].name].shape[-1]
    if windows.output_bp not in (None, found):
        spare = windows.input_bp - found
        raise ConfigError(
            f"windows.output_bp = {windows.output_bp}, and model '{model.name}' predicts the middle {found} "
            f"of {windows.input_bp} bp: leave output_bp out, or set input_bp = {(windows.output_bp or 0) + spare}."
        )
    return found


def bins_of(experiment: Experiment) -> Bins | None:
    """Return the bins that a model gives an answer for; None where it does not, or chooses the positions itself.

    Raises:
        ConfigError: as `output_bp`.
    """
    if answer_of(experiment) != "bins":
        return None
    return Bins(output_bp(experiment) // experiment.windows.bin_bp, experiment.windows.bin_bp)


def build_network(experiment: Experiment, tracks: Sequence[str]) -> SequenceModel:
    """Return an untrained network as a config describes it; its weights are drawn by torch's state as it is.

    Args:
        experiment: the config.
        tracks: names of the labelled tracks, where labels are predicted.

    Raises:
        StrandwiseError: sizes or groups that do not fit.
    """
    # On the CPU, so its state is all that is drawn from; the caller's comes back.
    with torch.random.fork_rng(devices=[]):
        return _assembled(experiment, heads_of(experiment, tracks), control_type(experiment))


def _assembled(experiment: Experiment, heads: Sequence[Head], control: StrandType | None) -> SequenceModel:
    try:
        return assemble(
            experiment.model.architecture(),
            heads,
            experiment.windows.input_bp,
            experiment.strand,
            control=control,
            signal=signal_type(experiment),
            metadata=metadata_type(experiment),
            bins=bins_of(experiment),
        )
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "allocate" in str(error):
            raise ConfigError(
                f"model: the network does not fit into memory ({experiment.model.model_dump()}): make it smaller."
            ) from None
        raise
