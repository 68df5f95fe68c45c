"""The command line: parse, call one function, print."""

import logging
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from strandwise.errors import InputError, StrandwiseError
from strandwise.import_commands import imports

app = typer.Typer(
    help="Models of how DNA drives regulatory signal, with both strands treated correctly by construction.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
simulate = typer.Typer(help="Write simulated data whose truth is known.", no_args_is_help=True)
app.add_typer(simulate, name="simulate")
app.add_typer(imports, name="import")
# Names come from files: a track may well be called 'Reb1 [rep1]'.
FEW_BLOCKS = 10
SHOWN_METRICS = (
    *("auroc", "aupr", "recall_at_50_fdr", "recall_at_10_fdr", "positives"),
    *("jsd", "nll", "pearson", "spearman", "mse"),
)
screen = Console(markup=False, emoji=False)

Config = Annotated[Path, typer.Argument(help="a config in TOML", show_default=False)]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder", show_default=False)]
Changes = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="change a key, such as training.epochs=5")
]
Seed = Annotated[int, typer.Option(help="of everything drawn by chance", min=0)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace what is there")]
Cell = Annotated[str | None, typer.Option(help="the cell type, where something was measured in several")]


class SplitName(StrEnum):
    """A split, by name."""

    train = "train"
    valid = "valid"
    test = "test"


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
    _print_metrics(run.metrics)
    screen.print(f"Report: {run.path / 'report.html'}", soft_wrap=True)


@app.command()
def check(config: Config, set: Changes = []) -> None:  # noqa: A002, B006
    """Open every file of a config, count its windows, and try one batch and the strand law on it."""
    from strandwise.experiment import Experiment
    from strandwise.experiment import check as job

    experiment = Experiment.load(config, set)
    found = job(experiment)
    _print_notes([*found.windows.notes, *found.windows.dropped_notes()])
    _print_notes([*found.inventory.leaks, *found.uneven])
    _print_rows("Windows and positives", found.windows.summary())
    _print_rows("GC", [_shown_row(row) for row in found.inventory.gc])
    if found.inventory.tracks:
        _print_rows("Signal", [_shown_row(row) for row in found.inventory.tracks])
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
) -> None:
    """Train a model."""
    from strandwise.data.windows import dropped_notes
    from strandwise.experiment import Experiment
    from strandwise.experiment import train as job

    changes = [*set, *([] if seed is None else [f"training.seed={seed}"])]
    experiment = Experiment.load(config, changes)
    if resume and not out.exists():
        _print_notes([f"nothing to resume in {out} yet: training starts anew"])
    run = job(experiment, out, resume=resume, overwrite=overwrite)
    made = run.provenance
    _print_notes([*made["notes"], *dropped_notes(made["dropped"])])
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
) -> None:
    """Judge a run on windows with known labels."""
    from strandwise.experiment import evaluate as job

    found = job(run, split=split.value, bed=bed, cell=cell, conjoin=conjoin, out=out)  # pyright: ignore[reportArgumentType]
    _print_metrics(found)


@app.command()
def predict(
    run: RunFolder,
    out: Annotated[Path, typer.Option(help=".parquet, .bed, .bed.gz or .bw", show_default=False)],
    bed: Annotated[Path | None, typer.Option(help="a window at each interval")] = None,
    fasta: Annotated[Path | None, typer.Option(help="the middle of each sequence")] = None,
    chrom: Annotated[str | None, typer.Option(help="windows along a whole chromosome")] = None,
    cell: Cell = None,
    genome: Annotated[Path | None, typer.Option(help="another FASTA than that of the run")] = None,
    step: Annotated[int | None, typer.Option(help="bases between windows, for --chrom", min=1)] = None,
    batch_size: Annotated[int, typer.Option(help="windows at a time", min=1)] = 512,
) -> None:
    """Predict at intervals, for sequences, or along a chromosome."""
    from strandwise.experiment import predict as job

    where = {"bed": bed, "fasta": fasta, "chrom": chrom, "cell": cell}
    written = job(run, out, **where, genome=genome, step_bp=step, batch_size=batch_size)
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
) -> None:
    """Say how well the two strands agree, and at which layer they first part."""
    from strandwise.experiment import compare_strands

    found = compare_strands(run, split=split.value, bed=bed, cell=cell, n=n, seed=seed, out=out)
    _print_strands(found)
    name = "strand" if found["split"] == "test" else f"strand.{found['split']}"
    for ending in ("json", "html"):
        screen.print(f"Wrote {(out or run) / f'{name}.{ending}'}", soft_wrap=True)


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
def models(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="all, if none is named")] = None,
    input_bp: Annotated[int | None, typer.Option(help="length of the DNA; the usual one if not given", min=1)] = None,
    strategy: Annotated[str | None, typer.Option(help="as strand.strategy in a config")] = None,
) -> None:
    """List the architectures: what they answer, their size, their reach, their memory and their strand types."""
    from strandwise.models.summary import list_models

    found = list_models(names or (), input_bp, strategy)
    _print_rows("Models of one track", [each.row(name) for name, each in found if not isinstance(each, str)])
    _print_notes([f"{name}: {why}" for name, why in found if isinstance(why, str)])


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


