from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from strandwise.analysis.comparison import Along
from strandwise.errors import InputError
from strandwise.experiment.ground import Ground, Named
from strandwise.experiment.listed import along_table

GROUND = Ground({"chr1": 1050, "chr2": 300}, None, {"chr1": 1050, "chr2": 300, "chr3": 10})


def written(path: Path, table: pd.DataFrame) -> Named:
    table.to_parquet(path / "x.parquet")
    return Named("x", path / "x.parquet")


def tiles(width: int = 100, chrom: str = "chr1", size: int = 1050) -> pd.DataFrame:
    start = np.arange(0, size, width)
    return pd.DataFrame({"chrom": chrom, "start": start, "end": np.minimum(start + width, size)}).assign(
        score=np.arange(len(start), dtype=float)
    )


def windows(*starts: int, width: int = 100) -> pd.DataFrame:
    frame = pd.DataFrame({"chrom": "chr1", "start": starts})
    return frame.assign(end=frame["start"] + width, score=np.arange(len(frame), dtype=float))


@pytest.mark.parametrize("cut", [True, False])
def test_windows_side_by_side_are_values_along_chromosomes(cut: bool, tmp_path: Path) -> None:
    table = pd.concat([tiles().drop(index=3), tiles(chrom="chr2", size=300)], ignore_index=True)
    table = table.sample(frac=1, random_state=0)
    if not cut:
        table["end"] = table["start"] + 100
    said, notes = along_table(written(tmp_path, table), GROUND)
    assert isinstance(said, Along)
    assert (said.landscape.bin_bp, notes) == (100, [])
    np.testing.assert_array_equal(said.landscape.values["chr1"], [0, 1, 2, np.nan, *range(4, 11)])
    np.testing.assert_array_equal(said.landscape.values["chr2"], [0, 1, 2])
    said, _ = along_table(written(tmp_path, table), GROUND, missing=0.0)
    assert isinstance(said, Along)
    assert said.landscape.values["chr1"][3] == 0


def test_names_and_types_of_others_are_read(tmp_path: Path) -> None:
    table = tiles(chrom="1").astype({"chrom": "category", "start": "int32", "end": "float64", "score": "float16"})
    said, _ = along_table(written(tmp_path, table), GROUND)
    assert isinstance(said, Along)
    # Of the other it says nothing, which is no error: its windows are left out.
    assert np.isnan(said.landscape.values["chr2"]).all()


@pytest.mark.parametrize("starts", [(0, 13, 500), (0, 300, 700), (0, 50, 100, 150), (-20, 80, 1000)])
def test_windows_here_and_there_are_judged_where_they_are(starts: tuple[int, ...], tmp_path: Path) -> None:
    said, notes = along_table(written(tmp_path, windows(*starts)), GROUND)
    assert isinstance(said, pd.DataFrame)
    inside = [start for start in starts if 0 <= start <= 950]
    assert said["start"].tolist() == inside
    left = len(starts) - len(inside)
    assert notes == ([f"x: {left} of its windows reach past the end of a chromosome, and are left out"] if left else [])


def test_windows_said_twice_alike_count_once(tmp_path: Path) -> None:
    table = windows(0, 13, 0, 500).assign(score=[1.0, 2.0, 1.0, 3.0])
    said, _ = along_table(written(tmp_path, table), GROUND)
    assert len(said) == 3  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"x\.parquet: chr1:0-100 has two values: give one for each window"):
        along_table(written(tmp_path, windows(0, 13, 0, 500)), GROUND)


@pytest.mark.parametrize(("column", "label"), [("score", "label"), ("pred/a", "label/a"), ("a", "label/a")])
def test_labels_come_with_the_column_they_are_of(column: str, label: str, tmp_path: Path) -> None:
    table = tiles().rename(columns={"score": column}).assign(**{label: [0, 1] * 5 + [np.nan], "label/other": 1})
    said, notes = along_table(written(tmp_path, table), GROUND, column.removeprefix("pred/"))
    assert isinstance(said, pd.DataFrame)
    # The last window is cut, so it is not judged.
    assert said["label"].tolist() == [0, 1] * 5
    assert notes == ["x: 1 of its windows reach past the end of a chromosome, and are left out"]


