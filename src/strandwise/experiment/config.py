"""The config of an experiment: one TOML file, assembled from the schemas of the parts."""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import Field, ValidationError, model_validator

from strandwise.data.dream import BinSettings
from strandwise.data.peaks import GenomeSettings, NegativeSettings, TargetSettings
from strandwise.data.sequences import SequenceSettings
from strandwise.data.signals.settings import ControlSettings, InputSettings, SignalSettings
from strandwise.data.splits import SplitSettings
from strandwise.data.windows import WindowSettings
from strandwise.errors import ConfigError, StrandwiseError
from strandwise.files import existing_file
from strandwise.models import ModelSettings, StrandSettings
from strandwise.schema import Settings, explain
from strandwise.training import TrainingSettings

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(:-(?P<default>[^}]*))?\}")


class BiasSettings(Settings):
    """The `[bias]` table of a config."""

    run: Path = Field(description="run folder of a model with the same targets; frozen, its prediction is added")


class Experiment(Settings):
    """Everything that decides a trained model: data, windows, splits, network, strands, training."""

    title: str = Field(default="", description="what the experiment is about, for its report")
    genome: GenomeSettings | None = Field(default=None, description="the genome, for targets with peaks")
    targets: tuple[TargetSettings, ...] = Field(default=(), description="the assays to predict: peaks, or signal too")
    inputs: tuple[InputSettings, ...] = Field(default=(), description="signal that is read beside the DNA")
    controls: tuple[ControlSettings, ...] = Field(default=(), description="control experiments, for profiles")
    bias: BiasSettings | None = Field(default=None, description="a frozen run that knows the assay's bias")
    signals: SignalSettings = Field(default_factory=SignalSettings)
    sequences: tuple[SequenceSettings, ...] = Field(default=(), description="sets of sequences, instead of a genome")
    windows: WindowSettings = Field(default_factory=WindowSettings)
    bins: BinSettings | None = Field(default=None, description="labels by bins, as in the ENCODE-DREAM challenge")
    negatives: NegativeSettings = Field(default_factory=NegativeSettings)
    split: SplitSettings = Field(default_factory=SplitSettings)
    model: ModelSettings = Field(default_factory=ModelSettings)
    strand: StrandSettings = Field(default_factory=StrandSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)

    @model_validator(mode="before")
    @classmethod
    def _chosen_by_loss(cls, table: Any) -> Any:
        """Where profiles are predicted there is no AUROC to choose an epoch by."""
        targets, training = (table.get(key) for key in ("targets", "training")) if isinstance(table, dict) else (0, 0)
        signal = isinstance(targets, list | tuple) and any(
            isinstance(each, dict) and ("signal" in each or "plus" in each) for each in targets
        )
        if not signal or not isinstance(training, dict | None) or "monitor" in (training or {}):
            return table
        return {**table, "training": {**(training or {}), "monitor": "valid_loss"}}

    @model_validator(mode="after")
    def _profiles(self) -> "Experiment":
        without = [target.name for target in self.targets if not target.given]
        if self.predicts_signal and without:
            raise ValueError(
                f"target '{without[0]}' has peaks and no signal, and others have signal: give it signal, or plus and "
                "minus, or predict it by a config of its own"
            )
        beside = {"[[inputs]]": self.inputs, "[[controls]]": self.controls, "[bias]": self.bias}
        for name, given in beside.items():
            if given and self.sequences:
                raise ValueError(f"{name} needs [genome]: [[sequences]] have no place where signal could be read")
            if given and name != "[[inputs]]" and not self.predicts_signal:
                raise ValueError(f"{name} is for targets with signal: give signal, or plus and minus, in [[targets]]")
        relaxed = [target.name for target in self.targets if target.relaxed is not None]
        if relaxed and self.bins is None:
            raise ValueError(
                f"target '{relaxed[0]}' has relaxed peaks, which are for [bins]: add [bins], or remove them"
            )
        if self.bins is not None and (self.sequences or self.predicts_signal):
            raise ValueError("[bins] labels windows of a genome by peaks: it has no part here, remove it")
        if self.bins is not None and self.bins.bin_bp > self.windows.input_bp:
            raise ValueError(
                f"bins.bin_bp = {self.bins.bin_bp} is longer than windows.input_bp = {self.windows.input_bp}: make "
                "the windows longer"
            )
        if self.bins is not None and self.negatives.distance_bp is not None:
            raise ValueError("with [bins], bins.distance_bp keeps negatives away: remove negatives.distance_bp")
        if not self.predicts_signal and (self.windows.output_bp is not None or self.windows.bin_bp != 1):
            raise ValueError("windows.output_bp and windows.bin_bp are for targets with signal: remove them")
        for kind, tables in (("targets", self.targets), ("inputs", self.inputs), ("controls", self.controls)):
            names = [table.name for table in tables]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"two {kind} are named '{twice[0]}': give each its own name")
        return self

    @property
    def predicts_signal(self) -> bool:
        """Whether profiles along the genome are predicted, and not labels of whole windows."""
        return any(target.given for target in self.targets)

    @model_validator(mode="after")
    def _one_source(self) -> "Experiment":
        if self.sequences and (self.genome or self.targets):
            raise ValueError("give [genome] and [[targets]], or [[sequences]], not both")
        if not self.sequences and self.genome is None:
            raise ValueError("[genome] is missing: name a FASTA there, or give [[sequences]]")
        if not self.sequences and not self.targets:
            raise ValueError("[[targets]] is missing: give at least one name with its peaks")
        if self.sequences and self.split.folds is not None:
            raise ValueError("split.folds groups the chromosomes of [genome]: give valid_fraction and test_fraction")
        if self.genome and (self.split.valid_fraction or self.split.test_fraction):
            raise ValueError(
                "split.valid_fraction and split.test_fraction are for [[sequences]]: name chromosomes or regions of "
                "the genome in split.valid and split.test"
            )
        if self.sequences and self.negatives != NegativeSettings():
            raise ValueError("[negatives] is for [genome]: give negatives or shuffled in [[sequences]] instead")
        if self.training.seed >= 2**63:
            raise ValueError(f"training.seed {self.training.seed} is too large: choose one below 2**63")
        return self

    @classmethod
    def load(cls, path: str | Path, changes: Sequence[str] = ()) -> "Experiment":
        """Read a config; paths in it are relative to its folder, and `${NAME:-default}` is the environment's.

        Args:
            path: the TOML file.
            changes: as ``training.epochs=5``, applied before the config is checked.

        Raises:
            ConfigError: not TOML, a key it does not know, a value it cannot take.
            InputError: no such file.
        """
        path = existing_file(path, "a config")
        table = _read(path)
        for change in changes:
            _apply(table, change)
        return cls.from_table(_expanded(table, str(path)), folder=path.parent, where=str(path))

    @classmethod
    def load_resolved(cls, path: str | Path) -> "Experiment":
        """Read a config that `to_toml` wrote, taking nothing from the environment.

        Raises:
            ConfigError: as `load`.
            InputError: no such file.
        """
        path = existing_file(path, "a config")
        return cls.from_table(_read(path), folder=path.parent, where=str(path))

    @classmethod
    def from_table(cls, table: Mapping[str, Any], *, folder: Path, where: str = "config") -> "Experiment":
        """Check a table of settings; paths in it are relative to `folder`.

        Raises:
            ConfigError: naming `where`, the key, the value and the fix.
        """
        try:
            experiment = cls.model_validate(table)
        except ValidationError as error:
            raise ConfigError(f"{where}: {explain(error, cls)}.") from None
        try:
            experiment.model.architecture()
            return cls.model_validate(_with_paths(experiment.model_dump(exclude_none=True), folder))
        except StrandwiseError as error:
            raise ConfigError(f"{where}: {error}.") from None

    def changed(self, *changes: str) -> "Experiment":
        """Return a copy with changes such as ``strand.strategy=rcps``.

        Raises:
            ConfigError: as `load`.
        """
        table = self.model_dump(exclude_none=True, mode="json")
        for change in changes:
            _apply(table, change)
        return type(self).from_table(table, folder=Path.cwd(), where="changed config")

    def to_toml(self) -> str:
        """Return the whole config, defaults included, as TOML."""
        table = self.model_dump(exclude_none=True, mode="json")
        return tomli_w.dumps({key: value for key, value in table.items() if value not in ({}, [], "")})

    def files(self) -> list[Path]:
        """Return every input file the config names."""
        files = [self.genome.fasta] if self.genome else []
        if self.genome and self.genome.blacklist:
            files.append(self.genome.blacklist)
        for table in (*self.targets, *self.inputs, *self.controls):
            files += table.files()
        return files + [path for table in self.sequences for path in table.files()]


