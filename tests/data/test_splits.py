from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from strandwise.data.splits import SplitSettings, assign_split, held_out_regions, roles_of_cell
from strandwise.errors import ConfigError, InputError

SIZES = {"chrI": 1000, "chrII": 800, "chrIII": 300}


def regions(**table: Any):
    return held_out_regions(SplitSettings.model_validate(table), SIZES)


def test_regions_are_read_as_written() -> None:
    frame = regions(valid=["chrII"], test=["chrI:600-", "chrI:1-2,00", "chrIII:0-300"])
    assert list(frame.columns) == ["chrom", "start", "end", "split"]
    assert frame.to_numpy().tolist() == [
        ["chrII", 0, 800, "valid"],
        ["chrI", 600, 1000, "test"],
        ["chrI", 1, 200, "test"],
        ["chrIII", 0, 300, "test"],
    ]
    assert regions().empty


@pytest.mark.parametrize(
    ("valid", "test"),
    [
        (["chrII"], ["chrII:0-100"]),
        (["chrI:0-300"], ["chrI:299-400"]),
        (["chrI:100-200"], ["chrI:0-1000"]),
        (["chrI:0-900", "chrI:10-20"], []),
        (["chrI:0-900"], ["chrII", "chrI:950-1000", "chrI:500-600"]),
    ],
)
def test_overlaps_are_refused(valid: list[str], test: list[str]) -> None:
    with pytest.raises(ConfigError, match="overlap: keep them apart"):
        regions(valid=valid, test=test)


