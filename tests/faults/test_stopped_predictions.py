"""Predicting chromosomes, stopped in the middle, goes on where it was."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from strandwise.errors import OutputError
from strandwise.experiment import Run, predict
from strandwise.genome import BigWig

Disk = Callable[[int], AbstractContextManager[None]]


@pytest.fixture
def asked(watch_predictions: Callable[..., list[str]]) -> list[str]:
    """The chromosomes that are predicted, as they are begun; chr2 is where the job is stopped the first time."""
    return watch_predictions(lambda begun: begun[-1] == "chr2" and begun.count("chr2") == 1)


def test_finished_chromosomes_are_not_predicted_again(trained: Run, tmp_path: Path, asked: list[str]) -> None:
    out = tmp_path / "p.bw"
    chromosomes = ["chr1", "chr2", "chr3"]
    with pytest.raises(KeyboardInterrupt):
        predict(trained, out, chrom=chromosomes)
    assert not list(tmp_path.glob("*.bw"))
    paths = predict(trained, out, chrom=chromosomes)
    assert asked == ["chr1", "chr2", "chr2", "chr3"]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    whole = predict(trained, tmp_path / "whole" / "p.bw", chrom=chromosomes)
    for one, other in zip(paths, whole, strict=True):
        for chrom, size in BigWig(one).sizes.items():
            assert np.array_equal(BigWig(one).values(chrom, 0, size), BigWig(other).values(chrom, 0, size))


def test_another_question_starts_anew(trained: Run, tmp_path: Path, asked: list[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        predict(trained, tmp_path / "p.bw", chrom=["chr1", "chr2"])
    predict(trained, tmp_path / "p.bw", chrom=["chr1", "chr2"], step_bp=100)
    assert asked == ["chr1", "chr2", "chr1", "chr2"]


def test_a_full_disk_keeps_what_is_finished(trained: Run, tmp_path: Path, full_disk: Disk) -> None:
    with full_disk(20_000), pytest.raises(OutputError, match=r"disk is full|is the disk full"):
        predict(trained, tmp_path / "p.bw", chrom="all")
    assert not list(tmp_path.glob("*.bw"))
    paths = predict(trained, tmp_path / "p.bw", chrom="all")
    assert sorted(tmp_path.iterdir()) == sorted(paths)
