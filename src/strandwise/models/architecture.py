"""What an architecture is: an ordered list of stages and a readout, written once for every strategy."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Literal, NamedTuple

from torch import nn

from strandwise.errors import ConfigError
from strandwise.layers import Features, TypedModule
from strandwise.schema import Settings
from strandwise.strand import StrandType

Hidden = Callable[[int], StrandType]
"""Makes the type of n hidden filters: `plain` or `regular`."""


Answer = Literal["window", "bins", "profile"]
"""What is said of a window: one answer a track, one for each bin of its middle, or a profile and its total."""

LATE = ("control", "metadata")
"""What a readout may take beside the features, in this order: control tracks over the positions that are predicted,
and what is known of a window as a whole."""


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


class Bins(NamedTuple):
    """The bins in the middle of a window, each of which gets an answer.

    Attributes:
        number: how many.
        bin_bp: their length.
    """

    number: int
    bin_bp: int


class Architecture(ABC):
    """A network described once, for every strand strategy: subclasses list stages and a readout.

    The hidden type arrives as an argument, so the same description gives an ordinary network (`plain`), a
    reverse-complement parameter sharing one (`regular`), and everything between.
    """

    Options: ClassVar[type[Settings]]
    """The settings of this architecture, with the paper's defaults."""

    answers: ClassVar[tuple[Answer, ...]] = ("window",)
    """What networks of this architecture can say of a window; what it was made for comes first."""

    small: ClassVar[dict[str, object]] = {}
    """Options of a small instance, on which the symmetry laws are tested."""

    small_bp: ClassVar[int] = 64
    """An input length that suits the small instance."""

    small_bins: ClassVar[tuple[Bins, ...]] = ()
    """Bins that the small instance can predict, where it says "bins"."""

    usual_bp: ClassVar[int] = 1000
    """The input length that it was made for."""

    usual_bin_bp: ClassVar[int | None] = None
    """The length of bins that it was made for, where it must be told."""

    def __init__(self, options: Settings) -> None:
        self.options = options

    @abstractmethod
    def stages(self) -> list[Stage]:
        """Return the convolutional stages, first to last."""

    @abstractmethod
    def readout(self, features: Features, out_type: StrandType, bins: Bins | None = None) -> TypedModule:
        """Return the module from the last stage's features to the logits of one head.

        Args:
            features: what comes in.
            out_type: of the head; with positions for bins and profiles.
            bins: what a head with positions predicts, where that is not the architecture's own choice.

        Raises:
            ConfigError: bins that the architecture cannot represent, naming those that it can.
        """

    def late_readout(
        self,
        features: Features,
        out_type: StrandType,
        late: Mapping[str, StrandType],
        bins: Bins | None = None,
    ) -> nn.Module:
        """Return the module from features, and what is read beside them in the order of `LATE`, to the logits.

        Args:
            features: what comes in from the last stage.
            out_type: of the head.
            late: the types of what is beside, by name.
            bins: as in `readout`.

        Raises:
            ConfigError: the architecture has no place for these.
        """
        what = {"control": "control tracks", "metadata": "metadata"}[next(iter(late))]
        raise ConfigError(f"{type(self).__name__} takes no {what}: leave them out, or use a model that does.")