def test_neighbours_do_not_overlap() -> None:
    assert len(regions(valid=["chrI:300-600"], test=["chrI:600-", "chrI:0-300"])) == 3


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"valid": ["chrI"], "test": ["chrI", "chrII"]}, "chrI is in valid and in test: keep it in one"),
        ({"valid": ["chrI"], "exclude": ["chrI"]}, "chrI is held out and its chromosome is in exclude"),
        ({"test": ["chrI:0-100"], "exclude": ["chrI"]}, "chrI:0-100 is held out and its chromosome is in exclude"),
        ({"valid_fraction": 0.5, "test_fraction": 0.5}, "leave nothing to train on"),
        ({"valid_fraction": 1.0}, "less than 1"),
        ({"vaild": ["chrI"]}, "Extra inputs"),
    ],
)
def test_contradictions_are_refused(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SplitSettings.model_validate(table)


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ("II", r"chromosome 'II' is not in the genome \(did you mean 'chrII'"),
        ("chrI:0-1001", "1001 is past the end of chrI, which is 1000 bp"),
        ("chrI:50-50", "not before the end"),
        ("chrI:1000-", "not before the end"),
        ("chrI:a-b", "write it as CHROM"),
    ],
)
def test_regions_that_are_not_there(region: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        regions(test=[region])


def test_windows_go_where_they_lie_whole() -> None:
    held = regions(valid=["chrI:300-600"], test=["chrI:600-", "chrII"])
    rng = np.random.default_rng(0)
    chrom = np.array(list(SIZES), dtype=object)[rng.integers(0, 3, 500)]
    start = np.array([rng.integers(0, SIZES[name] - 49) for name in chrom])
    role_of = {name: ["train"] * size for name, size in SIZES.items()}
    for name, low, high, role in held.to_numpy():
        role_of[name][low:high] = [role] * (high - low)
    # A window has the split of its bases if all of them agree.
    roles = [set(role_of[name][first : first + 50]) for name, first in zip(chrom, start, strict=True)]
    found = assign_split(chrom, start, start + 50, held)
    assert found.tolist() == [next(iter(role)) if len(role) == 1 else "" for role in roles]
    assert set(found) == {"train", "valid", "test", ""}
    assert set(assign_split(chrom, start, start + 50, regions())) == {"train"}


def test_training_windows_keep_their_jitter_away_from_a_border() -> None:
    regions = pd.DataFrame({"chrom": ["a"], "start": [1000], "end": [2000], "split": ["test"]})
    chrom, start = np.array(["a"] * 5, dtype=object), np.array([895, 896, 1000, 1900, 2005])
    found = assign_split(chrom, start, start + 100, regions, 5)
    assert found.tolist() == ["train", "", "test", "test", "train"]
    assert assign_split(chrom, start, start + 100, regions).tolist() == ["train", "train", "test", "test", "train"]


def test_folds_take_the_place_of_valid_and_test() -> None:
    from strandwise.data.folds import chromosome_folds

    sizes = {f"chr{i}": 100 * (i + 1) for i in range(8)}
    groups = chromosome_folds({name: size for name, size in sizes.items() if name != "chr7"}, 3)
    judged = []
    for fold in range(3):
        settings = SplitSettings(folds=3, fold=fold, exclude=("chr7",))
        frame = held_out_regions(settings, sizes)
        held = {role: set(frame.loc[frame["split"] == role, "chrom"]) for role in ("valid", "test")}
        assert held == {"valid": set(groups[(fold + 1) % 3]), "test": set(groups[fold])}
        assert (frame["start"] == 0).all()
        judged += sorted(held["test"])
    assert sorted(judged) == [f"chr{i}" for i in range(7)]


@pytest.mark.parametrize(
    ("table", "match"),
    [
        ({"folds": 3, "test": ["chrI"]}, "folds say what is held out, and so do valid and test"),
        ({"folds": 3, "fold": 3}, "fold 3 of 3 folds: count from 0"),
        ({"fold": 1}, "fold 1 of 0 folds: count from 0, and give folds"),
        ({"folds": 2}, "greater than or equal to 3"),
    ],
)
def test_folds_that_do_not_fit_are_refused(table: dict[str, Any], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        SplitSettings.model_validate(table)


def test_more_folds_than_chromosomes_are_refused() -> None:
    with pytest.raises(InputError, match="folds = 4 of 3 chromosomes: give at most 3"):
        regions(folds=4)


@pytest.mark.parametrize(
    ("table", "one", "chosen", "judged"),
    [
        ({}, {"train": "train"}, {"train": "train"}, {"train": "train"}),
        ({"valid": ["a"], "test": ["b"]}, *[{"train": "train", "valid": "valid", "test": "test"}] * 3),
        (
            {"valid_cells": ["v"], "test_cells": ["t"]},
            {"train": "train"},
            {"train": "valid"},
            {"train": "test"},
        ),
        (
            {"valid": ["a"], "test": ["b"], "valid_cells": ["v"], "test_cells": ["t"]},
            {"train": "train"},
            {"valid": "valid"},
            {"test": "test"},
        ),
        (
            {"valid": ["a"], "test": ["b"], "test_cells": ["t"]},
            {"train": "train", "valid": "valid"},
            {"train": "train", "valid": "valid"},
            {"test": "test"},
        ),
        (
            {"test": ["b"], "valid_cells": ["v"]},
            {"train": "train", "test": "test"},
            {"train": "valid"},
            {"train": "train", "test": "test"},
        ),
        (
            {"folds": 5, "test_cells": ["t"]},
            {"train": "train", "valid": "valid"},
            {"train": "train", "valid": "valid"},
            {"test": "test"},
        ),
    ],
)
def test_cells_and_places_together(table: dict[str, Any], one: dict, chosen: dict, judged: dict) -> None:
    settings = SplitSettings.model_validate(table)
    assert [roles_of_cell(settings, cell) for cell in ("k", "v", "t")] == [one, chosen, judged]


def test_a_cell_chooses_and_judges_only_where_chromosomes_keep_these_apart() -> None:
    both = {"valid_cells": ("v",), "test_cells": ("v", "t")}
    for places in ({}, {"valid": ("a",)}, {"test": ("b",)}):
        with pytest.raises(
            ValidationError, match=r"cell v is in valid_cells and in test_cells: .* in valid and in test"
        ):
            SplitSettings.model_validate(both | places)
    for places in ({"valid": ("a",), "test": ("b",)}, {"folds": 3}):
        settings = SplitSettings.model_validate(both | places)
        roles = [roles_of_cell(settings, cell) for cell in ("k", "v", "t")]
        assert roles == [{"train": "train"}, {"valid": "valid", "test": "test"}, {"test": "test"}]
