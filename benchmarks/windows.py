"""Windows read from a genome into batches of one-hot DNA, against one fetch a window."""

import tempfile
from pathlib import Path

import numpy as np
import pysam
import torch

from benchmarks.timing import race, show
from strandwise.data.batches import one_hot
from strandwise.data.reading import GenomeReader, PackedGenome
from strandwise.genome import Genome, write_fasta
from strandwise.sequence import decode, encode
from strandwise.sequence import one_hot as one_hot_of_letters

WINDOW, BATCH, GENOME = 2114, 256, 20_000_000


def main() -> None:
    """Print windows per second at random places of a 20 Mb genome."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "genome.fa"
        write_fasta(path, [("chr1", decode(rng.integers(0, 4, GENOME).astype(np.uint8)))])
        genome = Genome(path)
        packed = PackedGenome(genome, ["chr1"], WINDOW)
        start = rng.integers(0, genome.sizes["chr1"] - WINDOW, BATCH)
        reader = GenomeReader(packed, start + packed.offsets["chr1"], WINDOW)
        fasta = pysam.FastaFile(str(path))
        rows = np.arange(BATCH)

        def one_by_one() -> torch.Tensor:
            letters = [fasta.fetch("chr1", place, place + WINDOW) for place in start.tolist()]
            return torch.from_numpy(np.stack([one_hot_of_letters(encode(text)) for text in letters]))

        times = race(
            {
                "pysam, one by one": one_by_one,
                "gather, codes": lambda: torch.from_numpy(reader.gather(rows)),
                "gather, one-hot": lambda: one_hot(torch.from_numpy(reader.gather(rows))),
            }
        )
    rates = {name: BATCH / seconds for name, seconds in times.items()}
    show(f"windows of {WINDOW} bp, batches of {BATCH}", rates, "windows/s", "pysam, one by one")


if __name__ == "__main__":
    main()
