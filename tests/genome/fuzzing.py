"""Reads damaged files, in a process of its own: `python fuzzing.py FOLDER FORMAT...` prints what went wrong.

Each case damages one file of a format (bytes changed, or the end cut off) and reads it whole. It may end in an
InputError, or in data that are right: equal to those of the whole file, or, where a format has nothing that
could tell, to what a slow reader makes of the damaged file.
"""

import faulthandler
import gzip
import importlib.util
import os
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pysam

from strandwise.errors import InputError
from strandwise.genome import BigWig, Genome, open_signal, read_bed, read_fasta, write_bigwig
from strandwise.sequence import N, encode

CASES = 100
Data = dict[str, np.ndarray]

_LETTERS = random.Random(1)  # noqa: S311
SEQUENCES = {
    name: "".join(_LETTERS.choice("ACGTACGTacgtN") for _ in range(size))
    for name, size in (("chrI", 703), ("chrII", 300), ("chrM", 50))
}
FASTA = "".join(
    f">{name} a {name}\n" + "".join(letters[i : i + 60] + "\n" for i in range(0, len(letters), 60))
    for name, letters in SEQUENCES.items()
)
INTERVALS = [
    (name, start, start + 1 + start % 7, (start % 11) / 4 - 1)
    for name, letters in SEQUENCES.items()
    for start in range(3, len(letters) - 9, 11)
]
BEDGRAPH = "track type=bedGraph\n" + "".join(f"{c}\t{s}\t{e}\t{v}\n" for c, s, e, v in INTERVALS)
BED = "".join(f"{c}\t{s}\t{e}\tpeak{s}\t{s % 9}\t+\n" for c, s, e, _ in INTERVALS)


