import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandwise.data.labels.leakage import find_leaks, sequence_hashes
from strandwise.data.reading import SequenceReader
from strandwise.errors import InputError
from strandwise.sequence import N, encode, revcomp_codes

ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 60), st.sampled_from(["train", "valid", "test", ""])), max_size=14
)


def table(rows: list[tuple[str, int, str]], length: int = 8) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["chrom", "start", "split"]).astype({"start": "int64"})
    return frame.assign(end=frame["start"] + length)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.data())
def test_leaks_are_those_of_all_pairs(rows: list, data: st.DataObject) -> None:
    windows = table(rows)
    letters = st.lists(st.sampled_from([0, 1, 2, 3, N]), min_size=3, max_size=3)
    drawn = data.draw(st.lists(letters, min_size=len(rows), max_size=len(rows)))
    codes = np.array(drawn, dtype=np.uint8).reshape(len(rows), 3)
    leaks = find_leaks(windows, SequenceReader(codes, 3), examples=99)
    assert (leaks.overlaps["apart"] == 0).all()
    for counts, kind in ((leaks.overlaps.drop(columns="apart"), "overlap"), (leaks.duplicates, "duplicate")):
        for split, other, n in counts.itertuples(index=False):
            hit = set()
            for i, (chrom, start, mine) in enumerate(rows):
                for j, (where, place, theirs) in enumerate(rows):
                    if (mine, theirs) != (split, other):
                        continue
                    turned = revcomp_codes(codes[i])
                    same = np.array_equal(codes[i], codes[j]) or np.array_equal(turned, codes[j])
                    if kind == "overlap" and chrom == where and abs(start - place) < 8:
                        hit.add(i)
                    if kind == "duplicate" and same and (codes[i] != N).any():
                        hit.add(i)
            assert n == len(hit)
            shown = leaks.examples
            mine = shown[(shown["kind"] == kind) & (shown["split"] == split) & (shown["other"] == other)]
            assert set(mine["row"]) == hit
    for kind, _, _, row, partner, turned in leaks.examples.itertuples(index=False):
        if kind == "duplicate":
            read = revcomp_codes(codes[row]) if turned else codes[row]
            assert read.tolist() == codes[partner].tolist()
        else:
            assert windows["chrom"][row] == windows["chrom"][partner]
            assert abs(windows["start"][row] - windows["start"][partner]) < 8
    assert leaks.clean == (not leaks.notes()) == leaks.examples.empty


def test_the_other_strand_is_found_and_told() -> None:
    windows = table([("a", 0, "train"), ("a", 100, "test"), ("a", 200, "train")])
    codes = np.stack([encode(text) for text in ("AACCGTTT", "AAACGGTT", "ACGTTTTT")])
    leaks = find_leaks(windows, SequenceReader(codes, 8))
    assert leaks.examples.to_numpy().tolist() == [
        ["duplicate", "train", "test", 0, 1, True],
        ["duplicate", "test", "train", 1, 0, True],
    ]
    assert leaks.notes()[0] == "1 windows of train have their sequence, on either strand, in test too"
    assert find_leaks(windows).clean


@settings(max_examples=60, deadline=None)
@given(ROWS, st.data())
def test_windows_of_other_cells_are_told_apart(rows: list, data: st.DataObject) -> None:
    cells = data.draw(st.lists(st.sampled_from("xy"), min_size=len(rows), max_size=len(rows)))
    windows = table(rows).assign(cell=np.array(cells, dtype=object))
    for split, other, n, apart in find_leaks(windows).overlaps.itertuples(index=False):
        hit = {"any": set(), "same": set()}
        for i, (chrom, start, mine) in enumerate(rows):
            for j, (where, place, theirs) in enumerate(rows):
                if (mine, theirs) == (split, other) and chrom == where and abs(start - place) < 8:
                    hit["any"].add(i)
                    if cells[i] == cells[j]:
                        hit["same"].add(i)
        assert (n, apart) == (len(hit["any"]), len(hit["any"] - hit["same"]))


def test_the_same_place_in_another_cell_is_said_once() -> None:
    codes = np.stack([encode(text) for text in ("AACCGTTT", "AACCGTTT", "AACCGTTT")])
    windows = table([("a", 0, "train"), ("a", 0, "test"), ("a", 90, "train")]).assign(cell=["x", "y", "x"])
    notes = find_leaks(windows, SequenceReader(codes, 8)).notes()
    assert notes == [
        "1 windows of train share bases with windows of test, all in other cells",
        "1 windows of test share bases with windows of train, all in other cells",
        "1 windows of train have their sequence, on either strand, in test too",
    ]


def test_examples_are_few_and_counts_are_all() -> None:
    windows = table([("a", i, split) for i in range(20) for split in ("train", "test")])
    leaks = find_leaks(windows, examples=3)
    assert leaks.overlaps["windows"].tolist() == [20, 20]
    assert len(leaks.examples) == 6


def test_hashes_differ_where_sequences_do() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (9000, 30)).astype(np.uint8)
    codes[5000] = revcomp_codes(codes[10])
    # One letter apart, and the same letters in another order.
    codes[6000], codes[6000, 7] = codes[20], (codes[20, 7] + 1) % 4
    codes[7000] = codes[30][::-1]
    hashes = sequence_hashes(SequenceReader(codes, 30), len(codes))
    identity = hashes.identity()
    assert identity[5000] == identity[10]
    assert len(set(identity.tolist())) == 8999
    assert hashes.known.all()


def test_splits_are_needed() -> None:
    with pytest.raises(InputError, match="no column split"):
        find_leaks(table([]).drop(columns="split"))
