import gzip
import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pybigtools
import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandwise.errors import InputError
from strandwise.genome.bedgraph import BedGraph
from strandwise.genome.bigwig import BigWig, write_bigwig

WriteBgzip = Callable[..., Path]
Interval = tuple[str, int, int, float]
SIZES = {"chr1": 40_000, "chr10": 1_000, "chr2": 100_000}


def made_up(seed: int) -> list[Interval]:
    """Intervals with and without gaps, some wider than a bin of the index, up to the ends of chromosomes."""
    rng = random.Random(seed)  # noqa: S311
    intervals = []
    for chrom, size in SIZES.items():
        end = rng.choice([0, 3])
        while end < size:
            start = end + rng.choice([0, 0, rng.randrange(300)])
            end = min(start + (rng.randrange(1, 20_000) if rng.random() < 0.01 else rng.randrange(1, 90)), size)
            if start < end:
                intervals.append((chrom, start, end, rng.choice([0.0, -1.5, rng.gauss(0, 100), 1e-30])))
    return intervals


INTERVALS = made_up(1)
REACH = {chrom: max(end for name, _, end, _ in INTERVALS if name == chrom) for chrom in SIZES}


def lines(intervals: list[Interval], separator: str = "\t") -> str:
    return "".join(separator.join(map(str, interval)) + "\n" for interval in intervals)


def tabix(path: Path, csi: bool = False) -> Path:
    pysam.tabix_index(str(path), preset="bed", force=True, csi=csi)
    return path


@pytest.fixture(params=["plain", "gzip", "bgzip", "tbi", "csi"])
def path(request, tmp_path: Path, write_bgzip: WriteBgzip) -> Path:
    text = lines(INTERVALS)
    if request.param == "plain":
        (tmp_path / "a.bedGraph").write_text(text)
        return tmp_path / "a.bedGraph"
    if request.param == "gzip":
        (tmp_path / "a.bedGraph.gz").write_bytes(gzip.compress(text.encode()))
        return tmp_path / "a.bedGraph.gz"
    path = write_bgzip(text, 1000, "a.bedGraph.gz")
    return path if request.param == "bgzip" else tabix(path, csi=request.param == "csi")


def some_intervals(seed: int, times: int = 40) -> list[tuple[str, int, int]]:
    rng = random.Random(seed)  # noqa: S311
    found = [(chrom, 0, size) for chrom, size in REACH.items()]
    for _ in range(times):
        chrom = rng.choice(list(REACH))
        start = rng.randrange(REACH[chrom])
        found.append((chrom, start, min(start + rng.choice([0, 1, 50, 3000]), REACH[chrom])))
    return found


@pytest.mark.parametrize("missing", [0.0, -1.0, float("nan")])
def test_values_equal_those_of_a_bigwig_of_the_same_intervals(path: Path, tmp_path: Path, missing: float) -> None:
    write_bigwig(tmp_path / "a.bw", SIZES, INTERVALS)
    theirs, ours = pybigtools.open(str(tmp_path / "a.bw")), BedGraph(path)
    assert ours.sizes == REACH
    assert list(ours.sizes) == list(SIZES)
    for chrom, start, end in some_intervals(2):
        found = ours.values(chrom, start, end, missing)
        assert found.dtype == np.float32
        expected = theirs.values(chrom, start, end, fillna=missing) if start < end else np.empty(0)
        assert np.array_equal(found, expected.astype(np.float32), equal_nan=True), (chrom, start, end)


def test_values_equal_those_of_libbigwig(path: Path, tmp_path: Path) -> None:
    py_bigwig = pytest.importorskip("pyBigWig")
    with py_bigwig.open(str(tmp_path / "a.bw"), "w") as file:
        file.addHeader(list(SIZES.items()))
        for chrom in SIZES:
            mine = [interval[1:] for interval in INTERVALS if interval[0] == chrom]
            starts, ends, values = (list(column) for column in zip(*mine, strict=True))
            file.addEntries([chrom] * len(mine), starts, ends=ends, values=values)
    ours, as_bigwig = BedGraph(path), BigWig(tmp_path / "a.bw")
    with py_bigwig.open(str(tmp_path / "a.bw")) as theirs:
        for chrom, start, end in some_intervals(3):
            if start < end:
                expected = theirs.values(chrom, start, end, numpy=True)
                for file in (ours, as_bigwig):
                    assert np.array_equal(file.values(chrom, start, end, np.nan), expected, equal_nan=True)


