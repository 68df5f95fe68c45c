"""Labels of the ENCODE-DREAM bins of a whole human genome: `python -m benchmarks.labels`, with STRANDWISE_DATA.

Prints seconds, memory and counts for MAX and SPI1 (with ambiguous bins) and GABPA (without) on hg19, autosomes and X,
and, where bedtools is installed, whether every bin agrees with `bedtools coverage`.
"""

import os
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from strandwise.data.labels import BinGrid, BinState, bin_states, count_states
from strandwise.genome import read_bed

UNLABELLED = ("chr1", "chr8", "chr21")
FACTORS = {"MAX": True, "SPI1": True, "GABPA": False}


def main() -> None:
    """Label, time and compare."""
    folder = Path(os.environ.get("STRANDWISE_DATA", "../shared/data")) / "hg19"
    if not folder.is_dir():
        print(f"\nlabels of a human genome: no data in {folder}; set STRANDWISE_DATA")
        return
    table = pd.read_csv(folder / "hg19.autoX.chrom.sizes", sep="\t", names=["chrom", "size"])
    grid = BinGrid(dict(zip(table["chrom"], table["size"], strict=True)))
    measured = [name for name in grid.sizes if name not in UNLABELLED]
    print(f"\nlabels of {len(grid):,} bins of {grid.bin_bp} bp every {grid.step_bp}, hg19")
    begun = time.perf_counter()
    states, peaks = {}, {}
    for name, ambiguous in FACTORS.items():
        conservative, relaxed = (
            folder / f"GM12878.{name}.{kind}.narrowPeak.gz" for kind in ("conservative.train", "relaxed")
        )
        peaks[name] = _known(read_bed(conservative), measured)
        wide = _known(read_bed(relaxed), measured) if ambiguous else None
        states[name] = bin_states(grid, peaks[name], wide, measured=measured)
    spent = time.perf_counter() - begun
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    for name, found in states.items():
        print(f"  {name}: " + ", ".join(f"{n:,} {state}" for state, n in count_states(found).items()))
    print(f"  {spent:.1f} s for three factors, {memory:.2f} GB of memory at the most")
    if shutil.which("bedtools") is None:
        print("  bedtools is not installed: not compared")
        return
    for name, found in states.items():
        print(
            f"  {name}: {_differing(grid, peaks[name], found):,} bins whose bound bases differ from bedtools coverage"
        )


def _known(frame: pd.DataFrame, chromosomes: list[str]) -> pd.DataFrame:
    return frame[frame["chrom"].isin(chromosomes)].reset_index(drop=True)


def _differing(grid: BinGrid, peaks: pd.DataFrame, states: np.ndarray) -> int:
    """Return how many bins bedtools would label otherwise: bound where 101 of 200 bases are covered."""
    least, wrong = grid.bin_bp // 2 + 1, 0
    with tempfile.TemporaryDirectory() as folder:
        bed, bins = Path(folder) / "peaks.bed", Path(folder) / "bins.bed"
        peaks.sort_values(["chrom", "start"])[["chrom", "start", "end"]].to_csv(
            bed, sep="\t", header=False, index=False
        )
        for chrom in peaks["chrom"].unique():
            rows = grid.rows_of(chrom)
            grid.frame(np.arange(rows.start, rows.stop)).to_csv(bins, sep="\t", header=False, index=False)
            said = subprocess.run(  # noqa: S603
                ["bedtools", "coverage", "-sorted", "-a", str(bins), "-b", str(bed)],  # noqa: S607
                capture_output=True,
                check=True,
            )
            covered = np.array([int(line.split(b"\t")[4]) for line in said.stdout.splitlines()])
            wrong += int(((covered >= least) != (states[rows] == BinState.BOUND)).sum())
    return wrong


if __name__ == "__main__":
    main()
