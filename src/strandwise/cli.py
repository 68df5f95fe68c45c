"""The command line: parse, call one function, print."""

import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from strandwise.compare_commands import compare, judge_file
from strandwise.errors import StrandwiseError
from strandwise.import_commands import imports
from strandwise.screen import (
    number,
    plain,
    print_metrics,
    print_notes,
    print_robustness,
    print_rows,
    print_strands,
    screen,
    shown_row,
)
from strandwise.simulate_commands import simulate

app = typer.Typer(
    help="Models of how DNA drives regulatory signal, with both strands treated correctly by construction.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(simulate, name="simulate")
app.add_typer(imports, name="import")

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


class Average(StrEnum):
    """How predictions of several models are averaged."""

    mean = "mean"
    rank = "rank"


class Scale(StrEnum):
    """What is averaged of several networks."""

    predictions = "predictions"
    logits = "logits"


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


@app.command()
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


@app.command()
def check(config: Config, set: Changes = [], no_cache: NoCache = False) -> None:  # noqa: A002, B006
    """Open every file of a config, count its windows, and try one batch and the strand law on it."""
    from strandwise.experiment import Experiment
    from strandwise.experiment import check as job

    experiment = Experiment.load(config, [*set, *_changed(no_cache)])
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


@app.command()
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

    changes = [*set, *([] if seed is None else [f"training.seed={seed}"]), *_changed(no_cache)]
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


@app.command()
def evaluate(
    run: RunFolder,
    split: Annotated[SplitName, typer.Option(help="which windows of the config")] = SplitName.test,
    bed: Annotated[Path | None, typer.Option(help="judge windows at these intervals instead")] = None,
    cell: Cell = None,
    conjoin: Annotated[
        bool | None,
        typer.Option("--conjoin/--no-conjoin", help="average both strands, whatever the strategy (with --out)"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="folder for the results; the run folder if not given")] = None,
    signal: Annotated[Path | None, typer.Option(help="judge by this coverage, as compare does; also a file")] = None,
    peaks: Annotated[Path | None, typer.Option(help="with --signal: its peaks")] = None,
    no_cache: NoCache = False,
) -> None:
    """Judge a run on windows with known labels; or a file of predictions by --signal."""
    from strandwise.experiment import evaluate as job

    if run.is_file() or signal or peaks:
        judge_file(run, signal, peaks, out, {"--bed": bed, "--cell": cell, "--conjoin": conjoin})
        return
    found = job(_opened(run, no_cache), split=split.value, bed=bed, cell=cell, conjoin=conjoin, out=out)  # pyright: ignore[reportArgumentType]
    print_metrics(found)


app.command()(compare)


@app.command()
def baselines(
    run: RunFolder,
    motifs: Annotated[Path | None, typer.Option(help="motifs in MEME format")] = None,
    motif: Annotated[
        list[str] | None,
        typer.Option(metavar="TRACK=NAME", help="a motif of a track, where names differ; again for each"),
    ] = None,
    split: Annotated[SplitName, typer.Option(help="which windows of the config")] = SplitName.test,
    flank: Annotated[int, typer.Option(help="bases beside a bin that count with it", min=0)] = 50,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="folder for the results; the run folder if not given")] = None,
    no_cache: NoCache = False,
) -> None:
    """Say how far a run is ahead of GC content, motif hits and counts of short words on the same windows."""
    from strandwise.experiment.baselines import compare_baselines, motif_names
    from strandwise.report.baselines import baseline_table

    named = motif_names(motif or ())
    found = compare_baselines(
        _opened(run, no_cache), split=split.value, motifs=motifs, named=named, flank_bp=flank, seed=seed, out=out
    )  # pyright: ignore[reportArgumentType]
    print_notes(found["notes"])
    table = baseline_table(found)
    rows: list[dict[str, object]] = [
        {found["split"]: row.name, **dict(zip(table.columns, (cell.text for cell in row.cells), strict=True))}
        for row in table.rows
    ]
    print_rows(table.caption, rows)


@app.command()
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
    written = job(_opened(run, no_cache), out, **where, genome=genome, step_bp=step, batch_size=batch_size)
    for path in written:
        screen.print(f"Wrote {path}", soft_wrap=True)


@app.command()
def strand(
    run: RunFolder,
    split: Annotated[SplitName, typer.Option(help="which windows of the config")] = SplitName.test,
    bed: Annotated[Path | None, typer.Option(help="windows at these intervals instead")] = None,
    cell: Cell = None,
    n: Annotated[
        int, typer.Option("-n", "--windows", help="the most windows to compare, drawn by --seed", min=1)
    ] = 2000,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="folder for the results; the run folder if not given")] = None,
    no_cache: NoCache = False,
) -> None:
    """Say how well the two strands agree, and at which layer they first part."""
    from strandwise.experiment import compare_strands

    found = compare_strands(_opened(run, no_cache), split=split.value, bed=bed, cell=cell, n=n, seed=seed, out=out)
    print_strands(found)
    name = "strand" if found["split"] == "test" else f"strand.{found['split']}"
    for ending in ("json", "html"):
        screen.print(f"Wrote {(out or run) / f'{name}.{ending}'}", soft_wrap=True)


@app.command()
def robustness(
    run: RunFolder,
    split: Annotated[SplitName, typer.Option(help="which windows of the config")] = SplitName.test,
    bed: Annotated[Path | None, typer.Option(help="windows at these intervals instead")] = None,
    cell: Cell = None,
    n: Annotated[int, typer.Option("-n", "--windows", help="the most windows to test, drawn by --seed", min=1)] = 1000,
    repeats: Annotated[int, typer.Option(help="copies of each window", min=2)] = 20,
    reach: Annotated[
        int | None,
        typer.Option(help="the largest shift in bp, a quarter of the window if not given", min=1),
    ] = None,
    share: Annotated[float, typer.Option(help="of the bases made unknown or mutated", min=0, max=1)] = 0.01,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="folder for the result; the run folder if not given")] = None,
    no_cache: NoCache = False,
) -> None:
    """Say how much predictions vary when windows are shifted, turned, or changed in a few bases."""
    from strandwise.experiment import assess_robustness

    found = assess_robustness(
        _opened(run, no_cache),
        split=split.value,  # pyright: ignore[reportArgumentType]
        bed=bed,
        cell=cell,
        n=n,
        repeats=repeats,
        reach_bp=reach,
        share=share,
        seed=seed,
        out=out,
    )
    print_robustness(found)
    name = "robustness" if found["split"] == "test" else f"robustness.{found['split']}"
    screen.print(f"Wrote {(out or run) / f'{name}.json'}", soft_wrap=True)


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="run folders", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="the page; report.html in the folder of a single run")] = None,
) -> None:
    """Write one page for one run, or a comparison for several."""
    from strandwise.experiment import write_report

    screen.print(f"Wrote {write_report(runs, out)}", soft_wrap=True)


def _changed(no_cache: bool) -> list[str]:
    """Return the change of a config that leaves no cache of its signal, if that is wanted."""
    return ["signals.cache=false"] if no_cache else []


def _opened(run: Path, no_cache: bool) -> Any:
    """Return what a job takes: the folder of a run, or the run with its signal read in place."""
    from strandwise.experiment import Run

    return Run.open(run).without_cache() if no_cache else run


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