def test_positions_behind_the_last_line_are_missing(path: Path) -> None:
    file = BedGraph(path)
    size = REACH["chr10"]
    last = file.values("chr10", size - 1, size)
    assert file.values("chr10", size - 1, size + 3, missing=9).tolist() == [*last.tolist(), 9, 9, 9]
    assert file.values("chr10", size + 100_000, size + 100_002).tolist() == [0, 0]
    assert file.values("chr10", 2**32 + 5, 2**32 + 7, missing=2).tolist() == [2, 2]


def test_wrong_intervals_are_named(path: Path) -> None:
    file = BedGraph(path)
    with pytest.raises(InputError, match=r"'2' is not in .*a.bedGraph.* \(did you mean 'chr2'"):
        file.values("2", 0, 1)
    for start, end in ((-1, 5), (9, 4), (-9, -4)):
        with pytest.raises(InputError, match=rf"chr2:{start}-{end} is not an interval"):
            file.values("chr2", start, end)


def test_survives_pickling_and_forks(path: Path) -> None:
    file = BedGraph(path)
    expected = file.values("chr2", 0, 50_000)
    assert np.array_equal(pickle.loads(pickle.dumps(file)).values("chr2", 0, 50_000), expected)  # noqa: S301
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(file.values("chr2", 0, 50_000), expected) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_an_index_is_used_only_if_it_is_one_of_this_file(tmp_path: Path, write_bgzip: WriteBgzip) -> None:
    path = tabix(write_bgzip(lines(INTERVALS), 1000, "a.bg.gz"))
    index = tmp_path / "a.bg.gz.tbi"
    whole = index.read_bytes()

    def indexed() -> bool:
        return type(BedGraph(path)._source).__name__ == "_Indexed"

    assert indexed()
    for content in (b"", b"nonsense", whole[:-40], whole[:50] + bytes([whole[50] ^ 1]) + whole[51:]):
        index.write_bytes(content)
        assert not indexed()
        assert BedGraph(path).sizes == REACH
    index.write_bytes(whole)
    os.utime(index, (1, 1))
    assert not indexed()
    # Of another preset, positions would count from 1.
    pysam.tabix_index(str(path), seq_col=0, start_col=1, end_col=2, zerobased=False, force=True)
    assert not indexed()
    assert BedGraph(path).sizes == REACH


def test_an_index_that_leads_elsewhere_is_refused(tmp_path: Path, write_bgzip: WriteBgzip) -> None:
    other = tabix(write_bgzip(lines(INTERVALS[:5]) + "".join(f"chr9\t{i}\t{i + 1}\t1\n" for i in range(5000)), 500))
    path = write_bgzip(lines(INTERVALS), 1000, "a.bg.gz")
    (tmp_path / "a.bg.gz.tbi").write_bytes((tmp_path / f"{other.name}.tbi").read_bytes())
    with pytest.raises(InputError, match=r"a.bg.gz.*tabix -f -p bed .*a.bg.gz"):
        BedGraph(path)


