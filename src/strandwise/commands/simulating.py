"""The commands `strandwise simulate ...`: data whose truth is known."""

from pathlib import Path
from typing import Annotated

import typer

from strandwise.commands.options import Overwrite, Seed
from strandwise.commands.screen import screen
from strandwise.errors import InputError

simulate = typer.Typer(help="Write simulated data whose truth is known.", no_args_is_help=True)


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
