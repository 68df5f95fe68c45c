"""The commands `strandwise import ...`: networks of others as run folders."""

from pathlib import Path
from typing import Annotated

import typer

from strandwise.errors import InputError

imports = typer.Typer(help="Make a run of a network that another program trained.", no_args_is_help=True)


@imports.callback()
def group() -> None:
    """Make a run of a network that another program trained."""


@imports.command("factornet")
def factornet(
    folder: Annotated[Path, typer.Argument(help="model.json, weights and chip.txt", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="RUN", help="the run folder to write", show_default=False)],
    signal: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="the file of a signal it reads, as in bigwig.txt; again for each"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace what is there")] = False,
) -> None:
    """Make a run of a network that FactorNet's authors published."""
    from strandwise.experiment import import_factornet

    files: dict[str, Path] = {}
    for given in signal or []:
        name, equals, path = given.partition("=")
        if not equals or not name or not path or name in files:
            raise InputError(f"--signal {given}: write NAME=FILE, once for each signal.")
        files[name] = Path(path)
    run = import_factornet(folder, out, signals=files, overwrite=overwrite)
    for note in run.provenance["notes"]:
        typer.echo(f"Note: {note}")
    typer.echo(f"Wrote {run.path}")
