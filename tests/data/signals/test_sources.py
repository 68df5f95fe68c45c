from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyBigWig
import pytest

from strandwise.data.signals import Track, sources
from strandwise.data.signals.sources import open_source
from strandwise.data.signals.statistics import Statistics
from strandwise.errors import InputError
from strandwise.genome import BigWig
from strandwise.genome.runs import Runs


def test_names_are_reconciled_and_told(files: dict[str, Path], sizes: dict[str, int]) -> None:
    source = open_source(Track("atac", files["atac"], missing_quantile=0.5), sizes)
    assert source.names == {"chr1": "1", "chr2": "2", "chr3": "3", "chr4": "4"}
    renamed, missing = source.notes
    assert "atac.bw: 4 chromosome names read under other names in it ('chr1' as '1', ...)" in renamed
    assert missing.endswith("atac.bw: 1 chromosome name not in it: chr5; taken as not measured (weight 0)")
    assert np.array_equal(source.values("chr2", 3, 9), BigWig(files["atac"]).values("2", 3, 9, np.nan), equal_nan=True)


def test_a_chromosome_without_any_value_was_not_measured(tmp_path: Path) -> None:
    with pyBigWig.open(str(tmp_path / "x.bw"), "w") as file:
        file.addHeader([("chr1", 100), ("chr2", 100), ("chr3", 100)])
        file.addEntries(["chr2"], [0], ends=[10], values=[0.0])
    said = {"chr1": 100, "chr2": 100, "chr3": 100}
    source = open_source(Track("t", tmp_path / "x.bw"), said)
    assert source.names == {"chr2": "chr2"}
    (note,) = source.notes
    assert note.endswith("x.bw: no value of chr1, chr3, which it names; taken as not measured (weight 0)")
    with pytest.raises(InputError, match=r"x\.bw: says nothing of any chromosome of the genome \(track 't'\)"):
        open_source(Track("t", tmp_path / "x.bw"), {"chr1": 100, "chr3": 100})


def test_another_assembly_is_refused(files: dict[str, Path], sizes: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"chr2 is 300 bp there and 301 bp in the genome.*another assembly"):
        open_source(Track("t", files["plus"]), sizes | {"chr2": 301})
    with pytest.raises(InputError, match=r"chromosome 'chrX' is not in .*plus.bw"):
        open_source(Track("t", files["plus"]), {"chrX": 10})
    with pytest.raises(InputError, match="no such file"):
        open_source(Track("t", Path("none.bw")), sizes)


def test_a_bedgraph_is_a_source_too(files: dict[str, Path], sizes: dict[str, int], tmp_path: Path) -> None:
    bigwig, path = BigWig(files["atac"]), tmp_path / "a.bedGraph"
    values = {"1": bigwig.values("1", 0, 490, np.nan), "3": bigwig.values("3", 0, 200, np.nan)}
    lines = [f"{c}\t{p}\t{p + 1}\t{v:g}\n" for c, of in values.items() for p, v in enumerate(of.tolist()) if v == v]
    path.write_text("".join(lines))
    source = open_source(Track("t", path, missing_quantile=0.5), sizes)
    assert source.names == {"chr1": "1", "chr3": "3"}
    assert np.array_equal(source.values("chr1", 0, 490), values["1"], equal_nan=True)
    assert np.isnan(source.values("chr1", 490, 500)).all()
    with pytest.raises(InputError, match=r"3 is \d+ bp there and 100 bp in the genome"):
        open_source(Track("t", path), sizes | {"chr3": 100})


def test_gaps_are_what_the_track_counts_them_as(files: dict[str, Path], sizes: dict[str, int]) -> None:
    kept, zero = (open_source(Track("t", files["plus"], missing_quantile=q), sizes) for q in (0.0, None))
    values = kept.values("chr1", 0, 500)
    assert np.isnan(values).any()
    assert np.array_equal(zero.values("chr1", 0, 500), np.nan_to_num(values))


