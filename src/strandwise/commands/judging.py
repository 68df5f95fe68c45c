"""The commands that judge a run: `evaluate`, `baselines`, `strand` and `robustness`."""

from pathlib import Path
from typing import Annotated

import typer

from strandwise.commands.comparing import judge_file
from strandwise.commands.options import Cell, NoCache, RunFolder, Seed, Split, SplitName, opened
from strandwise.commands.screen import print_metrics, print_notes, print_robustness, print_rows, print_strands, screen


def evaluate(
    run: RunFolder,
    split: Split = SplitName.test,
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
    found = job(opened(run, no_cache), split=split.value, bed=bed, cell=cell, conjoin=conjoin, out=out)  # pyright: ignore[reportArgumentType]
    print_metrics(found)


def baselines(
    run: RunFolder,
    motifs: Annotated[Path | None, typer.Option(help="motifs in MEME format")] = None,
    motif: Annotated[
        list[str] | None,
        typer.Option(metavar="TRACK=NAME", help="a motif of a track, where names differ; again for each"),
    ] = None,
    split: Split = SplitName.test,
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
        opened(run, no_cache), split=split.value, motifs=motifs, named=named, flank_bp=flank, seed=seed, out=out
    )  # pyright: ignore[reportArgumentType]
    print_notes(found["notes"])
    table = baseline_table(found)
    rows: list[dict[str, object]] = [
        {found["split"]: row.name, **dict(zip(table.columns, (cell.text for cell in row.cells), strict=True))}
        for row in table.rows
    ]
    print_rows(table.caption, rows)


def strand(
    run: RunFolder,
    split: Split = SplitName.test,
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

    found = compare_strands(opened(run, no_cache), split=split.value, bed=bed, cell=cell, n=n, seed=seed, out=out)
    print_strands(found)
    name = "strand" if found["split"] == "test" else f"strand.{found['split']}"
    for ending in ("json", "html"):
        screen.print(f"Wrote {(out or run) / f'{name}.{ending}'}", soft_wrap=True)


def robustness(
    run: RunFolder,
    split: Split = SplitName.test,
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
        opened(run, no_cache),
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