def _read(path: Path) -> dict[str, Any]:
    try:
        # Editors on Windows begin a file with a byte order mark.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except RecursionError:
        raise ConfigError(f"{path}: not a config: its tables or lists are nested too deeply.") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}.") from None


def _apply(table: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {change}: write it as section.key=value, for example training.epochs=5.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        value = text.strip()
    *sections, last = key.strip().split(".")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {change}: '{section}' is not a table with keys of its own.")
    table[last] = value


def _expanded(value: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _expanded(inner, where) for key, inner in value.items()}
    if isinstance(value, list):
        return [_expanded(inner, where) for inner in value]
    if not isinstance(value, str):
        return value

    def lookup(found: re.Match[str]) -> str:
        name, default = found["name"], found["default"]
        if name not in os.environ and default is None:
            raise ConfigError(f"{where}: ${{{name}}} is not set: export {name}, or write ${{{name}:-default}}.")
        # As in a shell, the default also stands for an empty value.
        return os.environ.get(name) or default or ""

    return _VARIABLE.sub(lookup, value)


def _with_paths(value: Any, folder: Path) -> Any:
    if isinstance(value, dict):
        return {key: _with_paths(inner, folder) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_with_paths(inner, folder) for inner in value]
    if not isinstance(value, Path):
        return value
    try:
        return (folder / value.expanduser()).resolve()
    except (RuntimeError, ValueError, OSError) as error:
        raise ConfigError(f"{str(value)!r} is not a path that can be followed ({error}): correct it") from None