def test_chunks_make_the_chromosome(
    files: dict[str, Path], sizes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(Track("t", files["plus"]), sizes)
    whole = source.values("chr1", 0, 500)
    for chunk, parts in ((64, 8), (250, 2), (499, 2), (500, 1), (1 << 22, 1)):
        monkeypatch.setattr(sources, "CHUNK_BP", chunk)
        found = list(source.chunks("chr1"))
        assert [len(values) for values, _ in found] == [min(chunk, 500 - start) for start in range(0, 500, chunk)]
        assert len(found) == source.parts("chr1") == parts
        assert np.array_equal(np.concatenate([values for values, _ in found]), whole)
    both = list(source.chunks("chr2", "chr1"))
    assert np.array_equal(both[0][0], source.values("chr2", 0, 300))
    assert np.array_equal(both[1][0], whole)


@pytest.mark.parametrize("missing", [None, 0.5])
@pytest.mark.parametrize("dense", [0.0, 1.0])
def test_stretches_are_counted_as_their_positions_are(
    files: dict[str, Path], sizes: dict[str, int], monkeypatch: pytest.MonkeyPatch, missing: float | None, dense: float
) -> None:
    monkeypatch.setattr(sources, "_DENSE", dense)
    monkeypatch.setattr(sources, "CHUNK_BP", 64)
    source = open_source(Track("t", files["plus"], missing_quantile=missing), sizes)
    assert (source._runs("chr1", 0, 64) is None) == (not dense)
    for index, (values, known) in enumerate(source.chunks("chr1")):
        expected = source.values("chr1", 64 * index, min(64 * index + 64, 500))
        assert np.array_equal(values, expected, equal_nan=True)
        counted = Statistics.of(expected)
        assert (known.count, known.low, known.high) == (counted.count, counted.low, counted.high)
        assert (known.mean, known.m2) == pytest.approx((counted.mean, counted.m2))
        assert np.array_equal(known.values, counted.values)
        assert np.array_equal(known.counts, counted.counts)


def test_windows_are_read_as_intervals_are(files: dict[str, Path], sizes: dict[str, int], tmp_path: Path) -> None:
    (tmp_path / "a.bedGraph").write_text("chr1\t3\t90\t1.5\nchr1\t120\t150\t-2\n")
    for path in (files["plus"], tmp_path / "a.bedGraph"):
        for missing in (None, 0.5):
            source = open_source(Track("t", path, missing_quantile=missing), sizes)
            start, out = [0, 17, 460], np.empty((3, 40), np.float32)
            source.windows("chr1", start, 40, list(out))
            expected = [source.values("chr1", first, first + 40) for first in start]
            assert np.array_equal(out, expected, equal_nan=True)


def test_an_error_in_a_later_part_is_raised(
    files: dict[str, Path], sizes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(Track("t", files["plus"]), sizes)
    monkeypatch.setattr(sources, "CHUNK_BP", 64)
    values = np.zeros(500, np.float32)
    values[300] = np.inf
    monkeypatch.setattr(source.file, "runs", lambda *_: None)
    monkeypatch.setattr(source.file, "values", lambda _, start, end, missing: values[start:end])
    parts = source.chunks("chr1")
    assert len([next(parts) for _ in range(4)]) == 4
    with pytest.raises(InputError, match="value at chr1:300 is infinite"):
        next(parts)


def test_infinite_values_are_named(files: dict[str, Path], sizes: dict[str, int], monkeypatch) -> None:
    source = open_source(Track("t", files["atac"]), sizes)
    monkeypatch.setattr(source.file, "values", lambda *_: np.array([0, np.nan, -np.inf], np.float32))
    with pytest.raises(InputError, match="value at 1:42 is infinite"):
        source.values("chr1", 40, 43)


def test_infinite_stretches_are_named(files: dict[str, Path], sizes: dict[str, int], monkeypatch) -> None:
    source = open_source(Track("t", files["atac"]), sizes)
    runs = Runs(np.array([3, 41]), np.array([9, 44]), np.array([1, np.inf], np.float32))
    monkeypatch.setattr(source.file, "runs", lambda *_: runs)
    with pytest.raises(InputError, match="value at 1:41 is infinite"):
        list(source.chunks("chr1"))


def test_a_file_that_changes_is_noticed(tmp_path: Path, write_values: Callable) -> None:
    path = write_values(tmp_path / "a.bw", {"chr1": np.ones(9, np.float32)})
    source = open_source(Track("t", path), {"chr1": 9})
    source.check_unchanged()
    write_values(path, {"chr1": np.zeros(9, np.float32)})
    with pytest.raises(InputError, match="changed while it was read"):
        source.check_unchanged()
