"""A run: the folder that holds a trained model and all that is known of it."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from strandwise.data.batches import SEQUENCE
from strandwise.errors import ConfigError, InputError, RunError, StrandLawError, StrandwiseError
from strandwise.experiment.config import Experiment
from strandwise.experiment.folder import BASELINES, BIAS, CONFIG, HISTORY, MEMBERS, METRICS, OWN, PROVENANCE, WEIGHTS
from strandwise.experiment.members import together
from strandwise.experiment.network import answer_of, build_network, heads_of, output_bp
from strandwise.experiment.records import (
    Baselines,
    Inputs,
    Metrics,
    Provenance,
    Together,
    other_weights,
    read_record,
    typed_predictions,
)
from strandwise.files import atomic_path, write_text, writing_errors
from strandwise.layers import Conjoined
from strandwise.models import Ensemble, SequenceModel, WithBias
from strandwise.prediction import Predictor
from strandwise.sequence import encode
from strandwise.training import history_columns, measures

TRAINED = (
    "[ensemble] is made of runs that are trained already: make one with `strandwise ensemble RUN RUN ... --out RUN`, "
    "or give another config."
)


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
        if not run.finished:
            if run._imported:
                raise RunError(
                    f"{run.path}: its import was stopped, there is no {WEIGHTS}: import it again, with --overwrite."
                )
            raise RunError(
                f"{run.path}: training has not finished, there is no {WEIGHTS}: "
                f"go on with `strandwise train {run.path / CONFIG} --out {run.path} --resume`."
            )
        return run

    @property
    def _imported(self) -> bool:
        try:
            return self.experiment.imported is not None
        except StrandwiseError:
            return False

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.resolve().name

    @property
    def finished(self) -> bool:
        """Whether training came to its end."""
        # An ensemble has the weights of its members, and none of its own.
        return (self.path / WEIGHTS).is_file() or (self.path / MEMBERS / "0" / WEIGHTS).is_file()

    def clear(self) -> None:
        """Remove what strandwise wrote into the folder, and nothing else."""
        with writing_errors(self.path):
            for entry in self._own():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()

    def _own(self) -> Iterator[Path]:
        for pattern in OWN:
            yield from self.path.glob(pattern)

    @cached_property
    def experiment(self) -> Experiment:
        """The config it was trained with.

        Raises:
            RunError: the config is damaged.
        """
        try:
            return Experiment.load_resolved(self.path / CONFIG)
        except (ConfigError, InputError) as error:
            raise RunError(f"{self.path}: damaged run folder: {error}") from None

    def without_cache(self) -> "Run":
        """Return the same run, which reads signal in place and leaves no cache of it."""
        other = type(self)(self.path)
        signals = self.experiment.signals.model_copy(update={"cache": False})
        other.experiment = self.experiment.model_copy(update={"signals": signals})
        return other

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Versions, seed, tracks, hashes of the files that went in, and how training went.

        Raises:
            RunError: it is not there, or damaged.
        """
        # What was trained elsewhere has no epochs to tell of.
        if self.experiment.ensemble is not None:
            return self._provenance(Together)
        return self._provenance(Provenance if self.experiment.imported is None else Inputs)

    @property
    def inputs(self) -> dict[str, Any]:
        """The part of its provenance that is known before it is trained.

        Raises:
            RunError: it is not there, or damaged.
        """
        return self._provenance(Inputs)

    def _provenance(self, kind: type[Inputs]) -> dict[str, Any]:
        path, again = self.path / PROVENANCE, "copy it again from where the model was trained"
        if not path.is_file():
            raise RunError(f"{self.path}: there is no {PROVENANCE}: {again}.")
        return read_record(path, kind, again)

    @property
    def metrics(self) -> dict[str, Any]:
        """How good the run is on its test windows.

        Raises:
            RunError: it was not evaluated, or the file is damaged.
        """
        path, again = self.path / METRICS, f"run `strandwise evaluate {self.path}`"
        if not path.is_file():
            raise RunError(f"{self.path}: there is no {METRICS}: {again} first.")
        return read_record(path, Metrics, again)

    @property
    def baselines(self) -> dict[str, Any] | None:
        """How good the run is beside simple models on its test windows, if that was asked.

        Raises:
            RunError: the file is damaged.
        """
        path = self.path / f"{BASELINES}.json"
        return read_record(path, Baselines, f"run `strandwise baselines {self.path}`") if path.is_file() else None

    @property
    def history(self) -> pd.DataFrame:
        """How training went, a row an epoch.

        Raises:
            RunError: the file is not there, or damaged.
        """
        path = self.path / HISTORY
        try:
            columns = list(history_columns(measures(heads_of(self.experiment, self.inputs["tracks"]))))
            untold = self.members or self.experiment.imported is not None
            table = pd.DataFrame(columns=columns) if untold else pd.read_csv(path)
            return table[columns].astype(dict.fromkeys(columns, float)).astype({"epoch": int})
        except (ValueError, KeyError, OSError) as error:
            raise RunError(f"{path}: damaged or missing ({error}): copy it again from where it was trained.") from None

    def predictions(self, split: str) -> pd.DataFrame:
        """Return the predictions that the metrics of a split rest on.

        Raises:
            RunError: the file is not there, or damaged.
        """
        path = self.path / f"predictions.{split}.parquet"
        try:
            return typed_predictions(pd.read_parquet(path))
        except (ValueError, TypeError, OSError) as error:
            raise RunError(f"{path}: damaged or missing ({error}): run `strandwise evaluate {self.path}`.") from None

    def write_history(self, history: pd.DataFrame) -> None:
        """Write how training went, for a run that takes over the weights of another."""
        write_text(self.path / HISTORY, history.to_csv(index=False, lineterminator="\n"))

    def write_json(self, name: str, table: dict[str, Any]) -> None:
        """Write a JSON file of the folder in one step."""
        write_text(self.path / name, json.dumps(table, indent=2, allow_nan=False) + "\n")

    def keep_bias(self, bias: "Run") -> None:
        """Keep a copy of the run whose frozen prediction is added, so that the folder stays whole by itself."""
        bias.copy_to(self.path / BIAS)

    def copy_to(self, folder: Path) -> None:
        """Copy what it takes to ask the run, and how its training went where that is known."""
        with writing_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for name in (CONFIG, PROVENANCE, WEIGHTS, *([HISTORY] if (self.path / HISTORY).is_file() else [])):
                with atomic_path(folder / name) as temporary:
                    shutil.copyfile(self.path / name, temporary)
        if self.experiment.bias is not None:
            Run(self.path / BIAS).copy_to(folder / BIAS)

    def save_weights(self, network: nn.Module) -> None:
        """Write the weights of a trained network in one step; with them the run is finished."""
        self.save_state(network.state_dict())

    def save_state(self, weights: Mapping[str, torch.Tensor], measure: str | None = None) -> None:
        """Write weights in one step: those of the run, or of the epoch that is best by another measure."""
        state = {name: tensor.contiguous().clone() for name, tensor in weights.items()}
        with atomic_path(self.weights_file(measure)) as temporary:
            save_file(state, temporary)

    def weights_file(self, measure: str | None = None) -> Path:
        """Return the file of the weights, or of those that are best by another measure."""
        return self.path / (WEIGHTS if measure is None else f"weights.{measure}.safetensors")

    @cached_property
    def members(self) -> tuple["Run", ...]:
        """The runs that an ensemble is made of; none where the run is a single network."""
        count = 0 if self.experiment.ensemble is None else len(self.experiment.ensemble.members)
        return tuple(Run(self.path / MEMBERS / str(number)) for number in range(count))

    @property
    def parts(self) -> tuple["Run", ...]:
        """The runs of single networks that are asked: the members of an ensemble, or the run itself."""
        return self.members or (self,)

    def asked(self, conjoin: bool | None = None) -> nn.Module:
        """Return the network as it is asked, each member for itself: conjoined or not, as its strategy says if None."""
        if self.members:
            return together(self, conjoin)
        strand = self.experiment.strand
        whole = strand.rules.conjoin_in_prediction if conjoin is None else conjoin
        return Conjoined(self.network, strand.answers) if whole else self.network

    @cached_property
    def network(self) -> SequenceModel | WithBias | Ensemble:
        """The trained network, with the weights of its best epoch.

        Raises:
            RunError: weights that are damaged, cut short or of another network.
        """
        return self.chosen_by(None)

    def chosen_by(self, measure: str | None) -> SequenceModel | WithBias | Ensemble:
        """Return the network with the weights of the epoch that was best by one of `training.also_monitor`.

        Raises:
            RunError: as `network`, or a measure by which none was kept.
        """
        known = self.experiment.training.also_monitor
        if measure == self.experiment.training.monitor:
            measure = None
        if measure is not None and measure not in known:
            raise RunError(
                f"{self.path}: no epoch was kept by '{measure}': name it in training.also_monitor and train again."
            )
        if self.members:
            return together(self)
        bias = Run(self.path / BIAS) if self.experiment.bias is not None else None
        network = new_network(self.experiment, self.provenance["tracks"], bias)
        path = self.weights_file(measure)
        again = "copy it again from where it was trained, or train anew with --overwrite"
        try:
            weights = load_file(path)
        except (SafetensorError, OSError) as error:
            raise RunError(f"{path}: damaged or cut short ({error}): {again}.") from None
        difference = other_weights(network.state_dict(), weights)
        if difference:
            raise RunError(f"{path}: not the weights of the network in {CONFIG} ({difference}): {again}.")
        network.load_state_dict(weights)
        return network.eval()

    def predictor(
        self, *, conjoin: bool | None = None, chosen_by: str | None = None, device: str | None = None
    ) -> Predictor:
        """Return the trained network ready to predict.

        Args:
            conjoin: average both strands, those of each member of an ensemble; as the strategy says if None.
            chosen_by: the measure that chose the epoch of its weights; `training.monitor` if None.
            device: where to run; a GPU if there is one, else the CPU, if None.
        """
        network = self.network if chosen_by is None else self.chosen_by(chosen_by)
        rule = self.experiment.strand.rules.conjoin_in_prediction
        if self.members:
            network, rule, conjoin = network if conjoin is None else together(self, conjoin), False, None
        return Predictor(
            network,
            conjoin=rule if conjoin is None else conjoin,
            device=device or ("cuda" if torch.cuda.is_available() else "cpu"),
            merge=self.experiment.strand.answers,
        )

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
        beside = [name for name in predictor.network.input_types if name != SEQUENCE]
        if beside:
            raise InputError(f"{self.path}: the model reads {beside[0]} beside the DNA: use `predict` with --bed.")
        codes = [encode(letters, what=f"sequence {number}") for number, letters in enumerate(given)]
        parts = (np.stack(codes[start : start + 512]) for start in range(0, len(codes), 512))
        batches = ({SEQUENCE: torch.from_numpy(part)} for part in parts)
        values = [*predictor.predict(batches)]
        tracks = list(predictor.head.tracks)
        return pd.DataFrame(np.concatenate(values) if values else np.empty((0, len(tracks))), columns=tracks)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"


