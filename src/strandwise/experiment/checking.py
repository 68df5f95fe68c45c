"""A config looked through before training: every file, every window, one batch, and the strand law on it."""

from dataclasses import dataclass, replace

import torch

from strandwise.data.batches import TrainingBatches, model_inputs
from strandwise.data.inventory import Inventory, take_inventory
from strandwise.data.windows import LabelledWindows
from strandwise.experiment.config import Experiment
from strandwise.experiment.datasets import read_windows
from strandwise.experiment.finetuning import take_over
from strandwise.experiment.machine import check_machine
from strandwise.experiment.measuring import uneven_inputs
from strandwise.experiment.motif_filters import begin_as_motifs
from strandwise.experiment.run import new_network
from strandwise.layers import Conjoined
from strandwise.strand import StrandType, revcomp, strand_deviation
from strandwise.training import check_measures, check_trainable


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
        inventory: GC, what splits share, statistics of signal, memory and speed.
        uneven: a sentence for each input of which much more lies in peaks in one cell than in another.
    """

    windows: LabelledWindows
    parameters: int
    types: dict[str, StrandType]
    shapes: dict[str, tuple[int, ...]]
    deviation: float
    lawful: bool
    inventory: Inventory
    uneven: list[str]


def check(experiment: Experiment) -> Check:
    """Open every file of a config, cut and label its windows, and try one batch and the strand law on it.

    Raises:
        StrandwiseError: whatever would stop training, before it starts.
    """
    windows = read_windows(experiment)
    train = windows.split("train")
    check_machine(experiment.training)
    rules = experiment.strand.rules
    network = new_network(experiment, windows.tracks)
    take_over(network, experiment)
    windows = replace(windows, notes=(*windows.notes, *begin_as_motifs(network, experiment)))
    check_measures(network.heads, experiment.training)
    check_trainable(train, windows.split("valid"), network.heads)
    batch = TrainingBatches(train, network.heads, batch_size=experiment.training.batch_size)[0, 0]
    model = Conjoined(network, experiment.strand.answers) if rules.conjoin_in_prediction else network
    kinds = network.input_types
    with torch.inference_mode():
        inputs = model_inputs(batch.inputs)
        forward = model.eval()(**inputs)
        reverse = model(**{name: revcomp(value, kinds[name]) for name, value in inputs.items()})
    return Check(
        windows,
        sum(weight.numel() for weight in network.parameters() if weight.requires_grad),
        {**kinds, **network.output_types},
        {name: tuple(value.shape) for name, value in {**inputs, **forward}.items()},
        max(strand_deviation(forward[head.name], reverse[head.name], head.type) for head in network.heads),
        rules.lawful,
        take_inventory(
            windows,
            network.heads,
            batch_size=experiment.training.batch_size,
            jitter_bp=experiment.windows.jitter_bp,
            peak_bp=experiment.windows.label_bp,
        ),
        uneven_inputs(experiment, windows),
    )
