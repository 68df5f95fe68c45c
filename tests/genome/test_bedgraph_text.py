import io
import random
from pathlib import Path

import numpy as np
import pytest

from strandwise.errors import InputError
from strandwise.genome import bedgraph_text
from strandwise.genome.bedgraph import BedGraph
from strandwise.genome.bedgraph_text import Runs, collect, line_blocks


def where(line: int) -> str:
    return f"a.bg, line {line}"


def read(text: str) -> dict[str, list[tuple[int, int, float]]]:
    runs = collect(line_blocks(io.BytesIO(text.encode()), where), where)
    return {
        name: list(zip(run.start.tolist(), run.end.tolist(), run.value.tolist(), strict=True))
        for name, run in runs.items()
    }


@pytest.fixture(params=["at once", "line by line", "small blocks"])
def way(request, monkeypatch: pytest.MonkeyPatch) -> str:
    """Read many lines at once, or one by one, or a few at a time: the outcome must be the same."""

    def odd(block: bytes) -> None:
        raise bedgraph_text._OddError

    if request.param == "line by line":
        monkeypatch.setattr(bedgraph_text, "_parse", odd)
    if request.param == "small blocks":
        monkeypatch.setattr(bedgraph_text, "_BLOCK", 7)
    return request.param


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\t0\t2\t1.5\na\t2\t3\t-2\nb\t7\t9\t1e3\n", {"a": [(0, 2, 1.5), (2, 3, -2)], "b": [(7, 9, 1000)]}),
        ("a\t0\t2\t1.5", {"a": [(0, 2, 1.5)]}),
        ("a 0 2 1.5\na  2 3   -2\n  b 1 2 3 \n", {"a": [(0, 2, 1.5), (2, 3, -2)], "b": [(1, 2, 3)]}),
        ("a 0 2 1.5\na\t2\t3\t-2\n", {"a": [(0, 2, 1.5), (2, 3, -2)]}),
        (
            "track type=bedGraph\nbrowser x\n#c\n\n \t\na\t1\t2\t.5\n#d\ntrack\na\t3\t4\t5.\n",
            {"a": [(1, 2, 0.5), (3, 4, 5)]},
        ),
        ("tracker\t1\t2\t3\nbrowser1\t1\t2\t3\n", {"tracker": [(1, 2, 3)], "browser1": [(1, 2, 3)]}),
        ("\ufeffa\t1\t2\t3\n", {"a": [(1, 2, 3)]}),
        ("a\t1\t2\t+3E-1\na\t3\t4294967295\t0\n", {"a": [(1, 2, pytest.approx(0.3)), (3, 4294967295, 0)]}),
        ("0x1\t1\t2\t3\n", {"0x1": [(1, 2, 3)]}),
        ('"a\t1\t2\t3\nb"\t1\t2\t3\n', {'"a': [(1, 2, 3)], 'b"': [(1, 2, 3)]}),
        ("b\t1\t2\t3\na\t1\t2\t3\n", {"b": [(1, 2, 3)], "a": [(1, 2, 3)]}),
        ("NA\t1\t2\t3\nnull\t1\t2\t3\n", {"NA": [(1, 2, 3)], "null": [(1, 2, 3)]}),
    ],
)
def test_lines_are_read(way: str, text: str, expected: dict) -> None:
    found = read(text)
    assert found == expected
    assert list(found) == list(expected)


def test_values_that_are_missing(way: str) -> None:
    found = read("a\t1\t2\tnan\na\t2\t3\tNA\na\t3\t4\tNaN\na\t4\t5\t6\n")
    assert np.array_equal([value for _, _, value in found["a"]], [np.nan, np.nan, np.nan, 6], equal_nan=True)