def _conftest():
    spec = importlib.util.spec_from_file_location("genome_conftest", Path(__file__).with_name("conftest.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def genome(path: Path) -> Data:
    found = Genome(path)
    data = {name: found.load(name) for name in found.sizes}
    for name, whole in data.items():
        for start in range(0, len(whole) - 20, 97):
            assert np.array_equal(found.fetch(name, start, start + 20), whole[start : start + 20])
    return data


def records(path: Path) -> Data:
    return {record.name: encode(record.letters, ambiguous="n") for record in read_fasta(path)}


def signal(path: Path) -> Data:
    found = open_signal(path)
    return {name: found.values(name, 0, min(size, 10_000), np.nan) for name, size in found.sizes.items()}


def signal_twice(path: Path) -> Data:
    """Read a bigWig in both ways, and once more where it fails: a reader that fell over must say so again."""
    found = BigWig(path)
    sizes = {name: min(size, 10_000) for name, size in found.sizes.items()}
    try:
        data = {name: found.values(name, 0, size, np.nan) for name, size in sizes.items()}
        for name, size in sizes.items():
            runs = found.runs(name, 0, size)
            assert runs is None or np.array_equal(runs.dense(0, size, np.nan), data[name], equal_nan=True)
        return data
    except InputError:
        for name, size in sizes.items():
            try:
                found.values(name, 0, size)
            except InputError:
                continue
        raise


def peaks(path: Path) -> Data:
    frame = read_bed(path)
    return {column: frame[column].to_numpy() for column in ("chrom", "start", "end")}


def slow_signal(text: bytes) -> Data:
    data: dict[str, dict[int, float]] = {}
    for line in text.decode().split("\n"):
        if line.strip(" \t") and not line.startswith("#") and line.split()[0] not in ("track", "browser"):
            name, start, end, value = line.split("\t") if "\t" in line else line.split()
            if int(end) > 10_000:
                return {}
            data.setdefault(name, {}).update({i: float(value) for i in range(int(start), int(end))})
    return {
        name: np.array([values.get(i, np.nan) for i in range(max(values) + 1)], dtype=np.float32)
        for name, values in data.items()
    }


def slow_peaks(text: bytes) -> Data:
    rows = [line.split("\t") for line in text.decode().split("\n")]
    rows = [row for row in rows if not "".join(row).isspace() and row != [""] and row[0][:1] != "#"]
    return {
        "chrom": np.array([row[0] for row in rows], dtype=object),
        "start": np.array([int(row[1]) for row in rows]),
        "end": np.array([int(row[2]) for row in rows]),
    }


def same(found: Data, expected: Data) -> bool:
    return list(found) == list(expected) and all(
        np.array_equal(found[name], expected[name], equal_nan=found[name].dtype.kind == "f") for name in expected
    )


def strictly(found: Data, whole: Data, damaged: bytes, changed: int) -> bool:
    """The format has a checksum."""
    return same(found, whole)


def but_for_names(found: Data, whole: Data, damaged: bytes, changed: int) -> bool:
    """The data have a checksum, and names and sizes of chromosomes have none."""
    pairs = list(zip(found.values(), whole.values(), strict=False))
    shorter = [min(len(a), len(b)) for a, b in pairs]
    return len(found) == len(whole) and all(
        np.array_equal(a[:n], b[:n], equal_nan=True) and np.isnan(a[n:]).all()
        for (a, b), n in zip(pairs, shorter, strict=True)
    )


def few_letters(found: Data, whole: Data, damaged: bytes, changed: int) -> bool:
    """Letters, names and stretches of N have no checksum, and nothing else may differ."""
    if changed == 0:
        return same(found, dict(list(whole.items())[: len(found)]))
    differing = 0
    for a, b in zip(found.values(), whole.values(), strict=False):
        n = min(len(a), len(b))
        differing += int(((a[:n] != b[:n]) & (a[:n] != N) & (b[:n] != N)).sum()) + 4 * (abs(len(a) - len(b)) > 3)
    return len(found) == len(whole) and differing <= 4 * changed


def cut_or_few_letters(found: Data, whole: Data, damaged: bytes, changed: int) -> bool:
    """As letters, and a file that was cut off is a shorter file."""
    if changed:
        return few_letters(found, whole, damaged, changed)
    return all(np.array_equal(found[name], whole[name][: len(found[name])]) for name in found)


def slowly(read: Callable[[bytes], Data]) -> Callable[[Data, Data, bytes, int], bool]:
    """The format is text without a checksum: what it says after the damage is right."""

    def judge(found: Data, whole: Data, damaged: bytes, changed: int) -> bool:
        expected = read(damaged)
        return not expected or same(found, expected)

    return judge


@dataclass
class Format:
    """Files of one format, which of them are damaged, and what may come of it."""

    files: dict[str, bytes]
    damaged: list[str]
    read: Callable[[Path], Data]
    judge: Callable[[Data, Data, bytes, int], bool]
    read_only: bool = False


def _folder(folder: Path, name: str, content: bytes, make: Callable[[str], object]) -> dict[str, bytes]:
    """Return a file and the indexes that another program puts beside it."""
    made = folder / "made"
    made.mkdir()
    (made / name).write_bytes(content)
    make(str(made / name))
    return {entry.name: entry.read_bytes() for entry in sorted(made.iterdir())}


def formats(folder: Path) -> dict[str, Callable[[], Format]]:
    conftest = _conftest()

    def index_bed(path: str) -> None:
        pysam.tabix_index(path, preset="bed", force=True)

    def bigwig() -> bytes:
        write_bigwig(folder / "a.bw", {name: len(letters) for name, letters in SEQUENCES.items()}, INTERVALS)
        return (folder / "a.bw").read_bytes()

    def indexed(name: str, content: bytes, damaged: list[str], judge: Callable[..., bool]) -> Format:
        return Format(_folder(folder, name, content, pysam.faidx), damaged, genome, judge)

    fasta, lines = FASTA.encode(), BEDGRAPH.encode()
    packed = conftest.bgzip_bytes(fasta, 200)
    return {
        "fasta": lambda: Format({"g.fa": fasta}, ["g.fa"], genome, cut_or_few_letters),
        "fasta-with-index": lambda: indexed("g.fa", fasta, ["g.fa"], cut_or_few_letters),
        "fai": lambda: indexed("g.fa", fasta, ["g.fa.fai"], strictly),
        "bgzip": lambda: indexed("g.fa.gz", packed, ["g.fa.gz"], strictly),
        "gzi": lambda: indexed("g.fa.gz", packed, ["g.fa.gz.gzi"], strictly),
        "fai-kept": lambda: replace(indexed("g.fa", fasta, ["g.fa.fai"], strictly), read_only=True),
        "gzi-kept": lambda: replace(indexed("g.fa.gz", packed, ["g.fa.gz.gzi"], strictly), read_only=True),
        "records": lambda: Format({"a.fa": gzip.compress(fasta)}, ["a.fa"], records, strictly),
        "2bit": lambda: Format({"g.2bit": conftest.twobit_bytes(SEQUENCES)}, ["g.2bit"], genome, few_letters),
        "2bit-swapped": lambda: Format(
            {"g.2bit": conftest.twobit_bytes(SEQUENCES, ">", 1)}, ["g.2bit"], genome, few_letters
        ),
        "bigwig": lambda: Format({"a.bw": bigwig()}, ["a.bw"], signal_twice, but_for_names),
        "bedgraph": lambda: Format({"a.bg": lines}, ["a.bg"], signal, slowly(slow_signal)),
        "bedgraph-gzip": lambda: Format({"a.bg.gz": gzip.compress(lines)}, ["a.bg.gz"], signal, strictly),
        "tabix": lambda: Format(
            _folder(folder, "a.bg.gz", conftest.bgzip_bytes(lines.split(b"\n", 1)[1], 200), index_bed),
            ["a.bg.gz", "a.bg.gz.tbi"],
            signal,
            strictly,
        ),
        "bed": lambda: Format({"a.bed": BED.encode()}, ["a.bed"], peaks, slowly(slow_peaks)),
        "bed-gzip": lambda: Format({"a.bed.gz": gzip.compress(BED.encode())}, ["a.bed.gz"], peaks, strictly),
    }


def damage(content: bytes, seed: int) -> Iterator[tuple[bytes, int]]:
    """Yield damaged contents, and how many bytes of each changed; 0 where it was cut."""
    rng = random.Random(seed)  # noqa: S311
    for case in range(CASES):
        changed = bytearray(content)
        if case % 4 == 3:
            yield bytes(changed[: rng.randrange(len(changed))]), 0
            continue
        places = {rng.randrange(len(changed)) for _ in range(1 + case % 3)}
        for place in places:
            changed[place] ^= 1 << rng.randrange(8) if case % 2 else rng.randrange(1, 256)
        yield bytes(changed), len(places)


def write(form: Format, folder: Path, target: str = "", content: bytes = b"") -> Path:
    """Write the files of a format, one of them with other content, and return the one to read."""
    folder.mkdir(parents=True)
    first = next(iter(form.files))
    for file, whole in form.files.items():
        (folder / file).write_bytes(content if file == target else whole)
        # An index counts as newer than its file, so that its age does not give it away.
        os.utime(folder / file, (1e9, 1e9) if file == first else (2e9, 2e9))
    return folder / first


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def fuzz(name: str, form: Format, folder: Path) -> int:
    """Print a line for each case that ends otherwise than it may; return how many were refused."""
    whole = form.read(write(form, folder / "whole"))
    if form.read_only:
        os.access = lambda path, mode, **_: mode == os.R_OK
    refused = 0
    for target in form.damaged:
        for case, (content, changed) in enumerate(damage(form.files[target], seed=len(name))):
            path = write(form, folder / f"{target}-{case}", target, content)
            what = f"{name}: {target}, case {case}, {changed} bytes changed"
            faulthandler.dump_traceback_later(60, exit=True)
            try:
                found = form.read(path)
            except InputError:
                refused += 1
            except BaseException as error:
                say(f"{what}: {type(error).__name__}: {error}")
            else:
                if not form.judge(found, whole, content, changed):
                    say(f"{what}: wrong data")
            faulthandler.cancel_dump_traceback_later()
    return refused


def main(folder: Path, names: list[str]) -> None:
    """Fuzz formats in turn, and print how many damaged files of each were refused."""
    access, refused = os.access, {}
    for name in names:
        here = folder / name
        here.mkdir()
        refused[name] = fuzz(name, formats(here)[name](), here)
        os.access = access
    say(" ".join(f"{name}={count}" for name, count in refused.items()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
