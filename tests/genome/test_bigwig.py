import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandwise.errors import InputError, OutputError
from strandwise.genome import bigwig
from strandwise.genome.bigwig import BigWig, Steps, write_bigwig, write_steps

SIZES = {"chrI": 1000, "chrII": 500, "chrIII": 40}
INTERVALS = [("chrI", 0, 10, 1.5), ("chrI", 20, 21, -2.0), ("chrI", 990, 1000, 3.25), ("chrII", 100, 400, 0.125)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "signal.bw"
    write_bigwig(path, SIZES, INTERVALS)
    return path


def dense(missing: float) -> dict[str, np.ndarray]:
    arrays = {chrom: np.full(size, missing, dtype=np.float32) for chrom, size in SIZES.items()}
    for chrom, start, end, value in INTERVALS:
        arrays[chrom][start:end] = value
    return arrays


@pytest.mark.parametrize("missing", [0.0, -1.0, float("nan")])
def test_what_is_written_is_read_back(path: Path, missing: float) -> None:
    file = BigWig(path)
    assert file.sizes == {"chrI": 1000, "chrII": 500}
    for chrom in file.sizes:
        values = file.values(chrom, 0, SIZES[chrom], missing=missing)
        assert values.dtype == np.float32
        assert np.array_equal(values, dense(missing)[chrom], equal_nan=True)
        assert np.array_equal(file.values(chrom, 7, 25, missing), values[7:25], equal_nan=True)
    assert file.values("chrI", 5, 5).shape == (0,)
    assert [entry.name for entry in path.parent.iterdir()] == ["signal.bw"]


def test_wrong_intervals_are_named(path: Path) -> None:
    file = BigWig(path)
    with pytest.raises(InputError, match=r"'II' is not in .*signal.bw \(did you mean 'chrII'"):
        file.values("II", 0, 1)
    for start, end in ((-5, 5), (495, 501), (9, 4)):
        with pytest.raises(InputError, match=rf"chrII:{start}-{end} .* 500 bp"):
            file.values("chrII", start, end)


def test_survives_pickling_and_forks(path: Path) -> None:
    file = BigWig(path)
    expected = file.values("chrI", 0, 1000)
    copy = pickle.loads(pickle.dumps(file))  # noqa: S301
    assert np.array_equal(copy.values("chrI", 0, 1000), expected)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(file.values("chrI", 0, 1000), expected) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_file_cut_anywhere_is_refused(path: Path, tmp_path: Path, capfd) -> None:
    whole = path.read_bytes()
    cut = tmp_path / "cut.bw"
    for size in [*range(0, len(whole), 7), len(whole) - 1]:
        cut.write_bytes(whole[:size])
        with pytest.raises(InputError, match="cut off"):
            BigWig(cut)
    assert capfd.readouterr().err == ""


def test_a_damaged_block_is_refused_when_read(path: Path) -> None:
    content = bytearray(path.read_bytes())
    data, index = struct.unpack("<QQ", content[16:32])
    content[data + 8 : index] = bytes(index - data - 8)
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        BigWig(path).values("chrI", 0, 1000)


def test_other_files_are_refused(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "peaks.bw"
    other.write_text("chrI\t0\t10\n" * 20)
    with pytest.raises(InputError, match="not a bigWig"):
        BigWig(other)
    renamed = path.rename(tmp_path / "signal.wig")
    with pytest.raises(InputError, match=r"mv .*signal.wig .*signal.bw"):
        BigWig(renamed)
    with pytest.raises(InputError, match="no such file"):
        BigWig(tmp_path / "none.bw")


@pytest.mark.parametrize(
    ("intervals", "words"),
    [
        ([], "no intervals"),
        ([("chrI", 20, 30, 1.0), ("chrI", 0, 10, 1.0)], "sort by"),
        ([("chrI", 0, 10, 1.0), ("chrI", 9, 12, 1.0)], "chrI:9-12"),
        ([("chrII", 0, 10, 1.0), ("chrI", 0, 10, 1.0)], "sort by"),
        ([("chrI", 0, 1001, 1.0)], "past the end of chrI"),
        ([("chrI", 5, 5, 1.0)], "empty"),
        ([("chrI", -1, 5, 1.0)], "chrI:-1-5"),
        ([("I", 0, 1, 1.0)], "did you mean 'chrI'"),
        ([("chrI", 0, 1, float("nan"))], "finite"),
        ([("chrI", 0, 1, 1e300)], "finite"),
    ],
)
def test_intervals_that_cannot_be_written(path: Path, intervals: list, words: str) -> None:
    before = path.read_bytes()
    with pytest.raises(InputError, match=words):
        write_bigwig(path, SIZES, intervals)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["signal.bw"]


def test_an_error_in_the_middle_of_the_intervals_comes_through(path: Path, capfd) -> None:
    def failing():
        yield INTERVALS[0]
        raise RuntimeError("the model fell over")

    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="fell over"):
        write_bigwig(path, SIZES, failing())
    assert path.read_bytes() == before
    assert capfd.readouterr().err == ""


def test_places_and_sizes_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must end with"):
        write_bigwig(tmp_path / "a.wig", SIZES, INTERVALS)
    with pytest.raises(InputError, match="cannot be 2147483648 bp"):
        write_bigwig(tmp_path / "a.bw", {"chrI": 2**31}, INTERVALS)
    (tmp_path / "a.bw").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write_bigwig(tmp_path / "a.bw", SIZES, INTERVALS)


def test_chromosomes_longer_than_the_library_counts_are_refused(path: Path) -> None:
    content = bytearray(path.read_bytes())
    place = content.index(struct.pack("<I", 500), struct.unpack("<Q", content[8:16])[0])
    struct.pack_into("<I", content, place, 2**31)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"signal.bw: chromosome 'chrII' is 2147483648 bp, and 2147483647 is the most"):
        BigWig(path)
    struct.pack_into("<I", content, place, 2**31 - 1)
    path.write_bytes(content)
    assert BigWig(path).values("chrII", 99, 101).tolist() == [0, 0.125]
    assert BigWig(path).values("chrII", 2**31 - 2, 2**31 - 1).tolist() == [0]


