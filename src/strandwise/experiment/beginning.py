"""What a run begins with: a folder that is free for it."""

from pathlib import Path
from typing import Any

from strandwise.errors import RunError
from strandwise.experiment.config import Experiment
from strandwise.experiment.folder import CONFIG, PROVENANCE
from strandwise.experiment.run import Run
from strandwise.files import is_free, write_text


def create_run(
    path: str | Path,
    experiment: Experiment,
    provenance: dict[str, Any],
    *,
    overwrite: bool = False,
    resume: bool = False,
) -> Run:
    """Make a run folder for an experiment, or go back to one that is not finished.

    Args:
        path: the folder.
        experiment: its config.
        provenance: what is known before training starts.
        overwrite: replace a run that is there.
        resume: go back to a run that is there.

    Raises:
        RunError: as `check_place`.
        OutputError: the place cannot be written.
    """
    check_place(path, experiment, overwrite=overwrite, resume=resume)
    run = Run(path)
    if overwrite:
        run.clear()
    run.write_json(PROVENANCE, provenance)
    if not (run.path / CONFIG).exists():
        write_text(run.path / CONFIG, experiment.to_toml())
    return run


def check_place(path: str | Path, experiment: Experiment, *, overwrite: bool = False, resume: bool = False) -> None:
    """Refuse a folder that a run of this experiment cannot be written to; change nothing.

    Raises:
        RunError: something is in the way, or what is there was trained with another config.
    """
    run = Run(path)
    if resume and overwrite:
        raise RunError(f"{run.path}: --resume goes on with a run and --overwrite replaces it: give one of them.")
    if run.path.exists() and not run.path.is_dir():
        raise RunError(f"{run.path}: a file is in the way: give another --out.")
    needed = {"[bias]": experiment.bias.run if experiment.bias else None, "model.init": experiment.model.init}
    for name, other in needed.items():
        if other is not None and run.path.resolve().is_relative_to(other.resolve()):
            raise RunError(
                f"{run.path}: is the run of {name}, or lies in it, and would be overwritten: give another --out."
            )
    if is_free(run.path):
        return
    # Somebody's own folder may hold a config.toml too.
    is_run = (run.path / PROVENANCE).is_file()
    if resume and not (is_run and (run.path / CONFIG).is_file()):
        raise RunError(f"{run.path}: nothing to resume, it is not a run folder: give another --out, without --resume.")
    # A title says what a run is about, and decides nothing.
    if resume and run.experiment.model_copy(update={"title": experiment.title}) != experiment:
        raise RunError(
            f"{run.path}: trained with another config ({_first_difference(run.experiment, experiment)}): resume "
            f"with {run.path / CONFIG}, or give another --out."
        )
    if overwrite and not is_run:
        raise RunError(f"{run.path}: not a run folder, so it is not overwritten: give another --out.")
    if not resume and not overwrite:
        raise RunError(
            f"{run.path}: exists and is not empty: give another --out, --overwrite to replace the run, or "
            "--resume to go on with it."
        )


def _first_difference(before: Experiment, now: Experiment) -> str:
    was, is_now = before.model_dump(mode="json"), now.model_dump(mode="json")
    for section in was:
        old, new = was[section], is_now[section]
        if old != new and section != "title":
            if not isinstance(old, dict) or not isinstance(new, dict):
                return f"{section} differs"
            key = next(key for key in [*old, *new] if old.get(key) != new.get(key))
            return f"{section}.{key} was {old.get(key, 'the default')!r}, now {new.get(key, 'the default')!r}"
    return "it differs"