def test_a_damaged_block_is_refused_when_it_is_read(write_bgzip: WriteBgzip, capfd) -> None:
    path = tabix(write_bgzip(lines(INTERVALS), 1000, "a.bg.gz"))
    file = BedGraph(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a.bg.gz, chr2 from 0 on: cannot be read"):
        pickle.loads(pickle.dumps(file)).values("chr2", 0, 90_000)  # noqa: S301
    with pytest.raises(InputError, match=r"a.bg.gz: the compressed file is cut off .* Copy it again"):
        BedGraph(path)


def test_lines_of_an_indexed_file_are_checked_too(write_bgzip: WriteBgzip) -> None:
    path = tabix(write_bgzip("chr1\t5\t9\t1\nchr1\t8\t20\t2\nchr1\t50000\t50009\t2\n", 1000, "a.bg.gz"))
    file = BedGraph(path)
    assert file.values("chr1", 50_000, 50_001).tolist() == [2]
    with pytest.raises(InputError, match=r"a.bg.gz, chr1 from 0 on, line 2: chr1:8-20 begins before 9"):
        file.values("chr1", 0, 30)


@pytest.mark.parametrize("position", [2**28, 2**29 - 20, 2**31 - 20])
def test_long_chromosomes(write_bgzip: WriteBgzip, position: int) -> None:
    path = write_bgzip(lines([("chr1", 5, 9, 1.0), ("chr1", position, position + 10, 2.5)]), name="a.bg.gz")
    loaded, indexed = BedGraph(path), BedGraph(tabix(path, csi=position > 2**29))
    for file in (loaded, indexed):
        assert file.sizes == {"chr1": position + 10}
        assert file.values("chr1", position + 8, position + 12).tolist() == [2.5, 2.5, 0, 0]


def test_missing_values_are_missing_however_the_file_is_read(tmp_path: Path, write_bgzip: WriteBgzip) -> None:
    text = "chr1\t0\t2\t5\nchr1\t2\t4\tnan\nchr1\t20000\t20010\tNA\nchr2\t1\t2\tNaN\n"
    (tmp_path / "a.bg").write_text(text)
    for path in (tmp_path / "a.bg", tabix(write_bgzip(text))):
        file = BedGraph(path)
        assert file.sizes == {"chr1": 20010, "chr2": 2}
        assert file.values("chr1", 0, 6, missing=-1).tolist() == [5, 5, -1, -1, -1, -1]
        assert file.values("chr2", 0, 2).tolist() == [0, 0]


@pytest.mark.parametrize("text", ["", "\n\n", "track name=x\n#\n", "browser position chr1\n"])
def test_a_file_without_intervals_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.bg").write_text(text)
    with pytest.raises(InputError, match=r"a.bg: the bedGraph file has no intervals"):
        BedGraph(tmp_path / "a.bg")


def test_compressed_files_that_are_cut_are_refused(tmp_path: Path, write_bgzip: WriteBgzip) -> None:
    packed, blocks = gzip.compress(lines(INTERVALS).encode()), write_bgzip(lines(INTERVALS), 200).read_bytes()
    path = tmp_path / "a.bg.gz"
    for content in (
        packed[:-1],
        packed[:-9],
        packed[: len(packed) // 2],
        blocks[:-1],
        blocks[:-28],
        blocks[: len(blocks) // 2],
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a.bg.gz: the compressed file is (damaged or )?cut off"):
            BedGraph(path)


RUNS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(1, 6), st.floats(-9, 9, width=32) | st.just(float("nan"))), max_size=9
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RUNS, RUNS, st.integers(0, 70), st.integers(0, 70), st.sampled_from([0.0, 7.5]), st.booleans())
def test_values_against_a_table_of_positions(
    tmp_path: Path, first: list, second: list, one: int, other: int, missing: float, indexed: bool
) -> None:
    table: dict[str, dict[int, float]] = {}
    text = ""
    for chrom, runs in (("chr1", first), ("chr2", second)):
        end = 0
        for gap, length, value in runs:
            start, end = end + gap, end + gap + length
            table.setdefault(chrom, {}).update((position, value) for position in range(start, end))
            text += f"{chrom}\t{start}\t{end}\t{value}\n"
    if not table:
        return
    path = tmp_path / "a.bg.gz"
    with pysam.BGZFile(str(path), "wb", None) as stream:
        stream.write(text.encode())
    Path(f"{path}.tbi").unlink(missing_ok=True)
    file = BedGraph(tabix(path) if indexed else path)
    assert file.sizes == {chrom: max(values) + 1 for chrom, values in table.items()}
    start, end = min(one, other), max(one, other)
    for chrom, values in table.items():
        expected = [values.get(position, missing) for position in range(start, end)]
        expected = [missing if np.isnan(value) else value for value in expected]
        assert file.values(chrom, start, end, missing).tolist() == expected
