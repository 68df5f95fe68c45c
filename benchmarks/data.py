"""Windows with their signal: from decoded tracks, straight from bigWigs, by other packages, and as fast as memory is.

Everything runs on one thread, as in a worker of a loader. Peers take part where they are installed.
"""

import math
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pybigtools
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.timing import race, show
from strandwise.data.reading import GenomeReader, PackedGenome
from strandwise.data.signals import SignalCache, SignalReader, Track, Transform
from strandwise.genome import BigWig, Genome, write_bigwig, write_fasta
from strandwise.memory import keep_freed_memory
from strandwise.sequence import decode

LENGTHS, BATCH, BULK, WINDOWS, GENOME, TRACKS = (2114, 3072), 256, 4096, 20_000, 20_000_000, 4
STEP, GAPS = 20, 0.3
PER_BASE = 2_000_000
COVERAGES = (0.25, 0.5, 1.0, 2.1, 4.0)
LIMIT, ONE_BY_ONE = "limit: copies in memory", "pybigtools, one by one"

Rows = NDArray[np.int64]
Way = Callable[[Rows], object]


@dataclass
class Files:
    """A random genome, and random tracks in steps of some bases with gaps in between."""

    folder: Path
    rng: np.random.Generator

    @cached_property
    def genome(self) -> Genome:
        path = self.folder / "genome.fa"
        write_fasta(path, [("chr1", decode(self.rng.integers(0, 4, GENOME).astype(np.uint8)))])
        return Genome(path)

    @cached_property
    def tracks(self) -> list[Track]:
        return [self._track(f"track{index}", GENOME, STEP) for index in range(TRACKS)]

    @cached_property
    def per_base(self) -> Track:
        return self._track("per_base", PER_BASE, 1)

    def _track(self, name: str, size: int, step: int) -> Track:
        starts = np.arange(0, size, step)
        starts = starts[self.rng.random(len(starts)) >= GAPS]
        values = self.rng.random(len(starts), dtype=np.float32).tolist()
        intervals = (("chr1", start, start + step, value) for start, value in zip(starts.tolist(), values, strict=True))
        write_bigwig(self.folder / f"{name}.bw", {"chr1": size}, intervals)
        return Track(name, self.folder / f"{name}.bw")


@dataclass
class Asked:
    """Windows at random places, and the tracks that are read in them."""

    files: Files
    tracks: list[Track]
    length: int

    @cached_property
    def start(self) -> NDArray[np.int64]:
        return np.random.default_rng(1).integers(0, GENOME - self.length, WINDOWS)

    @property
    def chrom(self) -> NDArray[np.str_]:
        return np.full(WINDOWS, "chr1")

    @property
    def fasta(self) -> str:
        return str(self.files.genome.path)

    @property
    def paths(self) -> list[str]:
        return [str(track.path) for track in self.tracks]

    def loci(self, rows: Rows) -> pd.DataFrame:
        return pd.DataFrame({"chrom": "chr1", "start": self.start[rows], "end": self.start[rows] + self.length})

    def reader(self, dtype: Any = "float32") -> SignalReader:
        signals = SignalCache(self.files.genome.sizes, self.files.folder / "cache", dtype).open(self.tracks)
        return SignalReader(signals, self.chrom, self.start, input_bp=self.length)


def ours(asked: Asked) -> dict[str, Way]:
    """Return the ways of this package, and the copies that no way can do without."""
    packed = PackedGenome(asked.files.genome, ["chr1"], asked.length)
    codes = GenomeReader(packed, packed.origin(asked.chrom, asked.start), asked.length)
    # Copied, since what lies in a file's map is read through smaller pages.
    arrays = [torch.from_numpy(BigWig(path).values("chr1", 0, GENOME)) for path in asked.paths]
    views = [array.as_strided((GENOME - asked.length + 1, asked.length), (1, 1)) for array in arrays]

    def limit(rows: Rows) -> object:
        letters = sliding_window_view(packed.codes, asked.length)[codes.origin[rows]]
        out, start = torch.empty((len(rows), len(arrays), asked.length)), torch.from_numpy(asked.start[rows])
        for index, view in enumerate(views):
            torch.index_select(view, 0, start, out=out[:, index])
        return letters, out

    if not asked.tracks:
        return {LIMIT: limit, "strandwise": codes.gather}

    def with_signal(reader: SignalReader) -> Way:
        return lambda rows: (codes.gather(rows), reader.gather(rows))

    loop = pybigtools_loop(asked.paths, asked.start, asked.length)
    return {
        LIMIT: limit,
        "strandwise, float32": with_signal(asked.reader()),
        "strandwise, float16": with_signal(asked.reader("float16")),
        ONE_BY_ONE: lambda rows: (codes.gather(rows), loop(rows)),
    }


