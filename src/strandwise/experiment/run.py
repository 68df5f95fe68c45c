"""A run: the folder that holds a trained model and all that is known of it."""

import json
import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from strandwise.errors import ConfigError, InputError, RunError
from strandwise.experiment.config import Experiment
from strandwise.files import atomic_path, sha256, write_text
from strandwise.layers import binary_head
from strandwise.models import SequenceModel, assemble
from strandwise.prediction import Predictor
from strandwise.sequence import encode

CONFIG, WEIGHTS, PROVENANCE = "config.toml", "weights.safetensors", "provenance.json"
METRICS, HISTORY, REPORT = "metrics.json", "history.csv", "report.html"


class Run:
    """A folder with `config.toml`, `weights.safetensors`, `history.csv`, `provenance.json` and what follows.

    `weights.safetensors` is all that any job but resuming reads; `checkpoints/` serve resuming alone.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Return the finished run in a folder.

        Raises:
            RunError: no such folder, no run in it, or one whose training has not finished.
        """
        run = cls(path)
        if not run.path.is_dir():
            raise RunError(
                f"{run.path}: no such run folder: train one with `strandwise train CONFIG --out {run.path}`."
            )
        if not (run.path / CONFIG).is_file():
            raise RunError(f"{run.path}: not a run folder, it has no {CONFIG}.")
        if not (run.path / WEIGHTS).is_file():
            raise RunError(
                f"{run.path}: training has not finished, there is no {WEIGHTS}: "
                f"go on with `strandwise train {run.path / CONFIG} --out {run.path} --resume`."
            )
        return run

    @classmethod
    def create(
        cls, path: str | Path, experiment: Experiment, *, overwrite: bool = False, resume: bool = False
    ) -> "Run":
        """Make a run folder for an experiment, or go back to one.

        Raises:
            RunError: as `check_place`.
        """
        check_place(path, experiment, overwrite=overwrite, resume=resume)
        run = cls(path)
        if overwrite and run.path.is_dir():
            shutil.rmtree(run.path)
        if not (run.path / CONFIG).exists():
            write_text(run.path / CONFIG, experiment.to_toml())
        return run

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.resolve().name

    @property
    def finished(self) -> bool:
        """Whether training came to its end."""
        return (self.path / WEIGHTS).is_file()

    @cached_property
    def experiment(self) -> Experiment:
        """The config it was trained with.

        Raises:
            RunError: the config is damaged.
        """
        try:
            return Experiment.load(self.path / CONFIG)
        except (ConfigError, InputError) as error:
            raise RunError(f"{self.path}: damaged run folder: {error}") from None

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Versions, seed, tracks, hashes of the files that went in."""
        return self.read_json(PROVENANCE)

    def read_json(self, name: str) -> dict[str, Any]:
        """Return a JSON file of the folder.

        Raises:
            RunError: it is not there, or damaged.
        """
        try:
            table = json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            hint = f": run `strandwise evaluate {self.path}` first" if name == METRICS else ""
            raise RunError(f"{self.path}: there is no {name}{hint}.") from None
        except (ValueError, OSError) as error:
            raise RunError(f"{self.path / name}: damaged ({error}).") from None
        if not isinstance(table, dict):
            raise RunError(f"{self.path / name}: damaged (not a table).")
        return table

    def write_json(self, name: str, table: dict[str, Any]) -> None:
        """Write a JSON file of the folder in one step."""
        write_text(self.path / name, json.dumps(table, indent=2, allow_nan=False) + "\n")

    def save_weights(self, network: SequenceModel) -> None:
        """Write the weights of a trained network in one step."""
        state = {name: tensor.contiguous().clone() for name, tensor in network.state_dict().items()}
        with atomic_path(self.path / WEIGHTS) as temporary:
            save_file(state, temporary)

    def weights_hash(self) -> str:
        """Return the SHA-256 of the weights."""
        return sha256(self.path / WEIGHTS)

    @cached_property
    def network(self) -> SequenceModel:
        """The trained network.

        Raises:
            RunError: weights that are damaged, cut short or of another network.
        """
        tracks = self.provenance.get("tracks")
        if not isinstance(tracks, list) or not all(isinstance(track, str) for track in tracks) or not tracks:
            raise RunError(f"{self.path / PROVENANCE}: damaged, it does not name the tracks.")
        network = build_network(self.experiment, tracks)
        path = self.path / WEIGHTS
        try:
            network.load_state_dict(load_file(path))
        except (SafetensorError, OSError) as error:
            raise RunError(
                f"{path}: damaged or cut short ({error}): copy it again from where it was trained, or train anew "
                "with --overwrite."
            ) from None
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise RunError(f"{path}: not the weights of the network in {CONFIG} ({reason}).") from None
        return network.eval()

    def predictor(self, *, conjoin: bool | None = None, device: str = "cpu") -> Predictor:
        """Return the trained network ready to predict.

        Args:
            conjoin: average both strands; as the strategy says if None.
            device: where to run.
        """
        rule = self.experiment.strand.rules.conjoin_in_prediction
        return Predictor(self.network, rule if conjoin is None else conjoin, device)

    def predict(self, sequences: str | Sequence[str]) -> pd.DataFrame:
        """Return predictions for sequences as long as the model reads: a row each, a column a track.

        Raises:
            InputError: another length, or letters that are not DNA.
        """
        given = [sequences] if isinstance(sequences, str) else list(sequences)
        predictor = self.predictor()
        for number, letters in enumerate(given):
            if len(letters) != predictor.input_bp:
                raise InputError(
                    f"sequence {number} has {len(letters)} bp, and the model reads {predictor.input_bp}: "
                    "give it with its flanks, cut to that length."
                )
        codes = [encode(letters, what=f"sequence {number}") for number, letters in enumerate(given)]
        batches = (np.stack(codes[start : start + 512]) for start in range(0, len(codes), 512))
        values = [*predictor.predict(batches)]
        tracks = list(predictor.head.tracks)
        return pd.DataFrame(np.concatenate(values) if values else np.empty((0, len(tracks))), columns=tracks)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"


def build_network(experiment: Experiment, tracks: Sequence[str]) -> SequenceModel:
    """Return an untrained network as a config describes it.

    Raises:
        StrandwiseError: sizes or groups that do not fit.
    """
    heads = [binary_head(tuple(tracks))]
    return assemble(experiment.model.architecture(), heads, experiment.windows.input_bp, experiment.strand)


def check_place(path: str | Path, experiment: Experiment, *, overwrite: bool = False, resume: bool = False) -> None:
    """Refuse a folder that a run of this experiment cannot be written to; change nothing.

    Raises:
        RunError: something is in the way, or what is there was trained with another config.
    """
    run = Run(path)
    if run.path.exists() and not run.path.is_dir():
        raise RunError(f"{run.path}: a file is in the way: give another --out.")
    if not run.path.is_dir() or not any(run.path.iterdir()):
        return
    is_run = (run.path / CONFIG).is_file()
    if resume and not is_run:
        raise RunError(f"{run.path}: nothing to resume, it is not a run folder: train without --resume.")
    if resume and run.experiment != experiment:
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
    for section in Experiment.model_fields:
        old, new = getattr(before, section), getattr(now, section)
        if old != new:
            if isinstance(old, tuple) or old is None or new is None:
                return f"{section} differs"
            key = next(name for name in old.model_dump() if old.model_dump()[name] != new.model_dump().get(name))
            return f"{section}.{key} was {old.model_dump()[key]!r}, now {new.model_dump().get(key)!r}"
    return "it differs"
