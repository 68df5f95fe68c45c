from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from strandwise.data.signals import Track, sources
from strandwise.data.signals.entry import Entry, most_bytes, read_entry, write_entry
from strandwise.data.signals.sources import Source, open_source
from strandwise.data.signals.statistics import Statistics
from strandwise.errors import InputError


@pytest.fixture
def source(files: dict[str, Path], sizes: dict[str, int]) -> Source:
    """A track whose gaps are kept."""
    return open_source(Track("plus", files["plus"], missing_quantile=0.5), sizes)


@pytest.fixture
def entry(source: Source, tmp_path: Path) -> Entry:
    write_entry(tmp_path / "a.signal", source, "float32")
    entry = read_entry(tmp_path / "a.signal")
    assert entry is not None
    return entry


@pytest.mark.parametrize("chunk", [64, 1 << 22])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_is_written_is_read_back(
    source: Source, tmp_path: Path, dtype, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "CHUNK_BP", chunk)
    write_entry(tmp_path / "a.signal", source, dtype)
    entry = read_entry(tmp_path / "a.signal")
    assert entry is not None
    assert entry.damaged() == []
    data = np.fromfile(entry.path, dtype, entry.length)
    parts = {part.name: part for part in entry.chromosomes}
    assert list(parts) == list(source.sizes)
    for name in ("chr1", "chr2", "chr3"):
        expected = source.values(name, 0, source.sizes[name])
        part = parts[name]
        assert np.array_equal(data[part.offset : part.offset + part.size], expected, equal_nan=True)
        assert (part.measured, part.gaps) == (True, True)
        statistics = Statistics.of(expected)
        assert part.statistics.mean == pytest.approx(statistics.mean)
        assert part.statistics.m2 == pytest.approx(statistics.m2)
        assert np.array_equal(part.statistics.values, statistics.values)
        assert np.array_equal(part.statistics.counts, statistics.counts)
    constant, missing = parts["chr4"], parts["chr5"]
    assert (constant.offset, constant.constant, constant.gaps, constant.measured) == (-1, 7, False, True)
    assert (missing.offset, missing.gaps, missing.measured) == (-1, True, False)
    assert np.isnan(missing.constant)
    # What is the same everywhere takes no space.
    assert entry.length == 1000
    assert entry.notes == ()


def test_gaps_that_count_as_zero_are_written_as_zero(source: Source, tmp_path: Path) -> None:
    write_entry(tmp_path / "a.signal", replace(source, track=replace(source.track, missing_quantile=None)), "float32")
    entry = read_entry(tmp_path / "a.signal")
    assert entry is not None
    data = np.fromfile(entry.path, "float32", entry.length)
    for part in entry.chromosomes[:3]:
        expected = np.nan_to_num(source.values(part.name, 0, part.size))
        assert np.array_equal(data[part.offset : part.offset + part.size], expected)
        assert not part.gaps
        assert part.statistics.count == part.size


def test_an_entry_takes_no_more_than_was_said(tmp_path: Path, write_values: Callable) -> None:
    values = {"chr1": np.random.default_rng(0).normal(size=3000).astype(np.float32)}
    source = open_source(Track("t", write_values(tmp_path / "a.bw", values)), {"chr1": 3000})
    write_entry(tmp_path / "a.signal", source, "float32")
    size = (tmp_path / "a.signal").stat().st_size
    assert size <= most_bytes([3000], "float32") < 1.2 * size


def test_every_cut_and_every_scribble_at_the_end_is_noticed(entry: Entry, tmp_path: Path) -> None:
    content = entry.path.read_bytes()
    other = tmp_path / "b.signal"
    for cut in [*range(0, 4000, 97), *range(4000, len(content), 13), len(content) - 1]:
        other.write_bytes(content[:cut])
        assert read_entry(other) is None
    for place in range(4 * entry.length, len(content), 7):
        other.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert read_entry(other) is None
    other.write_bytes(content + b"x")
    assert read_entry(other) is None
    assert read_entry(tmp_path / "none.signal") is None
    assert read_entry(tmp_path) is None


def test_other_values_are_noticed_by_their_checksum(entry: Entry) -> None:
    with entry.path.open("r+b") as stream:
        stream.seek(4 * 600)
        stream.write(b"xxxx")
    assert read_entry(entry.path) is not None
    assert entry.damaged() == ["chr2"]


def test_nothing_appears_where_a_value_cannot_be_held(tmp_path: Path, write_values: Callable) -> None:
    values = np.arange(50, dtype=np.float32)
    values[7] = 1e6
    source = open_source(Track("t", write_values(tmp_path / "a.bw", {"chr1": values})), {"chr1": 50})
    with pytest.raises(InputError, match=r"a.bw, chr1: 1e.06 is too large for float16"):
        write_entry(tmp_path / "a.signal", source, "float16")
    assert [path.name for path in tmp_path.iterdir()] == ["a.bw"]


def test_rounding_is_told(tmp_path: Path, write_values: Callable) -> None:
    values = {"chr1": np.linspace(0, 1, 50, dtype=np.float32)}
    source = open_source(Track("t", write_values(tmp_path / "a.bw", values)), {"chr1": 50})
    write_entry(tmp_path / "a.signal", source, "float16")
    entry = read_entry(tmp_path / "a.signal")
    assert entry is not None
    assert entry.notes == ("track 't': float16 keeps 11 bits of each value",)


def test_a_chromosome_without_a_single_value_takes_no_space(source: Source, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(source.file, "runs", lambda *_: None)
    monkeypatch.setattr(source.file, "values", lambda chrom, start, end, missing: np.full(end - start, missing, "f4"))
    write_entry(tmp_path / "a.signal", source, "float32")
    entry = read_entry(tmp_path / "a.signal")
    assert entry is not None
    assert entry.length == 0
    assert [part.measured for part in entry.chromosomes] == [True] * 4 + [False]
    assert all(np.isnan(part.constant) and part.gaps for part in entry.chromosomes)
