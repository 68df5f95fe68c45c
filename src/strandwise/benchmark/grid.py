"""The grid file: which data, models and strategies are crossed, with which seeds, and what is claimed of them."""

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Self

import tomli_w
from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, field_validator, model_validator

from strandwise.errors import ConfigError, StrandwiseError, did_you_mean
from strandwise.experiment import Experiment
from strandwise.files import existing_file, sha256
from strandwise.models import StrandSettings
from strandwise.schema import Settings, explain
from strandwise.scores.metrics import classification_metrics
from strandwise.scores.significance import Alternative
from strandwise.training import Measure

# What a result does not depend on, or is told apart by elsewhere.
_CHOOSING = ("training.monitor", "training.also_monitor")
_ELSEWHERE = {"training": {"seed", "workers", "accelerator", "devices", "tensorboard"}}

EVERY_STRATEGY = ("standard", "augmented", "conjoined", "posthoc", "rcps", "hybrid")


class Level(Settings):
    """One entry of an axis: a name, and what it changes in the config."""

    name: str = Field(min_length=1, description="in tables and folders")
    set: dict[str, Any] = Field(default_factory=dict, description="changes of the config, as 'section.key' = value")

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        if not name.isprintable():
            raise ValueError(f"{name!r} holds what cannot be printed: rename it")
        return name


class DataLevel(Level):
    """One entry of `[[data]]`: changes, or a config of its own."""

    config: Path | None = Field(default=None, description="config to start from, instead of that of the grid")


class ModelLevel(Level):
    """One entry of `[[models]]`."""

    strategies: tuple[str, ...] | None = Field(default=None, min_length=1, description="cross it with these only")


class Comparison(Settings):
    """One entry of `[[comparisons]]`: a claim that is tested in every data set, by every metric."""

    better: str = Field(description="an arm: a strategy, or 'STRATEGY, MODEL' where there are several models")
    than: tuple[str, ...] = Field(min_length=1, description="the arms it is tested against, each alone")


class Published(Settings):
    """One entry of `[[published]]`: numbers of a paper, to stand beside those of an arm."""

    arm: str = Field(description="a strategy, or 'STRATEGY, MODEL'")
    data: str | None = Field(default=None, description="name of the data; not needed where there is one")
    values: dict[str, float] = Field(description="metric = value")


class Pair(NamedTuple):
    """Two arms to test against each other: whether the first is better, or whether they differ at all."""

    better: str
    than: str
    alternative: Alternative


SIGNAL_METRICS = ("jsd", "nll", "pearson", "spearman", "mse")
"""What is measured of profiles and totals, where a config predicts them."""


