import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyBigWig
import pytest
import torch
from numpy.typing import NDArray

from strandwise.chromosomes import Parts, Tiling, write_tracks
from strandwise.errors import InputError, OutputError
from strandwise.genome import FastaRecord, Genome, write_fasta
from strandwise.layers import binary_head, coverage_head, profile_heads
from strandwise.models import Bins, ModelSettings, StrandSettings, assemble
from strandwise.prediction import Predictor
from strandwise.sequence import one_hot
from strandwise.strand import dna, revcomp, stranded, unstranded
from strandwise.testing import randomise

pytestmark = pytest.mark.usefixtures("one_thread")

INPUT = 80
Disk = Callable[[int], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    rng = np.random.default_rng(0)
    letters = {"chr1": 1003, "chr10": 70, "chr2": 64}
    records = [FastaRecord(name, "", "".join(rng.choice([*"ACGTN"], size))) for name, size in letters.items()]
    path = tmp_path_factory.mktemp("genome") / "g.fa"
    write_fasta(path, records)
    return Genome(path)


def predictor(kind: str, strategy: str = "standard") -> Predictor:
    settings = StrandSettings(strategy=strategy)
    tables: dict[str, dict[str, Any]] = {
        "profile": {"name": "bpnet", "filters": 3, "stem_width": 5, "dilated_layers": 2, "profile_width": 5},
        "padded": {"name": "bpnet", "filters": 3, "stem_width": 5, "dilated_layers": 2, "padding": "same"},
        "bins": {"name": "gopher_bpnet", "filters": 3, "dilated_layers": 2},
        "window": {"name": "shrikumar_simulated", "filters": 3, "kernel_size": 9, "pool_width": 8},
    }
    model = ModelSettings.model_validate(tables[kind]).architecture()
    bins = None
    if kind in ("profile", "padded"):
        heads: Any = profile_heads(("+", "-"), stranded(1))
    elif kind == "bins":
        heads, bins = [coverage_head(("a", "b"), unstranded(2))], Bins(10, 4)
    else:
        heads = [binary_head(("a", "b"))]
    network = assemble(model, heads, INPUT, settings, bins=bins)
    randomise(network)
    return Predictor(network.eval(), strategy == "conjoined")


def by_window(asked: Predictor, genome: Genome, chrom: str, step: int) -> NDArray[np.float64]:
    """The slow twin: each window fetched and read by itself, in double precision."""
    network, found = asked.network.double(), []
    for start in range(0, genome.sizes[chrom], step):
        first = start + step // 2 - INPUT // 2
        x = torch.from_numpy(one_hot(genome.fetch(chrom, first, first + INPUT, pad=True), np.float64))[None]
        with torch.no_grad():
            said = network(x)
            if asked.conjoin:
                other = network(revcomp(x, dna()))
                said = {name: (y + revcomp(other[name], network.output_types[name])) / 2 for name, y in said.items()}
        if "profile" in said:
            value = torch.softmax(said["profile"], -1) * torch.expm1(said["counts"]).clamp(min=0)[..., None]
        elif "coverage" in said:
            value = torch.nn.functional.softplus(said["coverage"])
        else:
            value = torch.sigmoid(said["bound"])[..., None]
        found.append(value[0].numpy())
    network.float()
    return np.stack(found)


@pytest.mark.parametrize("batch_size", [2, 512])
@pytest.mark.parametrize(
    ("kind", "step"), [("profile", 60), ("padded", 80), ("bins", 40), ("window", 8), ("window", 33), ("window", 700)]
)
@pytest.mark.parametrize("strategy", ["standard", "conjoined", "rcps"])
def test_chromosomes_say_what_their_windows_say(
    genome: Genome, kind: str, step: int, strategy: str, batch_size: int
) -> None:
    asked = predictor(kind, strategy)
    for chrom, size in genome.sizes.items():
        found = np.concatenate([*Tiling(asked, step, step).values(genome, chrom, batch_size)])
        assert len(found) == -(-size // step)
        assert found == pytest.approx(by_window(asked, genome, chrom, step), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("kind", ["profile", "padded", "window"])
@pytest.mark.parametrize("threads", [2, 3])
def test_threads_say_the_same_in_the_same_order(
    genome: Genome, monkeypatch: pytest.MonkeyPatch, kind: str, threads: int
) -> None:
    monkeypatch.setattr("strandwise.chromosomes.STRETCH_BP", 90)
    asked, before, running = predictor(kind), torch.get_num_threads(), set(threading.enumerate())
    found = []
    for number in (1, threads):
        torch.set_num_threads(number)
        try:
            parts = [*Tiling(asked, 30, 30).values(genome, "chr1", 6)]
            assert torch.get_num_threads() == number
        finally:
            torch.set_num_threads(before)
        assert len(parts) > 3
        found.append(np.concatenate(parts))
    assert found[1] == pytest.approx(found[0], rel=1e-5, abs=1e-6)
    assert set(threading.enumerate()) == running


def test_an_error_in_a_thread_is_raised_and_ends_them_all(genome: Genome, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise InputError("the reading failed")

    monkeypatch.setattr("strandwise.chromosomes.read_inputs", fails)
    before, running = torch.get_num_threads(), set(threading.enumerate())
    torch.set_num_threads(2)
    try:
        with pytest.raises(InputError, match="the reading failed"):
            list(Tiling(predictor("window"), 33, 33).values(genome, "chr1", 4))
    finally:
        torch.set_num_threads(before)
    assert set(threading.enumerate()) == running


@pytest.mark.parametrize("kind", ["profile", "bins", "window"])
def test_tables_have_a_row_for_the_bases_that_a_window_speaks_for(genome: Genome, kind: str) -> None:
    asked = predictor(kind)
    tiling = Tiling(asked, 40, 40)
    table = pd.concat(tiling.frames(genome, "chr1", tiling.values(genome, "chr1", 7)), ignore_index=True)
    assert table["start"].tolist() == list(range(0, 1003, 40))
    assert table["end"].tolist() == [*range(40, 1003, 40), 1003]
    expected = by_window(asked, genome, "chr1", 40)
    expected = expected.sum(-1) if kind == "profile" else expected.mean(-1)
    names = [f"pred/{track}" for track in asked.head.tracks]
    assert table[names].to_numpy() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def write_parts(parts: Parts, tiling: Tiling, genome: Genome) -> None:
    for number, chrom in enumerate(genome.sizes):
        parts.write(number, tiling.values(genome, chrom))


@pytest.mark.parametrize(("kind", "step", "bin_bp"), [("profile", 60, 1), ("bins", 40, 4), ("window", 33, 33)])
def test_bigwigs_hold_what_was_predicted(genome: Genome, tmp_path: Path, kind: str, step: int, bin_bp: int) -> None:
    asked = predictor(kind)
    tiling = Tiling(asked, step, bin_bp)
    parts = Parts(tmp_path / "p.bw", {}, (2, step // bin_bp))
    with parts.opened():
        write_parts(parts, tiling, genome)
        paths = write_tracks(tiling, parts, genome.sizes, tmp_path / "p.bw")
    for track, path in enumerate(paths):
        with pyBigWig.open(str(path)) as file:
            for chrom, size in genome.sizes.items():
                expected = by_window(asked, genome, chrom, step)[:, track].reshape(-1).repeat(bin_bp)[:size]
                assert np.array(file.values(chrom, 0, size)) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def stop(parts: Parts, *written: tuple[int, NDArray[np.float32]]) -> None:
    """Write parts, and be stopped."""
    with suppress(KeyboardInterrupt), parts.opened():
        for number, values in written:
            parts.write(number, iter([values]))
        raise KeyboardInterrupt


ONE = np.ones((5, 1, 1), np.float32)


@pytest.mark.parametrize("other", [{"a": 2}, {"a": 1, "chromosomes": [["chr2", 5], ["chr1", 5]]}])
def test_parts_of_the_same_are_kept_and_others_thrown_away(tmp_path: Path, other: dict[str, Any]) -> None:
    told = {"a": 1, "chromosomes": [["chr1", 5], ["chr2", 5]]}
    stop(Parts(tmp_path / "p.bw", told, (1, 1)), (0, ONE))
    again = Parts(tmp_path / "p.bw", told, (1, 1))
    stop(again)
    assert again.has(0, 5)
    assert not again.has(0, 6)
    assert not again.has(1, 5)
    assert np.array_equal(again.read(0, 5), ONE)
    another = Parts(tmp_path / "p.bw", other, (1, 1))
    with another.opened():
        assert not another.has(0, 5)
        assert not again.folder.exists()
    assert not list(tmp_path.iterdir())


def test_two_jobs_do_not_write_the_same_result(tmp_path: Path) -> None:
    first, second = (Parts(tmp_path / "p.bw", {"a": number}, (1, 1)) for number in range(2))
    with first.opened():
        first.write(0, iter([ONE]))
        with pytest.raises(OutputError, match="another job is writing it"), second.opened():
            pass
        assert first.has(0, 5)


def test_a_part_that_was_not_finished_is_not_one(tmp_path: Path) -> None:
    def killed() -> Iterator[NDArray[np.float32]]:
        yield np.zeros((2, 1, 1), np.float32)
        raise KeyboardInterrupt

    parts = Parts(tmp_path / "p.bw", {}, (1, 1))
    with pytest.raises(KeyboardInterrupt), parts.opened():
        parts.write(0, killed())
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_and_leaves_nothing_half_made(tmp_path: Path, full_disk: Disk) -> None:
    parts = Parts(tmp_path / "p.bw", {}, (1, 1))
    with pytest.raises(OutputError, match=r"p\.bw: the disk is full"), full_disk(1000), parts.opened():
        parts.write(0, iter([np.zeros((5000, 1, 1), np.float32)]))
    assert not list(tmp_path.iterdir())


def test_what_is_not_finite_is_named(genome: Genome, tmp_path: Path) -> None:
    tiling = Tiling(predictor("window"), 33, 33)
    parts = Parts(tmp_path / "p.bw", {}, (2, 1))
    values = np.zeros((2, 2, 1), np.float32)
    values[1, 1] = np.nan
    with parts.opened():
        write_parts(parts, tiling, genome)
        parts.write(2, iter([values]))
        with pytest.raises(InputError, match=r"chr2:33-64 has the value nan"):
            write_tracks(tiling, parts, genome.sizes, tmp_path / "p.bw")
    assert not [*tmp_path.glob("*.bw")]
