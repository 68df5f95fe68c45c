"""Architectures, one file each, and the table of their names."""

from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from strandwise.errors import ConfigError, did_you_mean
from strandwise.models.architecture import Answer, Architecture, Bins, Stage
from strandwise.models.assembly import SequenceModel, assemble
from strandwise.models.basenji import Basenji
from strandwise.models.basset import Basset
from strandwise.models.bias import WithBias
from strandwise.models.bpnet import BPNet
from strandwise.models.cnn_baseline import CNNBaseline
from strandwise.models.conversion import as_rcps
from strandwise.models.danq import DanQ
from strandwise.models.deepsea import DeepSEA
from strandwise.models.dense_bilstm import DenseBiLSTM
from strandwise.models.dilated import Dilated
from strandwise.models.dilated6 import Dilated6
from strandwise.models.ensemble import Ensemble, EnsembleSettings
from strandwise.models.factornet import FactorNet
from strandwise.models.gopher_bpnet import GopherBPNet
from strandwise.models.id_cnn import IDCNN
from strandwise.models.lifting import lift
from strandwise.models.motif_filters import MotifSettings
from strandwise.models.own import is_own, own_architecture
from strandwise.models.residualbind import ResidualBind, ResidualBind32
from strandwise.models.resizing_cnn import CNN1, CNN3, CNN7
from strandwise.models.shrikumar import ShrikumarChip, ShrikumarSimulated
from strandwise.models.strategies import STRATEGIES, StrandSettings, Strategy
from strandwise.schema import Settings, explain

MODELS: dict[str, type[Architecture]] = {
    "basenji": Basenji,
    "basset": Basset,
    "bpnet": BPNet,
    "cnn1": CNN1,
    "cnn3": CNN3,
    "cnn7": CNN7,
    "cnn_baseline": CNNBaseline,
    "danq": DanQ,
    "deepsea": DeepSEA,
    "dense_bilstm": DenseBiLSTM,
    "dilated": Dilated,
    "dilated6": Dilated6,
    "factornet": FactorNet,
    "gopher_bpnet": GopherBPNet,
    "id_cnn": IDCNN,
    "residualbind": ResidualBind,
    "residualbind32": ResidualBind32,
    "shrikumar_chip": ShrikumarChip,
    "shrikumar_simulated": ShrikumarSimulated,
}


class ModelSettings(Settings):
    """The `[model]` table of a config: a name, and the options of that architecture beside it."""

    model_config = Settings.model_config | {"extra": "allow"}

    name: str = Field(
        default="shrikumar_chip",
        description="one of " + ", ".join(MODELS) + "; or package.module:Class, an architecture of your own",
    )
    init: Path | None = Field(
        default=None, description="run folder of a model with the same stages, whose weights they begin with"
    )
    init_heads: bool = Field(
        default=False, description="with init: heads begin with the run's weights too, for training that goes on"
    )
    motifs: MotifSettings | None = Field(
        default=None,
        description="known motifs that the first filters begin as (FactorNet): {file = ..., names = [...]}, "
        "or {jaspar = [...]}; names may be left out",
    )
    freeze: tuple[str, ...] = Field(
        default=(),
        description="with init, or the first with motifs: stages that keep those weights and do not learn, by name",
    )

    @model_validator(mode="after")
    def _known(self) -> "ModelSettings":
        try:
            architecture_named(self.name)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        if self.freeze and self.init is None and self.motifs is None:
            raise ValueError("freeze keeps the weights of a trained run: name that run in model.init, or remove freeze")
        if self.init_heads and self.init is None:
            raise ValueError("init_heads takes the heads of a trained run: name that run in model.init, or remove it")
        if self.motifs is not None and self.init is not None:
            raise ValueError("init and motifs both say how the first filters begin: remove one of them")
        return self

    def architecture(self) -> Architecture:
        """Return the architecture with its options.

        Raises:
            ConfigError: an option it does not have, a value it cannot take, or a stage in `freeze` it does not have.
        """
        kind = architecture_named(self.name)
        try:
            made = kind(kind.Options.model_validate(self.model_extra or {}))
        except ValidationError as error:
            raise ConfigError(explain(error, kind.Options, prefix="model")) from None
        stages = [stage.name for stage in made.stages()] if self.freeze else []
        for name in self.freeze:
            if name not in stages:
                raise ConfigError(
                    f"model.freeze: '{self.name}' has no stage '{name}'{did_you_mean(name, stages)}: its stages are "
                    f"{', '.join(stages)}"
                )
            if self.init is None and name != stages[0]:
                raise ConfigError(
                    f"model.freeze: stage '{name}' holds no motifs, and would stay as it was drawn: with motifs, "
                    f"freeze '{stages[0]}' alone"
                )
        return made


def architecture_named(name: str) -> type[Architecture]:
    """Return a built-in architecture by its name, or a user's own, named as package.module:Class.

    Raises:
        ConfigError: there is none of that name.
    """
    if is_own(name):
        return own_architecture(name)
    if name not in MODELS:
        raise ConfigError(f"model '{name}' is not one of {', '.join(MODELS)}{did_you_mean(name, MODELS)}")
    return MODELS[name]


__all__ = [
    "MODELS",
    "STRATEGIES",
    "Answer",
    "Architecture",
    "Bins",
    "Ensemble",
    "EnsembleSettings",
    "ModelSettings",
    "MotifSettings",
    "SequenceModel",
    "Stage",
    "StrandSettings",
    "Strategy",
    "WithBias",
    "architecture_named",
    "as_rcps",
    "assemble",
    "lift",
]