@simulate.command("genome")
def simulate_genome_command(
    out: Annotated[Path, typer.Option(help="folder to write", show_default=False)],
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Write a small genome with planted motifs, peaks, signal tracks, variants and the truth."""
    from strandwise.data.simulation import simulate_genome

    made = simulate_genome(out, seed=seed, overwrite=overwrite)
    screen.print(f"Wrote {made.folder}", soft_wrap=True)


@simulate.command("sequences")
def simulate_sequences_command(
    out: Annotated[Path, typer.Option(help="folder to write", show_default=False)],
    n: Annotated[int, typer.Option("-n", "--number", help="sequences", min=1)] = 30_000,
    length: Annotated[int, typer.Option(help="bases of each", min=1)] = 200,
    motifs: Annotated[Path | None, typer.Option(help="matrices in ENCODE's format, instead of JASPAR's")] = None,
    motif: Annotated[list[str] | None, typer.Option(help="name in --motifs; again for each label")] = None,
    label_noise: Annotated[float, typer.Option(help="chance that a label is flipped", min=0, max=1)] = 0.0,
    split: Annotated[
        tuple[float, float, float] | None,
        typer.Option(help="shares of train, valid and test; only training labels are flipped then"),
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Write sequences with embedded motifs and their labels, as in Shrikumar et al. 2017."""
    from strandwise.data.simulation import simulate_sequences
    from strandwise.motifs import encode_motifs

    if (motifs is None) != (not motif):
        raise InputError("--motifs FILE and --motif NAME belong together: give both, --motif once for each label.")
    matrices = encode_motifs(motifs, motif) if motifs is not None and motif else None
    made = simulate_sequences(
        out, n=n, length=length, motifs=matrices, split=split, label_noise=label_noise, seed=seed, overwrite=overwrite
    )
    screen.print(f"Wrote {made.folder}", soft_wrap=True)


def _print_notes(notes: list[str]) -> None:
    for note in notes:
        screen.print(f"Note: {_plain(note)}", soft_wrap=True)


def _print_rows(title: str, rows: list[dict[str, object]]) -> None:
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(rows[0] if rows else []):
        table.add_column(str(name), justify="right" if number else "left", no_wrap=not number)
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()))
    screen.print(table)


def _shown_row(row: Mapping[str, object]) -> dict[str, object]:
    return {key: f"{value:,.3g}" if isinstance(value, float) else value for key, value in row.items()}


def _print_metrics(metrics: Mapping[str, Any]) -> None:
    _print_notes(metrics.get("notes", []))
    blocks = metrics["bootstrap"]["blocks"]
    few = f", which rests on {blocks} stretches of genome alone" if blocks < FEW_BLOCKS else ""
    for name, head in metrics["heads"].items():
        rows = [{"track": track, **values} for track, values in head["tracks"].items()]
        if len(rows) > 1:
            rows.append({"track": "mean", **head["mean"]})
        known = {key for row in rows for key in row}
        shown = [key for key in SHOWN_METRICS if key in known]
        _print_rows(
            f"{name}, {metrics['split']}: {metrics['n']:,} windows",
            [{"track": row["track"], **{key: _number(row.get(key)) for key in shown}} for row in rows],
        )
        for metric, (low, high) in head["ci"].items():
            screen.print(
                f"Mean {metric}: {_number(head['mean'][metric])} (95 % interval {low:.3f} to {high:.3f}{few})",
                soft_wrap=True,
            )
    screen.print(f"Largest strand deviation: {metrics['strand']['max_deviation']:.2g}")


def _print_strands(found: Mapping[str, Any]) -> None:
    _print_notes(found["notes"])
    for name, head in found["heads"].items():
        single, double = head["float32"], head["float64"]
        rows: list[dict[str, object]] = []
        for track, values in single["tracks"].items():
            row: dict[str, object] = {
                "track": track,
                "largest": _small(values["logits"]["max"]),
                "mean": _small(values["logits"]["mean"]),
            }
            row["in float64"] = _small(double["tracks"][track]["logits"]["max"])
            row["predicted"] = _small(values["predicted"]["max"])
            row |= {kind: _number(values[kind]) for kind in ("pearson", "spearman")}
            row["flips"] = _number(values["flips"])
            rows.append(row)
        _print_rows(f"{name}, {found['split']}: deviation between strands on {found['n']:,} windows", rows)
    for title, layers in (("One strand, layer by layer", "one_strand"), ("Deviation, layer by layer", "layers")):
        parts: list[dict[str, object]] = [
            {
                "part": layer["place"],
                "layer": layer["layer"],
                "type": layer["type"],
                **{precision: _small(layer[precision]) for precision in ("float32", "float64")},
            }
            for layer in found[layers]
        ]
        if parts:
            _print_rows(title, parts)
    screen.print(_plain(found["verdict"]), highlight=False, soft_wrap=True)


def _small(value: float | None) -> str:
    return "no law" if value is None else f"{value:.2g}"


def _plain(text: str) -> str:
    """Return text without what a terminal would obey: files of strangers may hold it."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _number(value: object) -> str:
    if value is None:
        return "n/a"
    return f"{value:.3f}" if isinstance(value, float) and value != int(value) else f"{value:,.0f}"


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
        console.print(f"error: {_plain(said)}", style="red", soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
