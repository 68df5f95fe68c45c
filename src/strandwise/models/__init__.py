"""Architectures, one file each, and the table of their names."""

from pydantic import Field, ValidationError, model_validator

from strandwise.errors import ConfigError, did_you_mean
from strandwise.models.architecture import Architecture, Bins, Stage
from strandwise.models.assembly import SequenceModel, assemble
from strandwise.models.bias import WithBias
from strandwise.models.bpnet import BPNet
from strandwise.models.conversion import as_rcps
from strandwise.models.lifting import lift
from strandwise.models.shrikumar import ShrikumarChip, ShrikumarSimulated
from strandwise.models.strategies import STRATEGIES, StrandSettings, Strategy
from strandwise.schema import Settings, explain

MODELS: dict[str, type[Architecture]] = {
    "bpnet": BPNet,
    "shrikumar_chip": ShrikumarChip,
    "shrikumar_simulated": ShrikumarSimulated,
}


class ModelSettings(Settings):
    """The `[model]` table of a config: a name, and the options of that architecture beside it."""

    model_config = Settings.model_config | {"extra": "allow"}

    name: str = Field(default="shrikumar_chip", description="one of " + ", ".join(MODELS))

    @model_validator(mode="after")
    def _known(self) -> "ModelSettings":
        if self.name not in MODELS:
            raise ValueError(f"model '{self.name}' is not one of {', '.join(MODELS)}{did_you_mean(self.name, MODELS)}")
        return self

    def architecture(self) -> Architecture:
        """Return the architecture with its options.

        Raises:
            ConfigError: an option it does not have, or a value it cannot take.
        """
        kind = MODELS[self.name]
        try:
            return kind(kind.Options.model_validate(self.model_extra or {}))
        except ValidationError as error:
            raise ConfigError(explain(error, kind.Options, prefix="model")) from None


__all__ = [
    "MODELS",
    "STRATEGIES",
    "Architecture",
    "Bins",
    "ModelSettings",
    "SequenceModel",
    "Stage",
    "StrandSettings",
    "Strategy",
    "WithBias",
    "as_rcps",
    "assemble",
    "lift",
]
