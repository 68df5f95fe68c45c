"""Published networks as runs: what another program trained, ready for every job."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from strandwise.errors import InputError, did_you_mean, listing
from strandwise.experiment.beginning import check_place, create_run
from strandwise.experiment.config import Experiment
from strandwise.experiment.datasets import read_windows
from strandwise.experiment.provenance import describe_import
from strandwise.experiment.run import Run, new_network
from strandwise.files import existing_file
from strandwise.models.foreign import (
    Published,
    PublishedFactorNet,
    read_bpnet,
    read_chrombpnet,
    read_danq,
    read_deepsea,
    read_factornet,
)
from strandwise.models.foreign.danq import Cells

SOURCE = "FactorNet (Quang & Xie 2019), trained with Keras 1 on Theano"
NAMES_BYTES = 1_000_000


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
    experiment = _factornet(published, signals or {})
    notes = [f"weights of {published.weights.name}, {UNKNOWN}"]
    if published.metadata:
        notes.append(f"reads as 'metadata', in this order: {', '.join(published.metadata)}")
    return _write(published, experiment, published.tracks, notes, out, overwrite)


def import_deepsea(
    path: str | Path,
    out: str | Path,
    *,
    input_bp: int | None = None,
    bases: str | None = None,
    targets: Sequence[str] | None = None,
    config: str | Path | None = None,
    conjoin: bool | None = None,
    overwrite: bool = False,
) -> Run:
    """Make a run of a DeepSEA from PyTorch weights as Kipoi gives them out or Selene writes them.

    Args:
        path: a PyTorch or safetensors file of weights.
        out: the folder of the run.
        input_bp: the length of its DNA, where that is not 1,000.
        bases: the order of its letters, where that is not AGCT for Kipoi and ACGT for Selene.
        targets: names of its tracks, in their order; numbers if not given.
        config: TOML with [genome] and [[targets]], or [[sequences]], to judge it by; [model] and [strand] are its own.
        conjoin: average both strands; as the program that it comes from does if None.
        overwrite: replace a run that is there.

    Raises:
        InputError: a file is missing, damaged or of another network, or names that do not fit.
        RunError: something is in the way.
    """
    published = read_deepsea(path, input_bp=input_bp, bases=bases)
    return import_published(published, out, targets=targets, config=config, conjoin=conjoin, overwrite=overwrite)


def import_danq(
    path: str | Path,
    out: str | Path,
    *,
    input_bp: int | None = None,
    bases: str | None = None,
    cells: Cells | None = None,
    targets: Sequence[str] | None = None,
    config: str | Path | None = None,
    conjoin: bool | None = None,
    overwrite: bool = False,
) -> Run:
    """Make a run of a DanQ from weights of Keras 0.2, 1 or 2.

    Args:
        path: HDF5 of weights, or of a whole model.
        out: the folder of the run.
        input_bp: the length of its DNA, where that is not 1,000 and the file does not say.
        bases: the order of its letters, where that is not AGCT.
        cells: its LSTM, as option `cells` of model `danq`; as the file says if None.
        targets: names of its tracks, in their order; numbers if not given.
        config: as in `import_deepsea`.
        conjoin: average both strands, which its authors do not.
        overwrite: replace a run that is there.

    Raises:
        InputError: as `import_deepsea`.
        RunError: something is in the way.
    """
    published = read_danq(path, input_bp=input_bp, bases=bases, cells=cells)
    return import_published(published, out, targets=targets, config=config, conjoin=conjoin, overwrite=overwrite)


def import_bpnet(
    path: str | Path,
    out: str | Path,
    *,
    input_bp: int | None = None,
    output_bp: int | None = None,
    targets: Sequence[str] | None = None,
    signals: Mapping[str, str | Path] | None = None,
    config: str | Path | None = None,
    conjoin: bool | None = None,
    overwrite: bool = False,
) -> Run:
    """Make a run of a BPNet from PyTorch weights of bpnet-lite.

    Args:
        path: a PyTorch or safetensors file of weights.
        out: the folder of the run.
        input_bp: the length of its DNA, where that is not 2,114.
        output_bp: bases that it predicts, where it was trimmed otherwise than by default.
        targets: names of its tracks; one name for two strands becomes NAME+ and NAME-.
        signals: the bigWig or bedGraph of each control track: "control", or "control+" and "control-"; all or none.
        config: as in `import_deepsea`.
        conjoin: average both strands.
        overwrite: replace a run that is there.

    Raises:
        InputError: as `import_deepsea`, or signals that it does not read.
        RunError: something is in the way.
    """
    published = read_bpnet(path, input_bp=input_bp, output_bp=output_bp)
    return import_published(
        published, out, targets=targets, signals=signals, config=config, conjoin=conjoin, overwrite=overwrite
    )


def import_chrombpnet(
    paths: Sequence[str | Path],
    out: str | Path,
    *,
    input_bp: int | None = None,
    output_bp: int | None = None,
    targets: Sequence[str] | None = None,
    config: str | Path | None = None,
    conjoin: bool | None = None,
    overwrite: bool = False,
) -> Run:
    """Make a run of a ChromBPNet, without its bias network, with it, or of the bias network alone.

    Args:
        paths: chrombpnet_nobias.h5, the bias model's, both, or chrombpnet.h5, which holds both; or PyTorch weights of
            bpnet-lite's `ChromBPNet`.
        out: the folder of the run.
        input_bp: the length of its DNA, where that is not 2,114 and the files do not say.
        output_bp: bases that it predicts, where those are not 1,000 and the files do not say.
        targets: the name of its track.
        config: as in `import_deepsea`.
        conjoin: average both strands.
        overwrite: replace a run that is there.

    Raises:
        InputError: as `import_deepsea`.
        RunError: something is in the way.
    """
    published = read_chrombpnet(paths, input_bp=input_bp, output_bp=output_bp)
    return import_published(published, out, targets=targets, config=config, conjoin=conjoin, overwrite=overwrite)


def import_published(
    published: Published,
    out: str | Path,
    *,
    targets: Sequence[str] | None = None,
    signals: Mapping[str, str | Path] | None = None,
    config: str | Path | None = None,
    conjoin: bool | None = None,
    overwrite: bool = False,
) -> Run:
    """Make a run of a network whose weights were read.

    Args:
        published: the network.
        out: the folder of the run.
        targets: names of its tracks, in their order; numbers if not given.
        signals: the files of the signals it reads, by name; all or none.
        config: TOML with what to judge it by.
        conjoin: average both strands; as the program that it comes from does if None.
        overwrite: replace a run that is there.

    Raises:
        InputError: names or signals that do not fit, or data that cannot be read.
        RunError: something is in the way.
    """
    names, notes = _names(published, targets)
    both = published.both_strands if conjoin is None else conjoin
    table = _judged_by(config) | {
        "imported": {
            "source": published.source,
            "targets": names,
            "answer": published.answer,
            "inputs": published.inputs,
        },
        "model": {"name": published.model, **published.options},
        # Those who published these networks showed them both strands in training.
        "strand": {
            "strategy": "posthoc" if both else "augmented",
            "merge_after_link": both and published.answer == "window",
        },
    }
    length = published.input_bp
    window = {key: value for key, value in table.get("windows", {}).items() if key != "output_bp"}
    table["windows"] = {"label_bp": min(200, length), **window, "input_bp": length}
    table.setdefault("title", published.source)
    if signals:
        _check_signals(signals, published.inputs)
        table["inputs"] = _tables(published.inputs, signals)
    where = str(published.files[0]) if config is None else str(config)
    experiment = Experiment.from_table(table, folder=Path.cwd(), where=where)
    said = "both strands are averaged" if both else "one strand is read, and the other one would say something else"
    files = listing([path.name for path in published.files])
    notes = [f"weights of {files}, {UNKNOWN}", *published.notes, f"{said}: --{'no-' if both else ''}conjoin", *notes]
    return _write(published, experiment, names, notes, out, overwrite)


UNKNOWN = "trained by others: no epochs, history or labels are known here"


def read_names(path: str | Path) -> list[str]:
    """Return names of tracks from a text file, one a line.

    Raises:
        InputError: no such file, or no text.
    """
    path = existing_file(path, "names of tracks")
    if path.stat().st_size > NAMES_BYTES:
        raise InputError(f"{path}: {path.stat().st_size:,} bytes are too many for a list of names.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: cannot be read as text ({error}).") from None
    return [line.strip() for line in lines if line.strip()]


def _write(
    published: Published | PublishedFactorNet,
    experiment: Experiment,
    tracks: Sequence[str],
    notes: Sequence[str],
    out: str | Path,
    overwrite: bool,
) -> Run:
    check_place(out, experiment, overwrite=overwrite)
    windows = read_windows(experiment) if experiment.targets or experiment.sequences else None
    labelled = tuple(tracks) if windows is None or experiment.predicts_signal else windows.tracks
    if labelled != tuple(tracks):
        raise InputError(
            f"the data are labelled by {listing(labelled)}, and the network predicts {listing(tracks)}: name its "
            "tracks as the data do, in the same order."
        )
    network = new_network(experiment, tracks)
    published.fill(network)
    files = [path.resolve() for path in published.files]
    described = describe_import(experiment, network, files, notes, windows)
    run = create_run(out, experiment, described, overwrite=overwrite)
    run.save_weights(network)
    return Run(run.path)


def _names(published: Published, given: Sequence[str] | None) -> tuple[tuple[str, ...], list[str]]:
    """Return the names of tracks, each once, and what there is to say of them."""
    count, profile = published.tracks, published.answer == "profile"
    if not given:
        names = ["signal"] if profile and count <= 2 else [f"track{number}" for number in range(1, count + 1)]
        said = [] if profile and count == 1 else ["its tracks are numbered: name them with --target or --targets"]
    else:
        names, said = list(given), []
    if profile and count == 2 and len(names) == 1:
        names = [f"{names[0]}+", f"{names[0]}-"]
    if len(names) != count:
        raise InputError(
            f"--target: {len(names):,} names, and the network predicts {count:,} tracks: give one for each, in their "
            "order, or a file of them with --targets."
        )
    seen: dict[str, int] = {}
    for number, name in enumerate(names):
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            names[number] = f"{name}#{seen[name]}"
    twice = [name for name, times in seen.items() if times > 1]
    if twice:
        said.append(f"{len(twice)} names stand for several tracks, which are told apart by numbers: {twice[0]}#2")
    return tuple(names), said


def _judged_by(config: str | Path | None) -> dict[str, Any]:
    """Return the tables of a config but those that say what the network is."""
    if config is None:
        return {}
    given = Experiment.load(config)
    tables = {
        "[bias]": given.bias,
        "[[controls]]": given.controls,
        "[metadata]": given.metadata,
        "[imported]": given.imported,
        "[tiles] with dense labels": given.predicts_dense,
    }
    beside = [name for name, table in tables.items() if table]
    if beside:
        raise InputError(
            f"{config}: {beside[0]} is for a network that reads or says something else than the one that is imported: "
            "remove it; the files of control tracks go into [[inputs]]."
        )
    table = given.model_dump(exclude_none=True, exclude_defaults=True, mode="json")
    return {key: value for key, value in table.items() if key not in ("model", "strand")}


def _tables(names: Sequence[str], signals: Mapping[str, str | Path]) -> list[dict[str, Any]]:
    """Return a table of [[inputs]] for each signal, and one for the two strands of an assay."""
    files = {name: existing_file(signals[name], f"the signal {name}").resolve() for name in names}
    tables: dict[str, dict[str, Any]] = {}
    for name, path in files.items():
        stem, other = name[:-1], {"+": "-", "-": "+"}.get(name[-1])
        if other is not None and f"{stem}{other}" in files:
            key = "plus" if name[-1] == "+" else "minus"
            tables.setdefault(stem, {"name": stem})[key] = path
        else:
            tables[name] = {"name": name, "signal": path}
    return list(tables.values())


def _check_signals(signals: Mapping[str, str | Path], inputs: Sequence[str]) -> None:
    for name in signals:
        if name not in inputs:
            known = ", ".join(inputs) or "none"
            raise InputError(
                f"--signal {name}: the network reads no such signal{did_you_mean(name, inputs)}; it reads {known}."
            )
    missing = [name for name in inputs if name not in signals]
    if signals and missing:
        raise InputError(
            f"--signal: the network reads {missing[0]} too: give the files of all its signals, or of none."
        )


def _factornet(published: PublishedFactorNet, signals: Mapping[str, str | Path]) -> Experiment:
    """Return the config of a run that predicts as the published network does."""
    _check_signals(signals, published.inputs)
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
        table["inputs"] = _tables(published.inputs, signals)
    return Experiment.from_table(table, folder=Path.cwd(), where=str(published.files[0].parent))
