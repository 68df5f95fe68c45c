"""First filters of a new network that begin as the motifs a config names."""

from strandwise.errors import ConfigError, InputError
from strandwise.experiment.config import Experiment
from strandwise.models import MotifSettings, SequenceModel, WithBias
from strandwise.models.motif_filters import first_convolution, initialise_with_motifs
from strandwise.motifs import Motif, jaspar_motif, read_motifs


def begin_as_motifs(network: SequenceModel | WithBias, experiment: Experiment) -> list[str]:
    """Let the first filters of an untrained network begin as the motifs of `model.motifs`; nothing without them.

    Of a motif that is longer than a filter, the stretch that says most is taken.

    Args:
        network: as `new_network` makes it; changed in place.
        experiment: its config.

    Returns:
        Notes for a person.

    Raises:
        ConfigError: a network that does not begin with a convolution over DNA, or too few filters.
        InputError: a file or a motif that is not there, or JASPAR without the extra 'interpret'.
    """
    settings = experiment.model.motifs
    if settings is None:
        return []
    inner = network.model if isinstance(network, WithBias) else network
    motifs = _motifs(settings)
    try:
        taps = first_convolution(inner).conv.kernel_size
        cores = [motif.core(taps) for motif in motifs]
        initialise_with_motifs(inner, [motif.probabilities for motif in cores])
    except InputError as error:
        raise ConfigError(f"model.motifs with model '{experiment.model.name}': {error}") from None
    notes = [f"first filters begin as {len(motifs)} {'motif' if len(motifs) == 1 else 'motifs'}"]
    for motif, core in zip(motifs, cores, strict=True):
        if len(core) < len(motif):
            kept = core.information_bits().sum() / motif.information_bits().sum()
            notes.append(
                f"motif {motif.accession} is {len(motif)} bp long, and filters read {taps}: its most informative "
                f"{taps} bp, {kept:.0%} of its bits, were taken"
            )
    return notes


def _motifs(settings: MotifSettings) -> list[Motif]:
    found = [] if settings.file is None else read_motifs(settings.file, settings.names)
    return found + [jaspar_motif(accession) for accession in settings.jaspar]
