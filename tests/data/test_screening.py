"""Windows that are left, against a look at each by itself."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandwise.data.screening import Screen, room_for
from strandwise.data.splits import SplitSettings
from strandwise.errors import InputError
from strandwise.genome import Genome

SPLIT = SplitSettings(valid=("chr1:200-400",), test=("chr2",))
REGIONS = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(0, 380), st.integers(1, 60)).map(
        lambda t: (t[0], t[1], t[1] + t[2])
    ),
    min_size=1,
    max_size=6,
)


def table(rows: list[tuple[str, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chrom", "start", "end"])


@pytest.fixture
def genome(make_genome: Callable[..., Genome]) -> Genome:
    rng = np.random.default_rng(1)
    letters = ["".join(rng.choice(list("ACGTN"), 600, p=[0.23, 0.23, 0.23, 0.23, 0.08])) for _ in range(2)]
    return make_genome(chr1=letters[0], chr2=letters[1], chr3="N" * 100)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(REGIONS, REGIONS, st.integers(0, 12), st.sampled_from(["keep", "drop"]))
def test_each_window_is_judged_by_the_first_reason_that_holds(
    genome: Genome, black: list, unmappable: list, jitter: int, at_limit: str
) -> None:
    windows = table([(chrom, start, start + 20) for chrom in ("chr1", "chr2") for start in range(0, 580, 15)])
    screen = Screen(genome, SPLIT, 0.1, table(black), table(unmappable), 0.25, at_limit)  # pyright: ignore[reportArgumentType]
    found = screen.apply(windows, jitter)
    rows, roles, dropped = [], [], Counter[str]()
    for row, (chrom, start, end) in enumerate(windows.itertuples(index=False)):
        bases = range(start, end)
        blocked = sum(any(chrom == c and low <= at < high for c, low, high in unmappable) for at in bases)
        low, high = start - jitter, end + jitter
        inside, outside = (start >= 200 and end <= 400), (high <= 200 or low >= 400)
        role = "test" if chrom == "chr2" else "valid" if inside else "train" if outside else ""
        if any(chrom == c and start < stop and end > first for c, first, stop in black):
            dropped["in the blacklist"] += 1
        elif not role:
            dropped["across the border of a split"] += 1
        elif genome.fetch(chrom, start, end).tolist().count(4) > 2:
            dropped["too much unknown sequence"] += 1
        elif blocked > 5 or (blocked == 5 and at_limit == "drop"):
            dropped["too little of it mappable"] += 1
        else:
            rows.append(row)
            roles.append(role)
    assert found.rows.tolist() == rows
    assert found.split.tolist() == roles
    assert found.dropped == dropped


def test_nothing_is_left_of_nothing(genome: Genome) -> None:
    found = Screen(genome, SPLIT, 0.1).apply(table([]))
    assert (len(found.rows), found.dropped) == (0, Counter())
    everything = Screen(genome, SPLIT, 1.0).apply(table([("chr3", 0, 100)]))
    assert everything.split.tolist() == ["train"]
    assert Screen(genome, SPLIT, 0.99).apply(table([("chr3", 0, 100)])).dropped == {"too much unknown sequence": 1}


def test_chromosomes_need_room_and_something_on_them(genome: Genome) -> None:
    sizes, notes = room_for(genome, ["chr1", "chr3", "chr1"], 101, SPLIT, "peaks")
    assert sizes == {"chr1": 600}
    assert notes == ["no peaks on chr2: no windows there", "chr3: shorter than 101 bp, so no windows there"]
    with pytest.raises(InputError, match=r"601 bp are longer than every chromosome that has peaks \(chr1 \(600 bp\)\)"):
        room_for(genome, ["chr1"], 601, SPLIT, "peaks")
    with pytest.raises(InputError, match=r"no signal left: every chromosome that has any is in split.exclude"):
        room_for(genome, ["chr1"], 10, SplitSettings(exclude=("chr1",)), "signal")
