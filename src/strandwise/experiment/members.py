"""What an ensemble's run says of itself: one network made of its members, and what to call them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strandwise.errors import InputError, RunError, StrandLawError, listing
from strandwise.experiment.network import heads_of
from strandwise.layers import Head
from strandwise.models import Ensemble

if TYPE_CHECKING:
    from strandwise.experiment.run import Run

_NEEDED = ("config.toml", "provenance.json", "weights.safetensors")


def together(run: "Run", conjoin: bool | None = None) -> Ensemble:
    """Return the members of an ensemble as one network.

    Args:
        run: the ensemble.
        conjoin: whether each averages both strands; as its own strategy says if None.

    Raises:
        RunError: members that are missing or damaged, or that fit neither each other nor the config.
    """
    for member in run.members:
        missing = [name for name in _NEEDED if not (member.path / name).is_file()]
        if missing:
            raise RunError(f"{member.path}: not a whole member, it has no {missing[0]}: make the ensemble again.")
        if member.experiment.ensemble is not None:
            raise RunError(f"{member.path}: an ensemble in an ensemble: make it again of single networks.")
    scale = "predictions" if run.experiment.ensemble is None else run.experiment.ensemble.on
    names = [str(member.path) for member in run.members]
    try:
        network = Ensemble([member.asked(conjoin) for member in run.members], scale, names=names)
    except (InputError, StrandLawError) as error:
        raise RunError(f"{run.path}: damaged run folder: {error}") from None
    said = _summary(run.experiment.windows.input_bp, heads_of(run.experiment, run.inputs["tracks"]))
    found = _summary(network.input_bp, network.heads)
    if said != found:
        raise RunError(f"{run.path}: damaged run folder: its config says {said}, and its members {found}.")
    return network.eval()


def _summary(input_bp: int, heads: Sequence[Head]) -> str:
    return f"{input_bp} bp, {'; '.join(f'{head.name} of {listing(head.tracks)}' for head in heads)}"


def strategy_of(run: "Run") -> str:
    """Return how strands are treated: the name of the strategy, or those of the members."""
    return " + ".join(dict.fromkeys(part.experiment.strand.strategy for part in run.parts))


def model_of(run: "Run") -> str:
    """Return what the network is called: its architecture, or those of the members."""
    names = [part.experiment.model.name for part in run.parts]
    if not run.members:
        return names[0]
    return f"{' + '.join(names) if len(set(names)) > 1 else f'{len(names)} x {names[0]}'} ensemble"


def is_lawful(run: "Run") -> bool:
    """Whether the strategy, or that of every member, makes predictions obey the strand law."""
    return all(part.experiment.strand.rules.lawful for part in run.parts)
