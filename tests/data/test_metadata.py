"""What is known of cells and places, against scikit-learn and against counting base by base."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from strandwise.data.metadata import MetadataSettings, cell_columns, metadata_columns
from strandwise.errors import InputError

CELLS = ["A549", "K562", "liver", "iPSC", "HepG2"]
TRAINING = ["K562", "A549", "HepG2", "iPSC"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.lognormal(0, 3, (5, 12)).round(3), CELLS, [f"gene{i}" for i in range(12)])
    table["gene3"] = [2.0, 2.0, 9.0, 2.0, 2.0]
    table.to_csv(tmp_path / "meta.tsv", sep="\t", index_label="cell")
    return tmp_path / "meta.tsv"


def numbers(path: Path) -> np.ndarray:
    return np.array([line.split("\t")[1:] for line in path.read_text().splitlines()[1:]], dtype=float)


@pytest.mark.parametrize("asinh", [False, True])
@pytest.mark.parametrize("n", [1, 3])
def test_components_are_those_of_scikit_learn(path: Path, n: int, asinh: bool) -> None:
    settings = MetadataSettings(table=path, asinh=asinh, pca=n, standardise=False)
    found = np.array([cell_columns(settings, TRAINING)[cell] for cell in CELLS])
    values = np.arcsinh(numbers(path)) if asinh else numbers(path)
    oracle = PCA(n).fit(values[[CELLS.index(cell) for cell in TRAINING]])
    expected = oracle.transform(values)
    axes = np.asarray(oracle.components_)
    signs = np.sign(axes[np.arange(n), np.abs(axes).argmax(1)])
    np.testing.assert_allclose(found, expected * signs, rtol=1e-8, atol=1e-8)
    scaled = cell_columns(MetadataSettings(table=path, asinh=asinh, pca=n), TRAINING)
    learned = np.array([scaled[cell] for cell in TRAINING])
    assert learned.std(0)[0] == pytest.approx(1)
    np.testing.assert_allclose(learned.std(0) ** 2, oracle.explained_variance_ / oracle.explained_variance_[0])
    assert settings.width == n


def test_columns_are_scaled_by_the_cells_that_train(path: Path) -> None:
    found = cell_columns(MetadataSettings(table=path), TRAINING)
    values = numbers(path)
    scaler = StandardScaler().fit(values[[CELLS.index(cell) for cell in TRAINING]])
    expected = np.array(scaler.transform(values))
    expected[:, 3] = 0
    np.testing.assert_allclose(np.array([found[cell] for cell in CELLS]), expected, rtol=1e-8, atol=1e-12)
    assert MetadataSettings(table=path).width == 12
    raw = cell_columns(MetadataSettings(table=path, standardise=False, columns=("gene3", "gene0")), TRAINING)
    assert raw["liver"].tolist() == values[2, [3, 0]].tolist()


def test_what_is_the_same_in_every_cell_that_trains_says_nothing_of_others() -> None:
    # The standard deviation of three times 0.1 is not quite 0.
    values = {cell: {"x": 0.1, "y": float(number)} for number, cell in enumerate("abc")} | {"held": {"x": 0.2, "y": 1}}
    found = cell_columns(MetadataSettings(values=values), ["a", "b", "c"])
    assert [row[0] for row in found.values()] == [0.0] * 4
    assert found["held"][1] == 0.0


def test_what_is_not_trained_on_changes_nothing(path: Path) -> None:
    before = cell_columns(MetadataSettings(table=path, pca=2), TRAINING)
    lines = path.read_text().splitlines()
    lines[3] = "liver" + "\t7" * 12
    path.write_text("\n".join(lines) + "\n")
    after = cell_columns(MetadataSettings(table=path, pca=2), TRAINING)
    assert all(np.array_equal(before[cell], after[cell]) for cell in TRAINING)
    assert not np.array_equal(before["liver"], after["liver"])


def test_values_can_stand_in_the_config() -> None:
    settings = MetadataSettings(values={"a": {"x": 1.0, "y": -2.0}, "b": {"x": 3.0, "y": 5.0}}, standardise=False)
    assert {cell: row.tolist() for cell, row in cell_columns(settings, ["a"]).items()} == {"a": [1, -2], "b": [3, 5]}
    assert settings.width == 2


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("cell\tx\nK562\t1\nK562\t2\n", {}, "cell 'K562' has two rows"),
        ("cell\tx\nK562\t1\nA549\tmany\n", {}, "cell 'A549', column 'x' holds 'many': give a finite number"),
        ("cell\tx\nK562\t1\nA549\t\n", {}, "cell 'A549', column 'x' holds ''"),
        ("cell\tx\nK562\t1\n", {}, r"no row for cell 'A549'"),
        ("cell\tx\nK562\t1\nA549\t2\n", {"columns": ("y",)}, "no column 'y'"),
        ("cell\tx\ty\nK562\t1\t5\nA549\t2\t7\n", {"pca": 2}, "metadata.pca = 2, and 2 cells that train vary in 1 dir"),
        ("", {}, "not a tab-separated table of cells"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str, options: dict[str, Any], words: str) -> None:
    (tmp_path / "m.tsv").write_text(text)
    with pytest.raises(InputError, match=words):
        cell_columns(MetadataSettings(table=tmp_path / "m.tsv", **options), ["K562", "A549"])


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "give table, annotation or genes, or remove"),
        ({"table": "m.tsv", "from_folders": True}, "give table, values or from_folders, one of them"),
        ({"annotation": {"cpg": "c.bed"}, "pca": 2}, "are for a table of cells"),
        ({"genes": "t.bed", "annotation": {"promoter": "p.bed"}}, "both make a column 'promoter'"),
        ({"genes": "t.bed", "upstream_bp": 0, "downstream_bp": 0}, "leave no promoter"),
        ({"table": "m.tsv", "columns": ["a", "a"]}, "columns names 'a' twice"),
        ({"values": {"a": {"x": 1}, "b": {"y": 1}}}, "values of cell 'b' have other columns than those of cell 'a'"),
    ],
)
def test_settings_that_do_not_fit(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        MetadataSettings.model_validate(table)


def test_columns_of_windows_base_by_base() -> None:
    rng = np.random.default_rng(1)
    n = 60
    chrom, start = rng.choice(["a", "b"], n), rng.integers(0, 200, n)
    cells = rng.choice(["x", "y"], n).astype(object)
    features = {}
    for name in ("cpg", "cds"):
        low = rng.integers(0, 200, 5)
        features[name] = pd.DataFrame({"chrom": rng.choice(["a", "b"], 5), "start": low, "end": low + 8})
    of_cells = {"x": [0.5, 2.0], "y": [-1.0, 3.0], "unused": [9.0, 9.0]}
    found = metadata_columns(cells, of_cells, (chrom, start, start + 10), features)
    assert found.dtype == np.float32
    for row in range(n):
        bases = set(range(start[row], start[row] + 10))
        touched = [
            any(where == chrom[row] and bases & set(range(low, high)) for where, low, high in each.to_numpy())
            for each in features.values()
        ]
        assert found[row].tolist() == [*of_cells[cells[row]], *map(float, touched)]
    assert metadata_columns(None, {}, (chrom, start, start + 10), features).shape == (n, 2)
    with pytest.raises(InputError, match=r"\[metadata\] says nothing of cell 'y'.* \(there are x\)"):
        metadata_columns(cells, {"x": [1.0]}, (chrom, start, start + 10), features)
