"""What the files of a run must hold, so that a damaged or foreign one is refused plainly."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, model_validator
from torch import Tensor

from strandwise.errors import RunError
from strandwise.schema import explain

SCHEMA_VERSION = 1

Score = float | None
Interval = Annotated[list[Score], Field(min_length=2, max_length=2)]


def _printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError(f"{name!r} holds what cannot be printed")
    return name


Name = Annotated[str, AfterValidator(_printable)]


class _Record(BaseModel):
    # Later versions may add keys; what is read here must be of the right kind.
    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class InputFile(_Record):
    """A file that went into a run."""

    path: str
    sha256: str


class Inputs(_Record):
    """What a run was made of, known before it is trained."""

    tracks: Annotated[list[Name], Field(min_length=1)]
    files: list[InputFile]


class Together(Inputs):
    """What an ensemble was made of: its members, and the data of the one whose windows it is judged on."""

    windows: list[dict[str, str | int]]
    dropped: dict[str, int]
    notes: list[str]
    parameters: NonNegativeInt


class Provenance(Inputs):
    """What a run was made of and with, and how its training went."""

    windows: list[dict[str, str | int]]
    dropped: dict[str, int]
    notes: list[str]
    seed: NonNegativeInt
    parameters: NonNegativeInt
    epochs: NonNegativeInt
    best_epoch: NonNegativeInt
    monitor: str
    best_score: float
    training_seconds: float


class Ceiling(_Record):
    """The metrics of one head that a replicate, or the mean of all profiles, has in the place of the prediction."""

    tracks: dict[Name, dict[Name, Score]]
    mean: dict[str, Score]


class HeadMetrics(_Record):
    """The metrics of one head: of each track, their mean, intervals of both, and what an experiment reaches."""

    tracks: dict[Name, dict[Name, Score]]
    mean: dict[str, Score]
    ci: dict[str, Interval]
    track_ci: dict[Name, dict[Name, Interval]] = {}
    ceiling: Ceiling | None = None
    baseline: Ceiling | None = None


class Bootstrap(_Record):
    """How the intervals were found."""

    resamples: NonNegativeInt
    level: float
    blocks: NonNegativeInt
    block_bp: NonNegativeInt | None


class StrandMetrics(_Record):
    """How far the two strands disagree."""

    max_deviation: Score


class Metrics(_Record):
    """How good a run is on one set of windows."""

    split: Literal["train", "valid", "test", "bed"]
    n: NonNegativeInt
    heads: dict[Name, HeadMetrics]
    bootstrap: Bootstrap
    strand: StrandMetrics


class RivalMetrics(_Record):
    """The metrics of a model or a baseline: of each track, and their mean."""

    tracks: dict[Name, dict[Name, Score]]
    mean: dict[Name, Score]


Gap = Annotated[list[Score], Field(min_length=3, max_length=3)]


class Ahead(_Record):
    """How far the model is ahead of a baseline, each with its interval."""

    tracks: dict[Name, dict[Name, Gap | None]]
    mean: dict[Name, Gap | None]


class Rival(RivalMetrics):
    """A baseline: its metrics, and how far the model is ahead."""

    ahead: Ahead


class Baselines(_Record):
    """A run beside simple models on one set of windows."""

    split: Literal["train", "valid", "test"]
    n: NonNegativeInt
    model: RivalMetrics
    baselines: dict[Name, Rival]
    notes: list[str]

    @model_validator(mode="after")
    def _same_tracks(self) -> "Baselines":
        for name, rival in self.baselines.items():
            if not set(self.model.tracks) == set(rival.tracks) == set(rival.ahead.tracks):
                raise ValueError(f"baseline {name!r} is of other tracks than the model")
        return self


def read_record(path: Path, kind: type[Inputs] | type[Metrics] | type[Baselines], again: str) -> dict[str, Any]:
    """Return a JSON file of a run as it stands, once it is known to hold what `kind` says.

    Args:
        path: the file.
        kind: what it must hold.
        again: how to make the file anew, for messages.

    Raises:
        RunError: it is damaged, or of another version.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise RunError(f"{path}: damaged ({error}): {again}.") from None
    except RecursionError:
        raise RunError(f"{path}: damaged (nested too deeply): {again}.") from None
    if not isinstance(table, dict):
        raise RunError(f"{path}: damaged (not a table): {again}.")
    version = table.get("schema_version")
    if version != SCHEMA_VERSION:
        raise RunError(
            f"{path}: has schema version {version!r:.20}, and this strandwise reads version {SCHEMA_VERSION}: {again}."
        )
    try:
        kind.model_validate(table)
    except ValidationError as error:
        raise RunError(f"{path}: damaged ({explain(error, kind)}): {again}.") from None
    return table


def typed_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return a table of predictions with each column of its kind.

    Raises:
        ValueError: values that are of another kind, or not finite.
    """
    kinds = {"chrom": str, "start": int, "end": int, "name": str}
    numbers = [name for name in predictions if str(name).startswith(("label/", "pred/", "revcomp/"))]
    kinds |= dict.fromkeys(numbers, float)
    typed = predictions.astype({name: kind for name, kind in kinds.items() if name in predictions})
    if np.isinf(typed[numbers].to_numpy(float)).any():
        raise ValueError("it holds numbers that are not finite")
    return typed


def other_weights(wanted: dict[str, Tensor], found: dict[str, Tensor]) -> str:
    """Return how weights in a file differ in kind from those a network needs; nothing if they do not."""
    for name in [*wanted, *found]:
        if name not in found:
            return f"'{name}' is missing"
        if name not in wanted:
            return f"'{name}' has no place in it"
        need, have = wanted[name], found[name]
        if need.shape != have.shape or need.dtype != have.dtype:
            return f"'{name}' is {_kind(have)}, not {_kind(need)}"
        if not torch.isfinite(have).all():
            return f"'{name}' holds values that are not finite"
    return ""


def _kind(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
