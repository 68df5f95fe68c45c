"""Ensembles: trained runs that are asked as one, and predictions averaged by rank or mean."""

import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any, Literal

from pydantic import BaseModel

from strandwise.data.splits import SplitSettings
from strandwise.errors import InputError, RunError, StrandLawError, listing
from strandwise.experiment.averaging import Averaging, Scores, average_tables
from strandwise.experiment.beginning import check_place
from strandwise.experiment.config import Experiment
from strandwise.experiment.datasets import open_genome
from strandwise.experiment.folder import CONFIG, MEMBERS, PROVENANCE, WEIGHTS
from strandwise.experiment.jobs import Split, evaluate
from strandwise.experiment.network import output_bp
from strandwise.experiment.predicting import predict
from strandwise.experiment.provenance import describe_ensemble
from strandwise.experiment.run import Run
from strandwise.files import existing_file, sha256, write_text, writing_errors
from strandwise.genome import Genome
from strandwise.models import Ensemble, EnsembleSettings
from strandwise.models.ensemble import Scale
from strandwise.prediction import BIGWIG, ENDINGS

How = Literal["mean", "rank"]
_LABELS = ("label_bp", "merge_overlap_bp")
_FILES = {"name", "cell", "signal", "plus", "minus", "negate_minus"}
_APART = "combine tables of their predictions instead, which `strandwise predict` and `evaluate` write"


@dataclass(frozen=True)
class Ensembled:
    """What `ensemble` made.

    Attributes:
        paths: the files written, or the folder of the run.
        notes: what a person should know.
        scores: of tables whose labels are known: by track, by metric, by member ("ensemble" last), how good each is.
    """

    paths: list[Path]
    notes: list[str] = field(default_factory=list)
    scores: Scores = field(default_factory=dict)

    def tables(self, most: int = 8) -> dict[str, list[tuple[str, dict[str, float | None]]]]:
        """Return by metric a row for each member: its scores by track, if these are few, and their mean."""
        found = {}
        for metric in dict.fromkeys(metric for scores in self.scores.values() for metric in scores):
            tracks = {track: scores[metric] for track, scores in self.scores.items() if metric in scores}
            rows = []
            for member in next(iter(tracks.values())):
                values = {track: None if isnan(scores[member]) else scores[member] for track, scores in tracks.items()}
                known = [value for value in values.values() if value is not None]
                mean = {"mean": fmean(known) if known else None} if len(values) > 1 else {}
                rows.append((member, (values if len(values) <= most else {}) | mean))
            found[metric] = rows
        return found


def ensemble(
    members: Sequence[Run | str | Path],
    out: str | Path,
    *,
    how: How = "mean",
    on: Scale = "predictions",
    split: Split | None = None,
    bed: str | Path | None = None,
    cell: str | None = None,
    genome: str | Path | None = None,
    overwrite: bool = False,
) -> Ensembled:
    """Average runs, or predictions: into one run, or into one table.

    Runs become one run that is asked like any other, by the mean. Tables that `predict` or `evaluate` wrote become one
    table, by the mean or by rank (Quang & Xie 2019); so do runs, of whatever inputs, where windows are named by `split`
    or `bed`. Where tables hold labels, members and ensemble are judged by them.

    Args:
        members: runs or their folders, or tables of predictions (.parquet); two or more.
        out: the folder of the new run, or a table by its ending.
        how: the mean, or the mean of ranks: each prediction's rank among all rows, from the lowest, as a share of
            them (ties share their mean rank), so that it lies above 0 and up to 1.
        on: average what people read (probabilities, counts, shapes of profiles), or logits; for runs made one run.
        split: predict these windows of each run's config.
        bed: predict windows at these intervals.
        cell: the cell type, for `bed`.
        genome: FASTA or 2bit with the lengths of chromosomes, for bigWig of tables.
        overwrite: replace a run that is there.

    Raises:
        StrandwiseError: members that do not fit each other, options that have no part, or a place in the way.
    """
    given = [member if isinstance(member, Run) else Path(member) for member in members]
    out, is_table = Path(out), str(out).endswith(ENDINGS)
    _check_members(given)
    if how not in ("mean", "rank") or on not in ("predictions", "logits"):
        raise InputError(f"--how {how} --on {on}: use --how mean or rank, and --on predictions or logits.")
    if split is not None and bed is not None:
        raise InputError("--split and --bed each say where to predict: give one of them.")
    if cell is not None and bed is None:
        raise InputError(f"--cell {cell} says in which cell a BED is predicted: add --bed.")
    runs = [Run.open(each.path if isinstance(each, Run) else each) for each in given if not _is_file(each)]
    where = split is not None or bed is not None
    if runs and not where and not is_table:
        if how == "rank":
            raise InputError(
                "--how rank needs all predictions at once, and a run is asked for a few at a time: use --how mean, or "
                f"say where to predict with --split or --bed, and --out {out.name}.parquet."
            )
        if genome is not None:
            raise InputError("--genome has no part in making a run: leave it out.")
        return _as_run(runs, out, on, overwrite)
    _check_table(runs, out, on, where, is_table, genome is not None)
    source = None if genome is None else Genome(existing_file(genome, "a genome"))
    averaging = Averaging(how, source)
    if not runs:
        tables = {str(each): each for each in given if isinstance(each, Path)}
        return Ensembled(**average_tables(tables, out, averaging))
    if source is None and out.name.endswith(BIGWIG):
        averaging = Averaging(how, open_genome(runs[0].experiment))
    with TemporaryDirectory() as folder:
        tables = _predicted(runs, Path(folder), split or "test", bed, cell)
        return Ensembled(**average_tables(tables, out, averaging))


