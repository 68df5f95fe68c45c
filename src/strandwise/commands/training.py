"""The commands up to a trained run: `demo`, `models`, `check`, `train` and `benchmark`."""

from pathlib import Path
from typing import Annotated

import typer

from strandwise.commands.options import Changes, Config, NoCache, Overwrite, Seed, changed
from strandwise.commands.screen import print_metrics, print_notes, print_rows, screen, shown_row


def demo(
    out: Annotated[Path, typer.Option(help="folder for the genome, the run and its report")] = Path("demo"),
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Do the main job end to end on an embedded genome: simulate, train, evaluate, report."""
    from strandwise.demo import run_demo

    run = run_demo(out, seed=seed, overwrite=overwrite, say=screen.print)
    print_metrics(run.metrics)
    screen.print(f"Report: {run.path / 'report.html'}", soft_wrap=True)


def models(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="all, if none is named")] = None,
    input_bp: Annotated[int | None, typer.Option(help="length of the DNA; the usual one if not given", min=1)] = None,
    strategy: Annotated[str | None, typer.Option(help="as strand.strategy in a config")] = None,
) -> None:
    """List the architectures: what they answer, their size, their reach, their memory and their strand types."""
    from strandwise.models.summary import list_models

    found = list_models(names or (), input_bp, strategy)
    print_rows("Models of one track", [each.row(name) for name, each in found if not isinstance(each, str)])
    print_notes([f"{name}: {why}" for name, why in found if isinstance(why, str)])


def check(config: Config, set: Changes = [], no_cache: NoCache = False) -> None:  # noqa: A002, B006
    """Open every file of a config, count its windows, and try one batch and the strand law on it."""
    from strandwise.experiment import Experiment
    from strandwise.experiment import check as job

    experiment = Experiment.load(config, [*set, *changed(no_cache)])
    found = job(experiment)
    print_notes([*found.windows.notes, *found.windows.dropped_notes()])
    print_notes([*found.inventory.leaks, *found.uneven])
    print_rows("Windows and positives", found.windows.summary())
    print_rows("GC", [shown_row(row) for row in found.inventory.gc])
    if found.inventory.tracks:
        print_rows("Signal", [shown_row(row) for row in found.inventory.tracks])
    screen.print(
        f"{experiment.model.name}, {experiment.strand.strategy}: {found.parameters:,} parameters "
        f"({experiment.strand.rules.summary})",
        soft_wrap=True,
    )
    for name, kind in found.types.items():
        screen.print(f"  {name}: {kind}, one batch {found.shapes[name]}", highlight=False, soft_wrap=True)
    screen.print(
        f"Windows and DNA take {found.inventory.memory_bytes / 1e6:,.0f} MB of memory; one process reads "
        f"{found.inventory.windows_per_second:,.0f} windows/s",
        soft_wrap=True,
    )
    promise = "exact by construction" if found.lawful else "not promised by this strategy"
    screen.print(
        f"Strand deviation of the untrained model on one batch: {found.deviation:.2g} ({promise})", soft_wrap=True
    )


def train(
    config: Config,
    out: Annotated[Path, typer.Option(metavar="RUN", help="the run folder to write", show_default=False)],
    set: Changes = [],  # noqa: A002, B006
    seed: Annotated[int | None, typer.Option(help="same as --set training.seed=N", min=0)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with a run that was stopped")] = False,
    overwrite: Overwrite = False,
    no_cache: NoCache = False,
) -> None:
    """Train a model."""
    from strandwise.data.windows import dropped_notes
    from strandwise.experiment import Experiment
    from strandwise.experiment import train as job

    changes = [*set, *([] if seed is None else [f"training.seed={seed}"]), *changed(no_cache)]
    experiment = Experiment.load(config, changes)
    if resume and not out.exists():
        print_notes([f"nothing to resume in {out} yet: training starts anew"])
    run = job(experiment, out, resume=resume, overwrite=overwrite)
    made = run.provenance
    print_notes([*made["notes"], *dropped_notes(made["dropped"])])
    screen.print(
        f"{run.path}: {made['epochs']} epochs in {made['training_seconds']:.0f} s, best {made['best_epoch']} "
        f"({made['monitor']} {made['best_score']:.4f}), {made['parameters']:,} parameters",
        soft_wrap=True,
    )


def benchmark(
    grid: Annotated[Path, typer.Argument(help="a grid in TOML", show_default=False)],
    out: Annotated[Path, typer.Option(help="folder of the runs", show_default=False)],
    results: Annotated[
        Path | None, typer.Option(help="folder of the CSV files, tables and figures; --out if not given")
    ] = None,
    jobs: Annotated[int, typer.Option(help="trainings at a time", min=1)] = 1,
    tables: Annotated[bool, typer.Option("--tables", help="train nothing, write the tables of what is there")] = False,
) -> None:
    """Train and judge every cell of a grid, and set them side by side with statistics."""
    from strandwise.benchmark import benchmark as job

    written = job(
        grid,
        out,
        results=results,
        jobs=jobs,
        tables_only=tables,
        say=lambda line: screen.print(line, soft_wrap=True, highlight=False),
    )
    for path in written:
        screen.print(f"Wrote {path}", soft_wrap=True)
