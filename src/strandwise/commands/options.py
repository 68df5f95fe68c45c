"""Arguments and options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from strandwise.experiment import Run

Config = Annotated[Path, typer.Argument(help="a config in TOML", show_default=False)]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder", show_default=False)]
Changes = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="change a key, such as training.epochs=5")
]
Seed = Annotated[int, typer.Option(help="of everything drawn by chance", min=0)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace what is there")]
Cell = Annotated[str | None, typer.Option(help="the cell type, where something was measured in several")]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="read signal in place and leave no cache; same as signals.cache=false")
]


class SplitName(StrEnum):
    """A split, by name."""

    train = "train"
    valid = "valid"
    test = "test"


Split = Annotated[SplitName, typer.Option(help="which windows of the config")]


def changed(no_cache: bool) -> list[str]:
    """Return the change of a config that leaves no cache of its signal, if that is wanted."""
    return ["signals.cache=false"] if no_cache else []


def opened(run: Path, no_cache: bool) -> "Path | Run":
    """Return what a job takes: the folder of a run, or the run with its signal read in place."""
    from strandwise.experiment import Run

    return Run.open(run).without_cache() if no_cache else run