def _is_file(member: Run | Path) -> bool:
    return isinstance(member, Path) and not member.is_dir()


def _check_members(given: Sequence[Run | Path]) -> None:
    if len(given) < 2:
        raise InputError(f"an ensemble of {len(given)} has nothing to average: name two runs or more, or two tables.")
    places = [each.path if isinstance(each, Run) else each for each in given]
    for place in places:
        if not place.exists():
            raise InputError(f"{place}: no such run folder or table of predictions.")
    resolved = [place.resolve() for place in places]
    twice = [place for place, path in zip(places, resolved, strict=True) if resolved.count(path) > 1]
    if twice:
        raise InputError(f"{twice[0]}: stands there twice, and would count twice: name each member once.")
    files = [place for place in places if not place.is_dir()]
    if files and len(files) < len(places):
        folder = next(place for place in places if place.is_dir())
        raise InputError(f"{folder} is a run and {files[0]} a table: give runs, or tables of predictions, not both.")


def _check_table(runs: Sequence[Run], out: Path, on: Scale, where: bool, is_table: bool, genome: bool) -> None:
    """Refuse options that do not lead to a table."""
    endings = ", ".join(ENDINGS)
    if not is_table:
        what = "predictions at --split or --bed are" if runs else "tables of predictions give"
        raise InputError(f"{out}: {what} a table: end --out in one of {endings}.")
    if runs and not where:
        raise InputError(
            f"{out}: runs give a table where it is known what to predict: add --split or --bed, or give --out a folder "
            "to make a run of them."
        )
    if not runs and where:
        raise InputError("--split and --bed have no part in tables, which hold predictions: leave them out.")
    if genome and not out.name.endswith(BIGWIG):
        raise InputError(
            f"--genome gives the lengths of chromosomes for bigWig, and has no part in {out}: leave it out."
        )
    if on == "logits":
        raise InputError("--on logits is for runs made one run; tables hold predictions: leave it out.")


def _named(paths: Sequence[Path]) -> dict[str, Path]:
    """Return files or folders by the shortest names that tell them apart."""
    for name in (lambda path: path.name, lambda path: f"{path.resolve().parent.name}/{path.name}", str):
        names = [name(path) for path in paths]
        if len(set(names)) == len(names):
            break
    return dict(zip(names, paths, strict=True))