def new_network(experiment: Experiment, tracks: Sequence[str], bias: Run | None = None) -> SequenceModel | WithBias:
    """Return an untrained network as a config describes it, with the frozen network of `[bias]` beside it.

    Args:
        experiment: the config.
        tracks: names of the labelled tracks, where labels are predicted.
        bias: the run of `[bias]`; opened where the config names it if not given.

    Raises:
        StrandwiseError: sizes or groups that do not fit, or a bias run that does not.
    """
    if experiment.ensemble is not None:
        raise ConfigError(TRAINED)
    network = build_network(experiment, tracks)
    if experiment.bias is None:
        return network
    if answer_of(experiment) != "profile":
        raise ConfigError(f"[bias] is added to profiles, and model '{experiment.model.name}' predicts none: remove it.")
    bias = bias or Run.open(experiment.bias.run)
    if bias.experiment.bias is not None or bias.members:
        what = "that is an ensemble" if bias.members else "with a bias run of its own"
        raise RunError(f"{bias.path}: a bias run {what}: give a single network that reads DNA alone.")
    heads, others = ({head.name: head.tracks for head in each} for each in (network.heads, bias.network.heads))
    if heads != others:
        raise ConfigError(
            f"[bias] run {bias.path} predicts {_tracks(others)}, and [[targets]] are {_tracks(heads)}: give both the "
            "same targets, in the same order."
        )
    if (here := output_bp(experiment)) != (there := output_bp(bias.experiment)):
        raise ConfigError(
            f"[bias] run {bias.path} predicts {there} bp of a window and model '{experiment.model.name}' {here}: make "
            "both predict the same, by input_bp or the sizes of the model."
        )
    try:
        return WithBias(network, bias.asked())
    except StrandLawError as error:
        raise ConfigError(f"[bias] run {bias.path}: {error}") from None


def _tracks(heads: Mapping[str, tuple[str, ...]]) -> str:
    return ", ".join(dict.fromkeys(track for tracks in heads.values() for track in tracks))
