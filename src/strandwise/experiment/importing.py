"""Published networks as runs: what another program trained, ready for every job that predicts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strandwise.errors import InputError, did_you_mean
from strandwise.experiment.config import Experiment
from strandwise.experiment.provenance import describe_import
from strandwise.experiment.run import Run, check_place, new_network
from strandwise.files import existing_file
from strandwise.models.foreign import PublishedFactorNet, read_factornet

SOURCE = "FactorNet (Quang & Xie 2019), trained with Keras 1 on Theano"


def import_factornet(
    folder: str | Path,
    out: str | Path,
    *,
    signals: Mapping[str, str | Path] | None = None,
    overwrite: bool = False,
) -> Run:
    """Make a run of a network that FactorNet's authors published.

    The run predicts from arrays (`Run.predictor`); at places of a genome where the files of all its signals are given,
    unless it is told gene expression too, which is in no file.

    Args:
        folder: holds model.json, final_model.hdf5 or best_model.hdf5, chip.txt, feature.txt, bigwig.txt, meta.txt.
        out: the folder of the run.
        signals: the bigWig or bedGraph of each signal it reads, by the names in bigwig.txt; raw values, as the
            authors' recipe makes them; all or none.
        overwrite: replace a run that is there.

    Raises:
        InputError: a file of the folder is missing, damaged or of another network, or signals that it does not read.
        RunError: something is in the way.
    """
    published = read_factornet(folder)
    experiment = _experiment(published, signals or {})
    check_place(out, experiment, overwrite=overwrite)
    network = new_network(experiment, published.tracks)
    published.fill(network)
    notes = [f"weights of {published.weights.name}, trained by others: no epochs, history or labels are known here"]
    if published.metadata:
        notes.append(f"reads as 'metadata', in this order: {', '.join(published.metadata)}")
    files = [path.resolve() for path in published.files]
    run = Run.create(out, experiment, describe_import(experiment, network, files, notes), overwrite=overwrite)
    run.save_weights(network)
    return Run(run.path)


def _experiment(published: PublishedFactorNet, signals: Mapping[str, str | Path]) -> Experiment:
    """Return the config of a run that predicts as the published network does."""
    for name in signals:
        if name not in published.inputs:
            known = ", ".join(published.inputs) or "none"
            raise InputError(
                f"--signal {name}: the network reads no such signal{did_you_mean(name, published.inputs)}; it reads "
                f"{known}."
            )
    missing = [name for name in published.inputs if name not in signals]
    if signals and missing:
        raise InputError(
            f"--signal: the network reads {missing[0]} too: give the files of all its signals, or of none."
        )
    table: dict[str, Any] = {
        "title": f"{', '.join(published.tracks)} by FactorNet",
        "imported": {
            "source": SOURCE,
            "targets": published.tracks,
            "inputs": published.inputs,
            "metadata": published.metadata,
        },
        "windows": {"input_bp": published.input_bp, "label_bp": min(200, published.input_bp)},
        "model": {"name": "factornet", **published.options},
        "strand": {"strategy": "conjoined", "merge_after_link": True},
    }
    if signals:
        files = {name: existing_file(signals[name], f"the signal {name}").resolve() for name in published.inputs}
        table["inputs"] = [{"name": name, "signal": path} for name, path in files.items()]
    return Experiment.from_table(table, folder=Path.cwd(), where=str(published.files[0].parent))
