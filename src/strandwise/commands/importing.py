"""The commands `strandwise import ...`: networks of others as run folders."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from strandwise.commands.options import Overwrite
from strandwise.errors import InputError

if TYPE_CHECKING:
    from strandwise.experiment import Run

imports = typer.Typer(help="Make a run of a network that another program trained.", no_args_is_help=True)

Out = Annotated[Path, typer.Option(metavar="RUN", help="the run folder to write", show_default=False)]
Target = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="the name of a track; again for each, in their order")
]
Targets = Annotated[Path | None, typer.Option(metavar="FILE", help="names of all tracks, one a line")]
Config = Annotated[
    Path | None, typer.Option(metavar="TOML", help="genome, targets and splits to judge it by, as for training")
]
InputBp = Annotated[int | None, typer.Option(metavar="BP", help="length of the DNA it was trained on, if unusual")]
OutputBp = Annotated[int | None, typer.Option(metavar="BP", help="bases whose profile it predicts, if unusual")]
Bases = Annotated[str | None, typer.Option(metavar="AGCT", help="the order of its letters, if unusual")]
Conjoin = Annotated[
    bool | None,
    typer.Option("--conjoin/--no-conjoin", help="average both strands, or not; as its authors do if not given"),
]
Signal = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=FILE", help="the file of a signal it reads, by its name there; again for each"),
]


@imports.callback()
def group() -> None:
    """Make a run of a network that another program trained."""


@imports.command("factornet")
def factornet(
    folder: Annotated[Path, typer.Argument(help="model.json, weights and chip.txt", show_default=False)],
    out: Out,
    signal: Signal = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a run of a network that FactorNet's authors published."""
    from strandwise.experiment import import_factornet

    _say(import_factornet(folder, out, signals=_files(signal), overwrite=overwrite))


@imports.command("deepsea")
def deepsea(
    file: Annotated[Path, typer.Argument(help="PyTorch weights, of Kipoi or Selene", show_default=False)],
    out: Out,
    target: Target = None,
    targets: Targets = None,
    config: Config = None,
    input_bp: InputBp = None,
    bases: Bases = None,
    conjoin: Conjoin = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a run of a DeepSEA from PyTorch weights."""
    from strandwise.experiment import import_deepsea

    run = import_deepsea(
        file,
        out,
        input_bp=input_bp,
        bases=bases,
        targets=_names(target, targets),
        config=config,
        conjoin=conjoin,
        overwrite=overwrite,
    )
    _say(run)


@imports.command("danq")
def danq(
    file: Annotated[Path, typer.Argument(help="Keras weights or a whole model, HDF5", show_default=False)],
    out: Out,
    target: Target = None,
    targets: Targets = None,
    config: Config = None,
    input_bp: InputBp = None,
    bases: Bases = None,
    cells: Annotated[
        Literal["torch", "keras", "keras_left"] | None,
        typer.Option(help="its LSTM: soft gates, hard ones, or hard ones that all read from the left"),
    ] = None,
    conjoin: Conjoin = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a run of a DanQ from weights of Keras."""
    from strandwise.experiment import import_danq

    run = import_danq(
        file,
        out,
        input_bp=input_bp,
        bases=bases,
        cells=cells,
        targets=_names(target, targets),
        config=config,
        conjoin=conjoin,
        overwrite=overwrite,
    )
    _say(run)


@imports.command("bpnet")
def bpnet(
    file: Annotated[Path, typer.Argument(help="PyTorch weights of bpnet-lite", show_default=False)],
    out: Out,
    target: Target = None,
    targets: Targets = None,
    signal: Signal = None,
    config: Config = None,
    input_bp: InputBp = None,
    output_bp: OutputBp = None,
    conjoin: Conjoin = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a run of a BPNet from PyTorch weights of bpnet-lite."""
    from strandwise.experiment import import_bpnet

    run = import_bpnet(
        file,
        out,
        input_bp=input_bp,
        output_bp=output_bp,
        targets=_names(target, targets),
        signals=_files(signal),
        config=config,
        conjoin=conjoin,
        overwrite=overwrite,
    )
    _say(run)


@imports.command("chrombpnet")
def chrombpnet(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="chrombpnet_nobias.h5, the bias model, both, or chrombpnet.h5", show_default=False
        ),
    ],
    out: Out,
    target: Target = None,
    config: Config = None,
    input_bp: InputBp = None,
    output_bp: OutputBp = None,
    conjoin: Conjoin = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a run of a ChromBPNet, with its bias network or without it."""
    from strandwise.experiment import import_chrombpnet

    run = import_chrombpnet(
        files,
        out,
        input_bp=input_bp,
        output_bp=output_bp,
        targets=target,
        config=config,
        conjoin=conjoin,
        overwrite=overwrite,
    )
    _say(run)


def _names(target: list[str] | None, file: Path | None) -> list[str] | None:
    from strandwise.experiment import read_names

    if file is None:
        return target
    if target:
        raise InputError(
            f"--target {target[0]} and --targets {file}: give the names one by one or in a file, not both."
        )
    return read_names(file)


def _files(signal: list[str] | None) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for given in signal or []:
        name, equals, path = given.partition("=")
        if not equals or not name or not path or name in files:
            raise InputError(f"--signal {given}: write NAME=FILE, once for each signal.")
        files[name] = Path(path)
    return files


def _say(run: "Run") -> None:
    for note in run.provenance["notes"]:
        typer.echo(f"Note: {note}")
    typer.echo(f"Wrote {run.path}")
