"""What an architecture is: an ordered list of stages and a readout, written once for every strategy."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple

from torch import nn

from strandwise.errors import ConfigError
from strandwise.layers import Features, TypedModule
from strandwise.schema import Settings
from strandwise.strand import StrandType

Hidden = Callable[[int], StrandType]
"""Makes the type of n hidden filters: `plain` or `regular`."""


class Stage(NamedTuple):
    """A step of a network that can be grouped with its neighbours and lifted as one.

    Attributes:
        name: for people and for groups in messages.
        build: from what comes in and the hidden type to the module.
        skips: whether it adds its input to its output, so that the two must be of one type.
    """

    name: str
    build: Callable[[Features, Hidden], TypedModule]
    skips: bool = False


class Architecture(ABC):
    """A network described once, for every strand strategy: subclasses list stages and a readout.

    The hidden type arrives as an argument, so the same description gives an ordinary network (`plain`), a
    reverse-complement parameter sharing one (`regular`), and everything between.
    """

    Options: ClassVar[type[Settings]]
    """The settings of this architecture, with the paper's defaults."""

    position_bp: ClassVar[int | None] = None
    """Bases that one position of a predicted profile stands for; None where it predicts no profiles."""

    small: ClassVar[dict[str, object]] = {}
    """Options of a small instance, on which the symmetry laws are tested."""

    small_bp: ClassVar[int] = 64
    """An input length that suits the small instance."""

    def __init__(self, options: Settings) -> None:
        self.options = options

    @abstractmethod
    def stages(self) -> list[Stage]:
        """Return the convolutional stages, first to last."""

    @abstractmethod
    def readout(self, features: Features, out_type: StrandType) -> TypedModule:
        """Return the module from the last stage's features to the logits of one head."""

    def controlled_readout(self, features: Features, out_type: StrandType, control: StrandType) -> nn.Module:
        """Return the module from features and control tracks to the logits of one head.

        Raises:
            ConfigError: the architecture has no place for control tracks.
        """
        raise ConfigError(f"{type(self).__name__} takes no control tracks: leave them out, or use model 'bpnet'.")