GOOD = "a\t0\t1\t5\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD + "a\t5\t9\n", "line 2: 3 columns where bedGraph has 4"),
        (GOOD + "a\t5\t9\t1\t2\n", "line 2: 5 columns where bedGraph has 4"),
        (GOOD + "a  5\t9 1\n", "line 2: 2 columns where bedGraph has 4"),
        (GOOD + "a\t\t5\t9\t1\n", "line 2: 5 columns where bedGraph has 4"),
        ("a:5-9\n", "line 1: 1 column where bedGraph has 4"),
        (GOOD + "\t5\t9\t1\n", "line 2: the chromosome is empty"),
        (GOOD + "a\t-5\t9\t1\n", "line 2: '-5' in column 2 is not a whole number from 0 to 2**32 - 1; it is the start"),
        (GOOD + "a\t5\t9.0\t1\n", "line 2: '9.0' in column 3 is not a whole number"),
        (GOOD + "a\t5\t\t1\n", "line 2: '' in column 3 is not a whole number"),
        (GOOD + "a\t0x5\t9\t1\n", "line 2: '0x5' in column 2"),
        (GOOD + "a\t1_0\t19\t1\n", "line 2: '1_0' in column 2"),
        (GOOD + "a\t5\t4294967296\t1\n", "line 2: '4294967296' in column 3"),
        (GOOD + "a\t5\t99999999999999999999999\t1\n", "line 2: '99999999999999999999999' in column 3"),
        (GOOD + "a\t5\t5\t1\n", "line 2: start 5 is not before end 5"),
        ("#\n\n" + GOOD + "a\t9\t5\t1\n", "line 4: start 9 is not before end 5"),
        (GOOD + "a\t5\t9\thigh\n", "line 2: 'high' in column 4 is not a number"),
        (GOOD + "a\t5\t9\t\n", "line 2: '' in column 4 is not a number"),
        (GOOD + "a\t5\t9\tinf\n", "line 2: 'inf' in column 4 is not a number"),
        (GOOD + "a\t5\t9\t1,5\n", "line 2: '1,5' in column 4 is not a number"),
        (GOOD + "a\t5\t9\t1e39\n", "line 2: the value 1e39 in column 4 is too large for 32 bits"),
        (GOOD + "a\t5\t9\t-1e999\n", "line 2: the value -1e999 in column 4 is too large"),
        (GOOD * 2, "line 2: a:0-1 begins before 1, where the line before it ends; sort the file"),
        (GOOD + "a\t5\t9\t1\na\t8\t12\t1\n", "line 3: a:8-12 begins before 9"),
        ("a\t5\t9\t1\n" + GOOD, "line 2: a:0-1 begins before 9"),
        (GOOD + "b\t0\t1\t5\na\t5\t9\t1\n", "line 3: a comes again after b; sort the file"),
        ("a\t0\t1\t5\r\na\t5\t9\t1\r\n", "line 1: the line ends as on Windows (\\r); take it off"),
        (GOOD + "a\t5\t9\t1\r\n", "line 2: the line ends as on Windows"),
        (GOOD + "a\0\t5\t9\t1\n", "line 2: this is not text"),
        (GOOD + "variableStep chrom=a\n5 1\n", "line 2: this is wig, not bedGraph"),
        ("chrom\tstart\tend\tvalue\n" + GOOD, "line 1: 'start' in column 2 is not a whole number"),
    ],
)
def test_errors_name_file_line_value_and_fix(way: str, text: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        read(text)
    assert str(error.value).startswith(f"a.bg, {words}")
    # No other error of the line shows through.
    assert error.value.__cause__ is None


def test_bytes_that_are_not_text(way: str) -> None:
    with pytest.raises(InputError, match=r"a\.bg, line 2: byte 0xe9 is not text"):
        collect(line_blocks(io.BytesIO(b"a\t0\t1\t5\na\xe9\t5\t9\t1\n"), where), where)


def test_a_chromosome_that_comes_again_in_a_later_block(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = "a\t0\t1\t5.000000\n", "b\t0\t1\t5\na\t5\t9\t1"
    assert len(first) == len(second)
    monkeypatch.setattr(bedgraph_text, "_BLOCK", len(first))
    with pytest.raises(InputError, match=r"a\.bg, line 3: a comes again after b"):
        read(f"{first}{second}\n")


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bedgraph_text, "_BLOCK", 1 << 10)
    with pytest.raises(InputError, match=r"a\.bg, line 2: the line is too long"):
        read("a\t0\t1\t5\n" + "x" * (1 << 17))
    with pytest.raises(InputError, match=r"a\.bg, line 1: the line is too long"):
        read("x" * (1 << 17))


def test_many_lines_in_small_blocks_equal_a_slow_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(4)  # noqa: S311
    text, expected = "", {}
    for chrom in range(30):
        end = 0
        for _ in range(rng.randrange(1, 40)):
            start, value = end + rng.choice([0, rng.randrange(50)]), rng.randrange(-64, 64) / 8
            end = start + rng.randrange(1, 50)
            # A line that is read one by one now and then: the blocks before and behind it are not.
            text += (
                f"c{chrom}\t{start}\t{end}\t{value}\n" if rng.random() < 0.95 else f"c{chrom} {start} {end} {value}\n"
            )
            expected.setdefault(f"c{chrom}", []).append((start, end, value))
    for size in (1, 13, 100, 1000, 1 << 20):
        monkeypatch.setattr(bedgraph_text, "_BLOCK", size)
        assert read(text) == expected


def test_files_of_many_contigs_take_no_longer_for_each(tmp_path: Path) -> None:
    path = tmp_path / "a.bg"
    path.write_text("".join(f"contig{i}\t0\t{i + 1}\t{i}\n" for i in range(40_000)))
    file = BedGraph(path)
    assert len(file.sizes) == 40_000
    assert file.values("contig700", 700, 702, missing=-1).tolist() == [700, -1]


def test_spread_at_its_ends() -> None:
    runs = Runs(*(np.array(column, kind) for column, kind in (([3, 5], "u4"), ([5, 8], "u4"), ([1.0, 2.0], "f4"))))
    assert runs.spread(0, 10, -1).tolist() == [-1, -1, -1, 1, 1, 2, 2, 2, -1, -1]
    assert runs.spread(4, 6, -1).tolist() == [1, 2]
    assert runs.spread(8, 9, -1).tolist() == [-1]
    assert runs.spread(0, 3, -1).tolist() == [-1] * 3
    assert runs.spread(6, 7, -1).tolist() == [2]