def pybigtools_loop(paths: list[str], start: NDArray[np.int64], length: int) -> Way:
    """Return a loop over windows with pybigtools."""
    files = [pybigtools.open(path) for path in paths]

    def loop(rows: Rows) -> Tensor:
        ends = [(place, place + length) for place in start[rows].tolist()]
        found = [[file.values("chr1", *end, fillna=0.0) for file in files] for end in ends]
        return torch.from_numpy(np.array(found, dtype=np.float32))

    return loop


def one_by_one(asked: Asked) -> Way:
    """Return a loop over windows with pyfaidx and pyBigWig."""
    letters = import_module("pyfaidx").Fasta(asked.fasta)
    files = [import_module("pyBigWig").open(path) for path in asked.paths]

    def read(rows: Rows) -> object:
        ends = [(place, place + asked.length) for place in asked.start[rows].tolist()]
        text = [str(letters["chr1"][start:end]) for start, end in ends]
        return text, np.array([[file.values("chr1", *end, numpy=True) for file in files] for end in ends])

    return read


def tangermeme(asked: Asked) -> Way:
    """Return tangermeme's extraction of a table of loci."""
    extract, lengths = (
        import_module("tangermeme.io").extract_loci,
        {"in_window": asked.length, "out_window": asked.length},
    )
    return lambda rows: extract(asked.loci(rows), asked.fasta, signals=asked.paths or None, **lengths)


def gen_var_loader(asked: Asked) -> Way:
    """Return GenVarLoader's data set of the windows, which it writes first."""
    gvl, path = import_module("genvarloader"), asked.files.folder / f"{len(asked.tracks)}.{asked.length}.gvl"
    loci = asked.loci(np.arange(WINDOWS)).rename(columns={"start": "chromStart", "end": "chromEnd"})
    tracks = [gvl.BigWigs(track.name, {"sample": str(track.path)}) for track in asked.tracks]
    import_module("loguru").logger.remove()
    start = time.perf_counter()
    gvl.write(path, import_module("polars").from_pandas(loci), bigwigs=tracks, overwrite=True)
    print(f"GenVarLoader wrote {WINDOWS} windows at {WINDOWS / (time.perf_counter() - start):,.0f} windows/s")
    data = gvl.Dataset.open(path, reference=asked.fasta).with_len(asked.length).with_seqs("reference")
    data = data.with_tracks([track.name for track in asked.tracks])
    return lambda rows: data[rows, 0]


def peers(asked: Asked) -> dict[str, Way]:
    """Return the ways of other packages that work here, and say which do not."""
    makers: dict[str, Callable[[Asked], Way]] = {
        "pyfaidx and pyBigWig, one by one": one_by_one,
        "tangermeme, a call a batch": tangermeme,
    }
    if asked.tracks:
        makers["GenVarLoader"] = gen_var_loader
    ways: dict[str, Way] = {}
    for name, make in makers.items():
        try:
            ways[name] = make(asked)
            ways[name](np.arange(2))
        except Exception as error:
            # Peers fail in their own ways where a part of theirs is missing or too new.
            ways.pop(name, None)
            print(f"{name} is left out: {type(error).__name__}: {error}")
    return ways


def compare(title: str, ways: dict[str, Way], base: str, size: int = BATCH, rounds: int = 15) -> None:
    """Print windows per second; every batch is of other windows, since the same ones would stay in the caches."""

    def batch(way: Way) -> Callable[[], object]:
        def rows() -> Iterator[Rows]:
            rng = np.random.default_rng(2)
            while True:
                yield rng.integers(0, WINDOWS, size)

        asked = rows()
        return lambda: way(next(asked))

    # Some peers change it as they are imported.
    torch.set_num_threads(1)
    times = race({name: batch(way) for name, way in ways.items()}, rounds, warm_up=2)
    show(title, {name: size / seconds for name, seconds in times.items()}, "windows/s", base)


def decoding(files: Files) -> None:
    """Print how fast a bigWig is read from end to end, and how fast it is decoded once and kept."""
    rates: dict[str, float] = {}
    for what, track, size in (
        (f"a value for {STEP} bases", files.tracks[0], GENOME),
        ("a value for each base", files.per_base, PER_BASE),
    ):

        def decoded(dtype: Any, track: Track = track, size: int = size) -> Callable[[], object]:
            def run() -> None:
                shutil.rmtree(files.folder / "once", ignore_errors=True)
                SignalCache({"chr1": size}, files.folder / "once", dtype).open([track])

            return run

        ways: dict[str, Callable[[], object]] = {
            "read": lambda track=track, size=size: BigWig(track.path).values("chr1", 0, size),
            "decoded to float32": decoded("float32"),
            "decoded to float16": decoded("float16"),
        }
        for name, seconds in race(ways, rounds=5, warm_up=1).items():
            rates[f"{what}: {name}"] = size / seconds / 1e6
    show("a bigWig from end to end", rates, "Mbp/s", next(iter(rates)))