def _predicted(
    runs: Sequence[Run], folder: Path, split: Split, bed: str | Path | None, cell: str | None
) -> dict[str, Path]:
    """Return tables of what each run predicts, with labels where they are known."""
    tables = {}
    for number, run in enumerate(runs):
        place, name = folder / str(number), str(run.path)
        if bed is None or run.experiment.targets:
            evaluate(run, split=split, bed=bed, cell=cell, out=place)
            tables[name] = place / f"predictions.{split if bed is None else 'bed'}.parquet"
        else:
            (tables[name],) = predict(run, place / "predictions.parquet", bed=bed, cell=cell)
    return tables


def _as_run(runs: Sequence[Run], out: Path, on: Scale, overwrite: bool) -> Ensembled:
    """Write a run that is whole by itself, from copies of its members."""
    names = [*_named([run.path for run in runs])]
    for run in runs:
        if run.members:
            raise InputError(f"{run.path}: an ensemble itself: name its members instead, {run.members[0].path} and on.")
        if out.resolve().is_relative_to(run.path.resolve()):
            raise RunError(f"{out}: is a member, or lies in one, and would be overwritten: give another --out.")
    _check_different(runs)
    try:
        network = Ensemble([run.asked() for run in runs], on, names=[str(run.path) for run in runs])
    except StrandLawError as error:
        raise InputError(str(error)) from None
    base = _base(runs)
    notes = [note for number, run in enumerate(runs) if number != base for note in _differences(run, runs[base])]
    experiment, said = _config(runs, base, EnsembleSettings(members=tuple(names), on=on))
    notes += said
    check_place(out, experiment, overwrite=overwrite)
    described = [
        {"run": str(run.path.resolve()), "weights": sha256(run.path / WEIGHTS), "reads_bp": length}
        | {key: run.provenance[key] for key in ("epochs", "best_epoch", "monitor", "seed") if key in run.provenance}
        for run, length in zip(runs, network.lengths, strict=True)
    ]
    record = describe_ensemble([run.provenance for run in runs], base, described, notes)
    with _staged(out, overwrite) as folder:
        for number, run in enumerate(runs):
            run.copy_to(folder / MEMBERS / str(number))
        made = Run(folder)
        made.write_json(PROVENANCE, record)
        write_text(folder / CONFIG, experiment.to_toml())
        _ = made.network
    return Ensembled([out], notes)


def _check_different(runs: Sequence[Run]) -> None:
    seen: dict[object, Run] = {}
    for run in runs:
        strand = run.experiment.strand
        key = sha256(run.path / WEIGHTS), strand.rules.conjoin_in_prediction, strand.answers
        if key in seen:
            raise InputError(
                f"{run.path}: the same weights as {seen[key].path}, which would count twice: name each network once."
            )
        seen[key] = run


def _base(runs: Sequence[Run]) -> int:
    """Return the number of the run whose windows an ensemble reads: of the longest, the first that was trained here."""
    experiments = [run.experiment for run in runs]
    length = max(each.windows.input_bp for each in experiments)
    longest = [number for number, each in enumerate(experiments) if each.windows.input_bp == length]
    return min(longest, key=lambda number: (not _has_data(experiments[number]), bool(experiments[number].imported)))


def _has_data(experiment: Experiment) -> bool:
    return bool(experiment.targets or experiment.sequences)


def _differences(run: Run, base: Run) -> list[str]:
    """Return notes on how a member's data differ from those the ensemble reads; refuse what cannot be read as one.

    Raises:
        InputError: other signals, controls or metadata, other bins or positions that are predicted, or other sequences.
    """
    mine, other = run.experiment, base.experiment
    read, wanted = _read(run), _read(base)
    for name in read.keys() & wanted.keys():
        if read[name] != wanted[name]:
            raise InputError(
                f"{run.path}: reads other {name} than {base.path}, or reads them in another way: {_APART}."
            )
    if any(head.type.positions for head in base.network.heads):
        bins, others = ((output_bp(each), each.windows.bin_bp) for each in (mine, other))
        if bins != others:
            raise InputError(
                f"{run.path}: predicts {bins[0]} bp in bins of {bins[1]}, and {base.path} {others[0]} in bins of "
                f"{others[1]}: give members that predict the same positions."
            )
    if mine.imported is not None:
        return [f"{run.path}: imported, so nobody knows here whether it was trained on windows that it is judged on"]
    if other.imported is not None:
        return []
    if mine.sequences or other.sequences:
        if _sequences(run) != _sequences(base):
            raise InputError(f"{run.path}: trained on other sequences than {base.path}, or split otherwise: {_APART}.")
        return []
    parts = ("targets", "inputs", "controls", "negatives", "bins", "tiles", "chunks")
    differ = [
        f"[{part}]" for part in parts if _content(run, getattr(mine, part)) != _content(base, getattr(other, part))
    ]
    differ += [f"windows.{key}" for key in _LABELS if getattr(mine.windows, key) != getattr(other.windows, key)]
    if not differ:
        return []
    return [f"{run.path}: trained with other {listing(differ)} than {base.path}, whose windows and labels are used"]


