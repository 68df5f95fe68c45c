"""Real files where they are at hand, a simulated genome, and small sets of sequences with a planted motif."""

import json
import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from strandwise import cli
from strandwise.chromosomes import Tiling
from strandwise.data.reading import SequenceReader
from strandwise.data.simulation import SimulatedGenome, SimulationSettings, simulate_genome
from strandwise.data.windows import LabelledWindows
from strandwise.genome import FastaRecord, Genome, write_fasta
from strandwise.sequence import decode, embed, revcomp_codes

# Tests run side by side, and their networks are tiny: threads that wait for each other would cost most of the time.
torch.set_num_threads(1)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process, with room for its tables."""
    monkeypatch.setattr(cli.screen, "width", 120)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["strandwise", *map(str, arguments)])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def full_disk() -> Callable[[int], AbstractContextManager[None]]:
    """Let no file of this process grow beyond some bytes: writing more fails as on a full disk."""

    @contextmanager
    def limited(most: int) -> Iterator[None]:
        # Python ignores SIGXFSZ, so that the system answers with an error instead.
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


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


@pytest.fixture(scope="session")
def write_factornet() -> Callable[..., Path]:
    """Write a FactorNet as its authors publish theirs, tiny and with random weights."""
    return _factornet_folder


def _factornet_folder(
    folder: Path, *, inputs: int = 1, told: int = 0, recurrent: int = 2, pool: int | None = 4, seed: int = 0
) -> Path:
    h5py = pytest.importorskip("h5py", reason="Keras files need h5py: pip install 'strandwise[import]'")
    filters, taps, units, length = 3, 5, 4, 31
    channels, rng = 4 + inputs, np.random.default_rng(seed)
    layers: list[dict] = []
    arrays: dict[str, dict[str, np.ndarray]] = {}
    last: list[tuple[str, int]] = []

    def add(kind: str, name: str, sources: list | None = None, **config: Any) -> None:
        nodes = [[[*source, 0]] for source in last] if sources is None else sources
        layers.append({"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes})
        last[:] = [(name, 0), (name, 1)]

    def weights(layer: str, *shapes: tuple[str, tuple[int, ...]]) -> None:
        arrays[layer] = {name: rng.normal(0, 0.6, shape).astype(np.float32) for name, shape in shapes}

    def dense(name: str, read: int, made: int, activation: str) -> None:
        add("Dense", name, activation=activation, output_dim=made, bias=True)
        weights(name, (f"{name}_W", (read, made)), (f"{name}_b", (made,)))

    for name in ("input_1", "input_2"):
        add("InputLayer", name, [], batch_input_shape=[None, length, channels])
    last[:] = [("input_1", 0), ("input_2", 0)]
    settings: dict[str, Any] = {"border_mode": "valid", "activation": "relu", "bias": True, "subsample_length": 1}
    add("Convolution1D", "conv_1", None, nb_filter=filters, filter_length=taps, **settings)
    weights("conv_1", ("conv_1_W", (taps, 1, channels, filters)), ("conv_1_b", (filters,)))
    inner = {"name": "dense_1", "activation": "relu", "output_dim": filters, "bias": True}
    add("TimeDistributed", "each_1", layer={"class_name": "Dense", "config": inner})
    weights("each_1", ("dense_1_W", (filters, filters)), ("dense_1_b", (filters,)))
    flat = filters
    if pool is None:
        add("GlobalMaxPooling1D", "pool_1")
    else:
        add("MaxPooling1D", "pool_1", pool_length=pool, stride=pool, border_mode="valid")
        flat = (length - taps + 1) // pool * (2 * recurrent or filters)
    if recurrent and pool is not None:
        gates = {"activation": "tanh", "inner_activation": "hard_sigmoid", "go_backwards": False}
        cell = {"name": "forward_lstm_1", "output_dim": recurrent, "return_sequences": True, **gates}
        add("Bidirectional", "both_1", merge_mode="concat", layer={"class_name": "LSTM", "config": cell})
        shapes = {"W": (filters, recurrent), "U": (recurrent, recurrent), "b": (recurrent,)}
        names = [(way, part, gate) for way in ("forward", "backward") for part in shapes for gate in "icfo"]
        weights("both_1", *((f"{way}_lstm_1_{part}_{gate}", shapes[part]) for way, part, gate in names))
    add("Dropout", "dropout_1", p=0.25)
    if pool is not None:
        add("Flatten", "flatten_1")
    dense("dense_2", flat, units, "relu")
    if told:
        add("InputLayer", "input_3", [], batch_input_shape=[None, told])
        for strand in (0, 1):
            add("Merge", f"merge_{strand}", [[["dense_2", strand, 0], ["input_3", 0, 0]]], mode="concat")
        last[:] = [("merge_0", 0), ("merge_1", 0)]
        dense("dense_3", units + told, units, "relu")
    dense("dense_4", units, 1, "sigmoid")
    add("Merge", "merge_2", [[["dense_4", 0, 0], ["dense_4", 1, 0]]], mode="ave")

    folder.mkdir(parents=True)
    model = {"class_name": "Model", "keras_version": "1.1.1", "config": {"name": "model_1", "layers": layers}}
    (folder / "model.json").write_text(json.dumps(model))
    (folder / "chip.txt").write_text("CTCF\n")
    (folder / "feature.txt").write_text("bigwig\n" + ("meta\ngencode\n" if told > 6 else ""))
    if inputs:
        (folder / "bigwig.txt").write_text("".join(f"signal{number}\n" for number in range(inputs)))
    if told > 6:
        (folder / "meta.txt").write_text("".join(f"GEPC{number}\n" for number in range(told - 6)))
    with h5py.File(folder / "final_model.hdf5", "w") as file:
        for layer, named in arrays.items():
            for name, values in named.items():
                file.create_dataset(f"{layer}/{name}", data=values)
    return folder


@pytest.fixture
def watch_predictions(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Returns the chromosomes that are predicted, as they are begun; the job is stopped where `stops` says so."""

    def watch(stops: Callable[[list[str]], bool] = lambda begun: False) -> list[str]:
        begun: list[str] = []
        values = Tiling.values

        def watched(self: Tiling, genome: Any, chrom: str, *given: Any) -> Iterator[np.ndarray]:
            begun.append(chrom)
            if stops(begun):
                raise KeyboardInterrupt
            yield from values(self, genome, chrom, *given)

        monkeypatch.setattr(Tiling, "values", watched)
        return begun

    return watch
