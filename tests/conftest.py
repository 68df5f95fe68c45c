"""Real files where they are at hand, a simulated genome, and small sets of sequences with a planted motif."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from strandwise.data.reading import SequenceReader
from strandwise.data.simulation import SimulatedGenome, SimulationSettings, simulate_genome
from strandwise.data.windows import LabelledWindows
from strandwise.genome import FastaRecord, Genome, write_fasta
from strandwise.sequence import decode, embed, revcomp_codes

# Tests run side by side, and their networks are tiny: threads that wait for each other would cost most of the time.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_data() -> Path:
    default = Path(__file__).parents[1] / ".." / "shared" / "data"
    folder = Path(os.environ.get("STRANDWISE_DATA", default)).resolve()
    if not (folder / "yeast" / "genome.fa.gz").is_file():
        pytest.skip(f"no real data in {folder}; set STRANDWISE_DATA to read some")
    return folder


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> SimulatedGenome:
    """Five chromosomes of 30 to 52 kb with peaks of CTCF, REST, MAX and GATA4."""
    settings = SimulationSettings(total_bp=200_000, chromosomes=5, variants_per_factor=2)
    return simulate_genome(tmp_path_factory.mktemp("genome") / "simulated", seed=1, settings=settings)


@pytest.fixture
def make_genome(tmp_path: Path) -> Callable[..., Genome]:
    """Write a genome of given letters, or of random ones where a length is given."""

    def make(**chromosomes: str | int) -> Genome:
        rng = np.random.default_rng(0)
        letters = {
            name: what if isinstance(what, str) else decode(rng.integers(0, 4, what).astype(np.uint8))
            for name, what in chromosomes.items()
        }
        path = tmp_path / "genome.fa.gz"
        write_fasta(path, list(letters.items()), bgzip=True)
        return Genome(path)

    return make


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Small batches gain nothing from threads, and sums over threads may differ in their last bits."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def planted_windows(
    n: int = 240, length: int = 40, tracks: int = 1, known: float = 1.0, seed: int = 0
) -> LabelledWindows:
    """Random sequences, half of which hold a motif on either strand; every fourth validates, every fourth tests.

    Track c is positive by the motif of its own; a share of labels is unknown where `known` is below 1.
    """
    rng = np.random.default_rng(seed)
    motifs = ["TGACTCAGC", "GGGCACGTA", "AATTCCGGA"]
    codes = rng.integers(0, 4, (n, length)).astype(np.uint8)
    labels = np.zeros((n, tracks), np.float32)
    for column in range(tracks):
        held = rng.random(n) < 0.5 / tracks
        labels[held, column] = 1
        for row in np.flatnonzero(held):
            codes[row] = embed(codes[row], motifs[column], int(rng.integers(0, length - 9)))
    turned = rng.random(n) < 0.5
    codes[turned] = revcomp_codes(codes[turned])
    names = [f"s{row}" for row in range(n)]
    split = np.array(["train", "valid", "train", "test"], dtype=object)[np.arange(n) % 4]
    frame = pd.DataFrame({"chrom": names, "start": 0, "end": length, "name": names, "origin": "made", "split": split})
    weights = (rng.random(labels.shape) < known).astype(np.float32)
    return LabelledWindows(
        frame, labels, weights, tuple(f"t{c}" for c in range(tracks)), SequenceReader(codes, length), length
    )


@pytest.fixture(scope="session")
def planted() -> Callable[..., LabelledWindows]:
    return planted_windows


PROJECT = """\
sequences = [
    { fasta = "train.fa", labels = "train.tsv", split = "train" },
    { fasta = "valid.fa", labels = "valid.tsv", split = "valid" },
    { fasta = "test.fa", labels = "test.tsv", split = "test" },
]

[windows]
input_bp = 40
label_bp = 40

[model]
name = "shrikumar_simulated"
filters = 2
kernel_size = 9
pool_width = 8

[training]
epochs = 2
batch_size = 20
accelerator = "cpu"
"""


@pytest.fixture(scope="session")
def write_project() -> Callable[..., Path]:
    """Write sequences of two tracks, half of them for training, with a config that trains on them in a moment."""

    def write(folder: Path, n: int = 120) -> Path:
        windows = planted_windows(n, tracks=2)
        folder.mkdir(parents=True, exist_ok=True)
        for split in ("train", "valid", "test"):
            part = windows.split(split)
            names, codes = part.frame["name"], part.reader.gather(np.arange(len(part)))
            records = (FastaRecord(name, "", decode(row)) for name, row in zip(names, codes, strict=True))
            write_fasta(folder / f"{split}.fa", records)
            labels = pd.DataFrame(part.labels.astype(int), columns=list(part.tracks), index=names)
            labels.to_csv(folder / f"{split}.tsv", sep="\t", index_label="name")
        (folder / "config.toml").write_text(PROJECT)
        return folder / "config.toml"

    return write
