"""What a run was made of and with: versions, seed, counts, hashes of the files that went in."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from strandwise.data.windows import LabelledWindows
from strandwise.errors import RunError
from strandwise.experiment.config import Experiment
from strandwise.experiment.metadata import metadata_record
from strandwise.files import existing_file, progress, sha256
from strandwise.training import falls

PACKAGES = ("strandwise", "torch", "lightning", "numpy", "pandas", "pysam", "pybigtools")


def describe_inputs(experiment: Experiment, windows: LabelledWindows, network: nn.Module) -> dict[str, Any]:
    """Return what is known before training starts."""
    return {
        **_made_with(experiment.files()),
        "machine": {"threads": torch.get_num_threads(), "accelerator": experiment.training.accelerator},
        "seed": experiment.training.seed,
        "tracks": list(windows.tracks),
        "parameters": sum(weight.numel() for weight in network.parameters() if weight.requires_grad),
        "windows": windows.summary(),
        "dropped": dict(windows.dropped),
        "notes": list(windows.notes),
        **metadata_record(experiment),
    }


def describe_import(
    experiment: Experiment,
    network: nn.Module,
    files: Sequence[Path],
    notes: Sequence[str],
    windows: LabelledWindows | None = None,
) -> dict[str, Any]:
    """Return what is known of a network that was trained elsewhere.

    Args:
        experiment: its config, with `[imported]`.
        network: with its weights.
        files: that it was read from.
        notes: what a person should know.
        windows: those it is to be judged on, if any.
    """
    named = () if experiment.imported is None else experiment.imported.targets
    return {
        **_made_with([*files, *experiment.files()]),
        "tracks": list(named if windows is None else windows.tracks),
        "parameters": sum(weight.numel() for weight in network.parameters()),
        # Those that a config calls windows of training are none to a network that was trained elsewhere.
        "windows": [] if windows is None else [row for row in windows.summary() if row["split"] != "train"],
        "dropped": {} if windows is None else dict(windows.dropped),
        "notes": [*notes, *(() if windows is None else windows.notes)],
    }


def describe_ensemble(
    members: Sequence[Mapping[str, Any]], base: int, described: Sequence[Mapping[str, Any]], notes: Sequence[str]
) -> dict[str, Any]:
    """Return what is known of an ensemble.

    Args:
        members: the provenance of each.
        base: the number of the one whose windows the ensemble is judged on.
        described: what to say of each member, beside.
        notes: what a person should know.
    """
    first = members[base]
    # A file that has changed since another member read it stands there as the first read it.
    files = {file["path"]: file for each in [*members, first] for file in each["files"]}
    # Members that were trained on other windows have no table of them in common.
    same = all(each.get("windows") == first.get("windows") for each in members)
    return {
        **_made_with([]),
        "files": [*files.values()],
        "tracks": first["tracks"],
        "parameters": sum(each["parameters"] for each in members),
        "windows": first.get("windows", []) if same else [],
        "dropped": first.get("dropped", {}) if same else {},
        "notes": [*first["notes"], *notes],
        "members": [dict(each) for each in described],
        **({"metadata": first["metadata"]} if "metadata" in first else {}),
    }


def _made_with(paths: Sequence[Path]) -> dict[str, Any]:
    files = progress(paths, "hashing inputs", len(paths))
    return {
        "schema_version": 1,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "files": [{"path": str(path), "bytes": path.stat().st_size, "sha256": sha256(path)} for path in files],
    }


def check_inputs(before: Mapping[str, Any], experiment: Experiment) -> None:
    """Refuse input files that have changed since a run began, before anything rests on them.

    Raises:
        RunError: naming the file.
    """
    was = {file["path"]: file["sha256"] for file in before["files"]}
    for path in progress(experiment.files(), "checking inputs", len(experiment.files())):
        if was.get(str(path), "") != sha256(existing_file(path, "named in the config")):
            raise RunError(
                f"{path}: not the file that the model was trained with: restore it, or train anew with --overwrite."
            )


def describe_training(history: pd.DataFrame, monitor: str, seconds: float) -> dict[str, Any]:
    """Return how training went: epochs run, the best one, and the time it took."""
    scores = history[monitor].to_numpy()
    best = int(scores.argmin() if falls(monitor) else scores.argmax())
    return {
        "epochs": len(history),
        "best_epoch": int(history["epoch"].to_numpy()[best]),
        "monitor": monitor,
        "best_score": float(scores[best]),
        "training_seconds": round(float(history["seconds"].sum()), 2),
        "seconds": round(seconds, 2),
    }