def test_intervals_longer_than_what_is_read_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = BigWig(path)
    whole = file.values("chrI", 0, 1000, np.nan)
    monkeypatch.setattr(bigwig, "_AT_ONCE", 7)
    for start, end in ((0, 1000), (3, 10), (3, 11), (5, 6), (993, 1000)):
        assert np.array_equal(file.values("chrI", start, end, np.nan), whole[start:end], equal_nan=True)


RUNS = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 6), st.floats(-9, 9, width=32)), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RUNS, st.integers(0, 9), st.integers(-3, 150), st.integers(-3, 150), st.sampled_from([0.0, -7.5]))
def test_values_against_a_table_of_positions(
    tmp_path: Path, runs: list, rest: int, start: int, end: int, missing: float
) -> None:
    intervals, table, position = [], {}, 0
    for gap, length, value in [*runs, (0, 1, 1.0)]:
        first, position = position + gap, position + gap + length
        intervals.append(("chrI", first, position, value))
        table.update(dict.fromkeys(range(first, position), value))
    size = position + rest
    write_bigwig(tmp_path / "a.bw", {"chrI": size}, intervals)
    file = BigWig(tmp_path / "a.bw")
    if 0 <= start <= end <= size:
        expected = [table.get(i, missing) for i in range(start, end)]
        assert file.values("chrI", start, end, missing).tolist() == expected
    else:
        with pytest.raises(InputError, match=f"chrI:{start}-{end} is not an interval of chrI, which is {size} bp"):
            file.values("chrI", start, end, missing)


