"""The commands that use runs: `predict`, `conjoin`, `ensemble` and `report`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from strandwise.commands.options import Cell, NoCache, Overwrite, RunFolder, SplitName, opened
from strandwise.commands.screen import number, print_notes, print_rows, screen


class Average(StrEnum):
    """How predictions of several models are averaged."""

    mean = "mean"
    rank = "rank"


class Scale(StrEnum):
    """What is averaged of several networks."""

    predictions = "predictions"
    logits = "logits"


def predict(
    run: RunFolder,
    out: Annotated[Path, typer.Option(help=".parquet, .bed, .bed.gz or .bw", show_default=False)],
    bed: Annotated[Path | None, typer.Option(help="a window at each interval")] = None,
    fasta: Annotated[Path | None, typer.Option(help="the middle of each sequence")] = None,
    chrom: Annotated[
        list[str] | None, typer.Option(help="windows along a whole chromosome; again for each, or 'all'")
    ] = None,
    cell: Cell = None,
    genome: Annotated[Path | None, typer.Option(help="another FASTA than that of the run")] = None,
    step: Annotated[int | None, typer.Option(help="bases between windows, for --chrom", min=1)] = None,
    batch_size: Annotated[int, typer.Option(help="windows at a time", min=1)] = 512,
    no_cache: NoCache = False,
) -> None:
    """Predict at intervals, for sequences, or along a chromosome."""
    from strandwise.experiment import predict as job

    where = {"bed": bed, "fasta": fasta, "chrom": chrom or None, "cell": cell}
    written = job(opened(run, no_cache), out, **where, genome=genome, step_bp=step, batch_size=batch_size)
    for path in written:
        screen.print(f"Wrote {path}", soft_wrap=True)


def conjoin(
    run: RunFolder,
    out: Annotated[Path, typer.Option(metavar="RUN", help="the run folder to write", show_default=False)],
    maximum: Annotated[bool, typer.Option("--max", help="take the larger answer, instead of the mean")] = False,
    after_link: Annotated[bool, typer.Option("--after-link", help="average probabilities, not logits")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Make a run trained on single strands average both, without training it again (post-hoc conjoined)."""
    from strandwise.experiment import conjoin as job

    made = job(run, out, merge="max" if maximum else "mean", merge_after_link=after_link, overwrite=overwrite)
    screen.print(f"Wrote {made.path}", soft_wrap=True)


def ensemble(
    members: Annotated[
        list[Path], typer.Argument(metavar="RUN|TABLE...", help="run folders, or .parquet tables of predictions")
    ],
    out: Annotated[
        Path, typer.Option(metavar="RUN|TABLE", help="the run folder or table to write", show_default=False)
    ],
    how: Annotated[Average, typer.Option(help="the mean, or the mean of ranks, for tables")] = Average.mean,
    on: Annotated[Scale, typer.Option(help="what is averaged, in a run made of runs")] = Scale.predictions,
    split: Annotated[SplitName | None, typer.Option(help="make a table of runs: these windows of their config")] = None,
    bed: Annotated[Path | None, typer.Option(help="make a table of runs: windows at these intervals")] = None,
    cell: Cell = None,
    genome: Annotated[Path | None, typer.Option(help="FASTA or 2bit of the windows, for bigWig of tables")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Average runs into one run, or predictions into one table, by mean or rank."""
    from strandwise.experiment import ensemble as job

    made = job(
        members,
        out,
        how=how.value,  # pyright: ignore[reportArgumentType]
        on=on.value,  # pyright: ignore[reportArgumentType]
        split=None if split is None else split.value,  # pyright: ignore[reportArgumentType]
        bed=bed,
        cell=cell,
        genome=genome,
        overwrite=overwrite,
    )
    print_notes(made.notes)
    for metric, members_of in made.tables().items():
        print_rows(metric, [{"member": name, **{t: number(v) for t, v in row.items()}} for name, row in members_of])
    for path in made.paths:
        screen.print(f"Wrote {path}", soft_wrap=True)


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="run folders", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="the page; report.html in the folder of a single run")] = None,
) -> None:
    """Write one page for one run, or a comparison for several."""
    from strandwise.experiment import write_report

    screen.print(f"Wrote {write_report(runs, out)}", soft_wrap=True)