class Grid(Settings):
    """A benchmark: every data x model x strategy, with every seed."""

    title: str = Field(default="Benchmark", description="headline of the tables")
    config: Path | None = Field(default=None, description="the config to start from, relative to the grid file")
    set: dict[str, Any] = Field(default_factory=dict, description="changes for every cell")
    seeds: PositiveInt | tuple[NonNegativeInt, ...] = Field(default=3, description="how many (from 0), or which")
    metrics: tuple[str, ...] = Field(default=("auroc", "aupr"), min_length=1, description="to tabulate and test")
    choose_by: tuple[Measure, ...] = Field(default=(), description="judge the best epoch by each of these")
    data: tuple[DataLevel, ...] = Field(default=(), description="one entry a data set")
    models: tuple[ModelLevel, ...] = Field(default=(), description="one entry a model")
    strategies: tuple[Level, ...] = Field(default=(), description="one entry a strategy; all six by default")
    comparisons: tuple[Comparison, ...] = Field(default=(), description="claims to test; all pairs by default")
    published: tuple[Published, ...] = Field(default=(), description="numbers of papers")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for axis in ("data", "models", "strategies"):
            names = [level.name for level in getattr(self, axis)]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"[[{axis}]] names '{twice[0]}' twice: give each its own name")
        known = [level.name for level in self.strategies] or list(EVERY_STRATEGY)
        for model in self.models:
            for name in model.strategies or ():
                if name not in known:
                    raise ValueError(
                        f"[[models]] '{model.name}' is crossed with strategy '{name}', which is not one of "
                        f"{', '.join(known)}{did_you_mean(name, known)}"
                    )
        if isinstance(self.seeds, tuple) and (not self.seeds or len(set(self.seeds)) < len(self.seeds)):
            raise ValueError(f"seeds {list(self.seeds)}: name at least one, and each once")
        for level in (self, *self.data, *self.models, *self.strategies):
            taken = {"training.seed": "seeds"} | (dict.fromkeys(_CHOOSING, "choose_by") if self.choose_by else {})
            for key in set(_flat(level.set)) & set(taken):
                raise ValueError(f"set changes {key}, which {taken[key]} of the grid decides: remove it")
        return self

    @classmethod
    def load(cls, path: str | Path) -> "Grid":
        """Read a grid; paths in it are relative to its folder.

        Raises:
            ConfigError: not TOML, a key it does not know, an arm that is not in the grid.
            InputError: no such file.
        """
        path = existing_file(path, "a grid")
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
            grid = cls.model_validate(table)
        except ValidationError as error:
            raise ConfigError(f"{path}: {explain(error, cls)}.") from None
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path}: not valid TOML: {error}.") from None
        grid = grid.model_copy(
            update={
                "config": grid.config and path.parent / grid.config,
                "data": tuple(
                    level.model_copy(update={"config": level.config and path.parent / level.config})
                    for level in grid.data
                ),
            }
        )
        try:
            grid.check_names()
        except StrandwiseError as error:
            raise ConfigError(f"{path}: {error}") from None
        return grid

    @cached_property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    @cached_property
    def levels(self) -> tuple[tuple[DataLevel, ...], tuple[ModelLevel, ...], tuple[Level, ...]]:
        """The axes, with what stands for one that is not given."""
        strategies = self.strategies or tuple(
            Level(name=name, set={"strand.strategy": name}) for name in EVERY_STRATEGY
        )
        return self.data or (DataLevel(name="data"),), self.models or (ModelLevel(name="model"),), strategies

    def arms(self) -> list[tuple[str, str]]:
        """Return the model and the strategy of each arm, in the order of the tables."""
        _, models, strategies = self.levels
        return [
            (model.name, strategy.name)
            for model in models
            for strategy in strategies
            if model.strategies is None or strategy.name in model.strategies
        ]

    def label(self, model: str, strategy: str) -> str:
        """Return how an arm is called: by its strategy, and by its model where there are several."""
        return strategy if len(self.levels[1]) == 1 else f"{strategy}, {model}"

    def claims(self) -> list[Pair]:
        """Return the pairs of arms to test: claims that are made, or else all pairs, of which nothing is claimed."""
        if self.comparisons:
            return [Pair(claim.better, other, "greater") for claim in self.comparisons for other in claim.than]
        labels = [self.label(*arm) for arm in self.arms()]
        return [Pair(a, b, "two-sided") for number, a in enumerate(labels) for b in labels[number + 1 :]]

    def published_on(self, data: str) -> dict[str, dict[str, float]]:
        """Return the published numbers on a data set: of each arm, by metric."""
        found: dict[str, dict[str, float]] = {}
        for number in self.published:
            if number.data in (None, data):
                found.setdefault(number.arm, {}).update(number.values)
        return found

    def check_names(self) -> None:
        """Refuse claims and published numbers on arms, data and metrics that are not in the grid.

        Raises:
            ConfigError: naming what is not there and what there is.
        """
        arms = [self.label(*arm) for arm in self.arms()]
        twice = sorted({label for label in arms if arms.count(label) > 1})
        if twice:
            raise ConfigError(f"two arms are called '{twice[0]}': rename a model or a strategy.")
        data = [level.name for level in self.levels[0]]
        for claim in self.comparisons:
            for name in (claim.better, *claim.than):
                _check_name("comparisons: arm", name, arms)
        for metric in self.metrics:
            _check_name("metrics: metric", metric, [*classification_metrics([0, 1], [0.0, 1.0]), *SIGNAL_METRICS])
        for number in self.published:
            _check_name("published: arm", number.arm, arms)
            for metric in number.values:
                _check_name("published: metric", metric, list(self.metrics))
            if number.data is not None:
                _check_name("published: data", number.data, data)
            elif len(data) > 1:
                raise ConfigError(f"published: numbers of '{number.arm}' name no data: give one of {'; '.join(data)}.")

    def cells(self) -> Iterator["Cell"]:
        """Yield every cell of the grid, its config checked; seeds vary slowest, so that early results compare.

        Raises:
            ConfigError: a change that the config does not take, naming the cell.
            InputError: a config that is not there.
        """
        data, models, strategies = self.levels
        arms = self.arms()
        for seed in self.seed_list:
            for here in data:
                for model in models:
                    for strategy in strategies:
                        if (model.name, strategy.name) in arms:
                            yield Cell(
                                here.name,
                                model.name,
                                strategy.name,
                                seed,
                                self._experiment(here, model, strategy, seed),
                            )

    def _experiment(self, data: DataLevel, model: Level, strategy: Level, seed: int) -> Experiment:
        path = data.config or self.config
        if path is None:
            raise ConfigError(f"data '{data.name}' has no config: name one in it, or at the top of the grid.")
        changes: dict[str, Any] = {}
        for level in (self.set, data.set, model.set, strategy.set):
            changes |= _flat(level)
        changes["training.seed"] = seed
        if self.choose_by:
            changes |= {"training.monitor": self.choose_by[0], "training.also_monitor": list(self.choose_by[1:])}
        try:
            return Experiment.load(path, [f"{key}={_toml(value)}" for key, value in changes.items()])
        except ConfigError as error:
            raise ConfigError(f"cell {data.name} / {model.name} / {strategy.name}: {error}") from None


