"""The config of an experiment: one TOML file, assembled from the schemas of the parts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import Field, ValidationError, model_validator

from strandwise.data.chunked import ChunkSettings, margin_of
from strandwise.data.dream import BinSettings
from strandwise.data.evolution import AugmentationSettings, check_augmentation
from strandwise.data.factornet_folder import expand_factornet
from strandwise.data.metadata import MetadataSettings, column_names
from strandwise.data.negatives import NegativeSettings
from strandwise.data.peaks import GenomeSettings, TargetSettings
from strandwise.data.sequences import SequenceSettings
from strandwise.data.signals.settings import ControlSettings, InputSettings, SignalSettings
from strandwise.data.splits import SplitSettings
from strandwise.data.tiles import TileSettings
from strandwise.data.windows import WindowSettings
from strandwise.errors import ConfigError, InputError, StrandwiseError, did_you_mean, listing
from strandwise.experiment.cells import cells_of, check_cells, of_any_cell, of_cell
from strandwise.experiment.config_file import expanded, read_toml, set_key, with_paths
from strandwise.experiment.imported import ImportedSettings
from strandwise.files import existing_file
from strandwise.models import EnsembleSettings, ModelSettings, StrandSettings
from strandwise.schema import Settings, explain
from strandwise.training import TrainingSettings


class BiasSettings(Settings):
    """The `[bias]` table of a config."""

    run: Path = Field(description="run folder of a model with the same targets; frozen, its prediction is added")


class Experiment(Settings):
    """Everything that decides a trained model: data, windows, splits, network, strands, training."""

    title: str = Field(default="", description="what the experiment is about, for its report")
    genome: GenomeSettings | None = Field(default=None, description="the genome, for targets with peaks")
    targets: tuple[TargetSettings, ...] = Field(default=(), description="the assays to predict: peaks, or signal too")
    inputs: tuple[InputSettings, ...] = Field(default=(), description="signal that is read beside the DNA")
    factornet: tuple[Path, ...] = Field(
        default=(),
        description="folders of FactorNet, one a cell, whose chip.txt and bigwig.txt stand for [[targets]] and "
        "[[inputs]]",
    )
    metadata: MetadataSettings | None = Field(default=None, description="what is known of a window as a whole")
    controls: tuple[ControlSettings, ...] = Field(default=(), description="control experiments, for profiles")
    bias: BiasSettings | None = Field(default=None, description="a frozen run that knows the assay's bias")
    signals: SignalSettings = Field(default_factory=SignalSettings)
    sequences: tuple[SequenceSettings, ...] = Field(default=(), description="sets of sequences, instead of a genome")
    imported: ImportedSettings | None = Field(default=None, description="a network that was trained elsewhere")
    ensemble: EnsembleSettings | None = Field(default=None, description="runs that are asked as one")
    windows: WindowSettings = Field(default_factory=WindowSettings)
    bins: BinSettings | None = Field(default=None, description="labels by bins, as in the ENCODE-DREAM challenge")
    tiles: TileSettings | None = Field(default=None, description="windows side by side along the genome")
    chunks: ChunkSettings | None = Field(default=None, description="pieces of the genome with signal in them")
    negatives: NegativeSettings = Field(default_factory=NegativeSettings)
    split: SplitSettings = Field(default_factory=SplitSettings)
    model: ModelSettings = Field(default_factory=ModelSettings)
    strand: StrandSettings = Field(default_factory=StrandSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    augmentation: AugmentationSettings | None = Field(default=None, description="changes made to training windows")

    @model_validator(mode="before")
    @classmethod
    def _chosen_by_loss(cls, table: Any) -> Any:
        """Where signal or the labels of bins are predicted there is no AUROC to choose an epoch by."""
        if not isinstance(table, Mapping):
            return table
        targets, training = table.get("targets"), table.get("training", {})
        given = [each for each in targets if isinstance(each, Mapping)] if isinstance(targets, list | tuple) else []
        signal = any({"signal", "plus"} & each.keys() for each in given)
        tiles = table.get("tiles")
        dense = isinstance(tiles, Mapping) and tiles.get("labels") == "dense"
        if not (signal or dense) or not isinstance(training, Mapping) or "monitor" in training:
            return table
        return {**table, "training": {**training, "monitor": "valid_loss"}}

    @model_validator(mode="after")
    def _cells(self) -> "Experiment":
        if self.factornet:
            raise ValueError("factornet is read when a config is loaded: use Experiment.load or from_table")
        check_cells(self.targets, {"[[inputs]]": self.inputs, "[[controls]]": self.controls}, self.split)
        if self.metadata is None:
            return self
        if self.sequences:
            raise ValueError("[metadata] needs [genome]: [[sequences]] have no cell and no place")
        if self.metadata.from_folders:
            raise ValueError("metadata.from_folders is for the folders of factornet: give table instead")
        if self.metadata.of_cells and not self.cells:
            raise ValueError("[metadata] describes cells, and [[targets]] name none: give each its cell")
        return self

    @property
    def cells(self) -> tuple[str, ...]:
        """The cell types that the tables name, if they name any."""
        return cells_of(self.targets, self.inputs, self.controls)

    @property
    def training_cells(self) -> tuple[str, ...]:
        """The cell types that have targets and are not held out."""
        held = {*self.split.valid_cells, *self.split.test_cells}
        return tuple(cell for cell in cells_of(self.targets) if cell not in held)

    def of_cell(self, cell: str) -> "Experiment":
        """Return the part of one cell type, which may have no targets: the tables that name it.

        Raises:
            InputError: no table names it.
        """
        if cell not in self.cells:
            hint = did_you_mean(cell, self.cells) or f" (there are {listing(self.cells)})"
            raise InputError(f"cell '{cell}' is not in the config{hint if self.cells else ', which names no cells'}.")
        kinds = {"targets": self.targets, "inputs": self.inputs, "controls": self.controls}
        return self.model_copy(update={kind: of_cell(tables, cell) for kind, tables in kinds.items()})

    @property
    def of_any_cell(self) -> "Experiment":
        """The same as though all had been measured in one cell type: each target, input and control once."""
        kinds = {"targets": self.targets, "inputs": self.inputs, "controls": self.controls}
        return self.model_copy(update={kind: of_any_cell(tables) for kind, tables in kinds.items()})

    @model_validator(mode="after")
    def _signal(self) -> "Experiment":
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
        along = self.predicts_signal or self.predicts_dense
        if not along and (self.windows.output_bp is not None or self.windows.bin_bp != 1):
            raise ValueError(
                "windows.output_bp and windows.bin_bp are for targets with signal, and for dense labels of [tiles]: "
                "remove them"
            )
        return self

    @model_validator(mode="after")
    def _bins(self) -> "Experiment":
        relaxed = [target.name for target in self.targets if target.relaxed is not None]
        if relaxed and self.bins is None:
            raise ValueError(
                f"target '{relaxed[0]}' has relaxed peaks, which are for [bins]: add [bins], or remove them"
            )
        if self.bins is None:
            return self
        if self.sequences or self.predicts_signal:
            raise ValueError("[bins] labels windows of a genome by peaks: it has no part here, remove it")
        if self.bins.bin_bp > self.windows.input_bp:
            raise ValueError(
                f"bins.bin_bp = {self.bins.bin_bp} is longer than windows.input_bp = {self.windows.input_bp}: make "
                "the windows longer"
            )
        if self.negatives.distance_bp is not None:
            raise ValueError("with [bins], bins.distance_bp keeps negatives away: remove negatives.distance_bp")
        if self.negatives.kind != "random":
            raise ValueError(f"[bins] draws negatives at random: remove negatives.kind = '{self.negatives.kind}'")
        return self

    @model_validator(mode="after")
    def _recipe(self) -> "Experiment":
        """Windows are found by one recipe, and what belongs to another has no part in it."""
        tables = {"[bins]": self.bins, "[tiles]": self.tiles, "[chunks]": self.chunks}
        given = [name for name, table in tables.items() if table is not None]
        if len(given) > 1:
            raise ValueError(f"{given[0]} and {given[1]} each say where windows lie: keep one of them")
        recipe = next(iter(given), "[[sequences]]" if self.sequences else "")
        along = self.tiles is not None or self.chunks is not None
        if along and self.sequences:
            raise ValueError(f"{recipe} lays windows along a genome, and [[sequences]] have none: remove it")
        if along and self.negatives != NegativeSettings():
            raise ValueError(f"[negatives] stand against windows around peaks, and {recipe} has none: remove it")
        if recipe and self.windows.merge_overlap_bp is not None:
            raise ValueError(f"windows.merge_overlap_bp merges windows around peaks, and {recipe} has none: remove it")
        if self.negatives.kind == "shuffled" and (self.predicts_signal or self.inputs):
            raise ValueError(
                "negatives.kind = 'shuffled' makes DNA that is nowhere in the genome, and signal is read along it: use "
                "'dinucleotide' instead"
            )
        if self.genome and self.genome.unmappable and not along:
            raise ValueError("genome.unmappable is for [tiles] and [chunks]: remove it, or name it as the blacklist")
        without = [target.name for target in self.targets if target.peaks is None]
        if without and self.chunks is None:
            raise ValueError(
                f"target '{without[0]}' has no peaks: name a BED or narrowPeak of them, or add [chunks] to find "
                "windows by its signal"
            )
        return self

    @model_validator(mode="after")
    def _tiles(self) -> "Experiment":
        tiles = self.tiles
        if tiles is None:
            return self
        if self.predicts_signal:
            raise ValueError("[tiles] labels windows by peaks, and targets have signal: use [chunks], or remove one")
        if tiles.least_bp is not None and tiles.least_bp > self.windows.label_bp:
            raise ValueError(
                f"tiles.least_bp = {tiles.least_bp} is more than windows.label_bp = {self.windows.label_bp}: make it "
                "smaller"
            )
        spare = self.windows.input_bp - self.windows.label_bp
        if not tiles.dense and spare % 2:
            raise ValueError(
                f"windows.label_bp = {self.windows.label_bp} has no middle place in windows.input_bp = "
                f"{self.windows.input_bp}, so labels would move when a window is turned: make label_bp "
                f"{self.windows.label_bp - 1} or {self.windows.label_bp + 1}"
            )
        if not tiles.dense and tiles.only_peaks and len({target.name for target in self.targets}) == 1:
            raise ValueError(
                "with one target, [tiles] would keep windows that it binds and nothing else: set tiles.keep = 'all'"
            )
        return self

    @model_validator(mode="after")
    def _chunks(self) -> "Experiment":
        if self.chunks is None:
            return self
        if not self.predicts_signal:
            raise ValueError("[chunks] finds windows by signal: give signal, or plus and minus, in [[targets]]")
        try:
            margin_of(self.windows, self.chunks)
            self.chunks.check_replicates([each.name for each in self.targets if each.of_replicate() is None])
        except InputError as error:
            raise ValueError(str(error).rstrip(".")) from None
        return self

    @model_validator(mode="after")
    def _changes(self) -> "Experiment":
        if self.augmentation is not None:
            check_augmentation(self.augmentation, self.windows.input_bp, self._along)
        return self

    @property
    def _along(self) -> str | None:
        """What is read or predicted along windows, if anything."""
        if self.inputs or self.controls:
            return "the signal of [[inputs]]" if self.inputs else "the signal of [[controls]]"
        whole = self.windows.bin_bp == (self.windows.output_bp or self.windows.input_bp)
        if self.predicts_dense or (self.predicts_signal and not whole):
            return "what is predicted along it"
        return None

    @property
    def predicts_dense(self) -> bool:
        """Whether labels are predicted for each bin of a window."""
        return self.tiles is not None and self.tiles.dense

    @property
    def predicts_signal(self) -> bool:
        """Whether profiles along the genome are predicted, and not labels of whole windows."""
        profiles = self.imported is not None and self.imported.answer == "profile"
        return profiles or any(target.given for target in self.targets)

    @model_validator(mode="after")
    def _one_source(self) -> "Experiment":
        if self.sequences and (self.genome or self.targets):
            raise ValueError("give [genome] and [[targets]], or [[sequences]], not both")
        if self.imported is not None:
            self.imported.check(self.inputs, self.of_any_cell.targets)
            if not self.targets and not self.sequences:
                return self
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
        table = read_toml(path)
        for change in changes:
            set_key(table, change)
        return cls.from_table(expanded(table, str(path)), folder=path.parent, where=str(path))

    @classmethod
    def load_resolved(cls, path: str | Path) -> "Experiment":
        """Read a config that `to_toml` wrote, taking nothing from the environment.

        Raises:
            ConfigError: as `load`.
            InputError: no such file.
        """
        path = existing_file(path, "a config")
        return cls.from_table(read_toml(path), folder=path.parent, where=str(path))

    @classmethod
    def from_table(cls, table: Mapping[str, Any], *, folder: Path, where: str = "config") -> "Experiment":
        """Check a table of settings; paths in it are relative to `folder`.

        Raises:
            ConfigError: naming `where`, the key, the value and the fix.
        """
        try:
            experiment = cls.model_validate(expand_factornet(table, folder))
        except ValidationError as error:
            raise ConfigError(f"{where}: {explain(error, cls)}.") from None
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}.") from None
        try:
            experiment.model.architecture()
            return cls.model_validate(_with_columns(with_paths(experiment.model_dump(exclude_none=True), folder)))
        except StrandwiseError as error:
            raise ConfigError(f"{where}: {error}.") from None

    def changed(self, *changes: str) -> "Experiment":
        """Return a copy with changes such as ``strand.strategy=rcps``.

        Raises:
            ConfigError: as `load`.
        """
        table = self.model_dump(exclude_none=True, mode="json")
        for change in changes:
            set_key(table, change)
        return type(self).from_table(table, folder=Path.cwd(), where="changed config")

    def to_toml(self) -> str:
        """Return the whole config, defaults included, as TOML."""
        table = self.model_dump(exclude_none=True, mode="json")
        return tomli_w.dumps({key: value for key, value in table.items() if value not in ({}, [], "")})

    def files(self) -> list[Path]:
        """Return every input file the config names."""
        files = self.genome.files() if self.genome else []
        for table in (*self.targets, *self.inputs, *self.controls):
            files += table.files()
        files += self.metadata.files() if self.metadata is not None else []
        motifs = self.model.motifs
        files += [motifs.file] if motifs is not None and motifs.file is not None else []
        return files + [path for table in self.sequences for path in table.files()]


def _with_columns(table: dict[str, Any]) -> dict[str, Any]:
    """Name the columns of a table of cells, so that a trained model knows them without the file."""
    metadata = table.get("metadata", {})
    path = metadata.get("table")
    if path is None or metadata.get("columns") or "pca" in metadata or not path.is_file():
        return table
    return {**table, "metadata": {**metadata, "columns": column_names(path)}}