def test_numpy_numbers_are_written(tmp_path: Path) -> None:
    starts = np.arange(0, 300, 3)
    values = np.random.default_rng(0).normal(size=100).astype(np.float32)
    write_bigwig(tmp_path / "a.bigWig", SIZES, (("chrI", s, s + 2, v) for s, v in zip(starts, values, strict=True)))
    found = BigWig(tmp_path / "a.bigWig").values("chrI", 0, 300)
    assert np.array_equal(found.reshape(-1, 3), np.stack([values, values, np.zeros_like(values)], axis=1))


def test_chromosomes_of_which_nothing_is_said_are_known(tmp_path: Path) -> None:
    with pyBigWig.open(str(tmp_path / "x.bw"), "w") as file:
        file.addHeader([("a", 100), ("b", 100), ("c", 100), ("d", 100)])
        file.addEntries(["b", "d"], [90, 0], ends=[100, 1], values=[0.0, 2.0])
    found = BigWig(tmp_path / "x.bw")
    assert list(found.sizes) == ["a", "b", "c", "d"]
    assert found.silent == {"a", "c"}


def test_real_files(real_data: Path) -> None:
    files = sorted(real_data.glob("*/*/*.bw"))
    assert files
    for file in map(BigWig, files):
        assert min(file.sizes.values()) > 1000
    cutsites = BigWig(real_data / "yeast" / "atac" / "cutsites.bw")
    # The total that the file's own header gives.
    with cutsites.path.open("rb") as stream:
        stream.seek(44)
        (summary,) = struct.unpack("<Q", stream.read(8))
        stream.seek(summary)
        covered, _, _, total = struct.unpack("<Qddd", stream.read(32))
    arrays = [cutsites.values(chrom, 0, size, missing=np.nan) for chrom, size in cutsites.sizes.items()]
    assert sum(np.isfinite(a).sum() for a in arrays) == covered
    assert sum(np.nansum(a, dtype=np.float64) for a in arrays) == total


def blocks(values: np.ndarray, at: int) -> list[Steps]:
    return [Steps("chr1", 0, 3, values[:at]), Steps("chr1", 3 * at, 3, values[at:]), Steps("chr2", 5, 1, values[:4])]


def test_values_side_by_side_are_written_as_intervals_are(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=34).astype(np.float32)
    sizes = {"chr1": 100, "chr2": 50}
    write_steps(tmp_path / "steps.bw", sizes, blocks(values, 10))
    given = [("chr1", 3 * at, min(3 * at + 3, 100), float(value)) for at, value in enumerate(values)]
    given += [("chr2", 5 + at, 6 + at, float(value)) for at, value in enumerate(values[:4])]
    write_bigwig(tmp_path / "intervals.bw", sizes, given)
    for chrom, size in sizes.items():
        one, other = (BigWig(tmp_path / f"{name}.bw").values(chrom, 0, size, np.nan) for name in ("steps", "intervals"))
        assert np.array_equal(one, other, equal_nan=True)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([Steps("chr3", 0, 1, np.ones(3, np.float32))], "chr3:0-0: the chromosome is not among the sizes"),
        ([Steps("chr1", 99, 1, np.ones(3, np.float32))], "chr1:101-100 is empty, backwards or past the end"),
        ([Steps("chr1", 0, 1, np.array([1, np.nan, 1], np.float32))], "chr1:1-2 has the value nan"),
        ([Steps("chr1", 0, 1, np.array([1, np.inf], np.float32))], "chr1:1-2 has the value inf"),
        ([Steps("chr1", 5, 1, np.ones(3, np.float32)), Steps("chr1", 7, 1, np.ones(1, np.float32))], "follows chr1"),
        ([Steps("chr1", 0, 1, np.ones(0, np.float32))], "there are no intervals to write"),
    ],
)
def test_malformed_steps_are_named(tmp_path: Path, wrong: list[Steps], said: str) -> None:
    with pytest.raises(InputError, match=said):
        write_steps(tmp_path / "steps.bw", {"chr1": 100}, wrong)
    assert not list(tmp_path.iterdir())