def test_amounts_are_no_labels(tmp_path: Path) -> None:
    said, notes = along_table(written(tmp_path, tiles().assign(label=np.arange(11) / 2)), GROUND)
    assert isinstance(said, Along)
    assert notes[0].startswith("x: label is not 0 or 1, so it labels nothing")


def test_labels_of_one_kind_tell_nothing_apart(tmp_path: Path) -> None:
    _, notes = along_table(written(tmp_path, tiles().assign(label=1)), GROUND)
    assert notes[0] == "x: label is the same of all windows, so there is nothing to tell apart"


def test_a_column_of_text_or_a_table_without_numbers_is_said_to_be_so(tmp_path: Path) -> None:
    table = tiles().assign(score="high", name="w")
    with pytest.raises(InputError, match=r"x\.parquet: column 'score' does not hold numbers"):
        along_table(written(tmp_path, table), GROUND, "score")
    with pytest.raises(InputError, match=r"no column 'y'; columns of numbers are none"):
        along_table(written(tmp_path, table), GROUND, "y")


def test_a_column_is_chosen(tmp_path: Path) -> None:
    table = tiles().assign(other=1.0, name="w", **{"revcomp/score": 2.0})
    with pytest.raises(InputError, match=r"2 columns of numbers \(score, other\): say which with --track"):
        along_table(written(tmp_path, table), GROUND)
    with pytest.raises(
        InputError, match=r"no column 'scores' \(did you mean 'score'\?\); columns of numbers are score, other"
    ):
        along_table(written(tmp_path, table), GROUND, "scores")
    # Columns that say they are predictions go before others; and one alone needs no choice.
    table["pred/a"] = 7.0
    table.loc[5:, "pred/a"] = 8.0
    for track in (None, "a", "pred/a", "something else"):
        said, _ = along_table(written(tmp_path, table), GROUND, track)
        assert isinstance(said, Along)
        assert said.landscape.values["chr1"][0] == 7
    said, _ = along_table(written(tmp_path, table), GROUND, "score")
    assert isinstance(said, Along)
    assert said.landscape.values["chr1"][1] == 1


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            tiles().rename(columns={"start": "Start"}),
            r"no column start \(did you mean 'Start'\?\): a table of",
        ),
        (tiles().drop(columns="score"), r"0 columns of numbers \(none\)"),
        (pd.concat([tiles(), tiles(chrom="1")]), "chromosome 'chr1' of the genome is there by two names, of which '1'"),
        (tiles(chrom="chr7"), "no window lies on chr1, chr2; it has chr7"),
        (windows(0, 13, 2000), "chr1:2000-2100 is no place on chr1, which is 1,050 bp: is it from another assembly"),
        (windows(0, 13, 500, width=0), "chr1:0-0 ends before it begins"),
        (tiles().assign(score=[*[1.0] * 10, np.inf]), r"score of chr\d:\d+-\d+ is infinite"),
        (tiles().assign(score=4.0), "score is the same everywhere on chr1, chr2"),
        (tiles().assign(score=np.nan), "score holds no number on chr1, chr2"),
        (pd.concat([windows(0, 13), windows(500, width=90)]), "windows of 90, 100 bp: give windows of one length"),
        (tiles().assign(start=0.5), "start holds what is no position"),
        (tiles().assign(end=np.nan), "end holds what is no position"),
    ],
)
def test_a_table_that_cannot_be_judged_is_refused(table: pd.DataFrame, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"x\.parquet: {said}"):
        along_table(written(tmp_path, table), GROUND)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match=r"x\.parquet: not a parquet file that can be read"):
        along_table(Named("x", tmp_path / "x.parquet"), GROUND)
