import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandwise.data.labels.binding import BinState, bin_states, count_states, labels_and_weights
from strandwise.data.labels.grid import BinGrid
from strandwise.errors import InputError
from strandwise.genome import read_bed

SIZES = {"a": 80, "b": 50, "c": 45}
INTERVALS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 40), st.integers(1, 10)).map(lambda t: (t[0], t[1], t[1] + t[2])),
    max_size=5,
)


def table(rows: list[tuple[str, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chrom", "start", "end"]).astype({"start": "int64", "end": "int64"})


def inside(rows: pd.DataFrame, chrom: str, size: int) -> np.ndarray:
    """Whether each base of a chromosome lies in an interval, set one interval at a time."""
    bases = np.zeros(size, dtype=bool)
    here = rows[rows["chrom"] == chrom]
    for start, end in zip(here["start"], here["end"], strict=True):
        bases[start:end] = True
    return bases


def slowly(
    chrom: str, size: int, bin_bp: int, step_bp: int, strong: pd.DataFrame, weak: pd.DataFrame, barred: pd.DataFrame
) -> list[int]:
    """The states of one chromosome, bin after bin, base after base."""
    if not (strong["chrom"] == chrom).any():
        return [BinState.UNLABELLED] * ((size - bin_bp) // step_bp + 1)
    bound, any_peak, black = (
        inside(strong, chrom, size),
        inside(strong, chrom, size) | inside(weak, chrom, size),
        inside(barred, chrom, size),
    )
    states = []
    for start in range(0, size - bin_bp + 1, step_bp):
        here = slice(start, start + bin_bp)
        if black[here].any():
            states.append(BinState.BLACKLISTED)
        elif bound[here].sum() > bin_bp / 2:
            states.append(BinState.BOUND)
        else:
            states.append(BinState.AMBIGUOUS if any_peak[here].any() else BinState.UNBOUND)
    return states


@settings(max_examples=60, deadline=None)
@given(INTERVALS, INTERVALS, INTERVALS, st.integers(1, 30), st.integers(1, 12))
def test_states_are_those_of_the_slow_twin(strong: list, weak: list, barred: list, bin_bp: int, step_bp: int) -> None:
    strong = [*strong, ("a", 3, 9)]
    grid = BinGrid(SIZES, bin_bp, step_bp)
    frames = table(strong), table(weak), table(barred)
    states = bin_states(grid, *frames)
    for chrom, size in SIZES.items():
        assert states[grid.rows_of(chrom)].tolist() == slowly(chrom, size, bin_bp, step_bp, *frames)
    assert sum(count_states(states).values()) == len(grid)


def test_half_a_bin_is_ambiguous_and_one_base_more_is_bound() -> None:
    grid = BinGrid({"a": 1000}, 200, 200)
    states = bin_states(grid, table([("a", 0, 100), ("a", 200, 301), ("a", 450, 500), ("a", 520, 571)]))
    assert states.tolist() == [BinState.AMBIGUOUS, BinState.BOUND, BinState.BOUND, BinState.UNBOUND, BinState.UNBOUND]


def test_an_unmeasured_chromosome_is_never_unbound() -> None:
    grid = BinGrid(SIZES, 10, 10)
    states = bin_states(grid, table([("a", 0, 10)]), table([("b", 0, 10)]), table([("b", 20, 30)]))
    assert (states[grid.rows_of("b")] == BinState.UNLABELLED).all()
    assert (labels_and_weights(states[grid.rows_of("b")])[1] == 0).all()
    told = bin_states(grid, table([("a", 0, 10)]), measured=["a", "c"])
    assert (told[grid.rows_of("c")] == BinState.UNBOUND).all()
    assert (told[grid.rows_of("b")] == BinState.UNLABELLED).all()


def test_labels_and_weights() -> None:
    states = np.array([[1, 0, -1], [-2, -3, 1]], dtype=np.int8)
    labels, weights = labels_and_weights(states)
    assert labels.tolist() == [[1, 0, 0], [0, 0, 1]]
    assert weights.tolist() == [[1, 1, 0], [0, 0, 1]]
    assert labels_and_weights(states, judge_blacklisted=True)[1].tolist() == [[1, 1, 0], [1, 0, 1]]
    assert count_states(states) == {"unlabelled": 1, "blacklisted": 1, "ambiguous": 1, "unbound": 1, "bound": 2}


def test_lawless_arguments_are_refused() -> None:
    grid = BinGrid(SIZES, 10, 10)
    with pytest.raises(InputError, match="chromosome 'z' is not in the genome"):
        bin_states(grid, table([("z", 0, 10)]))
    with pytest.raises(InputError, match="reaches past the end of a"):
        bin_states(grid, table([("a", 0, 90)]))
    with pytest.raises(InputError, match="least_bp = 11"):
        bin_states(grid, table([("a", 0, 9)]), least_bp=11)
    with pytest.raises(InputError, match="there are none"):
        bin_states(grid, table([]))
    with pytest.raises(InputError, match="no bins on z"):
        bin_states(grid, table([]), measured=["z"])
    with pytest.raises(InputError, match="b has conservative peaks but is not named"):
        bin_states(grid, table([("b", 0, 9)]), measured=["a"])


def test_a_slice_of_max_agrees_with_the_slow_twin(hg19: Path, max_peaks: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    # From the centromere, which is in the blacklist, into the genes of chromosome 22.
    size = 20_000_000
    blacklist = read_bed(hg19 / "blacklist.bed.gz")
    strong, weak, barred = (
        frame[(frame["chrom"] == "chr22") & (frame["end"] <= size)] for frame in (*max_peaks, blacklist)
    )
    states = bin_states(BinGrid({"chr22": size}), strong, weak, barred)
    assert states.tolist() == slowly("chr22", size, 200, 50, strong, weak, barred)
    assert count_states(states)["bound"] > 100


@pytest.mark.skipif(not shutil.which("bedtools"), reason="bedtools is not installed (Debian package bedtools)")
def test_chromosome_22_of_max_agrees_with_bedtools(
    tmp_path: Path, hg19: Path, hg19_sizes: dict[str, int], max_peaks: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    sizes = {"chr22": hg19_sizes["chr22"]}
    blacklist = read_bed(hg19 / "blacklist.bed.gz")
    strong, weak, barred = (frame[frame["chrom"] == "chr22"] for frame in (*max_peaks, blacklist))
    for name, frame in (("strong", strong), ("weak", weak), ("barred", barred)):
        frame[["chrom", "start", "end"]].sort_values("start").to_csv(
            tmp_path / f"{name}.bed", sep="\t", header=False, index=False
        )
    (tmp_path / "sizes").write_text(f"chr22\t{sizes['chr22']}\n")
    script = """
        set -e
        bedtools makewindows -g sizes -w 200 -s 50 | awk '$3 - $2 == 200' > bins.bed
        bedtools merge -i strong.bed > merged.bed
        bedtools coverage -sorted -a bins.bed -b merged.bed | awk '$5 >= 101' > bound.bed
        bedtools intersect -sorted -u -a bins.bed -b strong.bed weak.bed > peaks.bed
        bedtools intersect -sorted -u -a bins.bed -b barred.bed > black.bed
    """
    subprocess.run(["bash", "-c", script], cwd=tmp_path, check=True)

    def rows(name: str) -> np.ndarray:
        return pd.read_csv(tmp_path / f"{name}.bed", sep="\t", header=None)[1].to_numpy() // 50

    expected = np.zeros(len(rows("bins")), dtype=np.int8)
    expected[rows("peaks")] = BinState.AMBIGUOUS
    expected[rows("bound")] = BinState.BOUND
    expected[rows("black")] = BinState.BLACKLISTED
    states = bin_states(BinGrid(sizes), strong, weak, barred)
    np.testing.assert_array_equal(states, expected)
    assert count_states(states)["bound"] > 1000
