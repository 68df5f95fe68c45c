"""The command `strandwise compare`: models of any kind, and files of predictions, in one table."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from strandwise.commands.options import Seed
from strandwise.commands.screen import number, print_notes, print_rows, screen
from strandwise.errors import InputError

File = Path | None


def compare(
    contestants: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]PATH...", help="run folders, bigWigs and parquet tables of predictions", show_default=False
        ),
    ],
    signal: Annotated[Path, typer.Option(help="what was measured: coverage, as bigWig", show_default=False)],
    out: Annotated[Path, typer.Option(help="folder for the results", show_default=False)],
    peaks: Annotated[File, typer.Option(help="peaks of it, for the yes/no side")] = None,
    replicate: Annotated[File, typer.Option(help="coverage of a second experiment: the ceiling")] = None,
    genome: Annotated[File, typer.Option(help="FASTA or 2bit; that of the first run if not given")] = None,
    chrom: Annotated[
        list[str] | None, typer.Option(help="a chromosome to judge; again for each [default: the first run's test]")
    ] = None,
    window: Annotated[int, typer.Option(help="length of the windows that are judged", metavar="BP")] = 1024,
    bins: Annotated[
        list[int] | None, typer.Option(help="bins to judge coverage in; again for each [default: those of the models]")
    ] = None,
    step: Annotated[
        int, typer.Option(help="how densely models are asked that say one number of a window", metavar="BP")
    ] = 32,
    threshold: Annotated[
        float | None, typer.Option(help="a window has coverage above this [default: half of them have]")
    ] = None,
    ratio: Annotated[
        list[float] | None,
        typer.Option(help="random windows for each one around a peak; again for each [default: 1, 2, 5, 10, 20]"),
    ] = None,
    motifs: Annotated[File, typer.Option(help="motifs in MEME format, for a baseline")] = None,
    motif: Annotated[list[str] | None, typer.Option(help="a motif of that file; again for each [default: all]")] = None,
    exclude: Annotated[File, typer.Option(help="BED of regions that no window touches")] = None,
    unmappable: Annotated[File, typer.Option(help="BED of regions to which reads cannot be traced")] = None,
    track: Annotated[str | None, typer.Option(help="which track, where there are several")] = None,
    cell: Annotated[str | None, typer.Option(help="the cell type that runs predict in")] = None,
    missing: Annotated[
        float | None, typer.Option(help="what a bigWig means by saying nothing [default: such windows are left out]")
    ] = None,
    resamples: Annotated[int, typer.Option(help="of the bootstrap; 0 for no intervals", min=0)] = 1000,
    seed: Seed = 0,
) -> None:
    """Judge models of any kind, and files of predictions, at the same places."""
    from strandwise.experiment.comparing import compare as job
    from strandwise.experiment.ground import Terms, Truth

    usual = Terms()
    record = job(
        contestants,
        out,
        Truth(signal, peaks, replicate, genome, exclude, unmappable),
        Terms(tuple(chrom or ()), window, tuple(bins or ()), step, threshold, tuple(ratio or usual.ratios)),
        track=track,
        cell=cell,
        missing=math.nan if missing is None else missing,
        motifs=motifs,
        motif=motif or (),
        seed=seed,
        resamples=resamples,
    )
    _print(record, out)


def judge_file(
    given: Path, signal: Path | None, peaks: Path | None, out: Path | None, unused: Mapping[str, object]
) -> None:
    """Judge one file of predictions, as `compare` does: what `strandwise evaluate` does with it.

    Args:
        given: a bigWig or a parquet table; or a run folder.
        signal: what was measured.
        peaks: peaks of it.
        out: folder for the results.
        unused: options that have no part in it, by name; None where they were not given.

    Raises:
        StrandwiseError: no signal, no place for the results, an option without a part in it, or bad input.
    """
    from strandwise.experiment.comparing import compare as job
    from strandwise.experiment.ground import Truth

    if signal is None or out is None:
        line = f"strandwise evaluate {given} --signal {signal or 'MEASURED.bw'} --out {out or 'DIR'}"
        raise InputError(
            f"{given}: judging by what was measured takes --signal, and --out for a folder of its own, as in `{line}`."
        )
    for option, value in unused.items():
        if value is not None:
            raise InputError(f"{option} has no part in judging by --signal: leave it out, or see `strandwise compare`.")
    _print(job([given], out, Truth(signal, peaks)), out)
    screen.print("Other chromosomes, baselines that read DNA, a replicate: strandwise compare", soft_wrap=True)


def _print(record: dict[str, Any], out: Path) -> None:
    from strandwise.report.judged_page import about_windows

    print_notes(record["notes"])
    for place, found in record["places"].items():
        print_rows(f"{place}: {about_windows(found, record)}", _rows(found, record))
    screen.print(f"Wrote {out / 'comparison.html'}", soft_wrap=True)


def _rows(found: dict[str, Any], record: dict[str, Any]) -> list[dict[str, object]]:
    scales = sorted(
        {scale for each in found["contestants"].values() for scale in each if scale != "yes/no"},
        key=lambda scale: int(scale.split()[0]),
    )
    rows: list[dict[str, object]] = []
    for name, about in record["contestants"].items():
        mine = found["contestants"].get(name, {})
        row: dict[str, object] = {"contestant": name, "role": about["role"]}
        for metric in ("auroc", "aupr"):
            row[metric] = number(mine.get("yes/no", {}).get(metric, {}).get("value"))
        for scale in scales:
            row[f"pearson, {scale}"] = number(mine.get(scale, {}).get("pearson", {}).get("value"))
        rows.append(row)
    return rows