def first_epochs(files: Files, length: int) -> None:
    """Print how long a first pass over windows takes, with decoding and without."""
    for what, track, size in (
        (f"a value for {STEP} bases", files.tracks[0], GENOME),
        ("a value for each base", files.per_base, PER_BASE),
    ):
        for coverage in COVERAGES:
            start = np.random.default_rng(3).integers(0, size - length, int(coverage * size / length))
            cold = files.folder / "cold"
            cold.mkdir(exist_ok=True)
            count, ways = len(start), first_passes(cold, track, size, start, length)
            wall, cpu = race_both(ways, lambda cold=cold: [shutil.rmtree(each) for each in cold.iterdir()])
            title = f"a first pass over {count} windows of {length} bp, {coverage:g} times the genome, {what}"
            for clock, times in (("windows/s", wall), ("windows per CPU second", cpu)):
                show(title, {name: count / seconds for name, seconds in times.items()}, clock, ONE_BY_ONE)


def first_passes(folder: Path, track: Track, size: int, start: Rows, length: int) -> dict[str, Callable[[], object]]:
    """Return the ways to pass over windows for the first time."""
    batches = np.array_split(np.arange(len(start)), max(len(start) // BATCH, 1))

    def loop() -> None:
        way = pybigtools_loop([str(track.path)], start, length)
        for rows in batches:
            way(rows)

    def ready(chosen: bool) -> None:
        # A folder of its own, for removing what the last pass left is no part of this one.
        cache = SignalCache({"chr1": size}, Path(tempfile.mkdtemp(dir=folder)))
        signals = cache.open_for([track], len(start) * length) if chosen else cache.open([track])
        reader = SignalReader(signals, np.full(len(start), "chr1"), start, input_bp=length)
        for rows in batches:
            reader.gather(rows)

    return {
        ONE_BY_ONE: loop,
        "strandwise, decoded first": lambda: ready(False),
        "strandwise, as it chooses": lambda: ready(True),
    }


def race_both(
    ways: dict[str, Callable[[], object]], tidy: Callable[[], object], rounds: int = 5
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the least seconds of each way by the clock, and by the processors, which a busy machine delays less."""
    wall, cpu = dict.fromkeys(ways, math.inf), dict.fromkeys(ways, math.inf)
    for _ in range(rounds + 1):
        for name, way in ways.items():
            begun, used = time.perf_counter(), time.process_time()
            way()
            wall[name] = min(wall[name], time.perf_counter() - begun)
            cpu[name] = min(cpu[name], time.process_time() - used)
            tidy()
    return wall, cpu


def options(asked: Asked) -> None:
    """Print what shifts, strands, bins and transforms cost."""
    rng = np.random.default_rng(1)
    shifts, turned = rng.integers(-9, 10, BATCH), rng.random(BATCH) < 0.5
    cache = SignalCache(asked.files.genome.sizes, asked.files.folder / "cache")

    def reader(transform: Transform = "none", bin_bp: int = 1) -> SignalReader:
        signals = cache.open([Track(track.name, track.path, transform=transform) for track in asked.tracks])
        return SignalReader(signals, asked.chrom, asked.start, input_bp=asked.length, output_bp=2080, bin_bp=bin_bp)

    base = reader()
    ways: dict[str, Way] = {
        "as it is": base.gather,
        "shifted": lambda rows: base.gather(rows, shifts),
        "shifted, half of them turned": lambda rows: base.gather(rows, shifts, turned),
    }
    for bin_bp in (2, 16, 130):
        ways[f"bins of {bin_bp} bp"] = reader(bin_bp=bin_bp).gather
    transforms: tuple[Transform, ...] = ("clip", "z", "log1p", "asinh")
    for transform in transforms:
        ways[transform] = reader(transform).gather
    ways["log1p of bins of 16 bp"] = reader("log1p", 16).gather
    compare(f"{len(asked.tracks)} tracks, 2080 of {asked.length} bp, batches of {BATCH}", ways, "as it is")


def main() -> None:
    """Print windows per second at random places of a 20 Mb genome."""
    # As every command of ours does; here it is for peers too.
    keep_freed_memory()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            files = Files(Path(name), np.random.default_rng(0))
            decoding(files)
            first_epochs(files, LENGTHS[0])
            for length in LENGTHS:
                for count in (0, 1, TRACKS):
                    asked = Asked(files, files.tracks[:count], length)
                    ways, others = ours(asked), peers(asked)
                    compare(f"sequence and {count} tracks, {length} bp, batches of {BATCH}", ways | others, LIMIT)
                    bulk = {name: way for name, way in (ways | others).items() if "one by one" not in name}
                    compare(f"the same, {BULK} windows in one call", bulk, LIMIT, BULK, rounds=5)
            options(Asked(files, files.tracks, LENGTHS[0]))
    finally:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
