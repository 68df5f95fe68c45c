from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandwise.data.folds import chromosome_folds, held_out_folds
from strandwise.errors import InputError

SIZES = st.lists(st.integers(0, 50), min_size=2, max_size=7)


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(2, 4), st.randoms())
def test_folds_are_near_the_best_there_can_be(numbers: list[int], folds: int, random: object) -> None:
    folds = min(folds, len(numbers))
    sizes = {f"chr{i}": n for i, n in enumerate(numbers)}
    groups = chromosome_folds(sizes, folds)
    assert sorted(name for group in groups for name in group) == sorted(sizes)
    assert all(groups)
    largest = max(sum(sizes[name] for name in group) for group in groups)
    best = min(
        max(sum(n for n, where in zip(numbers, places, strict=True) if where == fold) for fold in range(folds))
        for places in product(range(folds), repeat=len(numbers))
    )
    assert largest <= 4 / 3 * best + 1e-9


def test_order_does_not_matter(real_data: Path) -> None:
    lines = (real_data / "hg19" / "hg19.autoX.chrom.sizes").read_text().splitlines()
    hg19_sizes = {name: int(size) for name, size in (line.split() for line in lines)}
    groups = chromosome_folds(hg19_sizes, 5)
    turned = chromosome_folds(dict(reversed(hg19_sizes.items())), 5)
    assert [set(group) for group in groups] == [set(group) for group in turned]
    totals = [sum(hg19_sizes[name] for name in group) for group in groups]
    assert max(totals) < 1.1 * min(totals)


def test_each_fold_tests_once_and_chooses_once() -> None:
    groups = chromosome_folds({"a": 5, "b": 4, "c": 3, "d": 3}, 3)
    splits = [held_out_folds(groups, number) for number in range(3)]
    assert sorted(name for _, test in splits for name in test) == ["a", "b", "c", "d"]
    assert sorted(name for valid, _ in splits for name in valid) == ["a", "b", "c", "d"]
    assert all(not set(valid) & set(test) for valid, test in splits)


def test_lawless_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="folds = 1"):
        chromosome_folds({"a": 1}, 1)
    with pytest.raises(InputError, match="give at most 2"):
        chromosome_folds({"a": 1, "b": 1}, 3)
    with pytest.raises(InputError, match="leave no training set"):
        held_out_folds([("a",), ("b",)], 0)
    with pytest.raises(InputError, match="fold 3 of 3"):
        held_out_folds([("a",), ("b",), ("c",)], 3)