@dataclass(frozen=True)
class Cell:
    """One model, trained on one data set by one strategy from one seed."""

    data: str
    model: str
    strategy: str
    seed: int
    experiment: Experiment

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What tells cells apart."""
        return self.data, self.model, self.strategy, self.seed

    @cached_property
    def fingerprint(self) -> str:
        """A digest of all that decides its result, but the seed: the config, and the content of its files.

        Defaults are left out, so that a key which strandwise learns later does not part old results from new.
        """
        table = self.experiment.model_dump(mode="json", exclude={"title": True, **_ELSEWHERE}, exclude_defaults=True)
        return _digest(_without_folders(table, self.experiment))

    @cached_property
    def training(self) -> str:
        """A digest of all that decides its weights: cells that differ in prediction alone share it."""
        experiment = self.experiment.model_copy(update={"strand": trained_as(self.experiment.strand)})
        table = experiment.model_dump(mode="json", exclude={"title": True})
        return _digest(_without_folders(table, experiment))


def trained_as(strand: StrandSettings) -> StrandSettings:
    """Return the settings under which the same weights are trained and that say nothing of prediction."""
    rules = strand.rules
    if rules.tied or rules.conjoin_in_training:
        return strand
    if strand.training_augmentation is None:
        return StrandSettings(strategy="standard")
    return StrandSettings(strategy="augmented", augmentation=strand.augmentation)


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as 'section.key' = value."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _toml(value: Any) -> str:
    """Return a value as TOML writes it on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml(str(key))} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    try:
        return tomli_w.dumps({"value": value}).partition("=")[2].strip()
    except TypeError:
        return _toml(str(value))


def _check_name(what: str, name: str, known: list[str]) -> None:
    if name not in known:
        raise ConfigError(f"{what} '{name}' is not one of {'; '.join(known)}{did_you_mean(name, known)}.")


def _without_folders(table: dict[str, Any], experiment: Experiment) -> str:
    text = json.dumps(table, sort_keys=True)
    for path in experiment.files():
        text = text.replace(json.dumps(str(path)), json.dumps(_content(path, path.stat().st_mtime_ns)))
    return text


@lru_cache(maxsize=256)
def _content(path: Path, changed: int) -> str:
    return sha256(path)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
