"""From a config to an untrained network: its heads, what it reads beside DNA, and what it predicts of a window."""

from collections.abc import Sequence

import torch

from strandwise.data.signals.settings import all_tracks, type_of
from strandwise.data.signals.tracks import tracks_type
from strandwise.errors import ConfigError
from strandwise.experiment.config import Experiment
from strandwise.layers import Head, binary_head, profile_heads
from strandwise.models import MODELS, SequenceModel, assemble
from strandwise.strand import StrandType, unstranded


def heads_of(experiment: Experiment, tracks: Sequence[str]) -> list[Head]:
    """Return what a model of an experiment predicts.

    Args:
        experiment: its targets have signal, or peaks alone.
        tracks: names of the labelled tracks, where labels are predicted.
    """
    if not experiment.predicts_signal:
        return [binary_head(tuple(tracks))]
    signal = all_tracks(experiment.targets)
    return list(profile_heads(tuple(track.name for track in signal), tracks_type(signal)))


def signal_type(experiment: Experiment) -> StrandType | None:
    """Return the type of the signal that a model reads beside the DNA, if any."""
    return type_of(experiment.inputs) if experiment.inputs else None


def control_type(experiment: Experiment) -> StrandType | None:
    """Return the type of the control tracks that a model reads, if any."""
    found: StrandType | None = None
    for control in experiment.controls:
        one = unstranded(1) if control.strands == "together" else type_of([control])
        for _ in control.smooth_bp:
            found = one if found is None else found + one
    return found


def output_bp(experiment: Experiment) -> int:
    """Return how many bases in the middle of a window have their signal predicted.

    Raises:
        ConfigError: the model predicts no signal, or not that of `windows.output_bp`.
        StrandwiseError: sizes that do not fit.
    """
    windows, model = experiment.windows, experiment.model
    if "profile" not in model.architecture().answers:
        known = [name for name, kind in MODELS.items() if "profile" in kind.answers]
        raise ConfigError(
            f"model '{model.name}' predicts labels and no profiles, and [[targets]] have signal: set model.name = "
            f"'{known[0]}', or remove the signal."
        )
    if windows.bin_bp != 1:
        raise ConfigError(
            f"windows.bin_bp = {windows.bin_bp}, and model '{model.name}' predicts base by base: set bin_bp = 1."
        )
    heads = [head for head in heads_of(experiment, []) if head.type.positions]
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        network = _assembled(experiment, heads, None).eval()
        inputs = {name: torch.zeros(1, kind.channels, windows.input_bp) for name, kind in network.input_types.items()}
        positions = network(**inputs)[heads[0].name].shape[-1]
    found = positions * windows.bin_bp
    if windows.output_bp not in (None, found):
        spare = windows.input_bp - found
        raise ConfigError(
            f"windows.output_bp = {windows.output_bp}, and model '{experiment.model.name}' predicts the middle {found} "
            f"of {windows.input_bp} bp: leave output_bp out, or set input_bp = {(windows.output_bp or 0) + spare}."
        )
    return found


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
        )
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "allocate" in str(error):
            raise ConfigError(
                f"model: the network does not fit into memory ({experiment.model.model_dump()}): make it smaller."
            ) from None
        raise