def _config(runs: Sequence[Run], base: int, settings: EnsembleSettings) -> tuple[Experiment, list[str]]:
    """Return the config of an ensemble, and a note where its members hold out different places."""
    first = runs[base].experiment
    # What an imported member was trained on is not known, and its split says where it is judged.
    held = [_held_out(run) for run in runs if run is runs[base] or run.experiment.imported is None]
    changes: dict[str, Any] = {
        "title": f"Ensemble of {', '.join(settings.members)}",
        "ensemble": settings,
        "bias": None,
        "model": first.model.model_copy(update={"init": None, "init_heads": False, "freeze": ()}),
        "training": first.training.model_copy(update={"also_monitor": ()}),
    }
    notes = []
    if _has_data(first) and any(each != held[0] for each in held):
        changes["split"] = SplitSettings(exclude=first.split.exclude)
        notes = [
            "members hold out different places, so the ensemble holds out none: judge it with --bed, at places that "
            "none of them was trained on"
        ]
    return first.model_copy(update=changes), notes


def _held_out(run: Run) -> object:
    genome = run.experiment.genome
    return _content(run, [genome and genome.fasta, run.experiment.split])


def _sequences(run: Run) -> object:
    """Return which sequences a run was trained on, and what decides how they are split by chance."""
    experiment = run.experiment
    drawn = [getattr(experiment.windows, key) for key in ("seed", "input_bp", "jitter_bp")]
    return _content(run, [experiment.sequences, experiment.split, drawn])


def _read(run: Run) -> dict[str, object]:
    """Return what a run reads beside DNA, but for the files, which may be of another cell type."""
    experiment, imported = run.experiment.of_any_cell, run.experiment.imported
    if imported is not None:
        return {"[[inputs]]": list(imported.inputs), "[metadata]": list(imported.metadata) or None}
    told = None
    if experiment.metadata is not None:
        # What is known of cells is in the record, as the model reads it.
        settings = experiment.metadata.model_dump(exclude={"table", "columns"})
        told = [_content(run, settings), run.inputs.get("metadata")]
    ways = {
        f"values of [[{name}]]": [table.model_dump(exclude=_FILES) for table in getattr(experiment, name)]
        for name in ("inputs", "controls")
    }
    return {"[[inputs]]": [table.name for table in experiment.inputs], **ways, "[metadata]": told}


def _content(run: Run, value: Any) -> Any:
    """Return settings with each file named by what is in it, so that copies of a file count as the same."""
    hashes = {file["path"]: file["sha256"] for file in run.inputs["files"]}
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, Mapping):
        return {key: _content(run, inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_content(run, inner) for inner in value]
    return hashes.get(str(value), str(value)) if isinstance(value, Path) else value


@contextmanager
def _staged(out: Path, overwrite: bool) -> Iterator[Path]:
    """Yield a folder beside `out` to write a run in; it takes that place only if the block succeeds.

    Of a run that is replaced, what is not strandwise's own stays.
    """
    target = out.resolve()
    temporary = target.with_name(f".{secrets.token_hex(4)}.tmp.{target.name}")
    try:
        with writing_errors(out):
            temporary.mkdir(parents=True)
            yield temporary
            if not target.exists():
                temporary.rename(target)
                return
            if overwrite:
                Run(target).clear()
            # The config last: a folder without it is no run.
            for name in (PROVENANCE, MEMBERS, CONFIG):
                (temporary / name).rename(target / name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
