"""The command line: parse, call one function, print."""

import logging
import sys
from typing import Annotated

import typer
from rich.console import Console

from strandwise.commands.comparing import compare
from strandwise.commands.importing import imports
from strandwise.commands.judging import baselines, evaluate, robustness, strand
from strandwise.commands.screen import plain, screen
from strandwise.commands.simulating import simulate
from strandwise.commands.training import benchmark, check, demo, models, train
from strandwise.commands.using import conjoin, ensemble, predict, report
from strandwise.errors import StrandwiseError

app = typer.Typer(
    help="Models of how DNA drives regulatory signal, with both strands treated correctly by construction.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(simulate, name="simulate")
app.add_typer(imports, name="import")
# In the order of `strandwise --help`.
for command in (
    demo,
    check,
    train,
    evaluate,
    compare,
    baselines,
    predict,
    strand,
    robustness,
    conjoin,
    ensemble,
    models,
    benchmark,
    report,
):
    app.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        screen.print(f"strandwise {version('strandwise')}")
        raise typer.Exit


@app.callback()
def settings(
    debug: Annotated[bool, typer.Option("--debug", help="show where an error comes from")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="say which it is")
    ] = False,
) -> None:
    """Hold the options of every command; `main` reads --debug."""


def _log_to_stderr() -> None:
    """Show what the package logs, such as files that are decoded once, as plain lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("strandwise")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def main() -> None:
    """Run the command line; an error raised on purpose becomes one line and exit status 2."""
    debug = "--debug" in sys.argv
    _log_to_stderr()
    if debug:
        sys.argv.remove("--debug")
    from strandwise.memory import keep_freed_memory

    keep_freed_memory()
    try:
        app()
    except (StrandwiseError, OSError, MemoryError) as error:
        if debug:
            raise
        said = str(error)
        if isinstance(error, OSError):
            said = f"{error.filename or 'a file'}: {error.strerror or error}."
        if isinstance(error, MemoryError):
            said = f"out of memory ({said or 'no more to be had'}): ask for less at a time, or use a larger machine."
        console = Console(stderr=True, markup=False, emoji=False, highlight=False)
        console.print(f"error: {plain(said)}", style="red", soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
